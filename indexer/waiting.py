"""Reading one's own writes: wait, for a bounded time, until a change can be found."""

import asyncio
import time
from collections.abc import Sequence

from indexer import indices, queue
from indexer.feed import Entity, Feed

LONGEST_S = 10.0
_FIRST_LOOK_S = 0.02
_LOOKS_EVERY_S = 0.1


async def until_searchable(feed: Feed, entity: Entity, ids: Sequence[int], *, within_s: float = 5.0) -> bool:
    """Whether these records' changes, committed before the call, can be found; False when time is up.

    Nothing is forced: the indexer brings the change and the engine shows it at its next refresh. An edit
    that was applied is waited for one refresh longer, for a refresh may have been under way.
    """
    give_up_at = time.monotonic() + min(within_s, LONGEST_S)
    pause = _FIRST_LOOK_S
    while True:
        async with feed.service(read_only=True) as session:
            waiting = await queue.queued_among(session, entity, ids)
            writable = bool(await indices.targets(session, feed, entity))
        if not writable:
            return False
        visible_in = feed.settings.refresh_interval_ms / 1000
        if not waiting:
            if time.monotonic() + visible_in > give_up_at:
                return False
            await asyncio.sleep(visible_in)
            return True
        if time.monotonic() + pause > give_up_at:
            return False
        await asyncio.sleep(pause)
        pause = min(_LOOKS_EVERY_S, pause * 2)
