"""A process shows that it lives, and no longer than it does."""

import asyncio
import os
import sys

import pytest

from db import presence
from db.presence import Presence
from db.sessions import SERVICE

HOLDER = """
import asyncio, os
from db.presence import Presence

async def main():
    presence = Presence(os.environ["DATABASE_URL"])
    print(await presence.number(), flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


async def is_alive(db, number):
    async with db.transaction(SERVICE) as session:
        return await presence.is_alive(session, number)


async def until_dead(db, number):
    """The operating system tells PostgreSQL; that takes a moment."""
    for _ in range(500):
        if not await is_alive(db, number):
            return
        await asyncio.sleep(0.01)
    raise AssertionError("the process is still believed to live")


@pytest.fixture
async def present(database_url):
    made = Presence(database_url)
    yield made
    await made.close()


async def test_a_process_lives_until_it_is_closed(present, db):
    number = await present.number()
    assert await present.number() == number
    assert await is_alive(db, number)
    assert not await is_alive(db, number + 1)
    await present.close()
    assert not await is_alive(db, number)


async def test_a_killed_process_is_seen_dead_at_once(db, database_url):
    environment = os.environ | {"DATABASE_URL": database_url}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLDER, env=environment, stdout=asyncio.subprocess.PIPE
    )
    try:
        number = int(await process.stdout.readline())
        assert await is_alive(db, number)
    finally:
        process.kill()
        await process.communicate()
    await until_dead(db, number)


async def test_a_lost_connection_is_replaced_under_the_same_number(present, db):
    number = await present.number()
    present._connection.terminate()
    await until_dead(db, number)
    assert await present.number() == number
    assert await is_alive(db, number)


async def test_a_number_that_is_still_held_is_not_taken_twice(present, db, database_url, monkeypatch):
    number = await present.number()
    drawn = iter([number, number + 1])
    monkeypatch.setattr(presence, "_draw", lambda: next(drawn))
    other = Presence(database_url)
    assert await other.number() == number + 1
    await other.close()


async def test_without_postgresql_there_is_no_number():
    assert await Presence("postgresql://nobody@127.0.0.1:9/nothing").number() is None
