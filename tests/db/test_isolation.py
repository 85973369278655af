"""The fixtures keep tests apart: what one has committed, the next does not meet."""

from sqlalchemy import text

from db.models import metadata
from db.sessions import SERVICE
from tests.db.world import make_contact, make_organization, make_user


async def _rows(owner):
    counts = " UNION ALL ".join(
        f"SELECT '{t.name}', count(*) FROM {t.fullname}"
        for t in metadata.sorted_tables
        if t.name != "signing_keys"  # they stay, for whoever has read them
    )
    return {name: count for name, count in await owner.fetch(counts) if count}


async def _commit_something(db, owner):
    async with db.transaction(SERVICE) as session:
        await make_contact(session, organization_id=await make_organization(session))
        await make_user(session)
    await owner.execute("UPDATE app.plans SET monthly_credits = 7")
    assert (await _rows(owner)).keys() >= {"contacts", "organizations", "users", "search_dirty"}


async def test_a_test_that_commits_meets_a_clean_database(db, owner, clean_database):
    assert await _rows(owner) == {"plans": 3, "credit_packs": 3}
    await _commit_something(db, owner)


async def test_another_one_meets_a_clean_database_too(db, owner, clean_database):
    assert await _rows(owner) == {"plans": 3, "credit_packs": 3}
    assert await owner.fetchval("SELECT max(monthly_credits) FROM plans") == 5000
    await _commit_something(db, owner)


async def test_a_session_of_a_test_is_rolled_back(session_as):
    for _ in range(2):
        async with session_as(SERVICE) as session:
            assert await session.scalar(text("SELECT count(*) FROM sources WHERE name = 'x'")) == 0
            await session.execute(text("INSERT INTO sources (name) VALUES ('x')"))
