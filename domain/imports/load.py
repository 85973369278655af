"""Rows into temporary staging tables by COPY, from where the merge takes them set-wise.

COPY cannot write the catalogue itself, since row-level security holds the app's role; and a row must first
be known to be new. The staging tables end with their transaction.
"""

from collections.abc import AsyncIterator, Iterable
from typing import Final

import asyncpg

from domain.imports.shapes import Shape

_CHUNK_BYTES: Final = 256 * 1024

# What every staged row of a record has beside the record's own columns.
STATEMENT_COLUMNS: Final = {
    "statement": "jsonb",
    "raw": "jsonb",
    "digest": "bytea",
    "provenance": "jsonb",
    "source_key": "text",
}


async def stage_new(connection: asyncpg.Connection, shape: Shape, lines: Iterable[str]) -> None:
    """Fill the shape's `staged_new`: an ordinal, the record's columns, and what the source said."""
    columns = {"ordinal": "int"} | shape.types | STATEMENT_COLUMNS
    await _stage(connection, shape.staged_new, columns, lines)


async def stage_changes(connection: asyncpg.Connection, shape: Shape, lines: Iterable[str]) -> None:
    """Fill the shape's `staged_changes`: a record's id, the fields that change, and the record's columns."""
    columns = {"record_id": "int", "fields": "text[]"} | shape.types | {"provenance": "jsonb"}
    await _stage(connection, shape.staged_changes, columns, lines)


async def stage_statements(connection: asyncpg.Connection, lines: Iterable[str]) -> None:
    """Fill `staged_statements`: what a source now says, with its memory of what it said before."""
    columns = {
        "record_id": "int",
        "source_key": "text",
        "statement": "jsonb",
        "raw": "jsonb",
        "since": "jsonb",
        "superseded": "jsonb",
        "digest": "bytea",
    }
    await _stage(connection, "pg_temp.staged_statements", columns, lines)


async def stage_positions(connection: asyncpg.Connection, lines: Iterable[str]) -> None:
    """Fill `staged_positions`: rows of employment history whose person is known."""
    columns = {
        "ordinal": "int",
        "contact_id": "int",
        "organization_id": "int",
        "company": "text",
        "company_key": "text",
        "title": "text",
        "title_normalized": "text",
        "title_terms": "text[]",
        "start_date": "date",
        "end_date": "date",
        "source_key": "text",
    }
    await _stage(connection, "pg_temp.staged_positions", columns, lines)


async def _stage(
    connection: asyncpg.Connection, table: str, columns: dict[str, str], lines: Iterable[str]
) -> None:
    """Make the table for this transaction, or empty the one it has already, and copy the lines into it."""
    defined = ", ".join(f'"{name}" {kind}' for name, kind in columns.items())
    await connection.execute(
        f"SET LOCAL client_min_messages = warning;"
        f" CREATE TEMP TABLE IF NOT EXISTS {table} ({defined}) ON COMMIT DROP; TRUNCATE {table}"
    )
    await connection.copy_to_table(
        table.removeprefix("pg_temp."),
        schema_name="pg_temp",
        source=_chunks(lines),
        columns=list(columns),
        format="text",
    )


async def _chunks(lines: Iterable[str]) -> AsyncIterator[bytes]:
    """Lines put together into pieces worth a system call."""
    piece: list[str] = []
    size = 0
    for line in lines:
        piece.append(line)
        size += len(line)
        if size >= _CHUNK_BYTES:
            yield "".join(piece).encode()
            piece, size = [], 0
    if piece:
        yield "".join(piece).encode()
