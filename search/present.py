"""From documents to hits: what a person sees of a record, with what is theirs marked on it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from core.prices import UNLOCK_CREDITS
from core.text import fold, tokens
from db.sessions import Database
from search import places
from search.criteria import OpenTerms
from search.documents import MISSING
from search.fields import Facet as FacetField
from search.plan import FacetCounts
from search.response import (
    Amount,
    ContactHit,
    Facet,
    FacetValue,
    FundingSummary,
    OrganizationHit,
    OrganizationSummary,
    Place,
    Reason,
    Reveal,
)
from search.visibility import Visibility
from search.vocabulary import DEPARTMENTS, EMAIL_STATUSES, FUNDING_STAGES, HEADCOUNT_BANDS, SENIORITIES

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_CLOSED: Final = {
    "seniorities": SENIORITIES,
    "departments": DEPARTMENTS,
    "email_status": EMAIL_STATUSES,
    "headcount_bands": HEADCOUNT_BANDS,
    "funding_stages": FUNDING_STAGES,
    "flags": {"true": "Yes", "false": "No"},
}
_OPEN: Final = {"industries": "industry", "technologies": "technology", "keywords": "keyword"}
_PLACES: Final[dict[str, places.Kind]] = {"countries": "country", "regions": "region", "cities": "city"}


@dataclass(frozen=True, slots=True)
class Marks:
    """Of the records on a page: which still exist, are on a list of the user's, are unlocked (by field)."""

    existing: frozenset[int]
    saved: frozenset[int]
    unlocked: frozenset[tuple[int, str]]


_CONTACT_MARKS: Final = """
    SELECT c.id,
           EXISTS (SELECT 1 FROM app.list_contacts l WHERE l.contact_id = c.id) AS saved,
           (SELECT array_agg(u.field) FROM app.unlocks u
             WHERE u.user_id = $2 AND u.contact_id = c.id) AS unlocked
      FROM app.contacts c WHERE c.id = ANY($1::int[])
"""
_ORGANIZATION_MARKS: Final = """
    SELECT o.id,
           EXISTS (SELECT 1 FROM app.list_organizations l WHERE l.organization_id = o.id) AS saved,
           NULL AS unlocked
      FROM app.organizations o WHERE o.id = ANY($1::int[])
"""


async def read_marks(database: Database, visibility: Visibility, ids: Sequence[int]) -> Marks:
    """Read as the user: row-level security shows the lists that are theirs, no others."""
    if visibility.entity == "contacts":
        rows = await database.fetch(visibility.actor, _CONTACT_MARKS, ids, visibility.user_id)
    else:
        rows = await database.fetch(visibility.actor, _ORGANIZATION_MARKS, ids)
    return Marks(
        existing=frozenset(row[0] for row in rows),
        saved=frozenset(row[0] for row in rows if row[1]),
        unlocked=frozenset((row[0], field) for row in rows for field in row[2] or ()),
    )


def contact_hit(
    document: Mapping[str, Any], visibility: Visibility, marks: Marks, why: list[Reason] | None
) -> ContactHit:
    shown, ident = document["shown"], document["id"]
    return ContactHit(
        id=ident,
        full_name=shown.get("full_name"),
        first_name=shown.get("first_name"),
        last_name=shown.get("last_name"),
        title=shown.get("title"),
        title_normalized=document.get("title_normalized"),
        seniority=document["seniority"] or None,
        departments=_values(document["departments"]),
        linkedin_url=shown.get("linkedin_url"),
        location=_place(document, "", shown.get("city_name")),
        organization=_organization(document),
        email_status=document["email_status"] or None,
        has_email=document["has_email"],
        has_phone=document["has_phone"],
        position_started_on=_day(document.get("position_started_on")),
        last_refreshed_at=_instant(document["last_refreshed_at"]),
        can_reveal=[
            Reveal(field=field, credits=0 if (ident, field) in marks.unlocked else price)
            for field, price in UNLOCK_CREDITS.items()
            if document[f"has_{field}"]
        ],
        hidden=ident in visibility.hidden.contacts
        or document["organization_id"] in visibility.hidden.organizations,
        saved=ident in marks.saved,
        why=why,
    )


