"""What comes in and goes out, one movement at a time: sums, order, debts, and doing it twice."""

from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from core import clock
from db.sessions import SERVICE
from domain.credits import holds, movements
from domain.credits.errors import HoldSettled, OutOfCredits, SpendingFrozen
from domain.credits.movements import BadAmount
from tests.db.world import make_contact, make_user
from tests.domain.credits.world import assert_books_agree, balance, grants, lines, owed


@pytest.fixture
async def session(session_as, a_plan_of_nothing):
    async with session_as(SERVICE) as session:
        yield session


@pytest.fixture
async def ann(session, a_plan_of_nothing):
    return await make_user(session, plan_id=a_plan_of_nothing)


async def give(session, user, amount, reference="welcome", **options):
    return await movements.grant(
        session, user_id=user, amount=amount, reference=reference, reason="Welcome", **options
    )


async def spend(session, user, amount, reference="a", **options):
    return await movements.spend(
        session, user_id=user, amount=amount, action="unlock_email", reference=reference, **options
    )


async def test_what_is_granted_can_be_spent_and_no_more(session, ann):
    await give(session, ann, 5)
    assert (await spend(session, ann, 3)).balance_after == 2
    with pytest.raises(OutOfCredits) as refused:
        await spend(session, ann, 3, "b")
    assert refused.value.facts == {"balance": 2, "needed": 3}
    assert await lines(session, ann) == [("granted", 5, 5), ("spent", -3, 2)]
    await assert_books_agree(session)


@pytest.mark.parametrize("amount", [0, -1, 1_000_001])
async def test_only_a_real_amount_moves(session, ann, amount):
    for move in (give, spend):
        with pytest.raises(BadAmount):
            await move(session, ann, amount)


async def test_the_same_movement_again_is_the_first_ones_result(session, ann):
    first = await give(session, ann, 5)
    assert await give(session, ann, 50) == first
    spent = await spend(session, ann, 2)
    await give(session, ann, 7, "more")
    assert await spend(session, ann, 2) == spent
    assert await balance(session, ann) == 10


async def test_what_expires_first_is_spent_first_and_what_was_bought_last(session, ann):
    await movements.purchase(session, user_id=ann, credits_=10, amount_cents=900, reference="pack")
    await give(session, ann, 5, "never")
    now = clock.now()
    await give(session, ann, 5, "late", expires_at=now + timedelta(days=9))
    await give(session, ann, 5, "soon", expires_at=now + timedelta(days=1))
    await spend(session, ann, 12)
    assert await grants(session, ann) == {"soon": 0, "late": 0, "never": 3, "pack": 10}
    assert await lines(session, ann, "credit_purchases") == [(10, 900, None)]
    await assert_books_agree(session)


async def test_an_expired_grant_cannot_be_spent_and_is_written_off(session, ann):
    await give(session, ann, 5, expires_at=clock.now() + timedelta(days=1))
    with clock.shifted(timedelta(days=2)):
        await session.execute(text("SELECT set_config('app.clock_offset', '172800 seconds', true)"))
        with pytest.raises(OutOfCredits):
            await spend(session, ann, 1)
    assert await lines(session, ann) == [("granted", 5, 5), ("expired", -5, 0)]
    await assert_books_agree(session)


async def test_a_refund_comes_once_and_only_for_what_was_paid(session, ann):
    contact = await make_contact(session)
    await give(session, ann, 5)
    await spend(session, ann, 3, contact_id=contact)
    assert await movements.refund(session, user_id=ann, reference="none", reason="x") is None
    first = await movements.refund(session, user_id=ann, reference="a", reason="It bounced")
    assert first is not None
    assert await movements.refund(session, user_id=ann, reference="a", reason="again") == first
    assert await balance(session, ann) == 5
    assert await lines(session, ann, "transactions") == [
        ("unlock_email", 3, contact),
        ("refund", -3, contact),
    ]
    await assert_books_agree(session)


async def test_the_return_of_spent_credits_is_a_debt_that_the_next_credits_pay(session, ann):
    await movements.purchase(session, user_id=ann, credits_=10, amount_cents=900, reference="pack")
    await spend(session, ann, 7)
    await movements.claw_back(session, user_id=ann, payment="pi_1", total=10)
    assert (await balance(session, ann), await owed(session, ann)) == (0, 7)
    await give(session, ann, 5)
    assert (await balance(session, ann), await owed(session, ann)) == (0, 2)
    await give(session, ann, 5, "more")
    assert (await balance(session, ann), await owed(session, ann)) == (3, 0)
    await assert_books_agree(session)


@pytest.mark.parametrize("totals", [(5, 10), (10, 5), (10, 10), (5, 5, 10, 7)])
async def test_halves_of_a_return_in_any_order_take_the_highest_total(session, ann, totals):
    await give(session, ann, 30)
    for total in totals:
        await movements.claw_back(session, user_id=ann, payment="pi_1", total=total)
    assert await balance(session, ann) == 20
    await assert_books_agree(session)


async def test_a_return_before_its_purchase_ends_with_nothing_gained(session, ann):
    await movements.claw_back(session, user_id=ann, payment="pi_1", total=10)
    await movements.purchase(session, user_id=ann, credits_=10, amount_cents=900, reference="pack")
    assert (await balance(session, ann), await owed(session, ann)) == (0, 0)
    await assert_books_agree(session)


async def test_a_dispute_that_is_won_restores_once(session, ann):
    await give(session, ann, 10)
    await movements.claw_back(session, user_id=ann, payment="pi_1", total=10)
    assert await movements.restore(session, user_id=ann, payment="pi_1") is not None
    assert await movements.restore(session, user_id=ann, payment="pi_1") is None
    assert await balance(session, ann) == 10
    await assert_books_agree(session)


