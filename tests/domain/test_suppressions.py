"""Who has asked not to be kept does not come back, and the list does not say who that is."""

import dataclasses

import pytest

from db.sessions import SERVICE
from domain import suppressions
from domain.marks import keyed_hash
from tests.domain.imports.support import fetch, import_contacts, import_organizations

pytestmark = pytest.mark.usefixtures("clean_database")

ANNA = {
    "id": "1",
    "last_name": "Müller",
    "email": "Anna@acme.example",
    "phone": "+4930901820",
    "linkedin_url": "linkedin.com/in/anna",
    "company": "Acme",
    "company_domain": "acme.example",
}


@pytest.fixture
def suppress(db, settings):
    async def add(kind, value):
        async with db.transaction(SERVICE) as session:
            return await suppressions.add(
                session, privacy=settings.privacy, kind=kind, value=value, reason="asked"
            )

    return add


@pytest.mark.parametrize(
    "kind, value",
    [
        ("email", "anna@acme.example"),
        ("phone", "+4930901820"),
        ("linkedin", "https://www.linkedin.com/in/anna"),
        ("domain", "acme.example"),
    ],
)
async def test_a_suppressed_value_keeps_the_person_out(db, settings, suppress, kind, value):
    await suppress(kind, value)
    outcome = await import_contacts(db, settings, ANNA, {"id": "2", "last_name": "Schulz"})
    assert (outcome.counts["suppressed"], outcome.counts["created"]) == (1, 1)
    assert [row["last_name"] for row in await fetch(db, "SELECT last_name FROM contacts")] == ["Schulz"]
    assert await fetch(db, "SELECT id FROM organizations") == []


@pytest.mark.parametrize("kind, value", [("email", "anna@acme.example"), ("phone", "+4930901820")])
async def test_suppressing_removes_who_is_there(db, settings, suppress, kind, value):
    await import_contacts(db, settings, ANNA)
    assert await suppress(kind, value) is True
    assert await suppress(kind, value) is False
    assert await fetch(db, "SELECT id FROM contacts") == []
    outcome = await import_contacts(db, settings, ANNA)
    assert outcome.counts["suppressed"] == 1


async def test_a_suppressed_company_stays_out(db, settings, suppress):
    await suppress("domain", "acme.example")
    cells = {"id": "1", "name": "Acme", "website": "https://acme.example"}
    assert (await import_organizations(db, settings, cells)).counts["suppressed"] == 1


async def test_the_list_says_nothing_without_the_key(db, settings, suppress):
    await suppress("email", "anna@acme.example")
    [row] = await fetch(db, "SELECT * FROM suppressions")
    assert b"anna" not in row["keyed_hash"]
    assert len(row["keyed_hash"]) == 32
    other = keyed_hash(b"another key", kind="email", value="anna@acme.example")
    assert row["keyed_hash"] != other
    phone = keyed_hash(b"k", kind="phone", value="1")
    assert phone != keyed_hash(b"k", kind="email", value="1")


async def test_without_a_key_nothing_enters(settings):
    with pytest.raises(suppressions.NoPrivacyKey):
        suppressions.require_key(dataclasses.replace(settings.privacy, hash_key=""))
