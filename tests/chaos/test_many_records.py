"""Drift and a backlog among many records. They stay, so these drills are the last (see `conftest`)."""

import os

import pytest

from indexer import control, rebuild, verify
from indexer.verify import Drift
from search.documents import HASH_FIELD
from tests.chaos.world import assert_equal, settled, until, writing
from tests.indexer.world import add_contacts, execute, live_index, queued

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(900)]

RECORDS = int(os.environ.get("CHAOS_RECORDS") or 200_000)


async def many(plant, count):
    """So many contacts, indexed by a rebuild, with no worker about."""
    there = (await execute(plant.db, "SELECT count(*) FROM contacts"))[0]
    if there < count:
        await add_contacts(plant.db, count - there)
    for entity in ("contacts", "organizations"):
        await rebuild.abort(plant.feed, entity)  # what a drill before has left
        await rebuild.rebuild(plant.feed, entity)


async def test_drift_is_found_and_repaired_among_many_records(plant, drill):
    await many(plant, RECORDS)
    index, client = await live_index(plant.feed, "contacts"), plant.feed.client
    ids = await execute(plant.db, "SELECT id FROM contacts ORDER BY id")
    missing, stale, altered = drill.draw.sample(ids, 3)
    extra = ids[-1] + drill.draw.randrange(1, 100)
    source = (await client.get(index=index, id=str(altered)))["_source"]
    await client.delete(index=index, id=str(missing))
    drill.inject("a missing document")
    await client.index(index=index, id=str(altered), body={**source, "seniority": "vp"})
    drill.inject("an altered one")
    await client.index(index=index, id=str(extra), body={**source, "id": extra})
    drill.inject("one too many")
    source = (await client.get(index=index, id=str(stale)))["_source"]
    await client.index(index=index, id=str(stale), body={**source, "seniority": "vp", HASH_FIELD: 1})
    drill.inject("a stale one")
    drill.injected += f" among {len(ids):,}"
    found = await verify.verify(plant.feed, "contacts", full=True)
    assert set(found.drift) == {
        Drift("contacts", missing, "missing"),
        Drift("contacts", stale, "stale"),
        Drift("contacts", altered, "altered"),
        Drift("contacts", extra, "extra"),
    }
    assert await verify.repair(plant.feed, found.drift) == 4
    plant.start("work")
    await until(lambda: settled(plant))
    assert (await verify.verify(plant.feed, "contacts", full=True)).drift == ()
    # And a sound index raises no alarm under load.
    async with writing(plant, drill.draw):
        for _ in range(3):
            assert (await verify.verify(plant.feed, "contacts")).drift == ()
    await assert_equal(plant)


async def test_a_backlog_of_many_changes_is_folded_and_worked_off(plant, drill):
    await many(plant, RECORDS // 2)
    for _ in range(3):
        await execute(plant.db, "UPDATE contacts SET title = coalesce(title, '') || 'x'")
        drill.inject("an update of every row while nobody indexes")
    records = (await execute(plant.db, "SELECT count(*) FROM contacts"))[0]
    assert await queued(plant.db) >= 3 * records
    async with plant.feed.service() as session:
        await control.pause(session, reason="drill")
    plant.start("work")

    async def folded():
        return await queued(plant.db) <= records + 2

    await until(folded, within_s=120)
    rows = await execute(plant.db, "SELECT count(*) - count(DISTINCT (entity, id)) FROM search_dirty")
    assert rows == [0]
    async with plant.feed.service() as session:
        await control.resume(session)
    await until(lambda: settled(plant), within_s=300)
    await assert_equal(plant)
