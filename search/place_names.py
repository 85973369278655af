"""Names of places that no gazetteer lists, or lists for something else, and how a text is cut into parts."""

import re

# Keys of `place_keys.place_key`. ISO alone would not know these.
COUNTRIES = {
    "usa": "US", "us": "US", "u s": "US", "united states of america": "US", "america": "US",
    "the united states": "US", "estados unidos de america": "US", "vereinigte staaten von amerika": "US",
    "etats unis d amerique": "US", "uk": "GB", "gb": "GB", "great britain": "GB", "britain": "GB",
    "england": "GB", "scotland": "GB", "wales": "GB", "northern ireland": "GB", "u k": "GB",
    "grossbritannien": "GB", "grande bretagne": "GB", "gran bretana": "GB", "england uk": "GB",
    "holland": "NL", "the netherlands": "NL", "republic of ireland": "IE", "eire": "IE", "korea": "KR",
    "republic of korea": "KR", "south korea": "KR", "korea south": "KR", "korea republic of": "KR",
    "russian federation": "RU", "czech republic": "CZ", "viet nam": "VN", "turkey": "TR", "uae": "AE",
    "emirates": "AE", "ivory coast": "CI", "burma": "MM", "macedonia": "MK", "swaziland": "SZ",
    "cape verde": "CV", "cabo verde": "CV", "congo": "CG", "drc": "CD", "dr congo": "CD",
    "democratic republic of congo": "CD", "democratic republic of the congo": "CD",
    "republic of the congo": "CG", "palestine": "PS", "state of palestine": "PS", "macau": "MO",
    "hong kong sar": "HK", "taiwan province of china": "TW", "iran islamic republic of": "IR",
    "bolivia plurinational state of": "BO", "venezuela bolivarian republic of": "VE",
    "moldova republic of": "MD", "tanzania united republic of": "TZ", "syrian arab republic": "SY",
    "lao people s democratic republic": "LA", "brunei darussalam": "BN", "prc": "CN", "mainland china": "CN",
    "people s republic of china": "CN", "peoples republic of china": "CN", "ksa": "SA", "rsa": "ZA",
    "kingdom of saudi arabia": "SA", "brd": "DE", "federal republic of germany": "DE", "oesterreich": "AT",
    "schweiz": "CH", "suisse": "CH", "svizzera": "CH", "the bahamas": "BS", "the gambia": "GM",
    "east timor": "TL", "vatican": "VA", "holy see": "VA", "the philippines": "PH", "deutschl": "DE",
}  # fmt: skip
REGIONS = {
    "dc": "US-DC", "washington dc": "US-DC", "d c": "US-DC", "calif": "US-CA", "cali": "US-CA",
    "mass": "US-MA", "penn": "US-PA", "penna": "US-PA", "tex": "US-TX", "fla": "US-FL", "ill": "US-IL",
    "mich": "US-MI", "minn": "US-MN", "conn": "US-CT", "wash": "US-WA", "ariz": "US-AZ", "colo": "US-CO",
    "tenn": "US-TN", "wis": "US-WI", "n y": "US-NY", "new york state": "US-NY",
    "washington state": "US-WA", "state of washington": "US-WA", "silicon valley": "US-CA",
    "bavaria": "DE-BY", "nrw": "DE-NW", "bw": "DE-BW", "baden wuerttemberg": "DE-BW", "newfoundland": "CA-NL",
    "quebec": "CA-QC", "pq": "CA-QC", "newfoundland labrador": "CA-NL", "paca": "FR-PAC",
    "ile de france": "FR-IDF", "idf": "FR-IDF", "centre val de loire": "FR-CVL",
}  # fmt: skip
# GeoNames ids of what people write for a city, and of cities whose short name means something else there.
CITIES = {
    "nyc": 5128581, "new york": 5128581, "new york ny": 5128581, "manhattan": 5128581,
    "greater new york": 5128581, "new york metropolitan": 5128581, "la": 5368361,
    "sf": 5391959, "san francisco bay": 5391959, "bay area": 5391959, "sf bay": 5391959, "san fran": 5391959,
    "philly": 4560349, "dc": 4140963, "washington dc": 4140963, "washington d c": 4140963,
    "dc metro": 4140963, "washington dc metro": 4140963, "washington dc baltimore": 4140963,
    "dallas fort worth": 4684888, "dfw": 4684888, "twin cities": 5037649, "minneapolis saint paul": 5037649,
    "research triangle": 4487042, "raleigh durham": 4487042, "raleigh durham chapel hill": 4487042,
    "frankfurt": 2925533, "frankfurt a m": 2925533, "frankfurt am": 2925533, "frankfurt main": 2925533,
    "bangalore": 1277333, "bengaluru": 1277333, "saigon": 1566083, "peking": 1816670, "city of london": 2643743,
    "central london": 2643743, "greater london": 2643743, "rhein main": 2925533, "cdmx": 3530597,
}  # fmt: skip
# Words in a place's stead. Some of them are villages somewhere, which nobody means.
NOWHERE = frozenset(
    """none null nan na n a unknown other various remote home office worldwide global international anywhere online
    europe emea apac asia africa latam north america south america americas europa everywhere not available
    undisclosed private confidential tbd test""".split()
) | {"n a", "north america", "south america", "latin america", "not available", "middle east", "asia pacific"}
# States that are a city: their name says the city, too.
CITY_STATES = {"SG": 1880252, "MC": 2993458, "VA": 6691831, "GI": 2411585, "HK": 1819729, "MO": 1821274}

