"""How long learning takes: `python -m benchmarks.learning --addresses 1000000`.

A PostgreSQL of its own is filled with the market of `benchmarks.market`, in companies of 5 to 38 known
people, so that learning reads as many addresses as it ever does. Beside it stands a scan of the whole table.
"""

import argparse
import asyncio
import json
import resource
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any, Final

import asyncpg

from benchmarks.market import Firm, firms
from core.settings import Settings, StackSettings
from db import migrate
from db.sessions import Database
from domain.finder import store
from domain.finder.learning import Company, Figures
from domain.finder.model import Model
from domain.finder.store import Learning
from embedded import stack as stacks

HOME: Final = Path(".leadfuel") / "benchmark-learning"
_SIZES: Final = (5, 12, 25, 38)
_COMPANIES: Final = ("id", "name", "name_key", "name_sort", "domain", "country")
_PEOPLE: Final = (
    "id",
    "organization_id",
    "first_name",
    "last_name",
    "email",
    "email_status",
    "email_verified_at",
)


async def fill(connection: asyncpg.Connection, addresses: int) -> int:
    """Put so many known addresses into the catalogue; the number of companies."""
    number = addresses * len(_SIZES) // sum(_SIZES)
    # A replica fires no triggers, and indexes are quicker made afterwards; learning needs this one alone.
    await connection.execute("SET session_replication_role = replica")
    made = await connection.fetchval("SELECT indexdef FROM pg_indexes WHERE indexname = $1", _INDEX)
    for name in await connection.fetch(_DROPPED):
        await connection.execute(f"DROP INDEX {name[0]}")
    await connection.copy_records_to_table(
        "organizations", records=_organizations(number), columns=_COMPANIES
    )
    await connection.copy_records_to_table("contacts", records=_people(number), columns=_PEOPLE)
    await connection.execute(made)
    await connection.execute("VACUUM (ANALYZE) contacts, organizations")
    return number


_INDEX: Final = "contacts_of_organization_idx"
_DROPPED: Final = """
    SELECT indexrelid::regclass::text FROM pg_index
    WHERE indrelid = 'contacts'::regclass
      AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
"""


def _firms(number: int) -> Iterator[tuple[int, Firm]]:
    return enumerate(firms(3, number, _SIZES, unlisted=0), start=1)


def _organizations(number: int) -> Iterator[tuple[Any, ...]]:
    for place, firm in _firms(number):
        name = f"company {place}"
        yield place, name.title(), name, name, f"c{place}-bench.com", firm.country


def _people(number: int) -> Iterator[tuple[Any, ...]]:
    at = datetime(2026, 6, 1, tzinfo=UTC)
    ids = count(1)
    for place, firm in _firms(number):
        for person in firm.people:
            email = f"{person.listed}@c{place}-bench.com"
            seen = at - timedelta(days=365 * person.years)
            yield next(ids), place, person.first, person.last, email, "valid", seen


async def measure(settings: Settings, admin_url: str, addresses: int) -> dict[str, Any]:
    connection = await asyncpg.connect(admin_url, server_settings={"search_path": "app, public, extensions"})
    companies = await fill(connection, addresses)
    known = await connection.fetchval("SELECT count(email) FROM contacts")
    await connection.execute("SET max_parallel_workers_per_gather = 0")
    scan_s = [
        await _timed(connection, "SELECT count(*) FROM contacts WHERE email LIKE '%x%'") for _ in range(3)
    ]
    await connection.close()
    taken: dict[str, float] = {}
    read: list[Company] = []

    async def aside(learning: Learning, some: Sequence[Company]) -> tuple[Model, Figures]:
        taken["reading_s"] = time.perf_counter() - started
        read.extend(some)
        worked = time.process_time()
        found = learning(some)
        taken["computing_s"] = time.process_time() - worked
        return found

    db = Database(settings.database)
    started = time.perf_counter()
    learned = await store.learn(db, settings.validator, aside=aside)
    taken["learning_s"] = time.perf_counter() - started
    await db.close()
    if learned is None:
        raise RuntimeError("nothing was learned")
    return {
        "known_addresses": known,
        "companies": companies,
        "read_companies": len(read),
        "read_addresses": sum(len(company.samples) for company in read),
        "full_table_scan_s": min(scan_s),
        **taken,
        "accuracy_at_1": learned[1].accuracy_at_1,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


async def _timed(connection: asyncpg.Connection, statement: str) -> float:
    started = time.perf_counter()
    await connection.execute(statement)
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--addresses", type=int, default=1_000_000)
    args = parser.parse_args()
    state = stacks.up(
        HOME, environ={}, settings=StackSettings(home=HOME, postgres_buffers_mb=512), parts=["postgres"]
    )
    try:
        settings = Settings.from_env(stacks.environment(state) | {"LEADFUEL_HOME": str(HOME)})
        asyncio.run(migrate.migrate(settings.database))
        database = settings.database.url.rpartition("/")[2]
        admin_url = stacks.admin_url(state).rpartition("/")[0] + f"/{database}"
        found = asyncio.run(measure(settings, admin_url, args.addresses))
    finally:
        stacks.down(HOME)
        stacks.delete(HOME)
    json.dump(found, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
