"""The cells of one row read into values: what each means, and what cannot be read.

The names of the cells are those that `columns` matches a file's columns to.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Any, Final, NamedTuple

from core.text import clean, fold, slug
from domain.imports import hosts
from domain.imports import values as read
from domain.imports.dates import UNKNOWN_ORDER, DateHabit
from domain.imports.numbers import UNKNOWN_HABIT, Money, NumberHabit
from domain.imports.problems import ValueProblem
from search import places
from search.companies import company_key
from search.names import is_honorific
from search.vocabulary import EMAIL_STATUSES, FUNDING_STAGES, Vocabulary, nearest

_MAX_NAME: Final = 200
_MAX_COMPANY: Final = 300
_MAX_TITLE: Final = 300
_MAX_DESCRIPTION: Final = 20_000
_MAX_EMAIL_BYTES: Final = 320
_MAX_KEY: Final = 500
NO_EXTRAS: Final[Mapping[str, str]] = {}
_PARTICLES_WORDS: Final = """
da dal de del della den der di dos du el la le ten ter van von zu zum zur
"""
_PARTICLES: Final = frozenset(_PARTICLES_WORDS.split())


class Problem(NamedTuple):
    """A value that was dropped: the cell's name, its text and why."""

    cell: str
    value: str
    # A phrase that follows the value: "is not a date".
    reason: str
    # Whether the value was read all the same, with a doubt.
    is_kept: bool = False


@dataclass(frozen=True, slots=True)
class Habits:
    """How a file writes what can be written in several ways."""

    # Where a phone number without a country code rings when the row names no country.
    phone_country: str | None = None
    number: NumberHabit = UNKNOWN_HABIT
    # By the name of the cell; a column that is not named has not shown how it writes dates.
    dates: Mapping[str, DateHabit] = field(default_factory=dict)
    # Currency and scale that the header names: "Revenue (in 000s USD)".
    units: Mapping[str, tuple[str | None, int]] = field(default_factory=dict)
    list_separator: str | None = None


@dataclass(slots=True)
class Reading:
    """What has been read of a row so far."""

    cells: Mapping[str, str]
    habits: Habits = field(default_factory=Habits)
    values: dict[str, Any] = field(default_factory=dict)
    raw: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def take(self, name: str, reader: Callable[[str], Any], *, cell: str | None = None) -> Any:
        """Read a cell into the field `name`; an empty cell states nothing."""
        cell = cell or name
        text = self.cells.get(cell)
        if not text:
            return None
        value = self.attempt(cell, text, reader)
        if value not in (None, "", []):
            self.values[name] = value
            if value != text:
                self.raw[name] = text
        return value

    def attempt(self, cell: str, text: str, reader: Callable[[str], Any]) -> Any:
        """The value of a text, or None with the problem noted."""
        try:
            return reader(text)
        except ValueProblem as problem:
            self.problem(cell, text, str(problem))
            return None

    def doubt(self, cell: str, reason: str | None) -> None:
        """The value of a cell was read, but can be read in another way."""
        if reason is not None:
            self.problems.append(Problem(cell, self.cells[cell][:500], reason, is_kept=True))

    def problem(self, cell: str, text: str, reason: str) -> None:
        self.problems.append(Problem(cell, text[:500], reason))


def read_contact(cells: Mapping[str, str], habits: Habits, extras: Mapping[str, str] = NO_EXTRAS) -> Reading:
    """Everything a row says of a person."""
    reading = Reading(cells, habits)
    if extras or "nickname" in cells:
        reading.values["extras"] = _extras(extras, cells)
    _read_names(reading)
    reading.take("email", _read_email)
    reading.take("title", _text(_MAX_TITLE))
    reading.take("linkedin_url", _read_profile)
    place = _read_location(reading)
    reading.take("phone", _phone_reader((place and place.get("country")) or habits.phone_country))
    reading.take("email_status", _read_email_status)
    _take_moment(reading, "email_verified_at", "email_verified_at")
    _take_day(reading, "position_started_on")
    _take_moment(reading, "refreshed", "last_refreshed")
    _read_employer(reading)
    return reading


def read_organization(
    cells: Mapping[str, str], habits: Habits, extras: Mapping[str, str] = NO_EXTRAS
) -> Reading:
    """Everything a row says of a company."""
    reading = Reading(cells, habits)
    if extras:
        reading.values["extras"] = _extras(extras, cells)
    reading.take("name", _text(_MAX_COMPANY))
    reading.take("aliases", partial(read.read_list, separator=habits.list_separator))
    _read_site(reading)
    reading.take("linkedin_url", _read_company_page)
    place = _read_location(reading)
    reading.take("phone", _phone_reader((place and place.get("country")) or habits.phone_country))
    for name in ("industry", "technologies", "keywords"):
        reading.take(name, partial(_read_terms, separator=habits.list_separator))
    reading.take("naics", _text(20))
    _take_number(reading, "employees", lambda text: list(read.read_headcount(text, habits.number)))
    _take_number(reading, "revenue", lambda text: list(_money(reading, "revenue", text)))
    reading.take("funding_stage", _read_funding_stage)
    _take_number(reading, "funding_amount", lambda text: _one_amount(_money(reading, "funding_amount", text)))
    _take_day(reading, "funding_date")
    reading.take("founded_year", read.read_year, cell="founded")
    reading.take("description", _text(_MAX_DESCRIPTION))
    _take_moment(reading, "refreshed", "last_refreshed")
    return reading


