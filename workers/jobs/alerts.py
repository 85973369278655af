"""The loop that compares what the index feed has applied with the saved ICPs that are watched."""

import asyncio
import time
from typing import Final

from core.logs import get_logger
from core.settings import Settings
from db.sessions import Database
from domain import alerts
from indexer.loop import rest
from search.engine import Searcher

log = get_logger(__name__)

EVERY_S: Final = 1.0
FORGET_EVERY_S: Final = 3_600.0


async def run(settings: Settings, db: Database, stop: asyncio.Event) -> None:
    """Go on as long as there is something to compare, then look again every second."""
    searcher = Searcher(settings, db)
    forgotten_at = 0.0
    try:
        while not stop.is_set():
            if time.monotonic() - forgotten_at >= FORGET_EVERY_S:
                forgotten_at = time.monotonic()
                await alerts.forget(db)
            compared = await alerts.evaluate(db, searcher)
            if compared < alerts.AT_ONCE:
                await rest(stop, EVERY_S)
    finally:
        await searcher.close()
