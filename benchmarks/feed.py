"""From commit to searchable under a steady stream of changes, with an indexer of this process.

Run it with the stack's URLs in the environment (`eval "$(leadfuel stack env)"`), a catalogue in the
database and no `leadfuel work` beside it. Changes the seniority of random contacts; samples one in twenty.
"""

import argparse
import asyncio
import json
import random
import time

from sqlalchemy import text

from cli.context import load_settings
from db.sessions import Database
from indexer import drain, loop, rebuild
from indexer.bulk import BulkSender
from indexer.feed import Feed
from indexer.heartbeat import quantile

SENIORITIES = ("vp", "director", "manager", "senior")


async def change(feed: Feed, ids: list[int], draw: random.Random) -> tuple[int, str]:
    record, seniority = draw.choice(ids), draw.choice(SENIORITIES)
    async with feed.service() as session:
        await session.execute(
            text("UPDATE contacts SET seniority = :seniority, name_sort = :mark WHERE id = :id"),
            {"seniority": seniority, "id": record, "mark": f"{time.time_ns()}"},
        )
    return record, seniority


async def lag(feed: Feed, record: int, committed: float) -> float:
    """Seconds until a search sees a version younger than the one at the commit."""
    async with feed.service(read_only=True) as session:
        mark = (
            await session.execute(text("SELECT name_sort FROM contacts WHERE id = :id"), {"id": record})
        ).scalar_one()
    while True:
        answer = await feed.client.search(
            index=feed.alias("contacts"),
            body={"size": 1, "_source": ["name_sort"], "query": {"ids": {"values": [str(record)]}}},
        )
        hits = answer["hits"]["hits"]
        if hits and hits[0]["_source"].get("name_sort", "") >= mark:
            return time.monotonic() - committed
        await asyncio.sleep(0.02)


async def main(per_second: int, seconds: float) -> None:
    settings = load_settings()
    db = Database(settings.database)
    feed = Feed.connect(settings, db)
    draw = random.Random(1)
    try:
        async with feed.service(read_only=True) as session:
            ids = list((await session.execute(text("SELECT id FROM contacts LIMIT 100000"))).scalars())
            built = await session.execute(
                text("SELECT 1 FROM indices WHERE state = 'live' AND entity = 'contacts'")
            )
            missing = built.first() is None
        if missing:
            for entity in ("contacts", "organizations"):
                await rebuild.rebuild(feed, entity, resume=True)
        await drain.drain(feed, BulkSender(feed.client))
        stop = asyncio.Event()
        waker = loop.Waker(feed.database_url, [loop.CHANNEL])
        running = [
            asyncio.create_task(waker.run(stop)),
            asyncio.create_task(loop.Indexer(feed, waker).run(stop)),
        ]
        sampled: list[asyncio.Task[float]] = []
        started, changes = time.monotonic(), 0

        async def write() -> None:
            nonlocal changes
            while (now := time.monotonic()) - started < seconds:
                if changes >= (now - started) * per_second:
                    await asyncio.sleep(0.002)
                    continue
                changes += 1
                record, _ = await change(feed, ids, draw)
                if changes % 20 == 0:
                    sampled.append(asyncio.create_task(lag(feed, record, time.monotonic())))

        await asyncio.gather(*(write() for _ in range(4)))
        took = time.monotonic() - started
        lags = await asyncio.gather(*sampled)
        stop.set()
        await asyncio.gather(*running)
        p50, p99 = quantile(lags, 0.5), quantile(lags, 0.99)
        refresh = feed.settings.refresh_interval_ms
        print(f"{changes / took:,.0f} changes/s for {took:.0f} s, refresh every {refresh} ms")
        print(
            f"commit to searchable: p50 {p50:.2f} s, p99 {p99:.2f} s, longest {max(lags):.2f} s "
            f"({len(lags):,} samples)"
        )
        print(json.dumps({"per_second": changes / took, "p50_s": p50, "p99_s": p99}))
    finally:
        await feed.close()
        await db.close()


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--per-second", type=int, default=500)
    arguments.add_argument("--seconds", type=float, default=30)
    given = arguments.parse_args()
    asyncio.run(main(given.per_second, given.seconds))
