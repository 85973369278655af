"""The feed: events in order, replayed from any place, without what its reader has hidden.

Conditions on hidden records, lists and unlocks belong to the reader: they are applied here, when it is read.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from pyroaring import BitMap
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from core.errors import LeadFuelError
from core.ids import UserId
from db.sessions import SERVICE, Actor, Database
from domain import icps, paging
from domain.alerts import evidence
from domain.alerts.baseline import LOCK
from domain.alerts.batches import MEANING
from domain.alerts.evidence import Told
from domain.alerts.states import LETTERS
from domain.alerts.watching import Kind
from domain.icps import Icp
from search import selection
from search.engine import Searcher
from search.request import CountRequest, Entity

KEEP_DAYS: Final = 90
_FEED: Final = "events"
# So many events are looked at for one page at the most; what is hidden makes a page short, never slow.
_LOOK_AT: Final = 5_000


@dataclass(frozen=True, slots=True)
class Event:
    """Somebody has come to fit, has left by a change or by being removed, or has changed.

    `changes` are objects of field, old and new; `reasons` say the same, and why somebody fits, in words.
    """

    id: int
    icp_id: UUID
    icp_name: str
    version: int
    entity: Entity
    record_id: int
    name: str | None
    title: str | None
    company: str | None
    kind: Kind
    reason: str
    changes: list[dict[str, Any]]
    reasons: list[str]
    created_at: datetime
    read: bool


@dataclass(frozen=True, slots=True)
class EventPage:
    """`upto` is the id up to which everything has been looked at."""

    events: list[Event]
    cursor: str
    upto: int


async def of_icp(
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
    return await beyond(
        session, searcher, actor=actor, user_id=user_id, icps_read=[icp], position=position, limit=limit
    )


async def of_all(
    session: AsyncSession,
    searcher: Searcher,
    *,
    actor: Actor,
    user_id: UserId,
    limit: int,
    after: str | None,
) -> EventPage:
    """The events of all ICPs that somebody sees, in one order."""
    position = paging.decode(_FEED, after, int) if after else 0
    found = await icps.seen(session, user_id=user_id)
    return await beyond(
        session, searcher, actor=actor, user_id=user_id, icps_read=found, position=position, limit=limit
    )


async def beyond(
    session: AsyncSession,
    searcher: Searcher,
    *,
    actor: Actor,
    user_id: UserId,
    icps_read: Sequence[Icp],
    position: int,
    limit: int,
) -> EventPage:
    """The next events behind a position that the reader may see."""
    by_id = {icp.id: icp for icp in icps_read}
    rows = (
        await session.execute(
            text(
                """
                WITH waiting AS (
                    -- The id of a row is that of its last event.
                    SELECT e.*, sum(least(e.size, e.id - :position)) OVER (ORDER BY e.id)
                                - least(e.size, e.id - :position) AS before
                    FROM (SELECT id, size, icp_id, version, records, kinds, fields, position, created_at
                          FROM app.icp_events
                          WHERE icp_id = ANY(:icps) AND id > :position
                            AND created_at > app.now() - make_interval(days => :keep)
                          ORDER BY id LIMIT :look_at) e
                )
                SELECT w.id - w.size + n.place AS id, w.icp_id, w.version, n.record_id, n.kind, w.fields,
                       w.position, w.created_at,
                       w.id - w.size + n.place <= coalesce(m.event_id, 0) AS read
                FROM waiting w
                CROSS JOIN unnest(w.records, string_to_array(w.kinds, NULL))
                           WITH ORDINALITY AS n (record_id, kind, place)
                LEFT JOIN app.icp_event_reads m ON m.icp_id = w.icp_id AND m.user_id = :me
                WHERE w.before < :look_at AND w.id - w.size + n.place > :position
                ORDER BY id LIMIT :look_at
                """
            ),
            {
                "me": user_id,
                "icps": list(by_id),
                "position": position,
                "keep": KEEP_DAYS,
                "look_at": max(_LOOK_AT, limit),
            },
        )
    ).all()
    visible: dict[UUID, BitMap] = {}
    shown: dict[tuple[Entity, int], Row[Any]] = {}
    told: dict[int, Told] = {}
    events: list[Event] = []
    upto = position
    # In pieces: the first page of a long feed asks about its own records alone.
    step = max(limit, 100)
    for start in range(0, len(rows), step):
        piece = rows[start : start + step]
        await _look(session, searcher, actor, by_id, piece, visible, shown)
        told.update(await evidence.told(session, searcher, by_id, piece))
        for row in piece:
            icp = by_id[row.icp_id]
            record = shown.get((icp.entity, row.record_id))
            if record is None or row.record_id in visible[icp.id]:
                if len(events) == limit:
                    return EventPage(events, paging.encode(_FEED, upto), upto)
                events.append(_event(icp, row, record, told[row.id]))
            upto = row.id
    return EventPage(events, paging.encode(_FEED, upto), upto)


async def _look(
    session: AsyncSession,
    searcher: Searcher,
    actor: Actor,
    by_id: dict[UUID, Icp],
    rows: Sequence[Row[Any]],
    visible: dict[UUID, BitMap],
    shown: dict[tuple[Entity, int], Row[Any]],
) -> None:
    """Whom of these events' records the reader sees, ICP by ICP, and what there is to show of them."""
    records: dict[UUID, set[int]] = {}
    for row in rows:
        records.setdefault(row.icp_id, set()).add(row.record_id)
    for icp_id, ids in records.items():
        try:
            seen = await _visible(session, searcher, by_id[icp_id], actor, sorted(ids))
        except LeadFuelError:
            # One that cannot be read any more keeps nobody from the others; asked for alone, it says why.
            if len(by_id) == 1:
                raise
            seen = []
        visible.setdefault(icp_id, BitMap()).update(seen)
    for entity in LETTERS:
        asked = {i for icp_id, ids in records.items() if by_id[icp_id].entity == entity for i in ids}
        if asked:
            found = await session.execute(text(_SHOWN[entity]), {"ids": sorted(asked)})
            shown.update({(entity, row.id): row for row in found})


