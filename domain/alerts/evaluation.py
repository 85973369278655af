"""Compares what the index feed has applied with the state before, for all watched ICPs at once.

One transaction, one process at a time: it reads the records as they are, lets `search.matcher` say whom each
ICP fits now, writes the events, and moves the states, the members and the place in the feed on. A crash
anywhere repeats a comparison and never an event; what changed several times in between counts as its net
effect. The reading of the ICPs and their members are held in memory and checked against PostgreSQL before
every batch, so no event is written by a version that is no longer the ICP's.
"""

import asyncio
import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import reduce
from operator import attrgetter, or_
from typing import Final
from uuid import UUID

import msgspec
from pyroaring import BitMap
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from core import clock
from core.errors import LeadFuelError
from core.logs import get_logger
from db.sessions import SERVICE, Database
from domain.alerts import baseline, evidence, states, watching, writing
from domain.alerts.batches import Compared, Seen, Watch
from domain.alerts.differences import Differences
from domain.icps import Icp
from search import documents, matcher, selection, stored
from search.conditions import Between, Criteria
from search.days import as_of, depends_on_time
from search.engine import Searcher
from search.matcher import Batch, Table
from search.request import CountRequest, Entity, SearchRequest
from search.selection import Selection

log = get_logger(__name__)

AT_ONCE: Final = 5_000
_ENTITIES: Final[tuple[Entity, ...]] = ("contacts", "organizations")


