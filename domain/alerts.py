"""Alerts of saved ICPs: who has come to fit and who no longer does, told once and in order.

The index feed says which records have changed; each alert's criteria are asked about those records alone, in
PostgreSQL, and compared with who fitted before. One transaction writes the events and moves the state on, one
process at a time, so a crash anywhere repeats a comparison and never an event. Conditions on hidden records,
lists and unlocks belong to the reader and are applied when the feed is read.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

from pyroaring import BitMap
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from core.errors import Invalid, LeadFuelError
from core.ids import UserId
from core.logs import get_logger
from db.sessions import SERVICE, Actor, Database
from domain import icps, paging, plans
from domain.icps import Icp
from search import selection
from search.engine import Searcher
from search.request import CountRequest, Entity, SearchRequest
from search.selection import Selection

log = get_logger(__name__)

Kind = Literal["entered", "left"]
KEEP_DAYS: Final = 90
AT_ONCE: Final = 5_000
_FEED: Final = "events"
_LETTERS: Final[dict[Entity, str]] = {"contacts": "c", "organizations": "o"}
# The lock under which one process at a time compares, and baselines are taken.
_LOCK: Final = 0x4C46_0010


class NotAlertable(Invalid):
    """The ICP has a condition that changes without any record changing, or that lies in other records."""

    slug = "not-alertable"
    title = "This ICP cannot be watched"


@dataclass(frozen=True, slots=True)
class Alert:
    """A watched ICP: since when, and what is told."""

    icp_id: UUID
    version: int
    kinds: list[Kind]
    baseline_at: datetime


@dataclass(frozen=True, slots=True)
class Event:
    """Somebody has come to fit (`fits`), or fits no more, by a change or by being removed."""

    id: int
    icp_id: UUID
    version: int
    entity: Entity
    record_id: int
    name: str | None
    kind: Kind
    reason: str
    created_at: datetime
    read: bool


@dataclass(frozen=True, slots=True)
class EventPage:
    events: list[Event]
    cursor: str


async def turn_on(
    session: AsyncSession,
    searcher: Searcher,
    *,
    user_id: UserId,
    icp_id: UUID,
    kinds: Sequence[Kind],
) -> Alert:
    """Watch an ICP from now on: who fits at this moment is no news. Again, it is a new beginning.

    Needs a session of the service role that acts for the user. Raises `NotAlertable` and `plans.PlanLimit`.
    """
    icp = await icps.allowed(session, user_id=user_id, icp_id=icp_id, role="editor")
    check(icp.entity, icp.request())
    await session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    await _position(session)
    members = await _everybody(session, searcher, icp)
    parameters = {"icp_id": icp_id, "version": icp.version, "kinds": list(kinds), "members": members}
    changed = await session.execute(
        text(
            "UPDATE app.icp_alerts SET version = :version, kinds = :kinds, members = :members,"
            " baseline_at = app.now() WHERE icp_id = :icp_id RETURNING 1"
        ),
        parameters,
    )
    if changed.one_or_none() is None:
        with plans.limits():
            await session.execute(
                text(
                    "INSERT INTO app.icp_alerts (icp_id, user_id, version, kinds, members)"
                    " VALUES (:icp_id, :user_id, :version, :kinds, :members)"
                ),
                parameters | {"user_id": user_id},
            )
    found = await get(session, user_id=user_id, icp_id=icp_id)
    if found is None:
        raise TypeError("an alert that was just written is there")
    return found


async def turn_off(session: AsyncSession, *, user_id: UserId, icp_id: UUID) -> None:
    """Stop watching; the events so far stay. Needs a session of the service role."""
    await icps.allowed(session, user_id=user_id, icp_id=icp_id, role="editor")
    await session.execute(text("DELETE FROM app.icp_alerts WHERE icp_id = :id"), {"id": icp_id})


async def get(session: AsyncSession, *, user_id: UserId, icp_id: UUID) -> Alert | None:
    """The alert of an ICP, when it is watched."""
    await icps.get(session, user_id=user_id, icp_id=icp_id)
    row = (
        await session.execute(
            text("SELECT icp_id, version, kinds, baseline_at FROM app.icp_alerts WHERE icp_id = :id"),
            {"id": icp_id},
        )
    ).one_or_none()
    return None if row is None else Alert(**row._mapping)  # noqa: SLF001 - SQLAlchemy's own API


def check(entity: Entity, request: SearchRequest) -> None:
    """Raise `NotAlertable` for conditions that no change of the record itself could tell of."""
    people = request.filters.contacts
    errors = []
    for side in ("include", "exclude"):
        if getattr(people, side).months_in_role is not None:
            message = "Months in role pass without the record changing; such an ICP cannot be watched."
            errors.append({"path": f"filters.contacts.{side}.months_in_role", "message": message})
    if entity == "organizations" and people != type(people)():
        message = "Conditions on a company's people cannot be watched; watch the people instead."
        errors.append({"path": "filters.contacts", "message": message})
    if errors:
        raise NotAlertable(errors[0]["message"], errors=errors)


async def evaluate(db: Database, searcher: Searcher) -> int:
    """Compare what the feed has applied since the last time; how many records that were, 0 when none."""
    upto = await _applied_so_far(db)
    async with db.transaction(SERVICE) as session:
        if not await session.scalar(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": _LOCK}):
            return 0
        position = await _position(session)
        rows = await session.execute(
            text(
                "SELECT seq, entity::text AS entity, id FROM app.applied"
                " WHERE seq > :position AND seq <= :upto ORDER BY seq LIMIT :limit"
            ),
            {"position": position, "upto": upto, "limit": AT_ONCE},
        )
        found = rows.all()
        if not found:
            return 0
        last = found[-1].seq
        changed = {
            entity: BitMap(row.id for row in found if row.entity == letter)
            for entity, letter in _LETTERS.items()
        }
        watched = await session.execute(text("SELECT icp_id FROM app.icp_alerts ORDER BY icp_id FOR UPDATE"))
        for icp_id in watched.scalars().all():
            await _compare(session, searcher, icp_id=icp_id, changed=changed, position=last)
        await session.execute(
            text("UPDATE app.alert_position SET position = :position WHERE name = 'applied'"),
            {"position": last},
        )
    return len(found)


async def feed(
    session: AsyncSession,
    searcher: Searcher,
    *,
    actor: Actor,
    user_id: UserId,
    icp_id: UUID,
    limit: int,
    after: str | None,
) -> EventPage:
    """The events of an ICP in order, from where the reader left off, without what is hidden from them.

    The cursor is there on the last page, too: with it the feed goes on when there is more.
    """
    icp = await icps.get(session, user_id=user_id, icp_id=icp_id)
    position = paging.decode(_FEED, after, int) if after else 0
    stored = icp.request()
    theirs = CountRequest(
        in_lists=stored.in_lists, not_in_lists=stored.not_in_lists, unlocked=stored.unlocked
    )
    selected = await searcher.selection(icp.entity, theirs, actor)
    query, parameters = selected.sql()
    name = "full_name" if icp.entity == "contacts" else "name"
    rows = (
        await session.execute(
            text(
                f"""
                SELECT e.id, e.icp_id, e.version, e.record_id, r.{name} AS name, e.kind, e.reason,
                       e.created_at,
                       e.id <= coalesce((SELECT event_id FROM app.icp_event_reads
                                         WHERE user_id = :me AND icp_id = :icp_id), 0) AS read
                FROM app.icp_events e LEFT JOIN app.{icp.entity} r ON r.id = e.record_id
                WHERE e.icp_id = :icp_id AND e.id > :after
                  AND e.created_at > app.now() - make_interval(days => :keep)
                  AND (r.id IS NULL OR e.record_id IN ({query}))
                ORDER BY e.id LIMIT :limit
                """  # noqa: S608 - names of ours, and a query that binds its values
            ),
            parameters
            | {"me": user_id, "icp_id": icp_id, "after": position, "keep": KEEP_DAYS, "limit": limit},
        )
    ).all()
    events = [Event(entity=icp.entity, **row._mapping) for row in rows]  # noqa: SLF001
    return EventPage(events, paging.encode(_FEED, events[-1].id if events else position))


async def mark_read(session: AsyncSession, *, user_id: UserId, icp_id: UUID, upto: int) -> None:
    """Remember how far this reader has read; it never goes back."""
    await icps.get(session, user_id=user_id, icp_id=icp_id)
    await session.execute(
        text(
            "INSERT INTO app.icp_event_reads AS known (icp_id, event_id) VALUES (:icp_id, :upto)"
            " ON CONFLICT (user_id, icp_id) DO UPDATE"
            " SET event_id = greatest(known.event_id, excluded.event_id)"
        ),
        {"icp_id": icp_id, "upto": upto},
    )


async def forget(db: Database) -> int:
    """Delete events older than they are kept; how many."""
    async with db.transaction(SERVICE) as session:
        gone: Any = await session.execute(
            text("DELETE FROM app.icp_events WHERE created_at <= app.now() - make_interval(days => :keep)"),
            {"keep": KEEP_DAYS},
        )
    return int(gone.rowcount)


async def _compare(
    session: AsyncSession, searcher: Searcher, *, icp_id: UUID, changed: dict[Entity, BitMap], position: int
) -> None:
    """One alert against one batch. An ICP that was edited meanwhile begins anew instead."""
    row = (
        await session.execute(
            text(
                "SELECT p.*, a.version AS watched, a.kinds, a.members, 'owner' AS role"
                " FROM app.icp_alerts a JOIN app.icp_profiles p ON p.id = a.icp_id WHERE a.icp_id = :id"
            ),
            {"id": icp_id},
        )
    ).one()
    icp = Icp(**{name: getattr(row, name) for name in Icp.__dataclass_fields__})
    try:
        if row.watched != icp.version:
            check(icp.entity, icp.request())
            await _move(session, icp, await _everybody(session, searcher, icp), anew=True)
            return
        touched = changed[icp.entity]
        if not touched:
            return
        fit = await _fitting(session, await _selected(searcher, icp), touched)
    except LeadFuelError as error:
        # A value that no record has any more, say: shown with the ICP. What changes until it runs again has
        # not been compared, so it then begins anew.
        await session.execute(
            text("UPDATE app.icp_alerts SET version = 0 WHERE icp_id = :id"), {"id": icp_id}
        )
        log.info("an ICP cannot be compared", **{"icp.id": str(icp_id), "error.slug": error.slug})
        return
    before = BitMap.deserialize(row.members)
    entered, left = fit - before, (touched & before) - fit
    if not entered and not left:
        return
    there = await session.execute(
        text(f"SELECT id FROM app.{icp.entity} WHERE id = ANY(CAST(:ids AS integer[]))"),  # noqa: S608
        {"ids": list(left)},
    )
    known = set(there.scalars())
    events = [(record, "entered", "fits") for record in entered]
    events += [(record, "left", "changed" if record in known else "removed") for record in left]
    events = [event for event in events if event[1] in row.kinds]
    await session.execute(
        text(
            "INSERT INTO app.icp_events (icp_id, version, record_id, kind, reason, position)"
            " SELECT :icp_id, :version, e.record, e.kind, e.reason, :position"
            " FROM unnest(CAST(:records AS integer[]), CAST(:kinds AS text[]), CAST(:reasons AS text[]))"
            " AS e (record, kind, reason)"
        ),
        {
            "icp_id": icp_id,
            "version": icp.version,
            "position": position,
            "records": [event[0] for event in events],
            "kinds": [event[1] for event in events],
            "reasons": [event[2] for event in events],
        },
    )
    await _move(session, icp, ((before - left) | entered).serialize(), anew=False)


async def _move(session: AsyncSession, icp: Icp, members: bytes, *, anew: bool) -> None:
    await session.execute(
        text(
            "UPDATE app.icp_alerts SET members = :members, version = :version,"
            " baseline_at = CASE WHEN :anew THEN app.now() ELSE baseline_at END WHERE icp_id = :id"
        ),
        {"id": icp.id, "members": members, "version": icp.version, "anew": anew},
    )


async def _selected(searcher: Searcher, icp: Icp) -> Selection:
    """What fits whoever reads it: nobody's hidden records, lists or unlocks."""
    request = icp.request()
    bare = CountRequest(q=request.q, filters=request.filters, hidden="include")
    return await searcher.selection(icp.entity, bare, SERVICE, relaxed=False)


