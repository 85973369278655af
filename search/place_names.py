"""Names of places that no gazetteer lists, or lists for something else, and how a text is cut into parts."""

import re

# Keys of `place_keys.place_key`. ISO alone would not know these.
_COUNTRIES = {
    "US": (
        "usa|us|u s|united states of america|america|the united states|estados unidos de america|"
        "vereinigte staaten von amerika|etats unis d amerique"
    ),
    "GB": (
        "uk|gb|great britain|britain|england|scotland|wales|northern ireland|u k|grossbritannien|"
        "grande bretagne|gran bretana|england uk"
    ),
    "NL": "holland|the netherlands",
    "IE": "republic of ireland|eire",
    "KR": "korea|republic of korea|south korea|korea south|korea republic of",
    "RU": "russian federation",
    "CZ": "czech republic",
    "VN": "viet nam",
    "TR": "turkey",
    "AE": "uae|emirates",
    "CI": "ivory coast",
    "MM": "burma",
    "MK": "macedonia",
    "SZ": "swaziland",
    "CV": "cape verde|cabo verde",
    "CG": "congo|republic of the congo",
    "CD": "drc|dr congo|democratic republic of congo|democratic republic of the congo",
    "PS": "palestine|state of palestine",
    "MO": "macau",
    "HK": "hong kong sar",
    "TW": "taiwan province of china",
    "IR": "iran islamic republic of",
    "BO": "bolivia plurinational state of",
    "VE": "venezuela bolivarian republic of",
    "MD": "moldova republic of",
    "TZ": "tanzania united republic of",
    "SY": "syrian arab republic",
    "LA": "lao people s democratic republic",
    "BN": "brunei darussalam",
    "CN": "prc|mainland china|people s republic of china|peoples republic of china",
    "SA": "ksa|kingdom of saudi arabia",
    "ZA": "rsa",
    "DE": "brd|federal republic of germany|deutschl",
    "AT": "oesterreich",
    "CH": "schweiz|suisse|svizzera",
    "BS": "the bahamas",
    "GM": "the gambia",
    "TL": "east timor",
    "VA": "vatican|holy see",
    "PH": "the philippines",
}
COUNTRIES = {word: code for code, words in _COUNTRIES.items() for word in words.split("|")}
_REGIONS = {
    "US-DC": "dc|washington dc|d c",
    "US-CA": "calif|cali|silicon valley",
    "US-MA": "mass",
    "US-PA": "penn|penna",
    "US-TX": "tex",
    "US-FL": "fla",
    "US-IL": "ill",
    "US-MI": "mich",
    "US-MN": "minn",
    "US-CT": "conn",
    "US-WA": "wash|washington state|state of washington",
    "US-AZ": "ariz",
    "US-CO": "colo",
    "US-TN": "tenn",
    "US-WI": "wis",
    "US-NY": "n y|new york state",
    "DE-BY": "bavaria",
    "DE-NW": "nrw",
    "DE-BW": "bw|baden wuerttemberg",
    "CA-NL": "newfoundland|newfoundland labrador",
    "CA-QC": "quebec|pq",
    "FR-PAC": "paca",
    "FR-IDF": "ile de france|idf",
    "FR-CVL": "centre val de loire",
}
REGIONS = {word: code for code, words in _REGIONS.items() for word in words.split("|")}
# GeoNames ids of what people write for a city, and of cities whose short name means something else there.
_CITIES = {
    5128581: "nyc|new york|new york ny|manhattan|greater new york|new york metropolitan",
    5368361: "la",
    5391959: "sf|san francisco bay|bay area|sf bay|san fran",
    4560349: "philly",
    4140963: "dc|washington dc|washington d c|dc metro|washington dc metro|washington dc baltimore",
    4684888: "dallas fort worth|dfw",
    5037649: "twin cities|minneapolis saint paul",
    4487042: "research triangle|raleigh durham|raleigh durham chapel hill",
    2925533: "frankfurt|frankfurt a m|frankfurt am|frankfurt main|rhein main",
    1277333: "bangalore|bengaluru",
    1566083: "saigon",
    1816670: "peking",
    2643743: "city of london|central london|greater london",
    3530597: "cdmx",
}
CITIES = {word: code for code, words in _CITIES.items() for word in words.split("|")}
# Words in a place's stead. Some of them are villages somewhere, which nobody means.
_NOWHERE = """
    none|null|nan|na|n a|unknown|other|various|remote|home|home office|office|worldwide|global|international|
    anywhere|online|europe|europa|emea|apac|asia|africa|latam|north america|south america|latin america|
    americas|everywhere|not available|undisclosed|private|confidential|tbd|test|middle east|asia pacific|
    dach
"""
NOWHERE = frozenset(word.strip() for word in _NOWHERE.split("|"))
# Countries within a country: as the last part of a place they are regions.
NATIONS = frozenset({"england", "scotland", "wales", "northern ireland"})
# States that are a city: their name says the city, too.
CITY_STATES = {"SG": 1880252, "MC": 2993458, "VA": 6691831, "GI": 2411585, "HK": 1819729, "MO": 1821274}

CANADIAN = frozenset({"AB", "BC", "MB", "NB", "NL", "NS", "NT", "NU", "ON", "PE", "QC", "SK", "YT"})
AUSTRALIAN = frozenset({"NSW", "VIC", "QLD", "TAS", "ACT"})

_FOOTNOTE = re.compile(r"\[[^\]]{0,12}\]")
_FIRST_PLACE = re.compile(r"\s*(?:;|\||\n|\s/\s)\s*")
_SURROUNDINGS = re.compile(
    r"^(?:the\s+)?(?:greater|metropolitan|metro|grossraum|großraum|raum|r[ée]gion de|r[ée]gion|city of|"
    r"stadt|ville de|ciudad de|área metropolitana de|area metropolitana de|metropolregion)\s+(?=\S)|"
    r"\s+(?:metropolitan region|metropolitan area|metro area|bay area|metroplex|area|metropolitan|metro|"
    r"region|und umgebung|& umgebung|et périphérie|et peripherie|y alrededores|metropolregion)$",
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
    """What is left of "Greater Boston Area": "Boston"."""
    before = None
    while before != text:
        before, text = text, _SURROUNDINGS.sub("", text).strip()
    return text
