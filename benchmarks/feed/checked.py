"""A verify of many equal documents against one full scan of each side."""

import time

from benchmarks.environment import Bench
from benchmarks.feed.world import connected, settled, working
from benchmarks.report import Row, Table
from indexer import catalogue, verify
from indexer.feed import Feed
from search.documents import content_hash


async def checked(bench: Bench) -> Table:
    table = Table(
        "Verify",
        "All contacts equal on both sides. A full scan of PostgreSQL reads every document as the feed does;"
        " one of OpenSearch reads every `_source`, 10,000 a page. The quick verify compares sums of hashes by"
        " ranges, the full one the documents themselves.",
        ["what", "documents"],
        "seconds",
    )
    async with connected(bench.settings) as feed:
        with working(bench):
            await settled(feed)
        here = await _scan_database(feed)
        there = await _scan_engine(feed)
        quick = await verify.verify(feed, "contacts")
        full = await verify.verify(feed, "contacts", full=True)
    shown = [f"{quick.documents:,}"]
    table.rows += [
        Row("a scan of PostgreSQL", shown, here, unit=" s"),
        Row("a scan of OpenSearch", shown, there, unit=" s"),
        Row("quick verify", shown, quick.seconds, here + there, unit=" s"),
        Row("full verify", shown, full.seconds, 2 * (here + there), unit=" s"),
    ]
    table.notes.append(
        f"{len(quick.drift)} and {len(full.drift)} documents differed, {full.undecided} were undecided."
    )
    return table


async def _scan_database(feed: Feed) -> float:
    started, last = time.monotonic(), 0
    while True:
        async with feed.service(read_only=True) as session:
            ids = await catalogue.after(session, "contacts", last, limit=verify.SOURCES_AT_ONCE)
            if not ids:
                return time.monotonic() - started
            for body in (await feed.source.read(session, "contacts", ids)).values():
                content_hash(body)
        last = ids[-1]


async def _scan_engine(feed: Feed) -> float:
    started, last = time.monotonic(), -1
    while True:
        answer = await feed.client.search(
            index=feed.alias("contacts"),
            body={"size": 10_000, "sort": [{"id": "asc"}], "search_after": [last], "track_total_hits": False},
            params={"request_timeout": 60},
        )
        hits = answer["hits"]["hits"]
        if not hits:
            return time.monotonic() - started
        last = hits[-1]["sort"][0]
