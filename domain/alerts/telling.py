"""What events say, as lines of JSON that are stored once per record and comparison.

Thousands of ICPs tell the same of a record: what has changed is put into words once, and so is each condition
by which somebody fits. An event is then a record, a letter, and the number of a line.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from domain.alerts import states, words
from domain.alerts.batches import Seen
from domain.alerts.states import Change
from search.conditions import Condition, Criteria, TextPart
from search.criteria import OpenTerms
from search.explain import Teller, grounds, teller
from search.request import Entity

_MOST_REASONS: Final = 6


class Telling:
    """The sentences of one comparison."""

    def __init__(self, seen: Seen, entity: Entity, terms: OpenTerms) -> None:
        self._seen = seen
        self._entity: Entity = entity
        self._terms = terms
        self._changes: dict[int, tuple[Change, ...]] = {
            record: found
            for record, before in seen.before.items()
            if record in seen.place and (found := states.changes(entity, before, seen.now[record]))
        }
        self._lines: dict[int, dict[str, int]] = {}
        self._said: dict[tuple[str, ...] | None, dict[int, int]] = {}
        self._words: dict[Condition | TextPart, _Words] = {}
        self._fits: list[dict[tuple[str | None, ...], int]] = [{} for _ in seen.ids]

    def changed(self) -> Mapping[int, tuple[Change, ...]]:
        """What differs from the state before, by record."""
        return self._changes

    def lines(self) -> dict[int, str]:
        """All that was said, by record; the lines of one are divided by newlines, which JSON has none of."""
        return {record: "\n".join(lines) for record, lines in self._lines.items()}

    def fits(self, criteria: Criteria, places: Sequence[int]) -> list[int]:
        """The lines that say why those at these places fit."""
        columns = [self._words_of(ground) for _, ground in grounds(criteria)]
        numbers = []
        for place in places:
            key = tuple([column[place] for column in columns])
            number = self._fits[place].get(key)
            if number is None:
                said = [word for word in key if word]
                number = self._line(self._seen.ids[place], [], said[:_MOST_REASONS])
                self._fits[place][key] = number
            numbers.append(number)
        return numbers

    def says(
        self,
        records: Sequence[int],
        own: Mapping[int, tuple[Change, ...]],
        fields: tuple[str, ...] | None = None,
    ) -> list[int]:
        """The lines that say what has changed about these records; 0 where nothing has.

        Of these fields, or of all. `own` are changes as one ICP alone sees them.
        """
        known, said = self._said.setdefault(fields, {}), []
        for record in records:
            number = None if record in own else known.get(record)
            if number is None:
                changes = own[record] if record in own else self._changes.get(record, ())
                number = self._say(record, changes, fields)
                if record not in own:
                    known[record] = number
            said.append(number)
        return said

    def _say(self, record: int, changes: Sequence[Change], fields: tuple[str, ...] | None) -> int:
        found = [change for change in changes if fields is None or change.field in fields]
        if not found:
            return 0
        said = [words.say(self._entity, change, self._terms) for change in found]
        return self._line(record, found, said if fields is not None else said[:_MOST_REASONS])

    def _line(self, record: int, changes: Sequence[Change], reasons: Sequence[str]) -> int:
        lines = self._lines.setdefault(record, {})
        return lines.setdefault(msgspec.json.encode((changes, reasons)).decode(), len(lines) + 1)

    def _words_of(self, ground: Condition | TextPart) -> "_Words":
        known = self._words.get(ground)
        if known is None:
            tell = teller(ground, self._entity, self._terms)
            known = self._words[ground] = _Words(tell, self._seen.documents)
        return known


class _Words(dict[int, str | None]):
    """What one condition has to say of each record of the batch, by place; found out when first asked."""

    def __init__(self, tell: Teller, documents: Sequence[Mapping[str, Any]]) -> None:
        super().__init__()
        self._tell = tell
        self._documents = documents

    def __missing__(self, place: int) -> str | None:
        told = self[place] = self._tell(self._documents[place])
        return told
