"""Whether the indexer's memory is flat over very many changes."""

import asyncio
import statistics
import time
from typing import Final

import psutil
from sqlalchemy import text

from benchmarks.environment import Bench, BenchmarkFailed
from benchmarks.feed.world import connected, settled, working
from benchmarks.report import Row, Table

AT_ONCE: Final = 20_000
# No more is queued than this, so that the indexer and not the queue is what is measured.
AHEAD: Final = 60_000


async def flat(bench: Bench, *, seconds: float) -> Table:
    table = Table(
        "Memory of the indexer",
        "Resident size of `leadfuel work` while every contact is changed again and again for"
        f" {seconds:.0f} s, as fast as it indexes them: the median of the second fifth of the time against"
        " that of the last.",
        ["what", "changes"],
        "figure",
    )
    sizes: list[float] = []
    changes = 0
    async with connected(bench.settings) as feed:
        with working(bench) as worker:
            process = psutil.Process(worker.pid)
            await settled(feed)
            async with feed.service(read_only=True) as session:
                highest = int(await session.scalar(text("SELECT max(id) FROM contacts")) or 0)
            started, low = time.monotonic(), 0
            while time.monotonic() - started < seconds:
                if worker.poll() is not None:
                    raise BenchmarkFailed("The worker has ended while it was measured.")
                sizes.append(process.memory_info().rss / 2**20)
                async with feed.service() as session:
                    waiting = int(await session.scalar(text("SELECT count(*) FROM search_dirty")) or 0)
                    if waiting < AHEAD:
                        done = await session.execute(
                            text(
                                "UPDATE contacts SET name_sort = :mark"
                                " WHERE id > :low AND id <= :high RETURNING 1"
                            ),
                            {"mark": f"round {changes}", "low": low, "high": low + AT_ONCE},
                        )
                        changes += len(done.all())
                        low = 0 if low + AT_ONCE >= highest else low + AT_ONCE
                await asyncio.sleep(0.2)
            took = time.monotonic() - started
            await settled(feed)
    fifth = len(sizes) // 5
    early, late = statistics.median(sizes[fifth : 2 * fifth]), statistics.median(sizes[-fifth:])
    shown = [f"{changes:,}"]
    table.rows += [
        Row("at the beginning", shown, early, unit=" MB"),
        Row("at the end", shown, late, unit=" MB"),
        Row("growth", shown, (late / early - 1) * 100, 5.0, unit=" %"),
        Row("largest", shown, max(sizes), unit=" MB"),
        Row("changes indexed a second", shown, changes / took),
    ]
    return table