async def _everybody(session: AsyncSession, searcher: Searcher, icp: Icp) -> bytes:
    members = BitMap(await selection.ids(session, await _selected(searcher, icp)))
    members.run_optimize()
    return bytes(members.serialize())


async def _fitting(session: AsyncSession, selected: Selection, among: BitMap) -> BitMap:
    await selection.ready(session)
    query, parameters = selected.sql()
    rows = await session.execute(
        text(f"SELECT f.id FROM ({query}) f WHERE f.id = ANY(CAST(:among AS integer[]))"),  # noqa: S608
        parameters | {"among": list(among)},
    )
    return BitMap(rows.scalars().all())


async def _applied_so_far(db: Database) -> int:
    """The last row of the feed's record before which none can appear any more.

    Numbers are drawn before they are committed; the lock waits for those who have drawn one.
    """
    async with db.transaction(SERVICE) as session:
        await session.execute(text("LOCK TABLE app.applied IN SHARE MODE"))
        return int(await session.scalar(text("SELECT coalesce(max(seq), 0) FROM app.applied")) or 0)


async def _position(session: AsyncSession) -> int:
    """Where the comparison has come to; it begins with the first alert, whose baseline knows the rest."""
    await session.execute(
        text(
            "INSERT INTO app.alert_position (name, position)"
            " SELECT 'applied', coalesce(max(seq), 0) FROM app.applied ON CONFLICT DO NOTHING"
        )
    )
    found = await session.scalar(text("SELECT position FROM app.alert_position WHERE name = 'applied'"))
    return int(found or 0)
