"""The indexer as it runs all day: woken by a change or by the clock, stopped by nothing it can outlast.

It keeps no state that matters. When OpenSearch is down it asks again at growing intervals and touches no
row meanwhile; when the indices are not as it left them it says so once, writes nothing, and looks again
every few seconds, so that the repair (usually a rebuild) is noticed without a restart.
"""

import asyncio
import contextlib
import random
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import asyncpg

from core.logs import get_logger
from db import connections
from indexer import control, fanout, indices, queue, rebuild
from indexer.apply import apply, claim
from indexer.bulk import BulkSender
from indexer.feed import ENTITIES, Entity, Feed
from indexer.indices import Condition
from indexer.queue import Claim

log = get_logger(__name__)

CHANNEL = "search_dirty"
POLL_S = 1.0
# After a wake-up a moment is left for the rest of a burst, so that it goes out as one body.
LINGER_S = 0.03
# A claim costs the same few transactions and one flush of the engine's log for one row as for a hundred. So
# while changes stream in, claims keep this distance, and a lone change still goes out at once.
DISTANCE_S = 0.15
# From so many rows on a claim is dear enough by its rows that waiting for more would save nothing.
FULL_ROWS = 500
# Up to so many rows a claim is taken for a few edits and not for a stream.
FEW_ROWS = 5
INSPECT_EVERY_S = 5.0
LONGEST_PAUSE_S = 10.0
COMPACT_FROM_ROWS = 50_000
COMPACT_EVERY_S = 30.0
RELEASE_EVERY_S = 3.0
# Two batches at a time: one is read and built while the engine works on the other.
WORKERS = 2


