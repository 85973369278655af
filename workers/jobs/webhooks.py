"""The loop that sends what webhooks are to hear, and the notice of one that was switched off."""

import asyncio
import time
import uuid
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from core.logs import get_logger
from core.settings import Settings
from db.sessions import Database
from domain.webhooks import sending
from domain.webhooks.sending import Due, Outcome, Sender

log = get_logger(__name__)

NOTICE: Final = sending.NOTICE
EVERY_S: Final = 0.5
FORGET_EVERY_S: Final = 3_600.0
AT_ONCE: Final = 20
# A slow receiver keeps so many of them busy, and the others go on.
PER_WEBHOOK: Final = 4


async def notice(settings: Settings, db: Database, payload: Mapping[str, Any]) -> None:
    """Mail the notice that the payload's webhook was switched off."""
    await sending.send_notice(settings, db, webhook_id=uuid.UUID(payload["webhook_id"]))


async def run(settings: Settings, db: Database, stop: asyncio.Event) -> None:
    """Send until it is time to stop; what is under way then is finished."""
    sender = Sender(settings, db)
    running: dict[asyncio.Task[Outcome], Due] = {}
    forgotten_at = float("-inf")
    stopping = asyncio.create_task(stop.wait())
    try:
        while not stop.is_set():
            if time.monotonic() - forgotten_at >= FORGET_EVERY_S:
                forgotten_at = time.monotonic()
                await sending.forget(db)
            counts = Counter(due.webhook_id for due in running.values())
            busy = {webhook for webhook, count in counts.items() if count >= PER_WEBHOOK}
            if room := AT_ONCE - len(running):
                for due in await sending.claim(db, limit=room, per_webhook=PER_WEBHOOK, busy=busy):
                    running[asyncio.create_task(sender.deliver(due))] = due
            await asyncio.wait({*running, stopping}, timeout=EVERY_S, return_when=asyncio.FIRST_COMPLETED)
            for task in [one for one in running if one.done()]:
                due, outcome = running.pop(task), task.result()
                if not outcome.is_delivered:
                    log.info(
                        "a delivery failed",
                        **{"webhook.id": str(due.webhook_id), "http.status": outcome.status},
                    )
        await asyncio.gather(*running, return_exceptions=True)
    finally:
        stopping.cancel()
        for task in running:
            task.cancel()
        await sender.close()
