"""When two rows speak of the same person, or of the same company: the judgement, without any database.

Wrongly kept apart costs a duplicate, which `match` reports; wrongly merged cannot be undone. So every rule
errs on the side of two records.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from math import asin, cos, radians, sin, sqrt
from typing import Final

from rapidfuzz import fuzz

from core.text import tokens
from search.names import query_alternatives

_EARTH_RADIUS_KM: Final = 6371.008771
# Head offices of one company move within a metropolitan area, "North Sydney" is "Sydney" to most.
_NEAR_KM: Final = 60.0

# Mailboxes that a company has and no person is.
_SHARED_MAILBOXES_WORDS: Final = """
accounting accounts admin administration anfrage bewerbung billing booking buchhaltung career
careers contact contacto contatto customerservice enquiries enquiry finance general hello help
helpdesk hi hr info information inquiries investor investors invoice jobs kontakt legal mail mailbox
marketing media office orders people personal post postmaster presse press privacy procurement
purchasing reception recruiting recruitment sales secretary sekretariat service support team verkauf
vertrieb web webmaster welcome zentrale
"""
_SHARED_MAILBOXES: Final = frozenset(_SHARED_MAILBOXES_WORDS.split())

# Words by which companies of one group differ and which say nothing by themselves.
_GENERIC_WORDS: Final = frozenset({"group", "gruppe", "groupe", "gruppo", "grupo", "the", "and", "of"})
_COUNTING_WORDS: Final = """
one two three four five six seven eight nine ten first second third ii iii iv vi vii viii ix
"""
_NUMBER_WORDS: Final = frozenset(_COUNTING_WORDS.split())
_NOT_WORD: Final = re.compile(r"[^a-z0-9]+")


def is_shared_mailbox(email: str) -> bool:
    """Whether the address is a company's mailbox ("info@…") rather than a person's."""
    return email.partition("@")[0].replace(".", "").replace("-", "") in _SHARED_MAILBOXES


def people_agree(one: str, other: str, *, shared_mailbox: bool = False) -> bool:
    """Whether two folded names ("first middle last") can be one person's who has one address.

    A missing name agrees with any; at a shared mailbox it agrees only with a missing one. With a mailbox
    of one's own the last name may differ (people marry), the first may not.
    """
    if one == other:
        return True
    first, second = tokens(one), tokens(other)
    if not first or not second:
        return not shared_mailbox
    if sorted(first) == sorted(second):
        return True
    if not _given_names_agree(first[0], second[0]):
        # "Klubuchar, Amy" and "Amy Klobuchar": one of the two is written the other way round.
        return (
            len(first) > 1
            and len(second) > 1
            and _given_names_agree(first[0], second[-1])
            and _surnames_agree(first[-1], second[0])
        )
    return not shared_mailbox or _surnames_agree(first[-1], second[-1])


def _given_names_agree(one: str, other: str) -> bool:
    if one == other or (min(len(one), len(other)) == 1 and one[0] == other[0]):
        return True
    if other in query_alternatives(one) or one in query_alternatives(other):
        return True
    return min(len(one), len(other)) > 3 and fuzz.ratio(one, other) >= 80


def _surnames_agree(one: str, other: str) -> bool:
    return one == other or (min(len(one), len(other)) > 3 and fuzz.ratio(one, other) >= 80)


@dataclass(frozen=True, slots=True)
class Location:
    """What is known of a company's seat; every part may be missing."""

    country: str | None = None
    region: str | None = None
    city: str | None = None
    latitude: float | None = None
    longitude: float | None = None


@lru_cache(maxsize=16_384)
def same_company_name(one: str, other: str) -> bool:
    """Whether two company keys are the same name, give or take a typo or a word like "group"."""
    if one == other:
        return True
    first, second = _telling(one), _telling(other)
    if first == second or "".join(first) == "".join(second):
        return True
    if len(first) != len(second):
        return False
    return all(a == b or _is_typo(a, b) for a, b in zip(first, second, strict=True))


def _is_typo(one: str, other: str) -> bool:
    """Whether two words differ by a slip; numbers, initials and short words never do."""
    if min(len(one), len(other)) < 5 or {one, other} & _NUMBER_WORDS:
        return False
    return one.isalpha() and other.isalpha() and fuzz.ratio(one, other) >= 85


