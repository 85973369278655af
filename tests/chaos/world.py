"""What the drills share: constant change, and both sides compared at the end."""

import asyncio
import time
from contextlib import asynccontextmanager

from sqlalchemy.exc import IntegrityError

from indexer import verify
from indexer.feed import ENTITIES
from tests.indexer.world import add_contacts, add_organizations, execute, queued, rename_contact


async def until(check, *, within_s=120.0):
    started = time.monotonic()
    while not await check():
        assert time.monotonic() - started < within_s, "it did not happen in time"
        await asyncio.sleep(0.2)
    return time.monotonic() - started


async def settled(plant):
    """The queue is empty and both indices are live."""
    if await queued(plant.db) or await execute(plant.db, "SELECT 1 FROM company_fanout"):
        return False
    return await execute(plant.db, "SELECT count(*) FROM indices WHERE state = 'live'") == [2]


async def assert_equal(plant):
    await until(lambda: settled(plant), within_s=180)
    for entity in ENTITIES:
        found = await verify.verify(plant.feed, entity, full=True)
        assert found.drift == ()
        assert found.undecided == 0


@asynccontextmanager
async def writing(plant, draw, *, pause_s=0.01):
    """Inserts, edits, moves, renames and deletions for the length of the block; the waits of each write."""
    stop, waits = asyncio.Event(), []

    async def write():
        while not stop.is_set():
            started = time.monotonic()
            try:
                await change_something(plant.db, draw)
            except IntegrityError as error:
                # The other writer has deleted the company that this one was about to name.
                if "contacts_organization_id_fkey" not in str(error):
                    raise
            waits.append(time.monotonic() - started)
            await asyncio.sleep(pause_s)

    tasks = [asyncio.create_task(write()) for _ in range(2)]
    try:
        yield waits
    finally:
        stop.set()
        await asyncio.gather(*tasks)


async def change_something(db, draw):
    organizations = await execute(db, "SELECT id FROM organizations ORDER BY random() LIMIT 2")
    contacts = await execute(db, "SELECT id FROM contacts ORDER BY random() LIMIT 5")
    kind = draw.random()
    if kind < 0.15 or len(organizations) < 2:
        await add_organizations(db, draw.randint(1, 3))
    elif kind < 0.45 or len(contacts) < 5:
        await add_contacts(db, draw.randint(1, 60), organization=draw.choice(organizations))
    elif kind < 0.65:
        await rename_contact(db, draw.choice(contacts), f"Name{draw.randrange(1000)}")
    elif kind < 0.75:
        await execute(
            db,
            "UPDATE contacts SET organization_id = :to WHERE id = ANY(:ids)",
            to=organizations[0],
            ids=contacts,
        )
    elif kind < 0.85:
        await execute(
            db,
            "UPDATE organizations SET name_key = :name WHERE id = :id",
            name=f"key {draw.randrange(1000)}",
            id=organizations[0],
        )
    elif kind < 0.97:
        await execute(db, "DELETE FROM contacts WHERE id = ANY(:ids)", ids=contacts[:2])
    else:
        await execute(db, "DELETE FROM organizations WHERE id = :id", id=organizations[1])
