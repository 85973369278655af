"""Many addresses at once: what it would cost, giving the job, watching it, fetching what came of it."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Final, Literal
from uuid import UUID

from msgspec import Meta

from api import csvfile
from api.operations import Call, Download, Operation, operation
from api.routes.emails import FindRequest
from api.routes.hidden import Page
from core.errors import Invalid, NotFound
from db.sessions import SERVICE
from domain.emails import bulk, tables
from domain.emails.requests import Kind
from domain.paging import WrongCursor
from search.request import Form
from search.response import Answer

_BODY_LIMIT_BYTES: Final = 8 << 20


class EmailJobPath(Form, frozen=True):
    email_job_id: UUID


class EmailJobRequest(Form, frozen=True):
    """Exactly one of `emails` (to check), `people` (to find) and `csv`, a table with headings whose `kind`
    says what is to be done with it. Up to 10,000 rows.
    """

    emails: Annotated[list[Annotated[str, Meta(max_length=400)]], Meta(min_length=1)] | None = None
    people: Annotated[list[FindRequest], Meta(min_length=1)] | None = None
    csv: Annotated[str, Meta(min_length=1)] | None = None
    kind: Kind | None = None


class RowRefusal(Answer):
    """A row, counted from 1, that cannot be asked, and why; it costs nothing."""

    row: int
    message: str


class EmailJobEstimate(Answer):
    """`credits_at_most` is what it costs if every row has an answer and none was paid for before."""

    rows: int
    accepted: int
    refused: int
    refusals: list[RowRefusal]
    credits_at_most: int
    available: int


class RowCounts(Answer):
    """Rows by their state."""

    waiting: int
    retrying: int
    done: int
    failed: int
    cancelled: int


class EmailJob(Answer):
    """A job; `credits` is what it has cost so far."""

    id: UUID
    kind: Kind
    status: Literal["running", "done", "cancelled"]
    rows: int
    counts: RowCounts
    credits: int
    created_at: datetime
    finished_at: datetime | None


class EmailJobs(Answer):
    results: list[EmailJob]
    cursor: str | None


_EXAMPLE: Final = {"emails": ["anna@example.com", "bob@example.com"]}


@operation(
    "POST",
    "/v1/emails/jobs/dry-run",
    tag="E-mails",
    summary="What a job would cost",
    scope="read",
    session="service_read",
    errors=(Invalid,),
    example=_EXAMPLE,
    body_limit_bytes=_BODY_LIMIT_BYTES,
)
async def estimate_email_job(call: Call, body: EmailJobRequest) -> EmailJobEstimate:
    """At the most: what is not found, not learned or was paid before is free. Nothing is asked or kept."""
    kind, items = _items(body)
    found = await bulk.estimate(call.session, user_id=call.user_id, kind=kind, items=items)
    named = found.refused[: bulk.MAX_NAMED]
    return EmailJobEstimate(
        rows=found.rows,
        accepted=found.accepted,
        refused=len(found.refused),
        refusals=[RowRefusal(row=place + 1, message=why) for place, why in named],
        credits_at_most=found.credits_at_most,
        available=found.available,
    )


@operation(
    "POST",
    "/v1/emails/jobs",
    tag="E-mails",
    summary="Check or find many addresses",
    scope="spend",
    session="service",
    status=202,
    errors=(Invalid,),
    example=_EXAMPLE,
    links={"email_job_id": "$response.body#/id"},
    idempotent=True,
    body_limit_bytes=_BODY_LIMIT_BYTES,
)
async def create_email_job(call: Call, body: EmailJobRequest) -> EmailJob:
    """Rows that cannot be asked fail at once, with their reason and at no cost; the others are worked on and
    paid for one by one. A row for which the credits do not suffice fails, too.
    """
    kind, items = _items(body)
    made = await bulk.start(
        call.session, user_id=call.user_id, kind=kind, items=items, reference=call.reference
    )
    return _answer(made)


@operation(
    "GET",
    "/v1/emails/jobs",
    tag="E-mails",
    summary="Your jobs of addresses",
    session="service_read",
    errors=(WrongCursor,),
)
async def list_email_jobs(call: Call, query: Page) -> EmailJobs:
    """The latest first."""
    page = await bulk.page(call.session, user_id=call.user_id, limit=query.limit, cursor=query.cursor)
    return EmailJobs(results=[_answer(job) for job in page.jobs], cursor=page.cursor)


@operation(
    "GET",
    "/v1/emails/jobs/{email_job_id}",
    tag="E-mails",
    summary="How far a job is",
    session="service_read",
    errors=(NotFound,),
)
async def show_email_job(call: Call, path: EmailJobPath) -> EmailJob:
    """`retrying` rows have been asked and are asked again by themselves, for five hours at the most."""
    return _answer(await bulk.get(call.session, user_id=call.user_id, job_id=path.email_job_id))


@operation(
    "POST",
    "/v1/emails/jobs/{email_job_id}/cancel",
    tag="E-mails",
    summary="Call a job off",
    session="service",
    errors=(NotFound,),
)
async def cancel_email_job(call: Call, path: EmailJobPath) -> EmailJob:
    """What is answered stays and is paid for; the rest is not asked, and what was set aside comes back."""
    return _answer(await bulk.cancel(call.session, user_id=call.user_id, job_id=path.email_job_id))


@operation(
    "GET",
    "/v1/emails/jobs/{email_job_id}/results",
    tag="E-mails",
    summary="What came of a job",
    media_type="text/csv",
    errors=(NotFound,),
)
async def email_job_results(call: Call, path: EmailJobPath) -> str:
    """As CSV, a line for each row in the order in which they were given, also while the job still runs."""
    database = call.services.database
    async with database.transaction(SERVICE, read_only=True) as session:
        job = await bulk.get(session, user_id=call.user_id, job_id=path.email_job_id)

    async def pieces() -> AsyncIterator[bytes]:
        yield csvfile.rows([tables.header(job.kind)])
        async for rows in bulk.results(database, user_id=call.user_id, job_id=job.id):
            yield csvfile.rows(tables.lines(job.kind, rows))

    return Download(rows=pieces(), media_type="text/csv", filename=f"emails-{job.id}.csv")  # type: ignore[return-value]


def _items(body: EmailJobRequest) -> tuple[Kind, list[bulk.Item]]:
    given = [name for name in ("emails", "people", "csv") if getattr(body, name) is not None]
    if len(given) != 1 or (body.kind is not None) != (body.csv is not None):
        message = "Give exactly one of emails, people and csv, and kind with csv alone."
        raise Invalid(message, errors=[{"path": ", ".join(given) or "emails", "message": message}])
    if body.emails is not None:
        return "validate", bulk.read_addresses(body.emails)
    if body.people is not None:
        return "find", bulk.read_people([person.query() for person in body.people])
    kind = body.kind or "validate"
    rows = tables.read(body.csv or "", kind)
    if kind == "validate":
        return kind, bulk.read_addresses([row for row in rows if isinstance(row, str)])
    return kind, bulk.read_people([row for row in rows if not isinstance(row, str)])


def _answer(job: bulk.Job) -> EmailJob:
    return EmailJob(
        id=job.id,
        kind=job.kind,
        status=job.status,  # type: ignore[arg-type]
        rows=job.rows,
        counts=RowCounts(**job.counts),
        credits=job.credits,
        created_at=job.created_at,
        finished_at=job.finished_at,
    )


OPERATIONS: Final[list[Operation]] = [
    estimate_email_job,
    create_email_job,
    list_email_jobs,
    show_email_job,
    cancel_email_job,
    email_job_results,
]
