"""Verify as a habit: now and then, slowly, every range of both indices."""

import asyncio
from datetime import UTC, datetime

from core.errors import LeadFuelError
from core.logs import get_logger
from indexer import control, verify
from indexer.feed import ENTITIES, Entity, Feed
from indexer.loop import rest

log = get_logger(__name__)

EVERY_S = 6 * 3600.0
LOOKS_EVERY_S = 300.0
PAUSE_S = 0.5
FIRST_AFTER_S = 60.0


async def run(feed: Feed, stop: asyncio.Event) -> None:
    """Sweep each index whose last verify, by whomever, is long ago; what differs is told, not repaired."""
    await rest(stop, FIRST_AFTER_S)
    while not stop.is_set():
        for entity in ENTITIES:
            if not stop.is_set() and await due(feed, entity):
                await sweep(feed, entity)
        await rest(stop, LOOKS_EVERY_S)


async def due(feed: Feed, entity: Entity) -> bool:
    async with feed.service(read_only=True) as session:
        last = await control.recall(session, control.verified(entity))
    if last is None or last.get("sampled"):
        return True
    age_s: float = (datetime.now(UTC) - last["at"]).total_seconds()
    return age_s > EVERY_S


async def sweep(feed: Feed, entity: Entity, *, pause_s: float = PAUSE_S) -> verify.Verified | None:
    """One slow verify, kept for the status; None when there is no index to verify."""
    try:
        found = await verify.verify_and_remember(feed, entity, pause_s=pause_s)
    except LeadFuelError as error:
        log.info("the index could not be swept", entity=entity, reason=error.detail)
        return None
    if found.drift:
        log.error(
            "index and database differ",
            entity=entity,
            documents=len(found.drift),
            first=[(each.kind, each.id) for each in found.drift[:10]],
        )
    return found
