"""What can be wrong with an `Idempotency-Key`, whichever noun keeps the answer."""

from core.errors import LeadFuelError


class KeyReused(LeadFuelError):
    """The key was used for another request. Every request needs a key of its own."""

    status = 422
    slug = "idempotency-key-reused"
    title = "The key belongs to another request"
