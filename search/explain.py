"""Why a hit matched: the conditions evaluated on its document, told in words."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from search.conditions import AllOf, And, AnyOf, Between, Condition, Criteria, Or, Overlap, TermSets, Within
from search.criteria import OpenTerms
from search.documents import OPEN_END
from search.fields import FACETS, Field
from search.opensearch_query import number
from search.postgres_query import EARTH_RADIUS_M
from search.present import display
from search.request import Entity
from search.response import Reason


def reasons(criteria: Criteria, document: Mapping[str, Any], terms: OpenTerms) -> list[Reason]:
    """One reason for each include that speaks of the record itself, and for each part of the free text."""
    found = []
    for clause in criteria.clauses:
        if not clause.excludes and criteria.entity in {clause.scope, "contacts"}:
            told = tell(clause.condition, document, criteria.entity, terms)
            found.append(Reason(filter=clause.path, reason=told or "matches"))
    for part in criteria.text:
        told = next(
            (t for a in part.alternatives if (t := tell(a.condition, document, criteria.entity, terms))), None
        )
        found.append(
            Reason(filter="q", reason=f"{part.text!r} as {part.part}" + (f": {told}" if told else ""))
        )
    return found


def tell(  # noqa: PLR0911 - one return per kind
    condition: Condition, document: Mapping[str, Any], entity: Entity, terms: OpenTerms
) -> str | None:
    """What of the record meets the condition, or None when nothing does."""
    match condition:
        case AnyOf(field, values) | AllOf(field, values):
            wanted = {str(v).lower() for v in values}
            met = [v for v in _values(document, field, entity) if v.lower() in wanted]
            complete = len(met) >= (len(wanted) if isinstance(condition, AllOf) else 1)
            return (
                f"{_label(field)} {', '.join(_display(field, v, terms) for v in met)}" if complete else None
            )
        case TermSets(field, alternatives):
            return _tell_terms(field, alternatives, document, entity)
        case Overlap(low, high, _, _):
            return _tell_overlap(condition, document.get(low.path(entity)), document.get(high.path(entity)))
        case Between(field, minimum, maximum):
            return _tell_between(field, number(minimum), number(maximum), document.get(field.path(entity)))
        case Within():
            return _tell_distance(condition, document, entity)
        case And(parts):
            told = [tell(part, document, entity, terms) for part in parts]
            return "; ".join(t for t in told if t) if all(told) else None
        case Or(parts):
            return next((t for part in parts if (t := tell(part, document, entity, terms))), None)


def _values(document: Mapping[str, Any], field: Field, entity: Entity) -> list[str]:
    value = document.get(field.path(entity))
    if value is None:
        return []
    return [str(v) for v in value] if isinstance(value, list) else [str(value)]


def _tell_terms(
    field: Field, alternatives: Iterable[frozenset[str]], document: Mapping[str, Any], entity: Entity
) -> str | None:
    values = _values(document, field, entity)
    # A past position is one string of its terms; elsewhere the array itself is the set of terms.
    records = [set(v.split()) for v in values] if field.name == "past_title_terms" else [set(values)]
    for wanted in alternatives:
        if any(wanted <= terms for terms in records):
            return f"{_label(field)} has {', '.join(sorted(wanted))}"
    return None


def _tell_overlap(condition: Overlap, low: int | None, high: int | None) -> str | None:
    if low is None or high is None:
        return None
    below = condition.maximum is not None and low > condition.maximum
    above = condition.minimum is not None and high < condition.minimum
    if below or above:
        return None
    end = "more" if high >= OPEN_END else f"{high:,}"
    label = _label(condition.low).removesuffix(" min")
    return f"{label} {low:,}" if low == high else f"{label} {low:,} to {end}"


def _tell_between(field: Field, minimum: int | None, maximum: int | None, value: int | None) -> str | None:
    if value is None or value < (value if minimum is None else minimum):
        return None
    return None if maximum is not None and value > maximum else f"{_label(field)} lies in the range"


def haversine_m(latitude_a: float, longitude_a: float, latitude_b: float, longitude_b: float) -> float:
    """The distance along the earth's surface, in metres."""
    a, b = math.radians(latitude_a), math.radians(latitude_b)
    half_lat, half_lon = (b - a) / 2, math.radians(longitude_b - longitude_a) / 2
    h = math.sin(half_lat) ** 2 + math.cos(a) * math.cos(b) * math.sin(half_lon) ** 2
    return 2 * EARTH_RADIUS_M * math.asin(math.sqrt(min(1.0, h)))


def _tell_distance(condition: Within, document: Mapping[str, Any], entity: Entity) -> str | None:
    point = document.get(condition.field.path(entity))
    if point is None:
        return None
    metres = haversine_m(condition.latitude, condition.longitude, point["lat"], point["lon"])
    return f"{metres / 1000:.1f} km away" if metres <= condition.km * 1_000 else None


def _label(field: Field) -> str:
    whose = "" if field.scope == "contacts" else "company "
    return whose + field.name.replace("_", " ")


def _display(field: Field, value: str, terms: OpenTerms) -> str:
    facet = next((f for f in FACETS["contacts"].values() if f.field == field), None)
    return display(facet.vocabulary, value, terms) if facet else value
