"""Slow work that you have asked for: how far it is, and calling it off."""

from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

from api.operations import Call, Operation, operation
from api.routes.hidden import Page
from core.errors import NotFound
from domain import jobs
from domain.paging import WrongCursor
from search.request import Form
from search.response import Answer


class JobPath(Form, frozen=True):
    job_id: UUID


class JobAnswer(Answer):
    """`progress` and `result` depend on the kind; `error` says why it failed."""

    id: UUID
    kind: str
    status: Literal["waiting", "running", "done", "failed", "cancelled"]
    progress: dict[str, Any]
    result: dict[str, Any] | None
    error: str | None
    cancel_requested: bool
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class JobsAnswer(Answer):
    results: list[JobAnswer]
    cursor: str | None


def answer_of(job: jobs.Job) -> JobAnswer:
    return JobAnswer(
        id=job.id,
        kind=job.kind,
        status=job.status,
        progress=job.progress,
        result=job.result,
        error=job.error,
        cancel_requested=job.cancel_requested,
        created_at=job.created_at,
        started_at=job.started_at,
        finished_at=job.finished_at,
    )


@operation(
    "GET",
    "/v1/jobs",
    tag="Jobs",
    summary="Your jobs",
    session="read",
    errors=(WrongCursor,),
    links={"job_id": "$response.body#/results/0/id"},
)
async def list_jobs(call: Call, query: Page) -> JobsAnswer:
    """The latest first."""
    page = await jobs.page(call.session, user_id=call.user_id, limit=query.limit, cursor=query.cursor)
    return JobsAnswer(results=[answer_of(job) for job in page.jobs], cursor=page.cursor)


@operation("GET", "/v1/jobs/{job_id}", tag="Jobs", summary="One job", session="read", errors=(NotFound,))
async def show_job(call: Call, path: JobPath) -> JobAnswer:
    """How far it is, and what came of it."""
    return answer_of(await jobs.get(call.session, job_id=path.job_id))


@operation(
    "POST",
    "/v1/jobs/{job_id}/cancel",
    tag="Jobs",
    summary="Call a job off",
    session="write",
    errors=(NotFound,),
)
async def cancel_job(call: Call, path: JobPath) -> JobAnswer:
    """It ends at the next step and leaves nothing half done; one that is over stays as it ended."""
    return answer_of(await jobs.cancel(call.session, job_id=path.job_id))


OPERATIONS: Final[list[Operation]] = [list_jobs, show_job, cancel_job]
