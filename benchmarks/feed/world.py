"""What the measurements of the feed share: the feed, a worker as a process, and copies of the catalogue."""

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from sqlalchemy import text

from benchmarks.environment import Bench, BenchmarkFailed, start
from core.settings import Settings
from db import connections, roles
from db.sessions import Database
from indexer.feed import Feed

_SETTLED_WITHIN_S = 600.0


@asynccontextmanager
async def connected(settings: Settings) -> AsyncIterator[Feed]:
    database = Database(settings.database)
    feed = Feed.connect(settings, database)
    try:
        yield feed
    finally:
        await feed.close()
        await database.close()


@contextmanager
def working(bench: Bench) -> Iterator["subprocess.Popen[bytes]"]:
    """`leadfuel work` as it runs in an installation, for the length of the block."""
    log = (bench.stack.home / "logs" / "work.log").open("ab")
    process = start(
        ["work"], env=bench.stack.environ(bench.sizes.name), stdout=log, stderr=log, start_new_session=True
    )
    log.close()
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


async def settled(feed: Feed) -> float:
    """Seconds until nothing waits any more."""
    started = time.monotonic()
    waiting = text("SELECT EXISTS (SELECT FROM search_dirty) OR EXISTS (SELECT FROM company_fanout)")
    while True:
        async with feed.service(read_only=True) as session:
            if not await session.scalar(waiting):
                return time.monotonic() - started
        if time.monotonic() - started > _SETTLED_WITHIN_S:
            raise BenchmarkFailed("The queue was not worked off in time.")
        await asyncio.sleep(0.05)


async def copy_of(bench: Bench, name: str) -> Settings:
    """A database with the same tables and no index; one of that name is dropped first."""
    await bench.stack.drop_database(name)
    connection = await bench.stack.connect()
    try:
        await connection.execute(f"CREATE DATABASE {name} OWNER leadfuel_owner TEMPLATE {bench.sizes.name}")
    finally:
        await connection.close()
    settings = bench.stack.settings(name)
    owner = await connections.connect(settings.database.migration_url)
    try:
        await roles.ensure(owner, app_login=roles.login_of(settings.database.url))
    finally:
        await owner.close()
    admin = await bench.stack.connect(name)
    try:
        await admin.execute("TRUNCATE indices, index_control, search_dirty, company_fanout, applied")
    finally:
        await admin.close()
    return settings
