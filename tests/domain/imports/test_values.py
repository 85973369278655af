"""Readers of single values: what each accepts, what it makes of it, and what it refuses."""

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.imports import values
from domain.imports.values import ValueProblem

# ---- e-mail ----


@pytest.mark.parametrize(
    "text, expected",
    [
        ("anna@acme.com", "anna@acme.com"),
        ("Anna.Mueller@ACME.Com", "Anna.Mueller@acme.com"),
        ("anna@acme.example", "anna@acme.example"),
        ("  anna@acme.com ", "anna@acme.com"),
        ("mailto:anna@acme.de?subject=Hi", "anna@acme.de"),
        ("Anna M <anna@acme.co.uk>", "anna@acme.co.uk"),
        ("anna@müller.de", "anna@xn--mller-kva.de"),
        ("jörg@acme.de", "jörg@acme.de"),
        ("o'brien+x@acme.io", "o'brien+x@acme.io"),
        ("anna@acme.com (work)", "anna@acme.com"),
        ("info@acme.de; sales@acme.de", "info@acme.de"),
    ],
)
def test_an_address_is_read(text, expected):
    assert values.read_email(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "anna",
        "anna@",
        "@acme.com",
        "a@b",
        "a..b@acme.com",
        "a@b@c.com",
        "x@localhost",
        "a b@acme.com",
        "a@-x.com",
        "a" * 65 + "@acme.com",
        "a@" + "b." * 130 + "com",
        "anna@acme..com",
        "n/a",
    ],
)
def test_what_is_no_address_is_refused(text):
    with pytest.raises(ValueProblem):
        values.read_email(text)


@given(st.emails())
@settings(max_examples=200)
def test_an_address_that_was_read_is_read_again_as_itself(email):
    try:
        once = values.read_email(email)
    except ValueProblem:
        return
    assert values.read_email(once) == once
    assert values.email_key(once.upper()) == values.email_key(once)


# ---- phone ----


@pytest.mark.parametrize(
    "text, country, expected",
    [
        ("202-224-3441", "US", "+12022243441"),
        ("(212) 555-0123", "US", "+12125550123"),
        ("+1 202-224-3441 ext. 5", None, "+12022243441"),
        ("12025550101", "US", "+12025550101"),
        ("+49 (0)30 1234567", None, "+49301234567"),
        ("030 1234567", "DE", "+49301234567"),
        ("0041 44 668 18 00", None, "+41446681800"),
        ("06 12 34 56 78", "FR", "+33612345678"),
        ("tel: +1.415.555.0100", None, "+14155550100"),
        ("+44 20 7946 0958", None, "+442079460958"),
        ("+39 06 69812345", None, "+390669812345"),
        ("+1-202-555-0143 x12", "DE", "+12025550143"),
        ("202-224-3441 / 202-224-3442", "US", "+12022243441"),
    ],
)
def test_a_phone_number_becomes_e164(text, country, expected):
    assert values.read_phone(text, country) == expected


@pytest.mark.parametrize(
    "text, country, reason",
    [
        ("202-224-3441", None, "without its country"),
        ("+999123456", None, "country code"),
        ("abc", "US", "not a phone number"),
        ("0000000000", "US", "placeholder"),
        ("+49 12", None, "not a phone number"),
        ("12345678901234567890", "US", "not a phone number"),
    ],
)
def test_what_is_no_phone_number_is_refused_with_its_reason(text, country, reason):
    with pytest.raises(ValueProblem, match=reason):
        values.read_phone(text, country)


@given(st.integers(200, 999), st.integers(100, 199))
def test_fictional_numbers_are_kept(area, line):
    text = f"({area}) 555-0{line}"
    once = values.read_phone(text, "US")
    assert once == f"+1{area}5550{line}"
    assert values.read_phone(once, "DE") == once


# ---- domains, web sites, LinkedIn ----


@pytest.mark.parametrize(
    "text, expected",
    [
        ("acme.com", "acme.com"),
        ("https://www.acme.co.uk/about?x=1", "acme.co.uk"),
        ("WWW.Acme.COM.", "acme.com"),
        ("anna@mail.acme.de", "acme.de"),
        ("acme.github.io", "acme.github.io"),
        ("github.io", "github.io"),
        ("shop.acme.example", "acme.example"),
        ("müller.de", "xn--mller-kva.de"),
        ("http://acme.com:8080/", "acme.com"),
    ],
)
def test_a_domain_is_what_somebody_registered(text, expected):
    assert values.read_domain(text) == expected
    assert values.read_domain(expected) == expected