class Evaluator:
    """One per process: holds the watched ICPs between batches."""

    def __init__(self, db: Database, searcher: Searcher) -> None:
        self._db = db
        self._searcher = searcher
        self._position: int | None = None
        self._watches: dict[UUID, Watch] = {}
        self._tables: dict[Entity, Table] = {entity: Table(entity) for entity in _ENTITIES}

    async def evaluate(self) -> int:
        """Compare what the feed has applied since the last time; how many records that were, 0 when none."""
        upto = await _applied_so_far(self._db, than=self._position)
        try:
            async with self._db.transaction(SERVICE) as session:
                if not await session.scalar(
                    text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": baseline.LOCK}
                ):
                    return 0
                count, reached = await self._batch(session, upto)
        except BaseException:
            # What is in memory may be ahead of what was committed.
            self._position = None
            raise
        self._position = reached
        return count

    async def _batch(self, session: AsyncSession, upto: int) -> tuple[int, int]:
        position = await baseline.position(session)
        await self._refresh(session, position)
        await self._let_time_pass(session)
        rows = await session.execute(
            text(
                "SELECT seq, entity::text AS entity, id FROM app.applied"
                " WHERE seq > :position AND seq <= :upto ORDER BY seq LIMIT :limit"
            ),
            {"position": position, "upto": upto, "limit": AT_ONCE},
        )
        found = rows.all()
        if not found:
            return 0, position
        last = int(found[-1].seq)
        for entity, letter in states.LETTERS.items():
            # In the order of their ids their rows are locked, part by part.
            watches = sorted(
                (watch for watch in self._watches.values() if watch.entity == entity),
                key=attrgetter("icp_id.int"),
            )
            touched = BitMap(row.id for row in found if row.entity == letter.decode())
            if watches and touched:
                await self._compare(session, entity, touched, watches, token=last)
        await baseline.move_on(session, position, last)
        return len(found), last

    async def _refresh(self, session: AsyncSession, position: int) -> None:
        """Bring what is in memory up to PostgreSQL, and let edited ICPs begin anew."""
        stale = await session.execute(
            text(
                "SELECT a.icp_id FROM app.icp_alerts a JOIN app.icp_profiles p ON p.id = a.icp_id"
                " WHERE a.version <> p.version ORDER BY a.icp_id"
            )
        )
        for icp_id in stale.scalars().all():
            await self._begin_anew(session, icp_id)
        if position != self._position:
            self._watches.clear()
            self._tables = {entity: Table(entity) for entity in _ENTITIES}
        rows = await session.execute(text("SELECT icp_id, revision FROM app.icp_alerts"))
        wanted = {row.icp_id: row.revision for row in rows}
        for icp_id in [known for known in self._watches if known not in wanted]:
            del self._watches[icp_id]
        missing = [
            icp_id
            for icp_id, revision in wanted.items()
            if icp_id not in self._watches or self._watches[icp_id].revision != revision
        ]
        if missing:
            await self._load(session, missing)

    async def _load(self, session: AsyncSession, icp_ids: Sequence[UUID]) -> None:
        rows = await session.execute(
            text(
                "SELECT a.icp_id, p.entity, a.version, a.revision, a.kinds, a.fields, p.filters, v.criteria,"
                " a.members, a.as_of FROM app.icp_alerts a JOIN app.icp_profiles p ON p.id = a.icp_id"
                " JOIN app.icp_versions v ON v.icp_id = a.icp_id AND v.version = a.version"
                " WHERE a.icp_id = ANY(:ids) AND a.version = p.version AND v.criteria IS NOT NULL"
            ),
            {"ids": list(icp_ids)},
        )
        for icp_id in icp_ids:
            self._watches.pop(icp_id, None)
        for row in rows:
            try:
                criteria = stored.load(row.criteria)
                request = msgspec.convert(row.filters, SearchRequest)
            except (stored.OtherShape, msgspec.ValidationError):
                # Written by another release: it is read anew, and begins anew.
                await self._begin_anew(session, row.icp_id)
                continue
            self._watches[row.icp_id] = Watch(
                icp_id=row.icp_id,
                entity=row.entity,
                version=row.version,
                revision=row.revision,
                kinds=frozenset(row.kinds),
                fields=tuple(row.fields),
                request=request,
                criteria=criteria,
                members=BitMap.deserialize(row.members),
                as_of=row.as_of,
                compiled=self._tables[row.entity].add(as_of(criteria, request.filters, row.as_of)),
            )

    async def _begin_anew(self, session: AsyncSession, icp_id: UUID) -> None:
        row = (
            await session.execute(
                text("SELECT p.*, 'owner' AS role FROM app.icp_profiles p WHERE p.id = :id"), {"id": icp_id}
            )
        ).one()
        icp = Icp(**{name: getattr(row, name) for name in Icp.__dataclass_fields__})
        try:
            watching.check(icp.entity, icp.request())
            await baseline.take(session, self._searcher, icp)
        except LeadFuelError as error:
            # It cannot be run: its owner sees why with the ICP. Its next version begins anew.
            await session.execute(
                text(
                    "WITH unread AS (UPDATE app.icp_versions SET criteria = NULL"
                    " WHERE icp_id = :id AND version = :version)"
                    " UPDATE app.icp_alerts SET version = :version,"
                    " revision = nextval('app.alert_revision') WHERE icp_id = :id"
                ),
                {"id": icp_id, "version": icp.version},
            )
            log.info("an ICP cannot be compared", **{"icp.id": str(icp_id), "error.slug": error.slug})

    async def _let_time_pass(self, session: AsyncSession) -> None:
        """Compare those who have come to fit, or ceased to, by a new day alone."""
        today = clock.today()
        for watch in [one for one in self._watches.values() if one.as_of < today]:
            if depends_on_time(watch.criteria):
                then = as_of(watch.criteria, watch.request.filters, watch.as_of)
                now = as_of(watch.criteria, watch.request.filters, today)
                crossed = await _crossed(session, watch.entity, then, now)
                watch.compiled = self._tables[watch.entity].add(now)
                for start in range(0, len(crossed), AT_ONCE):
                    part = BitMap(crossed[start : start + AT_ONCE])
                    # A token that no batch of the feed has, nor any other part of this.
                    token = -int(await session.scalar(text("SELECT nextval('app.alert_revision')")) or 0)
                    await self._compare(session, watch.entity, part, [watch], token=token, by_time=True)
                await session.execute(
                    text("UPDATE app.icp_alerts SET as_of = :today WHERE icp_id = :id"),
                    {"id": watch.icp_id, "today": today},
                )
            watch.as_of = today

    async def _compare(
        self,
        session: AsyncSession,
        entity: Entity,
        touched: BitMap,
        watches: Sequence[Watch],
        *,
        token: int,
        by_time: bool = False,
    ) -> None:
        """One batch against these watches. By time alone one is compared that others have not seen."""
        seen = await _see(session, entity, touched)
        batch = Batch(self._tables[entity], seen.documents)
        fits = await asyncio.to_thread(lambda: [batch.fitting(watch.compiled) for watch in watches])
        for place, watch in enumerate(watches):
            if fits[place] and not watch.compiled.exact:
                fits[place] = await self._verify(session, watch, seen, fits[place])
        if by_time:
            # What has changed about them is on its way here, and told when it comes.
            seen = replace(seen, before={}, overrides={})
        else:
            await writing.move_states(session, entity, seen, reduce(or_, fits, 0))
        if seen.gone:
            await writing.forget_gone(session, entity, list(seen.gone))
        differences = Differences(entity, seen)
        parts = differences.told(watches, fits)
        with _without_looking_for_cycles():
            compared: list[Compared] = await asyncio.to_thread(next, parts, [])
            if compared:
                if by_time:
                    await writing.keep_seen(session, watches[0], seen, compared)
                hiding = await writing.hiding(session, entity, seen)
            while compared:
                # PostgreSQL writes one part while the next is put together.
                _, compared = await asyncio.gather(
                    writing.write(session, compared, hiding, token=token), asyncio.to_thread(next, parts, [])
                )
        await evidence.keep(session, entity, seen, differences, await self._searcher.terms(), token=token)

    async def _verify(self, session: AsyncSession, watch: Watch, seen: Seen, fit: int) -> int:
        """Those whom PostgreSQL's own rule for loose words lets fit, too."""
        everything = await self._searcher.selection(watch.entity, CountRequest(hidden="include"), SERVICE)
        criteria = as_of(watch.criteria, watch.request.filters, watch.as_of)
        await selection.ready(session)
        query, parameters = Selection(criteria, everything.visibility).sql()
        rows = await session.execute(
            text(f"SELECT f.id FROM ({query}) f WHERE f.id = ANY(CAST(:among AS integer[]))"),  # noqa: S608
            parameters | {"among": [seen.ids[place] for place in matcher.places(fit)]},
        )
        return matcher.bits(sorted(seen.place[record] for record in rows.scalars()))


