"""Tokens that are stored nowhere: an id, and a seal that only this installation can put on it.

A refresh token, a link in a mail, the code of a sign-in under way: each is the id of a row and 192 bits of
HMAC-SHA-256 over it and its purpose. Whoever reads the database learns ids and cannot make a token of them;
a job that runs twice makes the same token again; a token for one purpose is none for another.
"""

import base64
import binascii
import hmac
from typing import Final, Literal
from uuid import UUID

from core.settings import AuthSettings

Purpose = Literal["refresh", "mail", "flow", "state", "provider-verifier", "nonce", "browser"]

_MAC_BYTES: Final = 24
_LENGTH: Final = 54
CODE_DIGITS: Final = 6


def seal(settings: AuthSettings, purpose: Purpose, id_: UUID) -> str:
    """The token of an id for a purpose: 54 characters that a URL takes as they are."""
    raw = id_.bytes + _mac(settings, purpose, id_)[:_MAC_BYTES]
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def unseal(settings: AuthSettings, purpose: Purpose, token: str) -> UUID | None:
    """The id in a token; None when it is not exactly the one we would make."""
    if len(token) != _LENGTH or not token.isascii():
        return None
    try:
        id_ = UUID(bytes=base64.urlsafe_b64decode(token + "==")[:16])
    except (binascii.Error, ValueError):
        return None
    return id_ if hmac.compare_digest(seal(settings, purpose, id_), token) else None


def code(settings: AuthSettings, id_: UUID) -> str:
    """The short code that stands in a mail beside its link, to be typed. Guesses at it are counted."""
    number = int.from_bytes(_mac(settings, "code", id_)[:16])
    return str(number % 10**CODE_DIGITS).zfill(CODE_DIGITS)


def secret(settings: AuthSettings, purpose: Purpose, id_: UUID) -> str:
    """A secret of 256 bits that belongs to an id and says nothing of it."""
    return base64.urlsafe_b64encode(_mac(settings, purpose, id_)).rstrip(b"=").decode()


def _mac(settings: AuthSettings, purpose: str, id_: UUID) -> bytes:
    return hmac.digest(settings.jwt_secret.encode(), f"seal:{purpose}\0".encode() + id_.bytes, "sha256")
