"""The queue among many: writers that never wait for it, leases, and indexers that die."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text

from core import clock
from db.sessions import SERVICE
from indexer import apply, fanout, loop, queue
from indexer.bulk import BulkSender
from indexer.loop import Waker
from tests.fixtures.faults import at_random, faults_before, in_turn
from tests.fixtures.search import build_missing
from tests.indexer.test_loop import running, until
from tests.indexer.world import (
    add_contacts,
    add_organizations,
    assert_equal,
    drain_queue,
    execute,
    queued,
    rename_contact,
    stored,
)


@pytest.fixture
async def built(feed):
    await build_missing(feed)
    return feed


@asynccontextmanager
async def impatient(db):
    """A transaction that does not wait for any lock."""
    async with db.transaction(SERVICE) as session:
        await session.execute(text("SET LOCAL lock_timeout = '1ms'"))
        yield session


async def rename(session, contact, name):
    await session.execute(
        text("UPDATE contacts SET last_name = :name WHERE id = :id"), {"name": name, "id": contact}
    )


async def employ(session, contact, company):
    await session.execute(
        text(
            "UPDATE employment_history SET company = :company, company_key = :company WHERE contact_id = :id"
        ),
        {"company": company, "id": contact},
    )


async def test_writers_of_the_same_records_in_opposite_orders_never_wait_for_the_queue(built, db):
    # The one edits people, the other their positions: no row in common but those of the queue.
    ids = await add_contacts(db, 20)
    await execute(
        db,
        "INSERT INTO employment_history (contact_id, company, company_key)"
        " SELECT id, 'Acme', 'acme' FROM unnest(CAST(:ids AS integer[])) AS id RETURNING 1",
        ids=ids,
    )
    await drain_queue(built)
    async with impatient(db) as one, impatient(db) as other:
        for up, down in zip(ids, reversed(ids), strict=True):
            await rename(one, up, "Up")
            await employ(other, down, "down")
    await drain_queue(built)
    await assert_equal(built)


async def test_two_bulk_writers_of_the_same_rows_only_wait_for_the_rows(built, db):
    ids = await add_contacts(db, 300)

    async def write(order, name):
        for _ in range(5):
            async with db.transaction(SERVICE) as session:
                # Locked in one order, as a bulk writer must; written, and so queued, in another.
                await session.execute(
                    text("SELECT 1 FROM contacts WHERE id = ANY(:ids) ORDER BY id FOR UPDATE"), {"ids": ids}
                )
                for contact in order:
                    await rename(session, contact, name)

    async with running(built, poll_s=0.05):
        await asyncio.gather(write(ids[::10], "Up"), write(ids[::-10], "Down"))

        async def empty():
            return await queued(db) == 0

        await until(empty)
    await assert_equal(built)


async def test_a_long_import_holds_up_nobody_while_its_rows_are_indexed_from_before(built, db):
    ids = await add_contacts(db, 200)
    async with db.transaction(SERVICE) as importing:
        await importing.execute(
            text("UPDATE contacts SET last_name = 'Imported' WHERE id = ANY(:ids)"), {"ids": ids}
        )
        await importing.execute(text("INSERT INTO contacts (first_name) VALUES ('New')"))
        # The rows that were queued before are claimed, sent and acknowledged meanwhile.
        assert await asyncio.wait_for(drain_queue(built), 10) == 200
        assert await queued(db) == 0
        assert len(await stored(built, "contacts")) == 200
    assert await drain_queue(built) == 201
    await assert_equal(built)


async def test_transactions_that_commit_against_the_order_of_their_numbers_are_both_indexed(built, db):
    async with db.transaction(SERVICE) as slow:
        await slow.execute(text("INSERT INTO contacts (first_name) VALUES ('First')"))
        await add_contacts(db, 1)
        assert await drain_queue(built) == 1
    assert await drain_queue(built) == 1
    await assert_equal(built)


async def test_what_is_rolled_back_is_never_indexed(built, db):
    async with db.transaction(SERVICE) as session:
        await session.execute(text("INSERT INTO contacts (first_name) VALUES ('Never')"))
        await session.rollback()
    assert await drain_queue(built) == 0
    assert await stored(built, "contacts") == {}


async def test_a_deleted_id_that_comes_back_is_there_with_its_new_state(built, db):
    (contact,) = await add_contacts(db)
    await drain_queue(built)
    await execute(db, "DELETE FROM contacts WHERE id = :id", id=contact)
    await drain_queue(built)
    await execute(
        db,
        "INSERT INTO contacts (id, first_name, name_sort) OVERRIDING SYSTEM VALUE"
        " VALUES (:id, 'Back', 'back')",
        id=contact,
    )
    await drain_queue(built)
    assert (await stored(built, "contacts"))[contact]["name_sort"] == "back"
    await assert_equal(built)


async def test_a_storm_on_one_record_ends_with_the_last_word(built, db):
    (contact, *_) = await add_contacts(db, 3)
    stop = asyncio.Event()

    async def worker(proxy_seed):
        async with faults_before(
            built.settings.url, at_random(0.5, "slow", "lost", seed=proxy_seed)
        ) as proxy:
            proxy.slow_s = 0.03
            client = type(built.client)(hosts=[proxy.url], max_retries=0)
            mine, sender = replace(built, client=client), BulkSender(client)
            while not stop.is_set():
                if await apply.apply_batch(mine, sender, limit=7) is None:
                    await asyncio.sleep(0.005)
            await client.close()

    workers = [asyncio.create_task(worker(seed)) for seed in range(4)]
    for number in range(250):
        await rename_contact(db, contact, f"Round{number}")
    stop.set()
    await asyncio.gather(*workers)
    await execute(db, "UPDATE search_dirty SET claimed_until = NULL")
    await drain_queue(built)
    assert (await stored(built, "contacts"))[contact]["name_sort"] == "round249"
    await assert_equal(built)


async def test_a_person_who_moves_while_the_old_company_is_renamed_shows_the_new_one(built, db):
    old, new = await add_organizations(db, 2)
    (mover, *_) = await add_contacts(db, 5, organization=old)
    await drain_queue(built)
    async with db.transaction(SERVICE) as moving:  # begins before the rename and commits after it
        await moving.execute(
            text("UPDATE contacts SET organization_id = :to WHERE id = :id"), {"to": new, "id": mover}
        )
        await execute(db, "UPDATE organizations SET name_key = 'renamed' WHERE id = :id", id=old)
        await fanout.expand_piece(built)
        await drain_queue(built)
    while await fanout.expand_piece(built) is not None:
        pass
    await drain_queue(built)
    assert (await stored(built, "contacts"))[mover]["organization_id"] == new
    await assert_equal(built)


async def test_a_lease_runs_by_the_clock_of_the_database(built, db):
    await add_contacts(db)
    async with built.service() as session:
        assert await queue.claim(session, entities=["contacts"], limit=1, lease_s=60) is not None
    with clock.shifted(timedelta(days=365)):
        async with built.service() as session:
            assert await queue.claim(session, entities=["contacts"], limit=1, lease_s=60) is None


@asynccontextmanager
async def living(feed):
    """An indexer's word that it lives; ended by the end of its connection, as a kill would."""
    waker = Waker(feed.database_url, [loop.CHANNEL])
    stop = asyncio.Event()
    task = asyncio.create_task(waker.run(stop))

    async def listening():
        return waker.listening

    await until(listening)
    try:
        yield waker.number
    finally:
        stop.set()
        await task


