"""The one process behind the API: the indexer, the outbox relay, the daily round, and arq's worker.

They are loops side by side under one supervisor. Only the last needs Redis; the others run without it,
and the indexer outlasts PostgreSQL and OpenSearch, too. A new kind of job is one line in `JOBS`.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

from arq import ArqRedis, create_pool, func
from arq.typing import WorkerCoroutine
from arq.worker import Worker
from redis.exceptions import RedisError
from sqlalchemy import text

from core.logs import get_logger
from core.settings import Settings
from db import connections
from db.sessions import SERVICE, Database
from indexer import asked, sweep, unindexed
from indexer import loop as indexer_loop
from indexer.feed import Feed
from indexer.heartbeat import Heart
from workers import housekeeping, relay
from workers.jobs import alerts, auth, billing, emails, exports, imports, lists, webhooks
from workers.supervise import Loop, supervise

log = get_logger(__name__)

JOB_TIMEOUT_S = 6 * 3600
JOBS_AT_ONCE = 2
REDIS_AGAIN_S = 5.0


Job = Callable[[Settings, Database, Mapping[str, Any]], Awaitable[None]]

# The name in the outbox -> the job.
JOBS: Mapping[str, Job] = {
    imports.NAME: imports.run,
    lists.INVITE: lists.invite,
    lists.CHANGE: lists.change,
    exports.NAME: exports.run,
    billing.EVENT: billing.event,
    billing.ALARM: billing.alarm,
    billing.LETTER: billing.letter,
    billing.LEAVE: billing.leave,
    auth.NAME: auth.run,
    webhooks.NOTICE: webhooks.notice,
}


@dataclass(frozen=True, slots=True)
class Work:
    """What a job gets to work with."""

    settings: Settings
    db: Database
    jobs: Mapping[str, Job] = field(default_factory=lambda: JOBS)


async def work(settings: Settings, stop: asyncio.Event) -> None:
    """Run everything until `stop` is set, then let what has begun finish."""
    db = Database(settings.database)
    waker = indexer_loop.Waker(settings.database.url, [indexer_loop.CHANNEL, relay.CHANNEL])
    loops: dict[str, Loop] = {"wake-ups": waker.run}
    feed: Feed | None = None
    if settings.opensearch.url:
        feed = Feed.connect(settings, db)
        loops |= index_loops(feed, waker)
    else:
        log.warning("no OPENSEARCH_URL: nothing is indexed, PostgreSQL answers every search")
        loops["changes"] = lambda stopping: unindexed.run(db, stopping)
    if settings.redis.url:
        loops["outbox relay"] = relay.Relay(settings, db, waker.event(relay.CHANNEL)).run
        loops["jobs"] = lambda stopping: run_jobs(Work(settings, db), stopping)
    else:
        log.warning("no REDIS_URL: jobs wait in the outbox")
    loops["emails"] = lambda stopping: emails.run(settings, db, stopping)
    loops["alerts"] = lambda stopping: alerts.compare(settings, db, stopping)
    loops["telling"] = lambda stopping: alerts.tell(settings, db, stopping)
    loops["webhooks"] = lambda stopping: webhooks.run(settings, db, stopping)
    loops["expiry"] = lambda stopping: exports.expire(settings, db, stopping)
    if settings.billing.stripe_key:
        loops["payments"] = lambda stopping: billing.catch_up(settings, db, stopping)
    loops["housekeeping"] = lambda stopping: housekeeping.run(settings, db, feed, stopping)
    log.info("working", loops=sorted(loops))
    try:
        await supervise(loops, stop)
    finally:
        if feed is not None:
            await feed.close()
        await db.close()
    log.info("stopped")


def index_loops(feed: Feed, waker: indexer_loop.Waker) -> dict[str, Loop]:
    """The loops of the feed, which need neither Redis nor arq."""
    indexer = indexer_loop.Indexer(feed, waker)
    return {
        "indexer": indexer.run,
        "heartbeat": Heart(feed, indexer.sender, waker.number).run,
        "sweep": lambda stop: sweep.run(feed, stop),
        "asked by operators": lambda stop: asked.run(feed, stop),
        "first index": lambda stop: indexer_loop.build_missing(feed, stop),
        "queue": lambda stop: indexer_loop.keep_compact(feed, stop),
    }


async def run_jobs(at_hand: Work, stop: asyncio.Event) -> None:
    """Let arq's worker run the jobs; at the end those that run are finished, in the grace they are given."""
    pool = await _redis(at_hand.settings, stop)
    if pool is None:
        return
    worker = Worker(
        functions=[
            func(
                cast("WorkerCoroutine", run_job),
                name=relay.JOB,
                timeout=JOB_TIMEOUT_S,
                keep_result=0,
                max_tries=2,
            )
        ],
        queue_name=relay.QUEUE,
        redis_pool=pool,
        handle_signals=False,
        max_jobs=JOBS_AT_ONCE,
        ctx={"work": at_hand},
        log_results=False,
    )
    running = asyncio.create_task(worker.async_run())
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if stopping.done():
            worker.allow_pick_jobs = False
            await asyncio.gather(*worker.tasks.values(), return_exceptions=True)
        else:
            running.result()  # why it fell
    finally:
        # Not `worker.close()`, which is for a worker that handles signals. What is cut off here goes back
        # to the queue.
        jobs = list(worker.tasks.values())
        for task in (stopping, running, *jobs):
            task.cancel()
        await asyncio.gather(running, *jobs, return_exceptions=True)
        await pool.aclose(close_connection_pool=True)