_SHOWN: Final[dict[Entity, str]] = {
    "contacts": "SELECT c.id, c.full_name AS name, c.title, o.name AS company FROM app.contacts c"
    " LEFT JOIN app.organizations o ON o.id = c.organization_id WHERE c.id = ANY(CAST(:ids AS integer[]))",
    "organizations": "SELECT id, name, NULL AS title, NULL AS company FROM app.organizations"
    " WHERE id = ANY(CAST(:ids AS integer[]))",
}


async def _visible(
    session: AsyncSession, searcher: Searcher, icp: Icp, actor: Actor, ids: Sequence[int]
) -> list[int]:
    stored = icp.request()
    theirs = CountRequest(
        in_lists=stored.in_lists, not_in_lists=stored.not_in_lists, unlocked=stored.unlocked
    )
    selected = await searcher.selection(icp.entity, theirs, actor)
    await selection.ready(session)
    query, parameters = selected.sql()
    rows = await session.execute(
        text(f"SELECT f.id FROM ({query}) f WHERE f.id = ANY(CAST(:among AS integer[]))"),  # noqa: S608
        parameters | {"among": list(ids)},
    )
    return list(rows.scalars())


def _event(icp: Icp, row: Row[Any], record: Row[Any] | None, told: Told) -> Event:
    kind, reason = MEANING[row.kind]
    changes, reasons = told
    return Event(
        id=row.id,
        icp_id=icp.id,
        icp_name=icp.name,
        version=row.version,
        entity=icp.entity,
        record_id=row.record_id,
        name=record.name if record else None,
        title=record.title if record else None,
        company=record.company if record else None,
        kind=kind,
        reason=reason,
        changes=[msgspec.to_builtins(change) for change in changes],
        reasons=reasons,
        created_at=row.created_at,
        read=row.read,
    )


async def mark_read(session: AsyncSession, *, user_id: UserId, icp_id: UUID, upto: int) -> None:
    """Remember how far this reader has read; it never goes back."""
    await icps.get(session, user_id=user_id, icp_id=icp_id)
    await _mark(session, [icp_id], upto)


async def mark_all_read(session: AsyncSession, *, user_id: UserId, upto: int) -> None:
    """The same for all ICPs that the reader sees."""
    await _mark(session, [icp.id for icp in await icps.seen(session, user_id=user_id)], upto)


async def _mark(session: AsyncSession, icp_ids: Sequence[UUID], upto: int) -> None:
    await session.execute(
        text(
            "INSERT INTO app.icp_event_reads AS known (icp_id, event_id)"
            " SELECT i.id, :upto FROM unnest(CAST(:icps AS uuid[])) AS i (id) ORDER BY i.id"
            " ON CONFLICT (user_id, icp_id) DO UPDATE"
            " SET event_id = greatest(known.event_id, excluded.event_id)"
        ),
        {"icps": list(icp_ids), "upto": upto},
    )


async def forget(db: Database) -> int:
    """Delete events older than they are kept, and states that no ICP needs any more; how many events."""
    async with db.transaction(SERVICE) as session:
        old = "created_at <= app.now() - make_interval(days => :keep)"
        gone = await session.scalar(
            text(
                f"WITH gone AS (DELETE FROM app.icp_events WHERE {old} RETURNING size)"  # noqa: S608
                " SELECT coalesce(sum(size), 0) FROM gone"
            ),
            {"keep": KEEP_DAYS},
        )
        await session.execute(text(f"DELETE FROM app.alert_evidence WHERE {old}"), {"keep": KEEP_DAYS})  # noqa: S608
    async with db.transaction(SERVICE) as session:
        await session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})
        for entity, letter in LETTERS.items():
            await _forget_states(session, entity, letter)
    return int(gone or 0)


async def _forget_states(session: AsyncSession, entity: Entity, letter: bytes) -> None:
    kept = BitMap(
        await session.scalar(
            text('SELECT array_agg(record_id) FROM app.alert_states WHERE entity = CAST(:letter AS "char")'),
            {"letter": letter},
        )
        or ()
    )
    if not kept:
        return
    rows = await session.execute(
        text(
            "SELECT a.members FROM app.icp_alerts a JOIN app.icp_profiles p ON p.id = a.icp_id"
            " WHERE p.entity = :entity AND a.members <> ''"
        ),
        {"entity": entity},
    )
    for members in rows.scalars():
        kept -= BitMap.deserialize(members)
    await session.execute(
        text(
            'DELETE FROM app.alert_states WHERE entity = CAST(:letter AS "char")'
            " AND record_id = ANY(CAST(:ids AS integer[]))"
        ),
        {"letter": letter, "ids": list(kept)},
    )
