import asyncio

import pytest
from sqlalchemy import text

from core.errors import NotFound
from db.sessions import SERVICE, member
from domain import accounts, hidden, paging
from tests.fixtures.database import act_as


@pytest.fixture
async def session(session_as):
    """As Ann, in a catalogue of two companies with three people each."""
    async with session_as(SERVICE) as session:
        ann = await accounts.find_or_create_user(session, email="ann@example.com")
        bob = await accounts.find_or_create_user(session, email="bob@example.com")
        found = await session.execute(
            text("""INSERT INTO app.organizations (name, name_key, name_sort)
                    SELECT 'Firm ' || n, 'firm ' || n, 'firm ' || n
                    FROM generate_series(1, 2) n RETURNING id""")
        )
        companies = list(found.scalars())
        found = await session.execute(
            text("""INSERT INTO app.contacts (organization_id, full_name, title)
                    SELECT (CAST(:companies AS int[]))[1 + n % 2], 'Person ' || n, 'CTO'
                    FROM generate_series(1, 6) n RETURNING id"""),
            {"companies": companies},
        )
        session.info.update({"ann": ann, "bob": bob, "companies": companies, "people": list(found.scalars())})
        await act_as(session, member(ann.id))
        yield session


@pytest.fixture
def ann(session):
    return session.info["ann"].id


@pytest.fixture
def people(session):
    return session.info["people"]


@pytest.fixture
def companies(session):
    return session.info["companies"]


async def listed(session, user_id, limit=100):
    page = await hidden.list_contacts(session, user_id=user_id, limit=limit, cursor=None)
    return [record.id for record in page.records]


async def version(session, user_id):
    found = await session.execute(
        text("SELECT version FROM app.visibility_versions WHERE user_id = :id"), {"id": user_id}
    )
    return found.scalar_one_or_none() or 0


async def test_hiding_twice_is_hiding_once(session, ann, people):
    for _ in range(2):
        await hidden.hide_contact(session, user_id=ann, contact_id=people[0])
    assert await listed(session, ann) == [people[0]]
    for _ in range(2):
        await hidden.unhide_contact(session, user_id=ann, contact_id=people[0])
    assert await listed(session, ann) == []


async def test_a_company_is_hidden_apart_from_its_people(session, ann, companies):
    await hidden.hide_organization(session, user_id=ann, organization_id=companies[0])
    page = await hidden.list_organizations(session, user_id=ann, limit=10, cursor=None)
    assert [(record.id, record.name) for record in page.records] == [(companies[0], "Firm 1")]
    assert await listed(session, ann) == []
    await hidden.unhide_organization(session, user_id=ann, organization_id=companies[0])
    assert (await hidden.list_organizations(session, user_id=ann, limit=10, cursor=None)).records == []


async def test_there_is_no_hiding_what_does_not_exist(session, ann):
    for change in (hidden.hide_contact, hidden.unhide_contact):
        with pytest.raises(NotFound):
            await change(session, user_id=ann, contact_id=2**31 - 1)
    for change in (hidden.hide_organization, hidden.unhide_organization):
        with pytest.raises(NotFound):
            await change(session, user_id=ann, organization_id=2**31 - 1)


async def test_every_change_and_only_a_change_raises_the_version(session, ann, people):
    before = await version(session, ann)
    await hidden.hide_contact(session, user_id=ann, contact_id=people[0])
    raised = await version(session, ann)
    assert raised > before
    await hidden.unhide_contact(session, user_id=ann, contact_id=people[0])
    assert await version(session, ann) > raised


async def test_bulk_says_what_it_did(session, ann, people):
    await hidden.hide_contact(session, user_id=ann, contact_id=people[0])
    wanted = [people[2], people[0], people[1], people[2], 2**31 - 1, 2**31 - 2]
    result = await hidden.change_many(session, "hide", "contacts", user_id=ann, ids=wanted)
    assert result == hidden.BulkResult(changed=2, unchanged=1, unknown=[2**31 - 2, 2**31 - 1])
    result = await hidden.change_many(session, "unhide", "contacts", user_id=ann, ids=wanted)
    assert result == hidden.BulkResult(changed=3, unchanged=0, unknown=[2**31 - 2, 2**31 - 1])
    assert await listed(session, ann) == []


async def test_ten_thousand_at_once(session, ann):
    await act_as(session, SERVICE)
    found = await session.execute(
        text("INSERT INTO app.contacts (full_name) SELECT 'P' FROM generate_series(1, 10000) RETURNING id")
    )
    ids = list(found.scalars())
    await act_as(session, member(ann))
    result = await hidden.change_many(session, "hide", "contacts", user_id=ann, ids=ids)
    assert result.changed == 10_000


async def test_pages_show_every_record_once(session, ann, people):
    await hidden.change_many(session, "hide", "contacts", user_id=ann, ids=people)
    seen, cursor, pages = [], None, 0
    while pages == 0 or cursor:
        page = await hidden.list_contacts(session, user_id=ann, limit=2, cursor=cursor)
        seen += [record.id for record in page.records]
        cursor, pages = page.cursor, pages + 1
    assert seen == sorted(people, reverse=True)
    assert pages == 3
    assert (await hidden.list_contacts(session, user_id=ann, limit=1, cursor=None)).records[
        0
    ].name == "Person 6"


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "",
        "%%%",
        paging.encode("hidden_companies", 5),
        paging.encode("hidden_contacts", -5),
        paging.encode("hidden_contacts", "5"),
        paging.encode("hidden_contacts", 2**70),
    ],
)
async def test_a_foreign_cursor_is_refused(session, ann, cursor):
    if cursor:
        with pytest.raises(paging.WrongCursor):
            await hidden.list_contacts(session, user_id=ann, limit=2, cursor=cursor)


async def test_one_users_hiding_is_nobody_elses(session, ann, people):
    bob = session.info["bob"].id
    await hidden.hide_contact(session, user_id=ann, contact_id=people[0])
    await act_as(session, member(bob))
    assert await listed(session, bob) == []
    # Not even when the code should ask for the wrong user: the policies do not let Bob see Ann's rows.
    assert await listed(session, ann) == []


@pytest.mark.usefixtures("clean_database")
async def test_two_bulks_over_the_same_records_do_not_lock_each_other_out(db):
    async with db.transaction(SERVICE) as session:
        ann = (await accounts.find_or_create_user(session, email="ann@example.com")).id
        found = await session.execute(
            text("INSERT INTO app.contacts (full_name) SELECT 'P' FROM generate_series(1, 500) RETURNING id")
        )
        ids = list(found.scalars())

    async def change(action, wanted):
        async with db.transaction(member(ann)) as session:
            await hidden.change_many(session, action, "contacts", user_id=ann, ids=wanted)

    await asyncio.gather(
        *(change("hide" if n % 2 else "unhide", ids if n % 3 else ids[::-1]) for n in range(8))
    )
    await change("hide", ids)
    async with db.transaction(member(ann), read_only=True) as session:
        assert len(await listed(session, ann, limit=1_000)) == 500
