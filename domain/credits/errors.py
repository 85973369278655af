"""What can stand in the way of spending."""

from core.errors import LeadFuelError


class OutOfCredits(LeadFuelError):
    """The account has fewer credits than this costs. Nothing was charged; `facts` has the balance and what
    is needed.
    """

    status = 402
    slug = "out-of-credits"
    title = "Not enough credits"


class SpendingFrozen(LeadFuelError):
    """The books of this account do not add up, or somebody looks into it: nothing is charged until then."""

    status = 403
    slug = "spending-frozen"
    title = "The account may not spend at the moment"


class HoldSettled(LeadFuelError):
    """The hold was captured, voided or has expired before; it is settled once."""

    status = 409
    slug = "hold-settled"
    title = "The hold is settled already"
