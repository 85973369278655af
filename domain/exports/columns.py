"""What an export can have in its columns, and how each is read.

Contacts come from the view that shows an address only to those who have unlocked it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from core.errors import Invalid
from search.request import Entity
from search.vocabulary import nearest


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its name in requests, its heading, and the SQL of its text over r (and o, the company)."""

    name: str
    heading: str
    sql: str


def _of(alias: str, name: str, heading: str, column: str | None = None) -> Column:
    return Column(name, heading, f"{alias}.{column or name}::text")


def _array(alias: str, name: str, heading: str, column: str) -> Column:
    return Column(name, heading, f"array_to_string({alias}.{column}, '; ')")


def _day(alias: str, name: str, heading: str) -> Column:
    return Column(name, heading, f"to_char({alias}.{name}, 'YYYY-MM-DD')")


def _linkedin(alias: str, name: str = "linkedin_url") -> Column:
    return Column(name, "LinkedIn", f"{alias}.linkedin_url")


_CONTACTS: Final = (
    _of("r", "id", "Id"),
    _of("r", "first_name", "First name"),
    _of("r", "middle_name", "Middle name"),
    _of("r", "last_name", "Last name"),
    _of("r", "full_name", "Name"),
    _of("r", "title", "Title"),
    _of("r", "seniority", "Seniority"),
    _array("r", "departments", "Departments", "departments"),
    _of("r", "email", "E-mail"),
    _of("r", "email_status", "E-mail status"),
    _of("r", "phone", "Phone"),
    _linkedin("r"),
    _of("r", "city", "City", "city_name"),
    _of("r", "region", "Region"),
    _of("r", "country", "Country"),
    _day("r", "position_started_on", "In position since"),
    _day("r", "last_refreshed_at", "Last refreshed"),
    _of("r", "organization_id", "Company id"),
    _of("o", "organization_name", "Company", "name"),
    _of("o", "organization_domain", "Company domain", "domain"),
    _of("o", "organization_website", "Company website", "website"),
    _array("o", "organization_industries", "Company industries", "industries"),
    _of("o", "organization_employees_min", "Employees from", "employees_min"),
    _of("o", "organization_employees_max", "Employees to", "employees_max"),
    _of("o", "organization_city", "Company city", "city_name"),
    _of("o", "organization_country", "Company country", "country"),
)
_ORGANIZATIONS: Final = (
    _of("r", "id", "Id"),
    _of("r", "name", "Name"),
    _array("r", "aliases", "Other names", "aliases"),
    _of("r", "domain", "Domain"),
    _of("r", "website", "Website"),
    _linkedin("r"),
    _of("r", "phone", "Phone"),
    _array("r", "industries", "Industries", "industries"),
    _array("r", "technologies", "Technologies", "technologies"),
    _array("r", "keywords", "Keywords", "keywords"),
    _of("r", "employees_min", "Employees from"),
    _of("r", "employees_max", "Employees to"),
    _of("r", "revenue_min", "Revenue from"),
    _of("r", "revenue_max", "Revenue to"),
    _of("r", "revenue_currency", "Revenue currency"),
    _of("r", "funding_stage", "Funding stage"),
    _of("r", "funding_amount", "Funding amount"),
    _of("r", "funding_currency", "Funding currency"),
    _day("r", "funding_date", "Funding date"),
    _of("r", "founded_year", "Founded"),
    _of("r", "city", "City", "city_name"),
    _of("r", "region", "Region"),
    _of("r", "country", "Country"),
    _of("r", "description", "Description"),
    _day("r", "last_refreshed_at", "Last refreshed"),
)
COLUMNS: Final[dict[Entity, dict[str, Column]]] = {
    "contacts": {column.name: column for column in _CONTACTS},
    "organizations": {column.name: column for column in _ORGANIZATIONS},
}
DEFAULTS: Final[dict[Entity, tuple[str, ...]]] = {
    "contacts": (
        "first_name",
        "last_name",
        "title",
        "organization_name",
        "organization_domain",
        "email",
        "email_status",
        "phone",
        "linkedin_url",
        "city",
        "region",
        "country",
    ),
    "organizations": (
        "name",
        "domain",
        "website",
        "phone",
        "industries",
        "employees_min",
        "employees_max",
        "city",
        "region",
        "country",
    ),
}
# What is blank until it is unlocked.
LOCKED: Final = frozenset({"email", "phone"})


def choose(entity: Entity, names: Sequence[str] | None) -> list[Column]:
    """The columns of these names in this order; raises `Invalid` with the nearest ones."""
    known = COLUMNS[entity]
    wanted = list(DEFAULTS[entity] if names is None else names)
    errors = []
    for position, name in enumerate(wanted):
        if name not in known:
            near = list(nearest(name, known) or known)
            message = f"{name[:80]!r} is not a column of {entity}"
            errors.append({"path": f"columns[{position}]", "message": message, "allowed": near})
        elif name in wanted[:position]:
            errors.append({"path": f"columns[{position}]", "message": f"{name!r} is there twice"})
    if errors:
        raise Invalid(str(errors[0]["message"]), errors=errors)
    return [known[name] for name in wanted]
