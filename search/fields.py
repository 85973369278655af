"""The one table of what can be asked of a record: fields, filters, facets and sorts.

Both engines, the request reader, `GET /v1/filters` and the documents are driven by it, so a filter
exists everywhere or nowhere.
"""

from dataclasses import dataclass
from typing import Final, Literal

from search.request import MAX_DOMAINS, MAX_IDS, MAX_VALUES, Entity

Kind = Literal["keyword", "integer", "long", "day", "instant", "boolean", "point"]


@dataclass(frozen=True, slots=True)
class Field:
    """A comparable value of a record: a column of its table, a field of its document."""

    name: str
    scope: Entity
    kind: Kind = "keyword"
    array: bool = False
    facet: bool = False

    def path(self, entity: Entity) -> str:
        """The name in the documents of `entity`: a contact's document carries its company's fields, too."""
        return self.name if self.scope == entity else f"organization_{self.name}"


CONTACT_FIELDS: Final = {
    f.name: f
    for f in (
        Field("title_normalized", "contacts"),
        Field("title_terms", "contacts", array=True),
        Field("seniority", "contacts", facet=True),
        Field("departments", "contacts", array=True, facet=True),
        Field("name_terms", "contacts", array=True),
        Field("name_sort", "contacts"),
        Field("country", "contacts", facet=True),
        Field("region", "contacts", facet=True),
        Field("city", "contacts", facet=True),
        Field("point", "contacts", "point"),
        Field("email_status", "contacts", facet=True),
        Field("has_email", "contacts", "boolean", facet=True),
        Field("has_phone", "contacts", "boolean"),
        Field("last_refreshed_at", "contacts", "instant"),
        Field("position_started_on", "contacts", "day"),
        Field("past_title_terms", "contacts", array=True),
        Field("past_company_keys", "contacts", array=True),
    )
}

ORGANIZATION_FIELDS: Final = {
    f.name: f
    for f in (
        Field("key", "organizations"),
        Field("name_keys", "organizations", array=True),
        Field("name_terms", "organizations", array=True),
        Field("name_sort", "organizations"),
        Field("domain", "organizations"),
        Field("employees_min", "organizations", "integer"),
        Field("employees_max", "organizations", "integer"),
        Field("headcount", "organizations", "integer"),
        Field("headcount_bands", "organizations", array=True, facet=True),
        Field("revenue_min", "organizations", "long"),
        Field("revenue_max", "organizations", "long"),
        Field("revenue_currency", "organizations"),
        Field("industries", "organizations", array=True, facet=True),
        Field("technologies", "organizations", array=True, facet=True),
        Field("keywords", "organizations", array=True, facet=True),
        Field("funding_stage", "organizations", facet=True),
        Field("funding_amount", "organizations", "long"),
        Field("funding_currency", "organizations"),
        Field("funding_date", "organizations", "day"),
        Field("founded_year", "organizations", "integer"),
        Field("country", "organizations", facet=True),
        Field("region", "organizations", facet=True),
        Field("city", "organizations", facet=True),
        Field("point", "organizations", "point"),
        Field("last_refreshed_at", "organizations", "instant"),
    )
}

FIELDS: Final[dict[Entity, dict[str, Field]]] = {
    "contacts": CONTACT_FIELDS,
    "organizations": ORGANIZATION_FIELDS,
}


@dataclass(frozen=True, slots=True)
class Facet:
    """A count per value of `field`. Its own selection is the include filter `selection` and nothing else."""

    name: str
    field: Field
    selection: str
    title: str
    vocabulary: str


def _contact_facet(name: str, field: str, title: str, vocabulary: str) -> Facet:
    return Facet(name, CONTACT_FIELDS[field], f"contacts.include.{name}", title, vocabulary)


def _organization_facet(name: str, field: str, title: str, vocabulary: str, selection: str) -> Facet:
    return Facet(name, ORGANIZATION_FIELDS[field], f"organizations.include.{selection}", title, vocabulary)


_CONTACT_FACETS: Final = (
    _contact_facet("seniorities", "seniority", "Seniority", "seniorities"),
    _contact_facet("departments", "departments", "Department", "departments"),
    _contact_facet("countries", "country", "Country of the person", "countries"),
    _contact_facet("regions", "region", "Region of the person", "regions"),
    _contact_facet("cities", "city", "City of the person", "cities"),
    _contact_facet("email_status", "email_status", "State of the e-mail address", "email_status"),
    _contact_facet("has_email", "has_email", "E-mail address known", "flags"),
)
_ORGANIZATION_FACETS: Final = (
    _organization_facet(
        "organization_countries", "country", "Country of the company", "countries", "countries"
    ),
    _organization_facet("organization_regions", "region", "Region of the company", "regions", "regions"),
    _organization_facet("organization_cities", "city", "City of the company", "cities", "cities"),
    _organization_facet("industries", "industries", "Industry", "industries", "industries"),
    _organization_facet(
        "headcount_bands", "headcount_bands", "Headcount", "headcount_bands", "headcount_bands"
    ),
    _organization_facet("technologies", "technologies", "Technology", "technologies", "technologies"),
    _organization_facet("keywords", "keywords", "Keyword", "keywords", "keywords"),
    _organization_facet(
        "funding_stages", "funding_stage", "Funding stage", "funding_stages", "funding.stages"
    ),
)
# In a search for organizations the company's places are simply `countries`, `regions`, `cities`.
_PLAIN_PLACES: Final = (
    _organization_facet("countries", "country", "Country", "countries", "countries"),
    _organization_facet("regions", "region", "Region", "regions", "regions"),
    _organization_facet("cities", "city", "City", "cities", "cities"),
)

