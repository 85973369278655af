"""What reaches the index, in which order, and what is acknowledged."""

import asyncio
from dataclasses import replace

import pytest
from sqlalchemy import text

from indexer import apply, deadletters, fanout, indices, queue, rebuild, verify
from indexer.bulk import BulkSender
from indexer.feed import Feed
from indexer.status import status
from tests.fixtures.faults import faults_before, in_turn
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


@pytest.fixture
async def built(feed: Feed) -> Feed:
    await build_missing(feed)
    return feed


async def test_a_new_record_is_indexed_and_its_row_is_gone(built, db):
    (organization,) = await add_organizations(db)
    await add_contacts(db, 3, organization=organization)
    assert await drain_queue(built) == 4
    assert await queued(db) == 0
    await assert_equal(built)


async def test_a_changed_and_a_deleted_record_follow(built, db):
    first, second = await add_contacts(db, 2)
    await drain_queue(built)
    await rename_contact(db, first, "Lovelace")
    await execute(db, "DELETE FROM contacts WHERE id = :id", id=second)
    await drain_queue(built)
    assert set(await stored(built, "contacts")) == {first}
    await assert_equal(built)


async def test_the_rows_of_one_record_are_folded_into_one_document(built, db):
    (contact,) = await add_contacts(db)
    for number in range(20):
        await rename_contact(db, contact, f"Name{number}")
    assert await queued(db) == 21
    batch = await apply.apply_batch(built, BulkSender(built.client))
    assert batch is not None
    assert (batch.written, await queued(db)) == (1, 0)
    await assert_equal(built)


async def test_a_change_after_the_claim_keeps_its_row(built, db):
    (contact,) = await add_contacts(db)
    async with built.service() as session:
        held = await queue.claim(session, entities=["contacts"], limit=10, lease_s=60)
    await rename_contact(db, contact, "Later")
    async with built.service() as session:
        assert held is not None
        assert await queue.acknowledge(session, held, held.rows) == 1
    assert await queued(db) == 1


async def test_a_rejected_document_is_a_dead_letter_and_its_neighbours_are_indexed(built, db):
    ids = await add_contacts(db, 50)
    poison = ids[20]

    async def read(session, entity, wanted, **kept):
        bodies = await built.source.read(session, entity, wanted, **kept)
        return {i: b'{"id":"no number"}' if i == poison else body for i, body in bodies.items()}

    poisoned = replace(built, source=replace(built.source, read=read))
    batch = await apply.apply_batch(poisoned, BulkSender(built.client))
    assert batch is not None
    assert (batch.written, batch.rejected, await queued(db)) == (49, 1, 0)
    async with built.service() as session:
        letter = await deadletters.show(session, "contacts", poison)
    assert letter.attempts == 1
    assert letter.document is not None
    assert letter.document["id"] == "no number"
    assert "number" in letter.reason

    # A later edit of the record supersedes the dead letter.
    await rename_contact(db, poison, "Better")
    await drain_queue(built)
    async with built.service() as session:
        assert await deadletters.count(session, "contacts") == 0
    await assert_equal(built)


async def test_an_older_batch_that_comes_late_changes_nothing(built, db):
    (contact,) = await add_contacts(db)
    sender = BulkSender(built.client)
    async with built.service() as session:
        early = await queue.draw_token(session)
    await rename_contact(db, contact, "New")
    await drain_queue(built)
    body = b'{"id":%d,"organization_id":0,"name_sort":"old"}' % contact

    async def read(_session, _entity, ids, **kept):
        return dict.fromkeys(ids, body)

    late = replace(built, source=replace(built.source, read=read))
    sent = await apply.write(late, sender, "contacts", [contact], token=early)
    assert sent.done == (contact,)
    assert sender.counters.conflicts == 1
    await assert_equal(built)


async def test_a_deletion_wins_over_an_older_batch_that_comes_late(built, db):
    (contact,) = await add_contacts(db)
    async with built.service() as session:
        early = await queue.draw_token(session)
        body = (await built.source.read(session, "contacts", [contact]))[contact]
    await execute(db, "DELETE FROM contacts WHERE id = :id", id=contact)
    await drain_queue(built)

    async def read(_session, _entity, ids, **kept):
        return dict.fromkeys(ids, body)

    late = replace(built, source=replace(built.source, read=read))
    await apply.write(late, BulkSender(built.client), "contacts", [contact], token=early)
    assert await stored(built, "contacts") == {}


