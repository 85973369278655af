"""What became of the rows: counts, and the list of what was dropped or rejected."""

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple


class Reject(NamedTuple):
    """A value that was dropped (`is_row` false) or a row that was not taken."""

    line: int
    column: str | None
    value: str | None
    reason: str
    original: str
    is_row: bool

    @property
    def sentence(self) -> str:
        """What is wrong, in words that stand alone."""
        return self.reason if self.value is None else f"{self.value!r} {self.reason}"


@dataclass(slots=True)
class Outcome:
    """One batch's result; `remarks` are keyed by the row's place in the batch."""

    counts: Counter[str] = field(default_factory=Counter)
    dropped: list[tuple[int, str, str, str]] = field(default_factory=list)
    rejected: list[tuple[int, str]] = field(default_factory=list)

    def __add__(self, other: "Outcome") -> "Outcome":
        return Outcome(
            self.counts + other.counts, self.dropped + other.dropped, self.rejected + other.rejected
        )

    def drop(self, place: int, *, cell: str, value: str, reason: str) -> None:
        """A value of the row at `place` is not taken; the reason is a phrase that follows the value."""
        self.dropped.append((place, cell, value, reason))

    def reject(self, place: int, reason: str) -> None:
        """The row at `place` is not taken."""
        self.counts["rejected"] += 1
        self.rejected.append((place, reason))
