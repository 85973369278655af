"""Whether index and database agree, and which documents do not.

The engine sums the hashes of its documents by ranges of ids; the same sums are made from documents read
anew from PostgreSQL. Only ranges that differ are looked into. A suspect counts as drift only if it is
seen to differ while nothing is queued for it and its record stands still; so writes that are on their way
raise no alarm. A full verify compares the stored documents themselves, and so finds what was altered
without touching the hash.
"""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from indexer import catalogue, control, indices, queue
from indexer.feed import LETTERS, Entity, Feed
from indexer.indices import IndexRefused
from search.documents import HASH_FIELD, content_hash

# Sums of so many 31-bit hashes stay below 2^53, where the engine's sums are exact; and a range can be
# listed in one page.
RANGE = 10_000
SOURCES_AT_ONCE = 2_000
CONFIRM_ATTEMPTS = 6
# A deletion by hand has a version, too, that nobody can ask for; it is one above that of the document.
OUTRUN = 1_000

# So many of the documents that differ are kept by name.
NAMED = 100

Kind = Literal["missing", "extra", "stale", "altered", "rejected"]
Report = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Drift:
    """A document that is not what the database says."""

    entity: Entity
    id: int
    kind: Kind


@dataclass(frozen=True, slots=True)
class Verified:
    """What a verify saw."""

    entity: Entity
    index: str
    records: int
    documents: int
    drift: tuple[Drift, ...]
    undecided: int
    ranges: int
    full: bool
    sampled: bool
    seconds: float


@dataclass(frozen=True, slots=True)
class _Sum:
    count: int = 0
    total: int = 0


