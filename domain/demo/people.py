"""Invented people: who they are, what they do, where they were before; and what a second list makes of it."""

from bisect import bisect
from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import accumulate
from math import exp
from typing import NamedTuple
from zlib import crc32

from domain.demo.companies import EMAIL_PATTERNS, LAST_DAY, Seat, company_key, phone, written_place
from domain.demo.draws import Uniform, normal, pairs, pick, stream
from domain.demo.given_names import NICKNAMES
from domain.demo.names import given_names, languages_of, surnames, title_languages_of
from domain.demo.places import City, all_cities, cities_of
from domain.demo.spelling import ascii_name, mistyped, unmarked, words
from domain.demo.titles import GROUPS, LADDER, Concept, concept, concepts_for, phrasings

CONTACT_COLUMNS = words("""
    id first_name middle_name last_name title company_id company company_domain email email_status phone
    linkedin_url city region country position_started_on last_refreshed
""")
EMPLOYMENT_COLUMNS = ("contact_id", "company", "title", "start_date", "end_date")

# Measured on real lists.
CONTACTS_SLOPE = 0.6
SECOND_RECORDS = 0.03

# Of the names that have diacritics, so many lose them in a list; what remains is the measured 12 %.
_MARKS_LOST = 0.34
_WITHOUT_COMPANY = 0.02
_WITHOUT_ADDRESS = 0.235  # and those without a company: a quarter of all
_RING = 2_048
_ADDRESS_BITS = 1 << 25

_SECOND_KINDS = pairs({"initial": 25, "typo": 35, "address": 40})
_NICKNAMED = 0.6
_STATUSES = pairs({"valid": 60, "accept_all": 15, "unknown": 11, "invalid": 6, "": 8})
_PAST_JOBS = pairs({0: 40, 1: 22, 2: 18, 3: 12, 4: 8})
_WEBMAIL = ("freemail.example", "postbox.example", "inbox.example")
_SCOPES: dict[str, tuple[str, ...]] = {
    "en": (
        ", EMEA",
        ", North America",
        " - APAC",
        ", DACH",
        ", UK & Ireland",
        " - Enterprise",
        ", Mid-Market",
        ", Public Sector",
        ", Central Europe",
        " - Nordics",
        ", West Coast",
        ", Americas",
        " - Global",
    ),
    "de": (
        " DACH",
        " Nord",
        " Süd",
        " International",
        " Region West",
        ", Schwerpunkt Mittelstand",
        " Europa",
    ),
    "fr": (" France", " Europe", " Île-de-France", " grands comptes", " Sud-Est", " international"),
    "es": (" España", " LATAM", " Iberia", " Zona Norte", " Internacional"),
}
_DAYS = tuple((LAST_DAY - timedelta(days=ago)).isoformat() for ago in range(20_000))


class Job(NamedTuple):
    """A past position; `company_index` is -1 when the employer is not in the market."""

    company: str
    company_index: int
    concept: Concept
    title: str
    start_date: str
    end_date: str


class Person(NamedTuple):
    """One record of a person: what the list says, and beside it what the generator knows.

    `person_id` is the id of the person's first record; `second_kind` says in what a second one differs.
    """

    id: str
    person_id: str
    second_kind: str
    given_name: str
    surname: str
    gender: str
    language: str
    concept: Concept
    title_language: str
    seat: Seat | None
    home: City
    first_name: str
    middle_name: str
    last_name: str
    title: str
    email: str
    email_status: str
    phone: str
    city: str
    region: str
    country: str
    position_started_on: str
    last_refreshed: str
    history: tuple[Job, ...]


