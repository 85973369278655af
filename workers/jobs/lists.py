"""The jobs of lists: an invitation to be mailed, and a change too large for a request."""

import uuid
from collections.abc import Mapping
from typing import Any, Final

from core.settings import Settings
from db.sessions import Database
from domain.lists import invitations, records
from search.engine import Searcher
from workers.jobs import asked

# The names under which they stand in the outbox.
INVITE: Final = invitations.JOB
CHANGE: Final = records.JOB


async def invite(settings: Settings, db: Database, payload: Mapping[str, Any]) -> None:
    """Mail the invitation the payload names."""
    await invitations.send(settings, db, invitation_id=uuid.UUID(payload["invitation_id"]))


async def change(settings: Settings, db: Database, payload: Mapping[str, Any]) -> None:
    """Add or remove what a search finds."""
    async with asked.job(db, payload) as job:
        if job is None:
            return
        searcher = Searcher(settings, db)
        try:
            await records.run(db, searcher, job=job)
        finally:
            await searcher.close()
