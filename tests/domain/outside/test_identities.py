from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text

from core import clock
from core.ids import UserId
from db.sessions import SERVICE, SIGN_IN, acting
from domain import audit, users
from domain.auth import people, sessions
from domain.auth.people import Origin
from domain.outside import identities
from domain.outside.identities import NoAccount
from domain.outside.issuers import Issuer, Outsider
from tests.db.world import make_user

CLERK = Issuer("https://clerk.example.com", authorized_parties=["https://app.example.com"])


def outsider(subject="user_1", email=None, issuer=CLERK):
    return Outsider(issuer, subject, email, clock.now() + timedelta(minutes=1))


@pytest.fixture
async def session(session_as):
    async with session_as(SERVICE) as session:
        yield session


async def test_who_comes_for_the_first_time_gets_an_account_and_keeps_it(session):
    first = await identities.user_of(session, outsider(email="ann@example.com"))
    again = await identities.user_of(session, outsider(email="other@example.com"))
    other = await identities.user_of(session, outsider("user_2"))
    assert first == again != other
    made = await users.get(session, user_id=first)
    assert (made.email, made.role, made.plan_id) == ("ann@example.com", "member", "free")
    assert made.credit_balance > 0
    actions = [entry.action for entry in (await audit.page(session, limit=9, actor_id=first)).entries]
    assert actions == ["user.linked"]


async def test_who_tells_no_address_has_none_that_could_be_written_to(session):
    user = await identities.user_of(session, outsider())
    assert (await users.get(session, user_id=user)).email == f"unknown-{user}@users.invalid"
    odd = await identities.user_of(session, outsider("user_3", email="no address"))
    assert (await users.get(session, user_id=odd)).email.endswith("@users.invalid")


async def test_the_same_subject_of_another_issuer_is_somebody_else(session):
    other = Issuer("https://other.example", audience="x")
    assert await identities.user_of(session, outsider()) != await identities.user_of(
        session, outsider(issuer=other)
    )


async def test_a_vouched_address_joins_a_members_account_and_no_administrators(session):
    ann = await make_user(session, email="ann@example.com")
    await make_user(session, email="root@example.com", role="admin")
    assert await identities.user_of(session, outsider(email="Ann@Example.com")) == ann
    with pytest.raises(NoAccount, match="leadfuel user link"):
        await identities.user_of(session, outsider("user_2", email="root@example.com"))


async def test_who_took_somebodys_address_before_is_out(session):
    """An account under an address that nobody had proved may have been made by somebody who lies in wait."""
    async with acting(session, SIGN_IN):
        taken = await people.make(
            session,
            user_id=UserId(uuid4()),
            email="ann@example.com",
            password_hash="a hash of the other's",
            is_confirmed=True,
            is_proven=False,
        )
        await sessions.open_session(session, user_id=taken, method="password", origin=Origin())
    assert await identities.user_of(session, outsider(email="ann@example.com")) == taken
    async with acting(session, SIGN_IN):
        assert await session.scalar(text("SELECT password_hash FROM auth.users")) is None
        assert await session.scalar(text("SELECT count(*) FROM auth.sessions")) == 0


async def test_who_proved_their_address_keeps_their_password(session):
    async with acting(session, SIGN_IN):
        ann = await people.make(
            session,
            user_id=UserId(uuid4()),
            email="ann@example.com",
            password_hash="a hash",
            is_confirmed=True,
            is_proven=True,
        )
    assert await identities.user_of(session, outsider(email="ann@example.com")) == ann
    async with acting(session, SIGN_IN):
        assert await session.scalar(text("SELECT password_hash FROM auth.users")) == "a hash"


async def test_an_operator_links_whom_they_like(session):
    root = await make_user(session, email="root@example.com", role="admin")
    await identities.link(session, user_id=root, issuer=CLERK.issuer, subject="user_2")
    assert await identities.user_of(session, outsider("user_2")) == root
    ann = await make_user(session)
    await identities.link(session, user_id=ann, issuer=CLERK.issuer, subject="user_2")
    assert await identities.user_of(session, outsider("user_2")) == ann


async def test_an_issuer_may_be_good_for_those_alone_who_are_here(session):
    closed = Issuer("https://closed.example", audience="x", sign_up=False)
    with pytest.raises(NoAccount):
        await identities.user_of(session, outsider(issuer=closed))
    ann = await make_user(session, email="ann@example.com")
    assert await identities.user_of(session, outsider(email="ann@example.com", issuer=closed)) == ann


async def test_an_erased_account_is_linked_no_more(session):
    root = await make_user(session, role="admin")
    gone = await identities.user_of(session, outsider())
    await users.erase(session, actor_id=root, user_id=gone)
    assert await session.scalar(text("SELECT count(*) FROM app.linked_identities")) == 0