class Market:
    """The companies of a seed with their share of the contacts; `people` streams the contacts themselves."""

    def __init__(self, seed: int, seats: Sequence[Seat], outside: Sequence[Seat]) -> None:
        self.seed = seed
        self.seats = seats
        self.outside = outside
        uniform = stream(seed, 2)
        sizes = [seat.headcount * exp(0.5 * normal(uniform)) for seat in seats]
        self._ranked = sorted(range(len(seats)), key=lambda index: (-sizes[index], index))
        weights = (round(1e9 * rank**-CONTACTS_SLOPE) for rank in range(1, len(seats) + 1))
        self._cumulated = list(accumulate(weights))

    def employer(self, uniform: Uniform) -> Seat:
        """A company, by how many of the contacts it has."""
        cumulated = self._cumulated
        return self.seats[self._ranked[bisect(cumulated, uniform() * cumulated[-1])]]

    def people(self, contacts: int) -> Iterator[Person]:
        """The records in the order of the file; memory does not grow with their number."""
        uniform = stream(self.seed, 3)
        addresses = _Addresses()
        ring: list[Person] = []
        for number in range(1, contacts + 1):
            if len(ring) == _RING and uniform() < SECOND_RECORDS * contacts / (contacts - _RING):
                yield self._second(uniform, number, pick(ring, uniform), addresses)
                continue
            person = self._first(uniform, number, addresses)
            if len(ring) < _RING:
                ring.append(person)
            else:
                ring[int(uniform() * _RING)] = person
            yield person

    def _first(self, uniform: Uniform, number: int, addresses: "_Addresses") -> Person:
        seat = None if uniform() < _WITHOUT_COMPANY else self.employer(uniform)
        office = seat.city if seat else all_cities().draw(uniform)
        code = office.country.code
        gender = "f" if uniform() < 0.44 else "m"
        language = languages_of(code).draw(uniform)
        given_name = given_names(language, gender).draw(uniform)
        surname = _surname(uniform, language)
        middle_name = ""
        if code == "US" and uniform() < 0.16:
            middle_name = given_names(language, gender).draw(uniform)
            if uniform() < 0.7:
                middle_name = f"{middle_name[0]}."
        group, size = (seat.industry.group, seat.size) if seat else (pick(GROUPS, uniform), "small")
        what = concepts_for(group, size).draw(uniform)
        title_language = title_languages_of(code).draw(uniform)
        key = f"s{self.seed}-c{number}"
        first_name, last_name = given_name, surname
        if uniform() < _MARKS_LOST:
            first_name, last_name = unmarked(first_name), unmarked(last_name)
        email = status = ""
        if seat and uniform() >= _WITHOUT_ADDRESS:
            local = _local_part(seat.email_pattern, given_name, surname, umlauts=code in {"DE", "AT", "CH"})
            email = addresses.claim(local, seat.domain, number)
            status = _STATUSES.draw(uniform)
        home = _home(uniform, office)
        city, region, country = _written_home(uniform, home)
        days = int(uniform() * uniform() * 4_400)
        return Person(
            key,
            key,
            "",
            given_name,
            surname,
            gender,
            language,
            what,
            title_language,
            seat,
            home,
            first_name,
            middle_name,
            "" if uniform() < 0.004 else last_name,
            "" if uniform() < 0.04 else _title(uniform, what, title_language, gender),
            email,
            status,
            "" if uniform() < 0.6 else phone(uniform, home),
            city,
            region,
            country,
            "" if uniform() < 0.2 else _DAYS[days],
            _DAYS[int(uniform() * uniform() * 730)],
            self._history(uniform, what, title_language, gender, days),
        )

    def _second(self, uniform: Uniform, number: int, first: Person, addresses: "_Addresses") -> Person:
        """Another list's record of somebody: a nickname, an initial, a typing error or another address."""
        first_name, last_name = first.given_name, first.surname
        nicknames = NICKNAMES.get(first_name, ())
        kind = "nickname" if nicknames and uniform() < _NICKNAMED else _SECOND_KINDS.draw(uniform)
        email = status = ""
        city, region, country = first.city, first.region, first.country
        home = first.home
        if kind == "nickname":
            first_name = pick(nicknames, uniform)
        elif kind == "initial":
            first_name = f"{first_name[0]}." if uniform() < 0.7 else first_name[0]
        elif kind == "typo":
            if uniform() < 0.7 or len(first_name) < 4:
                last_name = mistyped(last_name, uniform)
            else:
                first_name = mistyped(first_name, uniform)
        else:
            local = _local_part("first.last", first.given_name, first.surname, umlauts=False)
            email, status = addresses.claim(local, pick(_WEBMAIL, uniform), number), "webmail"
            home = cities_of(home.country.code).draw(uniform)
            city, region, country = written_place(uniform, home)
        if not email and first.seat and uniform() < 0.5:
            pattern = EMAIL_PATTERNS.draw(uniform)
            local = _local_part(pattern, first_name, last_name, umlauts=False)
            email, status = addresses.claim(local, first.seat.domain, number), _STATUSES.draw(uniform)
        return first._replace(
            id=f"s{self.seed}-c{number}",
            second_kind=kind,
            home=home,
            first_name=first_name,
            middle_name="",
            last_name=last_name,
            title=_title(uniform, first.concept, first.title_language, first.gender),
            email=email,
            email_status=status,
            phone="" if uniform() < 0.7 else phone(uniform, home),
            city=city,
            region=region,
            country=country,
            last_refreshed=_DAYS[int(uniform() * 730)],
            history=(),
        )

    def _history(
        self, uniform: Uniform, now: Concept, language: str, gender: str, days: int
    ) -> tuple[Job, ...]:
        """Past positions, the latest first: down the ladder, mostly in the same line of work."""
        number = _PAST_JOBS.draw(uniform)
        if not number:
            return ()
        jobs = []
        what = now
        months_only = uniform() < 0.5
        for _ in range(number):
            what = _before(uniform, what)
            end = days + int(uniform() * 90)
            days = end + 180 + int(uniform() * 1_600)
            seat = self.employer(uniform) if uniform() < 0.7 else pick(self.outside, uniform)
            start_date, end_date = _DAYS[days], _DAYS[end]
            if months_only:
                start_date, end_date = f"{start_date[:8]}01", f"{end_date[:8]}01"
            index = seat.number if seat.number < len(self.seats) else -1
            title = phrasings(what, language, gender).draw(uniform)
            jobs.append(Job(seat.name, index, what, title, start_date, end_date))
        return tuple(jobs)


