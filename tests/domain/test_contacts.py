"""What an administrator types: read as a file is, kept against every file, told of by field."""

import pytest

from core.errors import Invalid, NotFound
from core.ids import ContactId
from db.sessions import SERVICE
from domain import contacts, edits, suppressions
from tests.domain.imports.support import fetch, import_contacts, import_organizations

pytestmark = pytest.mark.usefixtures("clean_database")


@pytest.fixture
def create(db, settings):
    async def make(**values):
        async with db.transaction(SERVICE) as session:
            return await contacts.create(session, privacy=settings.privacy, values=values)

    return make


@pytest.fixture
def update(db, settings):
    async def change(contact_id, **changes):
        async with db.transaction(SERVICE) as session:
            await contacts.update(session, privacy=settings.privacy, contact_id=contact_id, changes=changes)

    return change


async def one(db):
    [row] = await fetch(db, "SELECT * FROM contacts")
    return row


async def test_a_contact_is_read_as_a_file_would_be(db, create):
    made = await create(
        first_name="José",
        last_name="García",
        title="Directeur technique",
        city="Madrid",
        phone="+34 912 345 678",
    )
    row = await one(db)
    assert (row["id"], row["name_search"], row["country"]) == (made, "jose garcia", "ES")
    assert (row["phone"], row["seniority"], row["has_email"]) == ("+34912345678", "c_suite", False)
    [source] = await fetch(
        db, 'SELECT s.name, "values" FROM contact_sources JOIN sources s ON s.id = source_id'
    )
    assert source["name"] == "manual"
    assert source["values"]["phone"] == "+34912345678"


@pytest.mark.parametrize(
    "values, path",
    [
        ({"last_name": "Weiß", "email": "nonsense"}, "email"),
        ({"last_name": "Weiß", "e_mail": "a@b.example"}, "e_mail"),
        ({"last_name": "Weiß", "phone": True}, "phone"),
        ({"last_name": "Weiß", "title": " "}, "title"),
        ({"last_name": "Weiß", "title": "A\x00B"}, "title"),
        ({"last_name": "Weiß", "title": "x" * 301}, "title"),
        ({"last_name": "Weiß", "country": "Atlantis"}, "country"),
        ({"last_name": "Weiß", "organization_id": 4711}, "organization_id"),
        ({"last_name": "Weiß", "email_status": "great"}, "email_status"),
        ({"last_name": "Weiß", "latitude": 91, "longitude": 0}, "latitude"),
        ({"title": "CTO"}, "last_name"),
    ],
)
async def test_what_cannot_be_read_is_told_by_field(db, create, values, path):
    with pytest.raises(Invalid) as error:
        await create(**values)
    assert [problem["path"] for problem in error.value.facts["errors"]] == [path]
    assert await fetch(db, "SELECT id FROM contacts") == []


async def test_an_unknown_field_names_the_nearest(create):
    with pytest.raises(Invalid) as error:
        await create(last_name="Weiß", fist_name="Jo")
    assert "first_name" in error.value.facts["errors"][0]["allowed"]


async def test_the_same_person_is_not_made_twice(create):
    made = await create(first_name="Anna", last_name="Müller", email="anna@acme.example")
    with pytest.raises(edits.Duplicate) as error:
        await create(first_name="Anna", last_name="Mueller", email="ANNA@acme.example")
    assert error.value.facts["id"] == made
    await create(first_name="Bert", last_name="Schulz", email="anna@acme.example")


async def test_null_erases_and_the_rest_stays(db, create, update):
    made = await create(
        first_name="Anna", last_name="Müller", email="anna@acme.example", title="CTO", city="Berlin"
    )
    await update(made, title=None, email="a.mueller@acme.example", city=None)
    row = await one(db)
    assert (row["title"], row["title_terms"], row["seniority"]) == (None, [], None)
    assert (row["email"], row["first_name"]) == ("a.mueller@acme.example", "Anna")
    assert (row["country"], row["city"], row["city_name"]) == ("DE", None, None)
    await update(made, country=None)
    assert (await one(db))["country"] is None
    await update(made, last_name="Schmidt")
    assert (await one(db))["name_search"] == "anna schmidt"


async def test_an_edit_wins_over_every_file(db, settings, update):
    cells = {"id": "1", "last_name": "Weiß", "title": "CTO", "email": "w@acme.example"}
    await import_contacts(db, settings, cells)
    contact = (await one(db))["id"]
    await update(contact, title="CEO", email=None)
    await import_contacts(db, settings, cells | {"title": "VP Sales", "email": "x@acme.example"})
    row = await one(db)
    assert (row["title"], row["email"]) == ("CEO", None)
    await update(contact, title="Chairman")
    assert (await one(db))["title"] == "Chairman"


async def test_the_same_edit_again_changes_nothing(db, create, update):
    made = await create(last_name="Weiß", title="CTO")
    before = await one(db), await fetch(db, "SELECT count(*) AS n FROM search_dirty")
    await update(made, title="CTO")
    assert before == (await one(db), await fetch(db, "SELECT count(*) AS n FROM search_dirty"))


async def test_a_contact_moves_to_another_organization(db, settings, create, update):
    await import_organizations(db, settings, {"id": "a", "name": "Acme"}, {"id": "b", "name": "Beta"})
    acme, beta = [row["id"] for row in await fetch(db, "SELECT id FROM organizations ORDER BY id")]
    made = await create(last_name="Weiß", organization_id=acme)
    assert (await one(db))["organization_id"] == acme
    await update(made, organization_id=beta)
    assert (await one(db))["organization_id"] == beta
    await update(made, organization_id=None)
    assert (await one(db))["organization_id"] is None


async def test_the_last_thing_that_identifies_a_person_stays(create, update):
    made = await create(last_name="Weiß", title="CTO")
    with pytest.raises(Invalid):
        await update(made, last_name=None)


async def test_a_suppressed_person_cannot_be_written(db, settings, create, update):
    async with db.transaction(SERVICE) as session:
        await suppressions.add(
            session, privacy=settings.privacy, kind="email", value="gone@acme.example", reason="asked"
        )
    with pytest.raises(edits.Suppressed):
        await create(last_name="Weiß", email="Gone@acme.example")
    made = await create(last_name="Weiß")
    with pytest.raises(edits.Suppressed):
        await update(made, email="gone@acme.example")


async def test_deleting_leaves_nothing_behind(db, create):
    made = await create(last_name="Weiß", email="w@acme.example")
    async with db.transaction(SERVICE) as session:
        await contacts.delete(session, contact_id=made)
    assert await fetch(db, "SELECT contact_id FROM contact_sources") == []
    async with db.transaction(SERVICE) as session:
        with pytest.raises(NotFound):
            await contacts.delete(session, contact_id=made)


async def test_an_absent_contact_is_not_found(update):
    with pytest.raises(NotFound):
        await update(ContactId(4711), title="CTO")