@pytest.mark.parametrize(
    "text", ["acme", "localhost", "127.0.0.1", "co.uk", "acme.con", "N/A", "a b.com", "http://"]
)
def test_what_is_no_domain_is_refused(text):
    with pytest.raises(ValueProblem):
        values.read_domain(text)


@pytest.mark.parametrize(
    "text, expected",
    [
        ("acme.com", "https://acme.com"),
        ("HTTP://WWW.Acme.com/", "http://www.acme.com"),
        ("https://acme.com/de/Team#top", "https://acme.com/de/Team"),
        ("//acme.com:443/x?y=1", "https://acme.com/x?y=1"),
    ],
)
def test_a_website_has_a_scheme_and_a_lower_case_host(text, expected):
    assert values.read_website(text) == expected
    assert values.read_website(expected) == expected


@pytest.mark.parametrize(
    "text", ["ftp://acme.com", "javascript:alert(1)", "anna@acme.com", "user:x@acme.com", "acme"]
)
def test_what_is_no_website_is_refused(text):
    with pytest.raises(ValueProblem):
        values.read_website(text)


@pytest.mark.parametrize(
    "text, expected",
    [
        ("https://de.linkedin.com/in/Anna-M%C3%BCller/?trk=x", "https://www.linkedin.com/in/anna-müller"),
        ("linkedin.com/company/Acme/about/", "https://www.linkedin.com/company/acme"),
        ("in/anna", "https://www.linkedin.com/in/anna"),
        ("http://www.linkedin.com/pub/anna/1/2/3", "https://www.linkedin.com/pub/anna/1/2/3"),
        ("https://www.linkedin.com/sales/lead/ACwAAA,NAME", "https://www.linkedin.com/in/ACwAAA"),
    ],
)
def test_linkedin_addresses_have_one_form(text, expected):
    assert values.read_linkedin_url(text) == expected


def test_a_companys_page_is_no_persons_profile():
    with pytest.raises(ValueProblem, match="company's page"):
        values.read_linkedin_url("https://linkedin.com/company/acme", "person")
    with pytest.raises(ValueProblem, match="person's profile"):
        values.read_linkedin_url("https://linkedin.com/in/anna", "company")
    with pytest.raises(ValueProblem):
        values.read_linkedin_url("https://example.com/in/anna")


# ---- names, lists, yes and no ----


def test_a_name_is_kept_as_written_but_clean():
    assert values.read_name("  Anna\u200b  Mu\u0308ller\x07 ") == "Anna Müller"
    assert values.read_name("MCDONALD") == "MCDONALD"
    assert values.read_name('"Acme"') == "Acme"
    with pytest.raises(ValueProblem):
        values.read_name("--")


def test_lists_split_at_semicolons_and_bars_and_hold_each_item_once():
    assert values.read_list("a; b|c ;a;;n/a") == ["a", "b", "c"]
    assert values.read_list("Acme, Inc.; Beta") == ["Acme, Inc.", "Beta"]
    assert values.read_list("a, b", ",") == ["a", "b"]
    assert values.read_list('["a", "b, c"]') == ["a", "b, c"]
    assert values.read_list("{a,b}") == ["a", "b"]


@given(
    st.lists(
        st.text(alphabet="abcdefgxyz ,.", min_size=1).map(str.strip).filter(lambda t: not values.is_blank(t))
    )
)
def test_a_joined_list_is_read_back(items):
    unique = list(dict.fromkeys(" ".join(item.split()) for item in items))
    assert values.read_list("; ".join(items)) == unique


def test_yes_and_no():
    assert values.read_bool("Ja")
    assert not values.read_bool("FALSE")
    with pytest.raises(ValueProblem):
        values.read_bool("maybe")


def test_blank_is_more_than_empty_but_null_is_a_name():
    assert values.is_blank(" n/a ")
    assert values.is_blank("None")
    assert not values.is_blank("Null", name=True)
    assert not values.is_blank("0")


READERS = [
    values.read_email,
    values.read_phone,
    values.read_domain,
    values.read_website,
    values.read_linkedin_url,
    values.read_headcount,
    values.read_money,
    values.read_date,
    values.read_datetime,
    values.read_year,
    values.read_list,
    values.read_bool,
    values.read_name,
    values.read_number,
]


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.__name__)
@given(text=st.text(max_size=80) | st.text(alphabet="0123456789.,-+/$€kM ()eE:@", max_size=30))
@settings(max_examples=300, deadline=None)
def test_a_reader_gives_a_value_or_a_problem_and_nothing_else(reader, text):
    with suppress(ValueProblem):
        reader(text)
