"""What watched ICPs have to tell of a batch: who came, who went, and what has changed about who stayed."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import repeat
from typing import Final

from pyroaring import BitMap

from domain.alerts import states
from domain.alerts.batches import Compared, Events, Moves, Seen, Watch
from domain.alerts.telling import Telling
from search import matcher

# Events; twice as many are held in memory.
WRITTEN_AT_ONCE: Final = 20_000


def told(
    telling: Telling, seen: Seen, watches: Sequence[Watch], fits: Sequence[int]
) -> Iterator[list[Compared]]:
    """What each watch has to tell, whom it fits now being given, in parts that are written at once."""
    by_field: dict[str, int] = {}
    for record, found in telling.changed().items():
        for change in found:
            by_field[change.field] = by_field.get(change.field, 0) | 1 << seen.place[record]
    part: list[Compared] = []
    events = 0
    for watch, fit in zip(watches, fits, strict=True):
        moves = _moves(seen, watch, fit, by_field)
        if moves is None:
            continue
        compared = Compared(watch, _events(watch, seen, moves, telling), _members(seen, watch, moves))
        if compared.events or compared.members is not watch.members:
            part.append(compared)
            events += len(compared.events)
        if events >= WRITTEN_AT_ONCE:
            yield part
            part, events = [], 0
    yield part


def _moves(seen: Seen, watch: Watch, fit: int, by_field: Mapping[str, int]) -> Moves | None:
    """Who came, went or may have changed; None when nobody has."""
    inside = watch.members & seen.touched
    if not fit and not inside:
        return None
    gone = inside & seen.gone
    before = matcher.bits([seen.place[record] for record in inside if record in seen.place])
    changed = 0
    if "changed" in watch.kinds:
        for name in watch.fields:
            changed |= by_field.get(name, 0)
        own = seen.overrides.get(watch.icp_id, ())
        changed |= matcher.bits(sorted(seen.place[record] for record in own if record in seen.place))
        changed &= fit & before
    entered, left = fit & ~before, before & ~fit
    if not (entered or left or changed or gone):
        return None
    return Moves(matcher.places(entered), matcher.places(left), matcher.places(changed), gone)


def _members(seen: Seen, watch: Watch, moves: Moves) -> BitMap:
    """Whom the ICP fits afterwards; the same bitmap where nobody came or went."""
    if not (moves.entered or moves.left or moves.gone):
        return watch.members
    went = BitMap([seen.ids[place] for place in moves.left]) | moves.gone
    came = BitMap([seen.ids[place] for place in moves.entered])
    return (watch.members - went) | came


def _events(watch: Watch, seen: Seen, moves: Moves, telling: Telling) -> Events:
    """The events of one watch, by record. What it saw itself at its baseline goes before the shared state."""
    events = Events()
    own = {
        record: states.changes(watch.entity, before, seen.now[record])
        for record, before in seen.overrides.get(watch.icp_id, {}).items()
        if record in seen.place
    }
    if "entered" in watch.kinds and moves.entered:
        records = [seen.ids[place] for place in moves.entered]
        events.add("e", records, telling.fits(watch.criteria, moves.entered))
    if "left" in watch.kinds:
        if moves.left:
            records = [seen.ids[place] for place in moves.left]
            events.add("l", records, telling.says(records, own))
        events.add("r", list(moves.gone), repeat(0, len(moves.gone)))
    if "changed" in watch.kinds and moves.changed:
        records = [seen.ids[place] for place in moves.changed]
        said = telling.says(records, own, watch.fields)
        if not all(said):
            records = [record for record, line in zip(records, said, strict=True) if line]
            said = [line for line in said if line]
        events.add("c", records, said)
    return events