async def claimed(feed, number):
    async with feed.service() as session:
        return await queue.claim(session, entities=["contacts"], limit=10, lease_s=60, indexer=number)


async def test_rows_of_a_dead_indexer_are_free_at_once_and_those_of_a_living_one_are_not(built, db):
    await add_contacts(db, 2)
    async with living(built) as number, living(built) as other:
        held = await claimed(built, number)
        assert held is not None
        async with built.service() as session:
            assert await queue.release_dead(session) == 0
        assert await claimed(built, other) is None

    async def gone():
        async with built.service() as session:
            return await queue.release_dead(session) == 2

    await until(gone)
    taken = await claimed(built, queue.NOBODY)
    assert taken is not None
    assert taken.rows.keys() == held.rows.keys()
    async with built.service() as session:  # who was taken for dead acknowledges nothing of the other's
        assert await queue.acknowledge(session, held, held.rows) == 0
        assert await queue.release_dead(session) == 0  # nobody's claims wait for their lease


async def test_an_indexer_takes_over_what_a_dead_one_held(built, db, monkeypatch):
    monkeypatch.setattr(loop, "RELEASE_EVERY_S", 0.1)
    await add_contacts(db, 3)
    async with living(built) as number:
        assert await claimed(built, number) is not None

    async def empty():
        return await queued(db) == 0

    async with running(built, poll_s=0.05):
        assert await until(empty) < 5
    await assert_equal(built)


