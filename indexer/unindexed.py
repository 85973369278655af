"""Where there is no OpenSearch: what has changed is passed on to those who go by what was applied.

Nothing is written to any index, so a change is applied as soon as it is committed. Where an index has been
kept before, the queue is left as it is: that index will need it.
"""

import asyncio
from typing import Final

from sqlalchemy import text

from core.logs import get_logger
from db.sessions import SERVICE, Database
from indexer import queue
from indexer.loop import rest

log = get_logger(__name__)

EVERY_S: Final = 0.5
AT_ONCE: Final = 5_000
_COMPANIES_AT_ONCE: Final = 200


async def run(db: Database, stop: asyncio.Event) -> None:
    """Pass changes on until it is time to stop."""
    async with db.transaction(SERVICE, read_only=True) as session:
        if await session.scalar(text("SELECT EXISTS (SELECT 1 FROM indices)")):
            log.warning("there is an index that nobody writes to; changes wait for it")
            await stop.wait()
            return
    while not stop.is_set():
        if not await pass_on(db):
            await rest(stop, EVERY_S)


async def pass_on(db: Database) -> int:
    """Take changes off the queue and note them as applied; how many there were.

    A changed company's people are noted with it. After a TRUNCATE, whoever was watched is looked at.
    """
    async with db.transaction(SERVICE) as session:
        token = await queue.draw_token(session)
        found = await session.execute(
            text(
                """
                WITH taken AS (
                    DELETE FROM search_dirty WHERE seq IN (
                        SELECT seq FROM search_dirty ORDER BY priority, seq LIMIT :at_once
                        FOR UPDATE SKIP LOCKED)
                    RETURNING entity, id
                ), fanned AS (
                    DELETE FROM company_fanout WHERE seq IN (
                        SELECT seq FROM company_fanout ORDER BY seq LIMIT :companies FOR UPDATE SKIP LOCKED)
                    RETURNING organization_id
                )
                INSERT INTO applied (entity, id, token)
                SELECT changed.entity, changed.id, :token FROM (
                    SELECT entity, id FROM taken WHERE id <> :everything
                    UNION
                    SELECT CAST('c' AS "char"), c.id
                    FROM fanned JOIN contacts c ON c.organization_id = fanned.organization_id
                    UNION
                    SELECT s.entity, s.record_id FROM taken JOIN alert_states s ON s.entity = taken.entity
                    WHERE taken.id = :everything
                ) changed
                ORDER BY changed.entity, changed.id
                RETURNING 1
                """
            ),
            {
                "token": token,
                "at_once": AT_ONCE,
                "companies": _COMPANIES_AT_ONCE,
                "everything": queue.EVERYTHING,
            },
        )
        return len(found.all())
