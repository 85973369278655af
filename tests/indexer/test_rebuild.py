"""A new index beside the live one: complete, resumable, abortable, and never more than one at a time."""

import asyncio
from dataclasses import replace

import pytest

from core.errors import LeadFuelError
from indexer import indices, rebuild
from indexer.bulk import BulkSender
from indexer.drain import drain
from indexer.indices import IndexRefused
from indexer.rebuild import RebuildAborted, RebuildInterrupted, RebuildRunning
from tests.fixtures.search import build_missing
from tests.indexer.world import (
    add_contacts,
    add_organizations,
    assert_equal,
    drain_queue,
    execute,
    live_index,
    queued,
    rename_contact,
    stored,
)


class Killed(LeadFuelError):
    """Stands for the end of a process in the middle of a scan."""


def killed_after(feed, batches):
    """The feed, whose reading of documents ends the process after some batches."""
    left = [batches]

    async def read(session, entity, ids, **kept):
        left[0] -= 1
        if left[0] < 0:
            raise Killed("the process is gone")
        return await feed.source.read(session, entity, ids, **kept)

    return replace(feed, source=replace(feed.source, read=read))


@pytest.fixture
def small_batches(monkeypatch):
    monkeypatch.setattr(rebuild, "READ_AT_ONCE", 10)
    monkeypatch.setattr(rebuild, "CHECKPOINT_EVERY_S", 0.0)
    monkeypatch.setattr(rebuild, "IN_FLIGHT", 1)


async def test_the_first_build_takes_everything_and_empties_the_queue(feed, db):
    (organization,) = await add_organizations(db)
    await add_contacts(db, 45, organization=organization)
    seen = []
    done = await rebuild.rebuild(feed, "contacts", report=seen.append)
    await rebuild.rebuild(feed, "organizations")
    assert (done.documents, done.rejected, done.resumed, done.replaced) == (45, 0, False, ())
    assert seen[-1].done == 45
    assert await queued(db) == 0
    await assert_equal(feed)


async def test_what_is_built_shows_changes_at_its_interval_and_waits_for_no_merge(feed):
    await build_missing(feed)
    name = await live_index(feed, "contacts")
    found = await feed.client.indices.get_settings(index=name, params={"flat_settings": "true"})
    settings = found[name]["settings"]
    assert settings["index.refresh_interval"] == f"{feed.settings.refresh_interval_ms}ms"
    assert settings["index.merge_on_flush.enabled"] == "false"


async def test_the_alias_moves_and_the_old_index_is_kept(feed, db):
    await add_contacts(db, 3)
    await build_missing(feed)
    before = await live_index(feed, "contacts")
    done = await rebuild.rebuild(feed, "contacts")
    assert done.replaced == (before,)
    assert done.index != before
    assert await indices.behind_alias(feed, "contacts") == [done.index]
    assert await indices.exists(feed, before)
    assert (await indices.inspect(feed, "contacts")).problem is None
    assert await rebuild.drop_orphans(feed, "contacts", kept_for_s=3600) == []
    assert await rebuild.drop_orphans(feed, "contacts", kept_for_s=0) == [before]
    assert not await indices.exists(feed, before)
    await assert_equal(feed)


async def test_changes_during_a_rebuild_go_to_both_indices(feed, db, small_batches):
    ids = await add_contacts(db, 40)
    await build_missing(feed)
    old = await live_index(feed, "contacts")
    changed = []

    async def read(session, entity, wanted, **kept):
        bodies = await feed.source.read(session, entity, wanted, **kept)
        if len(changed) == 1:
            # Behind the scan, ahead of it, and new; applied by an indexer while the scan goes on.
            await rename_contact(db, ids[0], "Behind")
            await rename_contact(db, ids[-1], "Ahead")
            await execute(db, "DELETE FROM contacts WHERE id = :id", id=ids[1])
            await add_contacts(db, 1)
            await drain_queue(feed)
        changed.append(wanted)
        return bodies

    scanning = replace(feed, source=replace(feed.source, read=read))
    await rebuild.rebuild(scanning, "contacts")
    assert await stored(feed, "contacts", index=old) == await stored(feed, "contacts")
    await assert_equal(feed)


