"""What a reader of a value says when it cannot read it."""

from core.errors import LeadFuelError


class ValueProblem(LeadFuelError):
    """A value that does not say what its field needs; `reason` is a phrase that follows the value."""

    status = 422
    slug = "unreadable-value"
    title = "A value cannot be read"

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
