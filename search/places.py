"""The offline gazetteer: what country, region and city a text names, and where that is.

Codes are ISO 3166-1 ("DE"), ISO 3166-2 where GeoNames' code could be mapped ("DE-BE", else "XX-" and
GeoNames' code), and GeoNames ids for cities. Where a name fits several places, what stands beside it
decides; where nothing does, the largest. A point is always a city's: "Texas" is no spot on a map, and
a search for people near its middle would be lied to (`point` knows the middle of a region all the same).
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple

from rapidfuzz import fuzz, process

from core.text import clean
from search import place_names
from search.gazetteer import Gazetteer, gazetteer
from search.place_keys import place_key, place_keys

Kind = Literal["country", "region", "city"]

# A city counts as what its region's name means if it holds this share of the people in it.
SEAT_SHARE = 0.1
# Two letters alone are a state of the United States rather than a country, unless the country is this much
# larger: "CA" is California and "MA" Massachusetts, but "DE" is Germany and "IN" India.
STATE_CODE_WEIGHT = 6


class City(NamedTuple):
    code: str
    name: str
    country: str
    region: str | None
    latitude: float
    longitude: float
    population: int


@dataclass(frozen=True, slots=True)
class Place:
    """What a text says about a place. `city_name` is set alone where the gazetteer lacks the city."""

    country: str | None = None
    region: str | None = None
    city: str | None = None
    city_name: str | None = None
    latitude: float | None = None
    longitude: float | None = None


@lru_cache(maxsize=4096)
def resolve_country(text: str) -> str | None:
    """ISO 3166-1 code of a country by its code or by its name in any of forty languages."""
    known = gazetteer()
    text = clean(text)
    if len(text) == 2 and text.isalpha() and text.upper() in known.countries:
        return text.upper()
    key = place_key(text)
    return place_names.COUNTRIES.get(key) or known.country_keys.get(key) or _without_article(known, key)


@lru_cache(maxsize=16_384)
def resolve_region(text: str, country: str | None = None) -> str | None:
    """Code of a region by its code, abbreviation or name, or by that of a county or department in it.

    Without a country a two-letter code is an American state or a Canadian province.
    """
    known = gazetteer()
    text = clean(text)
    if text.upper() in known.regions and (country is None or text.upper().startswith(country + "-")):
        return text.upper()
    key = place_key(place_names.without_surroundings(text)) or place_key(text)
    for found in (_by_abbreviation(known, key, country), place_names.REGIONS.get(key)):
        if found and (country is None or found.startswith(country + "-")):
            return found
    short = len(key) <= 3
    for form in dict.fromkeys((key, _COUNTY.sub("", key))):
        for table in (known.region_keys, known.part_keys):
            codes = [c for c in table.get(form, ()) if country is None or c.startswith(country + "-")]
            if codes and (country is not None or not short):
                return codes[0]
    return None


@lru_cache(maxsize=16_384)
def resolve_city(text: str, country: str | None = None, region: str | None = None) -> City | None:
    """The city of that name: within the country and region if given, else the largest."""
    known = gazetteer()
    found = _find_city(known, text, country, region)
    return None if found is None else _city(known, found)


@lru_cache(maxsize=16_384)
def parse_place(text: str) -> Place | None:
    """Read a place as people write it: "Berlin, Germany", "Saint Paul, Minnesota", "NY", "10115 Berlin".

    Of several places the first counts. A single name that fits a city and the region around it is the
    city ("New York", "Zürich") if that is a tenth of the region, else whichever is larger.
    """
    known = gazetteer()
    for candidate in dict.fromkeys((place_names.first_place(text), clean(text))):
        if "(" in candidate:  # "Frankfurt (Oder)" is a name, "Dublin (Ireland)" a place in a country
            number = _find_city(known, candidate.split(",")[0], None, None)
            if number is not None:
                return _place_of(known, number)
        found = _read(known, place_names.parts(candidate))
        if found is not None:
            return found
    return None


def combine(
    *,
    city: str | None = None,
    region: str | None = None,
    country: str | None = None,
    location: str | None = None,
) -> Place | None:
    """One place from the columns of a file: each narrows the others, `location` fills what they leave."""
    return _combine(city or "", region or "", country or "", location or "")


def point(kind: Kind, code: str) -> tuple[float, float] | None:
    """Latitude and longitude: a city's own, a region's middle where that is known."""
    known = gazetteer()
    if kind == "city":
        found = _number(known, code)
        return None if found is None else known.point(found)
    region = known.regions.get(code) if kind == "region" else None
    return region.point if region else None


def known(kind: Kind, code: str) -> bool:
    if kind == "city":
        return _number(gazetteer(), code) is not None
    return code in (gazetteer().countries if kind == "country" else gazetteer().regions)


@lru_cache(maxsize=16_384)
def place_display(kind: Kind, code: str) -> str:
    """The name to show, "Munich, Bavaria, Germany"; an unknown code is shown as it is."""
    known = gazetteer()
    if kind == "country":
        return known.countries[code].name if code in known.countries else code
    if kind == "region":
        region = known.regions.get(code)
        return f"{region.name}, {place_display('country', region.country)}" if region else code
    number = _number(known, code)
    if number is None:
        return code
    name, within = known.name(number), known.region_of(number)
    names = [
        name,
        known.regions[within].name if within else name,
        known.countries[known.country_of(number)].name,
    ]
    return ", ".join(dict.fromkeys(names))


@lru_cache(maxsize=2048)
def suggest_places(prefix: str, kind: Kind | None = None, limit: int = 10) -> list[tuple[Kind, str, str]]:
    """(kind, code, display name) of the places one of whose names begins so.

    Countries come first, then regions, then cities, each the most populous first.
    """
    key = place_key(prefix)
    if not key:
        return []
    known = gazetteer()
    found: list[tuple[Kind, str, str]] = []
    if kind in {None, "country"}:
        codes = {c for k, c in (known.country_keys | place_names.COUNTRIES).items() if k.startswith(key)}
        found += [("country", c, "") for c in sorted(codes, key=lambda c: -known.countries[c].population)]
    if kind in {None, "region"}:
        regions = {
            c
            for k, v in known.region_keys.items()
            if k.startswith(key) and (len(k) > 3 or k == key)
            for c in v
        }
        found += [("region", c, "") for c in sorted(regions, key=lambda c: -known.regions[c].population)]
    if kind is None:  # leave room for cities, which are what most people type
        found = found[: max(limit // 2, 1)]
    if kind in {None, "city"}:
        cities = known.cities_beginning(key, limit)
        found += [("city", str(known.ids[number]), "") for number in cities]
    return [(k, code, place_display(k, code)) for k, code, _ in found[:limit]]


def nearest(kind: Kind, text: str, limit: int = 3) -> list[str]:
    """Codes of the places whose names come nearest to a text that names none: for messages about errors."""
    known = gazetteer()
    key = place_key(text)
    if kind == "city":
        return _nearest_cities(known, key, limit)
    if kind == "region":
        names = {code: place_key(region.name) for code, region in known.regions.items()}
        names |= {code: code.lower() for code in known.regions if "-" in text}
    else:
        names = {code: place_key(country.name) for code, country in known.countries.items()}
    return [
        code for _, _, code in process.extract(key, names, scorer=fuzz.WRatio, limit=limit, score_cutoff=50)
    ]


def _nearest_cities(known: Gazetteer, key: str, limit: int) -> list[str]:
    if not key:  # nothing but signs, which is like no name and would be compared with all of them
        return []
    keys = next((found for length in (3, 2, 1) if (found := known.keys_beginning(key[:length]))), {})
    matches = process.extract(key, keys, scorer=fuzz.ratio, limit=limit * 10, score_cutoff=60)
    ranked = sorted(matches, key=lambda m: (-round(m[1] / 5), known.largest(m[2])))
    return list(dict.fromkeys(str(known.ids[known.largest(position)]) for _, _, position in ranked))[:limit]


# ---- how a text is read ----


def _read(known: Gazetteer, pieces: list[str]) -> Place | None:
    if not pieces or (len(pieces) == 1 and place_key(pieces[0]) in place_names.NOWHERE):
        return None
    if len(pieces) == 1:
        return _read_one(known, pieces[0])
    whole = _find_alias(known, ", ".join(pieces[:2]))
    if whole is not None and len(pieces) == 2:
        return _place_of(known, whole)
    best: tuple[float, Place] | None = None
    for country, region in _scopes(known, pieces[-1]):
        rated = _within(known, pieces[:-1], country, region)
        if best is None or rated[0] > best[0]:
            best = rated
    if best is not None:
        return best[1]
    number = _by_region_code(known, pieces)
    if number is not None:
        return _place_of(known, number)
    # The last part names no country and no region: "Kreuzberg, Berlin", "Level 3, 12 Creek Street, Brisbane".
    last = _read_one(known, pieces[-1])
    return last if last is not None else _read(known, pieces[:-1])


def _by_region_code(known: Gazetteer, pieces: list[str]) -> int | None:
    """The city that lies in a region of this code, in whatever country: "Zürich, ZH"."""
    ending = f"-{pieces[-1].upper()}"
    if len(ending) > 4:
        return None
    named = known.cities_named(place_key(pieces[-2]))
    return next((number for number, _ in named if (known.region_of(number) or "").endswith(ending)), None)


def _scopes(known: Gazetteer, text: str) -> list[tuple[str, str | None]]:
    """Everything the last part may mean: (country, region or None)."""
    scopes: list[tuple[str, str | None]] = []
    country = resolve_country(text)
    key = place_key(text)
    if country and key not in place_names.NATIONS:
        scopes.append((country, None))
    first = resolve_region(text)
    regions = [first] if first else []
    if len(key) > 3:
        regions += known.region_keys.get(key, [])[:4]
    elif len(key) == 3 and text.isupper():
        regions += [c for c in (f"AU-{text}", f"GB-{text}") if c in known.regions]
    scopes += [(region[:2], region) for region in dict.fromkeys(regions)]
    return scopes


def _within(known: Gazetteer, pieces: list[str], country: str, region: str | None) -> tuple[float, Place]:
    """The best reading of what stands before a country or region, with its weight among other scopes."""
    if region is None and len(pieces) > 1:
        region = resolve_region(pieces[-1], country)
        if region is not None:
            pieces = pieces[:-1]
    elif region is not None and len(pieces) > 1 and resolve_region(pieces[-1], country) == region:
        pieces = pieces[:-1] if _find_city(known, pieces[-1], country, region) is None else pieces
    for piece in sorted(pieces, key=lambda p: any(c.isdigit() for c in p)):
        number = _find_city(known, piece, country, region)
        if number is not None:
            return 1.0 + known.populations[number], _place_of(known, number)
    if region is None and pieces:
        region = resolve_region(pieces[-1], country)
        if region is not None:
            return 1.0, Place(country, region)
    # Known country or region, unknown town: keep its name. The larger scope is the likelier one.
    size = known.regions[region].population if region else known.countries[country].population
    name = next((p for p in pieces if not any(c.isdigit() for c in p)), None)
    return size / 1e10, Place(country, region, None, name)


def _read_one(known: Gazetteer, text: str) -> Place | None:
    """A text without a comma: a code, one name, or a name and its country run together."""
    alias, country, region = _find_alias(known, text), resolve_country(text), resolve_region(text)
    if len(text) <= 3:
        return _read_code(known, text, country, region, alias)
    key = place_key(text)
    number = alias if alias is not None else _find_city(known, text, None, None)
    nation = known.countries[country].population if country and key not in place_names.NATIONS else -1
    state = known.regions[region].population if region else 0
    if country and nation >= state:
        seat = place_names.CITY_STATES.get(country)
        return _place_of(known, known.city_by_id(seat)) if seat else Place(country)
    if number is not None and not _means_region(known, key, number, region):
        return _place_of(known, number)
    return Place(region[:2], region) if region else _read_run_together(known, text)


def _means_region(known: Gazetteer, key: str, number: int, region: str | None) -> bool:
    """Whether a name that is a city's is meant as its region's, or as another region's that is larger."""
    if region is None or (key not in known.region_keys and key not in place_names.REGIONS):
        return False  # a county gives way to any city of its name
    size, people = known.populations[number], known.regions[region].population
    if known.region_of(number) == region:
        return size < SEAT_SHARE * people
    own_name = place_key(known.name(number)) == key
    return size < people and not (own_name and key not in place_keys(known.regions[region].name))


