"""Second factors: an authenticator app whose codes change every 30 seconds (TOTP, RFC 6238).

The secret lies sealed in the database. A code is good once; guesses are counted before they are compared.
Who has a factor signs in in two steps, and the first alone opens nothing but the second.
"""

import io
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID, uuid4

import pyotp
import segno
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from core import clock
from core.logs import get_logger
from core.settings import Settings
from db.sessions import SIGN_IN, Database
from domain.auth import people, sessions
from domain.auth.errors import (
    InsufficientAal,
    MfaChallengeExpired,
    MfaFactorNameConflict,
    MfaFactorNotFound,
    MfaVerificationFailed,
    SessionNotFound,
    TooManyEnrolledMfaFactors,
)
from domain.auth.people import Origin, Person
from domain.auth.sessions import Session, SignedIn
from domain.signing import envelope

log = get_logger(__name__)

MAX_FACTORS: Final = 10
CHALLENGE_S: Final = 300
MAX_ATTEMPTS: Final = 5
STEP_S: Final = 30
# A clock may be off by one step, either way (RFC 6238, 5.2).
_STEPS_AROUND: Final = (0, -1, 1)


@dataclass(frozen=True, slots=True)
class Enrolled:
    """A new factor with what an authenticator app needs; told once."""

    id: UUID
    friendly_name: str | None
    secret: str
    uri: str
    qr_code: str


@dataclass(frozen=True, slots=True)
class Challenge:
    """Leave to try codes of a factor, for minutes and a few times."""

    id: UUID
    expires_at: datetime


async def enroll(
    session: AsyncSession,
    settings: Settings,
    *,
    person: Person,
    at: Session | None,
    friendly_name: str | None,
    issuer: str,
) -> Enrolled:
    """A new factor, which counts once a code of it has been shown; unfinished ones make room for it."""
    require_second(person, at)
    await _lock(session, person=person)
    await session.execute(
        text("DELETE FROM auth.mfa_factors WHERE user_id = :id AND status = 'unverified'"), {"id": person.id}
    )
    names = (
        await session.scalars(
            text("SELECT friendly_name FROM auth.mfa_factors WHERE user_id = :id"), {"id": person.id}
        )
    ).all()
    if len(names) >= MAX_FACTORS:
        raise TooManyEnrolledMfaFactors(f"Maximum number of verified factors reached: {MAX_FACTORS}")
    if friendly_name is not None and friendly_name in names:
        raise MfaFactorNameConflict(f"A factor with the friendly name {friendly_name!r} already exists")
    factor_id, secret = uuid4(), pyotp.random_base32()
    await session.execute(
        text(
            "INSERT INTO auth.mfa_factors (id, user_id, friendly_name, secret)"
            " VALUES (:id, :user_id, :name, :secret)"
        ),
        {
            "id": factor_id,
            "user_id": person.id,
            "name": friendly_name,
            "secret": envelope.seal(
                settings.auth.jwt_secret, secret.encode(), label=_label(factor_id, person.id)
            ),
        },
    )
    uri = pyotp.TOTP(secret).provisioning_uri(name=person.email, issuer_name=issuer)
    picture = io.BytesIO()
    segno.make(uri, micro=False).save(picture, kind="svg", xmldecl=False, scale=4)
    return Enrolled(factor_id, friendly_name, secret, uri, picture.getvalue().decode())


async def challenge(session: AsyncSession, *, person: Person, factor_id: UUID) -> Challenge:
    """Begin to try codes; raises `MfaFactorNotFound`."""
    await _secret_of(session, person=person, factor_id=factor_id)
    found = await session.execute(
        text(
            "INSERT INTO auth.mfa_challenges (id, factor_id, expires_at)"
            " VALUES (:id, :factor_id, app.now() + make_interval(secs => :lifetime_s))"
            " RETURNING id, expires_at"
        ),
        {"id": uuid4(), "factor_id": factor_id, "lifetime_s": float(CHALLENGE_S)},
    )
    return Challenge(*found.one())


