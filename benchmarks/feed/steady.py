"""From commit to searchable under a steady stream of changes, and what that stream costs who searches."""

import asyncio
import itertools
import random
import time
from collections.abc import Iterator, Mapping
from typing import Any, Final

import orjson
from sqlalchemy import text

from benchmarks.clients import ApiClient
from benchmarks.draws import Draws, read
from benchmarks.environment import Bench, serving, token_of
from benchmarks.feed.world import connected, settled, working
from benchmarks.report import Row, Table
from benchmarks.searches import request
from indexer.feed import Feed
from indexer.heartbeat import quantile

PER_SECOND: Final = 500
SECONDS: Final = 60.0
WRITERS: Final = 4
# One change in so many is looked for until a search finds it.
SAMPLED: Final = 20
_SEARCH_EVERY_S: Final = 0.25


async def steady(bench: Bench) -> Table:
    """500 changes a second for a minute, beside one person who searches."""
    table = Table(
        "A steady feed",
        f"{PER_SECOND} single-row transactions a second for {SECONDS:.0f} s by {WRITERS} writers, `leadfuel"
        " work` as a process of its own, one change in"
        f" {SAMPLED} looked for until a search finds it; beside it one new search with 6 facets every"
        f" {_SEARCH_EVERY_S * 1000:.0f} ms over the API, as it was asked before the stream began.",
        ["what", "samples"],
        "figure",
    )
    connection = await bench.stack.connect(bench.sizes.name)
    draws = Draws(await read(connection), bench.sizes.seed)
    await connection.close()
    profiles = draws.any()
    _, token = await token_of(bench.settings, "searcher@bench.example")
    async with connected(bench.settings) as feed, serving(bench) as api:
        with working(bench):
            await settled(feed)
            async with ApiClient(api.url, token) as client:
                await _searches(client, profiles, seconds=10)  # to warm up
                calm = await _searches(client, profiles, seconds=30)
                stream = asyncio.create_task(_stream(feed))
                busy = await _searches(client, profiles, seconds=SECONDS)
                changes, took, lags = await stream
            await settled(feed)
    limit_s = bench.settings.opensearch.refresh_interval_ms / 1000 + 0.5
    table.rows += [
        Row("changes a second", [f"{changes:,}"], changes / took, PER_SECOND * 0.98, at_most=False),
        Row("commit to searchable, p50", [f"{len(lags):,}"], quantile(lags, 0.5), unit=" s"),
        Row("commit to searchable, p99", [f"{len(lags):,}"], quantile(lags, 0.99), limit_s, unit=" s"),
        Row("search p50 without the stream", [f"{len(calm):,}"], quantile(calm, 0.5) * 1000, unit=" ms"),
        Row("search p50 under the stream", [f"{len(busy):,}"], quantile(busy, 0.5) * 1000, unit=" ms"),
        Row("search p99 under the stream", [f"{len(busy):,}"], quantile(busy, 0.99) * 1000, unit=" ms"),
    ]
    table.notes.append(f"The goal of the p99 is the refresh interval and half a second, {limit_s:.1f} s.")
    return table


async def _searches(
    client: ApiClient, profiles: Iterator[Mapping[str, Any]], *, seconds: float
) -> list[float]:
    """How long each of the searches took; never the same one twice."""
    took = []
    ends = time.monotonic() + seconds
    while (started := time.monotonic()) < ends:
        await client.search(orjson.dumps(request(next(profiles), facets=True)))
        took.append(time.monotonic() - started)
        await asyncio.sleep(max(0.0, _SEARCH_EVERY_S - took[-1]))
    return took


async def _stream(feed: Feed) -> tuple[int, float, list[float]]:
    """The changes made, the seconds they took, and the lags of those that were looked for."""
    async with feed.service(read_only=True) as session:
        ids = list((await session.execute(text("SELECT id FROM contacts LIMIT 100000"))).scalars())
    draw = random.Random(1)
    looked_for: list[asyncio.Task[float]] = []
    started = time.monotonic()
    numbers = itertools.count()
    changes = 0

    async def write() -> None:
        nonlocal changes
        while (now := time.monotonic()) - started < SECONDS:
            if changes >= (now - started) * PER_SECOND:
                await asyncio.sleep(0.002)
                continue
            changes += 1
            record, mark = draw.choice(ids), f"mark {next(numbers):09}"
            async with feed.service() as session:
                await session.execute(
                    text("UPDATE contacts SET name_sort = :mark WHERE id = :id"), {"mark": mark, "id": record}
                )
            if changes % SAMPLED == 0:
                looked_for.append(asyncio.create_task(_lag(feed, record, mark)))

    await asyncio.gather(*(write() for _ in range(WRITERS)))
    took = time.monotonic() - started
    return changes, took, list(await asyncio.gather(*looked_for))


async def _lag(feed: Feed, record: int, mark: str) -> float:
    """Seconds from now until a search sees the mark, or a later one."""
    committed = time.monotonic()
    while True:
        answer = await feed.client.search(
            index=feed.alias("contacts"),
            body={"size": 1, "_source": ["name_sort"], "query": {"ids": {"values": [str(record)]}}},
        )
        hits = answer["hits"]["hits"]
        shown = hits[0]["_source"].get("name_sort", "") if hits else ""
        if shown.startswith("mark ") and shown >= mark:
            return time.monotonic() - committed
        await asyncio.sleep(0.02)