async def test_a_record_that_vanished_while_it_was_written_is_queued_again(built, db):
    await add_contacts(db, 2)

    async def read(session, entity, ids, **kept):
        bodies = await built.source.read(session, entity, ids, **kept)
        await execute(db, "DELETE FROM contacts WHERE id = :id", id=ids[0])
        return bodies

    slow = replace(built, source=replace(built.source, read=read))
    await apply.apply_batch(slow, BulkSender(built.client))
    assert await queued(db) == 2  # the trigger's row and the one of the second look
    await drain_queue(built)
    await assert_equal(built)


async def test_what_the_engine_did_not_take_stays_queued(built, db):
    await add_contacts(db, 3)
    async with faults_before(built.settings.url, in_turn(*["503"] * 50)) as proxy:
        client = type(built.client)(hosts=[proxy.url], max_retries=0)
        busy = replace(built, client=client)
        sender = BulkSender(client)
        apply_patience, apply.PATIENCE_S = apply.PATIENCE_S, 0.2
        try:
            batch = await apply.apply_batch(busy, sender)
        finally:
            apply.PATIENCE_S = apply_patience
            await client.close()
    assert batch is not None
    assert (batch.later, batch.written) == (3, 0)
    assert batch.busy is not None
    assert await queued(db) == 3
    await execute(db, "UPDATE search_dirty SET claimed_until = clock_timestamp()")
    await drain_queue(built)
    await assert_equal(built)


async def test_a_lease_ends_and_another_worker_takes_over(built, db):
    await add_contacts(db, 2)
    async with built.service() as session:
        first = await queue.claim(session, entities=["contacts"], limit=10, lease_s=0.05)
        assert await queue.claim(session, entities=["contacts"], limit=10, lease_s=60) is None
    await asyncio.sleep(0.1)
    async with built.service() as session:
        second = await queue.claim(session, entities=["contacts"], limit=10, lease_s=60)
    assert first is not None
    assert second is not None
    assert second.rows.keys() == first.rows.keys()
    async with built.service() as session:
        assert await queue.acknowledge(session, first, first.rows) == 0
        assert await queue.acknowledge(session, second, second.rows) == 2


async def test_a_rename_of_a_company_reaches_its_contacts(built, db):
    acme, other = await add_organizations(db, 2)
    await add_contacts(db, 25, organization=acme)
    await add_contacts(db, 5, organization=other)
    await drain_queue(built)
    await execute(
        db,
        "UPDATE organizations SET name = 'Zenith', name_key = 'zenith', name_sort = 'zenith' WHERE id = :id",
        id=acme,
    )
    assert await queued(db) == 1
    pieces = []
    while (piece := await fanout.expand_piece(built, contacts=10)) is not None:
        pieces.append(piece)
    assert pieces == [10, 10, 5]
    await drain_queue(built)
    await assert_equal(built)


async def test_a_second_rename_starts_the_fan_out_over(built, db):
    (acme,) = await add_organizations(db)
    await add_contacts(db, 25, organization=acme)
    await drain_queue(built)
    for name in ("first", "second"):
        await execute(db, "UPDATE organizations SET name_key = :name WHERE id = :id", name=name, id=acme)
        await fanout.expand_piece(built, contacts=10)
    pieces = []
    while (piece := await fanout.expand_piece(built, contacts=10)) is not None:
        pieces.append(piece)
    assert pieces == [10, 5]
    await drain_queue(built)
    await assert_equal(built)


async def test_a_truncated_table_empties_the_index(built, db, owner):
    await add_contacts(db, 30)
    await drain_queue(built)
    await owner.execute("TRUNCATE app.contacts CASCADE")
    (kept,) = await add_contacts(db)
    await drain_queue(built)
    assert set(await stored(built, "contacts")) == {kept}
    assert await queued(db) == 0
    await assert_equal(built)


async def test_without_an_index_nothing_is_acknowledged_and_none_is_made_up(feed, db):
    await add_contacts(db, 2)
    batch = await apply.apply_batch(feed, BulkSender(feed.client))
    assert batch is not None
    assert batch.stopped is not None
    assert await queued(db) == 2
    assert await feed.client.indices.get_alias(index=f"{feed.prefix}*") == {}


async def test_an_index_somebody_deleted_is_reported_and_not_made_up(built, db):
    await built.client.indices.delete(index=await live_index(built, "contacts"))
    await add_contacts(db, 2)
    batch = await apply.apply_batch(built, BulkSender(built.client))
    assert batch is not None
    assert "require_alias" in (batch.stopped or "")
    assert await queued(db) == 2
    found = await indices.inspect(built, "contacts")
    assert "gone from OpenSearch" in (found.problem or "")