async def test_who_was_erased_while_rejected_leaves_no_dead_letter(built, db):
    (contact,) = await add_contacts(db)

    async def read(_session, _entity, ids, **kept):
        # Deleted, and the deletion applied, between reading and the engine's refusal.
        await execute(db, "DELETE FROM contacts WHERE id = :id", id=contact)
        await drain_queue(built)
        return dict.fromkeys(ids, b'{"id":"no number"}')

    slow = replace(built, source=replace(built.source, read=read))
    await apply.apply_batch(slow, BulkSender(built.client), entities=["contacts"])
    await drain_queue(built)
    assert await execute(db, "SELECT id FROM dead_letters") == []


async def test_what_alerts_have_not_read_is_not_forgotten(built, db):
    await add_contacts(db, 4)
    await drain_queue(built)
    first, *_ = await execute(db, "SELECT seq FROM applied ORDER BY seq")
    await execute(db, "INSERT INTO alert_position (name, position) VALUES ('applied', :seq)", seq=first)
    async with built.service() as session:
        assert await queue.forget_applied(session, older_than_s=0) == 1
    await execute(db, "UPDATE alert_position SET position = :seq", seq=first + 10)
    async with built.service() as session:
        assert await queue.forget_applied(session, older_than_s=0) == 3


async def test_batches_that_are_delivered_twice_are_told_once(built, db):
    ids = await add_contacts(db, 40)
    async with faults_before(built.settings.url, in_turn(*["lost", "none"] * 10)) as proxy:
        client = type(built.client)(hosts=[proxy.url], max_retries=0)
        twice, sender = replace(built, client=client), BulkSender(client)
        while await apply.apply_batch(twice, sender, limit=7) is not None:
            pass
        await client.close()
    assert proxy.struck["lost"] > 3
    assert sender.counters.conflicts == 40
    assert await execute(db, "SELECT id FROM applied ORDER BY id") == ids
    assert await queued(db) == 0
    await assert_equal(built)


async def test_what_is_forgotten_for_a_scan_is_still_news_for_saved_searches(built, db):
    first, second = await add_contacts(db, 2)
    async with built.service() as session:
        await queue.forget(session, "contacts")
    # Nobody watches: nothing to tell.
    assert await execute(db, "SELECT id FROM applied") == []
    await execute(db, "INSERT INTO alert_position (name, position) VALUES ('applied', 0)")
    async with built.service() as session:
        await queue.enqueue(session, "contacts", [second, first, second])
        await queue.enqueue(session, "organizations", [1])
    async with built.service() as session:
        await queue.forget(session, "contacts")
    assert await execute(db, "SELECT id FROM applied ORDER BY id") == [first, second]
    assert await execute(db, "SELECT count(*) FROM search_dirty WHERE entity = 'c'") == [0]


async def test_a_truncation_that_is_forgotten_for_a_scan_is_news_of_all_who_were_seen(built, db):
    await execute(db, "INSERT INTO alert_position (name, position) VALUES ('applied', 0)")
    await execute(db, "INSERT INTO alert_states (entity, record_id, \"values\") VALUES ('c', 7, '{}')")
    async with built.service() as session:
        await queue.enqueue(session, "contacts", [queue.EVERYTHING])
        await queue.forget(session, "contacts")
    assert await execute(db, "SELECT id FROM applied") == [7]
