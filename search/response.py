"""What a search answers in: the same shapes from either engine."""

from typing import Any, Literal

from msgspec import Struct

from search.request import EngineName


class Answer(Struct, forbid_unknown_fields=True, kw_only=True):
    """A response shape: closed, so that its description in OpenAPI is the whole truth."""


class Reveal(Answer, kw_only=True):
    """A locked field and what it costs; 0 credits when it is already owned."""

    field: Literal["email", "phone"]
    credits: int


class Place(Answer, kw_only=True):
    country: str | None = None
    region: str | None = None
    city: str | None = None
    display_name: str | None = None
    latitude: float | None = None
    longitude: float | None = None


class Reason(Answer, kw_only=True):
    """Why a hit matched: one met restriction, with the record's own value."""

    filter: str
    reason: str


class OrganizationSummary(Answer, kw_only=True):
    """The company as it stands beside a contact."""

    id: int
    name: str
    domain: str | None = None
    industries: list[str] = []
    employees_min: int | None = None
    employees_max: int | None = None
    location: Place | None = None


class ContactHit(Answer, kw_only=True):
    id: int
    full_name: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    title: str | None = None
    title_normalized: str | None = None
    seniority: str | None = None
    departments: list[str] = []
    linkedin_url: str | None = None
    location: Place | None = None
    organization: OrganizationSummary | None = None
    email_status: str | None = None
    has_email: bool = False
    has_phone: bool = False
    position_started_on: str | None = None
    last_refreshed_at: str
    can_reveal: list[Reveal] = []
    hidden: bool = False
    saved: bool = False
    why: list[Reason] | None = None


class Amount(Answer, kw_only=True):
    """An amount of money; a source that gives a band has two ends."""

    min: int | None = None
    max: int | None = None
    currency: str | None = None


class FundingSummary(Answer, kw_only=True):
    stage: str | None = None
    amount: int | None = None
    currency: str | None = None
    date: str | None = None


class OrganizationHit(Answer, kw_only=True):
    id: int
    name: str
    aliases: list[str] = []
    domain: str | None = None
    website: str | None = None
    linkedin_url: str | None = None
    industries: list[str] = []
    technologies: list[str] = []
    keywords: list[str] = []
    employees_min: int | None = None
    employees_max: int | None = None
    headcount_bands: list[str] = []
    revenue: Amount | None = None
    founded_year: int | None = None
    funding: FundingSummary | None = None
    location: Place | None = None
    last_refreshed_at: str
    hidden: bool = False
    saved: bool = False
    why: list[Reason] | None = None


class FacetValue(Answer, kw_only=True):
    value: str
    display_name: str
    count: int


class Facet(Answer, kw_only=True):
    """The most frequent values; `other` counts the values cut off, `missing` the records without any."""

    values: list[FacetValue]
    other: int
    missing: int


class RemovedBy(Answer, kw_only=True):
    """How many more records there were without this one restriction; null when time ran out."""

    path: str
    removes: int | None


class Understood(Answer, kw_only=True):
    """How a part of the free text was read."""

    part: Literal["person", "title", "company", "place", "topic", "any"]
    text: str
    means: list[str] = []


class CountResponse(Answer, kw_only=True):
    total_entries: int
    engine: EngineName
    took_ms: int


class SearchPage(Answer, kw_only=True):
    """What a page of either entity has: its total and the counts beside the filters."""

    total_entries: int
    total_is_lower_bound: bool
    facets: dict[str, Facet]
    missing_facets: list[str] = []
    cursor: str | None = None
    applied_filters: dict[str, Any]
    understood: list[Understood] = []
    removed_by: list[RemovedBy] | None = None
    engine: EngineName
    engine_reason: str | None = None
    took_ms: int


class ContactSearchResponse(SearchPage, kw_only=True):
    results: list[ContactHit]


class OrganizationSearchResponse(SearchPage, kw_only=True):
    results: list[OrganizationHit]


SearchResponse = ContactSearchResponse | OrganizationSearchResponse


class Suggestion(Answer, kw_only=True):
    value: str
    display_name: str


class SuggestResponse(Answer, kw_only=True):
    field: str
    suggestions: list[Suggestion]
