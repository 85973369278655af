"""One row, read: what is kept of it, by which keys it is known, and when it is nobody."""

import subprocess
import sys

import orjson
import pytest

from domain.imports.position_rows import position_row
from domain.imports.reading import Habits
from domain.imports.rows import Context, RowRejected, contact_row, organization_row
from domain.imports.shapes import CONTACTS, ORGANIZATIONS
from domain.imports.values import DateHabit, NumberHabit

CONTEXT = Context(source_id=7, hash_key=b"key")


def stated(row):
    return orjson.loads(row.statement)


def contact(context=CONTEXT, extras=None, **cells):
    return contact_row(cells, context, extras or {})


def organization(context=CONTEXT, **cells):
    return organization_row(cells, context)


def columns_of(shape, row):
    names = [name for name in shape.columns if name != "organization_id"]
    cells = row.cells.split("\t")
    return dict(zip([*names, "statement", "raw", "digest", "provenance"], cells, strict=True))


def test_names_are_kept_as_written_and_compared_folded():
    row = contact(first_name="  Zoë ", last_name="O’Brien-Łukasz")
    assert stated(row) == {"first_name": "Zoë", "last_name": "O’Brien-Łukasz"}
    columns = columns_of(CONTACTS, row)
    assert columns["full_name"] == "Zoë O’Brien-Łukasz"
    assert columns["name_search"] == row.name
    assert row.name.startswith("zoe o")


@pytest.mark.parametrize(
    "full, first, middle, last",
    [
        ("Anna Müller", "Anna", None, "Müller"),
        ("Müller, Anna", "Anna", None, "Müller"),
        ("Dr. Anna Maria Müller", "Anna", "Maria", "Müller"),
        ("Ludwig van der Berg", "Ludwig", None, "van der Berg"),
        ("Madonna", None, None, "Madonna"),
    ],
)
def test_a_full_name_is_taken_apart(full, first, middle, last):
    values = stated(contact(full_name=full))
    assert (values.get("first_name"), values.get("middle_name"), values.get("last_name")) == (
        first,
        middle,
        last,
    )


def test_parts_of_a_name_beat_the_full_one():
    assert stated(contact(full_name="X Y", first_name="Anna", last_name="Müller"))["first_name"] == "Anna"


def test_a_value_that_cannot_be_read_is_dropped_and_its_row_kept():
    row = contact(
        last_name="Weiß",
        email="nonsense",
        phone="12",
        linkedin_url="https://www.linkedin.com/company/acme",
        country="Atlantis",
        email_status="great",
        position_started_on="31.02.2020",
        title="x" * 301,
    )
    assert set(stated(row)) == {"last_name", "location"}
    assert {problem.cell for problem in row.problems} == {
        "email",
        "phone",
        "linkedin_url",
        "country",
        "email_status",
        "position_started_on",
        "title",
    }


def test_the_raw_text_is_kept_where_it_differs():
    row = contact(last_name="Weiß", phone="(212) 555-0123", email="a@x.example", region="NY", country="USA")
    assert row.raw == {"phone": "(212) 555-0123"}
    place = stated(row)["location"]
    assert (place["text"], place["region"]) == ("NY, USA", "US-NY")
    assert stated(row)["phone"] == "+12125550123"


def test_the_phones_country_is_the_persons_then_the_files():
    assert stated(contact(last_name="W", phone="030 901820", country="DE"))["phone"] == "+4930901820"
    austrian = Context(source_id=7, hash_key=b"key", habits=Habits(phone_country="AT"))
    assert stated(contact(austrian, last_name="W", phone="01 58858"))["phone"] == "+43158858"


@pytest.mark.parametrize(
    "cells, keys",
    [
        ({"id": " 17 ", "last_name": "W", "email": "a@x.example"}, ("17",)),
        ({"last_name": "W", "email": "A@x.example"}, ("email:a@x.example", "name:w|")),
        (
            {"last_name": "W", "linkedin_url": "linkedin.com/in/w", "company": "Acme GmbH"},
            ("linkedin:https://www.linkedin.com/in/w", "name:w|acme"),
        ),
        ({"phone": "+4930901820"}, ("phone:+4930901820",)),
    ],
)
def test_a_contact_is_known_by_its_id_or_what_identifies_it(cells, keys):
    row = contact(**cells)
    assert row.has_own_key == ("id" in cells)
    last = () if row.has_own_key else (f"row:{row.digest.hex()}",)
    assert row.keys == keys + last


@pytest.mark.parametrize("cells", [{}, {"title": "CTO"}, {"company": "Acme"}, {"email": "nonsense"}])
def test_a_row_that_identifies_nobody_is_rejected(cells):
    with pytest.raises(RowRejected, match="identifies nobody"):
        contact(**cells)
    with pytest.raises(RowRejected, match="identifies nobody"):
        organization(country="DE")
    with pytest.raises(RowRejected, match="names no person"):
        position_row({"company": "Acme", "title": "CTO"}, CONTEXT)
    with pytest.raises(RowRejected, match="neither a company nor a title"):
        position_row({"contact_id": "1"}, CONTEXT)