FACETS: Final[dict[Entity, dict[str, Facet]]] = {
    "contacts": {f.name: f for f in (*_CONTACT_FACETS, *_ORGANIZATION_FACETS)},
    "organizations": {f.name: f for f in (*_PLAIN_PLACES, *_ORGANIZATION_FACETS)},
}


@dataclass(frozen=True, slots=True)
class Sort:
    """An order: by one field, missing values last in either direction, the id breaking ties."""

    name: str
    field: Field
    descending: bool


_SORT_FIELDS: Final[dict[Entity, dict[str, Field]]] = {
    "contacts": {
        "name": CONTACT_FIELDS["name_sort"],
        "company": ORGANIZATION_FIELDS["name_sort"],
        "last_refreshed": CONTACT_FIELDS["last_refreshed_at"],
        "headcount": ORGANIZATION_FIELDS["headcount"],
    },
    "organizations": {
        "name": ORGANIZATION_FIELDS["name_sort"],
        "company": ORGANIZATION_FIELDS["name_sort"],
        "last_refreshed": ORGANIZATION_FIELDS["last_refreshed_at"],
        "headcount": ORGANIZATION_FIELDS["headcount"],
    },
}

SORTS: Final[dict[Entity, dict[str, Sort]]] = {
    entity: {
        f"{sign}{name}": Sort(f"{sign}{name}", field, sign == "-")
        for name, field in named.items()
        for sign in ("", "-")
    }
    for entity, named in _SORT_FIELDS.items()
}
# Without free text every match is as relevant as the next: the freshest record comes first.
RELEVANCE: Final = "relevance"
RELEVANCE_WITHOUT_TEXT: Final = "-last_refreshed"

FilterType = Literal[
    "values",
    "any_all_not",
    "integer_range",
    "money_range",
    "date_range",
    "date",
    "days",
    "flag",
    "near",
    "ids",
]


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter as `GET /v1/filters` describes it. `vocabulary` names what its values come from."""

    name: str
    scope: Entity
    type: FilterType
    title: str
    vocabulary: str | None = None
    limit: int = MAX_VALUES


def _filters(scope: Entity, whose: str) -> tuple[Filter, ...]:
    return (
        Filter("locations", scope, "values", f"Places of the {whose}, by name", "locations"),
        Filter("countries", scope, "values", f"Country of the {whose}", "countries"),
        Filter("regions", scope, "values", f"Region of the {whose}", "regions"),
        Filter("cities", scope, "values", f"City of the {whose}", "cities"),
        Filter("near", scope, "near", f"Distance of the {whose} from a point"),
        Filter("last_refreshed_after", scope, "date", f"The {whose} was refreshed on this day or later"),
        Filter("last_refreshed_within_days", scope, "days", f"The {whose} was refreshed in the last days"),
    )


FILTERS: Final = (
    Filter("titles", "contacts", "values", "Job title", "titles"),
    Filter("include_similar_titles", "contacts", "flag", "Synonyms and translations of titles, too"),
    Filter("seniorities", "contacts", "values", "Seniority", "seniorities"),
    Filter("departments", "contacts", "values", "Department", "departments"),
    Filter("names", "contacts", "values", "Name of the person"),
    Filter("email_status", "contacts", "values", "State of the e-mail address", "email_status"),
    Filter("has_email", "contacts", "flag", "E-mail address known"),
    Filter("has_phone", "contacts", "flag", "Phone number known"),
    Filter("past_titles", "contacts", "values", "Title of an earlier position", "titles"),
    Filter("past_employers", "contacts", "values", "Employer of an earlier position"),
    Filter("months_in_role", "contacts", "integer_range", "Months in the present position"),
    *_filters("contacts", "person"),
    Filter("names", "organizations", "values", "Name of the company"),
    Filter("ids", "organizations", "ids", "Ids of companies", limit=MAX_IDS),
    Filter("domains", "organizations", "values", "Web domain of the company", limit=MAX_DOMAINS),
    Filter("num_employees", "organizations", "integer_range", "Number of employees"),
    Filter("headcount_bands", "organizations", "values", "Headcount band", "headcount_bands"),
    Filter("revenue", "organizations", "money_range", "Yearly revenue"),
    Filter("industries", "organizations", "values", "Industry", "industries"),
    Filter("technologies", "organizations", "any_all_not", "Technologies in use", "technologies"),
    Filter("keywords", "organizations", "any_all_not", "Keywords", "keywords"),
    Filter("founded_year", "organizations", "integer_range", "Year of foundation"),
    Filter("funding.stages", "organizations", "values", "Stage of the latest funding", "funding_stages"),
    Filter("funding.amount", "organizations", "money_range", "Amount of the latest funding"),
    Filter("funding.date", "organizations", "date_range", "Date of the latest funding"),
    *_filters("organizations", "company"),
)
