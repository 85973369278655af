"""What can hold of a record: a small language of conditions with one meaning and several renderings.

A condition on a missing value is false. So a missing value fails an include and passes an exclude,
and a contact without a company fails every include on companies. `search.opensearch_query` and
`search.postgres_query` render conditions for the engines; `search.explain` evaluates them on a document.
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from search.fields import Field
from search.request import Entity

Value = str | int | bool


@dataclass(frozen=True, slots=True)
class AnyOf:
    """The field has one of the values."""

    field: Field
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class AllOf:
    """The array has all of the values."""

    field: Field
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TermSets:
    """The array of terms contains one of the alternatives, whole."""

    field: Field
    alternatives: tuple[frozenset[str], ...]


@dataclass(frozen=True, slots=True)
class Overlap:
    """The record's interval [low, high] and [minimum, maximum] share a number; None is open.

    A record with only one end is open at the other; a record with neither has no value.
    """

    low: Field
    high: Field
    minimum: int | None
    maximum: int | None


@dataclass(frozen=True, slots=True)
class Between:
    """The value lies in [minimum, maximum]; None is open."""

    field: Field
    minimum: int | date | datetime | None
    maximum: int | date | datetime | None


@dataclass(frozen=True, slots=True)
class Within:
    """The point is at most `km` away: haversine distance with R = 6,371,008.77 m."""

    field: Field
    latitude: float
    longitude: float
    km: float


@dataclass(frozen=True, slots=True)
class And:
    parts: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class Or:
    parts: tuple["Condition", ...]


Condition = AnyOf | AllOf | TermSets | Overlap | Between | Within | And | Or


@dataclass(frozen=True, slots=True)
class Clause:
    """One filter of the request: where it stands (`contacts.include.titles`) and what it demands."""

    path: str
    scope: Entity
    condition: Condition
    excludes: bool


@dataclass(frozen=True, slots=True)
class Scored:
    """A condition and the points a record that meets it earns."""

    condition: Condition
    points: int


@dataclass(frozen=True, slots=True)
class LooseWord:
    """A word to be found through typos, nicknames and prefixes: in a person's name, a company's, or both.

    `also` is what else the word may mean: a title, an industry, a technology, a keyword.
    """

    word: str
    in_person: bool
    in_company: bool
    also: tuple[Scored, ...] = ()


@dataclass(frozen=True, slots=True)
class TextPart:
    """A part of the free text as it was read: every loose word must be found, or one alternative hold.

    A part that is not required only adds points.
    """

    part: Literal["person", "title", "company", "place", "topic", "any"]
    text: str
    words: tuple[LooseWord, ...] = ()
    alternatives: tuple[Scored, ...] = ()
    means: tuple[str, ...] = ()
    required: bool = True


@dataclass(frozen=True, slots=True)
class Criteria:
    """A search as a value: frozen, comparable, without anything of the user who asks."""

    entity: Entity
    clauses: tuple[Clause, ...]
    text: tuple[TextPart, ...] = ()

    def without(self, path: str) -> "Criteria":
        """The same criteria but for the clauses of one filter."""
        return Criteria(self.entity, tuple(c for c in self.clauses if c.path != path), self.text)
