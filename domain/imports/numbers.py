"""Numbers as files write them: which mark is the decimal one, headcounts, sums of money, years.

"1.500" is fifteen hundred in a German file and one and a half in an English one. A file has one habit
(`NumberHabit`), found from its values and the language of its headers; where that leaves a doubt the
reading is the likelier one, and `number_doubt` says so for the report.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Literal

from core.text import fold
from domain.imports.dates import MONTHS
from domain.imports.number_words import CURRENCIES, ISO_CURRENCIES, SCALES
from domain.imports.problems import ValueProblem

# What fits a PostgreSQL bigint and an integer.
MAX_AMOUNT = 2**63 - 1
MAX_COUNT = 2**31 - 1

Range = tuple[int | None, int | None]
Money = tuple[int | None, int | None, str | None]


@dataclass(frozen=True, slots=True)
class NumberHabit:
    """The decimal mark of a file, and whether its values or headers showed it."""

    decimal: Literal[".", ","] = "."
    sure: bool = False


UNKNOWN_HABIT = NumberHabit()

# Languages whose decimal mark is the comma (Swiss files, which use the point, show it in their values).
COMMA_LANGUAGES = frozenset({"de", "fr", "es", "it", "nl", "pt"})

_NUMBERS = re.compile(r"\d[\d.,' \u00a0\u202f’]*\d|\d")
_GROUP_MARKS = str.maketrans("", "", " \u00a0\u202f'’_")


def number_habit(samples: Iterable[str], *, language: str | None = None, delimiter: str = ",") -> NumberHabit:
    """Find a file's habit from the values of its number columns, its headers' language and its delimiter."""
    point = comma = 0
    for text in samples:
        for number in _NUMBERS.findall(text):
            mark = _decimal_mark(number.translate(_GROUP_MARKS))
            point += mark == "."
            comma += mark == ","
    if point != comma:
        return NumberHabit("." if point > comma else ",", sure=min(point, comma) * 10 <= max(point, comma))
    if language in COMMA_LANGUAGES:
        return NumberHabit(",", sure=True)
    # Excel writes semicolons where the comma is taken by decimals: a hint, no proof.
    return NumberHabit("," if delimiter == ";" and language is None else ".")


def _decimal_mark(number: str) -> str | None:
    """The mark that can only be the decimal one in this number, if there is such."""
    points, commas = number.count("."), number.count(",")
    if points and commas:
        return "." if number.rfind(".") > number.rfind(",") else ","
    if points > 1 or commas > 1:  # "1.234.567": the mark groups, so the other one is the decimal
        return "," if points else "."
    if not points and not commas:
        return None
    mark = "." if points else ","
    head, tail = number.split(mark)
    return None if len(tail) == 3 and head.isdigit() and head[0] != "0" and len(head) <= 3 else mark


@lru_cache(maxsize=8192)
def read_number(text: str, habit: NumberHabit = UNKNOWN_HABIT) -> Decimal:
    """One plain number: "1,234.5", "1.234,5", "1 234,5", "1'234.50", "-3", "12 %" without its sign."""
    bare = text.strip().removesuffix("%").strip().translate(_GROUP_MARKS).replace("−", "-")
    sign = -1 if bare.startswith("-") or (bare.startswith("(") and bare.endswith(")")) else 1
    bare = bare.strip("-+()")
    if not bare or not all(c in "0123456789.," for c in bare) or not any(c.isdigit() for c in bare):
        return Decimal(text.strip()) if _SCIENTIFIC.fullmatch(text.strip()) else _fail()
    mark = _decimal_mark(bare)
    if mark is None:
        single = next((m for m in ".," if m in bare), None)
        groups = single is not None and not (habit.sure and single == habit.decimal)
        mark = ("," if single == "." else ".") if groups else single or "."
    plain = bare.replace("," if mark == "." else ".", "").replace(mark, ".")
    if plain.count(".") > 1 or len(plain) > 30:
        return _fail()
    return sign * Decimal(plain)


def _fail() -> Decimal:
    raise ValueProblem("is not a number")


def number_doubt(text: str, habit: NumberHabit, *, whole: bool = False) -> str | None:
    """What a person should know about a number that can be read in two ways, or None.

    A `whole` number is a count: there "1.500" is odd even where the point is sure to be the decimal mark.
    """
    if habit.sure and not whole:
        return None
    found = _AMBIGUOUS.search(text)
    if found is None or fold(found[2]) in SCALES:  # "1.125M" cannot be a thousand millions
        return None
    number = found[1]
    if habit.sure and habit.decimal not in number:
        return None
    grouped = number.replace(".", "").replace(",", "")
    decimals = number.replace(",", ".").rstrip("0").rstrip(".")
    taken = decimals if habit.sure and "." not in decimals else grouped
    return f"may be {grouped} or {decimals}; read as {taken}"


_AMBIGUOUS = re.compile(r"(?<![\d.,])([1-9]\d{0,2}[.,]\d{3})(?![\d.,]) ?([^\W\d_]*)")


_SCIENTIFIC = re.compile(r"[-+]?\d+(?:\.\d+)?[eE][-+]?\d{1,2}")
_YEAR_BEHIND = re.compile(r"\s*\((?:FY|in)?\s*\d{4}\)$", re.IGNORECASE)
_GROUP_OR_DECIMALS = re.compile(r"[1-9]\d{0,2}[.,]\d{3}")

# ---- sizes: headcount and money share the grammar of "about 1.5k - 2k+" ----

_ABOUT = re.compile(
    r"^(?:about|approx(?:\.|imately)?|around|circa|ca\.?|c\.|etwa|rund|ungefähr|environ|env\.|aprox\.?|"
    r"cerca de|~|≈|est(?:\.|imated)?|roughly|nearly|almost)\s*",
    re.IGNORECASE,
)
_OVER = re.compile(
    r"^(?:>=?|≥|over|more than|above|at least|mehr als|über|ab|min(?:\.|destens)?|plus de|más de|mas de|from|"
    r"greater than)\s*",
    re.IGNORECASE,
)
_UNDER = re.compile(
    r"^(?:<=?|≤|under|less than|below|up to|bis(?: zu)?|weniger als|unter|moins de|menos de|hasta|max\.?|"
    r"jusqu['’]à|no more than|fewer than)\s*",
    re.IGNORECASE,
)
_STRICT_UNDER = re.compile(
    r"^(?:<(?!=)|under|less than|below|fewer than|weniger als|unter|moins de|menos de)", re.IGNORECASE
)
_STRICT_OVER = re.compile(
    r"^(?:>(?!=)|over|more than|above|mehr als|über|plus de|más de|mas de|greater)", re.IGNORECASE
)
_BETWEEN = re.compile(
    r"\s*(?:[-\u2010-\u2015−]|\bto\b|\bbis\b|\bà\b|\band\b|\bund\b|\.\.\.?|…)\s*", re.IGNORECASE
)
_BETWEEN_WORD = re.compile(r"^(?:between|zwischen|entre|from|von|de)\s+", re.IGNORECASE)
_SIZE = re.compile(
    r"^(\d[\d.,'’ \u00a0\u202f]*)\s*([^\W\d_]*)\.?\s*(\+|plus\b|oder mehr|or more|et plus|y más)?\s*$",
    re.IGNORECASE,
)
_PEOPLE = re.compile(
    r"\s*\b(?:employ[ée]e?s?|people|persons?|staff|fte'?s?|mitarbeiter(?:innen|\(?:?\*?innen\)?)?|beschäftigte|"
    r"angestellte|salari[ée]s?|empleados|collaborateurs|personnes|personas|headcount|workers|ma)\b\.?",
    re.IGNORECASE,
)
_ALONE = frozenset(
    {"self-employed", "self employed", "myself only", "just me", "solo", "sole proprietor", "freelancer"}
)
# Excel takes "1-10" and "11-50" for days: what it makes of them can be read back.
_EXCEL_DAY = re.compile(r"^(?:(\d{1,2})[-. ]+([a-zä]{3})|([a-zä]{3})[-. ]+(\d{1,2}))$", re.IGNORECASE)


@lru_cache(maxsize=8192)
def read_headcount(text: str, habit: NumberHabit = UNKNOWN_HABIT) -> Range:
    """(least, most): "51-200", "10,001+" (most None), "about 300", "5k", "1–10 staff", Excel's "Nov-50"."""
    bare = _PEOPLE.sub("", text).strip()
    if bare.isascii() and bare.isdigit():
        return _counted(int(bare), int(bare))
    if bare.lower() in _ALONE:
        return 1, 1
    excel = _EXCEL_DAY.match(bare)
    if excel:
        return _from_excel(excel)
    least, most = _read_range(bare, habit, whole=True)
    return _counted(least, most)


