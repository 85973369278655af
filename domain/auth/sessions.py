"""Sessions: opened when somebody signs in, kept alive by refresh tokens, ended by those who own them.

A session has one line of refresh tokens, each good once (RFC 9700, 4.14.2). Two tabs that refresh at once,
and a client that lost the answer, get the token that is current: a used one is taken again shortly after its
use, or while its child has not been used. Any other use says that somebody has a token who should not, and
ends the session.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal
from uuid import UUID, uuid4

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from core import clock
from core.ids import UserId
from core.settings import Settings
from db.sessions import SIGN_IN, Database
from domain import tokens
from domain.auth import people, seals
from domain.auth.errors import RefreshTokenAlreadyUsed, RefreshTokenNotFound, SessionNotFound
from domain.auth.people import Origin, Person
from domain.signing.keyring import Keyring

Scope = Literal["global", "local", "others"]
Level = Literal["aal1", "aal2"]
_EVERY: Final[dict[Scope, str]] = {
    "global": "true",
    "local": "id = :session_id",
    "others": "id <> :session_id",
}


@dataclass(frozen=True, slots=True)
class Session:
    """A session that goes on."""

    id: UUID
    aal: Level
    amr: Sequence[dict[str, Any]]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Somebody whose session has begun or goes on, for whom tokens can be made once that is committed."""

    person: Person
    session: Session
    refresh_token_id: UUID


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a client shows from now on: the access token with every request, the other for the next pair."""

    access: tokens.Token
    lifetime_s: int
    refresh: str


async def open_session(
    session: AsyncSession,
    *,
    user_id: UserId,
    method: str,
    origin: Origin,
    provider: str = "email",
) -> SignedIn:
    """Begin a session of somebody who has shown who they are by `method`; raises `UserBanned`."""
    session_id, token_id = uuid4(), uuid4()
    amr = [{"method": method, "timestamp": int(clock.now().timestamp())}]
    person = await people.get(session, user_id=user_id)
    if person is None:
        raise SessionNotFound("The user is gone.")
    person.require_open()
    await session.execute(
        text(
            """
            WITH opened AS (
                INSERT INTO auth.sessions (id, user_id, amr, address, user_agent)
                VALUES (:session_id, :user_id, CAST(:amr AS jsonb), CAST(:address AS inet), :user_agent)
            ), first AS (
                INSERT INTO auth.refresh_tokens (id, session_id) VALUES (:token_id, :session_id)
            ), seen AS (
                UPDATE auth.users SET last_sign_in_at = app.now() WHERE id = :user_id
            )
            UPDATE auth.identities SET last_sign_in_at = app.now()
            WHERE user_id = :user_id AND provider = :provider
            """
        ),
        {
            "session_id": session_id,
            "user_id": user_id,
            "amr": json.dumps(amr),
            "address": origin.address,
            "user_agent": origin.user_agent,
            "token_id": token_id,
            "provider": provider,
        },
    )
    await people.note(session, user_id=user_id, action="signed_in", origin=origin, method=method)
    fresh = await people.get(session, user_id=user_id)
    return SignedIn(fresh or person, Session(session_id, "aal1", amr, clock.now()), token_id)


async def issue(ring: Keyring, settings: Settings, signed_in: SignedIn) -> Tokens:
    """The tokens of a session, outside of its transaction: the keys may have to be read first."""
    person, session = signed_in.person, signed_in.session
    lifetime_s = settings.sign_in.access_lifetime_s
    access = await tokens.mint(
        ring,
        user_id=person.id,
        lifetime=timedelta(seconds=lifetime_s),
        claims={
            "email": person.email,
            "phone": "",
            "app_metadata": person.shown_app_metadata,
            "user_metadata": dict(person.user_metadata),
            "aal": session.aal,
            "amr": list(session.amr),
            "session_id": str(session.id),
            "is_anonymous": False,
            # Our own, for those who verify the token and cannot know of factors.
            "needs_aal2": person.has_second_factor,
        },
    )
    return Tokens(access, lifetime_s, seals.seal(settings.auth, "refresh", signed_in.refresh_token_id))


async def refresh(db: Database, settings: Settings, *, token: str, origin: Origin) -> SignedIn:
    """Go on with the session of a refresh token.

    Raises `RefreshTokenNotFound`, `RefreshTokenAlreadyUsed` (after the session has been ended), `UserBanned`.
    """
    token_id = seals.unseal(settings.auth, "refresh", token)
    if token_id is None:
        raise RefreshTokenNotFound("Invalid Refresh Token: Refresh Token Not Found")
    async with db.transaction(SIGN_IN) as session:
        outcome = await _next(session, settings, token_id=token_id, origin=origin)
    if outcome is None:
        raise RefreshTokenAlreadyUsed("Invalid Refresh Token: Already Used")
    return outcome


async def get(session: AsyncSession, *, session_id: UUID, user_id: UserId) -> Session:
    """A session that goes on; raises `SessionNotFound`."""
    found = await session.execute(
        text(
            "SELECT id, aal, amr, created_at FROM auth.sessions"
            " WHERE id = :id AND user_id = :user_id AND revoked_at IS NULL"
        ),
        {"id": session_id, "user_id": user_id},
    )
    row = found.one_or_none()
    if row is None:
        raise SessionNotFound("Session from session_id claim in JWT does not exist")
    return Session(**row._mapping)  # noqa: SLF001 - SQLAlchemy's own API


async def raise_level(session: AsyncSession, *, user_id: UserId, at: Session, method: str) -> SignedIn:
    """The session after a second factor was shown: under a new id, at a higher level.

    The old id goes, and with it every token from before: none of them was given to somebody who had shown the
    factor, and who has found one must not rise with its owner.
    """
    held = await _lock(session, session_id=at.id)
    person = await people.get(session, user_id=user_id)
    if held is None or held.revoked_at is not None or person is None:
        raise SessionNotFound("Session from session_id claim in JWT does not exist")
    amr = [{"method": method, "timestamp": int(clock.now().timestamp())}, *held.amr]
    raised, token_id = Session(uuid4(), "aal2", amr, held.created_at), uuid4()
    await session.execute(
        text(
            """
            WITH before AS (
                DELETE FROM auth.sessions WHERE id = :before
                RETURNING user_id, address, user_agent, created_at
            ), raised AS (
                INSERT INTO auth.sessions (id, user_id, aal, amr, address, user_agent, created_at)
                SELECT :id, user_id, 'aal2', CAST(:amr AS jsonb), address, user_agent, created_at FROM before
            )
            INSERT INTO auth.refresh_tokens (id, session_id) VALUES (:token_id, :id)
            """
        ),
        {"before": at.id, "id": raised.id, "amr": json.dumps(amr), "token_id": token_id},
    )
    return SignedIn(person, raised, token_id)


async def lower_levels(session: AsyncSession, *, user_id: UserId, but: UUID | None) -> None:
    """After a factor is gone that counted: other sessions show one that is left, and where none is left
    nobody has shown one.
    """
    await session.execute(
        text(
            """
            UPDATE auth.sessions SET aal = 'aal1'
            WHERE user_id = :user_id AND aal = 'aal2' AND (id IS DISTINCT FROM CAST(:but AS uuid)
                OR NOT EXISTS (SELECT FROM auth.mfa_factors WHERE user_id = :user_id AND status = 'verified'))
            """
        ),
        {"user_id": user_id, "but": but},
    )


async def end(
    session: AsyncSession, *, user_id: UserId, session_id: UUID | None, scope: Scope, origin: Origin
) -> None:
    """End this session, all the others, or all of them."""
    await session.execute(
        text(f"DELETE FROM auth.sessions WHERE user_id = :user_id AND {_EVERY[scope]}"),  # noqa: S608
        {"user_id": user_id} | ({} if scope == "global" else {"session_id": session_id}),
    )
    await people.note(session, user_id=user_id, action="signed_out", origin=origin, scope=scope)


async def forget_old(session: AsyncSession, settings: Settings, *, limit: int) -> int:
    """Delete sessions that nobody has used for so long that they are over; how many."""
    found = await session.execute(
        text(
            """
            DELETE FROM auth.sessions WHERE id IN (
                SELECT id FROM auth.sessions
                WHERE refreshed_at <= app.now() - make_interval(days => :days)
                ORDER BY refreshed_at LIMIT :limit FOR UPDATE SKIP LOCKED)
            RETURNING 1
            """
        ),
        {"days": settings.sign_in.session_days, "limit": limit},
    )
    return len(found.all())


async def _next(
    session: AsyncSession, settings: Settings, *, token_id: UUID, origin: Origin
) -> SignedIn | None:
    """The session with its next token; None when it had to be ended, which has to be committed."""
    found = await session.execute(
        text("SELECT session_id FROM auth.refresh_tokens WHERE id = :id"), {"id": token_id}
    )
    session_id = found.scalar_one_or_none()
    row = None if session_id is None else await _lock(session, session_id=session_id)
    oldest = clock.now() - timedelta(days=settings.sign_in.session_days)
    if row is None or row.refreshed_at <= oldest:
        raise RefreshTokenNotFound("Invalid Refresh Token: Refresh Token Not Found")
    person = await people.get(session, user_id=row.user_id)
    if person is None:
        raise RefreshTokenNotFound("Invalid Refresh Token: Refresh Token Not Found")
    person.require_open()
    # Read behind the lock: another request may have used it while this one waited.
    tried = (
        await session.execute(
            text(
                """
                SELECT t.used_at, active.id AS active_id, active.parent_id
                FROM auth.refresh_tokens AS t
                LEFT JOIN auth.refresh_tokens AS active
                    ON active.session_id = t.session_id AND active.used_at IS NULL
                WHERE t.id = :id
                """
            ),
            {"id": token_id},
        )
    ).one()
    if row.revoked_at is not None:
        return None
    begun = Session(row.id, row.aal, row.amr, row.created_at)
    if tried.used_at is None:
        return SignedIn(person, begun, await _rotate(session, session_id=row.id, used=token_id))
    still_good_s = settings.sign_in.refresh_reuse_s
    if tried.parent_id == token_id or clock.now() - tried.used_at <= timedelta(seconds=still_good_s):
        return SignedIn(person, begun, tried.active_id)
    await session.execute(
        text("UPDATE auth.sessions SET revoked_at = app.now() WHERE id = :id"), {"id": row.id}
    )
    await people.note(session, user_id=person.id, action="session_revoked", origin=origin)
    return None


async def _lock(session: AsyncSession, *, session_id: UUID) -> Any:
    found = await session.execute(
        text(
            "SELECT id, user_id, aal, amr, created_at, refreshed_at, revoked_at FROM auth.sessions"
            " WHERE id = :id FOR UPDATE"
        ),
        {"id": session_id},
    )
    return found.one_or_none()


async def _rotate(session: AsyncSession, *, session_id: UUID, used: UUID | None) -> UUID:
    token_id = uuid4()
    await session.execute(
        text("UPDATE auth.refresh_tokens SET used_at = app.now() WHERE id = :id"), {"id": used}
    )
    await session.execute(
        text(
            "INSERT INTO auth.refresh_tokens (id, session_id, parent_id) VALUES (:id, :session_id, :parent)"
        ),
        {"id": token_id, "session_id": session_id, "parent": used},
    )
    await session.execute(
        text("UPDATE auth.sessions SET refreshed_at = app.now() WHERE id = :id"), {"id": session_id}
    )
    return token_id
