"""The documents hold what can be asked, nothing secret, and no column that the feed does not watch."""

import re

import pytest
from sqlalchemy import text

from db import indexed
from db.sessions import SERVICE, member
from search import documents
from search.fields import FIELDS
from tests.search import world as w


@pytest.fixture(scope="module")
async def world(db, wipe):
    await wipe()
    built = await w.build(db, seed=3, contacts=20, organizations=5)
    yield built
    await wipe()


async def test_every_document_fits_its_mapping(db, world):
    for entity in ("contacts", "organizations"):
        allowed = set(documents.mappings(entity)["properties"])
        async with db.transaction(SERVICE, read_only=True) as session:
            ids = list(world.contacts if entity == "contacts" else world.organizations)
            found = await documents.read(session, entity, [*ids, 10**9])
        assert set(found) == set(ids)
        for document in found.values():
            assert set(document) <= allowed
            assert None not in document.values()


async def test_addresses_and_numbers_are_not_in_a_document(db, world):
    secrets = {str(row[k]) for row in world.contacts.values() for k in ("email", "phone") if row[k]}
    async with db.transaction(SERVICE, read_only=True) as session:
        for body in (await documents.read_json(session, "contacts", list(world.contacts))).values():
            assert not [secret for secret in secrets if secret.encode() in body]


async def test_a_member_may_read_the_documents(db, world):
    async with db.transaction(member(world.users[0]), read_only=True) as session:
        assert await documents.read_json(session, "contacts", list(world.contacts)[:3])


@pytest.mark.parametrize("entity", ["contacts", "organizations"])
def test_the_feed_watches_every_column_that_a_document_reads(entity):
    sql = documents._SELECT[entity]()
    read = {alias: set(re.findall(rf"\b{alias}\.([a-z_]+)", sql)) - {"id"} for alias in ("c", "o", "e")}
    if entity == "contacts":
        assert read["c"] <= indexed.CONTACTS
        assert read["o"] <= indexed.ORGANIZATIONS_IN_CONTACTS
        assert read["e"] <= indexed.EMPLOYMENT_HISTORY
    else:
        assert read["o"] <= indexed.ORGANIZATIONS
    assert not {"email", "phone", "email_hash", "phone_hash", "linkedin_hash"} & read["c"]


def test_the_schema_hash_tells_entities_and_changes_apart(monkeypatch):
    before = documents.schema_hash("contacts")
    assert before != documents.schema_hash("organizations")
    changed = dict(FIELDS["contacts"])
    changed.pop("has_phone")
    monkeypatch.setitem(FIELDS, "contacts", changed)
    assert documents.schema_hash("contacts") != before


async def test_open_intervals_have_both_ends(db, world):
    async with db.transaction(SERVICE, read_only=True) as session:
        found = await documents.read(session, "organizations", list(world.organizations))
    for ident, row in world.organizations.items():
        low, high = row["employees_min"], row["employees_max"]
        document = found[ident]
        if low is None and high is None:
            assert "employees_min" not in document
            assert "employees_max" not in document
        else:
            assert document["employees_min"] == (low or 0)
            assert document["employees_max"] == (documents.OPEN_END if high is None else high)


async def test_an_erased_record_has_no_document(db, world):
    async with db.transaction(SERVICE) as session:
        gone = await session.execute(
            text("INSERT INTO app.contacts (first_name, email) VALUES ('X', 'x@gone.example') RETURNING id")
        )
        ident = gone.scalar_one()
        await session.execute(text("DELETE FROM app.contacts WHERE id = :i"), {"i": ident})
        assert await documents.read(session, "contacts", [ident]) == {}


async def test_a_line_break_in_a_value_stays_in_its_document(db, world):
    """Documents come in one text with a line for each."""
    first, second, *_ = world.contacts
    async with db.transaction(SERVICE) as session:
        await session.execute(
            text("UPDATE app.contacts SET title = E'VP\\nSales\\r\\u2028' WHERE id = :i"), {"i": first}
        )
        found = await documents.read(session, "contacts", [first, second])
        await session.rollback()
    assert found[first]["shown"]["title"] == "VP\nSales\r\u2028"
    assert set(found) == {first, second}
