"""Who is whom: sources, keys, strong keys, and what a source's word changes."""

import pytest

from tests.domain.imports.support import fetch, import_contacts

pytestmark = pytest.mark.usefixtures("clean_database")

ANNA = {
    "id": "1",
    "first_name": "Anna",
    "last_name": "Müller",
    "email": "Anna.Mueller@acme.example",
    "title": "VP Sales",
    "company": "Acme GmbH",
    "company_domain": "acme.example",
    "city": "Berlin",
    "country": "Germany",
    "phone": "030 901820",
}


async def test_a_new_row_makes_a_contact_and_its_company(db, settings):
    outcome = await import_contacts(db, settings, ANNA)
    assert outcome.counts == {"created": 1, "organizations_created": 1, "updated": 0, "unchanged": 0}
    [row] = await fetch(
        db,
        "SELECT c.*, o.name AS company, o.domain FROM contacts c JOIN organizations o ON o.id = organization_id",
    )
    assert (row["full_name"], row["name_search"], row["email"]) == (
        "Anna Müller",
        "anna muller",
        "Anna.Mueller@acme.example",
    )
    assert (row["country"], row["region"], row["phone"]) == ("DE", "DE-BE", "+4930901820")
    assert (row["company"], row["domain"]) == ("Acme GmbH", "acme.example")


async def test_the_same_rows_again_change_nothing(db, settings):
    await import_contacts(db, settings, ANNA)
    before = await fetch(db, "SELECT * FROM contacts"), await fetch(db, "SELECT max(seq) FROM search_dirty")
    outcome = await import_contacts(db, settings, ANNA)
    assert outcome.counts == {"unchanged": 1}
    assert before == (
        await fetch(db, "SELECT * FROM contacts"),
        await fetch(db, "SELECT max(seq) FROM search_dirty"),
    )