def read_position(cells: Mapping[str, str], habits: Habits) -> Reading:
    """Everything a row says of a position, and of whom it was."""
    reading = Reading(cells, habits)
    reading.take("email", _read_email, cell="contact_email")
    reading.take("linkedin_url", _read_profile, cell="contact_linkedin_url")
    reading.take("title", _text(_MAX_TITLE))
    _read_employer(reading)
    _take_day(reading, "start_date")
    if not read.is_open_end(cells.get("end_date", "")):
        _take_day(reading, "end_date")
    start, end = reading.values.get("start_date"), reading.values.get("end_date")
    if start and end and end < start:
        del reading.values["end_date"]
        reading.problem("end_date", cells["end_date"], "is before the start date")
    return reading


def _extras(extras: Mapping[str, str], cells: Mapping[str, str]) -> dict[str, str]:
    """What a file says beside the fields, under its own headers."""
    kept = {header: clean(text)[:_MAX_DESCRIPTION] for header, text in extras.items()}
    return kept | ({"nickname": clean(cells["nickname"])} if "nickname" in cells else {})


def _read_names(reading: Reading) -> None:
    for name in ("first_name", "middle_name", "last_name"):
        reading.take(name, _read_person_name)
    values, cells = reading.values, reading.cells
    if "full_name" in cells and not ("first_name" in values and "last_name" in values):
        full = reading.attempt("full_name", cells["full_name"], _read_person_name)
        if full:
            values.update(_split_name(full))
    if (suffix := cells.get("suffix")) and "last_name" in values:
        values["last_name"] = f"{values['last_name']} {clean(suffix)[:20]}"


def _split_name(full: str) -> dict[str, str]:
    """First, middle and last of a name in one cell: "Berg, Anna" as well as "Dr. Anna van der Berg"."""
    last, comma, given = full.partition(",")
    if comma and given.strip():
        words = given.split()
        return {
            k: v
            for k, v in zip(
                ("first_name", "middle_name", "last_name"),
                (words[0], " ".join(words[1:]), last.strip()),
                strict=True,
            )
            if v
        }
    words = full.split()
    while len(words) > 1 and is_honorific(fold(words[0]).rstrip(".")):
        words = words[1:]
    if len(words) == 1:
        return {"last_name": words[0]}
    start = len(words) - 1
    while start > 1 and fold(words[start - 1]) in _PARTICLES:
        start -= 1
    middle = " ".join(words[1:start])
    named = {"first_name": words[0], "last_name": " ".join(words[start:])}
    return named | ({"middle_name": middle} if middle else {})


def _read_employer(reading: Reading) -> None:
    """The company a row names: its key in the source, its name, its domain."""
    cells = reading.cells
    employer: dict[str, str] = {}
    if key := cells.get("company_id"):
        employer["key"] = clean(key)[:_MAX_KEY]
    if name := cells.get("company"):
        cleaned = reading.attempt("company", name, _text(_MAX_COMPANY))
        if cleaned:
            employer["name"] = cleaned
    page = cells.get("company_linkedin_url")
    if page and (url := reading.attempt("company_linkedin_url", page, _read_company_page)):
        employer["linkedin_url"] = url
    _read_employer_site(reading, employer)
    if employer:
        reading.values["organization"] = employer


def _read_employer_site(reading: Reading, employer: dict[str, str]) -> None:
    name_key = company_key(employer.get("name", ""))
    for cell in ("company_domain", "company_website"):
        text = reading.cells.get(cell)
        domain = reading.attempt(cell, text, read.read_domain) if text else None
        if not text or not domain or hosts.is_another(domain, name_key):
            continue
        employer.setdefault("domain", domain)
        website = reading.attempt(cell, text, read.read_website) if cell == "company_website" else None
        if website:
            employer["website"] = website


def _read_site(reading: Reading) -> None:
    """Website and domain; a page on somebody else's host is a website, but no domain of the company's."""
    reading.take("website", read.read_website)
    cell = "domain" if reading.cells.get("domain") else "website"
    text = reading.cells.get(cell)
    if not text or (cell == "website" and "website" not in reading.values):
        return
    domain = reading.attempt(cell, text, read.read_domain)
    if domain and not hosts.is_another(domain, company_key(reading.values.get("name", ""))):
        reading.values["domain"] = domain
    elif domain and cell == "domain":
        reading.problem(cell, text, "is a host of many, not a company's own domain")


def _read_location(reading: Reading) -> dict[str, Any] | None:
    cells = reading.cells
    texts = (
        cells.get("location", ""),
        cells.get("city", ""),
        cells.get("region", ""),
        cells.get("country", ""),
    )
    place: dict[str, Any] = {}
    if any(texts):
        found, problems = _locate(*texts)
        for cell, reason in problems:
            reading.problem(cell, cells[cell], reason)
        place |= found
    place |= _read_point(reading)
    if not place:
        return None
    reading.values["location"] = place
    return place


