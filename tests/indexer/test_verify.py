"""Verify names what differs, that and nothing else."""

import asyncio

import pytest

from indexer import verify
from indexer.indices import IndexRefused
from indexer.verify import Drift
from search.documents import HASH_FIELD
from tests.fixtures.search import build_missing
from tests.indexer.world import (
    add_contacts,
    add_organizations,
    assert_equal,
    drain_queue,
    execute,
    live_index,
    rename_contact,
)


@pytest.fixture
async def built(feed, db):
    (organization,) = await add_organizations(db)
    await add_contacts(db, 300, organization=organization)
    await build_missing(feed)
    return feed


@pytest.fixture(autouse=True)
def small_ranges(monkeypatch):
    monkeypatch.setattr(verify, "RANGE", 64)
    monkeypatch.setattr(verify, "CONFIRM_ATTEMPTS", 3)


async def contact_ids(db):
    return await execute(db, "SELECT id FROM contacts ORDER BY id")


async def test_two_equal_sides_are_equal(built):
    found = await verify.verify(built, "contacts")
    assert (found.records, found.documents, found.drift, found.undecided) == (300, 300, (), 0)
    found = await verify.verify(built, "organizations", full=True)
    assert (found.records, found.drift) == (1, ())


async def test_every_kind_of_drift_is_named_and_repaired(built, db):
    ids = await contact_ids(db)
    missing, stale, altered, extra = ids[5], ids[100], ids[200], ids[-1] + 5
    index = await live_index(built, "contacts")
    client = built.client
    await client.delete(index=index, id=str(missing))
    source = (await client.get(index=index, id=str(stale)))["_source"]
    await client.index(index=index, id=str(stale), body={**source, "seniority": "vp", HASH_FIELD: 1})
    await client.index(index=index, id=str(extra), body={**source, "id": extra})
    source = (await client.get(index=index, id=str(altered)))["_source"]
    await client.index(index=index, id=str(altered), body={**source, "seniority": "vp"})

    quick = await verify.verify(built, "contacts")
    assert quick.drift == (
        Drift("contacts", missing, "missing"),
        Drift("contacts", stale, "stale"),
        Drift("contacts", extra, "extra"),
    )
    full = await verify.verify(built, "contacts", full=True)
    assert set(full.drift) == {*quick.drift, Drift("contacts", altered, "altered")}

    assert await verify.repair(built, full.drift) == 4
    await drain_queue(built)
    assert (await verify.verify(built, "contacts", full=True)).drift == ()
    await assert_equal(built)


async def test_a_repair_overrides_what_was_done_by_hand_last(built, db):
    ids = await contact_ids(db)
    index = await live_index(built, "contacts")
    for _ in range(3):
        await built.client.delete(index=index, id=str(ids[0]))
        await built.client.index(index=index, id=str(ids[0]), body={"id": ids[0]})
    found = await verify.verify(built, "contacts")
    await verify.repair(built, found.drift)
    await drain_queue(built)
    await assert_equal(built)

    body = {"id": ids[1]}
    await built.client.index(
        index=index, id=str(ids[1]), body=body, params={"version": 1 << 60, "version_type": "external"}
    )
    found = await verify.verify(built, "contacts")
    with pytest.raises(IndexRefused, match="rebuild"):
        await verify.repair(built, found.drift)


async def test_what_is_queued_is_no_drift(built, db):
    ids = await contact_ids(db)
    await rename_contact(db, ids[0], "Queued")
    await execute(db, "DELETE FROM contacts WHERE id = :id", id=ids[1])
    found = await verify.verify(built, "contacts")
    assert found.drift == ()
    assert found.undecided == 2


async def test_a_company_whose_change_is_not_expanded_yet_is_no_drift(built, db):
    await execute(db, "UPDATE organizations SET name_key = 'other'")
    await execute(db, "DELETE FROM search_dirty")
    found = await verify.verify(built, "contacts")
    assert found.drift == ()
    assert found.undecided == 300


async def test_a_change_that_bypassed_the_triggers_is_found(built, db, owner):
    ids = await contact_ids(db)
    async with owner.transaction():
        await owner.execute("ALTER TABLE app.contacts DISABLE TRIGGER USER")
        await owner.execute("UPDATE app.contacts SET seniority = 'vp' WHERE id = $1", ids[7])
        await owner.execute("ALTER TABLE app.contacts ENABLE TRIGGER USER")
    found = await verify.verify(built, "contacts")
    assert found.drift == (Drift("contacts", ids[7], "stale"),)


async def test_a_sample_looks_at_a_share_of_the_ranges(built):
    whole = await verify.verify(built, "contacts")
    some = await verify.verify(built, "contacts", sample=0.34, seed=1)
    assert some.ranges == round(whole.ranges * 0.34)
    assert some.records < whole.records
    assert some.drift == ()


async def test_no_false_alarm_under_writes(built, db):
    ids = await contact_ids(db)
    stop = asyncio.Event()

    async def write():
        number = 0
        while not stop.is_set():
            number += 1
            await rename_contact(db, ids[number * 7 % len(ids)], f"Round{number % 3}")

    async def index():
        while not stop.is_set():
            await drain_queue(built)
            await asyncio.sleep(0.005)

    tasks = [asyncio.create_task(write()), asyncio.create_task(index())]
    try:
        for _ in range(5):
            assert (await verify.verify(built, "contacts", full=True)).drift == ()
    finally:
        stop.set()
        await asyncio.gather(*tasks)


async def test_without_an_index_there_is_nothing_to_verify(feed):
    with pytest.raises(IndexRefused, match="rebuild"):
        await verify.verify(feed, "contacts")