def _read_code(
    known: Gazetteer, text: str, country: str | None, region: str | None, number: int | None
) -> Place | None:
    """Two or three letters: a state as "NY", a country as "DE", or a city as "SF"."""
    if number is not None and region is None:
        return _place_of(known, number)
    if country and region:
        state = known.regions[region].population * STATE_CODE_WEIGHT
        return Place("US", region) if state > known.countries[country].population else Place(country)
    if country:
        return Place(country)
    if region:
        return Place(region[:2], region)
    number = _find_city(known, text, None, None) if len(text) > 2 else None
    return None if number is None else _place_of(known, number)


def _read_run_together(known: Gazetteer, text: str) -> Place | None:
    words = text.split()
    for cut in range(len(words) - 1, 0, -1):
        head, tail = " ".join(words[:cut]), " ".join(words[cut:])
        rated = [_within(known, [head], *scope) for scope in _scopes(known, tail)]
        found = [r for r in rated if r[1].city is not None]
        if found:
            return max(found, key=lambda r: r[0])[1]
    return None


def _find_alias(known: Gazetteer, text: str) -> int | None:
    for form in (text, place_names.without_surroundings(text)):
        geonames_id = place_names.CITIES.get(place_key(form))
        if geonames_id is not None:
            return known.city_by_id(geonames_id)
    return None


