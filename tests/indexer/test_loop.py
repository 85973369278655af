"""The indexer as it runs: woken, waiting, refusing, recovering."""

import asyncio
import contextlib
import time
from dataclasses import replace

import pytest

from indexer import control, loop
from indexer.feed import engine_client
from tests.fixtures.faults import faults_before
from tests.fixtures.search import build_missing
from tests.indexer.world import (
    add_contacts,
    add_organizations,
    assert_equal,
    execute,
    live_index,
    queued,
    rename_contact,
)


@contextlib.asynccontextmanager
async def running(feed, **options):
    """An indexer at work for the length of the block."""
    stop = asyncio.Event()
    waker = loop.Waker(feed.database_url, [loop.CHANNEL])
    indexer = loop.Indexer(feed, waker, **options)
    tasks = [asyncio.create_task(waker.run(stop)), asyncio.create_task(indexer.run(stop))]
    try:
        yield waker
    finally:
        stop.set()
        await asyncio.gather(*tasks)


async def until(check, *, within_s=10.0):
    started = time.monotonic()
    while not await check():
        assert time.monotonic() - started < within_s, "it did not happen in time"
        await asyncio.sleep(0.02)
    return time.monotonic() - started


@pytest.fixture
async def built(feed):
    await build_missing(feed)
    return feed


@pytest.fixture
def empty(db):
    async def check():
        return await queued(db) == 0 and not await execute(db, "SELECT 1 FROM company_fanout")

    return check


async def test_a_change_wakes_the_indexer(built, db, empty):
    async with running(built, poll_s=60.0) as waker:
        await until(lambda: _true(waker.listening))
        await until(empty)
        await add_contacts(db, 3)
        assert await until(empty) < 2
    await assert_equal(built)


async def test_a_lost_wake_up_is_made_good_by_the_clock(built, db, empty, owner):
    async with running(built, poll_s=0.2) as waker:
        await until(lambda: _true(waker.listening))
        await owner.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE query LIKE 'LISTEN%' AND datname = current_database()"
        )
        await add_contacts(db, 3)
        await until(empty)
        await until(lambda: _true(waker.listening))
    await assert_equal(built)


async def test_a_renamed_company_is_expanded_and_applied(built, db, empty):
    (organization,) = await add_organizations(db)
    await add_contacts(db, 40, organization=organization)
    async with running(built):
        await until(empty)
        await execute(db, "UPDATE organizations SET name_key = 'renamed'")
        await until(empty)
    await assert_equal(built)


async def test_two_indexers_share_the_work(built, db, empty):
    ids = await add_contacts(db, 200)
    async with running(built, poll_s=0.1), running(built, poll_s=0.1):
        for number in range(40):
            await rename_contact(db, ids[number % 5], f"Round{number}")
        await until(empty)
    await assert_equal(built)


async def test_a_pause_holds_and_ends(built, db, empty):
    async with built.service() as session:
        await control.pause(session, reason="night shift")
    await add_contacts(db, 2)
    async with running(built, poll_s=0.05, inspect_every_s=0.1):
        await asyncio.sleep(0.5)
        assert await queued(db) == 2
        async with built.service() as session:
            assert await control.resume(session)
        await until(empty)
    await assert_equal(built)


async def test_an_engine_that_goes_away_is_waited_for(built, db, empty):
    async with faults_before(built.settings.url) as proxy:
        client = engine_client(proxy.url)
        behind = replace(built, client=client)
        async with running(behind, poll_s=0.05, inspect_every_s=0.1):
            await add_contacts(db, 2)
            await until(empty)
            proxy.rule = lambda _path, _body: "cut"
            await add_contacts(db, 5)
            await asyncio.sleep(1.0)
            assert await queued(db) == 5
            proxy.rule = lambda _path, _body: "none"
            # What was claimed when the engine went away comes back after its pause, or with its lease.
            await until(empty, within_s=30)
        await client.close()
    await assert_equal(built)


