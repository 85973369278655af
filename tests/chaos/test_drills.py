"""Whatever is killed, cut or delayed: in the end the index says what the database says.

Each drill kills real processes of its own installation. A drill ends with a full verify, which compares
every document, not only with the absence of an error.
"""

import asyncio
import time
from dataclasses import replace

import pytest

from db.sessions import SERVICE
from indexer import apply, indices, queue, rebuild
from indexer.bulk import BulkSender
from indexer.status import status
from search.engine import Searcher
from search.request import SearchRequest
from tests.chaos.world import assert_equal, settled, until, writing
from tests.indexer.world import add_contacts, add_organizations, execute, queued, rename_contact

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(900)]


async def test_the_indexer_is_killed_again_and_again(plant, drill):
    worker = plant.start("work")
    async with writing(plant, drill.draw):
        for _ in range(50):
            await asyncio.sleep(drill.draw.uniform(0.8, 2.0))
            worker.kill()
            worker.wait()
            drill.inject("kill -9 of the indexer")
            worker = plant.start("work")
    await assert_equal(plant)


async def test_opensearch_is_killed_while_it_is_written_to(plant, drill):
    plant.start("work")
    await until(lambda: settled(plant))
    async with writing(plant, drill.draw) as waits:
        for _ in range(3):
            await asyncio.sleep(drill.draw.uniform(0.5, 3.0))
            await asyncio.to_thread(plant.kill, "opensearch")
            drill.inject("kill -9 of OpenSearch")
            await asyncio.sleep(drill.draw.uniform(0.0, 5.0))
            await asyncio.to_thread(plant.restart, "opensearch")
    await assert_equal(plant)
    assert max(waits) < 5, "a writer was held up"


async def test_opensearch_is_away_for_a_while_under_writes(plant, drill):
    plant.start("work")
    await until(lambda: settled(plant))
    await asyncio.to_thread(plant.kill, "opensearch")
    drill.inject("OpenSearch down for 30 s")
    searcher = Searcher(plant.settings, plant.db)

    async def engine():
        return (await searcher.search("contacts", SearchRequest(), SERVICE)).engine

    async with writing(plant, drill.draw) as waits:
        await asyncio.sleep(30)
        assert await queued(plant.db) > 0
        assert await engine() == "postgres"
        found = await status(plant.feed)
        assert found.entities[0].queued.oldest_age_s > 20
        assert "does not answer" in (found.engine_problem or "")
    await asyncio.to_thread(plant.restart, "opensearch")
    await assert_equal(plant)

    async def back():
        return await engine() == "opensearch"

    await until(back, within_s=30)
    await searcher.close()
    assert max(waits) < 5, "a writer was held up"


async def test_postgres_is_killed_under_the_indexer(plant, drill):
    plant.start("work")
    await until(lambda: settled(plant))
    for _ in range(3):
        await add_contacts(plant.db, 500)
        await asyncio.to_thread(plant.kill, "postgres")
        drill.inject("kill -9 of PostgreSQL")
        await asyncio.to_thread(plant.restart, "postgres")

        async def answers():
            try:
                await execute(plant.db, "SELECT 1")
            except Exception:  # noqa: BLE001 - it may still be recovering
                return False
            return True

        await until(answers)
    await assert_equal(plant)


async def test_redis_forgets_everything(plant, drill):
    plant.start("work")
    async with writing(plant, drill.draw):
        for _ in range(5):
            await asyncio.sleep(0.5)
            await plant.flush_redis()
            drill.inject("FLUSHALL")
        await asyncio.to_thread(plant.kill, "redis")
        drill.inject("kill -9 of Redis")
    await assert_equal(plant)


async def test_a_late_batch_after_a_deletion_and_a_restart_brings_nobody_back(plant, drill):
    worker = plant.start("work")
    await until(lambda: settled(plant))
    worker.kill()
    worker.wait()
    (contact,) = await add_contacts(plant.db)
    feed = plant.feed

    async def read(session, entity, ids, **kept):
        bodies = await feed.source.read(session, entity, ids, **kept)
        # Between reading and writing: the deletion is applied, and the engine forgets its version.
        await execute(plant.db, "DELETE FROM contacts WHERE id = :id", id=contact)
        await execute(plant.db, "UPDATE search_dirty SET claimed_until = NULL")
        assert await apply.apply_batch(feed, BulkSender(feed.client)) is not None
        await asyncio.to_thread(plant.kill, "opensearch")
        await asyncio.to_thread(plant.restart, "opensearch")
        drill.inject("OpenSearch restarted between a deletion and an older write")
        return bodies

    async with feed.service() as session:
        held = await queue.claim(session, entities=["contacts"], limit=10, lease_s=60)
        token = await queue.draw_token(session)
    assert held is not None
    late = replace(feed, source=replace(feed.source, read=read))
    sent = await apply.write(late, BulkSender(feed.client), "contacts", [contact], token=token)
    async with feed.service() as session:
        await apply.requeue_vanished(session, "contacts", sent.written)
    plant.start("work")
    await assert_equal(plant)


