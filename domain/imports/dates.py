"""Dates of every usual form, and which of day and month a column writes first."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

from core.text import fold
from domain.imports.problems import ValueProblem


@dataclass(frozen=True, slots=True)
class DateHabit:
    """Whether "03/04/2021" is the third of April here, and whether the column's values showed it."""

    day_first: bool = False
    sure: bool = False


UNKNOWN_ORDER = DateHabit()
_MONTH_FIRST = DateHabit(day_first=False, sure=True)

MONTHS = {
    name: month
    for month, names in enumerate(
        (
            "january jan januar janvier janv enero ene gennaio gen janeiro januari jaen jaenner",
            "february feb februar fevrier fevr fev febrero febbraio fevereiro februari",
            "march mar marz mrz maerz mars marzo marco maart mart mae",
            "april apr avril avr abril abr aprile",
            "may mai mayo maggio maio mei mag",
            "june jun juni juin junio giugno junho giu",
            "july jul juli juillet juil julio luglio julho lug",
            "august aug aout agosto ago augustus",
            "september sep sept septembre septiembre settembre setembro set",
            "october oct oktober okt octobre octubre ottobre outubro ott out",
            "november nov novembre noviembre novembro",
            "december dec dezember dez decembre diciembre dic dicembre dezembro",
        ),
        start=1,
    )
    for name in names.split()
}  # fmt: skip
_OPEN_END_WORDS = """
    present|current|currently|now|today|ongoing|to date|till date|till now|until now|up to now|heute|
    bis heute|aktuell|laufend|derzeit|actuel|actuellement|aujourd'hui|en cours|a ce jour|presente|actual|
    actualmente|actualidad|la actualidad|hasta hoy|oggi|attuale|heden
"""
_OPEN_END = frozenset(word.strip() for word in _OPEN_END_WORDS.split("|"))

_FIGURES = re.compile(r"^(\d{1,4})([./\-\s])\s*(\d{1,2})\2\s*(\d{1,4})(?:,?[T ]\s*\d{1,2}:\d{2}.*)?$")
_DIGITS = re.compile(r"(\d{4}|\d{5}|\d{8}|\d{10}|\d{13})(?:\.\d+)?", re.ASCII)
# The forms that leave no doubt, the commonest first.
_FORMS = (
    re.compile(r"^(?P<year>\d{4})-(?P<month>\d{2})-(?P<day>\d{2})(?:[T ].*)?$"),
    re.compile(r"^(?P<year>\d{4})[-/.](?P<month>\d{1,2})$"),
    re.compile(r"^(?P<month>\d{1,2})[-/.](?P<year>\d{4})$"),
    re.compile(r"^(?P<year>\d{4})[年년]\s*(?P<month>\d{1,2})[月월]\s*(?P<day>\d{1,2})[日일]"),
    re.compile(r"^Q(?P<quarter>[1-4])[ /-]?(?P<year>\d{4})$", re.IGNORECASE),
    re.compile(r"^(?P<year>\d{4})[ /-]?Q(?P<quarter>[1-4])$", re.IGNORECASE),
)
_TOKEN = re.compile(r"\d+|[^\W\d]+")
_TIME = re.compile(r"[T ,]+(?:at |um |à )?\d{1,2}:\d{2}.*$")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EXCEL_ZERO = date(1899, 12, 30)
EARLIEST, LATEST = date(1700, 1, 1), date(2199, 12, 31)


def date_habit(samples: Iterable[str], *, language: str | None = None) -> DateHabit:
    """Decide from a column's values which of day and month comes first, else from the headers' language."""
    day_first = month_first = 0
    for text in samples:
        found = _FIGURES.match(text.strip())
        if found and len(found[1]) <= 2 and found[2] != ".":
            day_first += int(found[1]) > 12 >= int(found[3])
            month_first += int(found[3]) > 12 >= int(found[1])
    if day_first or month_first:
        return DateHabit(day_first > month_first, sure=not (day_first and month_first))
    return DateHabit(day_first=language not in {None, "en"}, sure=language not in {None, "en"})


@lru_cache(maxsize=16_384)
def read_date(text: str, habit: DateHabit = UNKNOWN_ORDER) -> date:
    """ISO, "25.11.2026", "11/25/2026", "Nov 25, 2026", "25 novembre 2026", Excel's and Unix's day counts.

    "2021-03" and "March 2021" are the first of the month, "2021" the first of January.
    """
    text = text.strip()
    found = next((match for form in _FORMS if (match := form.match(text))), None)
    if found:
        parts = found.groupdict()
        month = int(parts["quarter"]) * 3 - 2 if "quarter" in parts else int(parts["month"])
        return _date(int(parts["year"]), month, int(parts.get("day") or 1))
    digits = _DIGITS.fullmatch(text)
    if digits:
        return _from_digits(digits[1])
    figures = _FIGURES.match(text)
    return _from_figures(figures, habit) if figures else _from_words(text)


