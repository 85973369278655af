"""Saved ICPs: a search request with a name, kept in all its versions, run again and shared.

What is stored is the request itself, so it means what it meant in the search. A value that the vocabulary has
lost since stays in it: it is shown as a problem and refused when it is run, never dropped.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from core.errors import Invalid, LeadFuelError, NotFound
from core.ids import UserId
from db.sessions import Actor
from domain import accounts, paging, plans
from domain.roles import Role, reaches
from search.engine import Searcher
from search.request import Entity, SearchRequest

MAX_MEMBERS: Final = 200


class IcpRoleTooLow(LeadFuelError):
    """You see this ICP, but your role on it does not reach so far."""

    status = 403
    slug = "icp-role-too-low"
    title = "Your role does not allow this"


class StaleVersion(LeadFuelError):
    """Somebody has changed the ICP since you read it. Read it again, then decide."""

    status = 409
    slug = "stale-version"
    title = "The ICP has changed meanwhile"


class BrokenIcp(Invalid):
    """What is stored is no search request any more. The ICP's `problems` say where; edit it."""

    slug = "broken-icp"
    title = "The saved ICP cannot be run"


class TooManyMembers(LeadFuelError):
    """The ICP is shared with as many people as one can be."""

    status = 409
    slug = "too-many-members"
    title = "Shared with too many"


@dataclass(frozen=True, slots=True)
class Icp:
    """A saved ICP as one of its people sees it; `filters` is the request as it is stored."""

    id: UUID
    user_id: UserId
    name: str
    entity: Entity
    filters: dict[str, Any]
    notes: str | None
    tags: list[str]
    version: int
    role: Role
    created_at: datetime
    updated_at: datetime

    def request(self) -> SearchRequest:
        """The stored request; raises `BrokenIcp` when it is none (any more)."""
        try:
            return msgspec.convert(self.filters, SearchRequest)
        except msgspec.ValidationError as error:
            message = str(error)
            raise BrokenIcp(
                "The saved ICP is no search request.", errors=[{"path": "request", "message": message}]
            ) from None


@dataclass(frozen=True, slots=True)
class IcpPage:
    icps: list[Icp]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class Version:
    version: int
    filters: dict[str, Any]
    changed_by: UserId | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Member:
    email: str
    role: Role
    created_at: datetime


_SELECT: Final = """
    SELECT p.id, p.user_id, p.name, p.entity, p.filters, p.notes, p.tags, p.version, p.created_at,
           p.updated_at,
           CASE WHEN p.user_id = :me THEN 'owner' ELSE
               (SELECT m.role FROM app.icp_members m JOIN app.users u ON u.email = m.email
                WHERE m.icp_id = p.id AND u.id = :me) END AS role
    FROM app.icp_profiles p
"""


async def create(
    session: AsyncSession,
    searcher: Searcher,
    *,
    actor: Actor,
    user_id: UserId,
    name: str,
    entity: Entity,
    request: SearchRequest,
    notes: str | None = None,
    tags: Sequence[str] = (),
) -> Icp:
    """Save a search; it must be one that runs. Raises `Invalid` and `PlanLimit`."""
    await _check(searcher, entity, request, actor)
    with plans.limits():
        icp_id = await session.scalar(
            text(
                "INSERT INTO app.icp_profiles (name, entity, filters, notes, tags)"
                " VALUES (:name, :entity, CAST(:filters AS jsonb), :notes, :tags) RETURNING id"
            ),
            {
                "name": name,
                "entity": entity,
                "filters": _stored(request),
                "notes": notes,
                "tags": _tags(tags),
            },
        )
    return await get(session, user_id=user_id, icp_id=icp_id)


async def get(session: AsyncSession, *, user_id: UserId, icp_id: UUID) -> Icp:
    """An ICP with the user's role on it; raises `NotFound` for one that is none of theirs."""
    found = await session.execute(text(f"{_SELECT} WHERE p.id = :id"), {"id": icp_id, "me": user_id})
    row = found.one_or_none()
    if row is None or row.role is None:
        raise NotFound("There is no such ICP.")
    return _icp(row)


