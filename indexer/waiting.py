"""Reading one's own writes: wait, for a bounded time, until a change can be found."""

import asyncio
import time
from collections.abc import Sequence

from opensearchpy.exceptions import TransportError

from indexer import indices, queue
from indexer.feed import Entity, Feed

WITHIN_S = 5.0
_FIRST_LOOK_S = 0.02
_LOOKS_EVERY_S = 0.1


async def until_searchable(
    feed: Feed, entity: Entity, ids: Sequence[int], *, within_s: float | None = None
) -> bool:
    """Whether these records' changes, committed before the call, can be found; False when time is up.

    Nothing is forced: the indexer brings the change and the engine shows it at its next refresh.
    """
    give_up_at = time.monotonic() + (WITHIN_S if within_s is None else within_s)
    pause = _FIRST_LOOK_S
    while True:
        async with feed.service(read_only=True) as session:
            waiting = await queue.queued_among(session, entity, ids)
            writable = bool(await indices.targets(session, feed, entity))
        if not writable:
            return False
        if not waiting and await _shown(feed, entity, ids):
            return True
        if time.monotonic() + pause > give_up_at:
            return False
        await asyncio.sleep(pause)
        pause = min(_LOOKS_EVERY_S, pause * 2)


async def _shown(feed: Feed, entity: Entity, ids: Sequence[int]) -> bool:
    """Whether searches see the records under the very versions they were last written with, or as deleted."""
    names = [str(record) for record in ids]
    try:
        written = await feed.client.mget(
            index=feed.alias(entity), body={"ids": names}, params={"_source": "false"}
        )
        shown = await feed.client.search(
            index=feed.alias(entity),
            body={
                "size": len(names),
                "_source": False,
                "version": True,
                "query": {"ids": {"values": names}},
            },
        )
    except TransportError:
        return False
    return {each["_id"]: each["_version"] for each in written["docs"] if each.get("found")} == {
        hit["_id"]: hit["_version"] for hit in shown["hits"]["hits"]
    }