def read_datetime(text: str, habit: DateHabit = UNKNOWN_ORDER) -> datetime:
    """A moment, in UTC where the text names no zone; a mere date is its first moment."""
    text = text.strip()
    if text.isascii() and text.isdigit() and len(text) in {10, 13}:
        return _EPOCH + timedelta(milliseconds=int(text) * (1000 if len(text) == 10 else 1))
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        day = read_date(text, habit)
        moment = datetime(day.year, day.month, day.day, tzinfo=UTC)
    if not EARLIEST.year <= moment.year <= LATEST.year:
        raise ValueProblem("is no date between 1700 and 2199")
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)


def is_open_end(text: str) -> bool:
    """Whether an end date says that it has not come: "present", "heute", "en cours"."""
    return fold(text).strip(" .-") in _OPEN_END


def date_doubt(text: str, habit: DateHabit) -> str | None:
    """What a person should know about a date that can be read in two ways, or None."""
    found = None if habit.sure else _FIGURES.match(text.strip())
    if found is None or found[2] == "." or len(found[1]) > 2 or len(found[4]) == 1:
        return None
    first, second = int(found[1]), int(found[3])
    if first == second or first > 12 or second > 12:
        return None
    order = "day first" if habit.day_first else "month first"
    return f"may be day or month first; read {order} as {read_date(text, habit).isoformat()}"


def _from_figures(found: re.Match[str], habit: DateHabit) -> date:
    first, second, third = found[1], found[3], found[4]
    if len(first) == 4:
        return _date(int(first), int(second), int(third))
    if len(first) > 2 or len(third) not in {2, 4}:
        raise ValueProblem("is not a date")
    year = int(third) if len(third) == 4 else _century(int(third))
    day_first = habit.day_first or found[2] == "."
    day, month = (int(first), int(second)) if day_first else (int(second), int(first))
    if month > 12 >= day:  # this one value leaves no choice
        day, month = month, day
    return _date(year, month, day)


def _from_digits(text: str) -> date:
    number = int(text)
    if len(text) == 4 and EARLIEST.year <= number <= LATEST.year:
        return date(number, 1, 1)
    if len(text) == 8:
        return _date(number // 10_000, number // 100 % 100, number % 100)
    if len(text) == 5 and number >= 10_000:  # Excel's days since 1900
        return _EXCEL_ZERO + timedelta(days=number)
    if len(text) in {10, 13}:
        moment = _EPOCH + timedelta(milliseconds=number * (1000 if len(text) == 10 else 1))
        if moment.date() <= LATEST:
            return moment.date()
    raise ValueProblem("is not a date")


def _from_words(text: str) -> date:
    words = _TOKEN.findall(fold(_TIME.sub("", text)))
    months = [MONTHS[word] for word in words if word in MONTHS]
    numbers = [word for word in words if word.isdigit()]
    if len(months) != 1 or not 1 <= len(numbers) <= 2:
        raise ValueProblem("is not a date")
    years = [n for n in numbers if len(n) == 4]
    if len(years) == 1:
        rest = [n for n in numbers if len(n) <= 2]
        if len(rest) != len(numbers) - 1:
            raise ValueProblem("is not a date")
        return _date(int(years[0]), months[0], int(rest[0]) if rest else 1)
    if len(numbers) == 1 and len(numbers[0]) == 2:  # "Mar-21"
        return _date(_century(int(numbers[0])), months[0], 1)
    if len(numbers) == 2 and len(numbers[1]) == 2:  # "25-Nov-26"
        return _date(_century(int(numbers[1])), months[0], int(numbers[0]))
    raise ValueProblem("is not a date")


def _century(two_digits: int) -> int:
    """As POSIX and Excel's neighbours have it: 69 to 99 are of the last century."""
    return two_digits + (1900 if two_digits >= 69 else 2000)


def _date(year: int, month: int, day: int) -> date:
    try:
        found = date(year, month, day)
    except ValueError:
        raise ValueProblem("is not a day of the calendar") from None
    if not EARLIEST <= found <= LATEST:
        raise ValueProblem("is no date between 1700 and 2199")
    return found
