"""What things cost, in credits: the one table that quotes and charges."""

from typing import Final, Literal

RevealField = Literal["email", "phone"]

UNLOCK_CREDITS: Final[dict[RevealField, int]] = {"email": 1, "phone": 5}
