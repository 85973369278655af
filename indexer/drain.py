"""Work the queue off to where it stands now; what `refresh` and the end of a rebuild wait for."""

import asyncio
from collections.abc import Sequence

from indexer import fanout, queue
from indexer.apply import apply_batch
from indexer.bulk import BulkSender
from indexer.feed import ENTITIES, Entity, Feed
from indexer.indices import EngineDown, IndexRefused

_PAUSE_S = 0.05


async def drain(feed: Feed, sender: BulkSender, *, entities: Sequence[Entity] = ENTITIES) -> int:
    """Bring everything that is queued now to the index; how many records this call itself brought.

    Rows another worker holds are waited for, whether it writes them or its lease ends.
    """
    if "contacts" in entities:
        while await fanout.expand_piece(feed) is not None:
            pass
    async with feed.service() as session:
        newest = await queue.newest(session)
    brought = 0
    while True:
        batch = await apply_batch(feed, sender, entities=entities)
        if batch is not None:
            if batch.stopped:
                raise IndexRefused(f"OpenSearch takes no documents: {batch.stopped}")
            if batch.busy and not batch.written and not batch.deleted:
                raise EngineDown(batch.busy)
            brought += batch.written + batch.deleted
        async with feed.service() as session:
            if not await queue.waiting_up_to(session, entities, newest):
                return brought
        if batch is None:
            await asyncio.sleep(_PAUSE_S)
