"""Readers of single values: what each accepts, what it makes of it, and what it refuses."""

from contextlib import suppress
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.imports import values
from domain.imports.values import DateHabit, NumberHabit, ValueProblem

COMMA = NumberHabit(",", sure=True)
POINT = NumberHabit(".", sure=True)
DAY_FIRST = DateHabit(day_first=True, sure=True)


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


# ---- numbers ----


@pytest.mark.parametrize(
    "text, expected",
    [
        ("51-200", (51, 200)),
        ("51 to 200", (51, 200)),
        ("10,001+", (10001, None)),
        ("10 000+", (10000, None)),
        ("> 10,000", (10001, None)),
        ("1000 or more", (1000, None)),
        ("< 50", (0, 49)),
        ("up to 50", (0, 50)),
        ("1.000", (1000, 1000)),
        ("5k", (5000, 5000)),
        ("1,5k", (1500, 1500)),
        ("5K-10K", (5000, 10000)),
        ("251-1K", (251, 1000)),
        ("501-1.000", (501, 1000)),
        ("about 300", (300, 300)),
        ("ca. 300 Mitarbeiter", (300, 300)),
        ("1–10 employees", (1, 10)),
        ("11‑50 employés", (11, 50)),
        ("500 plus", (500, None)),
        ("120 (2024)", (120, 120)),
        ("Self-employed", (1, 1)),
        ("10-Jan", (1, 10)),
        ("Nov-50", (11, 50)),
        ("01. Okt", (1, 10)),
        ("5,000", (5000, 5000)),
        ("250.0", (250, 250)),
    ],
)
def test_headcounts_are_numbers_bands_and_bounds(text, expected):
    assert values.read_headcount(text) == expected


@pytest.mark.parametrize("text", ["abc", "200-51", "1.5", "-5", "", "99999999999", "1-2-3", "25-Dec"])
def test_what_is_no_headcount_is_refused(text):
    with pytest.raises(ValueProblem):
        values.read_headcount(text)


@pytest.mark.parametrize(
    "text, expected",
    [
        ("$1.5M", (1_500_000, 1_500_000, "USD")),
        ("€ 2,3 Mio.", (2_300_000, 2_300_000, "EUR")),
        ("2 Mrd. €", (2_000_000_000, 2_000_000_000, "EUR")),
        ("1-10M USD", (1_000_000, 10_000_000, "USD")),
        ("$1M-$10M", (1_000_000, 10_000_000, "USD")),
        ("$10 - 50 Million", (10_000_000, 50_000_000, "USD")),
        ("$1M to $10M", (1_000_000, 10_000_000, "USD")),
        ("1,000+", (1000, None, None)),
        ("$1B+", (1_000_000_000, None, "USD")),
        ("Over $1 billion", (1_000_000_000, None, "USD")),
        ("Less than $1M", (0, 1_000_000, "USD")),
        ("1,234,567.89 USD", (1_234_567, 1_234_567, "USD")),
        ("1.234.567 €", (1_234_567, 1_234_567, "EUR")),
        ("100 000 €", (100_000, 100_000, "EUR")),
        ("USD 1.125M", (1_125_000, 1_125_000, "USD")),
        ("10mUSD", (10_000_000, 10_000_000, "USD")),
        ("CHF 3 Mio", (3_000_000, 3_000_000, "CHF")),
        ("R$ 10 milhões", (10_000_000, 10_000_000, "BRL")),
        ("₹10 crore", (100_000_000, 100_000_000, "INR")),
        ("USD1.2bn", (1_200_000_000, 1_200_000_000, "USD")),
        ("TEUR 500", (500_000, 500_000, "EUR")),
        ("120 MSEK", (120_000_000, 120_000_000, "SEK")),
        ("1.5E+09", (1_500_000_000, 1_500_000_000, None)),
        ("$3.2M (2021)", (3_200_000, 3_200_000, "USD")),
        ("£500k", (500_000, 500_000, "GBP")),
        ("CHF 1'500.-", (1500, 1500, "CHF")),
        ("2 mio. kr.", (2_000_000, 2_000_000, None)),
    ],
)
def test_sums_of_money_keep_their_currency(text, expected):
    assert values.read_money(text) == expected