@pytest.mark.parametrize("indexed", ["meanwhile", "afterwards"])
async def test_a_company_that_is_renamed_during_a_rebuild_shows_its_new_name_everywhere(
    feed, db, small_batches, indexed
):
    """The scan keeps what it read of a company; people on later pages have the new name all the same."""
    (organization,) = await add_organizations(db, 1)
    await add_contacts(db, 40, organization=organization)
    pages = []

    async def read(session, entity, ids, **kept):
        bodies = await feed.source.read(session, entity, ids, **kept)
        pages.append(ids)
        if len(pages) == 2:
            await execute(db, "UPDATE organizations SET name = 'Renamed' WHERE id = :id", id=organization)
            if indexed == "meanwhile":
                await drain(feed, BulkSender(feed.client), entities=["contacts"])
        return bodies

    await rebuild.rebuild(replace(feed, source=replace(feed.source, read=read)), "contacts")
    await rebuild.rebuild(feed, "organizations")
    shown = {each["organization_shown"]["name"] for each in (await stored(feed, "contacts")).values()}
    assert shown == {"Renamed"}
    await assert_equal(feed)


async def test_who_vanished_while_the_scan_wrote_is_looked_for(feed, db, small_batches):
    """As after a restart of the engine, which forgets the versions of deletions."""
    ids = await add_contacts(db, 25)
    pages = []

    async def read(session, entity, wanted, **kept):
        bodies = await feed.source.read(session, entity, wanted, **kept)
        pages.append(wanted)
        if len(pages) == 2:
            await execute(db, "DELETE FROM contacts WHERE id = ANY(:ids)", ids=ids[12:14])
            await execute(db, "DELETE FROM search_dirty")
        return bodies

    await rebuild.rebuild(replace(feed, source=replace(feed.source, read=read)), "contacts")
    assert set(await stored(feed, "contacts")) == set(ids) - set(ids[12:14])


async def test_a_killed_rebuild_goes_on_where_it_was(feed, db, small_batches):
    await add_contacts(db, 100)
    with pytest.raises(Killed):
        await rebuild.rebuild(killed_after(feed, 6), "contacts")
    assert await indices.behind_alias(feed, "contacts") == []
    with pytest.raises(RebuildInterrupted, match="60 of 100"):
        await rebuild.rebuild(feed, "contacts")

    scanned = []

    async def read(session, entity, ids, **kept):
        scanned.extend(ids)
        return await feed.source.read(session, entity, ids, **kept)

    await rename_contact(db, (await execute(db, "SELECT min(id) FROM contacts"))[0], "Meanwhile")
    counting = replace(feed, source=replace(feed.source, read=read))
    done = await rebuild.rebuild(counting, "contacts", resume=True)
    assert done.resumed
    assert len(scanned) <= 41 + 1  # the rest, and what was queued meanwhile
    await rebuild.rebuild(feed, "organizations")
    await assert_equal(feed)


async def test_an_aborted_rebuild_leaves_nothing(feed, db, small_batches):
    await add_contacts(db, 30)
    await build_missing(feed)
    live = await live_index(feed, "contacts")
    with pytest.raises(Killed):
        await rebuild.rebuild(killed_after(feed, 1), "contacts")
    removed = await rebuild.abort(feed, "contacts")
    assert removed is not None
    assert await rebuild.abort(feed, "contacts") is None
    assert list(await feed.client.indices.get_alias(index=f"{feed.alias('contacts')}-*")) == [live]
    assert (await indices.inspect(feed, "contacts")).problem is None
    await rename_contact(db, (await execute(db, "SELECT max(id) FROM contacts"))[0], "After")
    await drain_queue(feed)
    await assert_equal(feed)


async def test_a_running_rebuild_notices_that_it_was_aborted(feed, db, small_batches):
    await add_contacts(db, 60)

    async def read(session, entity, ids, **kept):
        await rebuild.abort(feed, "contacts")
        return await feed.source.read(session, entity, ids, **kept)

    with pytest.raises(RebuildAborted):
        await rebuild.rebuild(replace(feed, source=replace(feed.source, read=read)), "contacts")
    assert await feed.client.indices.get_alias(index=f"{feed.prefix}*") == {}


