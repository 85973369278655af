"""Many questions in one: a job's rows are requests like any other, and its progress is theirs.

What cannot be asked is refused row by row, when the job is given; the others are paid for one by one as they
are answered, so a job that runs out of credits has answered what it has paid for.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid4

import msgspec
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from core.errors import Invalid, LeadFuelError, NotFound
from core.ids import UserId
from core.prices import CREDITS, Action
from db.sessions import SERVICE, Database
from domain import paging
from domain.credits import statement
from domain.emails import asking, checks, searches
from domain.emails.requests import Kind
from domain.finder.evidence import Query, readable
from domain.validator.syntax import cache_key

MAX_ROWS: Final = 10_000
# Of rows that are refused, so many are named; the results name all.
MAX_NAMED: Final = 20
_LIST: Final = "email_jobs"
_ACTIONS: Final[dict[Kind, Action]] = {"validate": "validate_email", "find": "email_finder"}
_ROWS_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True)
class Item:
    """A row of a job: what is asked, and the subject of it, or why it cannot be."""

    given: dict[str, Any]
    subject: str | None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a job would be: the rows that can be asked, and what they cost at the most."""

    rows: int
    accepted: int
    refused: list[tuple[int, str]]
    subjects: int
    credits_at_most: int
    available: int


@dataclass(frozen=True, slots=True)
class Job:
    """A job as its owner sees it; `counts` has its rows by their state."""

    id: UUID
    kind: Kind
    rows: int
    counts: dict[str, int]
    credits: int
    cancelled_at: datetime | None
    created_at: datetime
    finished_at: datetime | None

    @property
    def status(self) -> str:
        if self.counts.get("waiting") or self.counts.get("retrying"):
            return "running"
        return "cancelled" if self.cancelled_at else "done"


@dataclass(frozen=True, slots=True)
class JobPage:
    jobs: list[Job]
    cursor: str | None


def read_addresses(emails: Sequence[str]) -> list[Item]:
    """Rows of addresses to check."""
    return [_address(email) for email in _bounded(emails)]


def read_people(people: Sequence[Query]) -> list[Item]:
    """Rows of people to find."""
    return [_person(query) for query in _bounded(people)]


async def estimate(session: AsyncSession, *, user_id: UserId, kind: Kind, items: Sequence[Item]) -> Estimate:
    """What the rows would cost at the most; what was told before, and what is not found, costs nothing."""
    accepted = [item for item in items if item.error is None]
    subjects = len({item.subject for item in accepted})
    account = await statement.summary(session, user_id=user_id)
    return Estimate(
        rows=len(items),
        accepted=len(accepted),
        refused=[(place, item.error) for place, item in enumerate(items) if item.error is not None],
        subjects=subjects,
        credits_at_most=subjects * CREDITS[_ACTIONS[kind]],
        available=account.available,
    )


async def start(
    session: AsyncSession,
    *,
    user_id: UserId,
    kind: Kind,
    items: Sequence[Item],
    reference: UUID | None = None,
) -> Job:
    """Give a job; the same `reference` is the same job. The worker does the rest."""
    job_id = reference or uuid4()
    made = await session.execute(
        text(
            "INSERT INTO email_jobs (id, user_id, kind, rows) VALUES (:id, :user_id, :kind, :rows)"
            " ON CONFLICT (id) DO NOTHING RETURNING id"
        ),
        {"id": job_id, "user_id": user_id, "kind": kind, "rows": len(items)},
    )
    if made.one_or_none() is not None:
        await session.execute(
            text(
                """
                INSERT INTO email_requests
                    (user_id, job_id, place, kind, input, subject, state, due_at, error, finished_at)
                SELECT :user_id, :job_id, r.place, :kind, CAST(r.given AS jsonb), r.subject,
                       CASE WHEN r.error IS NULL THEN 'waiting' ELSE 'failed' END,
                       CASE WHEN r.error IS NULL THEN app.now() END, r.error,
                       CASE WHEN r.error IS NOT NULL THEN app.now() END
                FROM unnest(CAST(:given AS text[]), CAST(:subjects AS text[]), CAST(:errors AS text[]))
                    WITH ORDINALITY AS r (given, subject, error, place)
                """
            ),
            {
                "user_id": user_id,
                "job_id": job_id,
                "kind": kind,
                "given": [msgspec.json.encode(item.given).decode() for item in items],
                "subjects": [item.subject for item in items],
                "errors": [item.error for item in items],
            },
        )
    return await get(session, user_id=user_id, job_id=job_id)


async def get(session: AsyncSession, *, user_id: UserId, job_id: UUID) -> Job:
    """A job of this user; raises `NotFound`."""
    found = await session.execute(
        text(f"{_JOBS} WHERE j.user_id = :user_id AND j.id = :id GROUP BY j.id"),
        {"user_id": user_id, "id": job_id},
    )
    row = found.one_or_none()
    if row is None:
        raise NotFound("There is no such job.")
    return _job(row)


