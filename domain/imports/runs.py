"""One import: a table read as a stream, merged batch by batch, with its progress and its summary.

Each batch is one transaction. A run that is killed leaves whole batches behind; the same command again
finds their rows unchanged and goes on with the rest, so that the end is as if it had run once.
"""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any, Final

import asyncpg
from sqlalchemy import text

from core.errors import LeadFuelError
from core.logs import get_logger
from core.settings import PrivacySettings
from db.sessions import SERVICE, Database, driver_connection
from domain import suppressions
from domain.imports import columns, companies, merge, normalise, people, positions
from domain.imports.columns import ColumnPlan, Entity, Overrides
from domain.imports.outcome import Outcome, Reject
from domain.imports.reading import Habits
from domain.imports.rows import Context
from domain.imports.state import Run
from domain.imports.tables import Reject as BrokenRecord
from domain.imports.tables import Row, Table, open_table

_log = get_logger(__name__)

# Rows in memory are what the batches in flight hold; larger ones are hardly faster.
BATCH_ROWS: Final[dict[Entity, int]] = {"organizations": 1_000, "contacts": 1_500, "employment": 3_000}
_NO_DELIMITERS: Final = "\"'\r\n\0"
SAMPLE_ROWS: Final = 500
SHOWN_ROWS: Final = 5

Source = str | Path | IO[bytes]
Rejects = Callable[[Sequence[Reject]], Awaitable[None] | None]


class ReservedSource(LeadFuelError):
    """The source's name stands for what people type, whose word no file may take."""

    status = 422
    slug = "reserved-source"
    title = "A file cannot come from this source"


class BadDelimiter(LeadFuelError):
    """What is said to stand between the cells cannot stand there."""

    status = 422
    slug = "bad-delimiter"
    title = "The delimiter cannot be used"


class WrongEncoding(LeadFuelError):
    """The file is not written in the encoding that it is said to have."""

    status = 422
    slug = "wrong-encoding"
    title = "The file has another encoding"


class ReaderDied(LeadFuelError):
    """A process of the import was ended from outside, for want of memory perhaps."""

    slug = "reader-died"
    title = "A process of the import has been ended"


class UnknownSource(LeadFuelError):
    """The source whose keys the rows are said to use has brought nothing yet."""

    status = 422
    slug = "unknown-source"
    title = "There is no such source"


