"""The root of every error that a caller may see; `api.problems` alone turns it into HTTP."""

from typing import Any, ClassVar


class LeadFuelError(Exception):
    """An error with a meaning for the caller.

    Subclasses stand beside the code that raises them and say, in `title`, what happened in general;
    an instance says it in particular (`detail`) and carries the facts a program can act on.
    """

    status: ClassVar[int] = 500
    slug: ClassVar[str] = "internal"
    title: ClassVar[str] = "Something went wrong on our side"

    def __init__(self, detail: str, **facts: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.facts = facts


class NotFound(LeadFuelError):
    """There is no such record, or it is not yours to know of."""

    status = 404
    slug = "not-found"
    title = "Not found"


class PlanLimit(LeadFuelError):
    """The plan allows no more of this. A larger plan does, or making room.

    `limit` is how many it allows, `of` what.
    """

    status = 402
    slug = "plan-limit"
    title = "The plan allows no more of this"


class Invalid(LeadFuelError):
    """The request has the right form and a wrong content.

    `errors` is a list of `{"path": "filters.contacts.include.seniorities[0]", "message": …}`,
    with `allowed` (the nearest allowed values) where there are any.
    """

    status = 422
    slug = "invalid"
    title = "The request cannot be carried out as it stands"

    def __init__(self, detail: str, *, errors: list[dict[str, Any]] | None = None, **facts: Any) -> None:
        super().__init__(detail, errors=errors or [], **facts)
