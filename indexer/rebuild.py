"""A new index from the database, while the old one answers.

From the moment the row in `indices` is committed every change goes to both indices; the scan brings the
rest, by keyset, with the same rule of token and external version. Then what was queued meanwhile is
worked off, the counts are compared, and the alias moves in one step. The checkpoint is the row, so a
rebuild that was killed goes on where it was, and one that was aborted leaves nothing.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import asyncpg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from core.errors import LeadFuelError
from core.logs import get_logger
from db import connections
from indexer import catalogue, control, deadletters, drain, indices, queue
from indexer.bulk import BulkSender, Kind, Limits, writes
from indexer.deadletters import Rejected
from indexer.feed import ENTITIES, Entity, Feed
from indexer.indices import EngineDown, Index, IndexRefused
from search.documents import Employer

log = get_logger(__name__)

READ_AT_ONCE = 4_000
IDS_AT_ONCE = 40_000
IN_FLIGHT = 3
PATIENCE_S = 120.0
CHECKPOINT_EVERY_S = 1.0
COUNT_ATTEMPTS = 20
_LOCK = 0x1EADF0E1


class RebuildRunning(LeadFuelError):
    """Another process is rebuilding; two at once would only get in each other's way."""

    status = 409
    slug = "rebuild-running"
    title = "A rebuild is running already"


class RebuildInterrupted(LeadFuelError):
    """A rebuild was begun and not finished; somebody has to say what becomes of it."""

    status = 409
    slug = "rebuild-interrupted"
    title = "An interrupted rebuild is waiting"


class RebuildAborted(LeadFuelError):
    """The rebuild was aborted from elsewhere while it ran."""

    status = 409
    slug = "rebuild-aborted"
    title = "The rebuild was aborted"


class RebuildIncomplete(LeadFuelError):
    """The new index does not hold what the database holds, so the alias stays where it is."""

    status = 500
    slug = "rebuild-incomplete"
    title = "The new index is not complete"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a rebuild is."""

    entity: Entity
    index: str
    done: int
    total: int
    per_second: float

    @property
    def seconds_left(self) -> float | None:
        left = max(0, self.total - self.done)
        return left / self.per_second if self.per_second > 0 else None


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What a finished rebuild did."""

    entity: Entity
    index: str
    documents: int
    rejected: int
    seconds: float
    resumed: bool
    replaced: tuple[str, ...]


Report = Callable[[Progress], None]


@asynccontextmanager
async def exclusive(feed: Feed) -> AsyncIterator[asyncpg.Connection]:
    """Hold the one lock of rebuilds for the length of the block; a killed process loses it at once."""
    connection = await connections.connect(feed.database_url)
    try:
        if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", _LOCK):
            raise RebuildRunning(
                "Another process is rebuilding an index. `leadfuel index status` shows how far it is."
            )
        yield connection
    finally:
        await connection.close()


async def rebuild(
    feed: Feed,
    entity: Entity,
    *,
    resume: bool = False,
    take_over: bool = False,
    report: Report | None = None,
) -> Rebuilt:
    """Build a new index of the entity and put it behind the alias."""
    async with exclusive(feed) as lock:
        started = time.monotonic()
        index, resumed = await _begin(feed, entity, resume=resume, take_over=take_over)
        scan = _Scan(feed, index, lock, report)
        await scan.run()
        await drain.drain(feed, scan.sender, entities=[entity])
        await indices.prepare_for_serving(feed, index.name)
        documents = await _compare_counts(feed, scan.sender, index)
        replaced = await indices.swap(feed, entity, new=index.name)
        await _finish(feed, entity, index)
        log.info("an index was rebuilt", entity=entity, index=index.name, documents=documents)
        return Rebuilt(
            entity,
            index.name,
            documents,
            rejected=scan.rejected,
            seconds=time.monotonic() - started,
            resumed=resumed,
            replaced=tuple(replaced),
        )


async def check(feed: Feed, entity: Entity, *, resume: bool = False, take_over: bool = False) -> None:
    """Raise what `rebuild` would refuse with at its beginning; nothing is done."""
    async with exclusive(feed):
        await _before(feed, entity, resume=resume, take_over=take_over)


async def to_resume(feed: Feed, chosen: Sequence[Entity]) -> list[Entity]:
    """Which of the entities have an interrupted rebuild; raises when none has."""
    async with feed.service(read_only=True) as session:
        begun = [entity for entity in chosen if await interrupted(session, entity)]
    if not begun:
        raise RebuildInterrupted("There is no interrupted rebuild to resume.")
    return begun


