"""The lists themselves: made, renamed, archived, deleted, and what one may do with them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from core.errors import LeadFuelError, NotFound
from core.ids import ListId, UserId
from domain import paging, plans
from domain.roles import Role, reaches


class RoleTooLow(LeadFuelError):
    """You see this list, but your role on it does not reach so far."""

    status = 403
    slug = "role-too-low"
    title = "Your role does not allow this"


class ListArchived(LeadFuelError):
    """The list is archived. Nothing is added to it until it is brought back."""

    status = 409
    slug = "list-archived"
    title = "The list is archived"


@dataclass(frozen=True, slots=True)
class List:
    """A list as one of its people sees it; `role` is that person's."""

    id: ListId
    name: str
    description: str | None
    owner_id: UserId
    is_shared: bool
    role: Role
    contacts: int
    organizations: int
    created_at: datetime
    archived_at: datetime | None


@dataclass(frozen=True, slots=True)
class ListPage:
    lists: list[List]
    cursor: str | None


_SELECT: Final = """
    SELECT l.id, l.name, l.description, l.owner_id, l.is_shared, l.created_at, l.archived_at,
           CASE WHEN l.owner_id = :me THEN 'owner' ELSE
               (SELECT m.role FROM app.list_members m WHERE m.list_id = l.id AND m.user_id = :me) END AS role,
           (SELECT count(*) FROM app.list_contacts c WHERE c.list_id = l.id) AS contacts,
           (SELECT count(*) FROM app.list_organizations o WHERE o.list_id = l.id) AS organizations
    FROM app.lists l
"""


async def create(
    session: AsyncSession, *, user_id: UserId, name: str, description: str | None = None
) -> List:
    """A new list of one's own; raises `PlanLimit`."""
    with plans.limits():
        list_id = await session.scalar(
            text("INSERT INTO app.lists (name, description) VALUES (:name, :description) RETURNING id"),
            {"name": name, "description": description},
        )
    return await get(session, user_id=user_id, list_id=ListId(list_id))


async def get(session: AsyncSession, *, user_id: UserId, list_id: ListId) -> List:
    """A list with the user's role on it; raises `NotFound` for one that is none of theirs."""
    found = await session.execute(text(f"{_SELECT} WHERE l.id = :id"), {"id": list_id, "me": user_id})
    row = found.one_or_none()
    if row is None or row.role is None:
        raise NotFound("There is no such list.")
    return _list(row)


async def allowed(session: AsyncSession, *, user_id: UserId, list_id: ListId, role: Role) -> List:
    """The list, when the user has at least this role on it; else `NotFound` or `RoleTooLow`."""
    found = await get(session, user_id=user_id, list_id=list_id)
    if not reaches(found.role, role):
        raise RoleTooLow(
            f"This needs the role {role} on the list; yours is {found.role}.", role=found.role, needed=role
        )
    return found


async def page(
    session: AsyncSession, *, user_id: UserId, archived: bool, limit: int, cursor: str | None
) -> ListPage:
    """The user's own lists and those shared with them, the latest first."""
    rows, following = await paging.latest_first(
        session,
        f"{_SELECT} WHERE (l.archived_at IS NOT NULL) = :archived",
        {"me": user_id, "archived": archived},
        name="lists",
        limit=limit,
        cursor=cursor,
    )
    return ListPage([_list(row) for row in rows], following)


async def change(
    session: AsyncSession,
    *,
    user_id: UserId,
    list_id: ListId,
    name: str | msgspec.UnsetType = msgspec.UNSET,
    description: str | msgspec.UnsetType | None = msgspec.UNSET,
    archived: bool | msgspec.UnsetType = msgspec.UNSET,
) -> List:
    """Rename, describe, archive or bring back; what is not given stays. For owners."""
    await allowed(session, user_id=user_id, list_id=list_id, role="owner")
    values: dict[str, Any] = {}
    if name is not msgspec.UNSET:
        values["name"] = name
    if description is not msgspec.UNSET:
        values["description"] = description
    sets = [f"{column} = :{column}" for column in values]
    if archived is not msgspec.UNSET:
        sets.append(f"archived_at = {'coalesce(archived_at, app.now())' if archived else 'NULL'}")
    if sets:
        await session.execute(
            text(f"UPDATE app.lists SET {', '.join(sets)} WHERE id = :id"),  # noqa: S608 - our own columns
            values | {"id": list_id},
        )
    return await get(session, user_id=user_id, list_id=list_id)


async def delete(session: AsyncSession, *, user_id: UserId, list_id: ListId) -> None:
    """Delete a list with all that is on it; only the one it belongs to can."""
    found = await allowed(session, user_id=user_id, list_id=list_id, role="owner")
    if found.owner_id != user_id:
        raise RoleTooLow("Only the one whose list it is deletes it.", role=found.role, needed="owner")
    await session.execute(text("DELETE FROM app.lists WHERE id = :id"), {"id": list_id})


def _list(row: Row[Any]) -> List:
    return List(**row._mapping)  # noqa: SLF001 - SQLAlchemy's own API