def _from_excel(found: re.Match[str]) -> Range:
    day = int(found[1] or found[4])
    month = MONTHS.get(fold(found[2] or found[3]))
    band = (month, day) if month and month < day else (day, month)
    if band not in {(1, 10), (2, 10), (11, 50), (5, 10), (6, 10), (1, 5), (11, 20), (1, 9), (10, 49), (2, 9)}:
        raise ValueProblem("is a date, not a number of people")
    return band


def _counted(least: Decimal | int | None, most: Decimal | int | None) -> Range:
    for bound in (least, most):
        if bound is not None and not 0 <= bound <= MAX_COUNT:
            raise ValueProblem("is no number of people")
    return (None if least is None else int(least)), (None if most is None else int(most))


@lru_cache(maxsize=8192)
def read_money(
    text: str, habit: NumberHabit = UNKNOWN_HABIT, *, currency: str | None = None, scale: int = 1
) -> Money:
    """(least, most, currency): "$1.5M", "€ 2,3 Mio.", "1-10M USD", "1,000+", "Less than $1M".

    `currency` and `scale` are what the column's header says ("Revenue (in 000s USD)"); what the value
    itself says comes first. Without either the currency is None.
    """
    bare, named = _take_currency(text.strip())
    least, most = _read_range(bare, habit, whole=False)
    times = scale if not re.search(r"[a-z]", bare, re.IGNORECASE) else 1
    sums = tuple(None if bound is None else int(bound * times) for bound in (least, most))
    if any(bound is not None and not 0 <= bound <= MAX_AMOUNT for bound in sums):
        raise ValueProblem("is no sum of money")
    return sums[0], sums[1], named or currency


