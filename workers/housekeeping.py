"""The daily round: what time itself changes in the data, and what may be cleared away."""

import asyncio
import time
from datetime import date

from opensearchpy.exceptions import TransportError
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from core import clock
from core.logs import get_logger
from core.settings import Settings
from db.sessions import SERVICE, Database
from domain.auth import upkeep as sign_in
from domain.credits import upkeep
from indexer import queue, rebuild
from indexer.feed import ENTITIES, Feed
from indexer.loop import rest

log = get_logger(__name__)

# More often than daily: the round is cheap when nothing is due, and a restart must not skip a day.
EVERY_S = 3_600.0
AT_ONCE = 5_000
KEEP_REPLACED_INDICES_S = 24 * 3600.0
KEEP_APPLIED_S = 24 * 3600.0


async def run(settings: Settings, db: Database, feed: Feed | None, stop: asyncio.Event) -> None:
    """Make the round at once and then every hour; the books are compared once a day."""
    compared_on: date | None = None
    while not stop.is_set():
        started = time.monotonic()
        ended = await end_positions(db)
        forgotten = await forget_applied(db)
        dropped = await drop_replaced_indices(feed) if feed is not None else []
        accounts = await upkeep.bring_up_to_date(db)
        answers = await forget_answers(db)
        sign_ins = await sign_in.forget_old(db, settings)
        if compared_on != clock.today():
            await upkeep.watch(db)
            compared_on = clock.today()
        log.info(
            "the round was made",
            positions_ended=ended,
            accounts_brought_up_to_date=accounts,
            answers_forgotten=answers,
            sign_ins_forgotten=sign_ins,
            applied_forgotten=forgotten,
            indices_dropped=dropped,
            duration_ms=round((time.monotonic() - started) * 1000),
        )
        await rest(stop, EVERY_S)


async def drop_replaced_indices(feed: Feed) -> list[str]:
    """Delete indices that were replaced long enough ago; with the engine down, the next round does."""
    try:
        return [
            name
            for entity in ENTITIES
            for name in await rebuild.drop_orphans(feed, entity, kept_for_s=KEEP_REPLACED_INDICES_S)
        ]
    except TransportError:
        return []


async def end_positions(db: Database) -> int:
    """Mark positions as past whose last day has come; how many. In small transactions, oldest first."""
    ended = 0
    while True:
        async with db.transaction(SERVICE) as session:
            changed = await _end_some(session)
        ended += changed
        if changed < AT_ONCE:
            return ended


async def forget_applied(db: Database) -> int:
    """Delete the record of what was applied to the index longer ago than anybody will ask; how many."""
    forgotten = 0
    while True:
        async with db.transaction(SERVICE) as session:
            some = await queue.forget_applied(session, older_than_s=KEEP_APPLIED_S)
        forgotten += some
        if not some:
            return forgotten


async def forget_answers(db: Database) -> int:
    """Delete answers kept for an Idempotency-Key that nobody can ask for any more; how many."""
    async with db.transaction(SERVICE) as session:
        found = await session.execute(
            text(
                "DELETE FROM idempotency_keys WHERE created_at <= app.now() - interval '24 hours' RETURNING 1"
            )
        )
        return len(found.all())


async def _end_some(session: AsyncSession) -> int:
    found = await session.execute(
        text(
            """
            UPDATE employment_history SET is_past = true
            WHERE id IN (
                SELECT id FROM employment_history
                WHERE NOT is_past AND end_date <= CAST(app.now() AS date)
                ORDER BY end_date LIMIT :at_once
                FOR UPDATE SKIP LOCKED
            )
            RETURNING 1
            """
        ),
        {"at_once": AT_ONCE},
    )
    return len(found.all())
