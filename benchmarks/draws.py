"""Ideal customer profiles, a new one for every request, drawn by seed so that so many contacts fit.

A search that was asked before is answered from caches and flatters whoever measures it. So no profile is
ever drawn twice, and how many contacts fit it is counted here, on bitmaps of the catalogue's values, and not
by an engine that would remember the question.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from random import Random
from typing import Any, Final, Literal

import asyncpg
import orjson
from pyroaring import BitMap

from benchmarks.environment import BenchmarkFailed
from search import titles

Kind = Literal["narrow", "middle", "broad"]
KINDS: Final[tuple[Kind, ...]] = ("narrow", "middle", "broad")
# Of a million contacts: hundreds, about twenty thousand, about half a million.
SHARES: Final[Mapping[Kind, tuple[float, float]]] = {
    "narrow": (0.0001, 0.001),
    "middle": (0.012, 0.030),
    "broad": (0.40, 0.80),
}
_RESTRICTIONS: Final[Mapping[Kind, tuple[int, int]]] = {"narrow": (4, 6), "middle": (3, 5), "broad": (1, 3)}
_TITLES: Final = 300
_POINTS: Final = 150
_ATTEMPTS: Final = 20_000

Side = Literal["contacts", "organizations"]


@dataclass(frozen=True, slots=True)
class Profile:
    """What is asked (the `filters` of a request) and how many contacts fit it."""

    filters: Mapping[str, Any]
    matches: int


@dataclass(frozen=True)
class Values:
    """A filter that takes a list of values, with the contacts that have each."""

    side: Side
    name: str
    contacts: Mapping[str, BitMap]
    # As many values as a person would choose.
    most: int = 40
    may_exclude: bool = False


@dataclass(frozen=True)
class Scale:
    """A filter from some point of a scale on, with the contacts at each point in ascending order."""

    side: Side
    name: str
    contacts: Mapping[Any, BitMap]
    filter: Callable[[Any], Any]

    @cached_property
    def points(self) -> Sequence[Any]:
        """Some points, the highest first."""
        every = sorted(self.contacts, reverse=True)
        return every[:: max(1, len(every) // _POINTS)]

    @cached_property
    def from_there_on(self) -> Mapping[Any, BitMap]:
        """The contacts at each of the points and above it."""
        taken = BitMap()
        found = {}
        for point in sorted(self.contacts, reverse=True):
            taken |= self.contacts[point]
            found[point] = BitMap(taken)
        return {point: found[point] for point in self.points}


@dataclass(frozen=True)
class Known:
    """The catalogue as the draws see it."""

    everybody: BitMap
    values: Sequence[Values]
    scales: Sequence[Scale]


@dataclass
class Draws:
    """Profiles in a fixed order for a seed; none comes twice, of whatever kind."""

    known: Known
    seed: int
    _drawn: set[bytes] = field(default_factory=set)
    _random: Random = field(init=False)

    def __post_init__(self) -> None:
        self._random = Random(self.seed)

    def take(self, kind: Kind, number: int) -> list[Profile]:
        """So many new profiles, each fitting a number of contacts that belongs to the kind."""
        return [self._fitting(kind) for _ in range(number)]

    def any(self) -> Iterator[Mapping[str, Any]]:
        """The filters of new profiles without end, fitted to nothing and so drawn fast."""
        several: list[Values | Scale] = [*self.known.values, *self.known.scales]
        while True:
            filters = _Filters()
            for by in self._random.sample(several, self._random.randint(2, min(5, len(several)))):
                if isinstance(by, Scale):
                    filters.add(by.side, "include", by.name, by.filter(self._random.choice(by.points)))
                else:
                    number = self._random.randint(1, min(by.most, (len(by.contacts) + 2) // 3))
                    values = self._random.sample(sorted(by.contacts), number)
                    filters.add(by.side, "include", by.name, sorted(values))
            if self._is_new(filters.as_dict()):
                yield filters.as_dict()

    def _fitting(self, kind: Kind) -> Profile:
        low, high = (share * len(self.known.everybody) for share in SHARES[kind])
        for _ in range(_ATTEMPTS):
            profile = self._draw(kind, self._target(kind))
            if profile is not None and low <= profile.matches <= high and self._is_new(profile.filters):
                return profile
        raise BenchmarkFailed(f"No new {kind} profile was found in {_ATTEMPTS:,} attempts.")

    def _target(self, kind: Kind) -> float:
        low, high = SHARES[kind]
        share: float = low * (high / low) ** self._random.random()
        return share * len(self.known.everybody)

    def _is_new(self, filters: Mapping[str, Any]) -> bool:
        key = orjson.dumps(filters, option=orjson.OPT_SORT_KEYS)
        if key in self._drawn:
            return False
        self._drawn.add(key)
        return True

    def _draw(self, kind: Kind, target: float) -> Profile | None:
        """Restrictions one after the other, each taking its part of the way down to the target."""
        number = self._random.randint(*_RESTRICTIONS[kind])
        several: list[Values | Scale] = [*self.known.values, *self.known.scales]
        chosen = self._random.sample(several, min(number, len(several)))
        found, filters = self.known.everybody, _Filters()
        for left in range(len(chosen), 0, -1):
            # The geometric way, with some play; the last restriction takes what is left.
            share = (target / max(len(found), 1)) ** (1 / left)
            if left > 1:
                share **= self._random.uniform(0.5, 1.5)
            found = self._restrict(chosen[len(chosen) - left], found, min(share, 0.97), filters)
            if len(found) < target / 4:
                return None
        return Profile(filters.as_dict(), len(found))

    def _restrict(self, by: Values | Scale, found: BitMap, share: float, filters: "_Filters") -> BitMap:
        """What is left of `found`, about `share` of it, under a restriction noted in `filters`."""
        wanted = share * len(found)
        if isinstance(by, Scale):
            return self._from_some_point(by, found, wanted, filters)
        excludes = by.may_exclude and share > 0.5 and self._random.random() < 0.5
        if excludes:
            wanted = len(found) - wanted
        values = sorted(by.contacts)
        self._random.shuffle(values)
        size = 0
        some: list[str] = []
        for value in values[: by.most * 2]:
            more = by.contacts[value].intersection_cardinality(found)
            # One that overshoots is passed over, unless there is nothing else left.
            if size + more > wanted * 1.3 and value != values[-1]:
                continue
            size += more
            some.append(value)
            if size >= wanted * 0.8 or len(some) == by.most:
                break
        if not some:
            return found
        filters.add(by.side, "exclude" if excludes else "include", by.name, sorted(some))
        chosen = BitMap.union(*(by.contacts[value] for value in some))
        return found - chosen if excludes else found & chosen

    def _from_some_point(self, by: Scale, found: BitMap, wanted: float, filters: "_Filters") -> BitMap:
        place = bisect_left(
            by.points, wanted, key=lambda point: by.from_there_on[point].intersection_cardinality(found)
        )
        point = by.points[min(place, len(by.points) - 1)]
        filters.add(by.side, "include", by.name, by.filter(point))
        return found & by.from_there_on[point]


class _Filters:
    """The `filters` of a request as they grow."""

    def __init__(self) -> None:
        self._sides: dict[str, dict[str, dict[str, Any]]] = {}

    def add(self, side: Side, direction: Literal["include", "exclude"], name: str, value: Any) -> None:
        self._sides.setdefault(side, {}).setdefault(direction, {})[name] = value

    def as_dict(self) -> dict[str, Any]:
        return self._sides


async def read(connection: asyncpg.Connection) -> Known:
    """The values of the catalogue and who has them; a few seconds for a million contacts."""
    everybody = BitMap(await connection.fetchval("SELECT array_agg(id) FROM contacts"))
    values = []
    for side, name, sql, most, may_exclude in _VALUES:
        values.append(
            Values(side, name, await _by_value(connection, sql), most=most, may_exclude=may_exclude)
        )
    values.append(Values("contacts", "titles", await _by_title(connection), most=10))
    scales = []
    for side, name, sql, key in _SCALES:
        scales.append(Scale(side, name, await _by_value(connection, sql), _as_filter(key)))
    return Known(everybody, values, scales)


async def _by_value(connection: asyncpg.Connection, sql: str) -> dict[Any, BitMap]:
    rows = await connection.fetch(f"{sql} GROUP BY 1 ORDER BY 1")
    return {row[0]: BitMap(row[1]) for row in rows if row[0]}


async def _by_title(connection: asyncpg.Connection) -> dict[str, BitMap]:
    """The contacts that a search for each of the most frequent titles finds: by all terms of a reading."""
    terms = await _by_value(
        connection, "SELECT term, array_agg(id) FROM contacts, unnest(title_terms) AS term"
    )
    rows = await connection.fetch(
        "SELECT title_normalized FROM contacts WHERE title_normalized IS NOT NULL"
        " GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT $1",
        _TITLES,
    )
    found = {}
    for (title,) in rows:
        readings = [
            BitMap.intersection(*(terms.get(term, BitMap()) for term in reading))
            for reading in titles.title_query(title)
        ]
        if readings:
            found[title] = BitMap.union(*readings)
    return found


def _as_filter(key: str | None) -> Callable[[Any], Any]:
    return lambda point: {key: point} if key else str(point)


_OF_COMPANIES: Final = "FROM contacts c JOIN organizations o ON o.id = c.organization_id"
_VALUES: Final[tuple[tuple[Side, str, str, int, bool], ...]] = (
    ("contacts", "seniorities", "SELECT seniority, array_agg(id) FROM contacts", 11, True),
    ("contacts", "departments", "SELECT d, array_agg(id) FROM contacts, unnest(departments) AS d", 15, False),
    ("contacts", "countries", "SELECT country, array_agg(id) FROM contacts", 30, True),
    (
        "organizations",
        "industries",
        f"SELECT i, array_agg(c.id) {_OF_COMPANIES}, unnest(o.industries) AS i",
        30,
        True,
    ),
    (
        "organizations",
        "headcount_bands",
        f"SELECT b, array_agg(c.id) {_OF_COMPANIES}, unnest(o.headcount_bands) AS b",
        8,
        False,
    ),
    (
        "organizations",
        "technologies",
        f"SELECT t, array_agg(c.id) {_OF_COMPANIES}, unnest(o.technologies) AS t",
        15,
        False,
    ),
)
_SCALES: Final[tuple[tuple[Side, str, str, str | None], ...]] = (
    ("organizations", "founded_year", f"SELECT founded_year, array_agg(c.id) {_OF_COMPANIES}", "min"),
    (
        "contacts",
        "last_refreshed_after",
        "SELECT (last_refreshed_at AT TIME ZONE 'UTC')::date, array_agg(id) FROM contacts",
        None,
    ),
)
