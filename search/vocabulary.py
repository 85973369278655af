"""The closed vocabularies of the catalogue: code -> the name a person reads, in the order facets show them.

Codes are stored, indexed and filtered; display names only ever leave. What a caller may type for a code
(its display name, another case or punctuation, a usual synonym) is `code_of`'s business.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Final, NamedTuple

from rapidfuzz import fuzz, process, utils

from core.text import fold

_NUMBER_GAP = re.compile(r"(?<=\d)[,.' ](?=\d{3}\b)")
_DASH = re.compile(r"\s*(?:[-‐‑‒–—]|\bto\b)\s*")
_SEPARATORS = re.compile(r"[^a-z0-9+]+")


class Vocabulary(Mapping[str, str]):
    """A frozen, ordered mapping of codes to display names, which also knows how people write its codes."""

    __slots__ = ("_names", "_readings")

    def __init__(self, names: dict[str, str], synonyms: dict[str, str] | None = None) -> None:
        self._names = dict(names)
        self._readings = dict(synonyms or {})
        self._readings |= {_key(name): code for code, name in names.items()}
        self._readings |= {_key(code): code for code in names}

    def __getitem__(self, code: str) -> str:
        return self._names[code]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __repr__(self) -> str:
        return f"Vocabulary({', '.join(self._names)})"

    def code_of(self, text: str) -> str | None:
        """The code that a text means: itself, its display name or a usual synonym, in any writing."""
        return text if text in self._names else self._readings.get(_key(text))


@lru_cache(maxsize=4096)
def _key(text: str) -> str:
    """The one key of "Catch-All", "catch_all" and "CATCH ALL", or of "501 - 1,000" and "501 to 1000"."""
    folded = fold(text[:200])
    if folded[:1].isdigit():
        return _DASH.sub("-", _NUMBER_GAP.sub("", folded)).strip()
    return _SEPARATORS.sub(" ", folded.replace("&", " and ")).strip()


# From the highest rank to the lowest: the order decides which of several ranks in one title counts.
SENIORITIES: Final = Vocabulary(
    {
        "owner": "Owner",
        "founder": "Founder",
        "c_suite": "C-Suite",
        "partner": "Partner",
        "vp": "VP",
        "head": "Head",
        "director": "Director",
        "manager": "Manager",
        "senior": "Senior",
        "entry": "Entry",
        "intern": "Intern",
    },
    {
        "c level": "c_suite",
        "c level exec": "c_suite",
        "cxo": "c_suite",
        "csuite": "c_suite",
        "executive": "c_suite",
        "vice president": "vp",
        "vp level exec": "vp",
        "co founder": "founder",
        "cofounder": "founder",
        "proprietor": "owner",
        "head of": "head",
        "non manager": "entry",
        "entry level": "entry",
        "junior": "entry",
        "individual contributor": "entry",
        "internship": "intern",
        "training": "intern",
        "trainee": "intern",
    },
)

DEPARTMENTS: Final = Vocabulary(
    {
        "executive": "Executive Management",
        "sales": "Sales",
        "business_development": "Business Development and Strategy",
        "marketing": "Marketing and Communications",
        "product": "Product Management",
        "design": "Design and Creative",
        "engineering": "Engineering and Technical",
        "research": "Research and Development",
        "data": "Data and Analytics",
        "information_technology": "Information Technology",
        "finance": "Finance and Accounting",
        "human_resources": "Human Resources",
        "legal": "Legal and Compliance",
        "operations": "Operations and Administration",
        "customer_success": "Customer Success and Support",
        "consulting": "Consulting",
        "education": "Education",
        "healthcare": "Healthcare",
        "public_service": "Public Service",
    },
    {
        "c suite": "executive",
        "general management": "executive",
        "management": "executive",
        "strategy": "business_development",
        "partnerships": "business_development",
        "bd": "business_development",
        "communications": "marketing",
        "communication": "marketing",
        "product management": "product",
        "creative": "design",
        "arts and design": "design",
        "r and d": "research",
        "rnd": "research",
        "rd": "research",
        "analytics": "data",
        "data science": "data",
        "it": "information_technology",
        "technical": "engineering",
        "engineering technical": "engineering",
        "accounting": "finance",
        "hr": "human_resources",
        "people": "human_resources",
        "compliance": "legal",
        "administration": "operations",
        "administrative": "operations",
        "procurement": "operations",
        "logistics": "operations",
        "support": "customer_success",
        "customer service": "customer_success",
        "customer support": "customer_success",
        "client success": "customer_success",
        "health": "healthcare",
        "medical": "healthcare",
        "medical health": "healthcare",
        "government": "public_service",
    },
)

EMAIL_STATUSES: Final = Vocabulary(
    {
        "valid": "Valid",
        "invalid": "Invalid",
        "accept_all": "Accept-all",
        "webmail": "Webmail",
        "disposable": "Disposable",
        "unknown": "Unknown",
    },
    {
        "verified": "valid",
        "deliverable": "valid",
        "undeliverable": "invalid",
        "bounced": "invalid",
        "catch all": "accept_all",
        "catchall": "accept_all",
        "risky": "accept_all",
        "unverified": "unknown",
    },
)

HEADCOUNT_BANDS: Final = Vocabulary(
    {
        "1-10": "1–10",
        "11-50": "11–50",
        "51-200": "51–200",
        "201-500": "201–500",
        "501-1000": "501–1,000",
        "1001-5000": "1,001–5,000",
        "5001-10000": "5,001–10,000",
        "10001+": "10,001+",
    }
)


class Band(NamedTuple):
    """A headcount band with its bounds, both included; the last has no upper one."""

    code: str
    minimum: int
    maximum: int | None


def _band(code: str) -> Band:
    if code.endswith("+"):
        return Band(code, int(code[:-1]), None)
    minimum, maximum = code.split("-")
    return Band(code, int(minimum), int(maximum))


HEADCOUNT_BOUNDS: Final[tuple[Band, ...]] = tuple(_band(code) for code in HEADCOUNT_BANDS)

# Crunchbase's last funding types, in the order a company usually passes them.
FUNDING_STAGES: Final = Vocabulary(
    {
        "pre_seed": "Pre-Seed",
        "seed": "Seed",
        "angel": "Angel",
        "series_a": "Series A",
        "series_b": "Series B",
        "series_c": "Series C",
        "series_d": "Series D",
        "series_e": "Series E",
        "series_f": "Series F",
        "series_g": "Series G",
        "series_h": "Series H",
        "series_i": "Series I",
        "series_j": "Series J",
        "series_unknown": "Venture (Series Unknown)",
        "equity_crowdfunding": "Equity Crowdfunding",
        "product_crowdfunding": "Product Crowdfunding",
        "convertible_note": "Convertible Note",
        "debt_financing": "Debt Financing",
        "grant": "Grant",
        "non_equity_assistance": "Non-Equity Assistance",
        "corporate_round": "Corporate Round",
        "private_equity": "Private Equity",
        "secondary_market": "Secondary Market",
        "initial_coin_offering": "Initial Coin Offering",
        "ipo": "IPO",
        "post_ipo_equity": "Post-IPO Equity",
        "post_ipo_debt": "Post-IPO Debt",
        "post_ipo_secondary": "Post-IPO Secondary",
        "m_and_a": "Mergers and Acquisitions",
        "undisclosed": "Undisclosed",
    },
    {
        "preseed": "pre_seed",
        "venture": "series_unknown",
        "series unknown": "series_unknown",
        "debt": "debt_financing",
        "crowdfunding": "equity_crowdfunding",
        "ico": "initial_coin_offering",
        "initial public offering": "ipo",
        "public": "ipo",
        "pe": "private_equity",
        "post ipo": "post_ipo_equity",
        "acquired": "m_and_a",
        "acquisition": "m_and_a",
        "m a": "m_and_a",
    },
)

# ISO 4217, funds codes and precious metals left out.
CURRENCIES: Final = frozenset(
    """
    AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD
    CAD CDF CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP
    GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD
    KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN
    NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP
    SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VED VES
    VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG
    """.split()  # noqa: SIM905 - a list of 150 quoted codes is harder to read and to check
)


def headcount_bands(minimum: int | None, maximum: int | None) -> tuple[str, ...]:
    """Every band that the interval touches, bounds included; None leaves that side open, both say nothing."""
    if minimum is None and maximum is None:
        return ()
    low = 0 if minimum is None else minimum
    return tuple(
        band.code
        for band in HEADCOUNT_BOUNDS
        if (band.maximum is None or low <= band.maximum) and (maximum is None or maximum >= band.minimum)
    )


def code_of(vocabulary: Vocabulary, text: str) -> str | None:
    """The code of `vocabulary` that a text means, or None."""
    return vocabulary.code_of(text)


def nearest(value: str, allowed: Iterable[str], limit: int = 3) -> tuple[str, ...]:
    """The allowed values most like a wrong one, best first; none when nothing is like it."""
    found = process.extract(
        value[:200],
        list(allowed),
        scorer=fuzz.WRatio,
        processor=utils.default_process,
        limit=limit,
        score_cutoff=50,
    )
    return tuple(match for match, _, _ in found)
