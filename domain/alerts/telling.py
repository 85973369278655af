"""What events say, as the JSON that is stored.

What has changed about a record is put into words once, however many ICPs tell it; why it fits is each ICP's
own, and what there is to prepare for that is prepared once per ICP and comparison.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from domain.alerts import states, words
from domain.alerts.batches import Seen
from domain.alerts.states import Change
from search.conditions import Criteria
from search.criteria import OpenTerms
from search.explain import Explanation
from search.request import Entity

_MOST_REASONS: Final = 6
NOTHING: Final = "[]"


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
        self._said: dict[tuple[str, ...] | None, dict[int, tuple[str, str] | None]] = {}

    def changed(self) -> Mapping[int, tuple[Change, ...]]:
        """What differs from the state before, by record."""
        return self._changes

    def fits(self, criteria: Criteria, places: Sequence[int]) -> list[str]:
        """Why those at these places fit."""
        explanation, documents = Explanation(criteria, self._terms), self._seen.documents
        return [_json(explanation.words(documents[place])[:_MOST_REASONS]) for place in places]

    def says(
        self,
        records: Sequence[int],
        own: Mapping[int, tuple[Change, ...]],
        fields: tuple[str, ...] | None = None,
    ) -> list[tuple[str, str] | None]:
        """What has changed about these records, as changes and in words; None where nothing has.

        Of these fields, or of all. `own` are changes as one ICP alone sees them.
        """
        known, said = self._said.setdefault(fields, {}), []
        for record in records:
            if record in own:
                said.append(self._say(own[record], fields))
                continue
            if record not in known:
                known[record] = self._say(self._changes.get(record, ()), fields)
            said.append(known[record])
        return said

    def _say(self, changes: Sequence[Change], fields: tuple[str, ...] | None) -> tuple[str, str] | None:
        found = [change for change in changes if fields is None or change.field in fields]
        if not found:
            return None
        said = [words.say(self._entity, change, self._terms) for change in found]
        return _json(found), _json(said if fields is not None else said[:_MOST_REASONS])


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
