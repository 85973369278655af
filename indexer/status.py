"""What an operator wants to see at three in the morning: both sides of the feed, on one screen."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from opensearchpy.exceptions import TransportError
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from indexer import catalogue, control, deadletters, fanout, indices, queue, rebuild
from indexer.feed import ENTITIES, Entity, Feed
from indexer.heartbeat import SILENT_S, together
from indexer.indices import EngineDown, IndexRefused, State
from indexer.queue import Depth

# A change that has waited this long says that nobody is bringing it.
LATE_S = 60.0

AHEAD = "The index held versions the database never gave out: edits by hand, or a restored backup."
AHEAD_ADVICE = (
    "`leadfuel index verify --repair` finds what differs; after a restore, `leadfuel index rebuild`."
)


@dataclass(frozen=True, slots=True)
class Kept:
    """One index as the books have it."""

    name: str
    state: State
    schema_matches: bool
    rows_done: int
    rows_total: int
    started_at: datetime


@dataclass(frozen=True, slots=True)
class Rebuilding:
    """An index under construction; `running` is false when the process that built it is gone."""

    index: str
    running: bool
    rows_done: int
    rows_total: int
    per_second: float | None

    @property
    def seconds_left(self) -> float | None:
        if not self.running or not self.per_second:
            return None
        return max(0, self.rows_total - self.rows_done) / self.per_second


@dataclass(frozen=True, slots=True)
class EntityStatus:
    entity: Entity
    alias: str
    index: str | None
    records: int
    documents: int | None  # None when the engine could not be asked
    queued: Depth
    dead_letters: int
    indices: tuple[Kept, ...]
    problem: str | None
    advice: str | None
    last_verify: dict[str, Any] | None
    rebuilding: Rebuilding | None

    @property
    def healthy(self) -> bool:
        return (
            self.problem is None
            and self.dead_letters == 0
            and self.queued.oldest_age_s < LATE_S
            and not (self.last_verify or {}).get("drift")
        )


@dataclass(frozen=True, slots=True)
class Status:
    """The whole feed."""

    engine: str | None
    engine_problem: str | None
    paused: dict[str, Any] | None
    fanouts: int
    heartbeat: dict[str, Any] | None
    entities: tuple[EntityStatus, ...]
    now: datetime

    @property
    def healthy(self) -> bool:
        return (
            self.engine_problem is None
            and self.paused is None
            and not self.silent
            and all(entity.healthy for entity in self.entities)
        )

    @property
    def silent(self) -> bool:
        """Whether an indexer ran once and none has reported for a while."""
        return self.heartbeat is not None and self.age_s(self.heartbeat) > SILENT_S

    def age_s(self, kept: dict[str, Any]) -> float:
        """How long ago a value of `index_control` was set."""
        set_at: datetime = kept["at"]
        return max(0.0, (self.now - set_at).total_seconds())


async def status(feed: Feed) -> Status:
    """Look at both sides; a side that does not answer is part of the answer."""
    engine, engine_problem = None, None
    try:
        engine = await indices.check_engine(feed)
    except (EngineDown, IndexRefused) as error:
        engine_problem = error.detail
    async with feed.service(read_only=True) as session:
        paused = await control.recall(session, control.PAUSED)
        heartbeat = await together(session)
        waiting = await fanout.count(session)
        now = (await session.execute(text("SELECT clock_timestamp()"))).scalar_one()
    entities = tuple([await _entity_status(feed, entity) for entity in ENTITIES])
    return Status(engine, engine_problem, paused, waiting, heartbeat, entities, now)


async def _entity_status(feed: Feed, entity: Entity) -> EntityStatus:
    found = await indices.inspect(feed, entity)
    ours = feed.source.schema_hash(entity)
    async with feed.service(read_only=True) as session:
        records = await catalogue.count(session, entity)
        queued = await queue.depth(session, entity)
        rejected = await deadletters.count(session, entity)
        last_verify = await control.recall(session, control.verified(entity))
        ahead = await control.recall(session, control.ahead(entity))
        kept = await session.execute(
            text(
                """
                SELECT index_name, state, schema_hash = :ours, rows_done, rows_total, started_at
                FROM indices WHERE entity = :entity ORDER BY started_at
                """
            ),
            {"entity": entity, "ours": ours},
        )
        books = tuple(Kept(*row) for row in kept)
        rebuilding = await rebuild_of(session, entity)
    documents = None
    if found.index is not None:
        try:
            documents = await indices.count(feed, found.index)
        except TransportError:
            documents = None
    return EntityStatus(
        entity,
        found.alias,
        found.index,
        records,
        documents,
        queued,
        rejected,
        books,
        found.problem or (AHEAD if ahead else None),
        found.advice or (AHEAD_ADVICE if ahead else None),
        last_verify,
        rebuilding,
    )


async def rebuild_of(session: AsyncSession, entity: Entity) -> Rebuilding | None:
    """The rebuild that runs or was interrupted; None when there is none."""
    building = await rebuild.interrupted(session, entity)
    if building is None:
        return None
    running = await rebuild.is_running(session, entity)
    said = await control.recall(session, control.progress(entity))
    return Rebuilding(
        building.name,
        running,
        building.rows_done,
        building.rows_total,
        said["per_second"] if said and running else None,
    )
