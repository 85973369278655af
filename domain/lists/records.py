"""What is on a list: records added by id, from another list, or by a search, and taken off again.

Everything here runs as the person who asks, so row-level security has the last word. What is hidden from
that person is not added, and not shown.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import msgspec
from msgspec import Meta
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from core.ids import MAX_RECORD_ID, ListId, UserId
from db.sessions import Actor, Database, member
from domain import jobs, paging
from domain.lists import keeping
from domain.lists.keeping import ListArchived
from search import selection
from search.engine import Searcher
from search.request import CountRequest, Entity

MAX_IDS: Final = 10_000
# A search that finds more is added by a job.
MAX_AT_ONCE: Final = 1_000
_CHUNK: Final = 20_000
_Position = Annotated[int, Meta(ge=1, le=MAX_RECORD_ID + 1)]

Action = Literal["add", "remove"]
Outcome = Literal["added", "already_there", "hidden", "unknown", "duplicate"]

JOB: Final = "lists.change"


class Arguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the job of a large change is told; it is read as strictly as a request."""

    action: Action

    list_id: UUID
    entity: Entity
    search: CountRequest


@dataclass(frozen=True, slots=True)
class _Names:
    table: str
    column: str


_NAMES: Final[dict[Entity, _Names]] = {
    "contacts": _Names("list_contacts", "contact_id"),
    "organizations": _Names("list_organizations", "organization_id"),
}
# Hidden from the user :me, of a record r.
_HIDDEN: Final[dict[Entity, str]] = {
    "contacts": """(
        EXISTS (SELECT FROM app.hidden_contacts h WHERE h.user_id = :me AND h.contact_id = r.id)
        OR EXISTS (SELECT FROM app.hidden_companies h
                   WHERE h.user_id = :me AND h.organization_id = r.organization_id))""",
    "organizations": """
        EXISTS (SELECT FROM app.hidden_companies h WHERE h.user_id = :me AND h.organization_id = r.id)""",
}


@dataclass(frozen=True, slots=True)
class Added:
    """What became of an addition; `outcomes` names the ids that were not simply added."""

    added: int
    already_there: int
    hidden: int = 0
    unknown: int = 0
    duplicates: int = 0
    outcomes: tuple[tuple[int, Outcome], ...] = ()


@dataclass(frozen=True, slots=True)
class Removed:
    """How many were on the list and are not any more."""

    removed: int


@dataclass(frozen=True, slots=True)
class Listed:
    """A record on a list. Addresses are those that the reader has unlocked, whoever else has."""

    id: int
    name: str | None
    title: str | None
    organization_id: int | None
    organization_name: str | None
    domain: str | None
    email: str | None
    phone: str | None
    added_by: UserId | None
    added_at: datetime


@dataclass(frozen=True, slots=True)
class ListedPage:
    records: list[Listed]
    cursor: str | None


async def add_ids(
    session: AsyncSession, entity: Entity, *, user_id: UserId, list_id: ListId, ids: Sequence[int]
) -> Added:
    """Add records by id, and say of each that was not added why."""
    await _may(session, "add", user_id=user_id, list_id=list_id)
    names = _NAMES[entity]
    rows = await session.execute(
        text(
            f"""
            WITH asked AS (SELECT DISTINCT unnest(CAST(:ids AS integer[])) AS id),
            known AS (
                SELECT r.id, {_HIDDEN[entity]} AS hidden,
                       EXISTS (SELECT FROM app.{names.table} l
                               WHERE l.list_id = :list_id AND l.{names.column} = r.id) AS there
                FROM asked JOIN app.{entity} r ON r.id = asked.id
            ),
            put AS (
                INSERT INTO app.{names.table} (list_id, {names.column})
                SELECT :list_id, id FROM known WHERE NOT hidden AND NOT there ORDER BY id
                ON CONFLICT DO NOTHING RETURNING {names.column} AS id
            )
            SELECT asked.id, CASE WHEN known.id IS NULL THEN 'unknown' WHEN known.there THEN 'already_there'
                                  WHEN known.hidden THEN 'hidden' WHEN put.id IS NULL THEN 'already_there'
                                  ELSE 'added' END
            FROM asked LEFT JOIN known ON known.id = asked.id LEFT JOIN put ON put.id = asked.id
            ORDER BY asked.id
            """  # noqa: S608 - names from the table above
        ),
        {"ids": list(ids), "list_id": list_id, "me": user_id},
    )
    outcomes: list[tuple[int, Outcome]] = [(row[0], row[1]) for row in rows]
    counts = dict.fromkeys(("added", "already_there", "hidden", "unknown"), 0)
    for _, outcome in outcomes:
        counts[outcome] += 1
    twice = sorted({record for record, times in _times(ids).items() if times > 1})
    told = [(record, outcome) for record, outcome in outcomes if outcome != "added"]
    return Added(
        **counts,
        duplicates=len(ids) - len(outcomes),
        outcomes=(*told, *((record, "duplicate") for record in twice)),
    )