async def test_a_rebuild_is_killed_and_resumed_under_writes(plant, drill):
    plant.start("work")
    await until(lambda: settled(plant))
    await add_contacts(plant.db, 30_000)
    await until(lambda: settled(plant))
    alias = plant.feed.alias("contacts")
    await plant.feed.client.indices.refresh(index=alias)  # what is written is searchable a moment later
    left_before = set(await plant.feed.client.indices.get_alias(index=f"{alias}-*"))
    seen = []
    stop = asyncio.Event()

    async def probe():
        while not stop.is_set():
            answer = await plant.feed.client.search(index=alias, body={"size": 0, "track_total_hits": True})
            seen.append(answer["hits"]["total"]["value"])
            await asyncio.sleep(0.02)

    probing = asyncio.create_task(probe())
    async with writing(plant, drill.draw, pause_s=0.05):
        running = plant.start("index", "rebuild", "--only", "contacts")
        for _ in range(3):
            await asyncio.sleep(drill.draw.uniform(1.5, 3.0))
            if running.poll() is not None:
                break
            running.kill()
            running.wait()
            drill.inject("kill -9 of the rebuild")
            begun = await execute(plant.db, "SELECT 1 FROM indices WHERE state = 'building'")
            running = plant.start("index", "rebuild", "--only", "contacts", *(["--resume"] if begun else []))
        assert await asyncio.to_thread(running.wait, 240) == 0
    stop.set()
    await probing
    await assert_equal(plant)
    assert min(seen) > 29_000, "a search saw a partial index"
    there = await plant.feed.client.indices.get_alias(index=f"{alias}-*")
    async with plant.feed.service(read_only=True) as session:
        known = {index.name for index in await indices.rows(session, "contacts")}
    orphans = set(there) - known
    assert len(orphans - left_before) <= 1  # one killed between making an index and writing it down
    async with rebuild.exclusive(plant.feed):
        dropped = await rebuild.drop_orphans(plant.feed, "contacts", kept_for_s=0, unknown=True)
    assert set(dropped) >= orphans


async def test_a_company_with_many_people_is_renamed(plant, drill):
    worker = plant.start("work")
    (organization,) = await add_organizations(plant.db, name="Giant")
    await add_contacts(plant.db, 50_000, organization=organization)
    await until(lambda: settled(plant), within_s=300)
    for name in ("first", "second"):
        started = time.monotonic()
        await execute(
            plant.db, "UPDATE organizations SET name_key = :name WHERE id = :id", name=name, id=organization
        )
        assert time.monotonic() - started < 0.5, "the rename waited for its people"
        await asyncio.sleep(2)
        worker.kill()
        worker.wait()
        drill.inject("kill -9 in the middle of a fan-out")
        worker = plant.start("work")
    # A direct edit overtakes what the rename has queued.
    (contact,) = await execute(
        plant.db, "SELECT max(id) FROM contacts WHERE organization_id = :id", id=organization
    )
    await rename_contact(plant.db, contact, "Overtaker")
    alias = plant.feed.alias("contacts")

    async def overtaken():
        answer = await plant.feed.client.get(index=alias, id=str(contact), params={"ignore": 404})
        return answer.get("_source", {}).get("name_sort") == "overtaker"

    await until(overtaken, within_s=60)
    await assert_equal(plant)


async def test_a_soak_of_everything(plant, drill):
    workers = [plant.start("work"), plant.start("work")]
    await until(lambda: settled(plant))
    ends = time.monotonic() + 90
    async with writing(plant, drill.draw):
        while time.monotonic() < ends:
            await asyncio.sleep(drill.draw.uniform(1.0, 5.0))
            what = drill.draw.choice(["indexer", "indexer", "opensearch", "redis", "rebuild", "notify"])
            drill.inject(what)
            if what == "indexer":
                at = drill.draw.randrange(2)
                workers[at].kill()
                workers[at].wait()
                workers[at] = plant.start("work")
            elif what == "opensearch":
                await asyncio.to_thread(plant.kill, "opensearch")
                await asyncio.to_thread(plant.restart, "opensearch")
            elif what == "redis":
                await plant.flush_redis()
            elif what == "notify":
                await execute(plant.db, "SELECT pg_notify('search_dirty', '')")
            else:
                running = plant.start("index", "rebuild", "--only", "contacts")
                await asyncio.sleep(drill.draw.uniform(0.5, 3.0))
                running.kill()
                running.wait()
                aborting = plant.start("index", "rebuild", "--abort", "--yes")
                await asyncio.to_thread(aborting.wait, 60)
    if await execute(plant.db, "SELECT 1 FROM indices WHERE state = 'building'"):
        aborting = plant.start("index", "rebuild", "--abort", "--yes")
        assert await asyncio.to_thread(aborting.wait, 60) == 0
    await assert_equal(plant)
