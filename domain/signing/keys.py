"""Signing keys as the database has them: one current key per purpose, and those that still verify.

`access` signs what people bear (ES256: whoever has the public half can verify and not sign). `client` signs
the anon and service keys that the front end's clients are set up with (HS256, as old clients want them).
"""

import json
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)
from jwt.algorithms import ECAlgorithm
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from core import clock
from core.errors import LeadFuelError
from core.settings import AuthSettings
from domain.signing.envelope import DoesNotOpen, seal, unseal

Purpose = Literal["access", "client"]
Algorithm = Literal["ES256", "HS256"]

ALGORITHMS: Final[dict[Purpose, Algorithm]] = {"access": "ES256", "client": "HS256"}
# No process takes longer to notice that keys have changed.
NOTICED_WITHIN: Final = timedelta(seconds=10)
# Front ends have to be built anew with the new client keys.
CLIENT_OVERLAP: Final = timedelta(days=30)
_HMAC_BYTES: Final = 48
_LOCK: Final = "leadfuel signing keys"

_SELECT: Final = """
    SELECT kid, purpose, algorithm, CAST(public_jwk AS text) AS public_jwk, sealed, created_at, needed_until,
           retired_at, ends_at
    FROM app.signing_keys ORDER BY created_at DESC, kid
"""


