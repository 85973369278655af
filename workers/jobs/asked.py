"""What all jobs have in common that people ask for: begun, refused in words, or called off."""

import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from core.errors import LeadFuelError
from core.logs import get_logger
from db.sessions import Database
from domain import jobs

log = get_logger(__name__)


@asynccontextmanager
async def job(db: Database, payload: Mapping[str, Any]) -> AsyncIterator[jobs.Job | None]:
    """The job of an outbox row, or None when there is nothing to do any more.

    A refusal is the job's answer to its owner, and so is having been called off; any other error is ours
    and leaves the row for another attempt.
    """
    job_id = uuid.UUID(payload["job_id"])
    begun = await jobs.begin(db, job_id=job_id)
    try:
        yield begun
    except jobs.Cancelled:
        await jobs.give_up(db, job_id=job_id, error=None)
        log.info("a job was called off", **{"job.id": str(job_id)})
    except LeadFuelError as error:
        if error.status >= 500:
            raise
        await jobs.give_up(db, job_id=job_id, error=error.detail)
        log.info("a job was refused", **{"job.id": str(job_id), "error.slug": error.slug})