async def is_running(session: AsyncSession, entity: Entity) -> bool:
    """Whether a living process is at a rebuild of the entity: it holds the lock of rebuilds, and says so."""
    said = await control.recall(session, control.progress(entity))
    found = await session.execute(
        text(
            """
            SELECT EXISTS (
                SELECT FROM pg_locks
                WHERE locktype = 'advisory' AND objsubid = 1 AND classid = 0
                  AND objid = CAST(:lock AS oid) AND pid = :holder
                  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
            )
            """
        ),
        {"lock": _LOCK, "holder": said["holder"] if said else 0},
    )
    return bool(found.scalar_one())


async def abort(feed: Feed, entity: Entity) -> str | None:
    """Take back a rebuild, running or interrupted, and its index; the index's name, None without one.

    A running one notices at its next checkpoint.
    """
    async with feed.service() as session:
        building = await interrupted(session, entity)
        if building is None:
            return None
        await _forget(session, building.name)
    await indices.delete(feed, building.name)
    return building.name


async def interrupted(session: AsyncSession, entity: Entity) -> Index | None:
    """The index under construction, whether somebody is at it or not."""
    return next((index for index in await indices.rows(session, entity) if index.state == "building"), None)


async def drop_all_orphans(feed: Feed, *, kept_for_s: float) -> list[str]:
    """Delete what nobody needs, unknown indices included, of both entities; no rebuild may run meanwhile."""
    async with exclusive(feed):
        return [
            name
            for entity in ENTITIES
            for name in await drop_orphans(feed, entity, kept_for_s=kept_for_s, unknown=True)
        ]


async def drop_orphans(feed: Feed, entity: Entity, *, kept_for_s: float, unknown: bool = False) -> list[str]:
    """Delete indices nobody needs: replaced ones after their time, and `unknown` ones if asked to.

    Unknown are those that bear the name of this installation's indices and stand in no row: what a process
    left behind that was killed between making an index and writing it down. None that a search can reach.
    """
    async with feed.service() as session:
        found = await session.execute(
            text(
                """
                SELECT index_name, state = 'old'
                       AND finished_at < clock_timestamp() - make_interval(secs => :kept_for_s)
                FROM indices WHERE entity = :entity
                """
            ),
            {"entity": entity, "kept_for_s": kept_for_s},
        )
        known = {str(name): bool(expired) for name, expired in found}
    there = await feed.client.indices.get_alias(index=f"{feed.alias(entity)}-*")
    dropped = []
    for name, facts in there.items():
        serving = set(facts["aliases"]) - {indices.write_alias(name)}
        if indices.write_alias(name) in facts["aliases"] and not serving and known.get(name, unknown):
            await indices.delete(feed, name)
            dropped.append(name)
    async with feed.service() as session:
        for name, expired in known.items():
            if expired and (name in dropped or name not in there):
                await _forget(session, name)
    return sorted(dropped)


async def _before(
    feed: Feed, entity: Entity, *, resume: bool, take_over: bool
) -> tuple[list[Index], list[Index]]:
    """The indices we know of: those that are there, an interrupted one first, and those that are gone."""
    await indices.check_engine(feed)
    async with feed.service(read_only=True) as session:
        known = await indices.rows(session, entity)
    building = next((index for index in known if index.state == "building"), None)
    there = [index for index in known if index is not building and await indices.exists(feed, index.name)]
    gone = [index for index in known if index is not building and index not in there]
    if building is not None:
        return [await _resumable(feed, building, resume=resume), *there], gone
    foreign = set(await indices.behind_alias(feed, entity)) - {index.name for index in there}
    if foreign and not take_over:
        raise IndexRefused(
            f"The alias {feed.alias(entity)} points to {', '.join(sorted(foreign))}, which this database "
            "knows nothing of. If another installation uses this OpenSearch, give this one its own "
            "LEADFUEL_INDEX_PREFIX; if not, rebuild with --take-over."
        )
    return there, gone


