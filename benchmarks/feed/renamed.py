"""A company with very many people is renamed."""

import time
from typing import Final

from sqlalchemy import text

from benchmarks.environment import Bench, BenchmarkFailed
from benchmarks.feed.world import connected, settled, working
from benchmarks.report import Row, Table
from indexer import indices, verify

PEOPLE: Final = 100_000


async def renamed(bench: Bench) -> Table:
    people = min(PEOPLE, bench.sizes.contacts)
    table = Table(
        "A company with many people is renamed",
        f"{people:,} people of one company. The user's transaction, and the time until a search finds all of"
        " them under the new name; a full verify says that every contact is right.",
        ["what", "people"],
        "figure",
    )
    async with connected(bench.settings) as feed:
        async with feed.service() as session:
            company = await session.scalar(text("SELECT min(id) FROM organizations"))
            await session.execute(
                text(
                    "UPDATE contacts SET organization_id = :company"
                    " WHERE id IN (SELECT id FROM contacts ORDER BY id LIMIT :people)"
                ),
                {"company": company, "people": people},
            )
        with working(bench):
            await settled(feed)
            started = time.monotonic()
            async with feed.service() as session:
                await session.execute(
                    text("UPDATE organizations SET name_key = 'renamed', name = 'Renamed' WHERE id = :id"),
                    {"id": company},
                )
            committed = time.monotonic()
            await settled(feed)
            await indices.refresh(feed, "contacts")
            right = time.monotonic()
        found = await verify.verify(feed, "contacts", full=True)
        if found.drift or found.undecided:
            raise BenchmarkFailed(f"{len(found.drift)} documents differ after the rename.")
    shown = [f"{people:,}"]
    table.rows += [
        Row("the user's transaction", shown, (committed - started) * 1000, 50.0, unit=" ms"),
        Row("until all are found", shown, right - committed, unit=" s"),
        Row("people a second", shown, people / (right - committed)),
    ]
    table.notes.append(f"A full verify of {found.documents:,} documents afterwards: none differed.")
    return table