async def verify(
    db: Database,
    settings: Settings,
    *,
    person: Person,
    at: Session | None,
    factor_id: UUID,
    challenge_id: UUID,
    code: str,
    origin: Origin,
) -> SignedIn:
    """Show a code of a factor: the session goes on at level two under a new id, and a new factor counts.

    Every other session that has shown none is over, and so are the tokens this one had until now.
    Raises `MfaFactorNotFound`, `MfaChallengeExpired`, `MfaVerificationFailed`.
    """
    if at is None:
        raise SessionNotFound("The token belongs to no session")
    async with db.transaction(SIGN_IN) as session:
        sealed = await _secret_of(session, person=person, factor_id=factor_id)
        tried = await session.scalar(
            text(
                "UPDATE auth.mfa_challenges SET attempts = attempts + 1 WHERE id = :id"
                " AND factor_id = :factor_id AND expires_at > app.now() AND attempts < :limit RETURNING 1"
            ),
            {"id": challenge_id, "factor_id": factor_id, "limit": MAX_ATTEMPTS},
        )
    # The guess is counted whatever comes of it.
    if tried is None:
        raise MfaChallengeExpired("MFA challenge has expired or was tried too often, create a new one")
    step = _step_of(_opened(settings, sealed, _label(factor_id, person.id)), code)
    async with db.transaction(SIGN_IN) as session:
        await _lock(session, person=person)
        taken = await session.scalar(
            text(
                "UPDATE auth.mfa_factors SET last_step = :step, status = 'verified', updated_at = app.now()"
                " WHERE id = :id AND last_step < CAST(:step AS bigint) RETURNING 1"
            ),
            {"id": factor_id, "step": step if step is not None else -1},
        )
        if taken is None:
            raise MfaVerificationFailed("Invalid TOTP code entered")
        await session.execute(text("DELETE FROM auth.mfa_challenges WHERE id = :id"), {"id": challenge_id})
        raised = await sessions.raise_level(session, user_id=person.id, at=at, method="totp")
        await session.execute(
            text("DELETE FROM auth.sessions WHERE user_id = :id AND aal = 'aal1'"), {"id": person.id}
        )
        await people.note(session, user_id=person.id, action="second_factor_shown", origin=origin)
        return raised


async def remove(
    session: AsyncSession, *, person: Person, at: Session | None, factor_id: UUID, origin: Origin
) -> None:
    """Take a factor away; one that counts goes only by a session that has shown it."""
    await _secret_of(session, person=person, factor_id=factor_id)
    if any(factor["id"] == str(factor_id) and factor["status"] == "verified" for factor in person.factors):
        require_second(person, at)
    await drop(session, person=person, at=at, factor_id=factor_id, origin=origin)


async def drop(
    session: AsyncSession, *, person: Person, at: Session | None = None, factor_id: UUID, origin: Origin
) -> None:
    """Take a factor away on the service's word, for somebody who has lost it."""
    await _secret_of(session, person=person, factor_id=factor_id)
    counted = await session.scalar(
        text("DELETE FROM auth.mfa_factors WHERE id = :id RETURNING status = 'verified'"), {"id": factor_id}
    )
    if counted:
        await sessions.lower_levels(session, user_id=person.id, but=at.id if at else None)
    await people.note(session, user_id=person.id, action="second_factor_removed", origin=origin)


def require_second(person: Person, at: Session | None) -> None:
    """Refuse somebody who has a factor and has not shown it in this session."""
    if person.has_second_factor and (at is None or at.aal != "aal2"):
        raise InsufficientAal("AAL2 required: show the second factor first")


async def _lock(session: AsyncSession, *, person: Person) -> None:
    """Whoever signs in as this person meanwhile comes before or after: opening a session locks them, too."""
    await session.execute(text("SELECT 1 FROM auth.users WHERE id = :id FOR UPDATE"), {"id": person.id})


async def _secret_of(session: AsyncSession, *, person: Person, factor_id: UUID) -> bytes:
    found = await session.scalar(
        text("SELECT secret FROM auth.mfa_factors WHERE id = :id AND user_id = :user_id"),
        {"id": factor_id, "user_id": person.id},
    )
    if found is None:
        raise MfaFactorNotFound("Factor not found")
    return bytes(found)


def _opened(settings: Settings, sealed: bytes, label: bytes) -> str:
    """A factor's secret; one from before another LEADFUEL_JWT_SECRET, or of another row, is no factor."""
    try:
        return envelope.unseal(settings.auth.jwt_secret, sealed, label=label).decode()
    except envelope.DoesNotOpen:
        log.warning("the secret of a second factor does not open with LEADFUEL_JWT_SECRET")
        raise MfaVerificationFailed("Invalid TOTP code entered") from None


def _step_of(secret: str, code: str) -> int | None:
    """The time step that a code is of; None when it is of none that is near."""
    now = int(clock.now().timestamp()) // STEP_S
    totp = pyotp.TOTP(secret)
    given = code.strip()
    for around in _STEPS_AROUND:
        if pyotp.utils.strings_equal(given, totp.generate_otp(now + around)):
            return now + around
    return None


def _label(factor_id: UUID, user_id: UUID) -> bytes:
    """What binds a sealed secret to its row: one that is put elsewhere does not open."""
    return b"mfa factor\0" + factor_id.bytes + user_id.bytes
