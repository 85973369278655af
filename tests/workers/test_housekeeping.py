"""What the round does, and that doing it again does nothing."""

import asyncio

from domain.credits import upkeep
from tests.fixtures.search import build_missing
from tests.indexer.world import add_contacts, assert_equal, drain_queue, execute, queued
from workers import housekeeping


async def test_a_position_whose_last_day_has_come_is_past_and_its_contact_is_queued(feed, db):
    await build_missing(feed)
    past, present = await add_contacts(db, 2)
    for contact, days in ((past, 0), (present, 1)):
        await execute(
            db,
            """
            INSERT INTO employment_history
                (contact_id, company, company_key, title, title_terms, end_date)
            VALUES (:contact, 'Acme', 'acme', 'Vice President', ARRAY['vp'],
                    current_date + CAST(:days AS int))
            """,
            contact=contact,
            days=days,
        )
    await drain_queue(feed)
    assert await housekeeping.end_positions(db) == 1
    assert await housekeeping.end_positions(db) == 0
    assert await execute(db, "SELECT id FROM search_dirty") == [past]
    await drain_queue(feed)
    await assert_equal(feed)


async def test_a_round_needs_no_engine(settings, db, clean_database):
    stop = asyncio.Event()
    task = asyncio.create_task(housekeeping.run(settings, db, None, stop))
    await asyncio.sleep(0.2)
    stop.set()
    await asyncio.wait_for(task, 5)
    assert await queued(db) == 0


async def test_the_round_brings_accounts_up_to_date_and_forgets_answers(db, clean_database):
    user = await execute(db, "INSERT INTO users (email) VALUES ('ann@example.com') RETURNING id")
    await execute(
        db,
        """
        INSERT INTO idempotency_keys (user_id, route, key, request_hash, status, response, created_at)
        SELECT CAST(:user AS uuid), 'r', age, '', 200, '', now() - CAST(age AS interval)
        FROM unnest(ARRAY['1 hour', '25 hours']) AS age RETURNING 1
        """,
        user=user[0],
    )
    assert await upkeep.bring_up_to_date(db) == 1
    assert await upkeep.bring_up_to_date(db) == 0
    assert await execute(db, "SELECT credit_balance FROM users") == [50]
    assert await housekeeping.forget_answers(db) == 1
    assert await execute(db, "SELECT key FROM idempotency_keys") == ["1 hour"]
    assert await upkeep.watch(db) == []
