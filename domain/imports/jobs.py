"""Imports of people without a shell: uploaded in pieces, run by the worker, watched and fetched over HTTP.

A file is kept as it came until its import is done; the job reads it from the database, so that any worker
can run it, and run it again after a crash.
"""

import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from tempfile import TemporaryFile
from typing import Any, Final
from uuid import UUID

import orjson
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from core.errors import LeadFuelError, NotFound
from core.ids import ImportId, UserId
from core.logs import get_logger
from core.settings import Settings
from db.sessions import SERVICE, Database, driver_connection
from domain.imports import runs
from domain.imports.columns import Entity
from domain.imports.mapping_file import Overrides, parse_mapping
from domain.imports.outcome import Reject
from domain.imports.runs import Progress, Summary

JOB: Final = "imports.run"
# A file of nothing but mistakes must not fill the database.
MAX_REJECTS: Final = 100_000
_PROGRESS_EVERY_S: Final = 1.0
_FETCH_CHUNKS: Final = 8

_log = get_logger(__name__)


class ImportStarted(LeadFuelError):
    """The import runs or is over; nothing can be added to it any more."""

    status = 409
    slug = "import-started"
    title = "The import has begun already"


class ChunkOutOfOrder(LeadFuelError):
    """A piece of the file is missing, or came twice with another content."""

    status = 409
    slug = "chunk-out-of-order"
    title = "A piece of the file does not follow the one before"


class EmptyUpload(LeadFuelError):
    """An import was started before any of its file had come."""

    status = 422
    slug = "empty-upload"
    title = "The import has no file"


@dataclass(frozen=True, slots=True)
class Import:
    """An uploaded import, as its owner may see it."""

    id: ImportId
    entity: Entity
    source: str
    filename: str | None
    options: dict[str, Any]
    status: str
    counts: dict[str, int]
    progress: dict[str, Any]
    error: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


_COLUMNS: Final = """
    id, entity, source, filename, options, status, counts, progress, error,
    created_at, started_at, finished_at
"""


_CREATE: Final = f"""
    INSERT INTO imports (user_id, entity, source, filename, options)
    VALUES (:user_id, :entity, :source, :filename, CAST(:options AS jsonb)) RETURNING {_COLUMNS}
"""  # noqa: S608 - of constants


async def create_import(
    session: AsyncSession,
    *,
    user_id: UserId | None,
    entity: Entity,
    source: str,
    filename: str | None = None,
    dry_run: bool = False,
    mapping: str | None = None,
    delimiter: str | None = None,
    encoding: str | None = None,
    companies_source: str | None = None,
    contacts_source: str | None = None,
) -> Import:
    """Announce an import; its file follows by `append_chunk`. `mapping` is the text of a mapping file."""
    if mapping is not None:
        parse_mapping(mapping)
    options = {
        "dry_run": dry_run,
        "mapping": mapping,
        "delimiter": delimiter,
        "encoding": encoding,
        "companies_source": companies_source,
        "contacts_source": contacts_source,
    }
    row = await session.execute(
        text(_CREATE),
        {
            "user_id": user_id,
            "entity": entity,
            "source": source,
            "filename": filename,
            "options": orjson.dumps({name: value for name, value in options.items() if value}).decode(),
        },
    )
    return _import(row.one())


async def append_chunk(session: AsyncSession, *, import_id: ImportId, seq: int, data: bytes) -> None:
    """Add the next piece of the file (the first is 0); the same piece again changes nothing."""
    if (await _locked(session, import_id)).status != "uploaded":
        raise ImportStarted("The import has begun; its file is complete.", status="running")
    expected = await session.scalar(
        text("SELECT coalesce(max(seq) + 1, 0) FROM import_chunks WHERE import_id = :id"), {"id": import_id}
    )
    if seq < (expected or 0):
        same = await session.scalar(
            text("SELECT data = :data FROM import_chunks WHERE import_id = :id AND seq = :seq"),
            {"id": import_id, "seq": seq, "data": data},
        )
        if same:
            return
    if seq != expected:
        raise ChunkOutOfOrder(f"Piece {expected} is next, not {seq}.", expected=expected)
    await session.execute(
        text("INSERT INTO import_chunks (import_id, seq, data) VALUES (:id, :seq, :data)"),
        {"id": import_id, "seq": seq, "data": data},
    )


