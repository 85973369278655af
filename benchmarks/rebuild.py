"""Documents a second: a rebuild against a bare `_bulk` of ready-made documents on the same node.

Run it with the stack's URLs in the environment (`eval "$(leadfuel stack env)"`) and a catalogue in the
database. The two alternate, and the median of each is compared. It writes indices of its own only.
"""

import argparse
import asyncio
import json
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from cli.context import load_settings
from core.settings import Settings
from db.sessions import Database
from indexer import catalogue, indices, rebuild
from indexer.bulk import BulkSender, Kind, writes
from indexer.feed import Entity, Feed

PREFIX = "bench-rebuild-"


async def ready_made(feed: Feed, entity: Entity) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    last = 0
    while True:
        async with feed.service(read_only=True) as session:
            ids = await catalogue.after(session, entity, last, limit=5_000)
            if not ids:
                return found
            bodies = await feed.source.read(session, entity, ids)
        found |= bodies
        last = ids[-1]


async def bare(feed: Feed, entity: Entity, documents: dict[int, bytes]) -> float:
    name = await indices.create(feed, entity)
    lines = writes(indices.write_alias(name), 1, documents)
    started = time.monotonic()
    outcomes = await BulkSender(feed.client).send_lines(lines, patience_s=600)
    await feed.client.indices.refresh(index=name, params={"request_timeout": 600})
    seconds = time.monotonic() - started
    assert all(outcome.kind is Kind.DONE for outcome in outcomes)
    await indices.delete(feed, name)
    return len(documents) / seconds


async def rebuilt(feed: Feed, entity: Entity) -> float:
    done = await rebuild.rebuild(feed, entity)
    await forget(feed)
    return done.documents / done.seconds


async def forget(feed: Feed) -> None:
    for name in await feed.client.indices.get_alias(index=f"{PREFIX}*"):
        await indices.delete(feed, name)
    async with feed.service() as session:
        connection = await session.connection()
        await connection.exec_driver_sql(f"DELETE FROM indices WHERE index_name LIKE '{PREFIX}%'")


@dataclass(frozen=True, slots=True)
class Figures:
    """Documents a second of each round, and how large the documents are."""

    documents: int
    bytes_each: float
    rates: Mapping[str, Sequence[float]]

    @property
    def medians(self) -> dict[str, float]:
        return {name: statistics.median(values) for name, values in self.rates.items()}

    @property
    def ratio(self) -> float:
        return self.medians["rebuild"] / self.medians["bare _bulk"]


async def measure(settings: Settings, entity: Entity, rounds: int) -> Figures:
    """Alternate the two on a database that has no indices of its own."""
    db = Database(settings.database)
    connected = Feed.connect(settings, db)
    feed = replace(connected, settings=replace(settings.opensearch, index_prefix=PREFIX))
    try:
        await forget(feed)
        async with feed.service(read_only=True) as session:
            if await indices.rows(session, entity):
                raise SystemExit("this database has indices of its own; give the benchmark one without")
        documents = await ready_made(feed, entity)
        rates: dict[str, list[float]] = {"bare _bulk": [], "rebuild": []}
        for _ in range(rounds):
            rates["bare _bulk"].append(await bare(feed, entity, documents))
            rates["rebuild"].append(await rebuilt(feed, entity))
        return Figures(len(documents), statistics.mean(map(len, documents.values())), rates)
    finally:
        await forget(feed)
        await connected.close()
        await db.close()


async def main(entity: Entity, rounds: int) -> None:
    found = await measure(load_settings(), entity, rounds)
    print(f"{found.documents:,} {entity}, {found.bytes_each:,.0f} bytes each, {rounds} rounds")
    for name, values in found.rates.items():
        each = ", ".join(f"{value:,.0f}" for value in values)
        print(f"{name:12} {found.medians[name]:>8,.0f} documents/s   ({each})")
    print(f"ratio        {found.ratio:.2f}")
    print(json.dumps({"entity": entity, "documents": found.documents, **found.medians, "ratio": found.ratio}))


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--entity", default="contacts", choices=["contacts", "organizations"])
    arguments.add_argument("--rounds", type=int, default=3)
    given = arguments.parse_args()
    asyncio.run(main(given.entity, given.rounds))