def test_the_header_gives_currency_and_scale_where_the_value_does_not():
    assert values.read_money("1,500", currency="USD", scale=1000) == (1_500_000, 1_500_000, "USD")
    assert values.read_money("€2M", currency="USD", scale=1000) == (2_000_000, 2_000_000, "EUR")


@pytest.mark.parametrize("text", ["abc", "$", "$-5", "$10M-$1M", "$99999999999999999999999"])
def test_what_is_no_sum_is_refused(text):
    with pytest.raises(ValueProblem):
        values.read_money(text)


def test_a_thousand_is_read_by_the_files_own_habit():
    assert values.read_number("1.500", COMMA) == 1500
    assert values.read_number("1.500", POINT) == Decimal("1.5")
    assert values.read_number("1,500", POINT) == 1500
    assert values.read_number("1,500", COMMA) == Decimal("1.5")
    assert values.read_headcount("1.500", COMMA) == (1500, 1500)
    assert values.read_headcount("12.000", POINT) == (12, 12)
    assert values.read_headcount("1.500", POINT) == (1500, 1500)


def test_the_habit_comes_from_values_and_from_the_language_of_headers():
    habit = values.number_habit
    assert habit(["1.234,56", "7"]) == COMMA
    assert habit(["1,234.56"]) == POINT
    assert habit(["2,5"]) == COMMA
    assert habit(["1.500"], language="de") == COMMA
    assert habit(["1.500"], language="en") == NumberHabit(".", sure=False)
    assert habit(["1.234.567"]) == COMMA
    assert habit(["12.5"], language="de") == POINT
    assert not habit(["1.500"], delimiter=";").sure


def test_a_number_that_can_be_read_in_two_ways_is_reported():
    assert values.number_doubt("1.500", NumberHabit()) == "may be 1500 or 1.5; read as 1500"
    assert values.number_doubt("1.500", COMMA, whole=True) is None
    assert values.number_doubt("1.500", POINT) is None
    assert values.number_doubt("1.500", POINT, whole=True) == "may be 1500 or 1.5; read as 1500"
    assert values.number_doubt("12.000", POINT, whole=True) == "may be 12000 or 12; read as 12"
    assert values.number_doubt("1.125M", NumberHabit()) is None
    assert values.number_doubt("0.500", NumberHabit()) is None
    assert values.number_doubt("1500", NumberHabit()) is None


@given(st.integers(0, 10**9), st.sampled_from([(".", ","), (",", "."), (" ", ","), ("'", ".")]))
def test_a_grouped_number_is_read_back(number, marks):
    group, decimal = marks
    text = f"{number:,}".replace(",", "\0").replace("\0", group)
    assert values.read_number(text, NumberHabit(decimal, sure=True)) == number


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_a_range_is_read_back(one, other):
    least, most = sorted((one, other))
    assert values.read_headcount(f"{least:,} - {most:,}") == (least, most)


@pytest.mark.parametrize(
    "text, year",
    [
        ("1902", 1902),
        ("2013 (1888)", 2013),
        ("1881/1894 (1980)", 1881),
        ("2022 (Johnson & Johnson spinoff)", 2022),
        ("1998.0", 1998),
        ("c. 1799", 1799),
        ("1999-05-03", 1999),
    ],
)
def test_the_first_year_counts(text, year):
    assert values.read_year(text) == year


def test_no_year_is_refused():
    for text in ("abc", "12", "99999"):
        with pytest.raises(ValueProblem):
            values.read_year(text)


# ---- dates ----