def _find_city(known: Gazetteer, text: str, country: str | None, region: str | None) -> int | None:
    text = clean(text)
    key = place_key(text)
    if not key:
        return None
    alias = _find_alias(known, text)
    if alias is not None and _fits(known, alias, country, region):
        return alias
    plain = place_key(place_names.without_surroundings(text))
    for form in dict.fromkeys((key, plain, *(plain.removesuffix(ending) for ending in _ENDINGS))):
        best, weight = None, -1
        for number, own in known.cities_named(form) if form else ():
            if not _fits(known, number, country, region):
                continue
            rating = known.weight(number, own=own)
            if rating > weight:
                best, weight = number, rating
        if best is not None:
            return best
    # Cities that are named together: "Tampa/St. Petersburg", "Dallas-Fort Worth".
    first = _JOINED.split(text)[0]
    return _find_city(known, first, country, region) if len(first) > 3 and first != text else None


def _fits(known: Gazetteer, number: int, country: str | None, region: str | None) -> bool:
    home = known.country_of(number)
    if region is not None and region in _TERRITORIES:
        return home == _TERRITORIES[region]
    if country is not None and home != country:
        return False
    return region is None or known.region_of(number) == region


_COUNTY = re.compile(
    r"^(?:county|co|province|provincia|state|land|canton|kanton)(?: of| di| de)? | (?:county|province|state)$"
)
_JOINED = re.compile(r"[/–-]")
# What an address adds to the name of a place, and a gazetteer leaves out.
_ENDINGS = (" city", " village", " township", " town", " borough")

