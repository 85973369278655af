"""What a contact and an organization are made of: which columns a field fills, and their SQL types.

A *field* is what a source can state and provenance speaks of ("title"); *columns* are what the catalogue
keeps of it (`title`, `title_normalized`, `title_terms`, `seniority`, `departments`).
"""

from dataclasses import dataclass, field
from typing import Final, Literal

from domain.imports import copytext

Entity = Literal["contacts", "organizations"]


@dataclass(frozen=True, eq=False)
class Shape:
    """One kind of record, as the importer and the manual edits write it."""

    entity: Entity
    record_column: str
    fields: dict[str, dict[str, str]]
    columns: tuple[str, ...] = field(init=False)
    encoders: tuple[copytext.Encoder, ...] = field(init=False)
    types: dict[str, str] = field(init=False)
    field_of: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        types = {column: kind for columns in self.fields.values() for column, kind in columns.items()}
        object.__setattr__(self, "types", types)
        object.__setattr__(self, "columns", tuple(types))
        object.__setattr__(self, "encoders", tuple(copytext.ENCODERS[kind] for kind in types.values()))
        owners = {column: name for name, columns in self.fields.items() for column in columns}
        object.__setattr__(self, "field_of", owners)

    @property
    def sources(self) -> str:
        """The table that keeps what each source said of these records."""
        return f"{self.entity[:-1]}_sources"

    @property
    def staged_new(self) -> str:
        """The staging table of rows that make records."""
        return f"pg_temp.new_{self.entity}"

    @property
    def staged_changes(self) -> str:
        """The staging table of records that change."""
        return f"pg_temp.changed_{self.entity}"


_LOCATION: Final = {
    "country": "text",
    "region": "text",
    "city": "text",
    "city_name": "text",
    "location_raw": "text",
    "latitude": "float8",
    "longitude": "float8",
}

# Three fields are the shape's only and have no provenance of their own: `names`, derived from all parts of a
# name; `extras`, the columns of a file that are no field; `refreshed`, when a source says it looked.
CONTACTS: Final = Shape(
    entity="contacts",
    record_column="contact_id",
    fields={
        "organization": {"organization_id": "int"},
        "first_name": {"first_name": "text"},
        "middle_name": {"middle_name": "text"},
        "last_name": {"last_name": "text"},
        "names": {"full_name": "text", "name_terms": "text[]", "name_sort": "text", "name_search": "text"},
        "email": {"email": "text", "email_hash": "bytea"},
        "phone": {"phone": "text", "phone_hash": "bytea"},
        "linkedin_url": {"linkedin_url": "text", "linkedin_hash": "bytea"},
        "title": {
            "title": "text",
            "title_normalized": "text",
            "title_terms": "text[]",
            "seniority": "text",
            "departments": "text[]",
        },
        "location": _LOCATION,
        "email_status": {"email_status": "text"},
        "email_verified_at": {"email_verified_at": "timestamptz"},
        "position_started_on": {"position_started_on": "date"},
        "extras": {"enrichment": "jsonb"},
        "refreshed": {"last_refreshed_at": "timestamptz"},
    },
)

ORGANIZATIONS: Final = Shape(
    entity="organizations",
    record_column="organization_id",
    fields={
        "name": {"name": "text", "name_key": "text", "name_sort": "text"},
        "aliases": {"aliases": "text[]", "alias_keys": "text[]"},
        "website": {"website": "text"},
        "domain": {"domain": "text"},
        "linkedin_url": {"linkedin_url": "text"},
        "phone": {"phone": "text"},
        "industry": {"industry": "text", "industries": "text[]"},
        "naics": {"naics": "text"},
        "employees": {"employees_min": "int", "employees_max": "int", "headcount_bands": "text[]"},
        "revenue": {"revenue_min": "bigint", "revenue_max": "bigint", "revenue_currency": "text"},
        "technologies": {"technologies": "text[]"},
        "keywords": {"keywords": "text[]"},
        "funding_stage": {"funding_stage": "text"},
        "funding_amount": {"funding_amount": "bigint", "funding_currency": "text"},
        "funding_date": {"funding_date": "date"},
        "founded_year": {"founded_year": "int"},
        "location": _LOCATION,
        "description": {"description": "text"},
        "extras": {"enrichment": "jsonb"},
        "refreshed": {"last_refreshed_at": "timestamptz"},
    },
)

SHAPES: Final = {shape.entity: shape for shape in (CONTACTS, ORGANIZATIONS)}

# Fields of a shape that no source is asked about.
DERIVED: Final = frozenset({"names", "extras", "refreshed"})
