"""The one clock. Code asks it for the time, so that a test can move time instead of waiting for it.

SQL has its counterpart, `app.now()`. Leases alone use PostgreSQL's own clock.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta

_offset = timedelta(0)


def now() -> datetime:
    return datetime.now(UTC) + _offset


def today() -> date:
    return now().date()


def offset() -> timedelta:
    """How far this clock runs ahead of the real one, for those who pass time on to SQL."""
    return _offset


@contextmanager
def shifted(by: timedelta) -> Iterator[None]:
    """Let the clock of this process run `by` ahead (or behind) for the length of the block."""
    global _offset  # noqa: PLW0603 - a clock is process-wide by nature
    before = _offset
    _offset = before + by
    try:
        yield
    finally:
        _offset = before