@pytest.mark.parametrize(
    "text, expected",
    [
        ("2026-11-25", date(2026, 11, 25)),
        ("2026-11-25T10:00:00Z", date(2026, 11, 25)),
        ("25.11.2026", date(2026, 11, 25)),
        ("11/25/2026", date(2026, 11, 25)),
        ("25/11/2026", date(2026, 11, 25)),
        ("11/25/2026 10:30 AM", date(2026, 11, 25)),
        ("Nov 25, 2026", date(2026, 11, 25)),
        ("25 novembre 2026", date(2026, 11, 25)),
        ("25 de noviembre de 2026", date(2026, 11, 25)),
        ("25th of November 2026", date(2026, 11, 25)),
        ("Wednesday, November 25, 2026", date(2026, 11, 25)),
        ("1. März 2020", date(2020, 3, 1)),
        ("25-Nov-26", date(2026, 11, 25)),
        ("2020/01/02", date(2020, 1, 2)),
        ("20211103", date(2021, 11, 3)),
        ("45986", date(2025, 11, 25)),
        ("45986.5", date(2025, 11, 25)),
        ("1764028800", date(2025, 11, 25)),
        ("1764028800000", date(2025, 11, 25)),
        ("2021-03", date(2021, 3, 1)),
        ("03/2021", date(2021, 3, 1)),
        ("Mar 2021", date(2021, 3, 1)),
        ("Mar-21", date(2021, 3, 1)),
        ("2021", date(2021, 1, 1)),
        ("2021年11月5日", date(2021, 11, 5)),
        ("Q3 2021", date(2021, 7, 1)),
    ],
)
def test_dates_of_every_usual_form(text, expected):
    assert values.read_date(text) == expected


@pytest.mark.parametrize(
    "text", ["31.02.2020", "foo", "2020-13-01", "12", "99/99/2020", "1.2.3.4", "March", "0001-01-01"]
)
def test_what_is_no_date_is_refused(text):
    with pytest.raises(ValueProblem):
        values.read_date(text)


def test_a_column_decides_between_day_and_month():
    habit = values.date_habit(["03/04/2021", "25/12/2020"])
    assert habit == DAY_FIRST
    assert values.read_date("03/04/2021", habit) == date(2021, 4, 3)
    assert values.date_habit(["03/04/2021", "12/25/2020"]) == DateHabit(day_first=False, sure=True)
    assert values.date_habit(["03/04/2021"], language="fr") == DAY_FIRST
    assert not values.date_habit(["03/04/2021"]).sure
    assert not values.date_habit(["25/12/2020", "12/25/2020"]).sure


def test_a_date_that_can_be_read_in_two_ways_is_reported():
    assert values.date_doubt("03/04/2021", DateHabit()) == (
        "may be day or month first; read month first as 2021-03-04"
    )
    assert values.date_doubt("03/04/2021", DAY_FIRST) is None
    assert values.date_doubt("13/04/2021", DateHabit()) is None
    assert values.date_doubt("03.04.2021", DateHabit()) is None


@given(st.dates(date(1700, 1, 1), date(2199, 12, 31)), st.booleans())
def test_a_written_date_is_read_back(day, day_first):
    habit = DateHabit(day_first, sure=True)
    slashes = f"{day:%d/%m/%Y}" if day_first else f"{day:%m/%d/%Y}"
    for text in (day.isoformat(), slashes, f"{day:%d.%m.%Y}", f"{day:%B %d, %Y}", f"{day:%d %b %Y}"):
        assert values.read_date(text, habit) == day


def test_moments_are_in_utc():
    assert values.read_datetime("2026-11-25T10:00:00+02:00") == datetime(2026, 11, 25, 8, tzinfo=UTC)
    assert values.read_datetime("2026-11-25 10:00") == datetime(2026, 11, 25, 10, tzinfo=UTC)
    assert values.read_datetime("25.11.2026") == datetime(2026, 11, 25, tzinfo=UTC)
    assert values.read_datetime("1764028800") == datetime(2025, 11, 25, tzinfo=UTC)


def test_an_end_that_has_not_come():
    for word in ("Present", "heute", "en cours", "Aujourd'hui", "to date"):
        assert values.is_open_end(word)
    assert not values.is_open_end("2020")


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
