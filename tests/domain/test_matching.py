"""Whom we already have: how sure, and why; and no address in the answer."""

import dataclasses

import pytest

from core.errors import Invalid
from db.sessions import SERVICE
from domain import matching
from domain.matching import Candidate, Query
from tests.domain.imports.support import fetch, import_contacts

pytestmark = pytest.mark.usefixtures("clean_database")

PEOPLE = (
    {
        "id": "1",
        "first_name": "William",
        "last_name": "Müller",
        "email": "william.mueller@acme.example",
        "linkedin_url": "linkedin.com/in/wmueller",
        "company": "Acme GmbH",
        "company_domain": "acme.example",
    },
    {
        "id": "2",
        "first_name": "Anna",
        "last_name": "Klobuchar",
        "email": "info@beta.example",
        "company": "Beta AG",
    },
    {
        "id": "3",
        "first_name": "Bert",
        "last_name": "Schulz",
        "email": "info@beta.example",
        "company": "Beta AG",
    },
)


@pytest.fixture
def match(db, settings):
    async def ask(*queries):
        await import_contacts(db, settings, *PEOPLE)
        async with db.transaction(SERVICE, read_only=True) as session:
            found = await matching.match(session, queries)
        keys = {
            row["id"]: row["key"]
            for row in await fetch(db, "SELECT contact_id AS id, source_key AS key FROM contact_sources")
        }
        return [[(keys[c.contact_id], c.confidence, *c.reasons) for c in candidates] for candidates in found]

    return ask


async def test_addresses_find_their_owner(match):
    [by_email, by_profile, both] = await match(
        Query(email="William.Mueller@ACME.example"),
        Query(linkedin_url="https://de.linkedin.com/in/WMueller/"),
        Query(email="william.mueller@acme.example", linkedin_url="linkedin.com/in/wmueller"),
    )
    assert by_email == [("1", 0.97, "same e-mail address")]
    assert by_profile == [("1", 0.98, "same LinkedIn profile")]
    assert both[0][1] == 0.99


async def test_a_name_needs_a_company(match):
    [exact, umlaut, nickname, typo, initial, swapped, other] = await match(
        Query(name="William Müller", domain="acme.example"),
        Query(first_name="William", last_name="Mueller", company="ACME"),
        Query(name="Bill Müller", domain="www.acme.example"),
        Query(name="Anna Klubuchar", company="Beta"),
        Query(name="W. Müller", domain="acme.example"),
        Query(name="Müller, William", domain="acme.example"),
        Query(name="William Müller", domain="other.example"),
    )
    assert exact == [("1", 0.9, "same name at the same domain")]
    assert umlaut[0][0] == "1"
    assert umlaut[0][1] >= 0.6
    assert nickname[0][:2] == ("1", 0.7)
    assert typo[0][:2] == ("2", 0.65)
    assert initial[0][0] == "1"
    assert swapped[0][1] == 0.9
    assert other == []


async def test_a_shared_mailbox_is_weak_without_a_name(match):
    [mailbox, named, stranger] = await match(
        Query(email="info@beta.example"),
        Query(email="info@beta.example", name="Bert Schulz"),
        Query(email="william.mueller@acme.example", name="Zoë Quint"),
    )
    assert [row[:2] for row in mailbox] == [("2", 0.5), ("3", 0.5)]
    assert named[0][:2] == ("3", 0.97)
    assert stranger == [("1", 0.35, "same e-mail address, other name")]


async def test_nothing_of_an_address_is_returned():
    assert {f.name for f in dataclasses.fields(Candidate)} == {"contact_id", "confidence", "reasons"}


@pytest.mark.parametrize(
    "query, path",
    [
        (Query(), "queries[0]"),
        (Query(name="Anna Müller"), "queries[0]"),
        (Query(company="Acme"), "queries[0]"),
        (Query(name="%", company="Acme"), "queries[0]"),
        (Query(email="nonsense"), "queries[0].email"),
        (Query(linkedin_url="https://www.linkedin.com/company/acme"), "queries[0].linkedin_url"),
        (Query(name="Anna", domain="no domain"), "queries[0].domain"),
    ],
)
async def test_a_query_that_says_too_little_is_refused(match, query, path):
    with pytest.raises(Invalid) as error:
        await match(query)
    assert [problem["path"] for problem in error.value.facts["errors"]] == [path]


async def test_a_hundred_at_once_and_no_more(match):
    assert len(await match(*[Query(email=f"nobody{n}@acme.example") for n in range(100)])) == 100
    with pytest.raises(Invalid):
        await match(*[Query(email=f"nobody{n}@acme.example") for n in range(101)])


@pytest.mark.parametrize("text", ["M%ller", "M_ller", "' OR 1=1 --", "a\\b", "a & b | c", "mull*", "a\x00b"])
async def test_syntax_is_text(match, text):
    assert await match(Query(name=text, company="Acme")) == [[]]
