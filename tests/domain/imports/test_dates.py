"""Readers of dates and moments, and the habit by which a column writes them."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.imports import dates
from domain.imports.dates import DateHabit
from domain.imports.problems import ValueProblem

DAY_FIRST = DateHabit(day_first=True, sure=True)


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
    assert dates.read_date(text) == expected


@pytest.mark.parametrize(
    "text", ["31.02.2020", "foo", "2020-13-01", "12", "99/99/2020", "1.2.3.4", "March", "0001-01-01"]
)
def test_what_is_no_date_is_refused(text):
    with pytest.raises(ValueProblem):
        dates.read_date(text)


def test_a_column_decides_between_day_and_month():
    habit = dates.date_habit(["03/04/2021", "25/12/2020"])
    assert habit == DAY_FIRST
    assert dates.read_date("03/04/2021", habit) == date(2021, 4, 3)
    assert dates.date_habit(["03/04/2021", "12/25/2020"]) == DateHabit(day_first=False, sure=True)
    assert dates.date_habit(["03/04/2021"], language="fr") == DAY_FIRST
    assert not dates.date_habit(["03/04/2021"]).sure
    assert not dates.date_habit(["25/12/2020", "12/25/2020"]).sure


def test_a_date_that_can_be_read_in_two_ways_is_reported():
    assert dates.date_doubt("03/04/2021", DateHabit()) == (
        "may be day or month first; read month first as 2021-03-04"
    )
    assert dates.date_doubt("03/04/2021", DAY_FIRST) is None
    assert dates.date_doubt("13/04/2021", DateHabit()) is None
    assert dates.date_doubt("03.04.2021", DateHabit()) is None


@given(st.dates(date(1700, 1, 1), date(2199, 12, 31)), st.booleans())
def test_a_written_date_is_read_back(day, day_first):
    habit = DateHabit(day_first, sure=True)
    slashes = f"{day:%d/%m/%Y}" if day_first else f"{day:%m/%d/%Y}"
    for text in (day.isoformat(), slashes, f"{day:%d.%m.%Y}", f"{day:%B %d, %Y}", f"{day:%d %b %Y}"):
        assert dates.read_date(text, habit) == day


def test_moments_are_in_utc():
    assert dates.read_datetime("2026-11-25T10:00:00+02:00") == datetime(2026, 11, 25, 8, tzinfo=UTC)
    assert dates.read_datetime("2026-11-25 10:00") == datetime(2026, 11, 25, 10, tzinfo=UTC)
    assert dates.read_datetime("25.11.2026") == datetime(2026, 11, 25, tzinfo=UTC)
    assert dates.read_datetime("1764028800") == datetime(2025, 11, 25, tzinfo=UTC)


def test_an_end_that_has_not_come():
    for word in ("Present", "heute", "en cours", "Aujourd'hui", "to date"):
        assert dates.is_open_end(word)
    assert not dates.is_open_end("2020")
