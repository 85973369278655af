"""Who is whom: sources, keys, strong keys, and what a source's word changes."""

import asyncio
from datetime import timedelta

import pytest

from core import clock
from tests.domain.imports.support import (
    fetch,
    import_contacts,
    import_organizations,
    import_positions,
    start,
)

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
ACME = {"id": "a", "name": "Acme GmbH", "website": "https://acme.example", "country": "Germany"}


def without(cells, *names):
    return {name: text for name, text in cells.items() if name not in names}


async def contacts(db):
    return await fetch(db, "SELECT * FROM contacts ORDER BY id")


async def organizations(db):
    return await fetch(db, "SELECT * FROM organizations ORDER BY id")


async def trace(db):
    """Everything that a re-import must leave as it is."""
    return [
        await fetch(db, sql)
        for sql in (
            "SELECT * FROM contacts ORDER BY id",
            "SELECT * FROM organizations ORDER BY id",
            "SELECT * FROM contact_sources ORDER BY source_id, source_key",
            "SELECT * FROM organization_sources ORDER BY source_id, source_key",
            "SELECT * FROM employment_history ORDER BY id",
            "SELECT * FROM vocabulary_terms ORDER BY kind, code",
            "SELECT max(seq), count(*) FROM search_dirty",
        )
    ]


# ---- one source ----


async def test_a_new_row_makes_a_contact_and_its_company(db, settings):
    outcome = await import_contacts(db, settings, ANNA)
    assert outcome.counts == {"created": 1, "organizations_created": 1, "updated": 0, "unchanged": 0}
    [row] = await contacts(db)
    assert (row["full_name"], row["name_search"]) == ("Anna Müller", "anna muller")
    assert row["email"] == "Anna.Mueller@acme.example"
    assert (row["country"], row["region"], row["phone"]) == ("DE", "DE-BE", "+4930901820")
    assert (row["seniority"], row["departments"]) == ("vp", ["sales"])
    [company] = await organizations(db)
    assert (company["id"], company["name"]) == (row["organization_id"], "Acme GmbH")
    assert (company["name_key"], company["domain"]) == ("acme", "acme.example")


async def test_the_same_rows_again_change_nothing_and_take_no_id(db, settings):
    rows = [
        ANNA,
        {"last_name": "Weiß", "email": "w@acme.example"},
        {"full_name": "Jo Doe", "company": "Acme"},
    ]
    companies = [ACME | {"industry": "Tools", "aliases": "Acme Works"}, {"name": "Beta", "country": "France"}]
    await import_organizations(db, settings, *companies)
    await import_contacts(db, settings, *rows)
    before = await trace(db)
    again = await import_organizations(db, settings, *companies)
    assert again.counts == {"unchanged": 2}
    again = await import_contacts(db, settings, *rows)
    assert again.counts == {"unchanged": 3}
    assert await trace(db) == before
    await import_contacts(db, settings, {"id": "9", "last_name": "Next"})
    ids = [row["id"] for row in await contacts(db)]
    assert ids == list(range(ids[0], ids[0] + 4))


async def test_another_day_only_the_statement_notes_that_it_was_seen(db, settings):
    await import_contacts(db, settings, ANNA)
    before = await trace(db)
    with clock.shifted(timedelta(days=3)):
        await import_contacts(db, settings, ANNA)
    after = await trace(db)
    assert [before[n] for n in (0, 1, 3, 6)] == [after[n] for n in (0, 1, 3, 6)]
    [statement] = after[2]
    assert statement["last_seen"] - statement["first_seen"] == timedelta(days=3)


async def test_a_changed_value_replaces_and_the_old_one_is_kept(db, settings):
    await import_contacts(db, settings, ANNA)
    with clock.shifted(timedelta(days=2)):
        outcome = await import_contacts(db, settings, ANNA | {"title": "CTO", "last_name": "Schmidt"})
    assert outcome.counts["updated"] == 1
    [row] = await contacts(db)
    assert (row["title"], row["seniority"], row["departments"]) == ("CTO", "c_suite", ["engineering"])
    assert (row["name_search"], row["name_sort"], row["name_terms"]) == (
        "anna schmidt",
        "schmidt anna",
        ["anna", "schmidt"],
    )
    assert row["updated_at"] - row["created_at"] >= timedelta(days=2)
    [said] = await fetch(db, "SELECT * FROM contact_sources")
    assert said["values"]["title"] == "CTO"
    assert {(old["field"], old["value"]) for old in said["superseded"]} == {
        ("title", "VP Sales"),
        ("last_name", "Müller"),
    }
    assert set(said["since"]) == {"title", "last_name"}