def read_currency(text: str) -> str | None:
    """The ISO 4217 code that a word or sign means, if it is one."""
    word = text.strip().lower()
    return word.upper() if word.upper() in ISO_CURRENCIES else CURRENCIES.get(word)


_CURRENCY_MARK = re.compile(
    r"(?:\b(?:US|AU|CA|NZ|HK|NT|MX|A|C|S|R)\$|CN¥|[$€£¥₹₩₪₽₺₦₱฿₫₴元円]|zł|Kč|[^\W\d_]{2,7}\b\.?)",
    re.IGNORECASE,
)


def _take_currency(text: str) -> tuple[str, str | None]:
    named: str | None = None

    def take(found: re.Match[str]) -> str:
        nonlocal named
        word = found[0].rstrip(".")
        code = read_currency(word)
        if code is None and word.lower() != "kr":  # crowns of four countries
            return found[0]
        named = named or code
        return " "

    apart = _JOINED_UNIT.sub(r"\1 \2", _RUN_TOGETHER.sub(" ", text))
    whole = _SWISS_CENTS.sub("", apart)
    bare = " ".join(_CURRENCY_MARK.sub(take, whole).split())
    leading = _UNIT_FIRST.fullmatch(bare)
    if leading and fold(leading[1]) in SCALES:  # "TEUR 500"
        bare = f"{leading[2]} {leading[1]}"
    return bare, named


# "1.5Mio" and "USD1.2bn": figures and letters are set apart; so are "10m" and "USD", "T" and "EUR".
_RUN_TOGETHER = re.compile(r"(?<=\d)(?=[^\W\d_])(?!e[-+]?\d)|(?<=[^\W\d_])(?<!\de)(?=\d)", re.IGNORECASE)
_JOINED_UNIT = re.compile(r"\b([kmbt])(USD|EUR|GBP|CHF|SEK|NOK|DKK)\b", re.IGNORECASE)
_UNIT_FIRST = re.compile(r"([^\W\d_]+)\.? (\d[\d.,' ]*)")
_SWISS_CENTS = re.compile(r"(?<=\d)[.,][-–—]+(?=\s|$)")  # "CHF 5.-"