async def reserve(session, user, amount=2, reference="job", minutes=10):
    return await holds.reserve(
        session,
        user_id=user,
        amount=amount,
        action="email_finder",
        reference=reference,
        lasts=timedelta(minutes=minutes),
    )


async def test_a_hold_is_captured_or_voided_and_then_settled(session, ann):
    await give(session, ann, 5)
    hold = await reserve(session, ann)
    assert await reserve(session, ann) == hold
    assert await balance(session, ann) == 3
    with pytest.raises(OutOfCredits):
        await reserve(session, ann, 4, "another")
    await holds.capture(session, hold_id=hold.id)
    for settle in (holds.capture(session, hold_id=hold.id), holds.void(session, hold_id=hold.id, why="x")):
        with pytest.raises(HoldSettled):
            await settle
    second = await reserve(session, ann, 3, "second")
    await holds.void(session, hold_id=second.id, why="nothing found")
    with pytest.raises(HoldSettled):
        await holds.capture(session, hold_id=second.id)
    assert await balance(session, ann) == 3
    assert await lines(session, ann, "transactions") == [("email_finder", 2, None)]
    await assert_books_agree(session)


async def test_a_hold_outlives_the_grant_it_was_taken_from(session, ann):
    await give(session, ann, 5, expires_at=clock.now() + timedelta(minutes=1))
    kept, returned = await reserve(session, ann, 2, "a"), await reserve(session, ann, 2, "b")
    await session.execute(text("SELECT set_config('app.clock_offset', '120 seconds', true)"))
    await holds.capture(session, hold_id=kept.id)
    assert await balance(session, ann) == 0
    await holds.void(session, hold_id=returned.id, why="nothing found")
    assert await balance(session, ann) == 0
    await assert_books_agree(session)


async def test_a_hold_that_nobody_settles_expires_and_the_credits_are_back(session, ann):
    await give(session, ann, 5)
    hold = await reserve(session, ann, 5)
    await session.execute(text("SELECT set_config('app.clock_offset', '660 seconds', true)"))
    await spend(session, ann, 5)
    with pytest.raises(HoldSettled):
        await holds.capture(session, hold_id=hold.id)
    await assert_books_agree(session)


async def test_a_frozen_account_does_not_spend(session, ann):
    await give(session, ann, 5)
    await session.execute(
        text("UPDATE users SET credits_frozen_at = now(), credits_frozen_because = 'x' WHERE id = :id"),
        {"id": ann},
    )
    for refused in (spend(session, ann, 1), reserve(session, ann)):
        with pytest.raises(SpendingFrozen):
            await refused


@pytest.mark.parametrize(
    "values, constraint",
    [
        ("5, 'granted', 'x', 9, 0, :grants", "chain"),
        ("5, 'granted', 'x', 10, 0, '{}'", "grants"),
        ("-6, 'spent', 'x', -1, 0, :grants", "movement"),
        ("5, 'spent', 'x', 10, 0, :grants", "movement"),
        ("0, 'granted', 'x', 5, 0, '{}'", "movement"),
        ("5, 'granted', 'x', 10, 5, :grants", "movement"),
        ("5, 'stolen', 'x', 10, 0, :grants", "kind"),
        ("5, 'granted', 'welcome', 10, 0, :grants", "entry_key"),
        ("5, 'granted', 'x', 10, 0, :grants", "amount"),
    ],
)
async def test_the_database_refuses_an_entry_that_does_not_fit(session, ann, values, constraint):
    await give(session, ann, 5)
    grant = await session.scalar(text("SELECT id FROM credit_grants WHERE user_id = :id"), {"id": ann})
    statement = (
        "INSERT INTO credit_ledger (user_id, delta, kind, reference, balance_after, owed_delta, grants)"
        f" VALUES (:user, {values.replace(':grants', 'CAST(:grants AS jsonb)')})"
    )
    delta = values.split(",")[0]
    parameters = {"user": ann} | ({"grants": f'{{"{grant}": {delta}}}'} if ":grants" in values else {})
    with pytest.raises(DBAPIError) as refused:
        async with session.begin_nested():
            await session.execute(text(statement), parameters)
    assert constraint in str(refused.value.orig) + str(
        getattr(refused.value.orig.__cause__, "constraint_name", "")
    )
    await assert_books_agree(session)


async def test_a_grant_of_somebody_else_cannot_be_spent(session, ann):
    bob = await make_user(session, plan_id="nothing")
    await give(session, ann, 5)
    await give(session, bob, 5)
    grant = await session.scalar(text("SELECT id FROM credit_grants WHERE user_id = :id"), {"id": bob})
    with pytest.raises(DBAPIError, match="somebody else"):
        async with session.begin_nested():
            await session.execute(
                text(
                    "INSERT INTO credit_ledger (user_id, delta, kind, reference, balance_after, grants)"
                    " VALUES (:user, -5, 'spent', 'x', 0, CAST(:grants AS jsonb))"
                ),
                {"user": ann, "grants": f'{{"{grant}": -5}}'},
            )


@pytest.mark.parametrize("statement", ["UPDATE credit_ledger SET delta = 9", "DELETE FROM credit_ledger"])
async def test_not_even_the_owner_changes_the_ledger(db, owner, clean_database, statement):
    async with db.transaction(SERVICE) as session:
        await give(session, await make_user(session), 5, str(uuid4()))
    for each in (statement, "TRUNCATE credit_ledger"):
        with pytest.raises(Exception, match="only grows"):
            await owner.execute(each)
