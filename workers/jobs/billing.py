"""The jobs of billing, its alarms and letters, and the loop that asks Stripe what we have missed."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from core.logs import get_logger
from core.settings import Settings
from db.sessions import Database
from domain import alarms
from domain.billing import catching_up, comparing, inbox, leaving, letters
from domain.billing.cloud import Unreachable
from domain.billing.gateway import open_cloud
from domain.billing.handling import handle
from indexer.loop import rest

log = get_logger(__name__)

# The names under which they stand in the outbox.
EVENT: Final = inbox.JOB
ALARM: Final = alarms.JOB
LETTER: Final = letters.JOB
LEAVE: Final = leaving.JOB
CATCH_UP_EVERY_S: Final = 3_600.0


async def event(settings: Settings, db: Database, payload: Mapping[str, Any]) -> None:
    """Act upon the event the payload names."""
    async with open_cloud(settings.billing) as cloud:
        await handle(db, cloud, settings.billing, event_id=payload["event_id"])


async def alarm(settings: Settings, db: Database, payload: Mapping[str, Any]) -> None:
    """Mail an alarm."""
    await alarms.send(settings, db, payload)


async def letter(settings: Settings, db: Database, payload: Mapping[str, Any]) -> None:
    """Mail a letter about somebody's payments."""
    await letters.send(settings, db, payload)


async def leave(settings: Settings, db: Database, payload: Mapping[str, Any]) -> None:  # noqa: ARG001
    """End at Stripe what somebody who has been erased had there."""
    async with open_cloud(settings.billing) as cloud:
        await leaving.leave(cloud, payload)


async def catch_up(settings: Settings, db: Database, stop: asyncio.Event) -> None:
    """Ask for what was missed, at the start and then every hour; each day that has ended is compared."""
    while not stop.is_set():
        try:
            async with open_cloud(settings.billing) as cloud:
                missed = await catching_up.catch_up(db, cloud, settings.billing)
                log.info("payments were caught up with", missed=missed)
                differences = await comparing.compare_due(db, cloud, settings.billing)
                log.info("payments were compared with Stripe's", differences=len(differences))
        except Unreachable:
            log.warning("Stripe does not answer; what was missed waits for the next round")
        await rest(stop, CATCH_UP_EVERY_S)