class _Addresses:
    """Gives every address once, in a fixed four megabytes: a bit for the checksum of each one given.

    Where the bit is set (the address itself, or now and then another) the record's number makes it unique.
    """

    def __init__(self) -> None:
        self._bits = bytearray(_ADDRESS_BITS >> 3)

    def claim(self, local: str, domain: str, number: int) -> str:
        address = f"{local}@{domain}"
        place = crc32(address.encode()) % _ADDRESS_BITS
        byte, bit = place >> 3, 1 << (place & 7)
        if self._bits[byte] & bit:
            return f"{local}{number}@{domain}"
        self._bits[byte] |= bit
        return address


def contact_row(person: Person) -> tuple[str, ...]:
    """A person as a line of contacts.csv."""
    seat = person.seat
    return (
        person.id,
        person.first_name,
        person.middle_name,
        person.last_name,
        person.title,
        company_key(int(person.id[1 : person.id.index("-")]), seat.number) if seat else "",
        seat.name if seat else "",
        seat.domain if seat else "",
        person.email,
        person.email_status,
        person.phone,
        "",
        person.city,
        person.region,
        person.country,
        person.position_started_on,
        person.last_refreshed,
    )


def employment_rows(person: Person) -> list[tuple[str, ...]]:
    """The lines of employment.csv that a person has."""
    return [(person.id, job.company, job.title, job.start_date, job.end_date) for job in person.history]


def _surname(uniform: Uniform, language: str) -> str:
    name = surnames(language).draw(uniform)
    if language in {"es", "pt"}:
        if uniform() < 0.35:
            return f"{name} {surnames(language).draw(uniform)}"
    elif uniform() < 0.025:
        return f"{name}-{surnames(language).draw(uniform)}"
    return name


def _local_part(pattern: str, given_name: str, surname: str, *, umlauts: bool) -> str:
    first = ascii_name(given_name, umlauts=umlauts) or "x"
    last = ascii_name(surname.partition(" ")[0], umlauts=umlauts) or "x"
    return _LOCAL_PARTS[pattern].format(first=first, last=last, f=first[0])


_LOCAL_PARTS = {
    "first.last": "{first}.{last}",
    "flast": "{f}{last}",
    "first": "{first}",
    "firstlast": "{first}{last}",
    "f.last": "{f}.{last}",
    "first_last": "{first}_{last}",
    "last": "{last}",
    "last.first": "{last}.{first}",
    "first-last": "{first}-{last}",
}


def _home(uniform: Uniform, office: City) -> City:
    chance = uniform()
    if chance < 0.74:
        return office
    return cities_of(office.country.code).draw(uniform) if chance < 0.93 else all_cities().draw(uniform)


def _written_home(uniform: Uniform, home: City) -> tuple[str, str, str]:
    city, region, country = written_place(uniform, home)
    chance = uniform()
    if chance < 0.04:
        return "", "", ""
    if chance < 0.15:
        return "", region if uniform() < 0.5 else "", country
    return city, region if uniform() < 0.85 else "", country


def _title(uniform: Uniform, what: Concept, language: str, gender: str) -> str:
    text = phrasings(what, language, gender).draw(uniform)
    chance = uniform()
    if chance < 0.07 and what.level in {"manager", "director", "head", "vp"}:
        return text + pick(_SCOPES[language], uniform)
    if chance > 0.99:
        return text.upper()
    return text.lower() if chance > 0.975 else text


def _before(uniform: Uniform, now: Concept) -> Concept:
    """What somebody was before: a step or two down, at times in another line of work."""
    level, function = now.level, now.function
    if function == "general":
        function = pick(("sales", "operations", "finance", "engineering", "consulting", "marketing"), uniform)
        step = len(LADDER) - 2
    else:
        step = max(1, LADDER.index(level) - int(uniform() * 2.4))
    if uniform() < 0.12:
        function = concepts_for("services", "medium").draw(uniform).function
    return concept(LADDER[step], function) or concept("manager", "operations") or now
