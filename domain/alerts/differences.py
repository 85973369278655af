"""What watched ICPs have to tell of a batch: who came, who went, and what has changed about who stayed.

All of it is sets of records as bitmaps: a batch makes events by the million, and one by one they would cost
several times as much as finding out whom the ICPs fit.
"""

from collections.abc import Iterator, Sequence
from typing import Final
from uuid import UUID

from pyroaring import BitMap

from domain.alerts import states
from domain.alerts.batches import Compared, Events, Seen, Watch, ids_at
from domain.alerts.states import Change
from search.request import Entity

# Events; twice as many are held in memory.
WRITTEN_AT_ONCE: Final = 20_000


class Differences:
    """One comparison: what it tells, and of whom evidence is to be kept."""

    def __init__(self, entity: Entity, seen: Seen) -> None:
        self._entity: Entity = entity
        self._seen = seen
        self.changes: dict[int, tuple[Change, ...]] = {
            record: found
            for record, before in seen.before.items()
            if record in seen.place and (found := states.changes(entity, before, seen.now[record]))
        }
        self._changed_in: dict[tuple[str, ...], BitMap] = {}
        # Those whom events tell to have come to fit, and to have left or changed.
        self.entered, self.moved = BitMap(), BitMap()
        # What an ICP has seen itself at its baseline goes before what all have: told changes, by record.
        self.own: dict[int, dict[UUID, list[Change]]] = {}

    def told(self, watches: Sequence[Watch], fits: Sequence[int]) -> Iterator[list[Compared]]:
        """What each watch has to tell, whom it fits now being given, in parts that are written at once."""
        part: list[Compared] = []
        events = 0
        for watch, fit in zip(watches, fits, strict=True):
            compared = self._compare(watch, fit)
            if compared is not None:
                part.append(compared)
                events += len(compared.events)
            if events >= WRITTEN_AT_ONCE:
                yield part
                part, events = [], 0
        yield part

    def _compare(self, watch: Watch, fit: int) -> Compared | None:
        """One watch; None when there is nothing to write."""
        inside = watch.members & self._seen.touched
        if not fit and not inside:
            return None
        fitting = BitMap(ids_at(self._seen, fit))
        moves = fitting != inside
        left = inside - fitting
        nobody = BitMap()
        entered = fitting - inside if moves and "entered" in watch.kinds else nobody
        removed = left & self._seen.gone if moves and "left" in watch.kinds else nobody
        left = left - removed if moves and "left" in watch.kinds else nobody
        changed = fitting & inside & self._changed(watch.fields) if "changed" in watch.kinds else nobody
        if watch.icp_id in self._seen.overrides:
            changed = self._as_seen_alone(watch, left, changed, stayed=fitting & inside)
        self.entered |= entered
        self.moved |= left
        self.moved |= changed
        events = Events(entered, left, removed, changed)
        if not moves and not events:
            return None
        return Compared(watch, events, (watch.members - inside) | fitting if moves else watch.members)

    def _changed(self, fields: tuple[str, ...]) -> BitMap:
        """Those about whom something has changed in these fields."""
        known = self._changed_in.get(fields)
        if known is None:
            known = self._changed_in[fields] = BitMap(
                record
                for record, found in self.changes.items()
                if any(change.field in fields for change in found)
            )
        return known

    def _as_seen_alone(self, watch: Watch, left: BitMap, changed: BitMap, *, stayed: BitMap) -> BitMap:
        """Who has changed for a watch that has seen some of them later than the others had."""
        for record, before in self._seen.overrides[watch.icp_id].items():
            if record not in left and record not in stayed:
                continue
            found = list(states.changes(watch.entity, before, self._seen.now[record]))
            if record in stayed:
                changed.discard(record)
                found = [change for change in found if change.field in watch.fields]
                if not found or "changed" not in watch.kinds:
                    continue
                changed.add(record)
            self.own.setdefault(record, {})[watch.icp_id] = found
        return changed
