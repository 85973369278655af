"""From the outbox to arq: whatever the domain has asked for, at least once, also when Redis forgets.

A row of the outbox lives until its job is done. The relay hands the row's id to arq as the job's id, so
handing it over again while it waits or runs does nothing; a row that stays is handed over again after a
growing pause, which brings back what a flushed Redis has lost. A job that fails too often keeps its row,
with the last error, until a person looks at it.
"""

import asyncio
import contextlib
from dataclasses import dataclass

from arq.connections import ArqRedis, RedisSettings, create_pool
from arq.constants import in_progress_key_prefix
from redis.exceptions import RedisError
from sqlalchemy import text

from core.logs import get_logger
from core.settings import Settings
from db.sessions import SERVICE, Database

log = get_logger(__name__)

JOB = "run"
QUEUE = "leadfuel:jobs"
CHANNEL = "outbox"
MAX_ATTEMPTS = 5
AT_ONCE = 100
POLL_S = 1.0
FIRST_PAUSE_S = 30


@dataclass(frozen=True, slots=True)
class Handed:
    """What one pass of the relay did."""

    rows: int
    new: int


def redis_settings(settings: Settings) -> RedisSettings:
    """Where Redis is; a failure is met once, and the loop decides when to try again."""
    found = RedisSettings.from_dsn(settings.redis.url)
    found.conn_retries = 0
    return found


async def hand_over(db: Database, redis: ArqRedis) -> Handed:
    """Hand rows that wait, or have waited too long for their job to end, to arq.

    Redis is told before the row is marked: a crash in between hands it over twice, and never not at all.
    """
    async with db.transaction(SERVICE) as session:
        found = await session.execute(
            text(
                """
                SELECT id, dispatched_at IS NOT NULL AND NOT EXISTS (
                           SELECT 1 FROM pg_locks
                           WHERE locktype = 'advisory' AND granted
                             AND (CAST(classid AS bigint) << 32) | CAST(objid AS bigint)
                                 = hashtextextended(CAST(id AS text), 0)) AS is_abandoned
                FROM outbox
                WHERE attempts < :max_attempts
                  AND (dispatched_at IS NULL
                       OR dispatched_at < clock_timestamp() - make_interval(secs => :pause_s * 2 ^ attempts))
                ORDER BY created_at LIMIT :at_once
                FOR UPDATE SKIP LOCKED
                """
            ),
            {"max_attempts": MAX_ATTEMPTS, "pause_s": FIRST_PAUSE_S, "at_once": AT_ONCE},
        )
        rows = found.all()
        ids = [row.id for row in rows]
        new = 0
        for identity, is_abandoned in rows:
            if is_abandoned:
                # Whoever took it up holds its lock no more, or was killed before they had it: arq would keep
                # believing in them for hours.
                await redis.delete(f"{in_progress_key_prefix}{identity}")
            job = await redis.enqueue_job(JOB, str(identity), _job_id=str(identity), _queue_name=QUEUE)
            new += job is not None
        if ids:
            await session.execute(
                text("UPDATE outbox SET dispatched_at = clock_timestamp() WHERE id = ANY(:ids)"),
                {"ids": ids},
            )
    return Handed(len(ids), new)


class Relay:
    """The relay as a loop. Redis down is said once, and waited out."""

    def __init__(self, settings: Settings, db: Database, woken: asyncio.Event) -> None:
        self._settings = settings
        self._db = db
        self._woken = woken
        self._redis: ArqRedis | None = None
        self._down = False

    async def run(self, stop: asyncio.Event) -> None:
        try:
            while not stop.is_set():
                self._woken.clear()
                if not await self._pass():
                    await self._wait(stop)
        finally:
            await self._disconnect()

    async def _pass(self) -> bool:
        """Whether there may be more to hand over at once."""
        try:
            if self._redis is None:
                self._redis = await create_pool(redis_settings(self._settings))
            handed = await hand_over(self._db, self._redis)
        except (RedisError, OSError, TimeoutError) as error:
            if not self._down:
                log.warning("Redis does not answer; jobs wait in the outbox", error=str(error)[:200])
            self._down = True
            await self._disconnect()
            return False
        if self._down:
            log.info("Redis answers again")
        self._down = False
        return handed.rows == AT_ONCE

    async def _wait(self, stop: asyncio.Event) -> None:
        waits = [asyncio.create_task(stop.wait()), asyncio.create_task(self._woken.wait())]
        try:
            await asyncio.wait(
                waits, timeout=POLL_S * (5 if self._down else 1), return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            for wait in waits:
                wait.cancel()

    async def _disconnect(self) -> None:
        if self._redis is not None:
            with contextlib.suppress(Exception):
                await self._redis.aclose(close_connection_pool=True)
        self._redis = None
