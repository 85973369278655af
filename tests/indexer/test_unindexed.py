"""Without OpenSearch changes reach those who go by what was applied, and an index that was is not robbed."""

import asyncio

import pytest
from sqlalchemy import text

from db.sessions import SERVICE
from indexer import unindexed

pytestmark = pytest.mark.usefixtures("clean_database")


async def rows(db, sql):
    async with db.transaction(SERVICE) as session:
        found = await session.execute(text(sql))
        return found.all() if found.returns_rows else []


APPLIED = "SELECT entity::text, id FROM app.applied ORDER BY entity, id"


async def make(db):
    async with db.transaction(SERVICE) as session:
        company = await session.scalar(
            text(
                "INSERT INTO app.organizations (name, name_key, name_sort)"
                " VALUES ('A', 'a', 'a') RETURNING id"
            )
        )
        people = await session.execute(
            text("INSERT INTO app.contacts (organization_id) VALUES (:id), (:id) RETURNING id"),
            {"id": company},
        )
        return company, list(people.scalars())


async def test_a_change_and_a_company_s_change_are_passed_on_once(db):
    company, people = await make(db)
    assert await unindexed.pass_on(db) == 3
    assert await rows(db, APPLIED) == [("c", people[0]), ("c", people[1]), ("o", company)]
    assert await unindexed.pass_on(db) == 0
    await rows(db, "DELETE FROM app.applied")
    await rows(db, "UPDATE app.organizations SET name = 'B', employees_min = 5")
    assert await unindexed.pass_on(db) == 3
    assert await rows(db, APPLIED) == [("c", people[0]), ("c", people[1]), ("o", company)]
    assert await rows(db, "SELECT 1 FROM app.search_dirty UNION ALL SELECT 1 FROM app.company_fanout") == []


async def test_after_a_truncation_whoever_was_watched_is_looked_at(db, owner):
    _, people = await make(db)
    await unindexed.pass_on(db)
    await rows(db, "DELETE FROM app.applied")
    await rows(db, f"INSERT INTO app.alert_states VALUES ('c', {people[0]}, '[]')")
    await owner.execute("TRUNCATE app.contacts CASCADE")
    await unindexed.pass_on(db)
    assert ("c", people[0]) in await rows(db, APPLIED)


async def test_the_loop_passes_on_and_leaves_the_queue_of_an_index_alone(db, owner):
    stop = asyncio.Event()
    await make(db)
    running = asyncio.create_task(unindexed.run(db, stop))
    for _ in range(100):
        await asyncio.sleep(0.05)
        if await rows(db, APPLIED):
            break
    stop.set()
    await running
    assert len(await rows(db, APPLIED)) == 3
    await owner.execute(
        "INSERT INTO app.indices (entity, index_name, schema_hash, state)"
        " VALUES ('contacts', 'x', 'y', 'live')"
    )
    await make(db)
    stop = asyncio.Event()
    running = asyncio.create_task(unindexed.run(db, stop))
    await asyncio.sleep(0.8)
    stop.set()
    await running
    assert len(await rows(db, "SELECT 1 FROM app.search_dirty")) == 3