async def verify(
    feed: Feed,
    entity: Entity,
    *,
    full: bool = False,
    sample: float | None = None,
    seed: int | None = None,
    report: Report = lambda _done, _of: None,
    pause_s: float = 0.0,
) -> Verified:
    """Compare the live index with the database; `sample` is the share of ranges that is looked at.

    `pause_s` between ranges makes it a slow sweep that nobody notices.
    """
    started = time.monotonic()
    index = await _live_index(feed, entity)
    await feed.client.indices.refresh(index=index)
    sums = await _engine_sums(feed, index)
    async with feed.service(read_only=True) as session:
        highest = await catalogue.highest(session, entity)
    ranges = list(range(max([highest // RANGE, *sums]) + 1))
    if sample is not None:
        chosen = random.Random(seed).sample(ranges, max(1, round(len(ranges) * sample)))  # noqa: S311
        ranges = sorted(chosen)
    records = 0
    suspects: list[int] = []
    for done, number in enumerate(ranges, start=1):
        hashes = await _database_hashes(feed, entity, number)
        records += len(hashes)
        here = _Sum(len(hashes), sum(hashes.values()))
        if here != sums.get(number, _Sum()):
            there = await _engine_hashes(feed, index, number)
            suspects += [i for i in hashes.keys() | there.keys() if hashes.get(i) != there.get(i)]
        if full:
            suspects += await _altered_sources(feed, entity, index, number)
        report(done, len(ranges))
        if pause_s:
            await asyncio.sleep(pause_s)
    drift, undecided = await _confirm(feed, entity, index, sorted(set(suspects)))
    return Verified(
        entity,
        index,
        records,
        sum(sums.get(number, _Sum()).count for number in ranges),
        tuple(drift),
        undecided,
        len(ranges),
        full,
        sample is not None,
        time.monotonic() - started,
    )


async def check(feed: Feed, entity: Entity) -> None:
    """Raise what `verify` would refuse with at its beginning."""
    await _live_index(feed, entity)


async def repair(feed: Feed, drift: Sequence[Drift]) -> int:
    """Queue exactly the records whose documents differ; how many.

    Whoever edits or deletes a document by hand raises its version, so the tokens are first drawn past it.
    """
    wanted: dict[Entity, list[int]] = {}
    for each in drift:
        wanted.setdefault(each.entity, []).append(each.id)
    for entity, ids in wanted.items():
        highest = await _highest_version(feed, entity, ids)
        async with feed.service() as session:
            if not await queue.outrun(session, highest, margin=OUTRUN):
                raise IndexRefused(
                    f"Documents of {entity} have the version {highest}, which the feed will never "
                    "reach. `leadfuel index rebuild` makes the index anew."
                )
            await queue.enqueue(session, entity, ids)
    return len(drift)


async def _highest_version(feed: Feed, entity: Entity, ids: Sequence[int]) -> int:
    index = await _live_index(feed, entity)
    highest = 0
    for at in range(0, len(ids), SOURCES_AT_ONCE):
        answer = await feed.client.mget(
            index=index,
            body={"ids": [str(record) for record in ids[at : at + SOURCES_AT_ONCE]]},
            params={"_source": "false"},
        )
        highest = max([highest, *(each.get("_version", 0) for each in answer["docs"])])
    return highest


async def verify_and_remember(
    feed: Feed,
    entity: Entity,
    *,
    full: bool = False,
    sample: float | None = None,
    mend: bool = False,
    report: Report = lambda _done, _of: None,
    pause_s: float = 0.0,
) -> Verified:
    """Verify, keep the outcome for the status, and with `mend` queue what differs."""
    found = await verify(feed, entity, full=full, sample=sample, report=report, pause_s=pause_s)
    await remember(feed, found)
    if mend:
        await repair(feed, found.drift)
    return found


async def remember(feed: Feed, verified: Verified) -> None:
    """Keep the outcome, for the status."""
    async with feed.service() as session:
        await control.remember(
            session,
            control.verified(verified.entity),
            {
                "index": verified.index,
                "records": verified.records,
                "documents": verified.documents,
                "drift": len(verified.drift),
                "differing": [{"id": each.id, "kind": each.kind} for each in verified.drift[:NAMED]],
                "undecided": verified.undecided,
                "ranges": verified.ranges,
                "full": verified.full,
                "sampled": verified.sampled,
                "seconds": round(verified.seconds, 3),
            },
        )
        if not verified.drift and not verified.sampled:
            await control.forget(session, control.ahead(verified.entity))


async def _live_index(feed: Feed, entity: Entity) -> str:
    async with feed.service(read_only=True) as session:
        known = await indices.rows(session, entity)
    for index in known:
        if index.state == "live" and await indices.exists(feed, index.name):
            return index.name
    raise IndexRefused(f"There is no live index of {entity} to verify. `leadfuel index rebuild` builds one.")


async def _engine_sums(feed: Feed, index: str) -> dict[int, _Sum]:
    answer = await feed.client.search(
        index=index,
        body={
            "size": 0,
            "track_total_hits": False,
            "aggs": {
                "ranges": {
                    "histogram": {"field": "id", "interval": RANGE, "min_doc_count": 1},
                    "aggs": {"total": {"sum": {"field": HASH_FIELD}}},
                }
            },
        },
        params={"request_timeout": 300, "request_cache": "false"},
    )
    return {
        int(bucket["key"]) // RANGE: _Sum(bucket["doc_count"], int(bucket["total"]["value"]))
        for bucket in answer["aggregations"]["ranges"]["buckets"]
    }


async def _database_hashes(feed: Feed, entity: Entity, number: int) -> dict[int, int]:
    hashes: dict[int, int] = {}
    for ids in await _ids(feed, entity, number):
        async with feed.service(read_only=True) as session:
            bodies = await feed.source.read(session, entity, ids)
        hashes.update({record: content_hash(body) for record, body in bodies.items()})
    return hashes


async def _ids(feed: Feed, entity: Entity, number: int) -> list[list[int]]:
    async with feed.service(read_only=True) as session:
        ids = await catalogue.between(session, entity, number * RANGE, (number + 1) * RANGE)
    return [ids[at : at + SOURCES_AT_ONCE] for at in range(0, len(ids), SOURCES_AT_ONCE)]


async def _engine_hashes(feed: Feed, index: str, number: int) -> dict[int, int | None]:
    answer = await feed.client.search(
        index=index,
        body={
            "size": RANGE,
            "_source": False,
            "docvalue_fields": [HASH_FIELD],
            "query": {"range": {"id": {"gte": number * RANGE, "lt": (number + 1) * RANGE}}},
        },
        params={"request_timeout": 60},
    )
    return {
        int(hit["_id"]): next(iter(hit.get("fields", {}).get(HASH_FIELD, [])), None)
        for hit in answer["hits"]["hits"]
    }


async def _altered_sources(feed: Feed, entity: Entity, index: str, number: int) -> list[int]:
    altered = []
    for ids in await _ids(feed, entity, number):
        async with feed.service(read_only=True) as session:
            bodies = await feed.source.read(session, entity, ids)
        stored = await _stored(feed, index, ids)
        altered += [
            record
            for record, body in bodies.items()
            if record in stored and stored[record] != orjson.loads(body)
        ]
    return altered


async def _stored(feed: Feed, index: str, ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    """The documents as the engine holds them now, whether a search can see them yet or not."""
    if not ids:
        return {}
    answer = await feed.client.mget(index=index, body={"ids": [str(record) for record in ids]})
    return {int(each["_id"]): each["_source"] for each in answer["docs"] if each.get("found")}


async def _confirm(
    feed: Feed, entity: Entity, index: str, suspects: Sequence[int]
) -> tuple[list[Drift], int]:
    """The suspects that differ for certain, and how many could not be judged for being in motion."""
    drift: list[Drift] = []
    waiting = list(suspects)
    for attempt in range(CONFIRM_ATTEMPTS):
        undecided: list[int] = []
        for at in range(0, len(waiting), SOURCES_AT_ONCE):
            ids = waiting[at : at + SOURCES_AT_ONCE]
            once, moving = await _judge(feed, entity, index, ids)
            # Seen twice: a record that was changed and changed back in between looks still, too.
            twice, moving_again = await _judge(feed, entity, index, [each.id for each in once])
            drift += twice
            undecided += [*moving, *moving_again]
        waiting = undecided
        if not waiting:
            break
        await asyncio.sleep(0.1 * 2**attempt)
    return sorted(drift, key=lambda each: each.id), len(waiting)


async def _judge(feed: Feed, entity: Entity, index: str, ids: Sequence[int]) -> tuple[list[Drift], list[int]]:
    if not ids:
        return [], []
    # One snapshot: a change that the read sees was either queued in it, or written before `_stored` looks.
    async with feed.service(read_only=True, snapshot=True) as session:
        moving = await _in_motion(session, entity, ids)
        before = await feed.source.read(session, entity, ids)
    stored = await _stored(feed, index, ids)
    async with feed.service(read_only=True) as session:
        after = await feed.source.read(session, entity, ids)
        moving |= await _in_motion(session, entity, ids)
        rejected = await _rejected(session, entity, ids)
    drift, undecided = [], []
    for record in ids:
        kind = _difference(before.get(record), stored.get(record))
        if kind is None:
            continue
        if record in moving or before.get(record) != after.get(record):
            undecided.append(record)
        else:
            drift.append(Drift(entity, record, "rejected" if record in rejected else kind))
    return drift, undecided


def _difference(body: bytes | None, stored: dict[str, Any] | None) -> Kind | None:
    if body is None:
        return None if stored is None else "extra"
    if stored is None:
        return "missing"
    if stored == orjson.loads(body):
        return None
    return "altered" if stored.get(HASH_FIELD) == content_hash(body) else "stale"


async def _in_motion(session: AsyncSession, entity: Entity, ids: Sequence[int]) -> set[int]:
    """Which of the records wait in the queue, or will because their company's change is not expanded yet."""
    moving = await queue.queued_among(session, entity, ids)
    if entity == "contacts":
        found = await session.execute(
            text(
                """
                SELECT id FROM contacts
                WHERE id = ANY(CAST(:ids AS integer[]))
                  AND organization_id IN (SELECT organization_id FROM company_fanout)
                """
            ),
            {"ids": list(ids)},
        )
        moving |= set(found.scalars())
    truncated = await session.execute(
        text('SELECT count(*) FROM search_dirty WHERE id = 0 AND entity = CAST(:letter AS "char")'),
        {"letter": LETTERS[entity]},
    )
    return set(ids) if truncated.scalar_one() else moving


async def _rejected(session: AsyncSession, entity: Entity, ids: Sequence[int]) -> set[int]:
    found = await session.execute(
        text("SELECT id FROM dead_letters WHERE entity = :entity AND id = ANY(CAST(:ids AS integer[]))"),
        {"entity": entity, "ids": list(ids)},
    )
    return set(found.scalars())
