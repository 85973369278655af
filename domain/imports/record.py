"""From what was stated of a record to the columns that keep it.

`values` hold one canonical value per field, in the form JSON has for it; they are what provenance
remembers. The columns add what is computed: folded names, title terms, bands, slugs, keyed hashes.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

from core.text import fold, slug
from domain.imports.values import email_key
from domain.marks import keyed_hash
from search.companies import company_key
from search.names import is_honorific, name_sort, name_terms
from search.titles import read_title
from search.vocabulary import headcount_bands

Values = Mapping[str, Any]
Columns = dict[str, Any]

VOCABULARY_FIELDS: Final = {"industry": "industry", "technologies": "technology", "keywords": "keyword"}

_NOTHING: Final[dict[str, Any]] = {}
# Characters of a folded name that is indexed; a few pictographs unfold into thousands.
_MAX_KEY: Final = 1000
# So few that `name_terms` leaves none out.
_FEW_TERMS: Final = 16
_NO_TERMS: Final[tuple[str, ...]] = ()


def contact_columns(values: Values, *, hash_key: bytes) -> Columns:
    """Every column of a contact but its organization."""
    first, middle, last = values.get("first_name"), values.get("middle_name"), values.get("last_name")
    email, phone, linkedin_url = values.get("email"), values.get("phone"), values.get("linkedin_url")
    title = values.get("title")
    read = read_title(title) if title else None
    return {
        "first_name": first,
        "middle_name": middle,
        "last_name": last,
        **_name_columns(first, middle, last),
        "email": email,
        "email_hash": keyed_hash(hash_key, kind="email", value=email_key(email)) if email else None,
        "phone": phone,
        "phone_hash": keyed_hash(hash_key, kind="phone", value=phone) if phone else None,
        "linkedin_url": linkedin_url,
        "linkedin_hash": keyed_hash(hash_key, kind="linkedin", value=linkedin_url) if linkedin_url else None,
        "title": title,
        "title_normalized": read.normalized if read else None,
        "title_terms": read.terms if read else _NO_TERMS,
        "seniority": read.seniority if read else None,
        "departments": read.departments if read else _NO_TERMS,
        **_location_columns(values),
        "email_status": values.get("email_status"),
        "email_verified_at": values.get("email_verified_at"),
        "position_started_on": values.get("position_started_on"),
        "enrichment": values.get("extras", _NOTHING),
        "last_refreshed_at": values.get("refreshed"),
    }


def full_name(first: str | None, middle: str | None, last: str | None) -> str | None:
    return " ".join([part for part in (first, middle, last) if part]) or None


def _name_columns(first: str | None, middle: str | None, last: str | None) -> Columns:
    name = full_name(first, middle, last)
    if name is None:
        return {"full_name": None, "name_terms": _NO_TERMS, "name_sort": None, "name_search": None}
    return {
        "full_name": name,
        "name_terms": list(_terms_of_name(first, middle, last)),
        "name_sort": " ".join([part for part in (_sorted_by(last), _sorted_by(first)) if part])[:_MAX_KEY]
        or None,
        "name_search": " ".join([_folded(part) for part in (first, middle, last) if part]),
    }


def _terms_of_name(first: str | None, middle: str | None, last: str | None) -> tuple[str, ...]:
    """`name_terms` of the whole name, made of what is remembered of its parts: most names are frequent."""
    terms = {*_terms_of_part(first), *_terms_of_part(last), *_terms_of_part(middle)}
    if len(terms) > _FEW_TERMS:
        return name_terms(first, middle, last)
    return tuple(sorted(term for term in terms if not is_honorific(term)) or sorted(terms))


@lru_cache(maxsize=16_384)
def _terms_of_part(part: str | None) -> tuple[str, ...]:
    return name_terms(None, None, part) if part else ()


@lru_cache(maxsize=16_384)
def _sorted_by(part: str | None) -> str | None:
    return name_sort(None, part) if part else None


@lru_cache(maxsize=16_384)
def _folded(part: str) -> str:
    return fold(part)


def organization_columns(values: Values, *, hash_key: bytes) -> Columns:  # noqa: ARG001 - one signature for both
    """Every column of an organization."""
    name, aliases = values.get("name"), values.get("aliases", ())
    employees_min, employees_max = values.get("employees", (None, None))
    revenue_min, revenue_max, revenue_currency = values.get("revenue", (None, None, None))
    funding_amount, funding_currency = values.get("funding_amount", (None, None))
    industries = values.get("industry", ())
    return {
        "name": name,
        "name_key": company_key(name)[:_MAX_KEY] if name else None,
        "name_sort": fold(name)[:_MAX_KEY] if name else None,
        "aliases": aliases,
        "alias_keys": sorted({company_key(alias)[:_MAX_KEY] for alias in aliases}),
        "website": values.get("website"),
        "domain": values.get("domain"),
        "linkedin_url": values.get("linkedin_url"),
        "phone": values.get("phone"),
        "industry": industries[-1] if industries else None,
        "industries": slugs(industries),
        "naics": values.get("naics"),
        "employees_min": employees_min,
        "employees_max": employees_max,
        "headcount_bands": headcount_bands(employees_min, employees_max),
        "revenue_min": revenue_min,
        "revenue_max": revenue_max,
        "revenue_currency": revenue_currency,
        "technologies": slugs(values.get("technologies", ())),
        "keywords": slugs(values.get("keywords", ())),
        "funding_stage": values.get("funding_stage"),
        "funding_amount": funding_amount,
        "funding_currency": funding_currency,
        "funding_date": values.get("funding_date"),
        "founded_year": values.get("founded_year"),
        **_location_columns(values),
        "description": values.get("description"),
        "enrichment": values.get("extras", _NOTHING),
        "last_refreshed_at": values.get("refreshed"),
    }


def _location_columns(values: Values) -> Columns:
    place = values.get("location", _NOTHING)
    return {
        "country": place.get("country"),
        "region": place.get("region"),
        "city": place.get("city"),
        "city_name": place.get("city_name"),
        "location_raw": place.get("text"),
        "latitude": place.get("latitude"),
        "longitude": place.get("longitude"),
    }


COLUMNS: Final[dict[str, Callable[..., Columns]]] = {
    "contacts": contact_columns,
    "organizations": organization_columns,
}


def slugs(terms: tuple[str, ...] | list[str]) -> list[str]:
    """The codes of terms of an open vocabulary, each once, in the order given."""
    return list(dict.fromkeys([_slug(term) for term in terms]))


_slug = lru_cache(maxsize=16_384)(slug)


def vocabulary_terms(values: Values) -> Iterator[tuple[str, str, str]]:
    """Kind, code and spelling of every industry, technology and keyword that the values name."""
    for field, kind in VOCABULARY_FIELDS.items():
        for term in values.get(field, ()):
            yield kind, _slug(term), term