async def _begin(feed: Feed, entity: Entity, *, resume: bool, take_over: bool) -> tuple[Index, bool]:
    known, gone = await _before(feed, entity, resume=resume, take_over=take_over)
    async with feed.service() as session:
        for index in gone:
            await _forget(session, index.name)  # somebody has deleted it; nothing can be written there
    if known and known[0].state == "building":
        return known[0], True
    name = await indices.create(feed, entity, taken=frozenset(index.name for index in known))
    async with feed.service() as session:
        if not known:
            # No index holds anything these changes concern, and the scan, which begins later, sees them.
            await queue.forget(session, entity)
        total = await catalogue.count(session, entity)
        await session.execute(
            text(
                """
                INSERT INTO indices (index_name, entity, schema_hash, state, rows_total, started_at)
                VALUES (:name, :entity, :schema_hash, 'building', :total, clock_timestamp())
                """
            ),
            {
                "name": name,
                "entity": entity,
                "schema_hash": feed.source.schema_hash(entity),
                "total": total,
            },
        )
    return Index(entity, name, feed.source.schema_hash(entity), "building", rows_total=total), False


async def _resumable(feed: Feed, building: Index, *, resume: bool) -> Index:
    share = f"{building.rows_done:,} of {building.rows_total:,}"
    if not resume:
        raise RebuildInterrupted(
            f"A rebuild of {building.entity} was interrupted after {share}. "
            "`leadfuel index rebuild --resume` goes on with it, `--abort` removes it."
        )
    if building.schema_hash != feed.source.schema_hash(building.entity):
        raise RebuildInterrupted(
            f"The interrupted rebuild {building.name} was for another version of the documents. "
            "`leadfuel index rebuild --abort` removes it."
        )
    if not await indices.exists(feed, building.name):
        raise RebuildInterrupted(
            f"The index {building.name} of the interrupted rebuild is gone from OpenSearch. "
            "`leadfuel index rebuild --abort` clears the way."
        )
    return building


@dataclass(slots=True)
class _Scan:
    """The keyset scan of one rebuild: a few batches read, built and sent at the same time."""

    feed: Feed
    index: Index
    lock: asyncpg.Connection
    report: Report | None
    rejected: int = 0
    sender: BulkSender = field(init=False)
    _token: int = 0
    _employers: dict[int, Employer] = field(default_factory=dict)
    _done: dict[int, list[int]] = field(default_factory=dict)
    _written: list[int] = field(default_factory=list)
    _next: int = 0
    _began: float = field(default_factory=time.monotonic)
    _saved_at: float = 0.0
    _last_id: int = 0
    _rows_done: int = 0

    def __post_init__(self) -> None:
        self.sender = BulkSender(self.feed.client, Limits(request_timeout_s=60.0))
        self._last_id = self.index.last_id
        self._rows_done = self.index.rows_done

    @property
    def per_second(self) -> float:
        seconds = max(time.monotonic() - self._began, 1e-6)
        return (self._rows_done - self.index.rows_done) / seconds

    async def run(self) -> None:
        await self._save()
        async with self.feed.service() as session:
            # Of the whole scan: older than all it reads, what it keeps of companies included, and so older
            # than the version of any change to them that the feed brings to this index meanwhile.
            self._token = await queue.draw_token(session)
        pages: asyncio.Queue[tuple[int, list[int]] | None] = asyncio.Queue(maxsize=IN_FLIGHT)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._read_pages(pages))
                for _ in range(IN_FLIGHT):
                    group.create_task(self._work(pages))
        except* LeadFuelError as errors:
            raise _first(errors) from None
        await self._save(finished=True)

    async def _read_pages(self, pages: asyncio.Queue[tuple[int, list[int]] | None]) -> None:
        last, number = self._last_id, 0
        while True:
            async with self.feed.service(read_only=True) as session:
                ids = await catalogue.after(session, self.index.entity, last, limit=IDS_AT_ONCE)
            if not ids:
                break
            for at in range(0, len(ids), READ_AT_ONCE):
                await pages.put((number, ids[at : at + READ_AT_ONCE]))
                number += 1
            last = ids[-1]
        for _ in range(IN_FLIGHT):
            await pages.put(None)

    async def _work(self, pages: asyncio.Queue[tuple[int, list[int]] | None]) -> None:
        while (page := await pages.get()) is not None:
            number, ids = page
            await self._index(ids)
            self._done[number] = ids
            while (reached := self._done.pop(self._next, None)) is not None:
                self._next += 1
                self._last_id = reached[-1]
                self._rows_done += len(reached)
                self._written += reached
            if time.monotonic() - self._saved_at > CHECKPOINT_EVERY_S:
                self._saved_at = time.monotonic()
                await self._save()
            self._tell()

    async def _index(self, ids: list[int]) -> None:
        async with self.feed.service(read_only=True) as session:
            bodies = await self.feed.source.read(session, self.index.entity, ids, employers=self._employers)
        lines = writes(indices.write_alias(self.index.name), self._token, bodies)
        outcomes = await self.sender.send_lines(lines, patience_s=PATIENCE_S)
        rejected = []
        for record, outcome in zip(bodies, outcomes, strict=True):
            if outcome.kind is Kind.REJECTED:
                rejected.append(Rejected(record, bodies[record], outcome.reason or ""))
            elif outcome.kind is Kind.RETRY:
                raise EngineDown(f"{outcome.reason} The rebuild can be resumed.")
            elif outcome.kind in (Kind.MISSING, Kind.STOPPED):
                await self._save()  # an aborted rebuild says so here
                raise IndexRefused(f"OpenSearch takes no more documents: {outcome.reason}")
        if rejected:
            async with self.feed.service() as session:
                await deadletters.record(session, self.index.entity, rejected)
            self.rejected += len(rejected)

    async def _save(self, *, finished: bool = False) -> None:
        """Write the checkpoint; raises when the rebuild was aborted or its lock was lost."""
        if self.lock.is_closed():
            raise RebuildRunning("The connection that holds the rebuild's lock was lost; resume the rebuild.")
        reached = {"last_id": self._last_id, "rows_done": self._rows_done}
        written, self._written = self._written, []
        async with self.feed.service() as session:
            await control.remember(
                session,
                control.progress(self.index.entity),
                {"per_second": round(self.per_second, 1), "holder": self.lock.get_server_pid()},
            )
            saved = await session.execute(
                text(
                    """
                    UPDATE indices SET last_id = :last_id, rows_done = :rows_done,
                        rows_total = CASE WHEN :finished THEN :rows_done
                                          ELSE greatest(rows_total, :rows_done) END
                    WHERE index_name = :name AND state = 'building' RETURNING 1
                    """
                ),
                {**reached, "finished": finished, "name": self.index.name},
            )
            if saved.one_or_none() is None:
                raise RebuildAborted(f"The rebuild into {self.index.name} was aborted.")
            if written:
                await self._requeue_vanished(session, written)

    async def _requeue_vanished(self, session: AsyncSession, ids: list[int]) -> None:
        """As `apply.requeue_vanished`; of all that lie between two checkpoints it is cheap to ask at once."""
        there = await catalogue.between(session, self.index.entity, ids[0], ids[-1] + 1)
        await queue.enqueue(session, self.index.entity, sorted(set(ids).difference(there)))

    def _tell(self) -> None:
        if self.report is not None:
            self.report(
                Progress(
                    self.index.entity,
                    self.index.name,
                    self._rows_done,
                    max(self.index.rows_total, self._rows_done),
                    self.per_second,
                )
            )