@contextmanager
def _without_looking_for_cycles() -> Iterator[None]:
    """What is put together here is a great many values without a cycle, beside thousands of ICPs in memory.

    Going through all of them again and again would be a quarter of the work.
    """
    looking = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if looking:
            gc.enable()


async def _applied_so_far(db: Database, *, than: int | None) -> int:
    """The last row of the feed's record before which none can appear any more.

    Numbers are drawn before they are committed; the lock waits for those who have drawn one. Where there is
    nothing newer `than` what is known, nobody is made to wait.
    """
    async with db.transaction(SERVICE) as session:
        newest = int(await session.scalar(text("SELECT coalesce(max(seq), 0) FROM app.applied")) or 0)
        if than is not None and newest <= than:
            return newest
        await session.execute(text("LOCK TABLE app.applied IN SHARE MODE"))
        return int(await session.scalar(text("SELECT coalesce(max(seq), 0) FROM app.applied")) or 0)


async def _see(session: AsyncSession, entity: Entity, touched: BitMap) -> Seen:
    """The records as they are now, and the states of those that are kept."""
    ids = list(touched)
    parameters = {"ids": ids, "letter": states.LETTERS[entity]}
    found = await documents.read(session, entity, ids)
    before = await session.execute(
        text(
            'SELECT record_id, "values", hidden_by FROM app.alert_states'
            ' WHERE entity = CAST(:letter AS "char") AND record_id = ANY(CAST(:ids AS integer[]))'
        ),
        parameters,
    )
    known_before = before.all()
    now = await session.execute(
        text(f"{states.select(entity)} WHERE {states.key(entity)} = ANY(CAST(:ids AS integer[]))"),
        parameters,
    )
    rows = await session.execute(
        text(
            'SELECT v.icp_id, v.record_id, v."values" FROM app.alert_overrides v'
            " JOIN app.icp_profiles p ON p.id = v.icp_id AND p.entity = :entity"
            " WHERE v.record_id = ANY(CAST(:ids AS integer[]))"
        ),
        {"ids": ids, "entity": entity},
    )
    overrides: dict[UUID, dict[int, str]] = {}
    for icp_id, record, values in rows:
        overrides.setdefault(icp_id, {})[record] = values
    known_now = {row[0]: row[1] for row in now}
    # One that was deleted between the two readings is gone.
    existing = sorted(found.keys() & known_now.keys())
    gone = touched - BitMap(existing)
    return Seen(
        ids=existing,
        documents=[found[record] for record in existing],
        gone=gone,
        touched=touched,
        before={row[0]: row[1] for row in known_before},
        now=known_now,
        overrides=overrides,
        # Whoever is still there and whose company is not is hidden no longer.
        hidden_by={row[0]: row[2] for row in known_before if row[2] and row[0] in gone},
    )


async def _crossed(session: AsyncSession, entity: Entity, then: Criteria, now: Criteria) -> list[int]:
    """The records that crossed a bound which is relative to time between two days."""
    found: set[int] = set()
    for old, new in zip(then.clauses, now.clauses, strict=True):
        before, after = old.condition, new.condition
        if before == after or not isinstance(before, Between) or not isinstance(after, Between):
            continue
        for bound in ("minimum", "maximum"):
            one, other = getattr(before, bound), getattr(after, bound)
            if one is not None:
                crossing = text(_CROSSING[entity, before.field.scope].format(column=before.field.name))
                rows = await session.execute(crossing, {"earlier": min(one, other), "later": max(one, other)})
                found.update(rows.scalars())
    return sorted(found)


_CROSSING: Final[dict[tuple[Entity, Entity], str]] = {
    ("contacts", "contacts"): "SELECT id FROM app.contacts WHERE {column} BETWEEN :earlier AND :later",
    ("contacts", "organizations"): "SELECT c.id FROM app.organizations o"
    " JOIN app.contacts c ON c.organization_id = o.id WHERE o.{column} BETWEEN :earlier AND :later",
    ("organizations", "organizations"): "SELECT id FROM app.organizations"
    " WHERE {column} BETWEEN :earlier AND :later",
}