async def page(session: AsyncSession, *, user_id: UserId, limit: int, cursor: str | None) -> JobPage:
    """A user's jobs, the latest first."""
    # The page is chosen before the rows of its jobs are counted.
    rows, following = await paging.latest_first(
        session,
        "SELECT id, created_at FROM email_jobs WHERE user_id = :user_id",
        {"user_id": user_id},
        name=_LIST,
        limit=limit,
        cursor=cursor,
    )
    counted = await session.execute(
        text(f"{_JOBS} WHERE j.id = ANY(:ids) GROUP BY j.id ORDER BY j.created_at DESC, j.id DESC"),
        {"ids": [row.id for row in rows]},
    )
    return JobPage([_job(row) for row in counted], following)


async def cancel(session: AsyncSession, *, user_id: UserId, job_id: UUID) -> Job:
    """Call off what is not answered and not being asked at this moment; what was set aside comes back."""
    await session.execute(
        text(
            "UPDATE email_jobs SET cancelled_at = app.now()"
            " WHERE id = :id AND user_id = :user_id AND cancelled_at IS NULL"
            " AND EXISTS (SELECT FROM email_requests WHERE job_id = :id AND due_at IS NOT NULL)"
        ),
        {"id": job_id, "user_id": user_id},
    )
    found = await session.scalars(
        text(
            """
            UPDATE email_requests SET state = 'cancelled', due_at = NULL, finished_at = app.now()
            WHERE id IN (
                SELECT id FROM email_requests
                WHERE job_id = :id AND user_id = :user_id AND due_at IS NOT NULL
                  AND (leased_until IS NULL OR leased_until <= clock_timestamp())
                FOR UPDATE SKIP LOCKED
            )
            RETURNING hold_id
            """
        ),
        {"id": job_id, "user_id": user_id},
    )
    for hold_id in found.all():
        await asking.give_back(session, hold_id, why="called off")
    return await get(session, user_id=user_id, job_id=job_id)


async def results(db: Database, *, user_id: UserId, job_id: UUID) -> AsyncIterator[Sequence[Row[Any]]]:
    """The rows of a job in their order, with what each was answered so far; some at a time."""
    after = 0
    while True:
        async with db.transaction(SERVICE, read_only=True) as session:
            found = await session.execute(
                text(
                    """
                    SELECT r.place, r.kind, r.input, r.state, r.error, r.credits,
                           v.smtp_result AS verdict, f.input_data -> 'answer' AS answer
                    FROM email_requests r
                    LEFT JOIN email_validation_logs v ON r.kind = 'validate' AND v.id = r.log_id
                    LEFT JOIN email_finder_logs f ON r.kind = 'find' AND f.id = r.log_id
                    WHERE r.job_id = :job_id AND r.user_id = :user_id AND r.place > :after
                    ORDER BY r.place LIMIT :limit
                    """
                ),
                {"job_id": job_id, "user_id": user_id, "after": after, "limit": _ROWS_AT_ONCE},
            )
            rows = found.all()
        if not rows:
            return
        yield rows
        after = rows[-1].place


_JOBS: Final = """
    SELECT j.id, j.kind, j.rows, j.cancelled_at, j.created_at, max(r.finished_at) AS finished_at,
           coalesce(sum(r.credits), 0) AS credits,
           count(*) FILTER (WHERE r.state = 'waiting') AS waiting,
           count(*) FILTER (WHERE r.state = 'retrying') AS retrying,
           count(*) FILTER (WHERE r.state = 'done') AS done,
           count(*) FILTER (WHERE r.state = 'failed') AS failed,
           count(*) FILTER (WHERE r.state = 'cancelled') AS cancelled
    FROM email_jobs j JOIN email_requests r ON r.job_id = j.id
"""
_STATES: Final = ("waiting", "retrying", "done", "failed", "cancelled")


def _job(row: Row[Any]) -> Job:
    counts = {state: getattr(row, state) for state in _STATES}
    is_open = counts["waiting"] + counts["retrying"] > 0
    return Job(
        id=row.id,
        kind=row.kind,
        rows=row.rows,
        counts=counts,
        credits=row.credits,
        cancelled_at=row.cancelled_at,
        created_at=row.created_at,
        finished_at=None if is_open else row.finished_at,
    )


def _bounded(rows: Sequence[Any]) -> Sequence[Any]:
    if not rows:
        raise _too("There are no rows.")
    if len(rows) > MAX_ROWS:
        raise _too(f"A job has {MAX_ROWS:,} rows at the most; these are {len(rows):,}.")
    return rows


def _too(message: str) -> Invalid:
    return Invalid(message, errors=[{"path": "rows", "message": message}])


def _address(email: str) -> Item:
    try:
        return Item({"email": email.strip()}, cache_key(checks.read(email)))
    except LeadFuelError as error:
        return Item({"email": email[:400]}, None, error.detail)


def _person(query: Query) -> Item:
    given = asdict(query)
    try:
        readable(query)
    except LeadFuelError as error:
        return Item(given, None, error.detail)
    return Item(given, searches.subject_of(query))