# Territories that have a country code of their own, as states of the United States.
_TERRITORIES = {f"US-{code}": code for code in ("AS", "GU", "MP", "PR", "VI")}


def _by_abbreviation(known: Gazetteer, key: str, country: str | None) -> str | None:
    short = key.replace(" ", "").upper()
    if not 2 <= len(short) <= 3:
        return None
    if country is not None:
        code = f"{country}-{short}"
        return code if code in known.regions else None
    for land, allowed in (("US", None), ("CA", place_names.CANADIAN), ("AU", place_names.AUSTRALIAN)):
        code = f"{land}-{short}"
        if code in known.regions and (allowed is None or short in allowed):
            return code
    return None


def _without_article(known: Gazetteer, key: str) -> str | None:
    for article in ("the ", "la ", "le ", "republic of ", "kingdom of ", "state of "):
        if key.startswith(article):
            return known.country_keys.get(key.removeprefix(article))
    return None


@lru_cache(maxsize=16_384)
def _combine(city: str, region: str, country: str, location: str) -> Place | None:
    country_code = resolve_country(country) if country else None
    region_code = resolve_region(region, country_code) if region else None
    if region and region_code is None and country_code is None:
        country_code = resolve_country(region)
    if region_code and country_code is None:
        country_code = region_code[:2]
    if city and place_key(city) not in place_names.NOWHERE:
        return _city_within(city, country_code, region_code)
    if location:
        read = parse_place(location)
        if read is not None and (country_code is None or read.country == country_code):
            return read
    return Place(country_code, region_code) if country_code or region_code else None


def _city_within(city: str, country: str | None, region: str | None) -> Place:
    """The place of a column of cities: a city, else what its text is besides, else its name alone."""
    known = gazetteer()
    number = _find_city(known, city, country, region)
    if number is not None:
        return _place_of(known, number)
    if "," in city or (country is None and region is None):
        read = parse_place(city)
        if read is not None:
            return read
    if region is None and country is not None:
        region = resolve_region(city, country)  # "Oxfordshire" among the cities
    return Place(country, region, None, clean(city))


def _number(known: Gazetteer, code: str) -> int | None:
    return known.city_by_id(int(code)) if code.isascii() and code.isdigit() and len(code) < 10 else None


def _city(known: Gazetteer, number: int) -> City:
    latitude, longitude = known.point(number)
    return City(
        str(known.ids[number]),
        known.name(number),
        known.country_of(number),
        known.region_of(number),
        latitude,
        longitude,
        known.populations[number],
    )


def _place_of(known: Gazetteer, number: int | None) -> Place:
    if number is None:  # an id of ours that this gazetteer lacks
        raise LookupError("place_names and places.bin do not belong together")
    city = _city(known, number)
    return Place(city.country, city.region, city.code, city.name, city.latitude, city.longitude)
