"""Companies as an administrator types them."""

import pytest

from core.errors import Invalid, NotFound
from core.ids import OrganizationId
from db.sessions import SERVICE
from domain import edits, organizations
from tests.domain.imports.support import fetch, import_contacts, import_organizations

pytestmark = pytest.mark.usefixtures("clean_database")


@pytest.fixture
def create(db, settings):
    async def make(**values):
        async with db.transaction(SERVICE) as session:
            return await organizations.create(session, privacy=settings.privacy, values=values)

    return make


@pytest.fixture
def update(db, settings):
    async def change(number, **changes):
        async with db.transaction(SERVICE) as session:
            await organizations.update(
                session, privacy=settings.privacy, organization_id=number, changes=changes
            )

    return change


async def one(db):
    [row] = await fetch(db, "SELECT * FROM organizations")
    return row


async def test_an_organization_is_read_as_a_file_would_be(db, create):
    await create(
        name="Acme GmbH",
        website="www.acme.de/about",
        industry=["Machinery; Tools", "Robotics"],
        employees={"min": 51, "max": 200},
        revenue={"min": 1_000_000, "currency": "EUR"},
        technologies=["C++", "SAP"],
        founded=1998,
        city="München",
        country="Germany",
    )
    row = await one(db)
    assert (row["name_key"], row["domain"], row["region"]) == ("acme", "acme.de", "DE-BY")
    assert (row["industries"], row["industry"]) == (["machinery-tools", "robotics"], "Robotics")
    assert (row["employees_min"], row["employees_max"], row["headcount_bands"]) == (51, 200, ["51-200"])
    assert (row["revenue_min"], row["revenue_max"], row["revenue_currency"]) == (1_000_000, None, "EUR")
    assert (row["technologies"], row["founded_year"]) == (["cplusplus", "sap"], 1998)
    terms = await fetch(db, "SELECT code, display_name FROM vocabulary_terms WHERE kind = 'technology'")
    assert {(term["code"], term["display_name"]) for term in terms} == {("cplusplus", "C++"), ("sap", "SAP")}


@pytest.mark.parametrize(
    "values, path",
    [
        ({"website": "acme.de"}, "name"),
        ({"name": "Acme", "domain": "gmail.com"}, "domain"),
        ({"name": "Acme", "domain": "no domain"}, "domain"),
        ({"name": "Acme", "employees": {"min": 5, "max": 2}}, "employees"),
        ({"name": "Acme", "employees": {"min": "many"}}, "employees"),
        ({"name": "Acme", "employees": {}}, "employees"),
        ({"name": "Acme", "technologies": [1]}, "technologies"),
        ({"name": "Acme", "technologies": {"a": 1}}, "technologies"),
        ({"name": "Acme", "founded": "soon"}, "founded"),
        ({"name": "Acme", "funding_stage": "series q"}, "funding_stage"),
        ({"name": "Acme", "symbol": "A"}, "symbol"),
    ],
)
async def test_what_cannot_be_read_is_told_by_field(create, values, path):
    with pytest.raises(Invalid) as error:
        await create(**values)
    assert [problem["path"] for problem in error.value.facts["errors"]] == [path]


async def test_a_domain_is_one_organizations(create, update):
    first = await create(name="Acme", domain="acme.de")
    with pytest.raises(edits.Duplicate) as error:
        await create(name="Acme Holding", domain="acme.de")
    assert error.value.facts["id"] == first
    second = await create(name="Beta", domain="beta.de")
    with pytest.raises(edits.Duplicate):
        await update(second, domain="acme.de")
    await update(first, domain="acme.de")


async def test_null_erases_and_an_edit_wins_over_every_file(db, settings, update):
    cells = {"id": "1", "name": "Acme", "website": "acme.de", "industry": "Tools", "founded": "1998"}
    await import_organizations(db, settings, cells)
    number = (await one(db))["id"]
    await update(number, founded=None, industry="Robotics", website=None)
    row = await one(db)
    assert (row["founded_year"], row["industry"], row["website"], row["domain"]) == (
        None,
        "Robotics",
        None,
        None,
    )
    await import_organizations(db, settings, cells | {"founded": "1999", "industry": "Toys"})
    row = await one(db)
    assert (row["founded_year"], row["industry"]) == (None, "Robotics")
    with pytest.raises(Invalid):
        await update(number, name=None)


async def test_deleting_keeps_the_people(db, settings):
    await import_contacts(db, settings, {"id": "1", "last_name": "Weiß", "company": "Acme"})
    number = (await one(db))["id"]
    async with db.transaction(SERVICE) as session:
        await organizations.delete(session, organization_id=number)
    assert await fetch(db, "SELECT organization_id FROM contacts") == [{"organization_id": None}]
    assert await fetch(db, "SELECT organization_id FROM organization_sources") == []
    async with db.transaction(SERVICE) as session:
        with pytest.raises(NotFound):
            await organizations.delete(session, organization_id=number)


async def test_an_absent_organization_is_not_found(update):
    with pytest.raises(NotFound):
        await update(OrganizationId(4711), name="Acme")