async def start(session: AsyncSession, *, import_id: ImportId) -> Import:
    """Hand the import to the worker; a second call changes nothing."""
    found = await _locked(session, import_id)
    if found.status != "uploaded" or found.started_at is not None:
        return found
    size = await session.scalar(
        text("SELECT sum(length(data)) FROM import_chunks WHERE import_id = :id"), {"id": import_id}
    )
    if not size:
        raise EmptyUpload("The import has no file; send it first.")
    await session.execute(
        text("INSERT INTO outbox (job, payload) VALUES (:job, CAST(:payload AS jsonb))"),
        {"job": JOB, "payload": orjson.dumps({"import_id": str(import_id)}).decode()},
    )
    await session.execute(
        text("UPDATE imports SET status = 'running', started_at = app.now() WHERE id = :id"),
        {"id": import_id},
    )
    return await get(session, import_id=import_id)


async def get(session: AsyncSession, *, import_id: ImportId) -> Import:
    """One import; raises `NotFound`."""
    row = await session.execute(
        text(f"SELECT {_COLUMNS} FROM imports WHERE id = :id"),  # noqa: S608 - a constant
        {"id": import_id},
    )
    found = row.one_or_none()
    if found is None:
        raise NotFound("There is no such import.")
    return _import(found)


async def list_imports(
    session: AsyncSession, *, limit: int = 50, before: ImportId | None = None
) -> list[Import]:
    """Imports, the latest first; `before` continues after the last one of a page."""
    rows = await session.execute(
        text(
            f"SELECT {_COLUMNS} FROM imports"  # noqa: S608 - a constant
            " WHERE CAST(:before AS uuid) IS NULL"
            "    OR (created_at, id) < (SELECT created_at, id FROM imports WHERE id = CAST(:before AS uuid))"
            " ORDER BY created_at DESC, id DESC LIMIT :limit"
        ),
        {"before": before, "limit": limit},
    )
    return [_import(row) for row in rows]


async def rejects(
    session: AsyncSession, *, import_id: ImportId, after: int = 0, limit: int = 1000
) -> list[tuple[int, Reject]]:
    """What was dropped or rejected, in the order of the file, each with the number to go on `after`."""
    await get(session, import_id=import_id)
    rows = await session.execute(
        text(
            'SELECT id, line, "column", value, reason, original, is_row FROM import_rejects'
            " WHERE import_id = :id AND id > :after ORDER BY id LIMIT :limit"
        ),
        {"id": import_id, "after": after, "limit": limit},
    )
    return [(row[0], Reject(row[1], row[2], row[3], row[4], row[5] or "", row[6])) for row in rows]


async def run_import(settings: Settings, db: Database, *, import_id: ImportId) -> Import:
    """Do the work; what ends it early becomes the import's error, in words for its owner."""
    async with db.transaction(SERVICE) as session:
        found = await _locked(session, import_id)
        if found.status != "running":
            return found
        # A run that crashed may have left some.
        await session.execute(text("DELETE FROM import_rejects WHERE import_id = :id"), {"id": import_id})
    try:
        summary = await _run(settings, db, found)
    except LeadFuelError as error:
        _log.info("import refused", **{"import.id": str(import_id), "error": error.slug})
        await _finish(db, import_id, status="failed", error=error.detail)
    except Exception:
        await _finish(db, import_id, status="failed", error="The import failed on our side.")
        raise
    else:
        await _finish(db, import_id, status="done", summary=summary)
    async with db.transaction(SERVICE) as session:
        return await get(session, import_id=import_id)