@lru_cache(maxsize=16_384)
def related_company_names(one: str, other: str) -> bool:
    """Whether two company keys can belong to one domain: one contains the other, or abbreviates it."""
    if same_company_name(one, other):
        return True
    first, second = _telling(one), _telling(other)
    shorter, longer = sorted((first, second), key=len)
    if set(shorter) <= set(longer) or _is_acronym(shorter, longer):
        return True
    short_text, long_text = sorted(("".join(first), "".join(second)), key=len)
    if len(short_text) >= 4 and long_text.startswith(short_text):
        return True
    return fuzz.token_sort_ratio(one, other) >= 85


def _is_acronym(shorter: list[str], longer: list[str]) -> bool:
    """Whether the short name begins with the initials of the long one ("ANZ Holdings")."""
    initials = "".join(word[0] for word in longer)
    acronym = shorter[0]
    return len(acronym) >= 3 and len(longer) >= 3 and initials.startswith(acronym)


def may_share(one: str, other: str, domain: str) -> bool:
    """Whether two companies can honestly have one domain: related names, or names that it is made of.

    "Centuria Capital" and "Centuria Office REIT" may have centuria.com.au; "CRH" and "iRhythm" not rh.com.
    """
    if related_company_names(one, other) or (fits_domain(one, domain) and fits_domain(other, domain)):
        return True
    stem = _stem(domain)
    words = set(_telling(other))
    common = [word for word in _telling(one) if word in words]
    return (
        bool(common) and len(stem) >= 4 and (stem in "".join(common) or stem.startswith("".join(common)[:4]))
    )


def fits_domain(key: str, domain: str) -> bool:
    """Whether the name is what the domain is made of: "rh" and rh.com, "iqe" and iqeplc.com."""
    stem = _stem(domain)
    words = _telling(key)
    joined = "".join(words)
    if not stem or not joined:
        return False
    initials = "".join(word[0] for word in words)
    return (
        stem == joined
        or (len(joined) >= 3 and stem.startswith(joined))
        or (len(stem) >= 4 and joined.startswith(stem))
        or stem == words[0]
        or (len(words[0]) >= 3 and stem.startswith(words[0]))
        or (len(initials) >= 3 and stem == initials)
        or (len(stem) >= 5 and fuzz.ratio(stem, joined) >= 80)
    )


def _stem(domain: str) -> str:
    """The part of a domain that names somebody: "acme" of acme.co.uk."""
    return _NOT_WORD.sub("", domain.partition(".")[0])


def _telling(key: str) -> list[str]:
    words = key.split()
    return [word for word in words if word not in _GENERIC_WORDS] or words


def domains_differ(one: str | None, other: str | None) -> bool:
    """Whether both are known and cannot be one company's: acme.com and acme.de can."""
    if not one or not other or one == other:
        return False
    return one.partition(".")[0] != other.partition(".")[0]


def locations_agree(one: Location, other: Location, *, telling_name: bool) -> bool:
    """Whether two seats can be one company's.

    A country by itself, without a place in it, is the least reliable cell of a list (of listings above
    all): it does not outweigh a name of several words.
    """
    if one.country and other.country and one.country != other.country:
        backed = (one.city or one.region) and (other.city or other.region)
        return telling_name and not backed
    if one.city and other.city and one.city != other.city:
        return _distance_km(one, other) <= _NEAR_KM
    return not (one.region and other.region and one.region != other.region)


def is_telling(key: str) -> bool:
    """Whether a company name is unlikely to be two companies': it has at least two words of some length."""
    words = _telling(key)
    return len(words) >= 2 and sum(map(len, words)) >= 8


def _distance_km(one: Location, other: Location) -> float:
    if one.latitude is None or one.longitude is None or other.latitude is None or other.longitude is None:
        return float("inf")
    lat1, lon1, lat2, lon2 = map(radians, (one.latitude, one.longitude, other.latitude, other.longitude))
    half = sin((lat2 - lat1) / 2) ** 2 + cos(lat1) * cos(lat2) * sin((lon2 - lon1) / 2) ** 2
    return 2 * _EARTH_RADIUS_KM * asin(min(1.0, sqrt(half)))
