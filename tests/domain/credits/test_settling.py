"""Holds that are settled twice, late or never, and books that were tampered with: with real commits."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text

from core import clock
from db.sessions import SERVICE
from domain.credits import holds, movements, reconcile, upkeep
from domain.credits.errors import HoldSettled, OutOfCredits, SpendingFrozen
from tests.db.world import make_user
from tests.domain.credits.world import balance


@pytest.fixture
async def ann(db, clean_database, a_plan_of_nothing):
    async with db.transaction(SERVICE) as session:
        user = await make_user(session, plan_id=a_plan_of_nothing)
        await movements.grant(session, user_id=user, amount=20, reference="start", reason="x")
    yield user
    async with db.transaction(SERVICE) as session:
        await session.execute(text("UPDATE users SET plan_id = 'free' WHERE id = :id"), {"id": user})


async def reserve(db, user, amount=1, minutes=10):
    async with db.transaction(SERVICE) as session:
        return await holds.reserve(
            session,
            user_id=user,
            amount=amount,
            action="email_finder",
            reference=str(uuid4()),
            lasts=timedelta(minutes=minutes),
        )


async def left(db, user):
    async with db.transaction(SERVICE, read_only=True) as session:
        return await balance(session, user)


async def test_29_of_all_who_spend_the_last_credits_at_once_as_many_win_as_there_are(db, ann):
    async def spend(number):
        async with db.transaction(SERVICE) as session:
            try:
                await movements.spend(
                    session, user_id=ann, amount=4, action="unlock_email", reference=f"at once {number}"
                )
            except OutOfCredits:
                return False
            return True

    assert sum(await asyncio.gather(*(spend(n) for n in range(12)))) == 5
    assert await left(db, ann) == 0
    assert await upkeep.compare(db) == []


async def test_35_work_that_never_comes_back_costs_nothing_after_its_time(db, ann):
    hold = await reserve(db, ann, 5)
    assert await left(db, ann) == 15
    assert await upkeep.bring_up_to_date(db) == 0
    with clock.shifted(timedelta(minutes=11)):
        assert await upkeep.bring_up_to_date(db) == 1
        assert await left(db, ann) == 20
        async with db.transaction(SERVICE) as session:
            with pytest.raises(HoldSettled):
                await holds.capture(session, hold_id=hold.id)
    assert await upkeep.compare(db) == []


async def test_36_of_all_who_settle_a_hold_at_once_one_wins(db, ann):
    async def settle(hold, capture):
        async with db.transaction(SERVICE) as session:
            try:
                if capture:
                    await holds.capture(session, hold_id=hold.id)
                    return 1
                await holds.void(session, hold_id=hold.id, why="nothing found")
            except HoldSettled:
                return None
            return 0

    captured = 0
    for _ in range(10):
        hold = await reserve(db, ann)
        done = await asyncio.gather(*(settle(hold, n % 2) for n in range(6)))
        (won,) = [each for each in done if each is not None]
        captured += won
    assert await left(db, ann) == 20 - captured
    assert await upkeep.compare(db) == []


async def test_37_a_hold_is_captured_though_its_grant_has_expired(db, clean_database, a_plan_of_nothing):
    async with db.transaction(SERVICE) as session:
        user = await make_user(session, plan_id=a_plan_of_nothing)
        await movements.grant(
            session,
            user_id=user,
            amount=5,
            reference="month",
            reason="x",
            expires_at=clock.now() + timedelta(minutes=1),
        )
    hold = await reserve(db, user, 4, minutes=60)
    with clock.shifted(timedelta(minutes=2)):
        assert await upkeep.bring_up_to_date(db) == 1
        assert await left(db, user) == 0
        async with db.transaction(SERVICE) as session:
            await holds.capture(session, hold_id=hold.id)
    assert await left(db, user) == 0
    assert await upkeep.compare(db) == []
    async with db.transaction(SERVICE) as session:
        await session.execute(text("UPDATE users SET plan_id = 'free' WHERE id = :id"), {"id": user})


@pytest.mark.parametrize(
    "tampering, check",
    [
        ("UPDATE app.users SET credit_balance = credit_balance + 1 WHERE id = $1", "balance"),
        ("UPDATE app.credit_grants SET remaining = remaining - 1 WHERE user_id = $1", "grants"),
        ("INSERT INTO app.transactions (user_id, type, credits_used) VALUES ($1, 'x', 3)", "transactions"),
        (
            "INSERT INTO app.credit_purchases (user_id, credits_added, amount_cents) VALUES ($1, 5, 5)",
            "purchases",
        ),
    ],
)
async def test_71_books_that_were_tampered_with_are_named_stopped_and_told_of(
    db, ann, owner, tampering, check
):
    await owner.execute(tampering, ann)
    found = await upkeep.watch(db)
    assert [(each.user_id, each.check) for each in found] == [(ann, check)]
    async with db.transaction(SERVICE) as session:
        with pytest.raises(SpendingFrozen):
            await movements.spend(
                session, user_id=ann, amount=1, action="unlock_email", reference="after", contact_id=None
            )
        told = await session.scalar(
            text("SELECT payload ->> 'subject' FROM outbox WHERE job = 'alarms.mail'")
        )
        assert told == "the books of credits do not agree"
        # Nothing was repaired.
        assert await reconcile.differences(session) == found
