"""What the triggers cost a COPY of many rows."""

import statistics
import tempfile
import time
from pathlib import Path
from typing import Final

import asyncpg

from benchmarks.environment import Bench
from benchmarks.feed.world import copy_of
from benchmarks.report import Row, Table

DATABASE: Final = "bench_copied"
ROUNDS: Final = 3
_COLUMNS: Final = (
    *("first_name", "last_name", "full_name", "name_terms", "name_sort", "name_search", "email", "title"),
    *(
        "title_normalized",
        "title_terms",
        "seniority",
        "departments",
        "country",
        "region",
        "city",
        "city_name",
    ),
)


async def copied(bench: Bench) -> Table:
    table = Table(
        "Triggers on COPY",
        "Rows a second of a COPY into `contacts` with all its indexes, with the triggers of the feed and"
        f" without, by turns, {ROUNDS} times each; the table is emptied before each.",
        ["what", "rows"],
        "rows/s",
    )
    await copy_of(bench, DATABASE)
    connection = await bench.stack.connect(DATABASE)
    rates: dict[str, list[float]] = {"without triggers": [], "with triggers": []}
    try:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "contacts.copy"
            await connection.copy_from_table("contacts", columns=_COLUMNS, output=file, format="binary")
            rows = await connection.fetchval("SELECT count(*) FROM contacts")
            for _ in range(ROUNDS):
                for name, verb in (("without triggers", "DISABLE"), ("with triggers", "ENABLE")):
                    await connection.execute(f"ALTER TABLE contacts {verb} TRIGGER USER")
                    rates[name].append(rows / await _copy(connection, file))
    finally:
        await connection.close()
        await bench.stack.drop_database(DATABASE)
    medians = {name: statistics.median(values) for name, values in rates.items()}
    for name, values in rates.items():
        table.rows.append(Row(name, [f"{rows:,}"], medians[name]))
        table.notes.append(f"{name}: {', '.join(f'{value:,.0f}' for value in values)}")
    share = 1 - medians["with triggers"] / medians["without triggers"]
    table.notes.append(f"The triggers take {share:.0%} of the rate.")
    return table


async def _copy(connection: asyncpg.Connection, file: Path) -> float:
    await connection.execute("TRUNCATE contacts, search_dirty CASCADE")
    await connection.execute("CHECKPOINT")
    started = time.monotonic()
    await connection.copy_to_table("contacts", columns=_COLUMNS, source=file, format="binary")
    return time.monotonic() - started
