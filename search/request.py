"""What a search is asked in: the shapes of the request body, with every limit written down.

`include` and `exclude` mirror each other. `search.criteria` gives these shapes their meaning.
"""

from datetime import date
from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta, Struct, field

Entity = Literal["contacts", "organizations"]
EngineName = Literal["opensearch", "postgres"]

MAX_VALUES = 100
MAX_DOMAINS = 1_000
MAX_IDS = 1_000
MAX_TEXT = 500
MAX_LIMIT = 500

Value = Annotated[str, Meta(min_length=1, max_length=200, examples=["example"])]
Values = Annotated[list[Value], Meta(max_length=MAX_VALUES)]
RecordId = Annotated[int, Meta(ge=1, le=2**31 - 1)]
Money = Annotated[int, Meta(ge=0, le=10**15)]
# A hundred years: whatever was ever refreshed.
Days = Annotated[int, Meta(ge=1, le=36_500)]
Currency = Annotated[
    str, Meta(pattern="^[A-Z]{3}$", description="ISO 4217; amounts in other currencies do not match")
]


class Form(Struct, forbid_unknown_fields=True, omit_defaults=True, frozen=True, kw_only=True):
    """A request shape: closed, so that a misspelt filter is an error and never silently ignored."""


class IntegerRange(Form, frozen=True, kw_only=True):
    """Both ends belong to the range; an absent end is open."""

    min: Annotated[int, Meta(ge=0, le=10**9)] | None = None
    max: Annotated[int, Meta(ge=0, le=10**9)] | None = None


class MoneyRange(Form, frozen=True, kw_only=True):
    """An amount in whole units of one named currency."""

    currency: Currency
    min: Money | None = None
    max: Money | None = None


class DateRange(Form, frozen=True, kw_only=True):
    """Days, both included."""

    after: date | None = None
    before: date | None = None


class AnyAllNot(Form, frozen=True, kw_only=True):
    """Any of, all of, none of."""

    any: Values = []
    all: Values = []
    not_: Values = field(default_factory=list, name="not")


class AnyAll(Form, frozen=True, kw_only=True):
    """Any of, all of."""

    any: Values = []
    all: Values = []


class Point(Form, frozen=True, kw_only=True):
    latitude: Annotated[float, Meta(ge=-90, le=90)]
    longitude: Annotated[float, Meta(ge=-180, le=180)]


class Near(Form, frozen=True, kw_only=True):
    """Within `km` of a point, along the earth's surface."""

    point: Point
    km: Annotated[float, Meta(gt=0, le=20_040)]


class Funding(Form, frozen=True, kw_only=True):
    stages: Values = []
    amount: MoneyRange | None = None
    date: DateRange | None = None


class PlaceFilters(Form, frozen=True, kw_only=True):
    """Where a record is: `locations` are names, the others codes as the facets give them."""

    locations: Values = []
    countries: Values = []
    regions: Values = []
    cities: Values = []
    near: Near | None = None


class ContactFilters(PlaceFilters, frozen=True, kw_only=True):
    """Restrictions on a person. An empty list is no restriction."""

    titles: Values = []
    include_similar_titles: bool = True
    seniorities: Values = []
    departments: Values = []
    names: Values = []
    email_status: Values = []
    has_email: bool | None = None
    has_phone: bool | None = None
    last_refreshed_after: date | None = None
    last_refreshed_within_days: Days | None = None
    past_titles: Values = []
    past_employers: Values = []
    months_in_role: IntegerRange | None = None


class CompanyFilters(PlaceFilters, frozen=True, kw_only=True):
    """Restrictions on a company that read alike on both sides. An empty list is no restriction."""

    names: Values = []
    ids: Annotated[list[RecordId], Meta(max_length=MAX_IDS)] = []
    domains: Annotated[list[Value], Meta(max_length=MAX_DOMAINS)] = []
    num_employees: IntegerRange | None = None
    headcount_bands: Values = []
    revenue: MoneyRange | None = None
    industries: Values = []
    founded_year: IntegerRange | None = None
    funding: Funding | None = None
    last_refreshed_after: date | None = None
    last_refreshed_within_days: Days | None = None


class OrganizationIncludes(CompanyFilters, frozen=True, kw_only=True):
    """What a company must meet; a plain list of technologies or keywords means any of them."""

    technologies: AnyAllNot | Values = []
    keywords: AnyAllNot | Values = []


class OrganizationExcludes(CompanyFilters, frozen=True, kw_only=True):
    """What removes a company; `not` has no place here, for it would say an include."""

    technologies: AnyAll | Values = []
    keywords: AnyAll | Values = []


class ContactSides(Form, frozen=True, kw_only=True):
    include: ContactFilters = ContactFilters()
    exclude: ContactFilters = ContactFilters()


class OrganizationSides(Form, frozen=True, kw_only=True):
    include: OrganizationIncludes = OrganizationIncludes()
    exclude: OrganizationExcludes = OrganizationExcludes()


class Filters(Form, frozen=True, kw_only=True):
    contacts: ContactSides = ContactSides()
    organizations: OrganizationSides = OrganizationSides()


class FacetRequest(Form, frozen=True, kw_only=True):
    """A facet with a size of its own, or only the values whose names begin with `prefix`."""

    field: Value
    limit: Annotated[int, Meta(ge=1, le=200)] = 20
    prefix: Annotated[str, Meta(min_length=1, max_length=100)] | None = None


class CountRequest(Form, frozen=True, kw_only=True):
    """Which records: everything of a search but its page."""

    q: Annotated[str, Meta(max_length=MAX_TEXT)] = ""
    filters: Filters = Filters()
    hidden: Literal["exclude", "only", "include"] = "exclude"
    in_lists: Annotated[list[UUID], Meta(max_length=MAX_VALUES)] = []
    not_in_lists: Annotated[list[UUID], Meta(max_length=MAX_VALUES)] = []
    unlocked: Literal["any", "only", "exclude"] = "any"
    engine: EngineName | None = None


class SearchRequest(CountRequest, frozen=True, kw_only=True):
    """An ICP search: which records, in what order, with which counts beside them."""

    facets: Annotated[list[Value | FacetRequest], Meta(max_length=20)] = []
    sort: Annotated[str, Meta(max_length=40)] = "relevance"
    limit: Annotated[int, Meta(ge=1, le=MAX_LIMIT)] = 25
    cursor: Annotated[str, Meta(max_length=4_000)] | None = None
    total: Literal["capped", "exact"] = "capped"
    explain: bool = False