async def test_two_rebuilds_at_once_are_refused(feed):
    async with rebuild.exclusive(feed):
        with pytest.raises(RebuildRunning):
            await rebuild.rebuild(feed, "contacts")
    await rebuild.rebuild(feed, "contacts")


async def test_a_changed_mapping_is_not_written_into_the_old_index(feed, db):
    (contact,) = await add_contacts(db)
    await build_missing(feed)
    before = await stored(feed, "contacts")
    newer = replace(feed, source=replace(feed.source, schema_hash=lambda _entity: "newer001"))
    await rename_contact(db, contact, "Newer")
    found = await indices.inspect(newer, "contacts")
    assert "rebuild" in (found.advice or "")
    assert not found.building
    with pytest.raises(IndexRefused):
        await drain(newer, BulkSender(newer.client), entities=["contacts"])
    assert await stored(feed, "contacts") == before
    assert await queued(db) == 1
    await execute(db, "UPDATE search_dirty SET claimed_until = NULL")
    done = await rebuild.rebuild(newer, "contacts")
    assert "newer001" in done.index
    assert await queued(db) == 0
    assert (await indices.inspect(newer, "contacts")).problem is None
    behind = await feed.client.indices.get_alias(index="_all", name=f"{feed.alias('contacts')}*")
    assert {name: set(facts["aliases"]) for name, facts in behind.items() if facts["aliases"]} == {
        done.index: {newer.alias("contacts"), newer.search_alias("contacts"), f"{done.index}.write"},
        done.replaced[0]: {f"{done.replaced[0]}.write"},
    }
    # The code that was there before does not write into the index it no longer keeps.
    assert (await indices.inspect(feed, "contacts")).problem is not None


async def test_an_index_of_somebody_else_behind_our_alias_is_not_replaced(feed):
    foreign = f"{feed.prefix}foreign"
    await feed.client.indices.create(index=foreign, body={"aliases": {feed.alias("contacts"): {}}})
    with pytest.raises(IndexRefused, match="LEADFUEL_INDEX_PREFIX"):
        await rebuild.rebuild(feed, "contacts")
    found = await indices.inspect(feed, "contacts")
    assert "knows nothing of" in (found.problem or "")
    done = await rebuild.rebuild(feed, "contacts", take_over=True)
    assert done.replaced == (foreign,)


async def test_a_deleted_index_is_rebuilt(feed, db):
    await add_contacts(db, 4)
    await build_missing(feed)
    await feed.client.indices.delete(index=await live_index(feed, "contacts"))
    await rebuild.rebuild(feed, "contacts")
    await assert_equal(feed)


async def test_what_nobody_wrote_down_is_dropped_only_when_asked(feed):
    await build_missing(feed)
    orphan = await indices.create(feed, "contacts")
    assert await rebuild.drop_orphans(feed, "contacts", kept_for_s=0) == []
    assert await rebuild.drop_orphans(feed, "contacts", kept_for_s=0, unknown=True) == [orphan]


async def test_a_rebuild_under_writes_ends_equal_and_is_never_seen_partial(feed, db):
    ids = await add_contacts(db, 400)
    await build_missing(feed)
    writing, seen = asyncio.Event(), []

    async def write():
        number = 0
        while not writing.is_set():
            number += 1
            await rename_contact(db, ids[number % len(ids)], f"Round{number}")
            await drain_queue(feed)

    async def probe():
        while not writing.is_set():
            seen.append((await feed.client.count(index=feed.alias("contacts")))["count"])
            await asyncio.sleep(0.02)

    tasks = [asyncio.create_task(write()), asyncio.create_task(probe())]
    await rebuild.rebuild(feed, "contacts")
    await rebuild.rebuild(feed, "contacts")
    writing.set()
    await asyncio.gather(*tasks)
    await drain_queue(feed)
    assert set(seen) == {400}
    await assert_equal(feed)