@dataclass(frozen=True, slots=True)
class Options:
    """What a person decides about an import; the rest the file shows itself."""

    entity: Entity
    source: str
    overrides: Overrides = field(default_factory=Overrides)
    delimiter: str | None = None
    encoding: str | None = None
    dry_run: bool = False
    # Whose keys the rows name companies and people by, where that is not the source itself.
    companies_source: str | None = None
    contacts_source: str | None = None
    batch_rows: int | None = None
    processes: int | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run is."""

    rows: int
    total: int | None
    elapsed_s: float
    counts: dict[str, int]

    @property
    def rows_per_s(self) -> float:
        return self.rows / self.elapsed_s if self.elapsed_s else 0.0

    @property
    def left_s(self) -> float | None:
        if not self.total or not self.rows:
            return None
        return max(self.total - self.rows, 0) / max(self.rows_per_s, 0.001)


@dataclass(frozen=True, slots=True)
class Summary:
    """What an import did, or would have done."""

    entity: Entity
    source: str
    dry_run: bool
    table: str
    # Header -> field, and the headers of columns that are kept beside the fields.
    mapped: dict[str, str]
    kept: list[str]
    counts: dict[str, int]
    notes: list[str]
    # The first rows as they were understood.
    sample: list[dict[str, str]]
    elapsed_s: float

    @property
    def changed_nothing(self) -> bool:
        return not any(self.counts.get(name) for name in ("created", "updated", "organizations_created"))


COUNTS: Final = (
    "read",
    "created",
    "updated",
    "unchanged",
    "repeated",
    "rejected",
    "suppressed",
    "values_dropped",
    "values_in_doubt",
    "organizations_created",
)


async def run_import(
    database: Database,
    privacy: PrivacySettings,
    source: Source,
    options: Options,
    *,
    rejects: Rejects | None = None,
    progress: Callable[[Progress], Awaitable[None] | None] | None = None,
) -> Summary:
    """Import a table; raises what `open_table` and `map_columns` raise when it is none."""
    hash_key = suppressions.require_key(privacy)
    if options.source == merge.MANUAL or not options.source.strip():
        raise ReservedSource(f"A file cannot come from the source {options.source!r}; name another.")
    options = _with_file_options(options)
    with ExitStack() as stack:
        stack.enter_context(_telling_encoding(options))
        table = stack.enter_context(
            open_table(source, delimiter=options.delimiter, encoding=options.encoding)
        )
        plan = columns.map_columns(options.entity, table.header, options.overrides)
        importer = _Importer(database, options, table, plan, rejects, progress)
        return await importer.run(hash_key, stack)


def _with_file_options(options: Options) -> Options:
    """Delimiter and encoding of the mapping file, where the command names none."""
    given = options.overrides.options
    delimiter = options.delimiter or given.delimiter
    delimiter = {"tab": "\t", "\\t": "\t"}.get(delimiter or "", delimiter)
    if delimiter is not None and (len(delimiter) != 1 or delimiter.isalnum() or delimiter in _NO_DELIMITERS):
        raise BadDelimiter(f"{delimiter!r} cannot stand between cells; one sign can, or the word tab.")
    return replace(options, delimiter=delimiter, encoding=options.encoding or given.encoding)


@contextmanager
def _telling_encoding(options: Options) -> Iterator[None]:
    """A named encoding that does not fit is the caller's mistake, and said so."""
    try:
        yield
    except UnicodeError as error:
        if options.encoding is None:
            raise
        raise WrongEncoding(f"The file is not written in {options.encoding}: {error}.") from None


@dataclass(slots=True)
class _Chunk:
    """Some records of the table, in its order."""

    records: list[Row] = field(default_factory=list)
    broken: list[Reject] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.records) + len(self.broken)


