"""From the commit of a change to its event, under 100 changes a second, and the baseline of everybody."""

import asyncio
import time

import msgspec
from sqlalchemy import text

from benchmarks.environment import Bench
from benchmarks.kept.world import settle
from benchmarks.report import Row, Table
from core.ids import UserId
from db.sessions import SERVICE, Database
from domain.alerts import watching
from domain.alerts.evaluation import AT_ONCE, Evaluator
from indexer import loop
from indexer.feed import Feed
from indexer.heartbeat import quantile
from search.engine import Searcher
from search.request import CountRequest


async def latency(bench: Bench, db: Database, searcher: Searcher, user_id: UserId) -> Table:
    """From the commit of a change to its event in the feed, under a hundred changes a second."""
    bench.say("latency: 100 changes/s")
    request = msgspec.convert(
        {"filters": {"contacts": {"include": {"seniorities": ["vp"]}}}, "hidden": "include"}, CountRequest
    )
    async with db.transaction(SERVICE) as session:
        icp = await session.scalar(
            text(
                "INSERT INTO icp_profiles (user_id, name, filters) VALUES (:user, 'Latency',"
                " CAST(:filters AS jsonb)) RETURNING id"
            ),
            {"user": user_id, "filters": msgspec.json.encode(request).decode()},
        )
        ids = list((await session.execute(text("SELECT id FROM contacts ORDER BY id LIMIT 20000"))).scalars())
        await watching.turn_on(session, searcher, user_id=user_id, icp_id=icp, kinds=["entered", "left"])
    everybody = CountRequest(hidden="include")
    async with db.transaction(SERVICE) as session:
        whole = await session.scalar(
            text(
                "INSERT INTO icp_profiles (user_id, name, filters) VALUES (:user, 'All', CAST(:f AS jsonb))"
                " RETURNING id"
            ),
            {"user": user_id, "f": msgspec.json.encode(everybody).decode()},
        )
        await session.execute(text("DELETE FROM alert_states"))
    async with db.transaction(SERVICE) as session:
        begun = time.perf_counter()
        await watching.turn_on(session, searcher, user_id=user_id, icp_id=whole, kinds=["left"])
    baseline_s = time.perf_counter() - begun
    await settle(bench, db)
    feed = Feed.connect(bench.settings, db)
    stop, evaluator = asyncio.Event(), Evaluator(db, searcher)
    waker = loop.Waker(feed.database_url, [loop.CHANNEL])

    async def compare() -> None:
        while not stop.is_set():
            if await evaluator.evaluate() < AT_ONCE:
                await loop.rest(stop, 0.5)

    running = [
        asyncio.create_task(waker.run(stop)),
        asyncio.create_task(loop.Indexer(feed, waker).run(stop)),
        asyncio.create_task(compare()),
    ]
    committed: dict[int, float] = {}
    begun = time.monotonic()
    for number, record in enumerate(ids[: 100 * 20]):
        wait = begun + number / 100 - time.monotonic()
        if wait > 0:
            await asyncio.sleep(wait)
        async with feed.service() as session:
            await session.execute(
                text(
                    "UPDATE contacts SET seniority = CASE WHEN seniority = 'vp' THEN 'manager' ELSE 'vp' END"
                    " WHERE id = :id"
                ),
                {"id": record},
            )
        async with feed.service(read_only=True) as session:
            at = await session.scalar(text("SELECT extract(epoch FROM clock_timestamp())"))
        committed[record] = float(at)
    await asyncio.sleep(5)
    stop.set()
    await asyncio.gather(*running)
    lags = []
    async with db.transaction(SERVICE, read_only=True) as session:
        rows = await session.execute(
            text(
                "SELECT unnest(records) AS record_id, extract(epoch FROM created_at) AS at FROM icp_events"
                " WHERE icp_id = :icp"
            ),
            {"icp": icp},
        )
        lags = [float(row.at) - committed[row.record_id] for row in rows if row.record_id in committed]
    await feed.close()
    p50, p99 = quantile(lags, 0.5), quantile(lags, 0.99)
    table = Table(
        "Latency of alerts",
        "From the commit of a change to the transaction of its event, in seconds, under 100 changes a second;"
        f" the index is refreshed every {bench.settings.opensearch.refresh_interval_ms} ms.",
        ["load", "samples", "p50"],
        "p99",
    )
    goal = bench.settings.opensearch.refresh_interval_ms / 1000 + 2
    table.rows.append(Row("100 changes/s", [f"{len(lags):,}", f"{p50:.2f}"], p99, goal))
    table.notes.append(
        f"An ICP that all {bench.sizes.contacts:,} contacts fit is turned on in {baseline_s:.1f} s, their"
        f" states included; {len(committed) - len(lags)} events are missing"
    )
    async with db.transaction(SERVICE) as session:
        await session.execute(text("DELETE FROM icp_profiles WHERE user_id = :id"), {"id": user_id})
    return table
