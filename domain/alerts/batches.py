"""The shapes of a comparison: who is watched, what was seen of a batch, and what follows from it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final, Literal
from uuid import UUID

from pyroaring import BitMap

from domain.alerts.watching import Kind
from search import matcher
from search.conditions import Criteria
from search.matcher import Compiled
from search.request import Entity, SearchRequest

Reason = Literal["fits", "changed", "removed"]
# What has happened, as one letter of `icp_events.kinds`.
Letter = Literal["e", "l", "r", "c"]
MEANING: Final[dict[str, tuple[Kind, Reason]]] = {
    "e": ("entered", "fits"),
    "l": ("left", "changed"),
    "r": ("left", "removed"),
    "c": ("changed", "changed"),
}


@dataclass(slots=True)
class Watch:
    """A watched ICP in memory."""

    icp_id: UUID
    entity: Entity
    version: int
    revision: int
    kinds: frozenset[Kind]
    fields: tuple[str, ...]
    request: SearchRequest
    criteria: Criteria
    members: BitMap
    as_of: date
    compiled: Compiled


@dataclass(slots=True)
class Events:
    """What is to be written of one watch, in order: of whom, what has happened, and which line says more.

    The lines are those of the record in `alert_said`, counted from 1; 0 where the letter says it all.
    """

    records: list[int] = field(default_factory=list)
    kinds: str = ""
    said: list[int] = field(default_factory=list)

    def add(self, letter: Letter, records: Sequence[int], said: Iterable[int]) -> None:
        self.records += records
        self.kinds += letter * len(records)
        self.said += said

    def __len__(self) -> int:
        return len(self.records)


@dataclass(slots=True)
class Compared:
    """What one watch makes of a batch: its events, and its members afterwards."""

    watch: Watch
    events: Events
    members: BitMap


@dataclass(frozen=True, slots=True)
class Moves:
    """Who came, who went, who may have changed (all by place), and who is not there any more (by id)."""

    entered: list[int]
    left: list[int]
    changed: list[int]
    gone: BitMap


@dataclass(slots=True)
class Seen:
    """The records of a batch: documents by place, and what has changed about them."""

    ids: list[int]
    documents: list[Mapping[str, Any]]
    gone: BitMap
    touched: BitMap
    before: Mapping[int, str]
    now: Mapping[int, str]
    overrides: dict[UUID, dict[int, str]]
    # Of those that are gone: who had them hidden.
    hidden_by: Mapping[int, list[UUID]]
    place: dict[int, int] = field(init=False)

    def __post_init__(self) -> None:
        self.place = {record: place for place, record in enumerate(self.ids)}


def ids_at(seen: Seen, mask: int) -> list[int]:
    """The records whose places a mask has bits at."""
    return [seen.ids[place] for place in matcher.places(mask)]
