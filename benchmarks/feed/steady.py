"""From commit to searchable under a steady stream of changes, and what that stream costs who searches."""

import asyncio
import random
import time
from collections.abc import Iterator, Mapping
from typing import Any, Final

import asyncpg
import orjson

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
WARM_UP_S: Final = 20.0
WRITERS: Final = 4
# One change in so many is looked for until a search finds it.
SAMPLED: Final = 20
_SEARCH_EVERY_S: Final = 0.25
_LOOK_EVERY_S: Final = 0.02


async def steady(bench: Bench) -> Table:
    """500 changes a second for a minute, beside one person who searches."""
    table = Table(
        "A steady feed",
        f"{PER_SECOND} single-row transactions a second for {SECONDS:.0f} s by {WRITERS} writers, `leadfuel"
        " work` as a process of its own, one change in"
        f" {SAMPLED} looked for until a search finds it; beside it one new search with 6 facets every"
        f" {_SEARCH_EVERY_S * 1000:.0f} ms over the API, as it was asked before the stream began. Before that"
        f" {WARM_UP_S:.0f} s of the same stream, for a JVM that has just started compiles what it runs.",
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
            await _stream(bench, feed, seconds=WARM_UP_S)
            await settled(feed)
            async with ApiClient(api.url, token) as client:
                await _searches(client, profiles, seconds=10)  # to warm up
                calm = await _searches(client, profiles, seconds=30)
                stream = asyncio.create_task(_stream(bench, feed, seconds=SECONDS))
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


async def _stream(bench: Bench, feed: Feed, *, seconds: float) -> tuple[int, float, list[float]]:
    """The changes made, the seconds they took, and the lags of those that were looked for."""
    watched: dict[int, tuple[str, float]] = {}
    lags: list[float] = []
    written = asyncio.Event()
    watching = asyncio.create_task(_watch(feed, watched, lags, written))
    connections = [await bench.stack.connect(bench.sizes.name) for _ in range(WRITERS)]
    ids = [row["id"] for row in await connections[0].fetch("SELECT id FROM contacts LIMIT 100000")]
    draw = random.Random(1)
    changes = 0
    started = time.monotonic()

    async def write(connection: asyncpg.Connection) -> None:
        nonlocal changes
        while (now := time.monotonic()) - started < seconds:
            if changes >= (now - started) * PER_SECOND:
                await asyncio.sleep(0.002)
                continue
            changes += 1
            record, mark = draw.choice(ids), f"mark {changes:09}"
            is_sample = changes % SAMPLED == 0 and record not in watched
            await connection.execute("UPDATE contacts SET name_sort = $1 WHERE id = $2", mark, record)
            if is_sample:
                watched[record] = (mark, time.monotonic())

    try:
        await asyncio.gather(*(write(connection) for connection in connections))
        took = time.monotonic() - started
    finally:
        written.set()
        await watching
        for connection in connections:
            await connection.close()
    return changes, took, lags


async def _watch(
    feed: Feed, watched: dict[int, tuple[str, float]], lags: list[float], written: asyncio.Event
) -> None:
    """Ask for all marks that are waited for, by one search at a time, and note how long each took to show."""
    while watched or not written.is_set():
        if watched:
            answer = await feed.client.search(
                index=feed.alias("contacts"),
                body={
                    "size": len(watched),
                    "_source": ["name_sort"],
                    "query": {"ids": {"values": [str(record) for record in watched]}},
                },
            )
            now = time.monotonic()
            for hit in answer["hits"]["hits"]:
                mark, committed = watched[int(hit["_id"])]
                shown = hit["_source"].get("name_sort", "")
                if shown.startswith("mark ") and shown >= mark:  # or a later one of the same record
                    lags.append(now - committed)
                    del watched[int(hit["_id"])]
        await asyncio.sleep(_LOOK_EVERY_S)