async def test_a_missing_alias_stops_the_writing_until_it_is_repaired(built, db, empty):
    index = await live_index(built, "contacts")
    alias = built.alias("contacts")
    await built.client.indices.delete_alias(index=index, name=alias)
    await add_contacts(db, 2)
    async with running(built, poll_s=0.05, inspect_every_s=0.1):
        await asyncio.sleep(0.5)
        assert await queued(db) == 2
        await built.client.indices.put_alias(index=index, name=alias)
        await until(empty)
    await assert_equal(built)


async def test_the_first_index_is_built_by_itself(feed, db, empty):
    await add_contacts(db, 7)
    stop = asyncio.Event()
    await asyncio.wait_for(loop.build_missing(feed, stop, look_every_s=0.1), 20)
    await assert_equal(feed)


async def test_a_long_queue_is_folded(built, db, monkeypatch):
    monkeypatch.setattr(loop, "COMPACT_FROM_ROWS", 10)
    await add_contacts(db, 4)
    for _ in range(5):
        await execute(db, "UPDATE contacts SET title = coalesce(title, '') || 'x'")
    stop = asyncio.Event()
    folding = asyncio.create_task(loop.keep_compact(built, stop))

    async def folded():
        return await queued(db) == 4

    await until(folded)
    stop.set()
    await folding


async def _true(value):
    return value


@pytest.mark.parametrize(
    ("rows", "seconds"),
    [(0, 0.0), (1, 0.006), (5, 0.03), (10, 0.06), (25, 0.15), (499, 0.15)],
    ids=["nothing", "one edit", "a few edits", "more", "a stream", "a large stream"],
)
def test_the_distance_between_claims_grows_with_what_they_hold(rows, seconds):
    assert loop.distance(rows) == pytest.approx(seconds)


async def test_a_stream_is_taken_in_few_claims_and_a_lone_change_at_once(built, db, empty, monkeypatch):
    claims = []
    claim = loop.claim

    async def counted(feed, **options):
        held = await claim(feed, **options)
        if held is not None:
            claims.append(len(held.rows))
        return held

    monkeypatch.setattr(loop, "claim", counted)
    monkeypatch.setattr(loop, "DISTANCE_S", 0.9)
    monkeypatch.setattr(loop, "FEW_ROWS", 1)  # so 30 rows make a full distance
    ids = await add_contacts(db, loop.FULL_ROWS - 50)  # fewer than are taken without any distance
    async with running(built, poll_s=60.0):
        await until(empty)
        claims.clear()
        started = time.monotonic()
        for start in range(0, len(ids), 30):
            await execute(
                db,
                "UPDATE contacts SET name_sort = 'streamed' WHERE id = ANY(CAST(:ids AS integer[]))",
                ids=ids[start : start + 30],
            )
            await asyncio.sleep(loop.LINGER_S)
        took = time.monotonic() - started
        await until(empty)
        assert len(claims) <= 2 + took / loop.DISTANCE_S  # the first and the last, and one in each interval
        await asyncio.sleep(2 * loop.DISTANCE_S)
        claims.clear()
        await rename_contact(db, ids[0], "Alone")
        assert await until(lambda: _true(claims == [1])) < 10  # long before the clock would have woken it
    await assert_equal(built)


async def test_a_renamed_company_is_expanded_though_no_claim_comes_back_empty(built, db, empty, monkeypatch):
    claim, streaming, streamed = loop.claim, asyncio.Event(), []
    (organization,) = await add_organizations(db)
    await add_contacts(db, 40, organization=organization)
    (edited,) = await add_contacts(db, 1)

    async def never_empty(feed, **options):
        if streaming.is_set():
            await rename_contact(db, edited, f"At{time.monotonic_ns()}")
            streamed.append(edited)
        return await claim(feed, **options)

    async def expanded():
        return not await execute(db, "SELECT 1 FROM company_fanout")

    monkeypatch.setattr(loop, "claim", never_empty)
    async with running(built, poll_s=60.0):
        await until(empty)
        streaming.set()
        await rename_contact(db, edited, "Begin")
        await until(lambda: _true(len(streamed) >= 3))
        await execute(db, "UPDATE organizations SET name_key = 'renamed'")
        await until(expanded)
        streaming.clear()
        await until(empty)
    await assert_equal(built)
