"""What a bad network and bad documents do to an indexer that really runs."""

import asyncio
import contextlib
import time

import psutil
import pytest

from indexer import heartbeat
from indexer.heartbeat import quantile
from tests.chaos.world import assert_equal, settled, until, writing
from tests.fixtures.faults import at_random, faults_before
from tests.indexer.world import add_contacts, execute, rename_contact

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(900)]

LARGEST_MB = 400
POISON = "UPDATE contacts SET departments = ARRAY[repeat('x', 40000)] WHERE id = :id"


async def beat(plant):
    async with plant.feed.service(read_only=True) as session:
        return await heartbeat.together(session)


async def test_half_of_all_bulks_fail(plant, drill):
    faults = ("429", "503", "cut", "half", "lost", "slow")
    async with faults_before(plant.settings.opensearch.url) as proxy:
        proxy.slow_s = 1.0
        worker = plant.start("work", OPENSEARCH_URL=proxy.url)
        await until(lambda: settled(plant))
        await add_contacts(plant.db, 20_000)
        largest = 0
        by_chance = at_random(0.5, *faults, seed=drill.draw.randrange(1 << 30))
        proxy.rule = lambda path, body: "413" if len(body) > 200_000 else by_chance(path, body)
        async with writing(plant, drill.draw):
            ends = time.monotonic() + 45
            while time.monotonic() < ends:
                await asyncio.sleep(0.5)
                largest = max(largest, psutil.Process(worker.pid).memory_info().rss)
        drill.times = sum(proxy.struck[fault] for fault in (*faults, "413"))
        drill.injected = f"{', '.join(faults)} on half of the bulks, 413 on large ones"
        proxy.rule = lambda _path, _body: "none"
        await assert_equal(plant)

        async def recovered():
            await execute(
                plant.db, "UPDATE contacts SET title = coalesce(title, '') || 'x' WHERE id % 20 = 0"
            )
            told = await beat(plant)
            return told is not None and told["busy"] > 0 and told["body_documents"] == 1_000

        await until(recovered, within_s=60)
        await assert_equal(plant)
    assert largest < LARGEST_MB * 1_000_000


async def test_poison_delays_nobody(plant, drill):
    plant.start("work")
    ids = await add_contacts(plant.db, 400)
    await until(lambda: settled(plant))
    client, alias = plant.feed.client, plant.feed.alias("contacts")

    async def lag(contact):
        await rename_contact(plant.db, contact, f"Lag{contact}")
        committed = time.monotonic()
        async with asyncio.timeout(60):
            while True:
                found = await client.search(
                    index=alias, body={"size": 0, "query": {"term": {"name_sort": f"lag{contact}"}}}
                )
                if found["hits"]["total"]["value"]:
                    return time.monotonic() - committed
                await asyncio.sleep(0.05)

    async def lags(contacts):
        measured = []
        for contact in contacts:
            measured.append(asyncio.create_task(lag(contact)))
            await asyncio.sleep(0.4)
        return await asyncio.gather(*measured)

    async def poison():
        for contact in ids[:100]:
            # Longer than a term of the engine may be: PostgreSQL takes it, OpenSearch refuses it.
            await execute(plant.db, POISON, id=contact)
            drill.inject("a document the engine refuses, one a second")
            await asyncio.sleep(1)

    # Each is renamed once: a second name could hide the first before anybody has seen it.
    renamed = drill.draw.sample(ids[100:], 120)
    calm = await lags(renamed[:60])
    poisoning = asyncio.create_task(poison())
    await asyncio.sleep(1)
    troubled = await lags(renamed[60:])
    poisoning.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await poisoning
    letters = await execute(plant.db, "SELECT id FROM dead_letters")
    assert len(letters) > 15
    without, with_poison = quantile(calm, 0.99), quantile(troubled, 0.99)
    drill.injected += f"; p99 {without:.2f} s without, {with_poison:.2f} s with"
    # A tenth more, and one look at the index.
    assert with_poison <= without * 1.1 + 0.1
    # Mended, they are indexed and no dead letters any more.
    await execute(plant.db, "UPDATE contacts SET departments = '{}' WHERE id = ANY(:ids)", ids=ids)
    await assert_equal(plant)
    assert await execute(plant.db, "SELECT id FROM dead_letters") == []
