"""The job of an export, and the round that lets old ones go."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from core.logs import get_logger
from core.settings import Settings
from db.sessions import Database
from domain.exports import keeping
from indexer.loop import rest
from search.engine import Searcher
from workers.jobs import asked

log = get_logger(__name__)

NAME: Final = keeping.JOB
EXPIRE_EVERY_S: Final = 600.0


async def run(settings: Settings, db: Database, payload: Mapping[str, Any]) -> None:
    """Write the export of the job the payload names."""
    async with asked.job(db, payload) as job:
        if job is None:
            return
        searcher = Searcher(settings, db)
        try:
            await keeping.run(settings, db, searcher, job=job)
        finally:
            await searcher.close()


async def expire(settings: Settings, db: Database, stop: asyncio.Event) -> None:
    """Delete what has expired, every ten minutes."""
    while not stop.is_set():
        if gone := await keeping.expire(settings, db):
            log.info("exports have expired", exports=gone)
        await rest(stop, EXPIRE_EVERY_S)
