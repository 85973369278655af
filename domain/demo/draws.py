"""Random draws that are the same on every machine and every Python: everything comes from `random()`.

`random.Random(int).random()` is the one sequence that Python promises to keep; `choice`, `shuffle` and
`gauss` are not promised, and the last bit of a logarithm depends on the machine. So weights are rounded
to integers, sums are exact, and the normal draw is a sum of uniform ones.
"""

import random
from bisect import bisect
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate
from typing import Generic, TypeVar

T = TypeVar("T")

Uniform = Callable[[], float]

# Weights are counted in these units; a power law's smallest weight is still thousands of them.
_UNITS = 1_000_000_000
_STREAM_STRIDE = 1_000_003


def stream(seed: int, number: int) -> Uniform:
    """An own sequence of uniform draws for each (seed, number); one never disturbs another."""
    return random.Random(seed * _STREAM_STRIDE + number).random  # noqa: S311 - invented data, no secret


class Weighted(Generic[T]):
    """Values drawn by weight: `values[bisect(cumulated, u * total)]`."""

    __slots__ = ("cumulated", "total", "values")

    def __init__(self, values: Iterable[T], weights: Iterable[float]) -> None:
        self.values: Sequence[T] = tuple(values)
        self.cumulated = list(accumulate(round(weight * _UNITS) for weight in weights))
        if len(self.cumulated) != len(self.values) or not self.values:
            raise ValueError("as many weights as values, and at least one")
        self.total = self.cumulated[-1]

    def draw(self, uniform: Uniform) -> T:
        return self.values[bisect(self.cumulated, uniform() * self.total)]


def pairs(table: dict[T, float]) -> Weighted[T]:
    """Draw the keys of a table of weights (in the order in which it is written)."""
    return Weighted(table, table.values())


def power_law(values: Sequence[T], slope: float, shift: float = 0.0) -> Weighted[T]:
    """Draw earlier values more often: the weight of rank k is (k + shift) ** -slope."""
    return Weighted(values, ((rank + shift) ** -slope for rank in range(1, len(values) + 1)))


def pick(values: Sequence[T], uniform: Uniform) -> T:
    """Each value as often as any other."""
    return values[int(uniform() * len(values))]


def normal(uniform: Uniform) -> float:
    """A standard normal draw (twelve uniform ones: exact arithmetic, tails end at six deviations)."""
    total = -6.0
    for _ in range(12):
        total += uniform()
    return total
