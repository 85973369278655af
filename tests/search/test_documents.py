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
    sql = " ".join(each.text for each in documents._READ[entity])
    read = {alias: set(re.findall(rf"\b{alias}\.([a-z_]+)", sql)) - {"id"} for alias in ("c", "o", "e")}
    if entity == "contacts":
        assert read["c"] <= indexed.CONTACTS
        assert read["o"] <= indexed.ORGANIZATIONS_IN_CONTACTS
        assert read["e"] <= indexed.EMPLOYMENT_HISTORY
    else:
        assert read["o"] <= indexed.ORGANIZATIONS
    assert not {"email", "phone", "email_hash", "phone_hash", "linkedin_hash"} & read["c"]


@pytest.mark.parametrize("kept_at_most", [0, 2, 1_000])
async def test_documents_are_the_same_whatever_is_kept_of_companies(db, world, monkeypatch, kept_at_most):
    monkeypatch.setattr(documents, "KEPT_EMPLOYERS", kept_at_most)
    async with db.transaction(SERVICE, read_only=True) as session:
        ids = list(world.contacts)
        expected = await documents.read_json(session, "contacts", ids)
        employers: dict[int, documents.Employer] = {}
        found = {}
        for at in range(0, len(ids), 3):
            found |= await documents.read_json(session, "contacts", ids[at : at + 3], employers=employers)
            assert len(employers) <= max(kept_at_most, 3)
    assert found == expected


async def test_a_hash_tells_every_change_of_a_document(db, world):
    """Of the person as well as of the company, and of one that only swaps two values."""
    async with db.transaction(SERVICE) as session:
        contact = next(i for i, row in world.contacts.items() if row["organization_id"])
        values = {"i": contact, "company": world.contacts[contact]["organization_id"]}
        bodies = [await documents.read_json(session, "contacts", [contact])]
        for change in (
            "UPDATE app.contacts SET first_name = 'Kim', last_name = 'Lee' WHERE id = :i",
            "UPDATE app.contacts SET first_name = 'Lee', last_name = 'Kim' WHERE id = :i",
            "UPDATE app.organizations SET name = 'Renamed' WHERE id = :company",
        ):
            await session.execute(text(change), values)
            bodies.append(await documents.read_json(session, "contacts", [contact]))
        await session.rollback()
    hashes = [documents.content_hash(each[contact]) for each in bodies]
    assert len(set(hashes)) == len(hashes)
    assert all(0 <= each < 2**31 for each in hashes)


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