async def test_an_absent_value_erases_nothing(db, settings):
    await import_contacts(db, settings, ANNA)
    before = await contacts(db)
    outcome = await import_contacts(db, settings, without(ANNA, "title", "phone", "city"))
    assert outcome.counts["updated"] == 0
    assert await contacts(db) == before


async def test_a_new_address_forgets_what_was_known_of_the_old_one(db, settings):
    await import_contacts(db, settings, ANNA | {"email_status": "valid", "email_verified_at": "2026-01-01"})
    await import_contacts(db, settings, ANNA | {"email": "am@acme.example"})
    [row] = await contacts(db)
    assert (row["email"], row["email_status"], row["email_verified_at"]) == ("am@acme.example", None, None)


async def test_a_key_given_twice_counts_once(db, settings):
    outcome = await import_contacts(db, settings, ANNA, ANNA, ANNA | {"title": "CTO"})
    assert (outcome.counts["created"], outcome.counts["repeated"], outcome.counts["rejected"]) == (1, 1, 1)
    assert (await contacts(db))[0]["title"] == "VP Sales"
    before = await trace(db)
    await import_contacts(db, settings, ANNA, ANNA, ANNA | {"title": "CTO"})
    assert await trace(db) == before


async def test_a_repetition_in_a_later_batch_of_the_run_counts_as_little(db, settings):
    run = await start(db, settings)
    await import_contacts(db, settings, ANNA, run=run)
    outcome = await import_contacts(db, settings, ANNA | {"title": "CTO"}, run=run)
    assert outcome.counts["rejected"] == 1
    assert (await contacts(db))[0]["title"] == "VP Sales"


# ---- rows without a key of their own ----


async def test_without_ids_rows_are_known_by_address_then_by_name(db, settings):
    row = without(ANNA, "id")
    await import_contacts(db, settings, row)
    assert (await import_contacts(db, settings, row)).counts == {"unchanged": 1}
    await import_contacts(db, settings, row | {"title": "CEO"})
    [after] = await contacts(db)
    assert after["title"] == "CEO"
    nameless = {"full_name": "Jo Doe", "company": "Acme GmbH"}
    await import_contacts(db, settings, nameless)
    await import_contacts(db, settings, nameless | {"email": "jo@acme.example"})
    assert len(await contacts(db)) == 2


async def test_a_shared_mailbox_keeps_two_people(db, settings):
    anna = {"first_name": "Anna", "last_name": "Müller", "email": "info@acme.example"}
    bert = {"first_name": "Bert", "last_name": "Schulz", "email": "info@acme.example"}
    await import_contacts(db, settings, anna, bert)
    assert [row["first_name"] for row in await contacts(db)] == ["Anna", "Bert"]
    before = await trace(db)
    for rows in ((anna, bert), (bert, anna)):
        assert (await import_contacts(db, settings, *rows)).counts == {"unchanged": 2}
        assert await trace(db) == before


async def test_rows_without_any_id_are_never_lost_to_each_other(db, settings):
    cto, ceo = ({"full_name": "Jo Doe", "company": "Acme", "title": title} for title in ("CTO", "CEO"))
    outcome = await import_contacts(db, settings, cto, ceo, cto)
    assert (outcome.counts["created"], outcome.counts["repeated"], outcome.counts["rejected"]) == (2, 1, 0)
    before = await trace(db)
    for rows in ((cto, ceo), (ceo, cto)):
        assert (await import_contacts(db, settings, *rows)).counts == {"unchanged": 2}
    listings = [{"name": "Acme", "country": "DE", "industry": name} for name in ("Tools", "Toys", "Games")]
    outcome = await import_organizations(db, settings, *listings, source="list")
    assert outcome.counts["rejected"] == 0
    assert before[0] == (await trace(db))[0]


