"""The case that the catalogue makes for an address, and learning from the catalogue as it is."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text

from core import clock
from core.errors import Invalid, NotFound
from core.ids import ContactId
from core.settings import ValidatorSettings
from db.sessions import SERVICE
from domain import suppressions
from domain.finder import evidence, store
from domain.finder.evidence import Query
from domain.finder.find import find
from domain.finder.model import Name, Sample
from domain.marks import keyed_hash

SETTINGS = ValidatorSettings()


@pytest.fixture
async def catalogue(db, clean_database):
    """A company whose mail is at another domain than its web site, with all sorts of addresses."""
    people = [
        ("Anna", "Keller", "a.keller@corp-mail.com", "valid"),
        ("Bernd", "Vogel", "b.vogel@corp-mail.com", "unknown"),
        ("Carla", "Stein", "c.stein+news@corp-mail.com", None),
        ("Dora", "Wolf", "dora.wolf@corp-mail.com", "invalid"),
        ("Info", "Desk", "info@corp-mail.com", "valid"),
        ("Emil", "Beck", "emil.beck@gmail.com", "webmail"),
        ("Fritz", "Lange", None, None),
        ("Frieda", "Lange", "f.lange@corp-mail.com", "valid"),
    ]
    async with db.transaction(SERVICE) as session:
        company = await session.scalar(
            text(
                "INSERT INTO organizations (name, name_key, name_sort, domain, country, alias_keys)"
                " VALUES ('Corp GmbH', 'corp', 'corp gmbh', 'corp-web.com', 'DE', '{corp worldwide}')"
                " RETURNING id"
            )
        )
        ids = {}
        for first, last, email, status in people:
            ids[f"{first} {last}"] = await session.scalar(
                text(
                    "INSERT INTO contacts (organization_id, first_name, last_name, email, email_status)"
                    " VALUES (:company, :first, :last, :email, :status) RETURNING id"
                ),
                {"company": company, "first": first, "last": last, "email": email, "status": status},
            )
    return ids


@pytest.fixture
def gather(db, settings):
    async def run(*, user_id=None, **query):
        async with db.transaction(SERVICE, read_only=True) as session:
            return await evidence.gather(
                session, Query(**query), user_id=user_id, privacy=settings.privacy, settings=SETTINGS
            )

    return run


async def test_the_domain_and_the_pattern_come_from_the_colleagues(catalogue, gather):
    case = await gather(contact_id=ContactId(catalogue["Fritz Lange"]))
    assert (case.domain, case.country, case.known) == ("corp-mail.com", "DE", None)
    assert sorted(sample.local for sample in case.samples) == ["a.keller", "b.vogel", "c.stein", "f.lange"]
    assert case.bounced == {"dora.wolf"}
    assert "f.lange" in case.taken
    answer = await find(case, store.Model())
    assert answer.email != "f.lange@corp-mail.com"


@pytest.mark.parametrize("company", ["Corp", "CORP GmbH", "Corp Worldwide Inc."])
async def test_a_company_is_found_by_its_names(catalogue, gather, company):
    case = await gather(first_name="Nora", last_name="Lind", company=company)
    assert case.domain == "corp-mail.com"
    assert (await find(case, store.Model())).email == "n.lind@corp-mail.com"


async def test_by_the_web_domain_mail_is_sought_where_it_is(catalogue, gather):
    case = await gather(first_name="Nora", last_name="Lind", domain="https://www.corp-web.com/about")
    assert case.domain == "corp-mail.com"
    unknown = await gather(first_name="Nora", last_name="Lind", domain="elsewhere-lab.com")
    assert (unknown.domain, unknown.samples) == ("elsewhere-lab.com", ())


async def test_whom_we_have_is_known(catalogue, gather):
    case = await gather(first_name="anna", last_name="KELLER", domain="corp-web.com")
    assert case.known.address == "a.keller@corp-mail.com"
    bounced = await gather(first_name="Dora", last_name="Wolf", domain="corp-web.com")
    assert bounced.known is None


@pytest.fixture
def listed(db, settings):
    """Somebody of no company, known by an address alone."""

    async def add(first, last, email, status="valid"):
        mark = keyed_hash(settings.privacy.hash_key.encode(), kind="email", value=email)
        async with db.transaction(SERVICE) as session:
            return await session.scalar(
                text(
                    "INSERT INTO contacts (first_name, last_name, email, email_status, email_hash)"
                    " VALUES (:first, :last, :email, :status, :mark) RETURNING id"
                ),
                {"first": first, "last": last, "email": email, "status": status, "mark": mark},
            )

    return add


async def test_an_address_is_another_person_s_wherever_they_are_listed(listed, clean_database, gather):
    await listed("Nils", "Lind", "n.lind@far-lab.com")
    await listed("Nora", "Lindt", "n.lind2@far-lab.com")
    await listed("Nora", "Lindt", "nlind@far-lab.com", "invalid")
    case = await gather(first_name="Nora", last_name="Lind", domain="far-lab.com")
    assert {"n.lind", "n.lind2"} <= case.taken
    assert case.bounced == {"nlind"}
    samples = (Sample(Name("Anna", "", "Keller"), "a.keller"),) * 9
    answer = await find(replace(case, samples=samples), store.Model())
    assert answer.email == "n.lind3@far-lab.com"


async def test_whom_an_address_tells_is_known_at_whatever_company(listed, clean_database, gather):
    contact = await listed("Nora", "Lind", "nora.lind@far-lab.com")
    case = await gather(first_name="NORA", last_name="Lind", domain="far-lab.com")
    assert (case.contact_id, case.known.address) == (contact, "nora.lind@far-lab.com")
    other = await listed("Nora", "Lind", "nlind@far-lab.com")
    case = await gather(contact_id=ContactId(other), domain="far-lab.com")
    assert case.known.address == "nlind@far-lab.com"
    assert case.taken == {"nora.lind"}


async def test_what_cannot_be_sought_is_refused(catalogue, gather, db, settings):
    with pytest.raises(NotFound):
        await gather(contact_id=ContactId(2_000_000))
    with pytest.raises(Invalid):
        await gather(first_name="Nora", last_name="Lind", company="Nobody Knows Ltd")
    async with db.transaction(SERVICE) as session:
        await suppressions.add(
            session, privacy=settings.privacy, kind="domain", value="corp-mail.com", reason="objection"
        )
    with pytest.raises(evidence.Suppressed):
        await gather(first_name="Nora", last_name="Lind", domain="corp-mail.com")


async def test_size_and_country_of_the_company_are_part_of_the_case_and_of_what_is_learned(
    catalogue, gather, db
):
    async with db.transaction(SERVICE) as session:
        await session.execute(text("UPDATE organizations SET employees_min = 11, employees_max = 50"))
    case = await gather(first_name="Nora", last_name="Lind", company="Corp")
    assert (case.country, case.size) == ("DE", "11-50")
    async with db.transaction(SERVICE, read_only=True) as session:
        [company] = await evidence.companies(session, SETTINGS, limit=10)
    assert (company.country, company.size) == ("DE", "11-50")


async def test_learning_is_kept_by_version_and_used(catalogue, db):
    async with db.transaction(SERVICE, read_only=True) as session:
        assert (await store.newest(session)).version == 0
    first, figures = await store.learn(db, SETTINGS)
    second, _ = await store.learn(db, SETTINGS)
    assert second.version == first.version + 1
    async with db.transaction(SERVICE, read_only=True) as session:
        newest = await store.newest(session)
        kept = await store.history(session)
    assert replace(newest, version=0).as_json() == replace(second, version=0).as_json()
    assert newest.prior.templates["f.last"] > newest.prior.templates["lastf"]
    assert [version for version, *_ in kept] == [second.version, first.version]
    assert figures.trials >= 0


async def test_what_has_changed_moves_the_newest_version_on(catalogue, db):
    first, _ = await store.learn(db, SETTINGS)
    assert await store.learn(db, SETTINGS, only_changed=True) is None
    async with db.transaction(SERVICE) as session:
        await session.execute(
            text(
                "UPDATE contacts SET email = 'bernd.vogel@corp-mail.com', updated_at = app.now()"
                " WHERE id = :id"
            ),
            {"id": catalogue["Bernd Vogel"]},
        )
    second, _ = await store.learn(db, SETTINGS, only_changed=True)
    assert second.version > first.version
    assert second.companies[""] == 2.0
    assert second.prior.templates["first.last"] > first.prior.templates["first.last"]


async def test_learning_is_due_once_a_day_and_anew_once_a_month(catalogue, db):
    async def due(**later):
        with clock.shifted(timedelta(**later)):
            return await store.learn_when_due(db, SETTINGS, aside=asyncio.to_thread)

    first = await due()
    assert first is not None
    assert await due(hours=23) is None
    assert await due(hours=25) is None  # nothing has changed
    anew = await due(days=31)
    assert anew > first


async def test_without_known_addresses_nothing_is_learned(db, clean_database):
    assert await store.learn_when_due(db, SETTINGS, aside=asyncio.to_thread) is None
