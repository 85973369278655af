"""Our own bearer tokens: who somebody is, and until when. What they may do is read from the database.

A key has one algorithm and one purpose, both bound to it where it is stored. Of a token's header only `kid`
is read, and that only to look up a key of ours: `alg` must be the key's own, `jku`, `jwk` and `x5u` are never
followed. Issuer and audience are fixed, an expiry cannot be left out.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast, get_args
from uuid import UUID

import jwt

from core import clock
from core.errors import LeadFuelError
from core.ids import UserId
from core.settings import AuthSettings, BadSetting
from domain.signing.keyring import ClientRole, Keyring

MIN_SECRET_LENGTH: Final = 32
# A token of ours has about 500 characters, more with what a person keeps in it; longer ones are not parsed.
MAX_TOKEN_LENGTH: Final = 8_192
LEEWAY: Final = timedelta(seconds=30)
PERSON_ROLE: Final = "authenticated"
_LATEST: Final = datetime(9999, 1, 1, tzinfo=UTC).timestamp()
_KID: Final = re.compile(r"[A-Za-z0-9_-]{16}")
# Whoever issues a token adds to these and never replaces them.
_OURS: Final = frozenset({"iss", "aud", "sub", "iat", "exp", "nbf", "role"})


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
    """What a verified token of a person says; `said` is all of it."""

    user_id: UserId
    issued_at: datetime
    expires_at: datetime
    session_id: UUID | None = None
    said: Mapping[str, Any] = field(default_factory=dict)


def check_secret(settings: AuthSettings) -> None:
    """Refuse to work with a secret that is missing or short enough to guess."""
    if len(settings.jwt_secret) < MIN_SECRET_LENGTH:
        raise BadSetting(
            f"LEADFUEL_JWT_SECRET must be set, with at least {MIN_SECRET_LENGTH} characters; "
            "the keys that sign tokens are sealed with it."
        )


async def mint(
    ring: Keyring,
    *,
    user_id: UserId,
    lifetime: timedelta | None = None,
    claims: Mapping[str, Any] | None = None,
) -> Token:
    """Sign a token for a user, good for `lifetime` (the configured one by default).

    `claims` are said beside ours, such as `session_id` and `email`; they can replace none of ours.
    """
    issued_at = clock.now().replace(microsecond=0)
    expires_at = issued_at + (lifetime or timedelta(seconds=ring.settings.token_lifetime_s))
    key = await ring.signing_until(expires_at)
    said = {name: value for name, value in (claims or {}).items() if name not in _OURS} | {
        "iss": ring.settings.issuer,
        "aud": ring.settings.audience,
        "sub": str(user_id),
        "iat": int(issued_at.timestamp()),
        "exp": int(expires_at.timestamp()),
        # What the ecosystem's own tools expect to read; what a person may do is never taken from it.
        "role": PERSON_ROLE,
    }
    text = jwt.encode(said, key.private, algorithm=key.algorithm, headers={"kid": key.kid})
    return Token(text, expires_at)


async def verify(ring: Keyring, text: str) -> Claims:
    """What a person's token says, or `BadToken` with a reason that helps its owner and nobody else."""
    found = await read(ring, text)
    if isinstance(found, Claims):
        return found
    raise BadToken("The bearer token is a key of a client and names no user.")


async def read(ring: Keyring, text: str) -> Claims | ClientRole:
    """What a token of ours stands for: a person, or the role of the client key that it is."""
    key = await ring.find(kid_of(text))
    if key is None:
        raise BadToken("The bearer token is signed with a key that is not, or is no longer, ours.")
    said = _decoded(text, key.public, key.algorithm, ring.settings, is_person=key.purpose == "access")
    if key.purpose == "client":
        if said.get("role") not in get_args(ClientRole) or "sub" in said:
            raise BadToken("The bearer token is not what its key signs.")
        instants(said)
        return cast("ClientRole", said["role"])
    if said.get("role") != PERSON_ROLE:
        raise BadToken("The bearer token is not what its key signs.")
    return _claims(said)


def kid_of(text: str) -> str:
    """The name of the key that a token claims to be signed with, in the form that ours have."""
    if len(text) > MAX_TOKEN_LENGTH:
        raise BadToken("The bearer token is too long to be one of ours.")
    try:
        kid = jwt.get_unverified_header(text).get("kid")
    except (jwt.PyJWTError, ValueError, TypeError, AttributeError, RecursionError):
        raise BadToken("The bearer token cannot be verified.") from None
    if not isinstance(kid, str) or not _KID.fullmatch(kid):
        raise BadToken("The bearer token does not name a key of ours.")
    return kid


def _decoded(
    text: str, public: Any, algorithm: str, settings: AuthSettings, *, is_person: bool
) -> dict[str, Any]:
    required = ["iss", "exp", "iat"] + (["aud", "sub"] if is_person else [])
    try:
        return jwt.decode(
            text,
            public,
            algorithms=[algorithm],
            audience=settings.audience if is_person else None,
            issuer=settings.issuer,
            # The times are compared below: with our clock, and strictly as numbers.
            options={
                "require": required,
                "verify_exp": False,
                "verify_iat": False,
                "verify_nbf": False,
                "verify_aud": is_person,
            },
        )
    except jwt.InvalidAudienceError:
        raise BadToken("The bearer token is meant for another audience.") from None
    except jwt.InvalidIssuerError:
        raise BadToken("The bearer token comes from another issuer.") from None
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
        raise BadToken("The bearer token cannot be verified.") from None


def _claims(said: dict[str, Any]) -> Claims:
    issued_at, expires_at = instants(said)
    try:
        session = said.get("session_id")
        return Claims(
            user_id=UserId(UUID(said["sub"])),
            issued_at=issued_at,
            expires_at=expires_at,
            session_id=None if session is None else UUID(session),
            said=said,
        )
    except (ValueError, AttributeError, TypeError):
        raise BadToken("The bearer token names no user.") from None


def instants(said: Mapping[str, Any]) -> tuple[datetime, datetime]:
    """When a token was issued and when it ends, if it is good now; `exp` and `iat` must be there."""
    now = clock.now()
    expires_at, issued_at = _instant(said, "exp"), _instant(said, "iat")
    if expires_at + LEEWAY <= now:
        raise BadToken("The bearer token has expired; ask for a new one.")
    not_before = _instant(said, "nbf") if "nbf" in said else issued_at
    if max(issued_at, not_before) - LEEWAY > now:
        raise BadToken("The bearer token is not valid yet.")
    return issued_at, expires_at


def _instant(said: Mapping[str, Any], name: str) -> datetime:
    value = said[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < _LATEST:
        raise BadToken(f"The bearer token's {name} is not a time.")
    return datetime.fromtimestamp(value, UTC)
