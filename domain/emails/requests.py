"""A request as a row: what is asked, how far it is, and who is at it.

Whoever works on a request has it on lease, by PostgreSQL's own clock; a lease that ends without a word is
taken over by whoever finds the request due. What comes from a lease that was lost changes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID, uuid4

import msgspec
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from core.errors import NotFound
from core.ids import UserId
from db.sessions import SERVICE, Database
from domain import paging

Kind = Literal["validate", "find"]
# `waiting` has no answer yet, `retrying` has one for the time being, the others are the end.
State = Literal["waiting", "retrying", "done", "failed", "cancelled"]

_ANSWERS: Final = "email_answers"
# A transaction that ends a request is over within this time.
_SETTLED_S: Final = 5
_COLUMNS: Final = """
    id, user_id, job_id, place, kind, input, subject, state, attempts, claims, due_at, lease, hold_id,
    credits, log_id, error, created_at, finished_at
"""


@dataclass(frozen=True, slots=True)
class Request:
    """One question about one address or person, as far as it has come."""

    id: UUID
    user_id: UserId
    job_id: UUID | None
    place: int
    kind: Kind
    input: dict[str, Any]
    # The spelling that all ways to ask the same have in common; None when it cannot be asked at all.
    subject: str | None
    state: State
    attempts: int
    claims: int
    due_at: datetime | None
    lease: UUID | None
    hold_id: UUID | None
    credits: int
    log_id: int | None
    error: str | None
    created_at: datetime
    finished_at: datetime | None

    @property
    def is_over(self) -> bool:
        return self.due_at is None


async def insert(
    session: AsyncSession,
    *,
    request_id: UUID | None,
    user_id: UserId,
    kind: Kind,
    given: dict[str, Any],
    subject: str,
    lease_s: float,
) -> tuple[Request, bool]:
    """A new request, leased to the caller; or the one with this id, and False."""
    made = await session.execute(
        text(
            f"""
            INSERT INTO email_requests
                (id, user_id, kind, input, subject, due_at, claims, lease, leased_until)
            VALUES (:id, :user_id, :kind, CAST(:given AS jsonb), :subject, app.now(), 1, :lease,
                    clock_timestamp() + make_interval(secs => :lease_s))
            ON CONFLICT (id) DO NOTHING
            RETURNING {_COLUMNS}
            """  # noqa: S608 - a constant list of columns
        ),
        {
            "id": request_id or uuid4(),
            "user_id": user_id,
            "kind": kind,
            "given": msgspec.json.encode(given).decode(),
            "subject": subject,
            "lease": uuid4(),
            "lease_s": lease_s,
        },
    )
    row = made.one_or_none()
    if row is not None:
        return _request(row), True
    return await get(session, user_id=user_id, request_id=request_id), False


async def get(session: AsyncSession, *, user_id: UserId, request_id: UUID | None) -> Request:
    """A request of this user; raises `NotFound`."""
    found = await session.execute(
        text(f"SELECT {_COLUMNS} FROM email_requests WHERE id = :id AND user_id = :user_id"),  # noqa: S608
        {"id": request_id, "user_id": user_id},
    )
    row = found.one_or_none()
    if row is None:
        raise NotFound("There is no such request.")
    return _request(row)


async def answered(
    session: AsyncSession, *, user_id: UserId, limit: int, after: str | None
) -> tuple[list[Request], str | None]:
    """A user's single requests in the order in which they ended, and the cursor behind the last of them.

    What has ended this very moment comes a little later, when nothing can come before it any more. Raises
    `WrongCursor`.
    """
    since, since_id = paging.decode(_ANSWERS, after, tuple[datetime, UUID]) if after else (None, None)
    found = await session.execute(
        text(
            f"""
            SELECT {_COLUMNS} FROM email_requests
            WHERE user_id = :user_id AND job_id IS NULL AND finished_at IS NOT NULL
              AND finished_at < app.now() - make_interval(secs => :settled_s)
              AND (CAST(:since AS timestamptz) IS NULL
                   OR (finished_at, id) > (:since, CAST(:since_id AS uuid)))
            ORDER BY finished_at, id LIMIT :limit
            """  # noqa: S608 - a constant list of columns
        ),
        {
            "user_id": user_id,
            "since": since,
            "since_id": since_id,
            "settled_s": _SETTLED_S,
            "limit": limit,
        },
    )
    rows = [_request(row) for row in found]
    return rows, paging.encode(_ANSWERS, (rows[-1].finished_at, rows[-1].id)) if rows else after


async def alone(session: AsyncSession, request: Request) -> None:
    """Wait for the other transactions about the same subject of the same user to end."""
    await session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"),
        {"name": f"{request.kind} {request.user_id} {request.subject}"},
    )


async def claim(db: Database, *, limit: int, lease_s: float) -> list[Request]:
    """Requests that are due and nobody's at the moment, leased to the caller; single ones before jobs."""
    async with db.transaction(SERVICE) as session:
        found = await session.execute(
            text(
                f"""
                UPDATE email_requests SET claims = claims + 1, lease = gen_random_uuid(),
                    leased_until = clock_timestamp() + make_interval(secs => :lease_s)
                WHERE id IN (
                    SELECT id FROM email_requests
                    WHERE due_at <= app.now()
                      AND (leased_until IS NULL OR leased_until <= clock_timestamp())
                    ORDER BY place, due_at LIMIT :limit
                    FOR UPDATE SKIP LOCKED
                )
                RETURNING {_COLUMNS}
                """  # noqa: S608 - a constant list of columns
            ),
            {"limit": limit, "lease_s": lease_s},
        )
        return [_request(row) for row in found]


