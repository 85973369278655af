"""Slow work that a person has asked for: begun, watched, called off.

The row is written by its owner in the transaction that asks; a trigger hands it to the outbox. The work
may be begun more than once, and each kind sees to it that doing it twice is doing it once.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

import msgspec
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from core.errors import NotFound
from core.ids import UserId
from core.logs import get_logger
from db.sessions import SERVICE, Database
from domain import paging

log = get_logger(__name__)

Kind = Literal["lists.change", "exports.run"]
Status = Literal["waiting", "running", "done", "failed", "cancelled"]

_COLUMNS: Final = """
    id, user_id, kind, arguments, status, progress, result, error, cancel_requested, created_at, started_at,
    finished_at
"""


class Cancelled(Exception):
    """The owner has called the job off; whatever it had begun is rolled back."""


@dataclass(frozen=True, slots=True)
class Job:
    """A job as its owner may see it."""

    id: UUID
    user_id: UserId
    kind: Kind
    arguments: dict[str, Any]
    status: Status
    progress: dict[str, Any]
    result: dict[str, Any] | None
    error: str | None
    cancel_requested: bool
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @property
    def is_over(self) -> bool:
        return self.status in ("done", "failed", "cancelled")


@dataclass(frozen=True, slots=True)
class JobPage:
    jobs: list[Job]
    cursor: str | None


async def start(session: AsyncSession, *, kind: Kind, arguments: Mapping[str, Any]) -> Job:
    """Ask for a job, as the user whom the session acts for."""
    row = await session.execute(
        text(
            f"INSERT INTO app.jobs (kind, arguments) VALUES (:kind, CAST(:arguments AS jsonb))"  # noqa: S608
            f" RETURNING {_COLUMNS}"
        ),
        {"kind": kind, "arguments": msgspec.json.encode(arguments).decode()},
    )
    return _job(row.one())


async def get(session: AsyncSession, *, job_id: UUID) -> Job:
    """A job that the session may see; raises `NotFound`."""
    row = await session.execute(
        text(f"SELECT {_COLUMNS} FROM app.jobs WHERE id = :id"),  # noqa: S608 - a constant
        {"id": job_id},
    )
    found = row.one_or_none()
    if found is None:
        raise NotFound("There is no such job.")
    return _job(found)


async def page(session: AsyncSession, *, user_id: UserId, limit: int, cursor: str | None) -> JobPage:
    """A user's jobs, the latest first."""
    rows, following = await paging.latest_first(
        session,
        f"SELECT {_COLUMNS} FROM app.jobs WHERE user_id = :user_id",  # noqa: S608 - a constant
        {"user_id": user_id},
        name="jobs",
        limit=limit,
        cursor=cursor,
    )
    return JobPage([_job(row) for row in rows], following)


async def cancel(session: AsyncSession, *, job_id: UUID) -> Job:
    """Call a job off; one that is over stays as it ended."""
    found = await get(session, job_id=job_id)
    if not found.is_over:
        await session.execute(
            text("UPDATE app.jobs SET cancel_requested = true WHERE id = :id"), {"id": job_id}
        )
    return await get(session, job_id=job_id)


async def begin(db: Database, *, job_id: UUID) -> Job | None:
    """Mark a job as running; None when there is nothing to do any more."""
    async with db.transaction(SERVICE) as session:
        row = await session.execute(
            text(
                "UPDATE app.jobs SET status = CASE WHEN cancel_requested THEN 'cancelled' ELSE 'running' END,"  # noqa: S608
                " started_at = coalesce(started_at, app.now()),"
                " finished_at = CASE WHEN cancel_requested THEN app.now() END"
                f" WHERE id = :id AND status IN ('waiting', 'running') RETURNING {_COLUMNS}"
            ),
            {"id": job_id},
        )
        found = row.one_or_none()
    return None if found is None or found.cancel_requested else _job(found)


async def tell(db: Database, *, job_id: UUID, **progress: Any) -> None:
    """Say how far a job has come; raises `Cancelled` when it is called off."""
    async with db.transaction(SERVICE) as session:
        off = await session.scalar(
            text(
                "UPDATE app.jobs SET progress = CAST(:progress AS jsonb) WHERE id = :id"
                " RETURNING cancel_requested"
            ),
            {"id": job_id, "progress": msgspec.json.encode(progress).decode()},
        )
    if off or off is None:
        raise Cancelled


async def finish(session: AsyncSession, *, job_id: UUID, result: Mapping[str, Any]) -> None:
    """Close a job in the transaction of its work, so that both happen or neither.

    The session may be the user's, who cannot write this; the role is changed for what follows.
    """
    await session.execute(text("SELECT set_config('role', 'service_role', true)"))
    await session.execute(
        text(
            "UPDATE app.jobs SET status = 'done', result = CAST(:result AS jsonb), finished_at = app.now()"
            " WHERE id = :id"
        ),
        {"id": job_id, "result": msgspec.json.encode(result).decode()},
    )


async def give_up(db: Database, *, job_id: UUID, error: str | None) -> None:
    """Close a job that was refused with the reason, or that was called off when there is none."""
    async with db.transaction(SERVICE) as session:
        await session.execute(
            text(
                "UPDATE app.jobs SET status = CASE WHEN CAST(:error AS text) IS NULL THEN 'cancelled'"
                " ELSE 'failed' END, error = :error, finished_at = app.now()"
                " WHERE id = :id AND status = 'running'"
            ),
            {"id": job_id, "error": error},
        )


def _job(row: Row[Any]) -> Job:
    return Job(**row._mapping)  # noqa: SLF001 - SQLAlchemy's own API
