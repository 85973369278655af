"""The gazetteer's data in memory: `data/places.bin`, unpacked once into flat arrays.

Cities are numbered by size, the largest first, so that the least number among several is the
largest place. Nothing here decides what a text means; that is `search.places`.
"""

from __future__ import annotations

import json
import struct
import zlib
from array import array
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from heapq import nlargest, nsmallest
from itertools import accumulate
from pathlib import Path
from typing import Any

_FILE = Path(__file__).parent / "data" / "places.bin"
_MAGIC = b"LFPLACE1"
# A city called otherwise there ("Cologne" for Köln) must be this much larger than one that is called so
# (Cologne in Italy). GeoNames calls large cities by their English names, so that these seldom matter.
OWN_NAME_WEIGHT = 40


@dataclass(frozen=True, slots=True)
class Country:
    code: str
    name: str
    population: int


@dataclass(frozen=True, slots=True)
class Region:
    code: str
    name: str
    population: int
    point: tuple[float, float] | None

    @property
    def country(self) -> str:
        return self.code[:2]


@dataclass(slots=True)
class Gazetteer:
    """Countries and regions by code and by key; cities as parallel arrays, by number."""

    countries: dict[str, Country]
    country_keys: dict[str, str]
    regions: dict[str, Region]
    region_keys: dict[str, list[str]]  # key -> codes, the most populous first
    part_keys: dict[str, list[str]]  # the same for what lies within a region: counties, departments
    keys: str
    key_ends: array[int]
    posting_ends: array[int]
    postings: array[int]  # city * 2, plus 1 where the key is the city's own name
    names: str
    name_ends: array[int]
    ids: array[int]
    populations: array[int]
    country_numbers: array[int]
    region_numbers: array[int]
    latitudes: array[int]
    longitudes: array[int]
    country_codes: list[str]
    region_codes: list[str]
    _by_id: array[int] = field(default_factory=lambda: array("I"))

    def key(self, position: int) -> str:
        return self.keys[self.key_ends[position] : self.key_ends[position + 1]]

    def cities_named(self, key: str) -> Iterator[tuple[int, bool]]:
        """(city, whether this is its own name), the largest first."""
        position = self._find(key)
        if position < len(self.key_ends) - 1 and self.key(position) == key:
            for posting in self.postings[self.posting_ends[position] : self.posting_ends[position + 1]]:
                yield posting >> 1, bool(posting & 1)

    def cities_beginning(self, prefix: str, limit: int) -> list[int]:
        """The cities one of whose names begins with the folded prefix, the likeliest first."""
        first, last = self._span(prefix)
        span = self.postings[self.posting_ends[first] : self.posting_ends[last]]
        own = nsmallest(limit, {posting >> 1 for posting in span if posting & 1})
        others = nsmallest(limit, {posting >> 1 for posting in span if not posting & 1}.difference(own))
        rated = [(self.weight(city, own=True), city) for city in own]
        rated += [(self.weight(city, own=False), city) for city in others]
        return [city for _, city in nlargest(limit, rated)]

    def keys_beginning(self, prefix: str) -> dict[int, str]:
        """Position -> key, of all keys that begin so."""
        first, last = self._span(prefix)
        return {position: self.key(position) for position in range(first, last)}

    def largest(self, position: int) -> int:
        """The largest city of the key at this position."""
        return self.postings[self.posting_ends[position]] >> 1

    def weight(self, city: int, *, own: bool) -> int:
        """How likely a city is meant by a name: by its size, and far more by its own than by another."""
        people = self.populations[city] + 1
        return people * (OWN_NAME_WEIGHT if own else 1)

    def name(self, city: int) -> str:
        return self.names[self.name_ends[city] : self.name_ends[city + 1]]

    def country_of(self, city: int) -> str:
        return self.country_codes[self.country_numbers[city]]

    def region_of(self, city: int) -> str | None:
        number = self.region_numbers[city]
        return self.region_codes[number - 1] if number else None

    def point(self, city: int) -> tuple[float, float]:
        return self.latitudes[city] / 1e5, self.longitudes[city] / 1e5

    def city_by_id(self, geonames_id: int) -> int | None:
        if not self._by_id:  # a dictionary would be faster and take 33 MB
            self._by_id = array("I", sorted(range(len(self.ids)), key=self.ids.__getitem__))
        place = bisect_left(self._by_id, geonames_id, key=self.ids.__getitem__)
        if place == len(self._by_id) or self.ids[self._by_id[place]] != geonames_id:
            return None
        return self._by_id[place]

    def _span(self, prefix: str) -> tuple[int, int]:
        return self._find(prefix), self._find(prefix + "\U0010ffff")

    def _find(self, key: str) -> int:
        return bisect_left(range(len(self.key_ends) - 1), key, key=self.key)


@lru_cache(maxsize=1)
def gazetteer() -> Gazetteer:
    """The one gazetteer of this process, read at first use."""
    data = _FILE.read_bytes()
    if not data.startswith(_MAGIC):
        raise RuntimeError(
            f"{_FILE.name} is not a gazetteer of this version: make it anew with build_places.py"
        )
    sections = _sections(memoryview(zlib.decompress(memoryview(data)[len(_MAGIC) :])))
    meta: dict[str, Any] = json.loads(bytes(next(sections)))
    keys, key_lengths, counts, postings, names, name_lengths = (next(sections) for _ in range(6))
    ids, populations, countries, regions, latitudes, longitudes = (next(sections) for _ in range(6))
    region_keys, part_keys = _region_keys(meta["regions"])
    return Gazetteer(
        countries={c: Country(c, v["name"], v["population"]) for c, v in meta["countries"].items()},
        country_keys={key: c for c, v in meta["countries"].items() for key in v["aliases"]},
        regions={
            code: Region(code, v["name"], v["population"], tuple(v["point"]) if v["point"] else None)
            for code, v in meta["regions"].items()
        },
        region_keys=region_keys,
        part_keys=part_keys,
        keys=str(keys, "utf-8"),
        key_ends=array("I", accumulate(key_lengths, initial=0)),
        posting_ends=array("I", accumulate(_array("H", counts), initial=0)),
        postings=_array("I", postings),
        names=str(names, "utf-8"),
        name_ends=array("I", accumulate(name_lengths, initial=0)),
        ids=_array("I", ids),
        populations=_array("I", populations),
        country_numbers=_array("H", countries),
        region_numbers=_array("H", regions),
        latitudes=_array("i", latitudes),
        longitudes=_array("i", longitudes),
        country_codes=sorted(meta["countries"]),
        region_codes=sorted(meta["regions"]),
    )


def _sections(body: memoryview) -> Iterator[memoryview]:
    at = 0
    while at < len(body):
        (size,) = struct.unpack_from("<I", body, at)
        yield body[at + 4 : at + 4 + size]
        at += 4 + size


def _array(kind: str, section: memoryview) -> array[int]:
    filled = array(kind)
    filled.frombytes(section)
    return filled


def _region_keys(regions: dict[str, Any]) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    by_size = sorted(regions, key=lambda code: -regions[code]["population"])
    whole: dict[str, list[str]] = {}
    parts: dict[str, list[str]] = {}
    for code in by_size:
        for key in {*regions[code]["keys"], code[3:].lower()}:
            whole.setdefault(key, []).append(code)
        for key in regions[code]["weak"]:
            parts.setdefault(key, []).append(code)
    return whole, parts