async def allowed(session: AsyncSession, *, user_id: UserId, icp_id: UUID, role: Role) -> Icp:
    """The ICP, when the user has at least this role on it; else `NotFound` or `IcpRoleTooLow`."""
    found = await get(session, user_id=user_id, icp_id=icp_id)
    if not reaches(found.role, role):
        raise IcpRoleTooLow(
            f"This needs the role {role} on the ICP; yours is {found.role}.", role=found.role, needed=role
        )
    return found


async def page(
    session: AsyncSession, *, user_id: UserId, tag: str | None, limit: int, cursor: str | None
) -> IcpPage:
    """The user's own ICPs and those shared with them, the latest first."""
    rows, following = await paging.latest_first(
        session,
        f"{_SELECT} WHERE (CAST(:tag AS text) IS NULL OR :tag = ANY(p.tags))",
        {"me": user_id, "tag": tag},
        name="icps",
        limit=limit,
        cursor=cursor,
    )
    return IcpPage([_icp(row) for row in rows], following)


async def seen(session: AsyncSession, *, user_id: UserId) -> list[Icp]:
    """All ICPs that somebody sees, their own and those shared with them."""
    rows = await session.execute(
        text(f"{_SELECT} WHERE p.id = ANY(ARRAY(SELECT app.my_icp_ids()))"), {"me": user_id}
    )
    return [_icp(row) for row in rows]


async def change(
    session: AsyncSession,
    searcher: Searcher,
    *,
    actor: Actor,
    user_id: UserId,
    icp_id: UUID,
    name: str | msgspec.UnsetType = msgspec.UNSET,
    request: SearchRequest | msgspec.UnsetType = msgspec.UNSET,
    notes: str | msgspec.UnsetType | None = msgspec.UNSET,
    tags: Sequence[str] | msgspec.UnsetType = msgspec.UNSET,
    version: int | None = None,
) -> Icp:
    """Change what is given, for editors; another request makes a new version and keeps the earlier ones.

    With `version`, only if the ICP still has it: `StaleVersion` when somebody else was faster.
    """
    found = await allowed(session, user_id=user_id, icp_id=icp_id, role="editor")
    values: dict[str, Any] = {}
    if name is not msgspec.UNSET:
        values["name"] = name
    if notes is not msgspec.UNSET:
        values["notes"] = notes
    if tags is not msgspec.UNSET:
        values["tags"] = _tags(tags)
    if request is not msgspec.UNSET:
        await _check(searcher, found.entity, request, actor)
        values["filters"] = _stored(request)
    if values:
        sets = ", ".join(f"{c} = CAST(:{c} AS jsonb)" if c == "filters" else f"{c} = :{c}" for c in values)
        changed = await session.execute(
            text(
                f"UPDATE app.icp_profiles SET {sets} WHERE id = :id"  # noqa: S608 - our own columns
                " AND (CAST(:version AS integer) IS NULL OR version = :version) RETURNING 1"
            ),
            values | {"id": icp_id, "version": version},
        )
        if changed.one_or_none() is None:
            current = await get(session, user_id=user_id, icp_id=icp_id)
            raise StaleVersion(f"The ICP is at version {current.version}.", version=current.version)
    return await get(session, user_id=user_id, icp_id=icp_id)


async def delete(session: AsyncSession, *, user_id: UserId, icp_id: UUID) -> None:
    """Delete an ICP with all its versions; only the one whose it is can."""
    found = await allowed(session, user_id=user_id, icp_id=icp_id, role="owner")
    if found.user_id != user_id:
        raise IcpRoleTooLow("Only the one whose ICP it is deletes it.", role=found.role, needed="owner")
    await session.execute(text("DELETE FROM app.icp_profiles WHERE id = :id"), {"id": icp_id})


async def duplicate(session: AsyncSession, *, user_id: UserId, icp_id: UUID, name: str | None) -> Icp:
    """A copy of one's own, as it stands; problems of the original are copied with it."""
    found = await get(session, user_id=user_id, icp_id=icp_id)
    with plans.limits():
        copy_id = await session.scalar(
            text(
                "INSERT INTO app.icp_profiles (name, entity, filters, notes, tags)"
                " SELECT :name, entity, filters, notes, tags FROM app.icp_profiles WHERE id = :id"
                " RETURNING id"
            ),
            {"id": icp_id, "name": name or f"Copy of {found.name}"[:200]},
        )
    return await get(session, user_id=user_id, icp_id=copy_id)