CANADIAN = frozenset("AB BC MB NB NL NS NT NU ON PE QC SK YT".split())
AUSTRALIAN = frozenset("NSW VIC QLD TAS ACT".split())

_FOOTNOTE = re.compile(r"\[[^\]]{0,12}\]")
_FIRST_PLACE = re.compile(r"\s*(?:;|\||\n|\s/\s|\s&\s(?=[^,]*$)|\bor\b\s)\s*")
_SURROUNDINGS = re.compile(
    r"^(?:the\s+)?(?:greater|metropolitan|metro|grossraum|großraum|raum|région de|region de|r[ée]gion|city of|"
    r"stadt|ville de|ciudad de|área metropolitana de|area metropolitana de|metropolregion)\s+(?=\S)|"
    r"\s+(?:metropolitan region|metropolitan area|metro area|bay area|area|metropolitan|metro|region|"
    r"und umgebung|& umgebung|et périphérie|et peripherie|y alrededores|metropolregion)$",
    re.IGNORECASE,
)
_POSTAL = re.compile(
    r"\b(?:[A-Z]{1,2}-)?\d{4,6}(?:-\d{3,4})?\b|\b[A-Z]{1,2}\d[A-Z\d]?\s*\d[A-Z]{2}\b|\b[A-Z]\d[A-Z]\s*\d[A-Z]\d\b"
    r"|\b\d{3}\s\d{2}\b|\bCEDEX(?:\s\d+)?\b",
    re.IGNORECASE,
)
_PARTS = re.compile(r"\s*(?:,|\s[-–—]\s|\(|\))\s*")


def first_place(text: str) -> str:
    """The first of several places, without footnote marks: "Reston, Virginia[2] / Amsterdam; London"."""
    text = _FOOTNOTE.sub("", text).strip()
    return next((piece for piece in _FIRST_PLACE.split(text) if piece), "")


def parts(text: str) -> list[str]:
    """The parts of one place from the smallest to the largest, without postal codes."""
    pieces = (_POSTAL.sub("", piece).strip(" .-") for piece in _PARTS.split(text))
    return [piece for piece in pieces if piece]


def without_surroundings(text: str) -> str:
    """ "Greater Boston Area" -> "Boston"."""
    before = None
    while before != text:
        before, text = text, _SURROUNDINGS.sub("", text).strip()
    return text
