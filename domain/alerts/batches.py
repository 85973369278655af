"""The shapes of a comparison: who is watched, what was seen of a batch, and what follows from it."""

from collections.abc import Mapping
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
# What has happened, by the letter of `icp_events.kinds`.
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


@dataclass(frozen=True, slots=True)
class Events:
    """What is to be written of one watch: whom it tells to have come, gone, been removed, and changed."""

    entered: BitMap
    left: BitMap
    removed: BitMap
    changed: BitMap

    def __len__(self) -> int:
        return len(self.entered) + len(self.left) + len(self.removed) + len(self.changed)

    @property
    def kinds(self) -> str:
        """A letter for each event."""
        return (
            "e" * len(self.entered) + "l" * len(self.left) + "r" * len(self.removed) + "c" * len(self.changed)
        )

    @property
    def records(self) -> list[int]:
        """Whom each event is about."""
        return [*self.entered, *self.left, *self.removed, *self.changed]

    def among(self, records: BitMap) -> "Events":
        """Those of these records."""
        return Events(
            self.entered & records, self.left & records, self.removed & records, self.changed & records
        )


@dataclass(slots=True)
class Compared:
    """What one watch makes of a batch: its events, and its members afterwards."""

    watch: Watch
    events: Events
    members: BitMap


@dataclass(slots=True)
class Seen:
    """The records of a batch: documents by place, and what has changed about them."""

    ids: list[int]
    documents: list[dict[str, Any]]
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
