"""Which of a row's keys counts, and which rows a run has had already.

A file's own id is the row's one key. Without it several may fit (LinkedIn URL, address, name), the surest
first; one of them counts only while the names do not contradict, for a mailbox may be two people's.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeVar

from domain.imports.merge import Known
from domain.imports.outcome import Outcome
from domain.imports.rows import ContactRow, OrganizationRow
from domain.imports.state import Run

R = TypeVar("R", ContactRow, OrganizationRow)

_REPEATED: Final = "an earlier row of this file has the same key and says something else; that one counts"


def choose(
    rows: Sequence[tuple[int, R]],
    known: Mapping[str, Known],
    *,
    run: Run,
    agrees: Callable[[R, int], bool],
    outcome: Outcome,
) -> tuple[list[tuple[int, R, str]], list[str]]:
    """The rows that have something to say, each with its key; the keys of those that repeat themselves."""
    chosen: list[tuple[int, R, str]] = []
    same: list[str] = []
    digests: dict[str, bytes] = {}
    for place, row in rows:
        key = _own_key(row, run) if row.has_own_key else _made_key(row, known, run, agrees)
        if key is None:
            if _is_repetition(row, known, digests):
                outcome.counts["repeated"] += 1
            else:
                outcome.reject(place, _REPEATED)
            continue
        run.seen.add(key)
        digests[key] = row.digest
        found = known.get(key)
        if found is not None and found.digest == row.digest:
            same.append(key)
            outcome.counts["unchanged"] += 1
        else:
            chosen.append((place, row, key))
    return chosen, same


def _own_key(row: R, run: Run) -> str | None:
    """The row's own key, unless an earlier row had it."""
    return None if row.keys[0] in run.seen else row.keys[0]


def _made_key(row: R, known: Mapping[str, Known], run: Run, agrees: Callable[[R, int], bool]) -> str | None:
    """The surest of a row's keys that no earlier row has taken and no other person or company has."""
    # An exact repetition says nothing, whichever key it would find.
    if not run.seen.add(row.digest):
        return None
    free = [key for key in row.keys if key not in run.seen]
    for key in free:
        if key in known and known[key].digest == row.digest:
            return key
    for key in free:
        if key in known and agrees(row, known[key].record_id):
            return key
    return next((key for key in free if key not in known), None)


def _is_repetition(row: R, known: Mapping[str, Known], digests: Mapping[str, bytes]) -> bool:
    """Whether a row that got no key says what an earlier one has said already."""
    said = [digests.get(key) for key in row.keys]
    said += [known[key].digest for key in row.keys if key in known]
    return row.digest in said
