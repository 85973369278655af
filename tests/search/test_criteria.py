"""A filter is understood or refused with its path and the nearest allowed values; never ignored."""

from datetime import UTC, date, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import clock
from core.errors import Invalid
from search.conditions import AnyOf, Between, Clause
from search.criteria import OpenTerms, read_filters
from search.request import SearchRequest

TERMS = OpenTerms({"industry": {"software": "Software"}, "technology": {"cplusplus": "C++"}, "keyword": {}})


def read(filters, **request):
    return read_filters(msgspec.convert({"filters": filters} | request, SearchRequest), terms=TERMS)


def refused(filters, **request):
    with pytest.raises(Invalid) as error:
        read(filters, **request)
    return error.value.facts["errors"]


def contact(**include):
    return {"contacts": {"include": include}}


def company(**include):
    return {"organizations": {"include": include}}


@pytest.mark.parametrize(
    ("filters", "path", "allowed"),
    [
        (contact(seniorities=["vice presidnt"]), "filters.contacts.include.seniorities[0]", "vp"),
        (contact(departments=["sales", "marketin"]), "filters.contacts.include.departments[1]", "marketing"),
        (contact(email_status=["certain"]), "filters.contacts.include.email_status[0]", None),
        (company(industries=["sofware"]), "filters.organizations.include.industries[0]", "software"),
        (company(headcount_bands=["51-20"]), "filters.organizations.include.headcount_bands[0]", "51-200"),
        (company(funding={"stages": ["series z"]}), "filters.organizations.include.funding.stages[0]", None),
        (contact(locations=["Berlinn, Grmany!!"]), "filters.contacts.include.locations[0]", None),
        (contact(countries=["Germany"]), "filters.contacts.include.countries[0]", "DE"),
        (company(domains=["not a domain"]), "filters.organizations.include.domains[0]", None),
        (contact(titles=["???"]), "filters.contacts.include.titles[0]", None),
        (contact(names=["\x00"]), "filters.contacts.include.names[0]", None),
    ],
)
def test_an_unknown_value_is_refused_with_its_path(filters, path, allowed):
    errors = refused(filters)
    assert errors[0]["path"] == path
    if allowed is not None:
        assert allowed in errors[0]["allowed"]


def test_all_mistakes_are_reported_together():
    errors = refused(contact(seniorities=["x9"], departments=["y9"]) | company(industries=["z9"]))
    assert len(errors) == 3


@pytest.mark.parametrize(
    "filters",
    [
        company(num_employees={"min": 5, "max": 4}),
        company(founded_year={"min": 2001, "max": 2000}),
        company(revenue={"min": 5, "max": 4, "currency": "EUR"}),
        company(funding={"date": {"after": "2025-01-02", "before": "2025-01-01"}}),
        contact(months_in_role={"min": 7, "max": 6}),
    ],
)
def test_a_range_with_swapped_ends_is_refused(filters):
    assert len(refused(filters)) == 1


def test_money_needs_a_currency_that_exists():
    errors = refused(company(revenue={"min": 1, "currency": "EUX"}))
    assert errors[0]["path"].endswith("revenue.currency")
    assert "EUR" in errors[0]["allowed"]


@pytest.mark.parametrize("text", ["a\x00b", "a\ud800b"])
def test_text_that_no_record_can_hold(text):
    assert refused({}, q=text)[0]["path"] == "q"


def test_empty_lists_and_open_ranges_are_no_restriction():
    clauses, echo = read(
        contact(titles=[], locations=[]) | company(num_employees={}, technologies={"any": []})
    )
    assert clauses == []
    assert "resolved" not in echo


def test_display_names_are_taken_for_their_codes():
    clauses, _ = read(contact(seniorities=["C-Suite", "Vice President"]) | company(technologies=["C++"]))
    assert [c.condition.values for c in clauses] == [("c_suite", "vp"), ("cplusplus",)]


def test_names_of_places_are_echoed_as_codes():
    clauses, echo = read(contact(locations=["Berlin, Germany", "Texas"]))
    assert [(r["field"], r["value"]) for r in echo["resolved"]] == [("city", "2950159"), ("region", "US-TX")]
    assert clauses[0].path == "contacts.include.locations"


def test_not_in_technologies_is_an_exclude():
    clauses, _ = read(company(technologies={"not": ["cplusplus"]}))
    assert [(c.path, c.excludes) for c in clauses] == [("organizations.include.technologies.not", True)]


@pytest.mark.parametrize(
    ("months", "days"),
    [
        ({"min": 6}, (None, date(2026, 5, 25))),
        ({"max": 12}, (date(2025, 10, 26), None)),
        ({"min": 0, "max": 0}, (date(2026, 10, 26), date(2026, 11, 25))),
    ],
)
def test_months_in_role_are_counted_back_from_today(monkeypatch, months, days):
    monkeypatch.setattr(clock, "today", lambda: date(2026, 11, 25))
    clauses, _ = read(contact(months_in_role=months))
    condition = clauses[0].condition
    assert isinstance(condition, Between)
    assert (condition.minimum, condition.maximum) == days


def test_months_count_back_over_short_months(monkeypatch):
    monkeypatch.setattr(clock, "today", lambda: date(2024, 3, 31))
    clauses, _ = read(contact(months_in_role={"min": 1}))
    assert clauses[0].condition.maximum == date(2024, 2, 29)


@pytest.mark.parametrize("filters", [contact, company])
def test_refreshed_within_days_counts_whole_days_back_from_today(monkeypatch, filters):
    monkeypatch.setattr(clock, "today", lambda: date(2024, 3, 31))
    clauses, _ = read(filters(last_refreshed_within_days=31, last_refreshed_after="2024-03-01"))
    assert [(clause.path.rpartition(".")[2], clause.condition.minimum) for clause in clauses] == [
        ("last_refreshed_after", datetime(2024, 3, 1, tzinfo=UTC)),
        ("last_refreshed_within_days", datetime(2024, 2, 29, tzinfo=UTC)),
    ]
    assert [clause.condition.maximum for clause in clauses] == [None, None]
    [longest], _ = read(filters(last_refreshed_within_days=36_500))
    assert longest.condition.minimum == datetime(1924, 4, 25, tzinfo=UTC)


@pytest.mark.parametrize("days", [0, -1, 36_501, 1.5, "30", True, [30]])
@pytest.mark.parametrize("filters", [contact, company])
def test_days_that_are_no_number_of_days_are_refused(filters, days):
    with pytest.raises(msgspec.ValidationError, match="last_refreshed_within_days"):
        read(filters(last_refreshed_within_days=days))


@given(st.dates(date(2000, 1, 1), date(2040, 12, 31)), st.integers(0, 600))
def test_more_months_ago_is_never_later(day, months):
    with clock.shifted(timedelta(days=(day - clock.today()).days)):
        clauses, _ = read(contact(months_in_role={"min": months}))
        more, _ = read(contact(months_in_role={"min": months + 1}))
    assert more[0].condition.maximum < clauses[0].condition.maximum


@given(st.text(max_size=200))
def test_no_text_in_a_filter_is_ever_more_than_text(text):
    filters = contact(titles=[text or "x"], names=[text or "x"], past_employers=[text or "x"])
    try:
        clauses, _ = read(filters)
    except Invalid:
        return
    assert all(isinstance(c, Clause) for c in clauses)
    assert not any(isinstance(c.condition, AnyOf) and not c.condition.values for c in clauses)
