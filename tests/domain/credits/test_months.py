"""What a plan gives every month, with the clock moved over every hard day."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from core import clock
from db.sessions import SERVICE
from domain.credits import months, movements
from tests.db.world import make_user
from tests.domain.credits.world import assert_books_agree, balance, lines


def at(*moment):
    return datetime(*moment, tzinfo=UTC)


@pytest.mark.parametrize(
    "anchor, moment, start, end",
    [
        (at(2024, 1, 31, 12), at(2024, 2, 28, 23), at(2024, 1, 31), at(2024, 2, 29)),
        (at(2024, 1, 31, 12), at(2024, 2, 29, 0), at(2024, 2, 29), at(2024, 3, 31)),
        (at(2023, 1, 31), at(2023, 2, 28), at(2023, 2, 28), at(2023, 3, 31)),
        (at(2024, 2, 29), at(2025, 3, 1), at(2025, 2, 28), at(2025, 3, 29)),
        (at(2026, 11, 25), at(2026, 12, 24, 23, 59), at(2026, 11, 25), at(2026, 12, 25)),
        (at(2026, 11, 25), at(2027, 1, 1), at(2026, 12, 25), at(2027, 1, 25)),
        (at(2026, 3, 29, 1, 30), at(2026, 3, 29, 1), at(2026, 3, 29), at(2026, 4, 29)),
    ],
)
def test_a_month_begins_on_the_day_of_the_sign_up_or_the_last_there_is(anchor, moment, start, end):
    assert months.month_of(moment, anchor=anchor) == (start, end)


def test_72_every_hour_of_four_years_is_in_one_month_and_months_follow_each_other():
    for day in (1, 15, 28, 29, 30, 31):
        anchor, end = at(2024, 1, day, 13, 37), None
        for hour in range(4 * 366 * 24):
            moment = at(2024, 2, 1) + timedelta(hours=hour)
            start, then = months.month_of(moment, anchor=anchor)
            assert start <= moment < then
            assert end in {None, start, then}
            end = then


async def later(session, days):
    """Let this transaction live so many days later."""
    await session.execute(
        text("SELECT set_config('app.clock_offset', :offset, true)"), {"offset": f"{days * 86400} seconds"}
    )


async def test_one_grant_a_month_however_often_and_late_it_is_asked_for(session_as):
    async with session_as(SERVICE) as session:
        user = await make_user(session)
        for day in (0, 0, 10, 20, 40, 41, 200, 200):
            await later(session, day)
            await months.open_account(session, user_id=user)
            assert await balance(session, user) == 50
        kinds = [(kind, delta) for kind, delta, _ in await lines(session, user)]
        assert kinds == [("granted", 50), ("expired", -50)] * 2 + [("granted", 50)]
        await assert_books_agree(session)


async def test_a_month_that_is_used_up_is_not_given_again(session_as):
    async with session_as(SERVICE) as session:
        user = await make_user(session)
        await months.open_account(session, user_id=user)
        await movements.spend(session, user_id=user, amount=50, action="unlock_email", reference="all")
        await months.open_account(session, user_id=user)
        assert await balance(session, user) == 0
        await assert_books_agree(session)


async def test_what_rolls_over_has_a_cap_and_goes_after_a_month_more(session_as, owner, clean_database):
    await owner.execute(
        "UPDATE app.plans SET monthly_credits = 10, features = '{\"rollover_credits\": 4}' WHERE id = 'pro'"
    )
    async with session_as(SERVICE) as session:
        user = await make_user(session, plan_id="pro")
        balances = []
        for day in (0, 32, 63):
            await later(session, day)
            account = await months.open_account(session, user_id=user)
            balances.append(account.balance)
        # Of what was carried over nothing is carried twice beyond the cap.
        assert balances == [10, 14, 14]
        await movements.spend(
            session, user_id=user, amount=13, action="unlock_email", reference="a", contact_id=None
        )
        await later(session, 94)
        assert (await months.open_account(session, user_id=user)).balance == 11
        await assert_books_agree(session)


async def test_accounts_that_are_up_to_date_are_left_alone(db, clean_database):
    async with db.transaction(SERVICE) as session:
        users = sorted([await make_user(session) for _ in range(3)])
        assert await months.due(session, limit=9) == users
        assert await months.due(session, limit=9, after=users[0]) == users[1:]
        for user in users:
            await months.refresh(session, user_id=user)
        assert await months.due(session, limit=9) == []
    with clock.shifted(timedelta(days=32)):
        async with db.transaction(SERVICE) as session:
            assert await months.due(session, limit=9) == users