@lru_cache(maxsize=4096)
def _locate(
    location: str, city: str, region: str, country: str
) -> tuple[dict[str, Any], tuple[tuple[str, str], ...]]:
    """The place that the cells mean, and the cells that mean none. The text itself is kept beside it."""
    place = places.combine(city=city, region=region, country=country, location=location) or places.Place()
    found: dict[str, Any] = {
        part: value for part in _PLACE_PARTS if (value := getattr(place, part)) is not None
    }
    found["text"] = ", ".join(clean(part) for part in (location, city, region, country) if part)
    problems = []
    if country and place.country is None:
        problems.append(("country", "is not a known country"))
    if region and place.region is None:
        within = f" of {place.country}" if place.country else ""
        problems.append(("region", f"is not a known region{within}"))
    if location and not found.keys() & {"country", "region", "city", "city_name"}:
        problems.append(("location", "is not a known place"))
    return found, tuple(problems)


def _read_point(reading: Reading) -> dict[str, float]:
    """Latitude and longitude as the file states them, which beat the gazetteer's; only both are a point."""
    point: dict[str, float] = {}
    given = [cell for cell in ("latitude", "longitude") if cell in reading.cells]
    if len(given) == 1:
        reading.problem(given[0], reading.cells[given[0]], "is no point without the other coordinate")
    if len(given) != 2:
        return point
    for cell, limit in (("latitude", 90), ("longitude", 180)):
        text = reading.cells[cell]
        degrees = reading.attempt(cell, text, partial(read.read_coordinate, limit=limit))
        if degrees is None:
            return {}
        point[cell] = round(degrees, 6)
    return point


def _read_email(text: str) -> str:
    email = read.read_email(text)
    if len(email) > _MAX_EMAIL_BYTES // 4 and len(email.encode()) > _MAX_EMAIL_BYTES:
        raise ValueProblem("is too long for an e-mail address")
    return email


def _read_person_name(text: str) -> str:
    name = read.read_name(text)
    if len(name) > _MAX_NAME:
        raise ValueProblem(f"is longer than {_MAX_NAME} characters")
    return name


@lru_cache(maxsize=8)
def _text(longest: int) -> Callable[[str], str]:
    """A reader of plain text of a certain length."""

    def read_text(text: str) -> str:
        cleaned = clean(text)
        if len(cleaned) > longest:
            raise ValueProblem(f"is longer than {longest} characters")
        return cleaned

    return read_text


@lru_cache(maxsize=512)
def _phone_reader(country: str | None) -> Callable[[str], str]:
    return lambda text: read.read_phone(text, country)


def _code_reader(vocabulary: Vocabulary) -> Callable[[str], str]:
    """A reader of a closed vocabulary's codes, however they are spelled."""

    def read_code(text: str) -> str:
        code = vocabulary.code_of(clean(text))
        if code is None:
            near = ", ".join(nearest(text, vocabulary))
            raise ValueProblem("is not a known value" + (f"; the nearest are {near}" if near else ""))
        return code

    return read_code


_read_email_status = _code_reader(EMAIL_STATUSES)
_read_funding_stage = _code_reader(FUNDING_STAGES)


def _read_terms(text: str, separator: str | None) -> list[str]:
    """A list of words of an open vocabulary, without those that have no letter or digit."""
    return [term for term in read.read_list(text, separator) if slug(term)]


def _take_number(reading: Reading, name: str, reader: Callable[[str], Any]) -> None:
    if reading.take(name, reader) is not None:
        reading.doubt(
            name, read.number_doubt(reading.cells[name], reading.habits.number, whole=name == "employees")
        )


def _money(reading: Reading, name: str, text: str) -> Money:
    currency, scale = reading.habits.units.get(name, (None, 1))
    return read.read_money(text, reading.habits.number, currency=currency, scale=scale)


def _take_day(reading: Reading, name: str) -> None:
    habit = reading.habits.dates.get(name, UNKNOWN_ORDER)
    if (
        reading.take(name, lambda text: read.read_date(text, habit).isoformat()) is not None
        and not habit.sure
    ):
        reading.doubt(name, read.date_doubt(reading.cells[name], habit))


def _take_moment(reading: Reading, name: str, cell: str) -> None:
    habit = reading.habits.dates.get(cell, UNKNOWN_ORDER)
    taken = reading.take(name, lambda text: read.read_datetime(text, habit).isoformat(), cell=cell)
    if taken is not None and not habit.sure:
        reading.doubt(cell, read.date_doubt(reading.cells[cell], habit))


def _read_profile(text: str) -> str:
    return read.read_linkedin_url(text, "person")


def _read_company_page(text: str) -> str:
    return read.read_linkedin_url(text, "company")


def _one_amount(money: Money) -> list[Any]:
    """One amount of money; of a range, its lower end."""
    least, most, currency = money
    return [least if least is not None else most, currency]


_PLACE_PARTS: Final = ("country", "region", "city", "city_name", "latitude", "longitude")