async def hold(session: AsyncSession, request: Request) -> Request | None:
    """Lock the row; the request as it is, or None when the lease is another's by now."""
    found = await session.execute(
        text(
            f"SELECT {_COLUMNS} FROM email_requests"  # noqa: S608 - a constant list of columns
            " WHERE id = :id AND lease = :lease AND due_at IS NOT NULL FOR UPDATE"
        ),
        {"id": request.id, "lease": request.lease},
    )
    row = found.one_or_none()
    return None if row is None else _request(row)


async def pay_by(session: AsyncSession, request: Request, *, hold_id: UUID) -> Request:
    """Remember the credits that are set aside for a request."""
    return await _update(session, request, "hold_id = :hold_id", hold_id=hold_id)


async def wait(
    session: AsyncSession, request: Request, *, until: datetime, attempts: int, log_id: int
) -> Request:
    """It was answered for the time being; look again at `until`."""
    return await _update(
        session,
        request,
        "state = 'retrying', due_at = :until, attempts = :attempts, claims = 0, log_id = :log_id,"
        " lease = NULL, leased_until = NULL",
        until=until,
        attempts=attempts,
        log_id=log_id,
    )


async def put_off(db: Database, request: Request, *, seconds: float) -> None:
    """Look again in a while; nobody was asked, so nothing is counted."""
    async with db.transaction(SERVICE) as session:
        await session.execute(
            text(
                "UPDATE email_requests SET due_at = app.now() + make_interval(secs => :seconds),"
                " claims = claims - 1, lease = NULL, leased_until = NULL"
                " WHERE id = :id AND lease = :lease AND due_at IS NOT NULL"
            ),
            {"id": request.id, "lease": request.lease, "seconds": seconds},
        )


async def hand_over(db: Database, request: Request) -> None:
    """Leave a request to whoever comes next."""
    await put_off(db, request, seconds=0.0)


async def close(
    session: AsyncSession,
    request: Request,
    *,
    state: State,
    attempts: int = 0,
    log_id: int | None = None,
    credits_paid: int = 0,
    error: str | None = None,
) -> Request:
    """The end of a request."""
    return await _update(
        session,
        request,
        "state = :state, due_at = NULL, attempts = greatest(attempts, :attempts), credits = :credits,"
        " log_id = coalesce(:log_id, log_id), error = :error, lease = NULL, leased_until = NULL,"
        " finished_at = app.now()",
        state=state,
        attempts=attempts,
        credits=credits_paid,
        log_id=log_id,
        error=error,
    )


async def blot(session: AsyncSession, request: Request) -> None:
    """Forget whom a request was about."""
    await _update(session, request, "input = '{}', subject = NULL")


async def holds_of_subject(session: AsyncSession, request: Request) -> Sequence[UUID]:
    """Holds still open for the same subject of the same user, the request's own first."""
    found = await session.scalars(
        text(
            "SELECT r.hold_id FROM email_requests r JOIN credit_holds h ON h.id = r.hold_id"
            " WHERE r.user_id = :user_id AND r.subject = :subject AND r.kind = :kind"
            "   AND h.state = 'reserved' AND h.expires_at > app.now()"
            " ORDER BY r.id <> :id, r.created_at"
        ),
        {
            "user_id": request.user_id,
            "subject": request.subject,
            "kind": request.kind,
            "id": request.id,
        },
    )
    return found.all()


async def forget(db: Database, *, days: int) -> int:
    """Delete requests that ended so long ago, and their logs; how many, in small transactions."""
    forgotten = 0
    while True:
        async with db.transaction(SERVICE) as session:
            gone = [await session.execute(text(one), {"days": days}) for one in _FORGET]
            some = sum(len(found.all()) for found in gone)
        forgotten += some
        if not some:
            return forgotten


_OLD: Final = "created_at < app.now() - make_interval(days => :days)"
_WITHOUT_ROWS: Final = " AND id NOT IN (SELECT job_id FROM email_requests WHERE job_id IS NOT NULL)"
_FORGET: Final = tuple(
    f"DELETE FROM {table} WHERE id IN (SELECT id FROM {table} WHERE {_OLD}{more} LIMIT 5000) RETURNING 1"  # noqa: S608
    for table, more in (
        ("email_requests", " AND due_at IS NULL"),
        ("email_jobs", _WITHOUT_ROWS),
        ("email_validation_logs", ""),
        ("email_finder_logs", ""),
    )
)


async def _update(session: AsyncSession, request: Request, changes: str, **values: Any) -> Request:
    row = await session.execute(
        text(f"UPDATE email_requests SET {changes} WHERE id = :id RETURNING {_COLUMNS}"),  # noqa: S608
        values | {"id": request.id},
    )
    return _request(row.one())


def _request(row: Row[Any]) -> Request:
    return Request(**row._mapping)  # noqa: SLF001 - SQLAlchemy's own API
