"""Processes that spend are killed at any moment; the books agree, and the balance was never below zero."""

import asyncio
import os
import random
import sys

from sqlalchemy import text

from db.sessions import SERVICE
from domain.credits import movements, upkeep
from tests.db.world import make_contact, make_user

SPENDER = """
import asyncio, os, random, sys, uuid
from datetime import timedelta
from core.settings import DatabaseSettings
from db.sessions import SERVICE, Database
from domain import unlocks
from domain.credits import holds, movements
from domain.credits.errors import OutOfCredits

users, contacts = [[uuid.UUID(u) for u in sys.argv[1].split(",")], [int(c) for c in sys.argv[2].split(",")]]

async def spend(db):
    user = random.choice(users)
    with_session = lambda: db.transaction(SERVICE)
    kind = random.random()
    try:
        if kind < 0.5:
            async with with_session() as s:
                await unlocks.unlock(
                    s, user_id=user, contact_ids=random.sample(contacts, 20), fields=["email"])
        elif kind < 0.9:
            async with with_session() as s:
                hold = await holds.reserve(
                    s, user_id=user, amount=2, action="email_finder", reference=str(uuid.uuid4()),
                    lasts=timedelta(seconds=random.choice([0.2, 60])))
            async with with_session() as s:
                if random.random() < 0.5:
                    await holds.capture(s, hold_id=hold.id)
                else:
                    await holds.void(s, hold_id=hold.id, why="nothing found")
        elif kind < 0.95:
            async with with_session() as s:
                await movements.purchase(
                    s, user_id=user, credits_=9, amount_cents=900, reference=f"pi_{random.randint(1, 40)}")
        else:
            async with with_session() as s:
                await movements.claw_back(s, user_id=user, payment=f"pi_{random.randint(1, 40)}", total=9)
    except (OutOfCredits, holds.HoldSettled):
        pass

async def one_after_another(db):
    while True:
        await spend(db)

async def main():
    db = Database(DatabaseSettings(url=os.environ["DATABASE_URL"], pool_size=8))
    print("ready", flush=True)
    await asyncio.gather(*(one_after_another(db) for _ in range(8)))

asyncio.run(main())
"""


async def test_38_killed_spenders_leave_books_that_agree(db, owner, database_url, clean_database):
    async with db.transaction(SERVICE) as session:
        users = [await make_user(session) for _ in range(3)]
        contacts = [await make_contact(session, email=f"p{n}@acme.test") for n in range(200)]
        for user in users:
            await movements.grant(session, user_id=user, amount=150, reference="start", reason="x")
    arguments = (",".join(map(str, users)), ",".join(map(str, contacts)))
    rng, lowest = random.Random(), 0
    for _ in range(3):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", SPENDER, *arguments,
            env=os.environ | {"DATABASE_URL": database_url, "PYTHONPATH": os.pathsep.join(sys.path)},
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert await process.stdout.readline() == b"ready\n", (await process.stderr.read()).decode()
        ends = asyncio.get_running_loop().time() + rng.uniform(0.5, 2)
        while asyncio.get_running_loop().time() < ends:
            lowest = min(lowest, await owner.fetchval("SELECT min(credit_balance) FROM app.users"))
            await asyncio.sleep(0.02)
        assert process.returncode is None, (await process.stderr.read()).decode()
        process.kill()
        await process.wait()
    assert lowest == 0
    async with db.transaction(SERVICE) as session:
        assert await session.scalar(text("SELECT count(*) FROM credit_ledger WHERE kind <> 'granted'")) > 30
    assert await upkeep.compare(db) == []
    await owner.execute(
        "UPDATE app.credit_holds SET expires_at = now() - interval '1 s' WHERE state = 'reserved'"
    )
    await upkeep.bring_up_to_date(db)
    assert await owner.fetchval("SELECT count(*) FROM app.credit_holds WHERE state = 'reserved'") == 0
    assert await upkeep.compare(db) == []
