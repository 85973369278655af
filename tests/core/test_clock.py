"""The clock: real, in UTC, and movable by a test."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import clock

SHIFTS = st.timedeltas(min_value=timedelta(days=-3650), max_value=timedelta(days=3650))


def close(moment: datetime, other: datetime) -> bool:
    return abs(moment - other) < timedelta(seconds=5)


def test_now_is_real_and_in_utc():
    assert clock.now().tzinfo is UTC
    assert close(clock.now(), datetime.now(UTC))
    assert clock.offset() == timedelta(0)


@given(SHIFTS)
def test_a_shift_moves_now_and_today_and_ends_with_its_block(by):
    with clock.shifted(by):
        assert clock.offset() == by
        assert close(clock.now(), datetime.now(UTC) + by)
        assert abs(clock.today() - clock.now().date()) <= timedelta(days=1)
    assert clock.offset() == timedelta(0)


@given(SHIFTS, SHIFTS)
def test_shifts_add_up(outer, inner):
    with clock.shifted(outer), clock.shifted(inner):
        assert clock.offset() == outer + inner


def test_a_shift_ends_with_an_error_too():
    with pytest.raises(ZeroDivisionError), clock.shifted(timedelta(days=1)):
        _ = 1 / 0
    assert clock.offset() == timedelta(0)
