"""The people of a list: who they are, what they may, how they leave and how a list changes hands."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from core.errors import LeadFuelError, NotFound
from core.ids import ListId, UserId
from domain import paging, plans
from domain.lists import keeping
from domain.lists.keeping import RoleTooLow
from domain.roles import Role

_ACTIVITY: Final = "list_activity"


class OnlyOwner(LeadFuelError):
    """The list has no other owner. Hand it over first, or delete it."""

    status = 409
    slug = "only-owner"
    title = "The only owner cannot leave"


class NoMember(LeadFuelError):
    """That person is not on the list; a list is handed over to one of its people."""

    status = 409
    slug = "no-member"
    title = "Not a member of the list"


@dataclass(frozen=True, slots=True)
class Member:
    user_id: UserId
    email: str
    role: Role
    joined_at: datetime


@dataclass(frozen=True, slots=True)
class Activity:
    """One thing that happened; of many records the first hundred ids are kept."""

    id: int
    action: str
    user_id: UserId | None
    user_email: str | None
    subject_id: UserId | None
    role: str | None
    record_count: int | None
    record_ids: list[int]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ActivityPage:
    activity: list[Activity]
    cursor: str | None


async def people(session: AsyncSession, *, user_id: UserId, list_id: ListId) -> list[Member]:
    """Everybody on a list, the one whose list it is included."""
    await keeping.get(session, user_id=user_id, list_id=list_id)
    rows = await session.execute(
        text("SELECT user_id, email, role, joined_at FROM app.list_people(:list_id)"), {"list_id": list_id}
    )
    return [Member(**row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's own API


async def set_role(
    session: AsyncSession, *, user_id: UserId, list_id: ListId, member_id: UserId, role: Role
) -> Member:
    """Give a member another role. The one whose list it is keeps theirs until they hand it over."""
    found = await keeping.allowed(session, user_id=user_id, list_id=list_id, role="owner")
    if member_id == found.owner_id:
        raise RoleTooLow("Whose list it is changes by handing it over.", role="owner", needed="owner")
    changed = await session.execute(
        text(
            "UPDATE app.list_members SET role = :role WHERE list_id = :list_id AND user_id = :member_id"
            " RETURNING 1"
        ),
        {"role": role, "list_id": list_id, "member_id": member_id},
    )
    if changed.one_or_none() is None:
        raise NotFound("There is no such member.")
    return next(m for m in await people(session, user_id=user_id, list_id=list_id) if m.user_id == member_id)


async def remove(session: AsyncSession, *, user_id: UserId, list_id: ListId, member_id: UserId) -> None:
    """Take somebody off a list; anybody may take themselves off, which is leaving."""
    if member_id == user_id:
        await leave(session, user_id=user_id, list_id=list_id)
        return
    found = await keeping.allowed(session, user_id=user_id, list_id=list_id, role="owner")
    if member_id == found.owner_id:
        raise RoleTooLow("Whose list it is changes by handing it over.", role="owner", needed="owner")
    gone = await session.execute(
        text("DELETE FROM app.list_members WHERE list_id = :list_id AND user_id = :member_id RETURNING 1"),
        {"list_id": list_id, "member_id": member_id},
    )
    if gone.one_or_none() is None:
        raise NotFound("There is no such member.")


async def leave(session: AsyncSession, *, user_id: UserId, list_id: ListId) -> None:
    """Leave a list; it passes to the longest-standing other owner when the one it belongs to leaves."""
    await keeping.get(session, user_id=user_id, list_id=list_id)
    with plans.limits():
        outcome = await session.scalar(text("SELECT app.leave_list(:list_id)"), {"list_id": list_id})
    if outcome == "only_owner":
        raise OnlyOwner("You are the only owner of this list: hand it over first, or delete it.")


async def hand_over(session: AsyncSession, *, user_id: UserId, list_id: ListId, heir: UserId) -> None:
    """Give a list to one of its members, whose plan must have room for it; the giver stays as editor."""
    found = await keeping.get(session, user_id=user_id, list_id=list_id)
    if found.owner_id != user_id:
        raise RoleTooLow("Only the one whose list it is hands it over.", role=found.role, needed="owner")
    with plans.limits():
        outcome = await session.scalar(
            text("SELECT app.hand_over_list(:list_id, :heir)"), {"list_id": list_id, "heir": heir}
        )
    if outcome == "no_member":
        raise NoMember("A list is handed over to one of its members.")


async def activity(
    session: AsyncSession, *, user_id: UserId, list_id: ListId, limit: int, cursor: str | None
) -> ActivityPage:
    """Who did what on a list, the latest first."""
    await keeping.get(session, user_id=user_id, list_id=list_id)
    before = paging.decode(_ACTIVITY, cursor, int) if cursor else 2**62
    known: dict[UUID, Any] = {m.user_id: m for m in await people(session, user_id=user_id, list_id=list_id)}
    rows = (
        await session.execute(
            text(
                "SELECT id, action, user_id, subject_id, role, record_count, record_ids, created_at"
                " FROM app.list_activity WHERE list_id = :list_id AND id < :before"
                " ORDER BY id DESC LIMIT :limit"
            ),
            {"list_id": list_id, "before": before, "limit": limit + 1},
        )
    ).all()
    found = [
        Activity(
            **row._mapping,  # noqa: SLF001 - SQLAlchemy's own API
            user_email=known[row.user_id].email if row.user_id in known else None,
        )
        for row in rows[:limit]
    ]
    return ActivityPage(found, paging.encode(_ACTIVITY, found[-1].id) if len(rows) > limit else None)
