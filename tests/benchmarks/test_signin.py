"""What the benchmark of signing in calls told apart."""

import random

import pytest

from benchmarks.signin import separation


def drawn(seed: int, number: int, mean: float) -> list[float]:
    draw = random.Random(seed)
    return [draw.gauss(mean, 5.0) for _ in range(number)]


def test_samples_of_one_kind_are_not_told_apart():
    wrong = sum(separation(drawn(n, 100, 40.0), drawn(n + 1_000, 100, 40.0)).p <= 0.01 for n in range(300))
    # One in a hundred is what chance gives.
    assert wrong <= 9


def test_a_difference_is_found():
    found = separation(drawn(1, 400, 41.5), drawn(2, 400, 40.0))
    assert found.p < 0.01
    assert 0.5 < found.low < found.chance < found.high


@pytest.mark.parametrize(
    "first, second, chance",
    [
        ([3, 4, 5], [0, 1, 2], 1),
        ([0, 1, 2], [3, 4, 5], 0.0),
        ([1, 1, 1], [1, 1, 1], 0.5),
        ([1, 2], [1, 2], 0.5),
    ],
)
def test_the_chance_counts_pairs(first, second, chance):
    assert separation(first, second).chance == chance
