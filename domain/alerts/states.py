"""The fields that can be watched: what they say of a record, kept as text, and how two of them differ.

A state is a JSON array in the order below, written by PostgreSQL. A field that is added goes to the end: what
an older state does not say is not known, and no news.
"""

from dataclasses import dataclass
from typing import Any, Final

import orjson

from search.request import Entity

# As the driver wants the one byte of "char".
LETTERS: Final[dict[Entity, bytes]] = {"contacts": b"c", "organizations": b"o"}


@dataclass(frozen=True, slots=True)
class Change:
    """A watched field that says something else by now; None is nothing known."""

    field: str
    old: Any
    new: Any


def _range(low: str, high: str, *more: str) -> str:
    listed = ", ".join((low, high, *more))
    return f"CASE WHEN {low} IS NOT NULL OR {high} IS NOT NULL THEN json_build_array({listed}) END"


def _place(alias: str) -> str:
    return f"nullif(concat_ws(', ', coalesce({alias}.city_name, {alias}.region), {alias}.country), '')"


_COMPANY: Final = {
    "domain": "o.domain",
    "employees": _range("o.employees_min", "o.employees_max"),
    "revenue": _range("o.revenue_min", "o.revenue_max", "o.revenue_currency"),
    "industries": "o.industries",
    "technologies": "o.technologies",
    "keywords": "o.keywords",
    "funding": "CASE WHEN o.funding_stage IS NOT NULL OR o.funding_amount IS NOT NULL THEN"
    " json_build_array(o.funding_stage, o.funding_amount, o.funding_currency, o.funding_date) END",
    "location": _place("o"),
}
_CONTACT: Final = {
    "title": "c.title",
    "seniority": "c.seniority",
    "departments": "c.departments",
    "company": "o.name",
    "location": _place("c"),
    "email_status": "c.email_status",
    "has_email": "c.has_email",
    "has_phone": "c.has_phone",
}
_SQL: Final[dict[Entity, dict[str, str]]] = {
    "contacts": _CONTACT | {f"company_{name}": sql for name, sql in _COMPANY.items()},
    "organizations": {"name": "o.name", **_COMPANY},
}
FIELDS: Final[dict[Entity, tuple[str, ...]]] = {entity: tuple(sql) for entity, sql in _SQL.items()}
# What is watched when nothing is chosen.
USUAL: Final[dict[Entity, tuple[str, ...]]] = {
    "contacts": ("title", "company", "location", "company_employees", "company_funding"),
    "organizations": ("name", "employees", "funding", "location"),
}
_KEY: Final[dict[Entity, str]] = {"contacts": "c.id", "organizations": "o.id"}


def select(entity: Entity) -> str:
    """A query for `id` and `values` of all records; the caller adds which."""
    # Whose company it is comes first: what is said of another company is no change of it.
    if entity == "organizations":
        values = ", ".join(("o.id", *_SQL[entity].values()))
        return f"SELECT o.id AS id, json_build_array({values})::text AS values FROM app.organizations o"  # noqa: S608
    own = ", ".join(("c.organization_id", *_CONTACT.values()))
    theirs = ", ".join(_COMPANY.values())
    nothing = ", ".join(["null"] * len(_COMPANY))
    # What a company says is put together once for its people: OFFSET keeps it a lookup, whose result
    # PostgreSQL remembers by company (Memoize).
    return f"""
        SELECT c.id AS id, left(json_build_array({own})::text, -1) || ', ' || coalesce(o.said, '{nothing}]')
               AS values
        FROM app.contacts c LEFT JOIN LATERAL (
            SELECT o.name, substr(json_build_array({theirs})::text, 2) AS said
            FROM app.organizations o WHERE o.id = c.organization_id OFFSET 0) o ON true
        """  # noqa: S608 - constants


def key(entity: Entity) -> str:
    """The id's column in that query."""
    return _KEY[entity]


def company(values: str) -> int | None:
    """Whose company a state is of: the contact's, or the organization itself."""
    first = values[1 : values.index(",")]
    return None if first == "null" else int(first)


def changes(entity: Entity, before: str, now: str) -> tuple[Change, ...]:
    """What differs between two states of a record. Of another company only that it is another is told."""
    if before == now:
        return ()
    was, is_ = orjson.loads(before), orjson.loads(now)
    moved = was[0] != is_[0]
    found = []
    for name, old, new in zip(FIELDS[entity], was[1:], is_[1:], strict=False):
        if old == new or (moved and name.startswith("company_")):
            continue
        old, new = _plain(old), _plain(new)  # noqa: PLW2901 - the same in their plain form
        if old != new:
            found.append(Change(name, old, new))
    return tuple(found)


def _plain(value: Any) -> Any:
    """An empty set is nothing, and the order of a set says nothing."""
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return sorted(value) or None
    return value