async def test_a_backlog_is_folded_to_one_row_a_record(built, db):
    ids = await add_contacts(db, 5)
    for _ in range(4):
        await execute(db, "UPDATE contacts SET title = coalesce(title, '') || 'x'")
    async with built.service() as session:
        held = await queue.claim(session, entities=["contacts"], limit=3, lease_s=60)
    async with built.service() as session:
        folded = await queue.compact(session)
    assert held is not None
    assert folded == 22 - 5
    rows = await execute(db, "SELECT id FROM search_dirty WHERE claimed_by IS NULL ORDER BY id")
    assert rows == ids


async def test_a_backlog_is_folded_in_the_time_of_its_rows_whatever_the_statistics_say(built, db, owner):
    """They are mostly those of a short queue; a plan that read all of it once per record took minutes."""
    (contact,) = await add_contacts(db)
    async with built.service() as session:
        await queue.enqueue(session, "contacts", [contact] * 2_000)
    await owner.execute("ANALYZE app.search_dirty")
    await execute(db, "DELETE FROM search_dirty")
    async with built.service() as session:
        for _ in range(3):
            await queue.enqueue(session, "contacts", range(1, 20_001))
    async with built.service() as session:
        await session.execute(text("SET LOCAL statement_timeout = '20s'"))
        assert await queue.compact(session) == 40_000


async def test_direct_edits_come_before_what_was_queued_in_bulk(built, db):
    first, second = await add_contacts(db, 2)
    await execute(db, "DELETE FROM search_dirty")
    async with built.service() as session:
        await queue.enqueue(session, "contacts", [first], priority=queue.BULK)
        await queue.enqueue(session, "contacts", [second])
        held = await queue.claim(session, entities=["contacts"], limit=1, lease_s=60)
    assert held is not None
    assert held.ids("contacts") == [second]


async def test_kept_indices_lose_who_is_erased(built, db):
    first, second = await add_contacts(db, 2)
    await drain_queue(built)
    before = await live_index(built, "contacts")
    await rebuild.rebuild(built, "contacts")
    await execute(db, "DELETE FROM contacts WHERE id = :id", id=first)
    await drain_queue(built)
    assert set(await stored(built, "contacts")) == {second}
    assert set(await stored(built, "contacts", index=before)) == {second}


async def test_a_transaction_that_stays_open_is_indexed_after_its_commit(built, db):
    async with built.service() as session:
        await session.execute(text("INSERT INTO contacts (first_name) VALUES ('Slow')"))
        await add_contacts(db, 2)
        assert await drain_queue(built) == 2
    assert await drain_queue(built) == 1
    await assert_equal(built)


async def test_a_change_that_overtakes_a_batch_stays(built, db):
    (contact,) = await add_contacts(db)
    overtaken = []

    async def read(session, entity, ids, **kept):
        bodies = await built.source.read(session, entity, ids, **kept)
        if not overtaken:
            overtaken.append(ids)
            await rename_contact(db, contact, "Overtaker")
            await drain_queue(built)
        return bodies

    slow = replace(built, source=replace(built.source, read=read))
    await apply.apply_batch(slow, BulkSender(built.client))
    await drain_queue(built)
    await assert_equal(built)


async def test_a_rebuild_that_begins_while_a_batch_reads_misses_nothing(built, db):
    (contact,) = await add_contacts(db)
    begun = []

    async def read(session, entity, ids, **kept):
        bodies = await built.source.read(session, entity, ids, **kept)
        if entity == "contacts" and not begun:
            index, _ = await rebuild._begin(built, "contacts", resume=False, take_over=False)
            begun.append(index.name)
        return bodies

    slow = replace(built, source=replace(built.source, read=read))
    await apply.apply_batch(slow, BulkSender(built.client))
    assert set(await stored(built, "contacts", index=begun[0])) == {contact}


async def test_a_version_that_was_never_drawn_is_passed_and_told(built, db):
    (contact,) = await add_contacts(db)
    await drain_queue(built)
    async with built.service() as session:
        far = await queue.last_token(session) + 5_000
    await built.client.index(
        index=await live_index(built, "contacts"),
        id=str(contact),
        body={"id": contact},
        params={"version": far, "version_type": "external"},
    )
    await rename_contact(db, contact, "Restored")
    batch = await apply.apply_batch(built, BulkSender(built.client))
    assert batch is not None
    assert (batch.later, await queued(db)) == (1, 1)
    found = await status(built)
    assert "never gave out" in (found.entities[0].problem or "")
    await execute(db, "UPDATE search_dirty SET claimed_until = NULL")
    await drain_queue(built)
    await assert_equal(built)
    await verify.remember(built, await verify.verify(built, "contacts"))
    assert (await status(built)).healthy