async def add_from_list(
    session: AsyncSession, entity: Entity, *, user_id: UserId, list_id: ListId, source: ListId
) -> Added:
    """Add what is on another list of the user's."""
    await _may(session, "add", user_id=user_id, list_id=list_id)
    await keeping.get(session, user_id=user_id, list_id=source)
    names = _NAMES[entity]
    row = await session.execute(
        text(
            f"""
            WITH asked AS (
                SELECT r.id, {_HIDDEN[entity]} AS hidden
                FROM app.{names.table} l JOIN app.{entity} r ON r.id = l.{names.column}
                WHERE l.list_id = :source
            ),
            put AS (
                INSERT INTO app.{names.table} (list_id, {names.column})
                SELECT :list_id, id FROM asked WHERE NOT hidden ORDER BY id
                ON CONFLICT DO NOTHING RETURNING 1
            )
            SELECT (SELECT count(*) FROM put) AS added, (SELECT count(*) FROM asked WHERE hidden) AS hidden,
                   (SELECT count(*) FROM asked) AS all
            """  # noqa: S608 - names from the table above
        ),
        {"list_id": list_id, "source": source, "me": user_id},
    )
    added, hidden, everything = row.one()
    return Added(added=added, already_there=everything - added - hidden, hidden=hidden)


async def change_by_search(
    session: AsyncSession,
    searcher: Searcher,
    entity: Entity,
    action: Action,
    *,
    actor: Actor,
    user_id: UserId,
    list_id: ListId,
    request: CountRequest,
) -> Added | Removed | jobs.Job:
    """Add or remove everything that a search finds: at once when it is little, by a job when it is much."""
    await _may(session, action, user_id=user_id, list_id=list_id)
    selected = await searcher.selection(entity, request, actor)
    if await selection.count(session, selected) > MAX_AT_ONCE:
        arguments = Arguments(action=action, list_id=list_id, entity=entity, search=request)
        return await jobs.start(session, kind=JOB, arguments=msgspec.to_builtins(arguments))
    ids = await selection.ids(session, selected)
    if action == "remove":
        return Removed(await _remove(session, entity, list_id=list_id, ids=ids))
    return await _add(session, entity, list_id=list_id, ids=ids)


async def run(db: Database, searcher: Searcher, *, job: jobs.Job) -> None:
    """The job of a large change: all of it in one transaction, as the person who asked, or nothing."""
    arguments = msgspec.convert(job.arguments, Arguments)
    actor, entity = member(job.user_id), arguments.entity
    selected = await searcher.selection(entity, arguments.search, actor)
    list_id = ListId(arguments.list_id)
    async with db.transaction(actor, statement_timeout_s=0) as session:
        await _may(session, arguments.action, user_id=job.user_id, list_id=list_id)
        found = await selection.ids(session, selected)
        changed = 0
        for start in range(0, len(found), _CHUNK):
            await jobs.tell(db, job_id=job.id, done=start, total=len(found))
            part = found[start : start + _CHUNK]
            if arguments.action == "remove":
                changed += await _remove(session, entity, list_id=list_id, ids=part)
            else:
                changed += (await _add(session, entity, list_id=list_id, ids=part)).added
        result: dict[str, Any] = {"list_id": str(list_id), "found": len(found)}
        if arguments.action == "remove":
            result |= {"removed": changed}
        else:
            result |= {"added": changed, "already_there": len(found) - changed}
        await jobs.finish(session, job_id=job.id, result=result)


async def remove_ids(
    session: AsyncSession, entity: Entity, *, user_id: UserId, list_id: ListId, ids: Sequence[int]
) -> Removed:
    """Take records off a list."""
    await _may(session, "remove", user_id=user_id, list_id=list_id)
    return Removed(await _remove(session, entity, list_id=list_id, ids=ids))


