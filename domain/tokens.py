"""Our own bearer tokens: who somebody is, and until when. What they may do is read from the database.

One algorithm, a fixed issuer and audience, an expiry that cannot be left out. Nothing in a token's
header is believed: `kid`, `jku`, `jwk` and `x5u` are never followed.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import jwt

from core import clock
from core.errors import LeadFuelError
from core.ids import UserId
from core.settings import AuthSettings, BadSetting

ALGORITHM: Final = "HS256"
MIN_SECRET_LENGTH: Final = 32
# A token of ours has about 350 characters; nothing longer is worth a parse.
MAX_TOKEN_LENGTH: Final = 4_096
LEEWAY: Final = timedelta(seconds=30)
_LATEST: Final = datetime(9999, 1, 1, tzinfo=UTC).timestamp()


class BadToken(LeadFuelError):
    """The bearer token was not issued by us, is not for this service, or is no longer good."""

    status = 401
    slug = "bad-token"
    title = "The bearer token is no good"


@dataclass(frozen=True, slots=True)
class Token:
    """A signed token and when it ends."""

    text: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Claims:
    """What a verified token says."""

    user_id: UserId
    issued_at: datetime
    expires_at: datetime


def check_secret(settings: AuthSettings) -> None:
    """Refuse to work with a secret that is missing or short enough to guess."""
    if len(settings.jwt_secret) < MIN_SECRET_LENGTH:
        raise BadSetting(
            f"LEADFUEL_JWT_SECRET must be set, with at least {MIN_SECRET_LENGTH} characters; "
            "every token is signed with it."
        )


def mint(settings: AuthSettings, *, user_id: UserId, lifetime: timedelta | None = None) -> Token:
    """Sign a token for a user, good for `lifetime` (the configured one by default)."""
    check_secret(settings)
    issued_at = clock.now().replace(microsecond=0)
    expires_at = issued_at + (lifetime or timedelta(seconds=settings.token_lifetime_s))
    claims = {
        "iss": settings.issuer,
        "aud": settings.audience,
        "sub": str(user_id),
        "iat": int(issued_at.timestamp()),
        "exp": int(expires_at.timestamp()),
        # What the ecosystem's own tools expect to read; we never do.
        "role": "authenticated",
    }
    return Token(jwt.encode(claims, settings.jwt_secret, algorithm=ALGORITHM), expires_at)


def verify(settings: AuthSettings, text: str) -> Claims:
    """What the token says, or `BadToken` with a reason that helps its owner and nobody else."""
    if len(text) > MAX_TOKEN_LENGTH:
        raise BadToken("The bearer token is too long to be one of ours.")
    check_secret(settings)
    try:
        claims = jwt.decode(
            text,
            settings.jwt_secret,
            algorithms=[ALGORITHM],
            audience=settings.audience,
            issuer=settings.issuer,
            # The times are compared below: with our clock, and strictly as numbers.
            options={
                "require": ["iss", "aud", "sub", "exp", "iat"],
                "verify_exp": False,
                "verify_iat": False,
                "verify_nbf": False,
            },
        )
    except jwt.InvalidAudienceError:
        raise BadToken("The bearer token is meant for another audience.") from None
    except jwt.InvalidIssuerError:
        raise BadToken("The bearer token comes from another issuer.") from None
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
        raise BadToken("The bearer token cannot be verified.") from None
    return _read(claims)


def _read(claims: dict[str, Any]) -> Claims:
    now = clock.now()
    expires_at, issued_at = _instant(claims, "exp"), _instant(claims, "iat")
    if expires_at + LEEWAY <= now:
        raise BadToken("The bearer token has expired; ask for a new one.")
    not_before = _instant(claims, "nbf") if "nbf" in claims else issued_at
    if max(issued_at, not_before) - LEEWAY > now:
        raise BadToken("The bearer token is not valid yet.")
    subject = claims["sub"]
    try:
        return Claims(UserId(UUID(subject)), issued_at, expires_at)
    except (ValueError, AttributeError, TypeError):
        raise BadToken("The bearer token names no user.") from None


def _instant(claims: dict[str, Any], name: str) -> datetime:
    value = claims[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < _LATEST:
        raise BadToken(f"The bearer token's {name} is not a time.")
    return datetime.fromtimestamp(value, UTC)
