"""Reading an account: each filter alone and with others, and as little of a long ledger as it asks for."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from core import clock
from core.ids import ContactId
from db.sessions import SERVICE
from domain.credits import books, movements, statement
from tests.db.world import make_user

LONG = 4_000
_READ = text(
    "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables"
    " WHERE schemaname = 'app' AND relname = 'credit_ledger'"
)


@pytest.fixture
async def ann(db, owner, clean_database):
    """Somebody who has bought a great deal, nearly all of it of one kind and in the last hour."""
    await owner.execute("UPDATE app.plans SET monthly_credits = 0")
    async with db.transaction(SERVICE) as session:
        user = await make_user(session, email="ann@example.com")
    with clock.shifted(timedelta(days=-9)):
        async with db.transaction(SERVICE) as session:
            await movements.grant(session, user_id=user, amount=LONG * 2, reference="gift", reason="Welcome")
            await movements.spend(
                session,
                user_id=user,
                amount=2,
                action="email_finder",
                reference="found",
                contact_id=ContactId(7),
            )
    async with db.transaction(SERVICE) as session:
        account = await books.lock(session, user_id=user)
        for number in range(LONG):
            account.take(
                "spent", f"n:{number}", 1, action="unlock_email", contact_id=ContactId(1_000 + number)
            )
        await books.write(session, account)
    await owner.execute("ANALYZE app.credit_ledger")
    return user


async def _ledger(db, user, **asked):
    """A page, and how many rows of the ledger were read for it."""
    async with db.transaction(SERVICE) as session:
        before = await session.scalar(_READ) or 0
        page = await statement.ledger(session, user_id=user, limit=10, **asked)
        return page, await session.scalar(_READ) - before


async def test_a_filter_with_rare_hits_reads_hardly_more_than_them(db, ann):
    long_ago, lately = clock.now() - timedelta(days=5), clock.now() - timedelta(hours=2)
    for asked, credits_ in (
        ({"kinds": ["granted", "refunded"]}, [LONG * 2]),
        ({"action": "email_finder"}, [-2]),
        ({"contact_id": ContactId(7)}, [-2]),
        ({"contact_id": ContactId(1_005)}, [-1]),
        ({"contact_id": ContactId(6)}, []),
        ({"until": long_ago}, [-2, LONG * 2]),
        ({"since": long_ago, "until": lately}, []),
        ({"kinds": ["spent"], "until": long_ago}, [-2]),
        ({"action": "email_finder", "since": lately}, []),
        ({"since": lately}, [-1] * 10),
        ({}, [-1] * 10),
    ):
        page, read = await _ledger(db, ann, **asked)
        assert [line.credits for line in page.lines] == credits_, asked
        assert read <= 60, (asked, read)


async def test_pages_of_a_filter_follow_each_other_to_the_end(db, ann):
    found, cursor = [], None
    since = clock.now() - timedelta(days=30)
    while True:
        page, _ = await _ledger(db, ann, kinds=["granted", "spent"], since=since, cursor=cursor)
        found += [line.id for line in page.lines]
        if page.cursor is None:
            break
        cursor = page.cursor
        if len(found) >= 200:
            break
    assert found == sorted(set(found), reverse=True)
    assert len(found) == 200