class Waker:
    """Turns NOTIFY into an event, and tells PostgreSQL that this process lives, by a lock with its number.

    A lost connection only means waking up by the clock, and claims that wait for their lease, until it is
    back.
    """

    def __init__(self, url: str, channels: Sequence[str]) -> None:
        self.number = 1 + secrets.randbelow(2**31 - 1)
        self._url = url
        self._channels = channels
        self._events: dict[str, list[asyncio.Event]] = {channel: [] for channel in channels}
        self.listening = False

    def event(self, channel: str) -> asyncio.Event:
        """An event that is set at each notification; whoever waits for it clears it."""
        event = asyncio.Event()
        self._events[channel].append(event)
        return event

    async def run(self, stop: asyncio.Event) -> None:
        pause = 0.2
        while not stop.is_set():
            try:
                connection = await connections.connect(self._url)
            except (OSError, asyncpg.PostgresError, TimeoutError):
                await rest(stop, pause)
                pause = min(LONGEST_PAUSE_S, pause * 2)
                continue
            pause = 0.2
            try:
                await self._listen(connection, stop)
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                log.info("the listening connection was lost; the clock wakes meanwhile")
            finally:
                self.listening = False
                with contextlib.suppress(Exception):
                    await connection.close(timeout=2)

    async def _listen(self, connection: asyncpg.Connection, stop: asyncio.Event) -> None:
        lost = asyncio.Event()
        connection.add_termination_listener(lambda _: lost.set())
        await connection.execute("SELECT pg_advisory_lock($1, $2)", queue.INDEXERS, self.number)
        for channel in self._channels:
            await connection.add_listener(channel, self._notified)
        self.listening = True
        for channel in self._channels:
            self._wake(channel)  # what was queued while nobody listened
        waits = [asyncio.create_task(stop.wait()), asyncio.create_task(lost.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    def _notified(self, _connection: object, _pid: int, channel: str, _payload: object) -> None:
        self._wake(channel)

    def _wake(self, channel: str) -> None:
        for event in self._events[channel]:
            event.set()


@dataclass(slots=True)
class _Health:
    """What the last look at the two sides found, shared by the workers of one loop."""

    writable: tuple[Entity, ...] = ()
    looked_at: float = -1e9
    said: dict[Entity, str | None] = field(default_factory=dict)
    failing: str | None = None


class Indexer:
    """Brings changes to the index until it is told to stop."""

    def __init__(
        self,
        feed: Feed,
        waker: Waker,
        *,
        poll_s: float = POLL_S,
        inspect_every_s: float = INSPECT_EVERY_S,
        jitter: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self.sender = BulkSender(feed.client)
        self._feed = feed
        self._waker = waker
        self._poll_s = poll_s
        self._inspect_every_s = inspect_every_s
        self._jitter = jitter
        self._health = _Health()
        self._released_at = -1e9
        self._woken = waker.event(CHANNEL)
        # Held by the worker that waits for changes and claims them; the others write what they have.
        self._turn = asyncio.Lock()
        self._next_claim_at: float | None = None
        self._drained = True

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set; a batch that has begun is finished."""
        async with asyncio.TaskGroup() as group:
            for _ in range(WORKERS):
                group.create_task(self._work(stop))

    async def _work(self, stop: asyncio.Event) -> None:
        pause = 0.0
        while not stop.is_set():
            try:
                async with self._turn:
                    await self._changes(stop)
                    held = None if stop.is_set() else await self._claim()
                if held is not None:
                    await self._apply(held)
                pause = 0.0
                self._say_failure(None)
            except Exception as error:  # noqa: BLE001 - the loop outlasts whatever the two sides do
                pause = min(LONGEST_PAUSE_S, max(0.2, pause * 2))
                self._look_again()
                self._say_failure(error)
            if pause:
                await rest(stop, self._jitter(pause / 2, pause))

    async def _changes(self, stop: asyncio.Event) -> None:
        """Wait until there may be something to claim, and until a claim is due."""
        if self._next_claim_at is None:
            return
        await _either(stop, self._woken, self._poll_s)
        if self._woken.is_set():
            await rest(stop, max(LINGER_S, self._next_claim_at - time.monotonic()))

    async def _claim(self) -> Claim | None:
        """What there is to do, if it may be done; and when to look again."""
        self._woken.clear()
        looked_at = self._next_claim_at = time.monotonic()
        writable = await self._writable()
        if not writable:
            return None
        # Pieces of a fan-out are cut only when the queue is empty, so they cannot pile up in it.
        nothing_more = self._drained and not await self._find_more(writable)
        indexer = self._waker.number if self._waker.listening else queue.NOBODY
        held = await claim(self._feed, entities=writable, indexer=indexer)
        rows = 0 if held is None else sum(map(len, held.rows.values()))
        self._drained = rows < FULL_ROWS
        self._next_claim_at = looked_at + distance(rows) if self._drained and nothing_more else None
        return held

    async def _find_more(self, writable: Sequence[Entity]) -> bool:
        """Whether rows of a dead indexer, or a piece of a fan-out, have become free."""
        if await self._release_dead():
            return True
        return "contacts" in writable and await fanout.expand_piece(self._feed) is not None

    async def _apply(self, held: Claim) -> None:
        batch = await apply(self._feed, self.sender, held)
        if batch.stopped or batch.busy:
            self._look_again()

    async def _release_dead(self) -> bool:
        """Now and then: whether rows of a dead indexer have become free."""
        if time.monotonic() - self._released_at < RELEASE_EVERY_S:
            return False
        self._released_at = time.monotonic()
        async with self._feed.service() as session:
            released = await queue.release_dead(session)
        if released:
            log.info("rows of an indexer that is gone were taken over", rows=released)
        return bool(released)

    async def _writable(self) -> tuple[Entity, ...]:
        if time.monotonic() - self._health.looked_at < self._inspect_every_s:
            return self._health.writable
        if await control.is_paused(self._feed):
            self._say(dict.fromkeys(ENTITIES, "paused by `leadfuel index pause`"))
            self._health.writable = ()
        else:
            conditions = {entity: await indices.inspect(self._feed, entity) for entity in ENTITIES}
            self._say({entity: found.problem for entity, found in conditions.items()})
            self._health.writable = tuple(e for e, found in conditions.items() if _may_write(found))
        self._health.looked_at = time.monotonic()
        return self._health.writable

    def _look_again(self) -> None:
        self._health.looked_at = -1e9

    def _say_failure(self, error: Exception | None) -> None:
        """Log a failure when it begins and when it is over, however often it is met in between."""
        kind = type(error).__name__ if error is not None else None
        if kind == self._health.failing:
            return
        if error is not None:
            log.warning("batches fail and are tried again", error=str(error)[:300], kind=kind)
        else:
            log.info("batches are applied again")
        self._health.failing = kind

    def _say(self, problems: dict[Entity, str | None]) -> None:
        """Log what has changed since the last look, once."""
        for entity, problem in problems.items():
            if problem == self._health.said.get(entity):
                continue
            if problem is not None:
                log.warning("the index is not written to", entity=entity, reason=problem)
            else:
                log.info("the index is written to again", entity=entity)
            self._health.said[entity] = problem


def distance(rows: int) -> float:
    """The least seconds between a claim of so many rows and the next."""
    return min(DISTANCE_S, LINGER_S * rows / FEW_ROWS)


def _may_write(found: Condition) -> bool:
    return found.problem is None or found.building


async def build_missing(feed: Feed, stop: asyncio.Event, *, look_every_s: float = INSPECT_EVERY_S) -> None:
    """Build what has never been built, once the engine is there: the first start needs no command.

    A first build that was killed is taken up again. An index that was there and is gone is left to a
    person: the loop refuses, and `leadfuel index status` says what to do.
    """
    waiting = set(ENTITIES)
    while waiting and not stop.is_set():
        for entity in sorted(waiting):
            try:
                if await _build_if_missing(feed, entity):
                    waiting.discard(entity)
            except Exception as error:  # noqa: BLE001 - the engine may come later
                log.info("the first index could not be built yet", entity=entity, reason=str(error)[:300])
        if waiting:
            await rest(stop, look_every_s)


async def _build_if_missing(feed: Feed, entity: Entity) -> bool:
    """Whether the entity needs no first build any more."""
    async with feed.service(read_only=True) as session:
        states = {index.state for index in await indices.rows(session, entity)}
    if states & {"live", "old"}:
        return True
    found = await indices.inspect(feed, entity)
    if not (found.missing or "building" in states):
        return False
    await rebuild.rebuild(feed, entity, resume=True)
    return True


async def keep_compact(feed: Feed, stop: asyncio.Event) -> None:
    """Fold a queue that grew while nothing was written, so that it holds a record once."""
    while not stop.is_set():
        async with feed.service() as session:
            rows = sum([(await queue.depth(session, entity)).rows for entity in ENTITIES])
        if rows >= COMPACT_FROM_ROWS:
            async with feed.service() as session:
                folded = await queue.compact(session)
            if folded:
                log.info("the queue was folded", rows=folded)
                continue
        await rest(stop, COMPACT_EVERY_S)


async def rest(stop: asyncio.Event, seconds: float) -> None:
    """Sleep, unless told to stop."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)


async def _either(stop: asyncio.Event, woken: asyncio.Event, seconds: float) -> None:
    waits = [asyncio.create_task(stop.wait()), asyncio.create_task(woken.wait())]
    try:
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
