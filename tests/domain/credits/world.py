"""What the tests of credits ask the database, and how they know that the books agree."""

from sqlalchemy import text

from domain.credits import reconcile

_TABLES = {
    "credit_ledger": "kind, delta, balance_after",
    "transactions": "type, credits_used, contact_id",
    "credit_purchases": "credits_added, amount_cents, stripe_charge_id",
}


async def balance(session, user):
    return await session.scalar(text("SELECT credit_balance FROM users WHERE id = :id"), {"id": user})


async def owed(session, user):
    return await session.scalar(text("SELECT credits_owed FROM users WHERE id = :id"), {"id": user})


async def grants(session, user):
    found = await session.execute(
        text("SELECT reference, remaining FROM credit_grants WHERE user_id = :id ORDER BY id"), {"id": user}
    )
    return dict(found.all())


async def lines(session, user, table="credit_ledger"):
    found = await session.execute(
        text(f"SELECT {_TABLES[table]} FROM {table} WHERE user_id = :id ORDER BY id"), {"id": user}
    )
    return [tuple(row) for row in found]


async def assert_books_agree(session):
    assert await reconcile.differences(session) == []
