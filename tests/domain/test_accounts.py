import pytest

from db.sessions import SERVICE, member
from domain import accounts
from tests.fixtures.database import act_as


async def test_a_user_is_made_once(session_as):
    async with session_as(SERVICE) as session:
        first = await accounts.find_or_create_user(session, email="Ann@Example.com")
        again = await accounts.find_or_create_user(session, email=" ann@example.com ")
    assert first == again
    assert (first.email, first.role, first.plan_id) == ("ann@example.com", "member", "free")
    assert not first.is_admin


async def test_admin_raises_a_member_and_lowers_nobody(session_as):
    async with session_as(SERVICE) as session:
        assert (await accounts.find_or_create_user(session, email="ann@example.com")).role == "member"
        assert (await accounts.find_or_create_user(session, email="ann@example.com", admin=True)).is_admin
        assert (await accounts.find_or_create_user(session, email="ann@example.com")).is_admin


@pytest.mark.parametrize(
    "email", ["", "ann", "ann@", "@example.com", "a b@example.com", "ann@exa\x00mple.com", "a" * 400]
)
async def test_what_is_no_address_makes_nobody(session_as, email):
    async with session_as(SERVICE) as session:
        with pytest.raises(accounts.BadAddress):
            await accounts.find_or_create_user(session, email=email)


async def test_a_member_knows_themselves_and_nobody_else(session_as):
    async with session_as(SERVICE) as session:
        ann = await accounts.find_or_create_user(session, email="ann@example.com")
        bob = await accounts.find_or_create_user(session, email="bob@example.com")
        await act_as(session, member(ann.id))
        assert await accounts.get(session, user_id=ann.id) == ann
        assert await accounts.get(session, user_id=bob.id) is None


async def test_everybody_has_a_plan(session_as):
    async with session_as(SERVICE) as session:
        ann = await accounts.find_or_create_user(session, email="ann@example.com")
        await act_as(session, member(ann.id))
        plan = await accounts.plan_of(session, user=ann)
    assert (plan.id, plan.name, plan.monthly_credits) == ("free", "Free", 50)
