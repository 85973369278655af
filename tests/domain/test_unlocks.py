"""What an unlock reads: as much as it asks about, however much its account has in the ledger."""

import pytest
from sqlalchemy import text

from db.sessions import SERVICE
from domain import unlocks
from domain.credits import movements
from tests.db.world import make_user

PEOPLE = 600
# How many rows of the account this transaction has read.
_READ = text(
    "SELECT sum(seq_tup_read + idx_tup_fetch) FROM pg_stat_xact_user_tables"
    " WHERE schemaname = 'app' AND relname IN ('credit_ledger', 'unlocks')"
)


@pytest.fixture
async def people(db, clean_database):
    async with db.transaction(SERVICE) as session:
        made = await session.scalars(
            text(
                "INSERT INTO app.contacts (first_name, email)"
                f" SELECT 'Q' || n, 'q' || n || '@acme.example' FROM generate_series(1, {PEOPLE}) AS n"
                " RETURNING id"
            )
        )
        return list(made)


@pytest.fixture
async def ann(db, owner, clean_database):
    """One of a hundred accounts with an entry each, as far as the planner knows."""
    await owner.execute("UPDATE app.plans SET monthly_credits = 0")
    async with db.transaction(SERVICE) as session:
        users = [await make_user(session, email=f"user{n}@example.com") for n in range(100)]
        for user in users:
            await movements.grant(session, user_id=user, amount=PEOPLE, reference="gift", reason="Welcome")
    await owner.execute("ANALYZE app.credit_ledger, app.unlocks, app.credit_grants, app.users")
    return users[0]


async def _unlock(db, user, ids):
    """Unlock, and how much of the account was read for it."""
    async with db.transaction(SERVICE) as session:
        before = await session.scalar(_READ)
        done = await unlocks.unlock(session, user_id=user, contact_ids=ids, fields=["email"])
        read = await session.scalar(_READ) - before
    assert all(item.status in {"unlocked", "owned"} for item in done.items)
    return done.credits, read


async def test_an_account_that_has_grown_unnoticed_is_not_read_through(db, ann, people):
    # The first calls of a connection make its plans: while there was little, of one person or two at a time.
    alone, pairs, bulks = people[:30], people[30:60], (people[60:300], people[300:])
    for person in alone[:15]:
        await _unlock(db, ann, [person])
    for pair in zip(pairs[::2], pairs[1::2], strict=True):
        await _unlock(db, ann, pair)
    # A bulk may read the account once, or one page of it for each person; never all of it for each.
    for bulk in bulks:
        credits_, read = await _unlock(db, ann, bulk)
        assert (credits_, read <= 30 * PEOPLE) == (len(bulk), True), read
    # One of many looks up a handful.
    for person in alone[15:]:
        credits_, read = await _unlock(db, ann, [person])
        assert (credits_, read <= 10) == (1, True), read
    # What is owned costs nothing, in a bulk as well.
    credits_, read = await _unlock(db, ann, people)
    assert (credits_, read <= 30 * PEOPLE) == (0, True), read
