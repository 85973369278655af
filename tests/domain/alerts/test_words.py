"""Changes as states and in words."""

import orjson
import pytest

from domain.alerts import states, words
from domain.alerts.states import Change
from search.criteria import OpenTerms

TERMS = OpenTerms({"technology": {"aws": "AWS", "hubspot": "HubSpot"}})


@pytest.mark.parametrize(
    "entity, change, said",
    [
        ("contacts", Change("title", "CTO", "VP Sales"), "title became VP Sales"),
        ("contacts", Change("title", "CTO", None), "title is no longer known (was CTO)"),
        ("contacts", Change("seniority", "manager", "vp"), "seniority became VP"),
        ("contacts", Change("location", None, "Berlin, DE"), "moved to Berlin, DE"),
        ("contacts", Change("location", "Berlin, DE", None), "location is no longer known"),
        ("contacts", Change("company", "Acme", "Globex"), "company became Globex"),
        ("contacts", Change("has_email", False, True), "an e-mail address is known now"),
        ("contacts", Change("has_phone", True, False), "a phone number is no longer known"),
        (
            "contacts",
            Change("departments", ["sales"], ["finance"]),
            "departments: added Finance and Accounting; lost Sales",
        ),
        ("contacts", Change("company_employees", [51, 200], [201, 500]), "company grew to 201–500"),
        ("contacts", Change("company_employees", [201, 500], [10, 10]), "company shrank to 10"),
        ("contacts", Change("company_employees", None, [10_001, None]), "company headcount became 10,001+"),
        ("contacts", Change("company_employees", [1, 2], None), "company headcount is no longer known"),
        ("organizations", Change("employees", [1, 10], [11, 50]), "grew to 11–50"),
        ("organizations", Change("employees", [None, 10], [None, 5]), "shrank to up to 5"),
        (
            "organizations",
            Change("technologies", ["aws"], ["hubspot", "unknown"]),
            "technologies: added HubSpot, unknown; lost AWS",
        ),
        ("contacts", Change("company_technologies", None, ["aws"]), "company technologies: added AWS"),
        (
            "organizations",
            Change("funding", ["seed", 1, "USD", None], ["series_a", 3_000_000, "USD", "2026-01-02"]),
            "funding became Series A, 3,000,000 USD (2026-01-02)",
        ),
        ("organizations", Change("funding", ["seed", None, None, None], None), "funding is no longer known"),
        (
            "contacts",
            Change("company_revenue", None, [1_000, 5_000, "EUR"]),
            "company revenue became 1,000–5,000 EUR",
        ),
        ("contacts", Change("company_revenue", [1, 1, "EUR"], None), "company revenue is no longer known"),
        ("contacts", Change("email_status", None, "valid"), "e-mail address became Valid"),
        ("contacts", Change("company_domain", "a.example", "b.example"), "company domain became b.example"),
        ("organizations", Change("name", "Acme", "Acme SE"), "name became Acme SE"),
    ],
)
def test_each_field_has_its_words(entity, change, said):
    assert words.say(entity, change, TERMS) == said


def state(*values):
    return orjson.dumps(values).decode()


def test_the_order_of_a_set_and_an_empty_one_are_no_change():
    before = ["Acme", None, None, None, ["a", "b"], []]
    now = ["Acme", None, None, None, ["b", "a"], None]
    assert states.changes("organizations", state(1, *before), state(1, *now)) == ()
    assert states.changes("organizations", state(1, *before), state(1, *before)) == ()


def test_of_another_company_only_that_it_is_another_is_told():
    def person(company, name, employees):
        values = dict.fromkeys(states.FIELDS["contacts"]) | {"company": name, "company_employees": employees}
        return state(company, *values.values())

    moved = states.changes("contacts", person(1, "Acme", [1, 10]), person(2, "Globex", [51, 200]))
    assert moved == (Change("company", "Acme", "Globex"),)
    grew = states.changes("contacts", person(1, "Acme", [1, 10]), person(1, "Acme", [51, 200]))
    assert grew == (Change("company_employees", [1, 10], [51, 200]),)


def test_a_field_that_an_older_state_does_not_know_is_no_news():
    assert states.changes("organizations", state(1, "Acme"), state(1, "Acme", "acme.example")) == ()


def test_the_usual_fields_can_be_watched():
    for entity, usual in states.USUAL.items():
        assert set(usual) <= set(states.FIELDS[entity])