@dataclass(slots=True)
class _Importer:
    database: Database
    options: Options
    table: Table
    plan: ColumnPlan
    rejects: Rejects | None
    progress: Callable[[Progress], Awaitable[None] | None] | None
    counts: Counter[str] = field(default_factory=Counter)
    started: float = field(default_factory=time.monotonic)

    async def run(self, hash_key: bytes, stack: ExitStack) -> Summary:
        chunks = self._chunks(iter(self.table))
        first = await asyncio.to_thread(next, chunks, _Chunk())
        sample = [record.cells for record in first.records[:SAMPLE_ROWS]]
        habits = self._habits(sample)
        run = await self._begin(hash_key, habits)
        reader = normalise.Reader(self.options.entity, self.plan, run.context)
        second = await asyncio.to_thread(next, chunks, None)
        if second is None:
            await self._merge(first, normalise.read_batch(reader, _cells(first)), run)
        else:
            await self._stream(deque([first, second]), chunks, reader, run, stack)
        shown = [self.plan.cells(record.cells) for record in first.records[:SHOWN_ROWS]]
        return self._summary(shown, await self._notes(run))

    async def _notes(self, run: Run) -> list[str]:
        """Whose keys the rows use for companies and people, where that had to be found out."""
        notes = []
        async with self.database.transaction(SERVICE, read_only=True) as session:
            names = dict(map(tuple, (await session.execute(text("SELECT id, name FROM sources"))).all()))
        for what, used, named in (
            ("Companies", run.companies_source, self.options.companies_source),
            ("People", run.contacts_source, self.options.contacts_source),
        ):
            if used is not None and used != run.source_id and named is None:
                notes.append(f"{what} are known by the keys of the source {names[used]!r}.")
        return notes

    async def _stream(
        self,
        waiting: deque[_Chunk],
        chunks: Iterator[_Chunk],
        reader: normalise.Reader,
        run: Run,
        stack: ExitStack,
    ) -> None:
        """Let the pool read the next batches while this one is merged."""
        processes = self.options.processes or normalise.processes_wanted()
        pool = stack.enter_context(normalise.make_pool(reader, processes=processes))
        stack.callback(pool.shutdown, wait=False, cancel_futures=True)
        loop = asyncio.get_running_loop()
        reading: deque[tuple[_Chunk, asyncio.Future[normalise.Batch]]] = deque()

        async def refill() -> None:
            while len(reading) < processes:
                chunk = waiting.popleft() if waiting else await asyncio.to_thread(next, chunks, None)
                if chunk is None:
                    return
                reading.append((chunk, loop.run_in_executor(pool, normalise.read_in_pool, _cells(chunk))))

        try:
            await refill()
            while reading:
                chunk, future = reading.popleft()
                batch = await future
                # The pool has its next batches before this one is merged: more would only fill the memory.
                await refill()
                await self._merge(chunk, batch, run)
        except BrokenProcessPool:  # of a batch that was waited for, or of the next one that was handed over
            raise ReaderDied("A process that reads rows has been ended; run the import again.") from None

    def _chunks(self, records: Iterator[Row | BrokenRecord]) -> Iterator[_Chunk]:
        chunk = _Chunk()
        limit = self.options.batch_rows or BATCH_ROWS[self.options.entity]
        for record in records:
            if isinstance(record, BrokenRecord):
                chunk.broken.append(
                    Reject(record.line, None, None, record.reason, record.original, is_row=True)
                )
            else:
                chunk.records.append(record)
            if len(chunk) >= limit:
                yield chunk
                chunk = _Chunk()
        if len(chunk):
            yield chunk

    def _habits(self, sample: Sequence[Sequence[str]]) -> Habits:
        found = columns.find_habits(self.plan, sample, delimiter=self.table.shape.delimiter)
        given = self.plan.options
        return Habits(
            phone_country=given.country,
            number=found.numbers,
            dates=dict(found.dates),
            units={name: self.plan.unit(name) for name in ("revenue", "funding_amount")},
            list_separator=given.list_separator,
        )

    async def _begin(self, hash_key: bytes, habits: Habits) -> Run:
        """The state of the run, with the ids of its sources."""
        async with self.database.transaction(SERVICE, read_only=self.options.dry_run) as session:
            connection = await driver_connection(session)
            known: dict[str, int] = dict(map(tuple, await connection.fetch("SELECT name, id FROM sources")))
            if not self.options.dry_run:
                for name in (self.options.source, merge.MANUAL):
                    known.setdefault(name, 0)
                    known[name] = await merge.source_id(connection, name)
        others = (self.options.companies_source, self.options.contacts_source)
        for missing in [name for name in others if name and name not in known]:
            raise UnknownSource(f"There is no source {missing!r} yet; known are {_listed(known)}.")
        source = known.get(self.options.source, merge.NO_SOURCE)
        return Run(
            Context(source_id=source, hash_key=hash_key, habits=habits),
            manual_id=known.get(merge.MANUAL),
            companies_source=known.get(self.options.companies_source or ""),
            contacts_source=known.get(self.options.contacts_source or ""),
            dry_run=self.options.dry_run,
        )

    async def _merge(self, chunk: _Chunk, batch: normalise.Batch, run: Run) -> None:
        """One batch, one transaction; what was dropped or rejected is told once it is committed."""
        outcome = await self._attempt(batch.rows, run)
        for place, reason in batch.rejected:
            outcome.reject(place, reason)
        found = sorted([*chunk.broken, *self._told(chunk, batch, outcome)], key=lambda reject: reject.line)
        self.counts.update(outcome.counts)
        self.counts["read"] += len(chunk)
        self.counts["rejected"] += len(chunk.broken)
        if found and self.rejects is not None:
            await _maybe(self.rejects(found))
        if self.progress is not None:
            await _maybe(self.progress(self._progress()))

    async def _attempt(self, rows: list[tuple[int, Any]], run: Run, *, attempts: int = 3) -> Outcome:
        """Merge the rows; should the database refuse one for a reason that no reader foresaw, the others."""
        try:
            async with self.database.transaction(SERVICE) as session:
                outcome = await _MERGES[self.options.entity](session, rows, run=run)
                if run.dry_run:
                    await session.rollback()
        except asyncpg.DeadlockDetectedError:
            run.batch_failed()
            if attempts == 1:
                raise
            return await self._attempt(rows, run, attempts=attempts - 1)
        except (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError) as error:
            run.batch_failed()
            if len(rows) == 1:
                return _refused(rows[0][0], error)
            half = len(rows) // 2
            first, second = await self._attempt(rows[:half], run), await self._attempt(rows[half:], run)
            return first + second
        run.batch_done()
        return outcome

    def _told(self, chunk: _Chunk, batch: normalise.Batch, outcome: Outcome) -> Iterator[Reject]:
        """Every remark on a row of the batch, with its line, its column and the row as it was."""
        for place, reason in outcome.rejected:
            yield self._reject(chunk.records[place], None, None, reason)
        gone = {place for place, _ in outcome.rejected}
        for place, row in batch.rows:
            for problem in row.problems if place not in gone else ():
                self.counts["values_in_doubt" if problem.is_kept else "values_dropped"] += 1
                yield self._reject(chunk.records[place], problem.cell, problem.value, problem.reason)
        for place, cell, value, reason in outcome.dropped:
            self.counts["values_dropped"] += 1
            yield self._reject(chunk.records[place], cell, value, reason)

    def _reject(self, record: Row, cell: str | None, value: str | None, reason: str) -> Reject:
        column = None
        if cell is not None:
            indexes = self.plan.fields.get(cell) or self.plan.fields.get("domain") or ()
            column = self.plan.columns[indexes[0]].header if indexes else cell
        original = self.table.join(record.cells)
        return Reject(record.line, column, value, reason, original, is_row=cell is None)

    def _progress(self) -> Progress:
        return Progress(
            rows=self.counts["read"],
            total=self.table.rows_estimate(),
            elapsed_s=time.monotonic() - self.started,
            counts=dict(self.counts),
        )

    def _summary(self, sample: list[dict[str, str]], notes: list[str]) -> Summary:
        return Summary(
            entity=self.options.entity,
            source=self.options.source,
            dry_run=self.options.dry_run,
            table=self.table.shape.describe(),
            mapped={column.header: column.field for column in self.plan.columns if column.field},
            kept=[header for header, _ in self.plan.enrichment],
            counts={name: self.counts[name] for name in COUNTS},
            notes=notes,
            sample=sample,
            elapsed_s=time.monotonic() - self.started,
        )


_MERGES: Final[dict[Entity, Callable[..., Awaitable[Outcome]]]] = {
    "contacts": people.merge_contacts,
    "organizations": companies.merge_organizations,
    "employment": positions.merge_positions,
}


def _refused(place: int, error: asyncpg.PostgresError) -> Outcome:
    """A row that the database does not take."""
    _log.warning(
        "import row refused", **{"error": type(error).__name__, "error.detail": error.constraint_name}
    )
    outcome = Outcome()
    outcome.reject(place, f"cannot be stored ({error.constraint_name or type(error).__name__})")
    return outcome


def _cells(chunk: _Chunk) -> list[list[str]]:
    return [record.cells for record in chunk.records]


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"


async def _maybe(result: Awaitable[None] | None) -> None:
    if result is not None:
        await result
