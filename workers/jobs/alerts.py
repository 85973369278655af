"""The loops of alerts: comparing what the index feed has applied, and telling those who asked to be told."""

import asyncio
import time
from typing import Final

from core.settings import Settings
from db.sessions import Database
from domain.alerts import delivery, evaluation, feed
from indexer.loop import rest
from search.engine import Searcher

EVERY_S: Final = 0.5
FORGET_EVERY_S: Final = 3_600.0


async def compare(settings: Settings, db: Database, stop: asyncio.Event) -> None:
    """Go on as long as there is something to compare, then look again soon."""
    searcher = Searcher(settings, db)
    evaluator = evaluation.Evaluator(db, searcher)
    forgotten_at = float("-inf")
    try:
        while not stop.is_set():
            if time.monotonic() - forgotten_at >= FORGET_EVERY_S:
                forgotten_at = time.monotonic()
                await feed.forget(db)
            if await evaluator.evaluate() < evaluation.AT_ONCE:
                await rest(stop, EVERY_S)
    finally:
        await searcher.close()


async def tell(settings: Settings, db: Database, stop: asyncio.Event) -> None:
    """Queue what webhooks are to hear, and send the mails that are due."""
    searcher = Searcher(settings, db)
    try:
        while not stop.is_set():
            told = await delivery.to_webhooks(db, searcher)
            told += await delivery.by_mail(settings, db, searcher)
            if not told:
                await rest(stop, EVERY_S)
    finally:
        await searcher.close()