def _first(errors: BaseExceptionGroup[LeadFuelError]) -> LeadFuelError:
    error = errors.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error


async def _compare_counts(feed: Feed, sender: BulkSender, index: Index) -> int:
    """The documents of the new index, once they are as many as the database has records.

    Under a constant load of writes the two never stand still at the same moment, so what is queued is
    allowed for; what was rejected can be in neither.
    """
    for attempt in range(COUNT_ATTEMPTS):
        await feed.client.indices.refresh(index=index.name)
        there = await indices.count(feed, index.name)
        async with feed.service(read_only=True) as session:
            here = await catalogue.count(session, index.entity)
            waiting = (await queue.depth(session, index.entity)).rows
            rejected = await deadletters.count(session, index.entity)
        if here - rejected - waiting <= there <= here + waiting:
            return there
        await asyncio.sleep(min(0.05 * 2**attempt, 1.0))
        await drain.drain(feed, sender, entities=[index.entity])
    raise RebuildIncomplete(
        f"{index.name} has {there:,} documents, the database {here:,} records of {index.entity} "
        f"({rejected:,} rejected). The alias was not moved; "
        "`leadfuel index rebuild --resume` compares again, `--abort` removes the new index."
    )


async def _finish(feed: Feed, entity: Entity, index: Index) -> None:
    async with feed.service() as session:
        for known in await indices.rows(session, entity):
            if known.state == "live":
                await indices.set_state(session, known.name, "old")
        await indices.set_state(session, index.name, "live")
        await control.forget(session, control.ahead(entity))
        await control.forget(session, control.progress(entity))


async def _forget(session: AsyncSession, index: str) -> None:
    await session.execute(text("DELETE FROM indices WHERE index_name = :index"), {"index": index})
