"""The outbox as an operator sees it: what waits, what has failed for good, and what to do about it."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from core.errors import NotFound
from workers.relay import CHANNEL, MAX_ATTEMPTS

State = Literal["waiting", "handed over", "failed"]
_COLUMNS: Final = "id, job, payload, created_at, dispatched_at, attempts, last_error"


@dataclass(frozen=True, slots=True)
class Entry:
    """A job that is not done: new, handed to a worker (perhaps for another attempt), or given up."""

    id: uuid.UUID
    job: str
    payload: dict[str, Any]
    created_at: datetime
    dispatched_at: datetime | None
    attempts: int
    last_error: str | None

    @property
    def state(self) -> State:
        if self.attempts >= MAX_ATTEMPTS:
            return "failed"
        return "waiting" if self.dispatched_at is None else "handed over"


async def entries(session: AsyncSession, *, failed: bool, limit: int) -> list[Entry]:
    """What is not done, the oldest first; with `failed`, only what is given up."""
    rows = await session.execute(
        text(
            f"SELECT {_COLUMNS} FROM outbox WHERE NOT :failed OR attempts >= :most"  # noqa: S608 - a constant
            " ORDER BY created_at, id LIMIT :limit"
        ),
        {"failed": failed, "most": MAX_ATTEMPTS, "limit": limit},
    )
    return [_entry(row) for row in rows]


async def get(session: AsyncSession, *, entry_id: uuid.UUID) -> Entry:
    """One of them; raises `NotFound` for one that is done or never was."""
    row = (
        await session.execute(
            text(f"SELECT {_COLUMNS} FROM outbox WHERE id = :id"),  # noqa: S608 - a constant
            {"id": entry_id},
        )
    ).one_or_none()
    if row is None:
        raise NotFound(f"There is no job {entry_id}; it may be done.")
    return _entry(row)


async def retry(session: AsyncSession, *, entry_id: uuid.UUID) -> Entry:
    """Begin again with all attempts; raises `NotFound`. One that runs at this moment is not run beside."""
    await get(session, entry_id=entry_id)
    await session.execute(
        text("UPDATE outbox SET attempts = 0, dispatched_at = NULL, last_error = NULL WHERE id = :id"),
        {"id": entry_id},
    )
    await session.execute(text("SELECT pg_notify(:channel, '')"), {"channel": CHANNEL})
    return await get(session, entry_id=entry_id)


async def drop(session: AsyncSession, *, entry_id: uuid.UUID) -> Entry:
    """Take it out; whoever asked for it sees that it failed. Raises `NotFound`."""
    found = await get(session, entry_id=entry_id)
    await session.execute(text("DELETE FROM outbox WHERE id = :id"), {"id": entry_id})
    await session.execute(
        text(
            "UPDATE jobs SET status = 'failed', error = 'Dropped by the operator.', finished_at = app.now()"
            " WHERE id::text = :job_id AND status IN ('waiting', 'running')"
        ),
        {"job_id": found.payload.get("job_id")},
    )
    return found


def _entry(row: Row[Any]) -> Entry:
    return Entry(**row._mapping)  # noqa: SLF001 - SQLAlchemy's own API
