"""An export written: rows straight from PostgreSQL to a file, with flat memory whatever their number.

CSV is made by PostgreSQL itself, every cell quoted and made inert on the way; a workbook is made here, whose
cells are texts and never formulas.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final, Protocol

import xlsxwriter
from sqlalchemy import text
from sqlalchemy.dialects.postgresql import asyncpg as asyncpg_dialect
from sqlalchemy.ext.asyncio import AsyncSession

from core import cells
from db.sessions import driver_connection
from domain.exports.columns import Column
from search import selection
from search.selection import Selection

# Excel's own, less the headings.
MAX_SHEET_ROWS: Final = 1_048_575
MAX_CELL: Final = 32_767
_ROWS_AT_ONCE: Final = 5_000
_DIALECT: Final = asyncpg_dialect.dialect()  # type: ignore[no-untyped-call]
_PIECE: Final = 1 << 20


class Tell(Protocol):
    """Told now and then how many rows, or bytes, are written; may raise to stop."""

    async def __call__(self, *, done: int) -> None: ...


def query(
    selected: Selection, columns: Sequence[Column], *, limit: int | None, inert: bool
) -> tuple[str, dict[str, Any]]:
    """The rows of an export in the order of their ids, each column as text."""
    chosen, parameters = selected.sql()
    names = [f"c{number}" for number in range(len(columns))]
    texts = ", ".join(
        f"coalesce({column.sql}, '') AS {name}" for name, column in zip(names, columns, strict=True)
    )
    table = f"public.{selected.entity} r" + (
        " LEFT JOIN public.organizations o ON o.id = r.organization_id"
        if selected.entity == "contacts"
        else ""
    )
    cut = "" if limit is None else f" ORDER BY 1 LIMIT {int(limit)}"
    # OFFSET 0 keeps the texts from being made anew wherever they are named.
    rows = f"SELECT r.id AS key, {texts} FROM {table} WHERE r.id IN ({chosen}{cut}) OFFSET 0"  # noqa: S608
    if not inert:
        return f"SELECT {', '.join(names)} FROM ({rows}) x ORDER BY key", parameters  # noqa: S608
    # A row is looked at as a whole first, which is cheaper by far than a look at each of its cells.
    made = ", ".join(f"CASE WHEN suspicious THEN {cells.inert_sql(n)} ELSE {n} END AS {n}" for n in names)
    looked = f"SELECT *, {cells.suspicious_sql(names)} AS suspicious FROM ({rows}) x OFFSET 0"  # noqa: S608
    return f"SELECT {made} FROM ({looked}) y ORDER BY key", parameters  # noqa: S608


async def write_csv(
    session: AsyncSession,
    selected: Selection,
    columns: Sequence[Column],
    path: Path,
    *,
    limit: int | None,
    tell: Tell,
) -> int:
    """Write a CSV file; how many rows it has."""
    await selection.ready(session)
    statement, parameters = query(selected, columns, limit=limit, inert=True)
    compiled = text(statement).bindparams(**parameters).compile(dialect=_DIALECT)
    arguments = [parameters[name] for name in compiled.positiontup or ()]
    connection = await driver_connection(session)
    with path.open("wb") as file:
        file.write(_headings(columns))
        sink = _Sink(file, tell)
        status = await connection.copy_from_query(
            str(compiled),
            *arguments,
            output=sink,
            format="csv",
            force_quote=[f"c{number}" for number in range(len(columns))],
        )
    return int(status.rsplit(" ", 1)[1])


async def write_xlsx(
    session: AsyncSession,
    selected: Selection,
    columns: Sequence[Column],
    path: Path,
    *,
    limit: int | None,
    tell: Tell,
) -> int:
    """Write a workbook with one sheet; how many rows it has below the headings."""
    await selection.ready(session)
    statement, parameters = query(selected, columns, limit=limit, inert=False)
    book = xlsxwriter.Workbook(str(path), {"constant_memory": True, "tmpdir": str(path.parent)})
    sheet = book.add_worksheet("LeadFuel")
    for place, column in enumerate(columns):
        sheet.write_string(0, place, column.heading)
    rows = 0
    stream = await session.stream(text(statement), parameters, execution_options={"yield_per": _ROWS_AT_ONCE})
    async for part in stream.partitions(_ROWS_AT_ONCE):
        await asyncio.to_thread(_put, sheet, rows + 1, part)
        rows += len(part)
        await tell(done=rows)
    await asyncio.to_thread(book.close)
    return rows


def _put(sheet: Any, first: int, part: Sequence[Sequence[str]]) -> None:
    for offset, row in enumerate(part):
        for place, cell in enumerate(row):
            sheet.write_string(first + offset, place, cell[:MAX_CELL])


def _headings(columns: Sequence[Column]) -> bytes:
    return (",".join(f'"{column.heading}"' for column in columns) + "\n").encode()


class _Sink:
    """Takes what PostgreSQL sends; tells at every megabyte, which is when the job can be called off."""

    def __init__(self, file: BinaryIO, tell: Tell) -> None:
        self._file = file
        self._tell = tell
        self._written = 0
        self._told = 0

    async def __call__(self, data: bytes) -> None:
        self._file.write(data)
        self._written += len(data)
        if self._written - self._told >= _PIECE:
            self._told = self._written
            await self._tell(done=self._written)