def test_equal_statements_have_equal_digests():
    one = contact(last_name="W", email="a@x.example", title="CTO")
    assert one.digest == contact(title="CTO", email="a@x.example", last_name="W").digest
    assert one.digest != contact(title="CFO", email="a@x.example", last_name="W").digest


def test_a_hint_at_the_company_is_no_statement_of_it():
    row = contact(last_name="W", email="w@acme.example")
    assert row.employer.email_domain == "acme.example"
    assert "organization" not in stated(row)
    assert contact(last_name="W", email="w@gmail.com").employer is None
    assert contact(last_name="W", company="Acme", company_domain="gmail.com").employer.domain is None


def test_provenance_names_the_source_of_every_field():
    row = contact(last_name="W", title="CTO", last_refreshed="2026-01-02", extras={"Hat": "L"})
    columns = columns_of(CONTACTS, row)
    assert orjson.loads(columns["provenance"]) == {"last_name": 7, "title": 7}
    assert columns["last_refreshed_at"] == "2026-01-02T00:00:00+00:00"
    assert orjson.loads(columns["enrichment"]) == {"Hat": "L"}


def test_a_company_is_read_with_bands_slugs_and_terms():
    row = organization(
        name="Acme GmbH",
        aliases="Acme Works; Acme Tools",
        website="www.acme.de/home",
        industry="Health Care; Health Care Equipment",
        technologies="C++|SAP",
        employees="1,000+",
        revenue="$1.5M - $3M",
        funding_amount="2 Mio. €",
        funding_stage="Series A",
        founded="2013 (1888)",
    )
    values = stated(row)
    assert (values["domain"], values["website"]) == ("acme.de", "https://www.acme.de/home")
    assert (values["employees"], values["revenue"]) == ([1000, None], [1_500_000, 3_000_000, "USD"])
    assert (values["funding_amount"], values["funding_stage"]) == ([2_000_000, "EUR"], "series_a")
    assert values["founded_year"] == 2013
    columns = columns_of(ORGANIZATIONS, row)
    assert columns["industry"] == "Health Care Equipment"
    assert columns["industries"] == '{"health-care","health-care-equipment"}'
    assert columns["alias_keys"] == '{"acme tools","acme works"}'
    assert ("technology", "cplusplus", "C++") in row.terms
    assert row.keys[:-1] == ("domain:acme.de", "name:acme")


def test_a_page_on_a_host_of_many_is_a_website_and_no_domain():
    values = stated(organization(name="Acme", website="https://www.facebook.com/acme"))
    assert values["website"] == "https://www.facebook.com/acme"
    assert "domain" not in values
    assert (
        stated(organization(name="Facebook", website="https://www.facebook.com"))["domain"] == "facebook.com"
    )


def test_the_files_habits_decide_what_figures_mean():
    german = Habits(
        number=NumberHabit(",", sure=True), dates={"funding_date": DateHabit(day_first=True, sure=True)}
    )
    context = Context(source_id=7, hash_key=b"key", habits=german)
    values = stated(organization(context, name="Acme", employees="1.500", funding_date="03/04/2021"))
    assert (values["employees"], values["funding_date"]) == ([1500, 1500], "2021-04-03")
    unsure = organization(name="Acme", employees="1.500", funding_date="03/04/2021")
    assert [(problem.cell, problem.is_kept) for problem in unsure.problems] == [
        ("employees", True),
        ("funding_date", True),
    ]


def test_a_point_needs_both_coordinates():
    place = stated(contact(last_name="W", latitude="48,1", longitude="11.5"))["location"]
    assert (place["latitude"], place["longitude"]) == (48.1, 11.5)
    assert contact(last_name="W", latitude="48.1").problems
    assert contact(last_name="W", latitude="948", longitude="1").problems


def test_a_position_may_go_on():
    open_ended = position_row(
        {"contact_id": "1", "title": "CTO", "start_date": "2020", "end_date": "heute"}, CONTEXT
    )
    assert open_ended.problems == ()
    assert open_ended.cells.endswith("2020-01-01\t\\N")
    crossed = position_row(
        {"contact_id": "1", "title": "CTO", "start_date": "2020", "end_date": "2019"}, CONTEXT
    )
    assert [problem.cell for problem in crossed.problems] == ["end_date"]


@pytest.mark.parametrize(
    "text", ["a\\b", "tab\there", "line\nbreak", '"quoted"', "{brace}", "NULL", "\\N", "ünï"]
)
def test_any_text_survives_the_copy_format(text):
    row = contact(last_name="W", title=text, extras={"x": text})
    title = columns_of(CONTACTS, row)["title"]
    assert "\n" not in row.cells
    assert title.replace("\\\\", "\\") == " ".join(text.split())


def test_the_reading_processes_load_no_database():
    told = subprocess.run(
        [sys.executable, "-c", "import domain.imports.normalise, sys; print('sqlalchemy' in sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.strip() == "False"