async def test_second_records_of_a_person_stay_apart(db, settings):
    await import_contacts(
        db,
        settings,
        ANNA,
        ANNA | {"id": "2", "first_name": "Anne", "email": "anne.mueller@acme.example"},
        {"id": "3", "first_name": "A.", "last_name": "Müller", "company": "Acme GmbH"},
    )
    assert len(await contacts(db)) == 3


# ---- several sources ----


async def test_another_source_meets_the_same_person_by_address(db, settings):
    await import_contacts(db, settings, ANNA)
    other = {"id": "x7", "full_name": "Anna Mueller", "email": "ANNA.MUELLER@acme.example", "title": "CRO"}
    outcome = await import_contacts(db, settings, other, source="list")
    assert (outcome.counts["created"], outcome.counts["updated"]) == (0, 1)
    [row] = await contacts(db)
    # What it says for the first time is news; what it does not say stays.
    assert (row["title"], row["phone"]) == ("CRO", "+4930901820")
    names = {r["id"]: r["name"] for r in await fetch(db, "SELECT id, name FROM sources")}
    assert names[row["provenance"]["title"]] == "list"
    assert names[row["provenance"]["phone"]] == "crm"
    # The first source says what it has always said: no news.
    await import_contacts(db, settings, ANNA)
    assert (await contacts(db))[0]["title"] == "CRO"


async def test_an_address_with_another_name_is_another_person(db, settings):
    await import_contacts(db, settings, ANNA)
    await import_contacts(
        db, settings, {"id": "x", "full_name": "Bert Schulz", "email": ANNA["email"]}, source="list"
    )
    assert len(await contacts(db)) == 2


async def test_a_profile_meets_the_same_person(db, settings):
    await import_contacts(db, settings, ANNA | {"linkedin_url": "linkedin.com/in/anna"})
    other = {"id": "x", "full_name": "Anna Schmidt", "linkedin_url": "https://www.linkedin.com/in/ANNA/?x=1"}
    await import_contacts(db, settings, other, source="list")
    assert len(await contacts(db)) == 1


async def test_two_rows_of_one_batch_meet_each_other(db, settings):
    await import_contacts(db, settings, ANNA, ANNA | {"id": "2", "title": "CTO", "middle_name": "Maria"})
    [row] = await contacts(db)
    # The second key of the same source only adds.
    assert (row["title"], row["middle_name"]) == ("VP Sales", "Maria")
    before = await trace(db)
    await import_contacts(db, settings, ANNA, ANNA | {"id": "2", "title": "CTO", "middle_name": "Maria"})
    assert await trace(db) == before


# ---- companies ----


async def test_listings_of_one_company_are_one(db, settings):
    await import_organizations(
        db,
        settings,
        {"id": "NTO", "name": "Nintendo Co., Ltd.", "website": "nintendo.co.jp", "country": "Japan"},
        {"id": "NTDOY", "name": "NINTENDO CO LTD", "country": "Japan"},
        {"id": "HVPD", "name": "HarbourVest Global Private Equity Ltd.", "country": "Guernsey"},
        {"id": "HVPE", "name": "HarbourVest Global Private Equity", "country": "Thailand"},
    )
    assert [row["name_key"] for row in await organizations(db)] == [
        "nintendo",
        "harbourvest global private equity",
    ]
    keys = await fetch(db, "SELECT count(*) AS n FROM organization_sources GROUP BY organization_id")
    assert [row["n"] for row in keys] == [2, 2]


@pytest.mark.parametrize(
    "one, other",
    [
        ({"name": "Argan SA", "website": "argan.fr"}, {"name": "Argan, Inc.", "website": "arganinc.com"}),
        (
            {"name": "Autohaus Müller GmbH", "city": "Berlin", "country": "DE"},
            {"name": "Autohaus Müller GmbH", "city": "Hamburg", "country": "DE"},
        ),
        ({"name": "Phoenix Ltd", "country": "GB"}, {"name": "Phoenix Ltd", "country": "IL"}),
        ({"name": "Alphabet Inc. (Class A)"}, {"name": "Alphabet Inc. (Class C)"}),
        (
            {"name": "Charter Hall Group", "website": "ch.example"},
            {"name": "Charter Hall Retail", "website": "ch.example"},
        ),
        ({"name": "CRH plc", "website": "rh.com"}, {"name": "iRhythm Technologies", "website": "rh.com"}),
    ],
)
async def test_different_companies_stay_apart(db, settings, one, other):
    await import_organizations(db, settings, one | {"id": "1"}, other | {"id": "2"})
    assert len(await organizations(db)) == 2
    before = await trace(db)
    await import_organizations(db, settings, one | {"id": "1"}, other | {"id": "2"})
    assert await trace(db) == before