async def remove_from_list(
    session: AsyncSession, entity: Entity, *, user_id: UserId, list_id: ListId, source: ListId
) -> Removed:
    """Take off a list whatever is on another list of the user's."""
    await _may(session, "remove", user_id=user_id, list_id=list_id)
    await keeping.get(session, user_id=user_id, list_id=source)
    names = _NAMES[entity]
    gone: Any = await session.execute(
        text(
            f"DELETE FROM app.{names.table} WHERE list_id = :list_id AND {names.column} IN"  # noqa: S608
            f" (SELECT {names.column} FROM app.{names.table} WHERE list_id = :source)"
        ),
        {"list_id": list_id, "source": source},
    )
    return Removed(gone.rowcount)


async def page(
    session: AsyncSession, entity: Entity, *, user_id: UserId, list_id: ListId, limit: int, cursor: str | None
) -> ListedPage:
    """What is on a list, by descending id, without what the reader has hidden."""
    await keeping.get(session, user_id=user_id, list_id=list_id)
    names, cursor_name = _NAMES[entity], f"list_{entity}"
    before = paging.decode(cursor_name, cursor, _Position) if cursor else MAX_RECORD_ID + 1
    columns = (
        "r.full_name AS name, r.title, r.organization_id, o.name AS organization_name, o.domain,"
        " r.email, r.phone"
        if entity == "contacts"
        else "r.name, NULL AS title, NULL::int AS organization_id, NULL AS organization_name, r.domain,"
        " NULL AS email, NULL AS phone"
    )
    company = "LEFT JOIN app.organizations o ON o.id = r.organization_id" if entity == "contacts" else ""
    rows = (
        await session.execute(
            text(
                f"SELECT r.id, {columns}, l.added_by, l.added_at"  # noqa: S608 - names from the table above
                f" FROM app.{names.table} l JOIN public.{entity} r ON r.id = l.{names.column} {company}"
                f" WHERE l.list_id = :list_id AND l.{names.column} < CAST(:before AS bigint)"
                f" AND NOT {_HIDDEN[entity]} ORDER BY l.{names.column} DESC LIMIT :limit"
            ),
            {"list_id": list_id, "before": before, "limit": limit + 1, "me": user_id},
        )
    ).all()
    records = [Listed(**row._mapping) for row in rows[:limit]]  # noqa: SLF001 - SQLAlchemy's own API
    more = len(rows) > limit
    return ListedPage(records, paging.encode(cursor_name, records[-1].id) if more else None)


async def _may(session: AsyncSession, action: Action, *, user_id: UserId, list_id: ListId) -> None:
    """Raise unless the user may add to, or remove from, the list as it is."""
    found = await keeping.allowed(session, user_id=user_id, list_id=list_id, role="editor")
    if action == "add" and found.archived_at is not None:
        raise ListArchived("The list is archived; bring it back before you add to it.")


async def _add(session: AsyncSession, entity: Entity, *, list_id: ListId, ids: Sequence[int]) -> Added:
    """Add ids that a search of this user has just found. The join lets go of what was deleted meanwhile."""
    names = _NAMES[entity]
    put: Any = await session.execute(
        text(
            f"INSERT INTO app.{names.table} (list_id, {names.column})"  # noqa: S608 - names from the table
            f" SELECT :list_id, r.id FROM app.{entity} r WHERE r.id = ANY(CAST(:ids AS integer[]))"
            " ORDER BY r.id ON CONFLICT DO NOTHING"
        ),
        {"list_id": list_id, "ids": list(ids)},
    )
    return Added(added=put.rowcount, already_there=len(ids) - put.rowcount)


async def _remove(session: AsyncSession, entity: Entity, *, list_id: ListId, ids: Sequence[int]) -> int:
    names = _NAMES[entity]
    gone: Any = await session.execute(
        text(
            f"DELETE FROM app.{names.table} WHERE list_id = :list_id"  # noqa: S608 - names from the table
            f" AND {names.column} = ANY(CAST(:ids AS integer[]))"
        ),
        {"list_id": list_id, "ids": list(ids)},
    )
    return int(gone.rowcount)


def _times(ids: Sequence[int]) -> dict[int, int]:
    counted: dict[int, int] = {}
    for record in ids:
        counted[record] = counted.get(record, 0) + 1
    return counted
