"""Where people are signed in, for administrators to see and to end."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from core.errors import NotFound
from core.ids import UserId
from db.sessions import SIGN_IN, acting
from domain import audit
from domain.auth import people, sessions
from domain.auth.people import Origin


@dataclass(frozen=True, slots=True)
class SignedInSession:
    """A session of somebody's: by which means (`aal2` is two factors), from where, and when last used."""

    id: UUID
    aal: str
    address: str | None
    user_agent: str | None
    created_at: datetime
    refreshed_at: datetime


async def of_user(session: AsyncSession, *, user_id: UserId) -> list[SignedInSession]:
    """Somebody's sessions that go on, the last used first; needs a session of the service."""
    async with acting(session, SIGN_IN):
        if await people.get(session, user_id=user_id) is None:
            raise NotFound("There is no such user.")
        found = await session.execute(
            text(
                "SELECT id, aal, host(address) AS address, user_agent, created_at, refreshed_at"
                " FROM auth.sessions WHERE user_id = :user_id AND revoked_at IS NULL"
                " ORDER BY refreshed_at DESC, id"
            ),
            {"user_id": user_id},
        )
        return [SignedInSession(**row._mapping) for row in found]  # noqa: SLF001 - SQLAlchemy's own API


async def end(
    session: AsyncSession, *, actor_id: UserId | None, user_id: UserId, session_id: UUID | None = None
) -> None:
    """End one session of somebody's, or all of them, and with it every token of it."""
    going_on = {each.id for each in await of_user(session, user_id=user_id)}
    if session_id is not None and session_id not in going_on:
        raise NotFound("There is no such session.")
    async with acting(session, SIGN_IN):
        await sessions.end(
            session,
            user_id=user_id,
            session_id=session_id,
            scope="global" if session_id is None else "local",
            origin=Origin(),
        )
    await audit.record(
        session,
        actor_id=actor_id,
        action="user.signed_out",
        subject=f"user:{user_id}",
        detail={"sessions": len(going_on) if session_id is None else 1},
    )
