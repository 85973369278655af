"""The draws themselves: fixed sequences, and weights that are kept."""

from collections import Counter

import pytest

from domain.demo import draws


def test_a_stream_is_fixed_for_ever():
    uniform = draws.stream(1, 2)
    assert [round(uniform(), 12) for _ in range(3)] == [0.274744935788, 0.078874181628, 0.554118444016]


def test_streams_do_not_share_their_numbers():
    assert draws.stream(1, 2)() != draws.stream(1, 3)()
    assert draws.stream(1, 2)() != draws.stream(2, 2)()


def test_weights_are_kept():
    uniform = draws.stream(5, 0)
    table = draws.pairs({"often": 8, "rarely": 2, "never": 0})
    counts = Counter(table.draw(uniform) for _ in range(20_000))
    assert counts["often"] / 20_000 == pytest.approx(0.8, abs=0.02)
    assert "never" not in counts


def test_a_power_law_falls_with_its_slope():
    table = draws.power_law("abcd", 1.0)
    first = table.cumulated[0]
    assert first / (table.cumulated[3] - table.cumulated[2]) == pytest.approx(4, rel=1e-6)


def test_the_normal_draw_is_normal():
    uniform = draws.stream(9, 9)
    values = [draws.normal(uniform) for _ in range(20_000)]
    mean = sum(values) / len(values)
    assert mean == pytest.approx(0, abs=0.03)
    assert sum((value - mean) ** 2 for value in values) / len(values) == pytest.approx(1, abs=0.04)


def test_values_and_weights_must_pair():
    with pytest.raises(ValueError, match="as many weights"):
        draws.Weighted("ab", [1.0])
    with pytest.raises(ValueError, match="at least one"):
        draws.Weighted("", [])
