"""Which keys a run has met already, in a few bytes each, so that memory stays flat over millions of rows."""

from array import array
from typing import Final

_FIRST_SIZE: Final = 1 << 14
_MASK_64: Final = (1 << 64) - 1


class SeenKeys:
    """A set of strings that keeps 64 bits of each: open addressing in one flat array.

    Two different keys collide once in ten billion runs of a million rows; the second row would then be
    reported as a repetition, not lost in silence.
    """

    __slots__ = ("_count", "_fresh", "_slots")

    def __init__(self) -> None:
        self._slots = array("Q", bytes(8 * _FIRST_SIZE))
        self._count = 0
        # Met since the last `keep`: those of a batch that may yet fail.
        self._fresh: set[int] = set()

    def __len__(self) -> int:
        return self._count + len(self._fresh)

    def __contains__(self, key: object) -> bool:
        mark = self._mark(key)
        return mark in self._fresh or bool(self._slots[self._find(self._slots, mark)])

    def add(self, key: str | bytes) -> bool:
        """Remember a key; whether it is new."""
        mark = self._mark(key)
        if mark in self._fresh or self._slots[self._find(self._slots, mark)]:
            return False
        self._fresh.add(mark)
        return True

    def keep(self) -> None:
        """The batch is done: what it has met stays."""
        for mark in self._fresh:
            place = self._find(self._slots, mark)
            self._slots[place] = mark
            self._count += 1
            if self._count * 3 > len(self._slots) * 2:
                self._grow()
        self._fresh.clear()

    def forget(self) -> None:
        """The batch has failed: it has met nothing."""
        self._fresh.clear()

    @staticmethod
    def _mark(key: object) -> int:
        return (hash(key) & _MASK_64) or 1

    @staticmethod
    def _find(slots: "array[int]", mark: int) -> int:
        last = len(slots) - 1
        # The low bits choose the slot; multiplying spreads hashes that differ only in the high ones.
        place = ((mark * 0x9E37_79B9_7F4A_7C15) & _MASK_64) >> 20 & last
        while slots[place] and slots[place] != mark:
            place = (place + 1) & last
        return place

    def _grow(self) -> None:
        bigger = array("Q", bytes(8 * len(self._slots) * 2))
        for mark in self._slots:
            if mark:
                bigger[self._find(bigger, mark)] = mark
        self._slots = bigger