class SealedOtherwise(LeadFuelError):
    """The signing keys in the database were sealed with another LEADFUEL_JWT_SECRET than the present one."""

    slug = "sealed-otherwise"
    title = "The signing keys cannot be opened"


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key that opened: `private` signs, `public` verifies; for HS256 both are the same bytes."""

    kid: str
    purpose: Purpose
    algorithm: Algorithm
    private: Any
    public: Any
    jwk: dict[str, Any] | None
    created_at: datetime
    retired_at: datetime | None
    ends_at: datetime | None

    def verifies(self, now: datetime) -> bool:
        return self.ends_at is None or now < self.ends_at


@dataclass(frozen=True, slots=True)
class KeyLine:
    """A key for people to read about; `opens` is False for one sealed with another secret."""

    kid: str
    purpose: Purpose
    algorithm: Algorithm
    state: Literal["current", "retired", "ended"]
    created_at: datetime
    ends_at: datetime | None
    opens: bool


async def rows(session: AsyncSession) -> list[Row[Any]]:
    """All keys as they are stored, the newest first."""
    return list(await session.execute(text(_SELECT)))


def opened(settings: AuthSettings, row: Row[Any]) -> SigningKey:
    """The key in one of `rows`; raises `DoesNotOpen`."""
    jwk = json.loads(row.public_jwk) if row.public_jwk else None
    label = _label(row.kid, row.purpose, row.algorithm, jwk)
    plain = unseal(settings.jwt_secret, bytes(row.sealed), label=label)
    private: Any = plain
    public: Any = plain
    if row.algorithm == "ES256":
        private = load_der_private_key(plain, password=None)
        public = private.public_key()
    return SigningKey(
        kid=row.kid,
        purpose=row.purpose,
        algorithm=row.algorithm,
        private=private,
        public=public,
        jwk=jwk,
        created_at=row.created_at,
        retired_at=row.retired_at,
        ends_at=row.ends_at,
    )


async def ensure(session: AsyncSession, settings: AuthSettings, *, purpose: Purpose) -> None:
    """Make the first key of a purpose where there is none; raises `SealedOtherwise`."""
    await _lock(session)
    current = [row for row in await rows(session) if row.purpose == purpose and row.retired_at is None]
    if not current:
        await _make(session, settings, purpose)
        return
    try:
        opened(settings, current[0])
    except DoesNotOpen:
        raise SealedOtherwise(
            "The signing keys in the database were sealed with another LEADFUEL_JWT_SECRET. Set that one "
            f"again, or begin anew with `leadfuel keys rotate --purpose {purpose} --now`."
        ) from None


async def rotate(
    session: AsyncSession, settings: AuthSettings, *, purpose: Purpose, at_once: bool = False
) -> str:
    """Make a new current key and retire the one before; returns the new key's id.

    The old one verifies until the last token it signed has ended; `at_once` ends it, and with it every such
    token, for a key that somebody else may have. Keys that have ended are deleted.
    """
    await _lock(session)
    now = clock.now()
    await session.execute(text("DELETE FROM app.signing_keys WHERE ends_at <= :now"), {"now": now})
    overlap = CLIENT_OVERLAP if purpose == "client" else lifetime(settings)
    await session.execute(
        text(
            """
            UPDATE app.signing_keys
            SET retired_at = coalesce(retired_at, :now),
                ends_at = CASE WHEN :at_once THEN :now
                               ELSE coalesce(ends_at, greatest(needed_until, :ends)) END
            WHERE purpose = :purpose
            """
        ),
        {"now": now, "at_once": at_once, "ends": now + overlap + 6 * NOTICED_WITHIN, "purpose": purpose},
    )
    return await _make(session, settings, purpose)


async def cover(session: AsyncSession, *, kid: str, until: datetime) -> bool:
    """Remember that the current key has signed what lives until then; False if it is not the current one."""
    found = await session.execute(
        text(
            "UPDATE app.signing_keys SET needed_until = greatest(needed_until, :until)"
            " WHERE kid = :kid AND retired_at IS NULL RETURNING kid"
        ),
        {"kid": kid, "until": until},
    )
    return found.one_or_none() is not None


async def lines(session: AsyncSession, settings: AuthSettings) -> list[KeyLine]:
    """All keys, the newest first."""
    now = clock.now()
    return [_line(settings, row, now) for row in await rows(session)]


def lifetime(settings: AuthSettings) -> timedelta:
    """How long a token lives at the most without its key being told."""
    return timedelta(seconds=settings.token_lifetime_s)


async def _lock(session: AsyncSession) -> None:
    await session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(CAST(:name AS text), 0))"), {"name": _LOCK}
    )


async def _make(session: AsyncSession, settings: AuthSettings, purpose: Purpose) -> str:
    kid, algorithm = secrets.token_urlsafe(12), ALGORITHMS[purpose]
    jwk: dict[str, Any] | None = None
    if algorithm == "ES256":
        private = ec.generate_private_key(ec.SECP256R1())
        plain = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        public = ECAlgorithm.to_jwk(private.public_key(), as_dict=True)
        jwk = public | {"kid": kid, "alg": algorithm, "use": "sig", "key_ops": ["verify"]}
    else:
        plain = secrets.token_bytes(_HMAC_BYTES)
    sealed = seal(settings.jwt_secret, plain, label=_label(kid, purpose, algorithm, jwk))
    await session.execute(
        text(
            "INSERT INTO app.signing_keys (kid, purpose, algorithm, public_jwk, sealed)"
            " VALUES (:kid, :purpose, :algorithm, CAST(:jwk AS jsonb), :sealed)"
        ),
        {
            "kid": kid,
            "purpose": purpose,
            "algorithm": algorithm,
            "jwk": json.dumps(jwk) if jwk else None,
            "sealed": sealed,
        },
    )
    return kid


def _label(kid: str, purpose: str, algorithm: str, jwk: dict[str, Any] | None) -> bytes:
    return json.dumps([kid, purpose, algorithm, jwk], sort_keys=True).encode()


def _line(settings: AuthSettings, row: Row[Any], now: datetime) -> KeyLine:
    try:
        opened(settings, row)
        opens = True
    except DoesNotOpen:
        opens = False
    state: Literal["current", "retired", "ended"] = "current"
    if row.retired_at is not None:
        state = "retired" if row.ends_at > now else "ended"
    return KeyLine(row.kid, row.purpose, row.algorithm, state, row.created_at, row.ends_at, opens)
