"""Many criteria over a batch of documents at once: what thousands of saved searches make of a change.

A set of the batch's documents is one whole number, a bit per document. What a condition holds of is
computed once for the batch, however many criteria ask for it, by looking its values up instead of walking
the documents; to match criteria is then the AND of a few numbers. It says exactly what the engines say, but
for loose words of a free text: there it lets pass what only an engine's own rule can judge
(`Compiled.exact`).
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from rapidfuzz.distance import Levenshtein

from search import scoring
from search.conditions import (
    AllOf,
    And,
    AnyOf,
    Between,
    Condition,
    Criteria,
    LooseWord,
    Or,
    Overlap,
    TermSets,
    TextPart,
    Within,
)
from search.explain import haversine_m
from search.fields import CONTACT_FIELDS, ORGANIZATION_FIELDS, Field
from search.opensearch_query import number
from search.request import Entity

_METRES_PER_DEGREE: Final = 111_195.0
# The fuzzy rule of the engines looks at so many letters of a word.
_LONGEST_WORD: Final = 100


@dataclass(frozen=True, slots=True)
class Compiled:
    """Criteria as numbers of conditions in their table: all of `needed` and none of `barred`.

    Unless `exact`, a document that fits has still to be put to an engine.
    """

    needed: tuple[int, ...]
    barred: tuple[int, ...]
    exact: bool


class Table:
    """The conditions of many criteria of one kind of record, equal ones under one number."""

    def __init__(self, entity: Entity) -> None:
        self.entity = entity
        self.conditions: list[Condition | LooseWord] = []
        self._numbers: dict[Condition | LooseWord, int] = {}

    def add(self, criteria: Criteria) -> Compiled:
        """Take criteria in. Those of an organization that ask for its people have no place here."""
        if criteria.entity != self.entity:
            raise ValueError("the criteria are of another kind of record")
        if self.entity == "organizations" and any(c.scope == "contacts" for c in criteria.clauses):
            raise ValueError("conditions on other records cannot be seen in the record itself")
        needed = [self._number(c.condition) for c in criteria.clauses if not c.excludes]
        barred = [self._number(c.condition) for c in criteria.clauses if c.excludes]
        required = [part for part in criteria.text if part.required]
        needed += [self._number(each) for part in required for each in _of_text(part)]
        # What is rare and cheap is asked first: values before ranges, ranges before distances and words.
        needed.sort(key=lambda place: _cost(self.conditions[place]))
        return Compiled(
            tuple(dict.fromkeys(needed)),
            tuple(dict.fromkeys(barred)),
            exact=not any(part.words for part in required),
        )

    def _number(self, condition: Condition | LooseWord) -> int:
        known = self._numbers.setdefault(condition, len(self.conditions))
        if known == len(self.conditions):
            self.conditions.append(condition)
        return known


def _of_text(part: TextPart) -> Sequence[Condition | LooseWord]:
    if part.words:
        return part.words
    alternatives = tuple(scored.condition for scored in part.alternatives)
    return (alternatives[0] if len(alternatives) == 1 else Or(alternatives),)


def _cost(condition: Condition | LooseWord) -> int:
    match condition:
        case AnyOf() | AllOf() | TermSets():
            return 0
        case Between() | Overlap():
            return 1
        case LooseWord():
            return 3
    return 2


class Batch:
    """Documents of one kind, as `search.documents` reads them, asked by the conditions of a table."""

    def __init__(self, table: Table, documents: Sequence[Mapping[str, Any]]) -> None:
        self._table = table
        self._documents = documents
        self._masks: list[int | None] = [None] * len(table.conditions)
        self._values: dict[str, dict[Any, int]] = {}
        self._ladders: dict[str, _Ladder] = {}
        self._positions: dict[str, list[tuple[frozenset[str], int]]] | None = None
        self.everyone = (1 << len(documents)) - 1

    def fitting(self, compiled: Compiled) -> int:
        """The documents that fit, as bits by their place in the batch."""
        left = self.everyone
        for number_ in compiled.needed:
            left &= self._mask(number_)
            if not left:
                return 0
        for number_ in compiled.barred:
            left &= ~self._mask(number_)
            if not left:
                return 0
        return left

    def _mask(self, place: int) -> int:
        known = self._masks[place]
        if known is None:
            condition = self._table.conditions[place]
            known = self._word(condition) if isinstance(condition, LooseWord) else self.meeting(condition)
            self._masks[place] = known
        return known

    def meeting(self, condition: Condition) -> int:  # noqa: C901, PLR0911 - one return per kind
        """The documents of which a condition holds."""
        match condition:
            case AnyOf(field, values):
                known = self._by_value(field)
                return _union(known.get(value, 0) for value in values)
            case AllOf(field, values):
                return self._having(field, values)
            case TermSets(field, alternatives) if field.name == "past_title_terms":
                return _union(self._in_one_position(field, terms) for terms in alternatives)
            case TermSets(field, alternatives):
                return _union(self._having(field, terms) for terms in alternatives)
            case Overlap(low, high, minimum, maximum):
                return self._ladder(low).between(None, maximum) & self._ladder(high).between(minimum, None)
            case Between(field, minimum, maximum):
                return self._ladder(field).between(number(minimum), number(maximum))
            case Within():
                return self._near(condition)
            case And(parts):
                left = self.everyone
                for part in parts:
                    left &= self.meeting(part)
                return left
            case Or(parts):
                return _union(self.meeting(part) for part in parts)

    def _having(self, field: Field, values: Iterable[str]) -> int:
        """The documents whose array has all of the values."""
        known, left = self._by_value(field), self.everyone
        for value in values:
            left &= known.get(value, 0)
            if not left:
                break
        return left

    def _by_value(self, field: Field) -> dict[Any, int]:
        path = field.path(self._table.entity)
        known = self._values.get(path)
        if known is None:
            places: dict[Any, list[int]] = {}
            for place, document in enumerate(self._documents):
                value = document.get(path)
                for each in value if isinstance(value, list) else () if value is None else (value,):
                    places.setdefault(each, []).append(place)
            known = {value: bits(found) for value, found in places.items()}
            self._values[path] = known
        return known

    def _ladder(self, field: Field) -> "_Ladder":
        path = field.path(self._table.entity)
        known = self._ladders.get(path)
        if known is None:
            known = self._ladders[path] = _Ladder(self._by_value(field))
        return known

    def _in_one_position(self, field: Field, terms: frozenset[str]) -> int:
        """The documents with all the terms in one of their past positions, each a string of its terms."""
        if self._positions is None:
            self._positions = {}
            for position, mask in self._by_value(field).items():
                words = frozenset(position.split())
                for word in words:
                    self._positions.setdefault(word, []).append((words, mask))
        candidates = self._positions.get(next(iter(terms)), ())
        return _union(mask for words, mask in candidates if terms <= words)

    def _near(self, condition: Within) -> int:
        path = condition.field.path(self._table.entity)
        known = self._values.get(path)
        if known is None:
            places: dict[tuple[float, float], list[int]] = {}
            for place, document in enumerate(self._documents):
                if point := document.get(path):
                    places.setdefault((point["lat"], point["lon"]), []).append(place)
            known = {point: bits(found) for point, found in places.items()}
            self._values[path] = known
        metres = condition.km * 1_000
        margin = metres / _METRES_PER_DEGREE * 1.000_01
        south, north = condition.latitude - margin, condition.latitude + margin
        return _union(
            mask
            for (latitude, longitude), mask in known.items()
            if south <= latitude <= north
            and haversine_m(condition.latitude, condition.longitude, latitude, longitude) <= metres
        )

    def _word(self, loose: LooseWord) -> int:
        """The documents in which a loose word may be found; those in which it cannot are left out."""
        found = _union(self.meeting(scored.condition) for scored in loose.also)
        if loose.in_person and self._table.entity == "contacts":
            known = self._by_value(CONTACT_FIELDS["name_terms"])
            own, nicknames = scoring.spellings(loose.word)
            forms = (*own, *nicknames, *scoring.swaps(loose.word), loose.word[0])
            found |= _union(known.get(form, 0) for form in forms) | _alike(known, loose.word)
        if loose.in_company:
            known = self._by_value(ORGANIZATION_FIELDS["name_terms"])
            found |= known.get(loose.word, 0) | _alike(known, loose.word)
        return found


def _alike(known: Mapping[str, int], word: str) -> int:
    """The documents with a term that begins with the word, or is a typo of it."""
    edits = scoring.typos_allowed(word)
    begins = scoring.prefix_counts(word) or len(word) == 1
    short = word[:_LONGEST_WORD]
    return _union(
        mask
        for term, mask in known.items()
        if (begins and term.startswith(word))
        or (edits and Levenshtein.distance(term[:_LONGEST_WORD], short, score_cutoff=edits) <= edits)
    )


class _Ladder:
    """The documents by a number of theirs: those up to each value, for ranges by two lookups."""

    def __init__(self, known: Mapping[int, int]) -> None:
        self._steps = sorted(known)
        self._up_to = [0]
        for value in self._steps:
            self._up_to.append(self._up_to[-1] | known[value])

    def between(self, minimum: int | None, maximum: int | None) -> int:
        """The documents whose number lies in [minimum, maximum]; None is open."""
        first = 0 if minimum is None else bisect_left(self._steps, minimum)
        last = len(self._steps) if maximum is None else bisect_right(self._steps, maximum)
        return self._up_to[last] & ~self._up_to[first] if last > first else 0


def places(mask: int) -> list[int]:
    """The places of the bits, in order.

    Many are looked for in the digits, for each step on a large number would copy it.
    """
    found = []
    if mask.bit_count() < 4:
        while mask:
            lowest = mask & -mask
            found.append(lowest.bit_length() - 1)
            mask ^= lowest
        return found
    digits = f"{mask:b}"[::-1]
    place = digits.find("1")
    while place >= 0:
        found.append(place)
        place = digits.find("1", place + 1)
    return found


def bits(found: Sequence[int]) -> int:
    """The number with the bits of these places, which are in order; one may stand there twice.

    Many are set in bytes first, for each step on a large number would copy it.
    """
    if len(found) < 4:
        return _union(1 << place for place in found)
    held = bytearray(found[-1] // 8 + 1)
    for place in found:
        held[place >> 3] |= 1 << (place & 7)
    return int.from_bytes(held, "little")


def _union(masks: Iterable[int]) -> int:
    found = 0
    for mask in masks:
        found |= mask
    return found