def _read_range(text: str, habit: NumberHabit, *, whole: bool) -> tuple[Decimal | None, Decimal | None]:
    bare = _ABOUT.sub("", _YEAR_BEHIND.sub("", text))
    if not bare:
        raise ValueProblem("is not a number")
    if _SCIENTIFIC.fullmatch(bare):
        value = read_number(bare, habit)
        return value, value
    step = Decimal(1 if whole else 0)
    over, under = _OVER.match(bare), _UNDER.match(bare)
    if over and not _BETWEEN.search(bare[over.end() :]):
        value, _, _ = _size(bare[over.end() :], habit, whole=whole)
        return value + (step if _STRICT_OVER.match(bare) else 0), None
    if under:
        value, _, _ = _size(bare[under.end() :], habit, whole=whole)
        return Decimal(0), max(value - (step if _STRICT_UNDER.match(bare) else 0), Decimal(0))
    bounds = _BETWEEN.split(_BETWEEN_WORD.sub("", bare))
    if len(bounds) == 1:
        value, _, open_ended = _size(bare, habit, whole=whole)
        return value, None if open_ended else value
    if len(bounds) != 2 or not bounds[0]:
        raise ValueProblem("is not a number or a range of numbers")
    if not bounds[1]:
        value, _, _ = _size(bounds[0], habit, whole=whole)
        return value, None
    most, scale, open_ended = _size(bounds[1], habit, whole=whole)
    least, own_scale, _ = _size(bounds[0], habit, whole=whole)
    if own_scale == 1 and scale > 1 and least * scale <= most:
        least *= scale  # "1-10M" means one to ten million
    if least > most:
        raise ValueProblem("is a range that runs backwards")
    return least, None if open_ended else most


def _size(text: str, habit: NumberHabit, *, whole: bool) -> tuple[Decimal, int, bool]:
    """(value, the scale its unit gave, whether it says "or more")."""
    found = _SIZE.match(text.strip())
    unit = fold(found[2]) if found else ""
    open_ended = unit == "plus"
    unit = "" if open_ended else unit
    if found is None or (unit and unit not in SCALES):
        raise ValueProblem("is not a number or a range of numbers")
    scale = SCALES.get(unit, 1)
    number = found[1].strip()
    if whole and scale == 1 and _GROUP_OR_DECIMALS.fullmatch(number):
        value = read_number(number, habit)
        if value != value.to_integral_value():  # nobody employs one and a half
            value = Decimal(re.sub("[.,]", "", number))
    elif scale > 1 and _GROUP_OR_DECIMALS.fullmatch(number) and not habit.sure:
        value = Decimal(number.replace(",", "."))  # "1.125M" has its decimals, else it were billions
    else:
        value = read_number(number, habit)
    value *= scale
    if whole and value != value.to_integral_value():
        raise ValueProblem("is not a whole number")
    return value, scale, open_ended or bool(found[3])


_YEAR = re.compile(r"(?<!\d)(1[0-9]\d{2}|20\d{2}|21\d{2})(?!\d)")


@lru_cache(maxsize=4096)
def read_year(text: str) -> int:
    """The first year a text names: "2013 (1888)" is 2013, "1881/1894 (1980)" is 1881, "c. 1799" is 1799."""
    found = _YEAR.search(text)
    if found is None:
        raise ValueProblem("names no year")
    return int(found[1])


@lru_cache(maxsize=4096)
def read_coordinate(text: str, *, limit: int) -> float:
    """Degrees of latitude (limit 90) or longitude (180), with a point or a comma before the decimals."""
    try:
        degrees = float(text.strip().replace(",", ".").removesuffix("°"))
    except ValueError:
        degrees = float("nan")
    if not -limit <= degrees <= limit:
        raise ValueProblem(f"is no number of degrees between -{limit} and {limit}")
    return degrees
