"""One record, now: sent while somebody watches, or shown on both sides at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from opensearchpy.exceptions import NotFoundError
from sqlalchemy import text

from core.errors import NotFound
from indexer import apply, deadletters, indices, queue
from indexer.bulk import BulkSender
from indexer.feed import LETTERS, Entity, Feed
from indexer.indices import IndexRefused
from search.documents import HASH_FIELD


@dataclass(frozen=True, slots=True)
class SentRecord:
    """What was sent for a record: its document, or its deletion."""

    entity: Entity
    id: int
    token: int
    outcome: str
    document: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Explained:
    """A record in the database, in the index and in the queue, side by side."""

    entity: Entity
    id: int
    verdict: str
    document: dict[str, Any] | None
    document_hash: int | None
    indexed: dict[str, Any] | None
    indexed_hash: int | None
    version: int | None
    index: str | None
    queued: list[dict[str, Any]]
    dead_letter: str | None


async def send(feed: Feed, entity: Entity, ids: Sequence[int]) -> list[SentRecord]:
    """Send these records as they are now, past the queue, and make them searchable; raises `EngineDown`."""
    await indices.check_engine(feed)
    wanted = sorted(set(ids))
    async with feed.service() as session:
        token = await queue.draw_token(session)
    async with feed.service(read_only=True) as session:
        bodies = await feed.source.read(session, entity, wanted)
    sent = await apply.write(feed, BulkSender(feed.client), entity, wanted, token=token)
    async with feed.service() as session:
        await deadletters.supersede(session, entity, sent.done)
        await deadletters.record(session, entity, sent.rejected)
        await apply.requeue_vanished(
            session, entity, [*sent.written, *(letter.id for letter in sent.rejected)]
        )
        if sent.later:
            await queue.enqueue(session, entity, sent.later)
    await indices.refresh(feed, entity)
    rejected = {letter.id: letter.reason for letter in sent.rejected}
    later = sent.reasons[0].reason if sent.reasons else ""
    return [
        SentRecord(
            entity,
            record,
            token,
            outcome=(
                f"rejected: {rejected[record]}"
                if record in rejected
                else f"not taken, queued: {later}"
                if record in sent.later
                else "indexed"
                if record in bodies
                else "deleted, for it is not in the database"
            ),
            document=orjson.loads(bodies[record]) if record in bodies else None,
        )
        for record in wanted
    ]


async def explain(feed: Feed, entity: Entity, record: int) -> Explained:
    """Everything known about a record; raises `NotFound` when neither side has heard of it."""
    async with feed.service(read_only=True, snapshot=True) as session:
        body = (await feed.source.read(session, entity, [record])).get(record)
        found = await session.execute(
            text(
                """
                SELECT seq, priority, queued_at, claimed_until FROM search_dirty
                WHERE entity = CAST(:letter AS "char") AND id = :id ORDER BY seq
                """
            ),
            {"letter": LETTERS[entity], "id": record},
        )
        queued = [dict(row) for row in found.mappings()]
        try:
            dead = (await deadletters.show(session, entity, record)).reason
        except NotFound:
            dead = None
        live = next((i.name for i in await indices.rows(session, entity) if i.state == "live"), None)
    stored = await _stored(feed, live, record) if live else None
    if body is None and stored is None and not queued and dead is None:
        raise NotFound(f"There is no record {record} of {entity}, and no trace of one.")
    document = None if body is None else orjson.loads(body)
    indexed = stored["_source"] if stored else None
    return Explained(
        entity,
        record,
        verdict=_verdict(document, indexed, queued=bool(queued), dead=dead),
        document=document,
        document_hash=None if document is None else document[HASH_FIELD],
        indexed=indexed,
        indexed_hash=None if indexed is None else indexed.get(HASH_FIELD),
        version=stored["_version"] if stored else None,
        index=live,
        queued=queued,
        dead_letter=dead,
    )


async def _stored(feed: Feed, index: str, record: int) -> dict[str, Any] | None:
    if not await indices.exists(feed, index):
        raise IndexRefused(
            f"The index {index} is gone from OpenSearch. `leadfuel index rebuild` builds a new one."
        )
    try:
        answer: dict[str, Any] = await feed.client.get(index=index, id=str(record))
    except NotFoundError:
        return None
    return answer


def _verdict(
    document: dict[str, Any] | None, indexed: dict[str, Any] | None, *, queued: bool, dead: str | None
) -> str:
    if document == indexed:
        return "both sides agree" if document is not None else "gone from both sides"
    if dead is not None:
        return f"the engine rejects the document: {dead}"
    if queued:
        return "the index is behind; the change is queued"
    return "the index is wrong, and nothing is queued: `leadfuel index refresh` sends it"
