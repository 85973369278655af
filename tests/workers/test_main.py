"""`leadfuel work` as a process: it does everything, and it ends when it is told to."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.indexer.world import add_contacts, assert_equal, execute, queued


@pytest.fixture
async def worker(feed, settings, tmp_path):
    """Start `leadfuel work` with these services, some of them replaced by nothing."""
    started = []

    def start(**environment):
        said = tmp_path / f"worker-{len(started)}.log"
        with said.open("w") as stderr:
            process = subprocess.Popen(
                [sys.executable, "-m", "cli.main", "work"],
                env={
                    **os.environ,
                    "DATABASE_URL": settings.database.url,
                    "OPENSEARCH_URL": settings.opensearch.url,
                    "REDIS_URL": settings.redis.url,
                    "LEADFUEL_INDEX_PREFIX": settings.opensearch.index_prefix,
                    "LEADFUEL_HOME": str(tmp_path),
                    **environment,
                },
                stderr=stderr,
            )
        started.append(process)
        return Worker(process, said)

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait()


@dataclass
class Worker:
    process: subprocess.Popen
    log: Path

    async def working(self):
        return '"working"' in self.log.read_text()

    async def kill(self):
        self.process.kill()
        await asyncio.to_thread(self.process.wait)

    async def stop(self):
        """What it said, after it has ended well."""
        self.process.send_signal(signal.SIGTERM)
        code = await asyncio.to_thread(self.process.wait, 30)
        said = self.log.read_text()
        assert code == 0, said
        return said


async def until(check, *, within_s=30.0):
    begun = time.monotonic()
    while not await check():
        assert time.monotonic() - begun < within_s, "it did not happen in time"
        await asyncio.sleep(0.05)


async def indexed(feed, db):
    live = await execute(db, "SELECT count(*) FROM indices WHERE state = 'live'")
    return live == [2] and await queued(db) == 0


async def test_it_builds_the_first_index_keeps_it_and_stops_on_sigterm(worker, feed, db):
    await add_contacts(db, 5)
    process = worker()
    await until(lambda: indexed(feed, db))
    await add_contacts(db, 5)
    await until(lambda: indexed(feed, db))
    await assert_equal(feed)
    await process.stop()


async def test_it_indexes_with_redis_down(worker, feed, db):
    await add_contacts(db, 5)
    process = worker(REDIS_URL="redis://127.0.0.1:9/0")
    await until(lambda: indexed(feed, db))
    await assert_equal(feed)
    assert (await process.stop()).count("Redis does not answer") == 1


async def test_it_lives_without_an_engine(worker, feed, db):
    await add_contacts(db, 5)
    process = worker(OPENSEARCH_URL="http://127.0.0.1:9")
    await until(process.working)
    await asyncio.sleep(1)
    await process.stop()
    assert await queued(db) == 5


async def test_killed_in_the_middle_it_goes_on_by_itself(worker, feed, db):
    process = worker()
    await until(lambda: indexed(feed, db))
    for _ in range(3):
        await add_contacts(db, 2_000)
        await asyncio.sleep(0.15)
        await process.kill()
        # Its claims would be waited for until their leases end.
        await execute(db, "UPDATE search_dirty SET claimed_until = clock_timestamp()")
        process = worker()
    await until(lambda: indexed(feed, db))
    await assert_equal(feed)
    await process.stop()
