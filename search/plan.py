"""What an engine is asked and what it answers: the contract that both engines fulfil.

Same ids in the same order, same totals, same facet counts for the same plan.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from search.conditions import Criteria
from search.fields import Facet, Sort
from search.request import EngineName, Entity
from search.visibility import Visibility

# Totals are counted up to here unless the exact one is asked for.
TOTAL_CAP: Final = 10_000


@dataclass(frozen=True, slots=True)
class After:
    """Where the last page ended: the sort key of its last record (None: it had none), and its id.

    By relevance the key is the score, and `refreshed` the second key.
    """

    key: int | float | str | None
    id: int
    refreshed: int | None = None


@dataclass(frozen=True, slots=True)
class FacetPlan:
    """A facet to count: its most frequent `limit` values, among `only` these codes if given."""

    facet: Facet
    limit: int
    only: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """One search. `sort` None is by relevance of the text."""

    criteria: Criteria
    visibility: Visibility
    sort: Sort | None
    limit: int
    after: After | None = None
    # How many records the pages before have given.
    given: int = 0
    exact_total: bool = False
    facets: tuple[FacetPlan, ...] = ()
    explain: bool = False

    @property
    def entity(self) -> Entity:
        return self.criteria.entity


@dataclass(frozen=True, slots=True)
class FacetCounts:
    """Counts by value, most frequent first, equal counts by value."""

    values: tuple[tuple[str, int], ...]
    other: int
    missing: int


@dataclass(frozen=True, slots=True)
class Found:
    """A page: `documents` in order, each with the key it was sorted by (`ends`).

    `total` stops at `TOTAL_CAP` unless it was asked for exactly. `removed` maps a filter's path to how
    many records it removes, None where time ran out. `late_facets` were not counted within the budget.
    """

    documents: tuple[Mapping[str, Any], ...]
    ends: tuple[After, ...]
    more: bool
    total: int
    total_is_lower_bound: bool
    facets: Mapping[str, FacetCounts] = field(default_factory=dict)
    late_facets: tuple[str, ...] = ()
    removed: Mapping[str, int | None] = field(default_factory=dict)


class EngineFailed(Exception):
    """An engine did not answer as it should. The reason is fit for any user's eyes."""


class Engine(Protocol):
    name: EngineName

    async def search(self, plan: Plan) -> Found: ...

    async def count(self, criteria: Criteria, visibility: Visibility) -> int: ...


def explained_paths(criteria: Criteria) -> tuple[str, ...]:
    """The restrictions whose cost `explain` reports, in the order of the request."""
    return tuple(dict.fromkeys(clause.path for clause in criteria.clauses))


def facet_criteria(criteria: Criteria, facet: Facet) -> Criteria:
    """The criteria a facet is counted under: all but its own selection."""
    return Criteria(
        criteria.entity,
        tuple(c for c in criteria.clauses if c.excludes or not _is_selection(c.path, facet.selection)),
        criteria.text,
    )


def _is_selection(path: str, selection: str) -> bool:
    """`organizations.include.technologies.any` is a selection of the facet `technologies`."""
    return path == selection or path.startswith(f"{selection}.")
