"""The two figures a ranked list is judged by."""

from collections.abc import Mapping, Sequence
from math import log2

DEPTH = 10
_GAINS = (0, 1, 3, 7)


def ndcg(ranked: Sequence[str], grades: Mapping[str, int], depth: int = DEPTH) -> float:
    """Discounted gain of the first `depth` hits over that of the best possible order (gain 2^grade - 1)."""
    best = sorted(grades.values(), reverse=True)[:depth]
    ideal = _gain(best)
    return _gain([grades.get(key, 0) for key in ranked[:depth]]) / ideal if ideal else 0.0


def capped_recall(ranked: Sequence[str], grades: Mapping[str, int], depth: int = DEPTH) -> float:
    """Relevant records (grade 2 or 3) among the first `depth`, of as many as could stand there."""
    relevant = {key for key, grade in grades.items() if grade >= 2}
    possible = min(depth, len(relevant))
    return sum(key in relevant for key in ranked[:depth]) / possible if possible else 0.0


def _gain(grades: Sequence[int]) -> float:
    return sum(_GAINS[grade] / log2(place + 2) for place, grade in enumerate(grades))
