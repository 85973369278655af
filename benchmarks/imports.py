"""Rows a second of the import against COPY of the very same rows, and the memory that the import takes.

The import is the command as an operator gives it, on a fresh database. What it wrote is then dumped, each
table as it stands, and copied by the superuser (COPY under row-level security is refused) into a second
fresh database: the same tables with the same indexes and the same triggers, no row to be read, judged,
looked up or normalised any more. The records and what the source said of them count as one.
"""

import asyncio
import json
import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import asyncpg
import psutil

from benchmarks.catalogue import told_now_and_then
from benchmarks.environment import BenchmarkFailed, Say, Sizes, Stack, start
from benchmarks.report import Row, Table
from domain.demo import generate

IMPORTED: Final = "bench_import"
COPIED: Final = "bench_copy"
ROWS: Final = 200_000
_SAMPLE_EVERY_S: Final = 0.05
_IMPORT_WITHIN_S: Final = 900
_ENTITIES: Final = ("organizations", "contacts", "employment")
# What each import writes, in an order that foreign keys allow.
_WRITTEN: Final = {
    "organizations": ("organizations", "organization_sources"),
    "contacts": ("contacts", "contact_sources"),
    "employment": ("employment_history",),
}
# What must be there first and is no part of any figure.
_BEFORE: Final = ("sources", "vocabulary_terms")


@dataclass(frozen=True, slots=True)
class Imported:
    """How one import went."""

    rows: int
    rejected: int
    seconds: float
    # Megabytes at the peak: all processes together, the first one, the largest of those that read rows.
    all_mb: float
    first_mb: float
    reader_mb: float


async def imports(stack: Stack, sizes: Sizes, say: Say, *, rows: int = ROWS) -> Table:
    """Import the three demo files, then copy what came of them."""
    contacts = min(rows, sizes.contacts)
    organizations = max(1, sizes.organizations * contacts // sizes.contacts)
    table = Table(
        "Import",
        f"`leadfuel import … --json` of {contacts:,} demo contacts with their companies and past positions"
        " into a fresh database, against COPY of the same, already normalised rows into the same indexed and"
        " triggered tables. Memory is the resident size of all processes of the import together.",
        ["import", "rows", "import, rows/s", "COPY, rows/s"],
        "ratio or MB",
    )
    folder = stack.home / "benchmark"
    try:
        say(f"import: writing the files of {contacts:,} contacts and {organizations:,} organizations")
        market = generate.market(seed=sizes.seed, organizations=organizations)
        generate.write(folder, market, contacts=contacts, progress=told_now_and_then(say))
        await stack.fresh_database(IMPORTED)
        done = {}
        for entity in _ENTITIES:
            say(f"import: {entity}")
            done[entity] = await _import(stack, entity, folder / f"{entity}.csv")
        say("import: COPY of the same rows")
        copied = await _copies(stack, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    await stack.drop_database(COPIED)
    for entity, of in done.items():
        table.rows += _rows(entity, of, copied)
    table.notes.append("The times of the import are its own, from the first row it reads to the last commit.")
    return table


def _rows(entity: str, of: Imported, copied: dict[str, tuple[int, float]]) -> list[Row]:
    tables = _WRITTEN[entity]
    imported_per_s = of.rows / of.seconds
    copied_per_s = copied[tables[0]][0] / sum(copied[table][1] for table in tables)
    cells = [f"{of.rows:,}", f"{imported_per_s:,.0f}", f"{copied_per_s:,.0f}"]
    made = [Row(entity, cells, imported_per_s / copied_per_s, 0.2, at_most=False)]
    if len(tables) > 1:
        rows, seconds = copied[tables[0]]
        alone = [f"{of.rows:,}", f"{imported_per_s:,.0f}", f"{rows / seconds:,.0f}"]
        made.append(
            Row(f"{entity}, COPY of the table {tables[0]} alone", alone, imported_per_s / (rows / seconds))
        )
    parts = [f"first {of.first_mb:.0f} MB, largest reader {of.reader_mb:.0f} MB", "", ""]
    made.append(Row(f"{entity}, memory at its peak", parts, of.all_mb, 300, unit=" MB"))
    return made


async def _import(stack: Stack, entity: str, file: Path) -> Imported:
    process = start(
        ["import", entity, str(file), "--source", generate.SOURCE, "--json"],
        env=stack.environ(IMPORTED),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        peak = (0.0, 0.0, 0.0)
        deadline = time.monotonic() + _IMPORT_WITHIN_S
        output = asyncio.create_task(asyncio.to_thread(process.communicate))
        while not output.done():
            if time.monotonic() > deadline:
                raise BenchmarkFailed(f"The import of {entity} took longer than {_IMPORT_WITHIN_S} s.")
            peak = tuple(map(max, peak, _resident(process.pid)))  # type: ignore[assignment]
            await asyncio.sleep(_SAMPLE_EVERY_S)
        said, complained = await output
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    if process.returncode != 0:
        raise BenchmarkFailed(f"The import of {entity} failed: {complained.decode()[-500:]}")
    summary = json.loads(said)
    counts = summary["counts"]
    return Imported(counts["read"], counts["rejected"], summary["elapsed_s"], *peak)


def _resident(pid: int) -> tuple[float, float, float]:
    """Megabytes of a process and its children: together, the first one's, the largest child's."""
    try:
        first = psutil.Process(pid)
        own = first.memory_info().rss
        children = []
        for child in first.children(recursive=True):
            try:
                children.append(child.memory_info().rss)
            except psutil.Error:
                continue
    except psutil.Error:
        return 0.0, 0.0, 0.0
    megabytes = [size / 2**20 for size in (own + sum(children), own, max(children, default=0))]
    return megabytes[0], megabytes[1], megabytes[2]


async def _copies(stack: Stack, folder: Path) -> dict[str, tuple[int, float]]:
    """Rows and seconds of the COPY of each table into a fresh database."""
    tables = [*_BEFORE, *(table for entity in _ENTITIES for table in _WRITTEN[entity])]
    source = await stack.connect(IMPORTED)
    try:
        columns = {table: await _columns(source, table) for table in tables}
        for table in tables:
            await source.copy_from_query(
                f"SELECT {_listed(columns[table])} FROM app.{table} ORDER BY 1",
                output=folder / f"{table}.copy",
                timeout=300,
            )
    finally:
        await source.close()
    await stack.fresh_database(COPIED)
    copied: dict[str, tuple[int, float]] = {}
    target = await stack.connect(COPIED)
    try:
        for table in tables:
            started = time.perf_counter()
            status = await target.copy_to_table(
                table,
                schema_name="app",
                columns=columns[table],
                source=folder / f"{table}.copy",
                timeout=600,
            )
            copied[table] = int(status.rpartition(" ")[2]), time.perf_counter() - started
    finally:
        await target.close()
    return copied


async def _columns(connection: asyncpg.Connection, table: str) -> list[str]:
    """The columns that can be written: not those that are generated from others."""
    rows = await connection.fetch(
        "SELECT attname FROM pg_attribute WHERE attrelid = $1::text::regclass AND attnum > 0"
        " AND NOT attisdropped AND attgenerated = '' ORDER BY attnum",
        f"app.{table}",
    )
    return [row[0] for row in rows]


def _listed(columns: Sequence[str]) -> str:
    return ", ".join(f'"{column}"' for column in columns)