async def _run(settings: Settings, db: Database, found: Import) -> Summary:
    options = found.options
    mapping = options.get("mapping")
    stored = 0
    told = 0.0

    async def keep(dropped: Sequence[Reject]) -> None:
        nonlocal stored
        kept = dropped[: MAX_REJECTS - stored]
        stored += len(kept)
        await _store_rejects(db, found.id, kept)

    async def tell(progress: Progress) -> None:
        nonlocal told
        if time.monotonic() - told >= _PROGRESS_EVERY_S:
            told = time.monotonic()
            await _store_progress(db, found.id, progress)

    with TemporaryFile() as file:
        size = 0
        async for piece in _pieces(db, found.id):
            size += file.write(piece)
        file.seek(0)
        return await runs.run_import(
            db,
            settings.privacy,
            file,
            runs.Options(
                entity=found.entity,
                source=found.source,
                overrides=parse_mapping(mapping) if mapping else Overrides(),
                delimiter=options.get("delimiter"),
                encoding=options.get("encoding"),
                dry_run=bool(options.get("dry_run")),
                companies_source=options.get("companies_source"),
                contacts_source=options.get("contacts_source"),
            ),
            rejects=keep,
            progress=tell,
        )


async def _pieces(db: Database, import_id: ImportId) -> AsyncIterator[bytes]:
    """The uploaded file, a few pieces at a time."""
    last = -1
    while True:
        async with db.transaction(SERVICE, read_only=True) as session:
            rows = await session.execute(
                text(
                    "SELECT seq, data FROM import_chunks WHERE import_id = :id AND seq > :last"
                    " ORDER BY seq LIMIT :limit"
                ),
                {"id": import_id, "last": last, "limit": _FETCH_CHUNKS},
            )
            found = rows.all()
        if not found:
            return
        for seq, data in found:
            last = seq
            yield bytes(data)


async def _store_rejects(db: Database, import_id: ImportId, dropped: Sequence[Reject]) -> None:
    if not dropped:
        return
    async with db.transaction(SERVICE) as session:
        connection = await driver_connection(session)
        await connection.executemany(
            'INSERT INTO import_rejects (import_id, line, "column", value, reason, original, is_row)'
            " VALUES ($1, $2, $3, $4, $5, $6, $7)",
            [(import_id, r.line, r.column, r.value, r.reason, r.original, r.is_row) for r in dropped],
        )


async def _store_progress(db: Database, import_id: ImportId, progress: Progress) -> None:
    now = {
        "rows": progress.rows,
        "total": progress.total,
        "rows_per_s": round(progress.rows_per_s),
        "left_s": None if progress.left_s is None else round(progress.left_s),
    }
    async with db.transaction(SERVICE) as session:
        await session.execute(
            text(
                "UPDATE imports SET progress = CAST(:progress AS jsonb), counts = CAST(:counts AS jsonb)"
                " WHERE id = :id"
            ),
            {"id": import_id, "progress": _json(now), "counts": _json(progress.counts)},
        )


async def _finish(
    db: Database,
    import_id: ImportId,
    *,
    status: str,
    error: str | None = None,
    summary: Summary | None = None,
) -> None:
    """Close the import, and let its file go."""
    told: dict[str, Any] = {}
    if summary is not None:
        told = {
            "rows": summary.counts["read"],
            "total": summary.counts["read"],
            "table": summary.table,
            "mapped": summary.mapped,
            "kept": summary.kept,
            "notes": summary.notes,
            "sample": summary.sample,
            "changed_nothing": summary.changed_nothing,
        }
    async with db.transaction(SERVICE) as session:
        await session.execute(
            text(
                "UPDATE imports SET status = :status, error = :error, finished_at = app.now(),"
                " counts = CASE WHEN :done THEN CAST(:counts AS jsonb) ELSE counts END,"
                " progress = CASE WHEN :done THEN CAST(:progress AS jsonb) ELSE progress END WHERE id = :id"
            ),
            {
                "id": import_id,
                "status": status,
                "error": error,
                "done": summary is not None,
                "counts": _json(summary.counts if summary else {}),
                "progress": _json(told),
            },
        )
        await session.execute(text("DELETE FROM import_chunks WHERE import_id = :id"), {"id": import_id})


async def _locked(session: AsyncSession, import_id: ImportId) -> Import:
    row = await session.execute(
        text(f"SELECT {_COLUMNS} FROM imports WHERE id = :id FOR UPDATE"),  # noqa: S608 - a constant
        {"id": import_id},
    )
    found = row.one_or_none()
    if found is None:
        raise NotFound("There is no such import.")
    return _import(found)


def _import(row: Row[Any]) -> Import:
    values = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for it
    return Import(**values | {"id": ImportId(UUID(str(values["id"])))})


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()