@pytest.mark.parametrize(
    "one, other",
    [
        ({"name": "BMW Group", "website": "bmw.com"}, {"name": "BMW AG", "website": "www.bmw.com"}),
        (
            {"name": "International Business Machines", "website": "ibm.com"},
            {"name": "IBM", "website": "ibm.com"},
        ),
        ({"name": "Siemens AG", "website": "siemens.com"}, {"name": "Siemens", "website": "siemens.com"}),
    ],
)
async def test_two_sources_meet_at_a_domain(db, settings, one, other):
    await import_organizations(db, settings, one | {"id": "1"})
    await import_organizations(db, settings, other | {"id": "2"}, source="list")
    assert len(await organizations(db)) == 1


async def test_a_doubtful_domain_is_left_out_and_reported(db, settings):
    rows = [
        {"id": "1", "name": "CRH plc", "website": "http://www.rh.com"},
        {"id": "2", "name": "iRhythm Technologies, Inc.", "website": "http://www.rh.com"},
        {"id": "3", "name": "Weyerhaeuser Company", "website": "http://www.rh.com"},
    ]
    outcome = await import_organizations(db, settings, *rows)
    assert [place for place, *_ in outcome.dropped] == [1, 2]
    assert "crh" in outcome.dropped[0][3]
    # Three companies of different names claim it: it is nobody's.
    assert [row["domain"] for row in await organizations(db)] == [None, None, None]


async def test_a_domain_goes_to_the_company_it_is_named_after(db, settings):
    await import_organizations(db, settings, {"id": "1", "name": "CRH plc", "website": "rh.com"})
    await import_organizations(db, settings, {"id": "2", "name": "RH", "website": "rh.com"}, source="list")
    assert {row["name"]: row["domain"] for row in await organizations(db)} == {
        "CRH plc": None,
        "RH": "rh.com",
    }


@pytest.mark.parametrize(
    "website", ["https://www.linkedin.com/company/acme", "gmail.com", "acme.wixsite.com/home"]
)
async def test_a_host_of_many_is_no_companys_domain(db, settings, website):
    await import_organizations(db, settings, {"id": "1", "name": "Acme", "website": website})
    [row] = await organizations(db)
    assert row["domain"] in {None, "acme.wixsite.com"}


# ---- the companies of contacts ----


async def test_a_company_is_found_by_key_then_domain_then_name(db, settings):
    await import_organizations(db, settings, ACME, {"id": "b", "name": "Beta SA", "aliases": "Beta Works"})
    acme, beta = [row["id"] for row in await organizations(db)]
    people = [
        {"id": "1", "last_name": "A", "company_id": "a"},
        {"id": "2", "last_name": "B", "company": "Acme International", "company_domain": "acme.example"},
        {"id": "3", "last_name": "C", "company": "ACME"},
        {"id": "4", "last_name": "D", "company": "beta works"},
        {"id": "5", "last_name": "E", "email": "e@acme.example"},
        {"id": "6", "last_name": "F", "email": "f@gmail.com"},
        {"id": "7", "last_name": "G", "company": "Acme GmbH", "company_domain": "acme-group.example"},
    ]
    outcome = await import_contacts(db, settings, *people)
    linked = [row["organization_id"] for row in await contacts(db)]
    assert linked[:6] == [acme, acme, acme, beta, acme, None]
    assert outcome.counts["organizations_created"] == 1
    assert linked[6] not in {acme, beta, None}


async def test_a_free_mail_host_makes_no_company(db, settings):
    await import_contacts(db, settings, {"last_name": "A", "email": "a@gmail.com", "company": "Gmail Fans"})
    assert [(row["name"], row["domain"]) for row in await organizations(db)] == [("Gmail Fans", None)]