async def versions(session: AsyncSession, *, user_id: UserId, icp_id: UUID) -> list[Version]:
    """Every request the ICP has stood for, the latest first."""
    await get(session, user_id=user_id, icp_id=icp_id)
    rows = await session.execute(
        text(
            "SELECT version, filters, changed_by, created_at FROM app.icp_versions WHERE icp_id = :id"
            " ORDER BY version DESC LIMIT 1000"
        ),
        {"id": icp_id},
    )
    return [Version(**row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's own API


async def problems(searcher: Searcher, icp: Icp, actor: Actor) -> list[dict[str, Any]]:
    """What keeps an ICP from being run now: values no longer known, lists no longer there."""
    try:
        await searcher.check(icp.entity, icp.request(), actor)
    except Invalid as error:
        found: list[dict[str, Any]] = error.facts["errors"] or [{"path": "request", "message": error.detail}]
        return [{"path": e["path"], "message": e["message"]} for e in found]
    except NotFound as error:
        return [{"path": "in_lists", "message": error.detail}]
    return []


async def people(session: AsyncSession, *, user_id: UserId, icp_id: UUID) -> list[Member]:
    """With whom an ICP is shared."""
    await get(session, user_id=user_id, icp_id=icp_id)
    rows = await session.execute(
        text(
            "SELECT email::text AS email, role, created_at FROM app.icp_members WHERE icp_id = :id"
            " ORDER BY created_at, email"
        ),
        {"id": icp_id},
    )
    return [Member(**row._mapping) for row in rows]  # noqa: SLF001


async def share(session: AsyncSession, *, user_id: UserId, icp_id: UUID, email: str, role: Role) -> Member:
    """Share an ICP with an address, or give it another role. Nothing tells whether it has an account."""
    await allowed(session, user_id=user_id, icp_id=icp_id, role="owner")
    address = accounts.read_address(email)
    shared = await session.scalar(
        text("SELECT count(*) FROM app.icp_members WHERE icp_id = :id AND email <> CAST(:email AS citext)"),
        {"id": icp_id, "email": address},
    )
    if (shared or 0) >= MAX_MEMBERS:
        raise TooManyMembers(f"An ICP is shared with {MAX_MEMBERS} people at the most.", limit=MAX_MEMBERS)
    await session.execute(
        text(
            "INSERT INTO app.icp_members (icp_id, email, role) VALUES (:id, :email, :role)"
            " ON CONFLICT (icp_id, email) DO UPDATE SET role = excluded.role"
        ),
        {"id": icp_id, "email": address, "role": role},
    )
    people_now = await people(session, user_id=user_id, icp_id=icp_id)
    return next(member for member in people_now if member.email == address)


async def unshare(
    session: AsyncSession, *, user_id: UserId, own_email: str, icp_id: UUID, email: str
) -> None:
    """Stop sharing with somebody, for owners; everybody may take themselves off."""
    address = accounts.read_address(email)
    is_self = address == own_email.lower()
    await allowed(session, user_id=user_id, icp_id=icp_id, role="viewer" if is_self else "owner")
    gone = await session.execute(
        text("DELETE FROM app.icp_members WHERE icp_id = :id AND email = CAST(:email AS citext) RETURNING 1"),
        {"id": icp_id, "email": address},
    )
    if gone.one_or_none() is None:
        raise NotFound("The ICP is not shared with that address.")


async def _check(searcher: Searcher, entity: Entity, request: SearchRequest, actor: Actor) -> None:
    if request.cursor is not None:
        message = "A cursor belongs to one search and cannot be saved."
        raise Invalid(message, errors=[{"path": "request.cursor", "message": message}])
    await searcher.check(entity, request, actor)


def _stored(request: SearchRequest) -> str:
    return msgspec.json.encode(request).decode()


def _tags(tags: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(tag.strip() for tag in tags if tag.strip()))


def _icp(row: Row[Any]) -> Icp:
    return Icp(**row._mapping)  # noqa: SLF001
