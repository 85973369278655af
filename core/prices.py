"""What things cost, in credits: the one table that quotes and charges."""

from typing import Final, Literal

RevealField = Literal["email", "phone"]
Action = Literal["unlock_email", "unlock_phone", "email_finder", "validate_email"]

CREDITS: Final[dict[Action, int]] = {
    "unlock_email": 1,
    "unlock_phone": 5,
    "email_finder": 2,
    "validate_email": 1,
}
UNLOCK_ACTIONS: Final[dict[RevealField, Action]] = {"email": "unlock_email", "phone": "unlock_phone"}
UNLOCK_CREDITS: Final[dict[RevealField, int]] = {
    field: CREDITS[action] for field, action in UNLOCK_ACTIONS.items()
}
