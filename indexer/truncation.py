"""A truncated table names no records: those in the index and those in the database are each queued."""

from sqlalchemy import text

from indexer import indices, queue
from indexer.feed import LETTERS, Entity, Feed

_AT_ONCE = 5_000


async def expand(feed: Feed, entity: Entity) -> None:
    """Queue every record the entity's indices hold, or may hold in a moment.

    What another worker has claimed is queued again first: it may have read those records before the table
    was truncated and be about to write them. Only then is the index listed, after a refresh. Records that
    are (or are again) in the database may be under way in a rebuild's scan, so they are queued as well.
    """
    async with feed.service() as session:
        await session.execute(
            text(
                """
                INSERT INTO search_dirty (entity, id, priority)
                SELECT DISTINCT entity, id, CAST(:priority AS smallint) FROM search_dirty
                WHERE entity = CAST(:letter AS "char") AND claimed_by IS NOT NULL AND id <> 0
                """
            ),
            {"letter": LETTERS[entity], "priority": queue.BULK},
        )
        await session.execute(
            text(
                f"""
                INSERT INTO search_dirty (entity, id, priority)
                SELECT CAST(:letter AS "char"), id, CAST(:priority AS smallint) FROM {entity}
                """  # noqa: S608 - the entity is one of two words
            ),
            {"letter": LETTERS[entity], "priority": queue.BULK},
        )
        known = [index.name for index in await indices.rows(session, entity)]
    for name in known:
        if await indices.exists(feed, name):
            await _queue_listed(feed, entity, name)


async def _queue_listed(feed: Feed, entity: Entity, index: str) -> None:
    await feed.client.indices.refresh(index=index)
    last = 0
    while True:
        answer = await feed.client.search(
            index=index,
            body={
                "size": _AT_ONCE,
                "_source": False,
                "sort": [{"id": "asc"}],
                "search_after": [last],
                "track_total_hits": False,
            },
        )
        hits = answer["hits"]["hits"]
        if not hits:
            return
        async with feed.service() as session:
            await queue.enqueue(session, entity, [int(hit["_id"]) for hit in hits], priority=queue.BULK)
        last = hits[-1]["sort"][0]
