from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text

from core import clock
from core.errors import Invalid, NotFound
from core.ids import UserId
from db.sessions import ANON, SERVICE, member
from domain import api_keys, audit
from domain.api_keys import MAX_KEYS, BadApiKey, TooManyKeys
from tests.db.world import make_user


@pytest.fixture
async def session(session_as):
    async with session_as(SERVICE) as session:
        yield session


@pytest.fixture
async def ann(session):
    return await make_user(session)


async def make(session, user, **options):
    return await api_keys.create(session, user_id=user, **({"name": "Sync", "scopes": ["read"]} | options))


async def test_a_key_is_found_by_its_value_and_stored_as_a_hash(session, ann):
    made, value = await make(session, ann, scopes=["read", "spend", "read"])
    assert value.startswith(f"{made.prefix}_")
    assert made.scopes == ["read", "spend"]
    assert (await api_keys.holder(session, value=value)).user_id == ann
    stored = await session.scalar(text("SELECT to_jsonb(k)::text FROM app.api_keys AS k"))
    assert value.removeprefix(made.prefix) not in stored


async def test_another_value_finds_nothing(session, ann):
    _, value = await make(session, ann)
    for other in (
        value[:-1],
        value[:-1] + ("A" if value[-1] != "A" else "B"),
        value + "A",
        value.upper(),
        "lf_",
    ):
        with pytest.raises(BadApiKey):
            await api_keys.holder(session, value=other)


async def test_a_key_ends(session, ann):
    _, value = await make(session, ann, expires_at=clock.now() + timedelta(days=1))
    await api_keys.holder(session, value=value)
    await session.execute(text("SET LOCAL app.clock_offset = '2 days'"))
    with pytest.raises(BadApiKey):
        await api_keys.holder(session, value=value)
    with pytest.raises(Invalid):
        await make(session, ann, expires_at=clock.now() - timedelta(seconds=1))


async def test_a_revoked_key_is_gone_and_only_its_owner_revokes_it(session, ann):
    made, value = await make(session, ann)
    with pytest.raises(NotFound):
        await api_keys.revoke(session, user_id=await make_user(session), key_id=made.id)
    await api_keys.revoke(session, user_id=ann, key_id=made.id)
    with pytest.raises(BadApiKey):
        await api_keys.holder(session, value=value)
    with pytest.raises(NotFound):
        await api_keys.revoke(session, user_id=ann, key_id=made.id)
    actions = [entry.action for entry in (await audit.page(session, limit=5, actor_id=ann)).entries]
    assert actions == ["api_key.revoked", "api_key.made"]


async def test_there_are_so_many_at_the_most(session, ann):
    for _ in range(MAX_KEYS):
        await make(session, ann)
    with pytest.raises(TooManyKeys):
        await make(session, ann)
    await make(session, await make_user(session))


async def test_use_is_noted_now_and_then(session, ann):
    made, value = await make(session, ann)
    assert api_keys.is_used_again(made)
    await api_keys.note_use(session, key_id=made.id)
    used = await api_keys.holder(session, value=value)
    assert not api_keys.is_used_again(used)
    with clock.shifted(timedelta(minutes=11)):
        assert api_keys.is_used_again(used)


@pytest.mark.parametrize("actor", [ANON, member(UserId(uuid4()))])
async def test_nobody_but_the_service_reaches_the_table(session_as, actor):
    async with session_as(actor) as session:
        with pytest.raises(Exception, match="permission denied"):
            await session.execute(text("SELECT id FROM app.api_keys"))
