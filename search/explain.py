"""Why a hit matched: the conditions evaluated on its document, told in words."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from search.conditions import (
    AllOf,
    And,
    AnyOf,
    Between,
    Condition,
    Criteria,
    Or,
    Overlap,
    TermSets,
    TextPart,
    Within,
)
from search.criteria import OpenTerms
from search.documents import OPEN_END
from search.fields import FACETS, Field
from search.opensearch_query import number
from search.postgres_query import EARTH_RADIUS_M
from search.present import display
from search.request import Entity
from search.response import Reason

Document = Mapping[str, Any]
Teller = Callable[[Document], str | None]

# By the field: the vocabulary its values are displayed by.
_VOCABULARIES: Final = {facet.field: facet.vocabulary for facet in reversed(FACETS["contacts"].values())}


class Explanation:
    """What there is to say of a document that meets the criteria: prepared once, asked for each."""

    def __init__(self, criteria: Criteria, terms: OpenTerms) -> None:
        self._tellers: list[tuple[str, Teller]] = [
            (path, teller(ground, criteria.entity, terms)) for path, ground in grounds(criteria)
        ]

    def reasons(self, document: Document) -> list[Reason]:
        """One reason for each of them, also where no words are known for it."""
        return [Reason(filter=path, reason=tell(document) or "matches") for path, tell in self._tellers]


def grounds(criteria: Criteria) -> list[tuple[str, Condition | TextPart]]:
    """What a record can match by: each include that speaks of it itself, and each part of the free text."""
    found: list[tuple[str, Condition | TextPart]] = [
        (clause.path, clause.condition)
        for clause in criteria.clauses
        if not clause.excludes and criteria.entity in {clause.scope, "contacts"}
    ]
    return found + [("q", part) for part in criteria.text]


def teller(  # noqa: PLR0911 - one return per kind
    ground: Condition | TextPart, entity: Entity, terms: OpenTerms
) -> Teller:
    """What says by what a record meets the condition, or None when by nothing."""
    condition = ground
    match condition:
        case TextPart():
            return _of_text(condition, entity, terms)
        case AnyOf(field, values):
            return _values_teller(field, values, entity, terms)
        case AllOf(field, values):
            return _values_teller(field, values, entity, terms, every=True)
        case TermSets(field, alternatives):
            return _terms_teller(field, tuple(alternatives), entity)
        case Overlap(low, high, _, _):
            lowest, highest = low.path(entity), high.path(entity)
            return lambda document: _tell_overlap(condition, document.get(lowest), document.get(highest))
        case Between(field, minimum, maximum):
            path, least, most = field.path(entity), number(minimum), number(maximum)
            return lambda document: _tell_between(field, least, most, document.get(path))
        case Within(field):
            path = field.path(entity)
            return lambda document: _tell_distance(condition, document.get(path))
        case And(parts):
            return _all_of([teller(part, entity, terms) for part in parts])
        case Or(parts):
            return _first_of([teller(part, entity, terms) for part in parts])


def _all_of(tellers: Sequence[Teller]) -> Teller:
    def tell(document: Document) -> str | None:
        told = [each for one in tellers if (each := one(document))]
        return "; ".join(told) if len(told) == len(tellers) else None

    return tell


def _first_of(tellers: Sequence[Teller]) -> Teller:
    return lambda document: next((told for one in tellers if (told := one(document))), None)


def _of_text(part: TextPart, entity: Entity, terms: OpenTerms) -> Teller:
    """How a part of the free text was read, and what of the record meets it where that is known."""
    first = _first_of([teller(each.condition, entity, terms) for each in part.alternatives])
    read = f"{part.text!r} as {part.part}"
    return lambda document: f"{read}: {told}" if (told := first(document)) else read


def _values_teller(
    field: Field, values: Iterable[object], entity: Entity, terms: OpenTerms, *, every: bool = False
) -> Teller:
    path, label = field.path(entity), _label(field)
    wanted = {str(value).lower() for value in values}
    vocabulary = _VOCABULARIES.get(field)
    needed = len(wanted) if every else 1
    # The same few values stand in document after document.
    shown: dict[object, str | None] = {}

    def show(value: object) -> str | None:
        text = str(value)
        if text.lower() not in wanted:
            return None
        return text if vocabulary is None else display(vocabulary, text, terms)

    def tell(document: Document) -> str | None:
        value = document.get(path)
        met = []
        for each in value if isinstance(value, list) else () if value is None else (value,):
            if each not in shown:
                shown[each] = show(each)
            if (found := shown[each]) is not None:
                met.append(found)
        return f"{label} {', '.join(met)}" if len(met) >= needed else None

    return tell


def _values(document: Document, path: str) -> list[str]:
    value = document.get(path)
    if value is None:
        return []
    return [str(each) for each in value] if isinstance(value, list) else [str(value)]


def _terms_teller(field: Field, alternatives: Sequence[frozenset[str]], entity: Entity) -> Teller:
    path, label = field.path(entity), _label(field)

    def tell(document: Document) -> str | None:
        values = _values(document, path)
        # A past position is one string of its terms; elsewhere the array itself is the set of terms.
        records = [set(v.split()) for v in values] if field.name == "past_title_terms" else [set(values)]
        for wanted in alternatives:
            if any(wanted <= terms for terms in records):
                return f"{label} has {', '.join(sorted(wanted))}"
        return None

    return tell


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


def _tell_distance(condition: Within, point: Mapping[str, float] | None) -> str | None:
    if point is None:
        return None
    metres = haversine_m(condition.latitude, condition.longitude, point["lat"], point["lon"])
    return f"{metres / 1000:.1f} km away" if metres <= condition.km * 1_000 else None


def _label(field: Field) -> str:
    whose = "" if field.scope == "contacts" else "company "
    return whose + field.name.replace("_", " ")
