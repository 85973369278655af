"""Credits by hand: with a reason, in the audit log, and not without end."""

from uuid import uuid4

import pytest
from sqlalchemy import text

from db.sessions import SERVICE
from domain.credits import operators
from domain.credits.errors import OutOfCredits
from domain.credits.movements import BadAmount
from domain.credits.operators import DailyLimit
from tests.db.world import make_user
from tests.domain.credits.world import assert_books_agree, balance


@pytest.fixture
async def session(session_as):
    async with session_as(SERVICE) as opened:
        yield opened


@pytest.fixture
async def change(session, a_plan_of_nothing):
    admin = await make_user(session)

    async def change_(user, credits_, *, reference=None, limit=1_000):
        return await operators.change(
            session,
            limit=limit,
            actor_id=admin,
            user_id=user,
            credits_=credits_,
            reason="An apology",
            reference=reference,
        )

    return change_


@pytest.fixture
async def ann(session, a_plan_of_nothing):
    return await make_user(session, plan_id=a_plan_of_nothing)


async def test_what_is_given_and_taken_is_in_the_books_and_the_audit_log(session, ann, change):
    await change(ann, 100)
    await change(ann, -30)
    assert await balance(session, ann) == 70
    found = await session.execute(
        text("SELECT action, detail ->> 'reason' FROM audit_log WHERE subject = :who ORDER BY id"),
        {"who": f"user:{ann}"},
    )
    assert [tuple(row) for row in found] == [("credits.given", "An apology"), ("credits.taken", "An apology")]
    await assert_books_agree(session)


async def test_the_same_deed_again_is_the_first(session, ann, change):
    reference = uuid4()
    assert await change(ann, 100, reference=reference) == await change(ann, 100, reference=reference)
    assert await balance(session, ann) == 100


async def test_there_is_an_end_for_a_day_and_none_of_nothing(session, ann, change):
    await change(ann, 900)
    with pytest.raises(DailyLimit) as refused:
        await change(ann, 101)
    assert refused.value.facts == {"moved": 900, "limit": 1_000}
    with pytest.raises(DailyLimit):
        await change(ann, -101)
    with pytest.raises(BadAmount):
        await change(ann, 0)
    with pytest.raises(OutOfCredits):
        await change(ann, -901, limit=10_000)
    await session.execute(text("SELECT set_config('app.clock_offset', '90000 seconds', true)"))
    await change(ann, 101)
    assert await balance(session, ann) == 1_001