async def _redis(settings: Settings, stop: asyncio.Event) -> ArqRedis | None:
    """Redis, once it answers; that it does not is said by the relay. None when it is time to stop."""
    while not stop.is_set():
        try:
            return await create_pool(relay.redis_settings(settings))
        except (RedisError, OSError, TimeoutError):
            await indexer_loop.rest(stop, REDIS_AGAIN_S)
    return None


async def run_job(context: dict[str, Any], outbox_id: str) -> None:
    """Run the job of an outbox row and delete the row; one that is gone was done before.

    The row is handed over again when Redis has forgotten it, so the job may be running at this moment:
    then nothing is done here. An attempt is counted before it begins, for it may end the process.
    """
    at_hand: Work = context["work"]
    identity = uuid.UUID(outbox_id)
    async with _alone(at_hand.settings, identity) as alone:
        if not alone:
            return
        async with at_hand.db.transaction(SERVICE) as session:
            found = await session.execute(
                text(
                    "UPDATE outbox SET attempts = attempts + 1, dispatched_at = clock_timestamp()"
                    " WHERE id = :id RETURNING job, payload, attempts"
                ),
                {"id": identity},
            )
            row = found.one_or_none()
        if row is None:
            return
        name, payload, attempts = row
        async with _recorded(at_hand.db, identity, name, attempts):
            await at_hand.jobs[name](at_hand.settings, at_hand.db, payload)


@asynccontextmanager
async def _alone(settings: Settings, identity: uuid.UUID) -> AsyncIterator[bool]:
    """Whether nobody else runs this job now; true for the length of the block."""
    connection = await connections.connect(settings.database.url)
    try:
        yield bool(
            await connection.fetchval("SELECT pg_try_advisory_lock(hashtextextended($1, 0))", str(identity))
        )
    finally:
        await connection.close()


@asynccontextmanager
async def _recorded(db: Database, identity: uuid.UUID, name: str, attempts: int) -> AsyncIterator[None]:
    """Delete the row when the block ends well; otherwise keep it with the error, for the next attempt."""
    try:
        yield
    except Exception as error:
        log.exception("a job failed", **{"job.name": name, "job.id": str(identity), "attempts": attempts})
        async with db.transaction(SERVICE) as session:
            await session.execute(
                text("UPDATE outbox SET last_error = :error WHERE id = :id"),
                {"error": f"{type(error).__name__}: {error}"[:1_000], "id": identity},
            )
    else:
        async with db.transaction(SERVICE) as session:
            await session.execute(text("DELETE FROM outbox WHERE id = :id"), {"id": identity})
        log.info("a job is done", **{"job.name": name, "job.id": str(identity)})
