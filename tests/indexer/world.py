"""The smallest records the feed can carry, and both sides compared."""

from typing import Any

import orjson
from sqlalchemy import text

from db.sessions import SERVICE, Database
from indexer import apply, catalogue, indices
from indexer.bulk import BulkSender
from indexer.feed import ENTITIES, Entity, Feed


async def execute(db: Database, sql: str, **values: Any) -> list[Any]:
    """One statement as the service, committed; its first column."""
    async with db.transaction(SERVICE) as session:
        found = await session.execute(text(sql), values)
        return [row[0] for row in found] if found.returns_rows else []


async def add_organizations(db: Database, count: int = 1, *, name: str = "Acme") -> list[int]:
    return await execute(
        db,
        """
        INSERT INTO organizations (name, name_key, name_sort)
        SELECT :name || ' ' || n, lower(:name) || ' ' || n, lower(:name) || ' ' || n
        FROM generate_series(1, :count) AS n RETURNING id
        """,
        name=name,
        count=count,
    )


async def add_contacts(db: Database, count: int = 1, *, organization: int | None = None) -> list[int]:
    return await execute(
        db,
        """
        INSERT INTO contacts (organization_id, first_name, last_name, full_name, name_terms, name_sort)
        SELECT :organization, 'Ada', 'No' || n, 'Ada No' || n, ARRAY['ada', 'no' || n], 'no' || n || ' ada'
        FROM generate_series(1, :count) AS n RETURNING id
        """,
        organization=organization,
        count=count,
    )


async def rename_contact(db: Database, record: int, last_name: str) -> None:
    await execute(
        db,
        "UPDATE contacts SET last_name = :name, full_name = 'Ada ' || :name, name_sort = lower(:name)"
        " WHERE id = :id",
        name=last_name,
        id=record,
    )


async def drain_queue(feed: Feed) -> int:
    """Apply batches until none is free; how many records were brought."""
    sender, brought = BulkSender(feed.client), 0
    while (batch := await apply.apply_batch(feed, sender)) is not None:
        brought += batch.written + batch.deleted
    return brought


async def stored(feed: Feed, entity: Entity, *, index: str | None = None) -> dict[int, dict[str, Any]]:
    """Every document of an index, after a refresh."""
    name = index or feed.alias(entity)
    await feed.client.indices.refresh(index=name)
    found: dict[int, dict[str, Any]] = {}
    last = -1
    while True:
        answer = await feed.client.search(
            index=name, body={"size": 5_000, "sort": [{"id": "asc"}], "search_after": [last]}
        )
        hits = answer["hits"]["hits"]
        if not hits:
            return found
        for hit in hits:
            assert int(hit["_id"]) not in found
            found[int(hit["_id"])] = hit["_source"]
        last = hits[-1]["sort"][0]


async def wanted(feed: Feed, entity: Entity) -> dict[int, dict[str, Any]]:
    """Every document as the database has it."""
    async with feed.service(read_only=True, snapshot=True) as session:
        ids = await catalogue.between(session, entity, 0, 2**31 - 1)
        bodies = await feed.source.read(session, entity, ids)
    return {record: orjson.loads(body) for record, body in bodies.items()}


async def assert_equal(feed: Feed) -> None:
    """Both sides of the feed say the same of every record."""
    for entity in ENTITIES:
        here, there = await wanted(feed, entity), await stored(feed, entity)
        assert here.keys() == there.keys()
        assert here == there


async def queued(db: Database) -> int:
    return int((await execute(db, "SELECT count(*) FROM search_dirty"))[0])


async def live_index(feed: Feed, entity: Entity) -> str:
    async with feed.service(read_only=True) as session:
        return next(i.name for i in await indices.rows(session, entity) if i.state == "live")
