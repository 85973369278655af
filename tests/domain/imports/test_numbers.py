"""Readers of numbers: headcounts, sums of money, years, and the habits by which a file writes them."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.imports import numbers
from domain.imports.numbers import NumberHabit
from domain.imports.problems import ValueProblem

COMMA = NumberHabit(",", sure=True)
POINT = NumberHabit(".", sure=True)


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
    assert numbers.read_headcount(text) == expected


@pytest.mark.parametrize("text", ["abc", "200-51", "1.5", "-5", "", "99999999999", "1-2-3", "25-Dec"])
def test_what_is_no_headcount_is_refused(text):
    with pytest.raises(ValueProblem):
        numbers.read_headcount(text)


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
    assert numbers.read_money(text) == expected


def test_the_header_gives_currency_and_scale_where_the_value_does_not():
    assert numbers.read_money("1,500", currency="USD", scale=1000) == (1_500_000, 1_500_000, "USD")
    assert numbers.read_money("€2M", currency="USD", scale=1000) == (2_000_000, 2_000_000, "EUR")


@pytest.mark.parametrize("text", ["abc", "$", "$-5", "$10M-$1M", "$99999999999999999999999"])
def test_what_is_no_sum_is_refused(text):
    with pytest.raises(ValueProblem):
        numbers.read_money(text)


def test_a_thousand_is_read_by_the_files_own_habit():
    assert numbers.read_number("1.500", COMMA) == 1500
    assert numbers.read_number("1.500", POINT) == Decimal("1.5")
    assert numbers.read_number("1,500", POINT) == 1500
    assert numbers.read_number("1,500", COMMA) == Decimal("1.5")
    assert numbers.read_headcount("1.500", COMMA) == (1500, 1500)
    assert numbers.read_headcount("12.000", POINT) == (12, 12)
    assert numbers.read_headcount("1.500", POINT) == (1500, 1500)


def test_the_habit_comes_from_values_and_from_the_language_of_headers():
    habit = numbers.number_habit
    assert habit(["1.234,56", "7"]) == COMMA
    assert habit(["1,234.56"]) == POINT
    assert habit(["2,5"]) == COMMA
    assert habit(["1.500"], language="de") == COMMA
    assert habit(["1.500"], language="en") == NumberHabit(".", sure=False)
    assert habit(["1.234.567"]) == COMMA
    assert habit(["12.5"], language="de") == POINT
    assert not habit(["1.500"], delimiter=";").sure


def test_a_number_that_can_be_read_in_two_ways_is_reported():
    assert numbers.number_doubt("1.500", NumberHabit()) == "may be 1500 or 1.5; read as 1500"
    assert numbers.number_doubt("1.500", COMMA, whole=True) is None
    assert numbers.number_doubt("1.500", POINT) is None
    assert numbers.number_doubt("1.500", POINT, whole=True) == "may be 1500 or 1.5; read as 1500"
    assert numbers.number_doubt("12.000", POINT, whole=True) == "may be 12000 or 12; read as 12"
    assert numbers.number_doubt("1.125M", NumberHabit()) is None
    assert numbers.number_doubt("0.500", NumberHabit()) is None
    assert numbers.number_doubt("1500", NumberHabit()) is None


@given(st.integers(0, 10**9), st.sampled_from([(".", ","), (",", "."), (" ", ","), ("'", ".")]))
def test_a_grouped_number_is_read_back(number, marks):
    group, decimal = marks
    text = f"{number:,}".replace(",", "\0").replace("\0", group)
    assert numbers.read_number(text, NumberHabit(decimal, sure=True)) == number


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_a_range_is_read_back(one, other):
    least, most = sorted((one, other))
    assert numbers.read_headcount(f"{least:,} - {most:,}") == (least, most)


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
    assert numbers.read_year(text) == year


def test_no_year_is_refused():
    for text in ("abc", "12", "99999"):
        with pytest.raises(ValueProblem):
            numbers.read_year(text)