def _organization(document: Mapping[str, Any]) -> OrganizationSummary | None:
    if not document["organization_id"]:
        return None
    shown = document["organization_shown"]
    return OrganizationSummary(
        id=document["organization_id"],
        name=shown["name"],
        domain=document.get("organization_domain"),
        industries=_values(document["organization_industries"]),
        employees_min=shown.get("employees_min"),
        employees_max=shown.get("employees_max"),
        location=_place(document, "organization_", shown.get("city_name")),
    )


def organization_hit(
    document: Mapping[str, Any], visibility: Visibility, marks: Marks, why: list[Reason] | None
) -> OrganizationHit:
    shown, ident = document["shown"], document["id"]
    return OrganizationHit(
        id=ident,
        name=shown["name"],
        aliases=shown.get("aliases", []),
        domain=document.get("domain"),
        website=shown.get("website"),
        linkedin_url=shown.get("linkedin_url"),
        industries=_values(document["industries"]),
        technologies=_values(document["technologies"]),
        keywords=_values(document["keywords"]),
        employees_min=shown.get("employees_min"),
        employees_max=shown.get("employees_max"),
        headcount_bands=_values(document["headcount_bands"]),
        revenue=_revenue(document),
        founded_year=document.get("founded_year"),
        funding=_funding(document),
        location=_place(document, "", shown.get("city_name")),
        last_refreshed_at=_instant(document["last_refreshed_at"]),
        hidden=ident in visibility.hidden.organizations,
        saved=ident in marks.saved,
        why=why,
    )


def _values(values: Sequence[str]) -> list[str]:
    return [value for value in values if value != MISSING]


def _revenue(document: Mapping[str, Any]) -> Amount | None:
    low, high = document["shown"].get("revenue_min"), document["shown"].get("revenue_max")
    if low is None and high is None:
        return None
    return Amount(min=low, max=high, currency=document.get("revenue_currency"))


def _funding(document: Mapping[str, Any]) -> FundingSummary | None:
    stage, amount = document["funding_stage"] or None, document.get("funding_amount")
    if stage is None and amount is None:
        return None
    return FundingSummary(
        stage=stage,
        amount=amount,
        currency=document.get("funding_currency"),
        date=_day(document.get("funding_date")),
    )


def _place(document: Mapping[str, Any], prefix: str, city_name: str | None) -> Place | None:
    kinds: tuple[places.Kind, ...] = ("city", "region", "country")
    codes = {kind: document[f"{prefix}{kind}"] or None for kind in kinds}
    best = next(((kind, code) for kind, code in codes.items() if code), None)
    if best is None and city_name is None:
        return None
    point = document.get(f"{prefix}point") or {}
    return Place(
        country=codes["country"],
        region=codes["region"],
        city=codes["city"],
        display_name=places.place_display(*best) if best else city_name,
        latitude=point.get("lat"),
        longitude=point.get("lon"),
    )


def _day(days: int | None) -> str | None:
    return None if days is None else (date(1970, 1, 1) + timedelta(days=days)).isoformat()


def _instant(microseconds: int) -> str:
    return (_EPOCH + timedelta(microseconds=microseconds)).isoformat().replace("+00:00", "Z")


def facet(counts: FacetCounts, of: FacetField, terms: OpenTerms) -> Facet:
    return Facet(
        values=[
            FacetValue(value=value, display_name=display(of.vocabulary, value, terms), count=count)
            for value, count in counts.values
        ],
        other=counts.other,
        missing=counts.missing,
    )


def display(vocabulary: str, code: str, terms: OpenTerms) -> str:
    """The words to show for a code of any vocabulary; the code itself where nothing better is known."""
    if vocabulary in _CLOSED:
        return _CLOSED[vocabulary].get(code, code)
    if vocabulary in _PLACES:
        return places.place_display(_PLACES[vocabulary], code)
    return terms.display(_OPEN[vocabulary], code) if vocabulary in _OPEN else code


def codes_beginning(vocabulary: str, prefix: str, terms: OpenTerms, *, limit: int) -> tuple[str, ...]:
    """The codes of a vocabulary one of whose words begins with `prefix`."""
    if vocabulary in _PLACES:
        kind = _PLACES[vocabulary]
        return tuple(code for _, code, _ in places.suggest_places(prefix, kind, limit))
    known = _CLOSED.get(vocabulary) or terms.terms.get(_OPEN.get(vocabulary, ""), {})
    wanted = fold(prefix)
    found = (
        code
        for code, name in known.items()
        if fold(name).startswith(wanted) or any(word.startswith(wanted) for word in tokens(name))
    )
    return tuple(found)[:limit]
