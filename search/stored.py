"""Criteria as JSON and back, for those who must know later how a request was read.

What a request means depends on tables of ours and on what the catalogue knows at the time. A saved search
that is watched keeps the reading it began with, so that a new reading is never taken for news.
"""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any, Final

from search.conditions import (
    AllOf,
    And,
    AnyOf,
    Between,
    Clause,
    Condition,
    Criteria,
    LooseWord,
    Or,
    Overlap,
    Scored,
    TermSets,
    TextPart,
    Within,
)
from search.fields import FIELDS, Field

# Counts up when what is stored is no longer to be read as it was written.
SHAPE: Final = 1


class OtherShape(ValueError):
    """What is stored was written in another shape; the request has to be read anew."""


def dump(criteria: Criteria) -> dict[str, Any]:
    """The criteria in values that JSON has."""
    return {
        "shape": SHAPE,
        "entity": criteria.entity,
        "clauses": [[c.path, c.scope, _dump(c.condition), c.excludes] for c in criteria.clauses],
        "text": [_dump_part(part) for part in criteria.text],
    }


def load(stored: Mapping[str, Any]) -> Criteria:
    """The criteria that were dumped; raises `OtherShape`."""
    if stored.get("shape") != SHAPE:
        raise OtherShape(f"shape {stored.get('shape')!r}")
    try:
        clauses = tuple(
            Clause(path, scope, _load(condition), excludes)
            for path, scope, condition, excludes in stored["clauses"]
        )
        return Criteria(stored["entity"], clauses, tuple(_load_part(part) for part in stored["text"]))
    except (KeyError, TypeError, ValueError) as error:
        raise OtherShape(str(error)) from error


def _dump_part(part: TextPart) -> dict[str, Any]:
    return {
        "part": part.part,
        "text": part.text,
        "words": [
            [word.word, word.in_person, word.in_company, [_dump_scored(also) for also in word.also]]
            for word in part.words
        ],
        "alternatives": [_dump_scored(scored) for scored in part.alternatives],
        "means": list(part.means),
        "required": part.required,
    }


def _load_part(stored: Mapping[str, Any]) -> TextPart:
    return TextPart(
        part=stored["part"],
        text=stored["text"],
        words=tuple(
            LooseWord(word, in_person, in_company, tuple(_load_scored(one) for one in also))
            for word, in_person, in_company, also in stored["words"]
        ),
        alternatives=tuple(_load_scored(one) for one in stored["alternatives"]),
        means=tuple(stored["means"]),
        required=stored["required"],
    )


def _dump_scored(scored: Scored) -> list[Any]:
    return [_dump(scored.condition), scored.points]


def _load_scored(stored: list[Any]) -> Scored:
    return Scored(_load(stored[0]), stored[1])


def _dump(condition: Condition) -> list[Any]:  # noqa: PLR0911 - one return per kind
    match condition:
        case AnyOf(field, values):
            return ["any_of", _dump_field(field), list(values)]
        case AllOf(field, values):
            return ["all_of", _dump_field(field), list(values)]
        case TermSets(field, alternatives):
            return ["term_sets", _dump_field(field), [sorted(terms) for terms in alternatives]]
        case Overlap(low, high, minimum, maximum):
            return ["overlap", _dump_field(low), _dump_field(high), minimum, maximum]
        case Between(field, minimum, maximum):
            return ["between", _dump_field(field), _dump_end(minimum), _dump_end(maximum)]
        case Within(field, latitude, longitude, km):
            return ["within", _dump_field(field), latitude, longitude, km]
        case And(parts):
            return ["and", [_dump(part) for part in parts]]
        case Or(parts):
            return ["or", [_dump(part) for part in parts]]


def _load(stored: list[Any]) -> Condition:
    kind, *rest = stored
    return _LOADERS[kind](*rest)


_LOADERS: Final[dict[str, Callable[..., Condition]]] = {
    "any_of": lambda field, values: AnyOf(_load_field(field), tuple(values)),
    "all_of": lambda field, values: AllOf(_load_field(field), tuple(values)),
    "term_sets": lambda field, sets: TermSets(_load_field(field), tuple(frozenset(one) for one in sets)),
    "overlap": lambda low, high, *ends: Overlap(_load_field(low), _load_field(high), *ends),
    "between": lambda field, *ends: Between(_load_field(field), *(_load_end(end) for end in ends)),
    "within": lambda field, *rest: Within(_load_field(field), *rest),
    "and": lambda parts: And(tuple(_load(part) for part in parts)),
    "or": lambda parts: Or(tuple(_load(part) for part in parts)),
}


def _dump_field(field: Field) -> list[str]:
    return [field.scope, field.name]


def _load_field(stored: list[Any]) -> Field:
    scope, name = stored
    return FIELDS[scope][name]


def _dump_end(end: int | date | datetime | None) -> int | list[str] | None:
    if isinstance(end, datetime):
        return ["instant", end.isoformat()]
    return ["day", end.isoformat()] if isinstance(end, date) else end


def _load_end(stored: int | list[str] | None) -> int | date | datetime | None:
    if not isinstance(stored, list):
        return stored
    kind, written = stored
    return datetime.fromisoformat(written) if kind == "instant" else date.fromisoformat(written)
