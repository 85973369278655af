"""What is in the outbox gets done: once, after a failure, after Redis has forgotten it."""

import asyncio
import time
from dataclasses import replace

import pytest
from arq.connections import create_pool
from arq.constants import in_progress_key_prefix

from tests.indexer.world import execute
from workers import relay
from workers.main import Work, run_job, run_jobs


@pytest.fixture
async def redis(settings):
    pool = await create_pool(relay.redis_settings(settings))
    await pool.flushdb()
    yield pool
    await pool.flushdb()
    await pool.aclose(close_connection_pool=True)


@pytest.fixture
def asked(db, clean_database):
    async def ask(job="note", payload='{"n": 1}'):
        (row,) = await execute(
            db,
            "INSERT INTO outbox (job, payload) VALUES (:job, CAST(:payload AS jsonb)) RETURNING id",
            job=job,
            payload=payload,
        )
        return row

    return ask


@pytest.fixture
def done():
    return []


@pytest.fixture
def at_hand(settings, db, done):
    async def note(_settings, _db, payload):
        done.append(payload["n"])

    async def fail(_settings, _db, _payload):
        raise ValueError("it cannot be done")

    return Work(settings, db, jobs={"note": note, "fail": fail})


@pytest.mark.parametrize("attempts", [0, 1])
async def test_a_job_whose_worker_was_killed_is_begun_anew(asked, redis, db, owner, attempts):
    job = await asked()
    in_progress = f"{in_progress_key_prefix}{job}"
    await relay.hand_over(db, redis)
    # As a worker leaves it that was killed before it began or in the middle, and then as one that still runs.
    await redis.set(in_progress, b"1")
    killed = f"UPDATE outbox SET attempts = {attempts}, dispatched_at = clock_timestamp() - interval '1 hour'"
    await execute(db, killed)
    await owner.execute("SELECT pg_advisory_lock(hashtextextended($1, 0))", str(job))
    await relay.hand_over(db, redis)
    assert await redis.exists(in_progress)
    await owner.execute("SELECT pg_advisory_unlock(hashtextextended($1, 0))", str(job))
    await execute(db, killed)
    await relay.hand_over(db, redis)
    assert not await redis.exists(in_progress)


async def outbox(db):
    return await execute(db, "SELECT id FROM outbox ORDER BY created_at")


async def until(check, *, within_s=10.0):
    started = time.monotonic()
    while not await check():
        assert time.monotonic() - started < within_s, "it did not happen in time"
        await asyncio.sleep(0.02)


async def test_a_row_is_handed_over_once(db, redis, asked):
    await asked()
    assert await relay.hand_over(db, redis) == relay.Handed(rows=1, new=1)
    assert await relay.hand_over(db, redis) == relay.Handed(rows=0, new=0)
    assert await redis.zcard(relay.QUEUE) == 1


async def test_what_redis_forgot_is_handed_over_again(db, redis, asked):
    await asked()
    await relay.hand_over(db, redis)
    await redis.flushdb()
    await execute(db, "UPDATE outbox SET dispatched_at = clock_timestamp() - interval '31 seconds'")
    assert await relay.hand_over(db, redis) == relay.Handed(rows=1, new=1)
    # What it has not forgotten is not doubled.
    await execute(db, "UPDATE outbox SET dispatched_at = clock_timestamp() - interval '31 seconds'")
    assert await relay.hand_over(db, redis) == relay.Handed(rows=1, new=0)
    assert await redis.zcard(relay.QUEUE) == 1


async def test_a_job_is_run_and_its_row_is_gone(db, redis, asked, at_hand, done):
    row = await asked()
    await run_job({"work": at_hand}, str(row))
    assert done == [1]
    assert await outbox(db) == []
    await run_job({"work": at_hand}, str(row))
    assert done == [1]


@pytest.mark.parametrize("job", ["fail", "unheard-of"])
async def test_a_job_that_fails_is_tried_again_and_not_for_ever(db, redis, asked, at_hand, job):
    row = await asked(job)
    for attempt in range(1, relay.MAX_ATTEMPTS + 1):
        await execute(db, "UPDATE outbox SET dispatched_at = clock_timestamp() - interval '1 day'")
        assert (await relay.hand_over(db, redis)).rows == 1
        await run_job({"work": at_hand}, str(row))
        assert await execute(db, "SELECT attempts FROM outbox") == [attempt]
    (error,) = await execute(db, "SELECT last_error FROM outbox")
    assert "Error" in error
    await execute(db, "UPDATE outbox SET dispatched_at = clock_timestamp() - interval '1 day'")
    assert (await relay.hand_over(db, redis)).rows == 0


async def test_the_same_job_does_not_run_twice_at_once(db, asked, at_hand):
    row = await asked("slow")
    started, go, runs = asyncio.Event(), asyncio.Event(), []

    async def slow(_settings, _db, _payload):
        runs.append(1)
        started.set()
        await go.wait()

    busy = replace(at_hand, jobs={"slow": slow})
    first = asyncio.create_task(run_job({"work": busy}, str(row)))
    await started.wait()
    await run_job({"work": busy}, str(row))
    go.set()
    await first
    assert runs == [1]


async def test_relay_and_worker_do_what_is_asked(db, redis, asked, at_hand, done):
    stop, woken = asyncio.Event(), asyncio.Event()
    tasks = [
        asyncio.create_task(relay.Relay(at_hand.settings, db, woken).run(stop)),
        asyncio.create_task(run_jobs(at_hand, stop)),
    ]
    for number in range(5):
        await asked(payload=f'{{"n": {number}}}')
    woken.set()

    async def all_done():
        return await outbox(db) == []

    await until(all_done)
    stop.set()
    await asyncio.gather(*tasks)
    assert sorted(done) == [0, 1, 2, 3, 4]


async def test_the_relay_waits_for_redis(db, redis, asked, settings, monkeypatch):
    monkeypatch.setattr(relay, "POLL_S", 0.02)
    down = replace(settings, redis=replace(settings.redis, url="redis://127.0.0.1:9/0"))
    stop = asyncio.Event()
    row = await asked()
    task = asyncio.create_task(relay.Relay(down, db, asyncio.Event()).run(stop))
    await asyncio.sleep(0.3)
    assert not task.done()
    stop.set()
    await task
    assert await execute(db, "SELECT id FROM outbox WHERE dispatched_at IS NULL") == [row]