async def test_keys_of_another_source_count_where_only_that_knows_them(db, settings):
    await import_organizations(db, settings, ACME, source="companies")
    people = {"id": "1", "last_name": "A", "company_id": "a", "company": "Acme"}
    await import_contacts(db, settings, people, source="people")
    assert len(await organizations(db)) == 1
    stranger = {"id": "2", "last_name": "B", "company_id": "a", "company": "Quite Another"}
    await import_contacts(db, settings, stranger, source="people")
    assert [row["name"] for row in await organizations(db)] == ["Acme GmbH", "Quite Another"]


async def test_a_company_made_for_a_contact_is_filled_in_by_its_own_file(db, settings):
    await import_contacts(
        db,
        settings,
        {"id": "1", "last_name": "A", "company": "Acme", "company_id": "a"},
        {"id": "2", "last_name": "B", "company": "Beta"},
    )
    await import_organizations(db, settings, ACME)
    await import_organizations(db, settings, {"id": "z", "name": "Beta Ltd", "country": "GB"}, source="list")
    rows = await organizations(db)
    assert [(row["name"], row["domain"], row["country"]) for row in rows] == [
        ("Acme GmbH", "acme.example", "DE"),
        ("Beta Ltd", None, "GB"),
    ]


async def test_a_changed_employer_moves_the_contact(db, settings):
    await import_contacts(db, settings, ANNA)
    await import_contacts(db, settings, ANNA | {"company": "Beta AG", "company_domain": "beta.example"})
    [row] = await fetch(db, "SELECT o.name FROM contacts c JOIN organizations o ON o.id = c.organization_id")
    assert row["name"] == "Beta AG"


# ---- positions ----


async def test_positions_are_linked_and_tell_since_when(db, settings):
    await import_contacts(
        db, settings, ANNA, {"id": "2", "last_name": "B", "email": "b@acme.example"}, source="p"
    )
    rows = [
        {
            "contact_id": "1",
            "company": "Beta AG",
            "title": "CTO",
            "start_date": "2010",
            "end_date": "2015-03-01",
        },
        {
            "contact_id": "1",
            "company": "Acme GmbH",
            "title": "VP Sales",
            "start_date": "2015-04-01",
            "end_date": "present",
        },
        {"contact_email": "B@acme.example", "company": "Acme", "title": "Intern"},
        {"contact_id": "99", "company": "Acme", "title": "Intern"},
    ]
    outcome = await import_positions(db, settings, *rows)
    assert (outcome.counts["created"], outcome.counts["rejected"]) == (3, 1)
    found = await fetch(db, "SELECT * FROM employment_history ORDER BY id")
    assert [row["is_past"] for row in found] == [True, False, False]
    assert found[0]["title_terms"]
    assert [row["organization_id"] is None for row in found] == [True, False, False]
    assert str((await contacts(db))[0]["position_started_on"]) == "2015-04-01"
    before = await trace(db)
    await import_positions(db, settings, *rows)
    assert await trace(db) == before


async def test_a_position_that_has_ended_is_closed(db, settings):
    await import_contacts(db, settings, ANNA)
    row = {"contact_id": "1", "company": "Acme GmbH", "title": "CTO", "start_date": "2010-01-01"}
    await import_positions(db, settings, row)
    outcome = await import_positions(db, settings, row | {"end_date": "2020-01-01"})
    assert outcome.counts["updated"] == 1
    [found] = await fetch(db, "SELECT * FROM employment_history")
    assert found["is_past"]


# ---- two at once ----


async def test_two_imports_at_once_make_no_doubles_and_do_not_wait_for_ever(db, settings):
    rows = [
        {"id": str(n), "last_name": f"Name{n}", "email": f"n{n}@acme.example", "company": f"Company {n % 7}"}
        for n in range(60)
    ]
    async with asyncio.timeout(60):
        await asyncio.gather(
            *(
                import_contacts(db, settings, *rows[::step], source=f"s{number}")
                for number, step in enumerate((1, -1, 1, -1))
            ),
            *(
                import_organizations(
                    db,
                    settings,
                    *[{"id": str(n), "name": f"Company {n}"} for n in range(7)][::step],
                    source=source,
                )
                for source, step in (("s0", 1), ("s1", -1))
            ),
        )
    assert len(await contacts(db)) == 60
    assert len(await fetch(db, "SELECT source_key FROM contact_sources")) == 240
