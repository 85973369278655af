"""Exports asked for, made, fetched and let go.

An export is a job: begun in the transaction that asks, run as the person who asked, and complete or absent.
Its file is fetched by a link that is signed and ends; expiry removes the file and then the link is dead, too.
"""

import asyncio
import base64
import hmac
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, Literal
from uuid import UUID, uuid4

import msgspec
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from core import clock
from core.errors import Invalid, NotFound, PlanLimit
from core.ids import ListId, UserId
from core.logs import get_logger
from core.settings import Settings
from db.sessions import SERVICE, Actor, Database, member
from domain import icps, jobs, paging, plans
from domain.exports import columns, store, writing
from domain.exports.store import NoSuchExport
from domain.lists import keeping as lists
from search import selection
from search.engine import Searcher
from search.request import CountRequest, Entity

log = get_logger(__name__)

JOB: Final = "exports.run"
LINK_S: Final = 900
MAX_LINK_S: Final = 7 * 24 * 3600

Kind = Literal["csv", "xlsx"]
MEDIA_TYPES: Final[dict[Kind, str]] = {
    "csv": "text/csv",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
_TELL_EVERY_S: Final = 0.5
_COLUMNS: Final = """
    e.id, e.user_id, e.job_id, e.entity, e.source, e.columns, e.format, e.filename, e.row_count, e.byte_count,
    e.created_at, e.finished_at, e.expires_at, j.status, j.progress, j.error
"""


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is exported: exactly one of the three."""

    list_id: UUID | None = None
    icp_id: UUID | None = None
    search: CountRequest | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """An export as it is asked for."""

    entity: Entity
    source: Source
    columns: Sequence[str] | None
    format: Kind


@dataclass(frozen=True, slots=True)
class Estimate:
    """What an export would be: its rows, how many the plan allows, what it costs, what is locked."""

    entity: Entity
    rows: int
    allowed_rows: int | None
    credits: int
    columns: tuple[str, ...]
    unlocked: dict[str, int]


@dataclass(frozen=True, slots=True)
class Export:
    """An export as its owner sees it."""

    id: UUID
    user_id: UserId
    job_id: UUID
    entity: Entity
    source: dict[str, Any]
    columns: list[str]
    format: Kind
    filename: str
    row_count: int | None
    byte_count: int | None
    created_at: datetime
    finished_at: datetime | None
    expires_at: datetime | None
    status: str
    progress: dict[str, Any]
    error: str | None

    @property
    def is_there(self) -> bool:
        return self.status == "done" and self.expires_at is not None and self.expires_at > clock.now()


@dataclass(frozen=True, slots=True)
class ExportPage:
    exports: list[Export]
    cursor: str | None


async def estimate(
    session: AsyncSession, searcher: Searcher, wanted: Wanted, *, actor: Actor, user_id: UserId
) -> Estimate:
    """What an export would be, without making it: it costs nothing, for nothing is unlocked by it."""
    chosen = columns.choose(wanted.entity, wanted.columns)
    _, _, request = await _read(session, wanted, user_id=user_id)
    selected = await searcher.selection(wanted.entity, request, actor)
    rows = await selection.count(session, selected)
    unlocked = {}
    if wanted.entity == "contacts":
        query, parameters = selected.sql()
        for field in sorted(columns.LOCKED & {column.name for column in chosen}):
            unlocked[field] = await session.scalar(
                text(
                    "SELECT count(*) FROM app.unlocks u WHERE u.user_id = :me AND u.field = :field"  # noqa: S608
                    f" AND u.contact_id IN ({query})"
                ),
                parameters | {"me": user_id, "field": field},
            )
    return Estimate(
        entity=wanted.entity,
        rows=rows,
        allowed_rows=await plans.limit(session, user_id=user_id, of="export_rows"),
        credits=0,
        columns=tuple(column.name for column in chosen),
        unlocked={field: count or 0 for field, count in unlocked.items()},
    )


async def create(
    session: AsyncSession,
    searcher: Searcher,
    wanted: Wanted,
    *,
    actor: Actor,
    user_id: UserId,
) -> Export:
    """Ask for an export.

    Raises `PlanLimit` when there are more rows than the plan allows.
    """
    chosen = columns.choose(wanted.entity, wanted.columns)
    title, source, request = await _read(session, wanted, user_id=user_id)
    selected = await searcher.selection(wanted.entity, request, actor)
    rows = await selection.count(session, selected)
    allowed = await plans.limit(session, user_id=user_id, of="export_rows")
    if allowed is not None and rows > allowed:
        raise PlanLimit(
            f"{rows:,} rows would be exported; the plan allows {allowed:,}.",
            limit=allowed,
            of="export_rows",
            rows=rows,
        )
    if wanted.format == "xlsx" and rows > writing.MAX_SHEET_ROWS:
        message = f"A sheet holds {writing.MAX_SHEET_ROWS:,} rows; take CSV."
        raise Invalid(message, errors=[{"path": "format", "message": message}])
    export_id = uuid4()
    job = await jobs.start(session, kind="exports.run", arguments={"export_id": str(export_id)})
    await session.execute(
        text(
            "INSERT INTO app.exports (id, job_id, entity, source, columns, format, filename)"
            " VALUES (:id, :job_id, :entity, CAST(:source AS jsonb), :columns, :format, :filename)"
        ),
        {
            "id": export_id,
            "job_id": job.id,
            "entity": wanted.entity,
            "source": msgspec.json.encode(source).decode(),
            "columns": [column.name for column in chosen],
            "format": wanted.format,
            "filename": _filename(title, wanted.format),
        },
    )
    return await get(session, export_id=export_id)


async def get(session: AsyncSession, *, export_id: UUID) -> Export:
    """An export that the session may see; raises `NotFound`."""
    found = await session.execute(
        text(
            f"SELECT {_COLUMNS} FROM app.exports e JOIN app.jobs j ON j.id = e.job_id"  # noqa: S608
            " WHERE e.id = :id"
        ),
        {"id": export_id},
    )
    row = found.one_or_none()
    if row is None:
        raise NotFound("There is no such export.")
    return _export(row)


async def page(session: AsyncSession, *, user_id: UserId, limit: int, cursor: str | None) -> ExportPage:
    """A user's exports, the latest first."""
    rows, following = await paging.latest_first(
        session,
        f"SELECT {_COLUMNS} FROM app.exports e JOIN app.jobs j ON j.id = e.job_id"  # noqa: S608
        " WHERE e.user_id = :user_id",
        {"user_id": user_id},
        name="exports",
        limit=limit,
        cursor=cursor,
    )
    return ExportPage([_export(row) for row in rows], following)


async def remove(session: AsyncSession, settings: Settings, *, export_id: UUID) -> None:
    """Call an export off, or delete its file before its time. The session must be able to delete it."""
    found = await get(session, export_id=export_id)
    await jobs.cancel(session, job_id=found.job_id)
    await asyncio.to_thread(store.store_of(settings).remove, store.name_of(found.id, found.format))
    await session.execute(text("SELECT set_config('role', 'service_role', true)"))
    await session.execute(text("DELETE FROM app.exports WHERE id = :id"), {"id": export_id})


async def files_of(session: AsyncSession, *, user_id: UserId) -> list[str]:
    """The names of a user's files in the store, for whoever erases the account; needs the service."""
    rows = await session.execute(
        text("SELECT id, format FROM app.exports WHERE user_id = :user_id"), {"user_id": user_id}
    )
    return [store.name_of(row.id, row.format) for row in rows]


async def run(settings: Settings, db: Database, searcher: Searcher, *, job: jobs.Job) -> None:
    """The job: write aside, put in place, and only then say that it is there."""
    export_id = UUID(str(job.arguments["export_id"]))
    actor = member(job.user_id)
    async with db.transaction(actor, read_only=True) as session:
        found = await get(session, export_id=export_id)
        wanted = Wanted(found.entity, msgspec.convert(found.source, Source), found.columns, found.format)
        _, _, request = await _read(session, wanted, user_id=job.user_id)
        allowed = await plans.limit(session, user_id=job.user_id, of="export_rows")
    chosen = columns.choose(found.entity, found.columns)
    selected = await searcher.selection(found.entity, request, actor)
    name = store.name_of(found.id, found.format)
    write = writing.write_csv if found.format == "csv" else writing.write_xlsx
    with TemporaryDirectory(prefix="leadfuel-export-") as folder:
        path = Path(folder) / name
        async with db.transaction(actor, read_only=True, snapshot=True, statement_timeout_s=0) as session:
            rows = await write(session, selected, chosen, path, limit=allowed, tell=_teller(db, job.id))
        await jobs.tell(db, job_id=job.id, done=rows, total=rows)
        size = path.stat().st_size
        await asyncio.to_thread(store.store_of(settings).put, name, path)
    still_there = None
    try:
        async with db.transaction(SERVICE) as session:
            with plans.limits():
                still_there = await session.scalar(
                    text(
                        "UPDATE app.exports SET row_count = :rows, byte_count = :size,"
                        " finished_at = app.now(), expires_at = app.now() + make_interval(days => :days)"
                        " WHERE id = :id RETURNING id"
                    ),
                    {"id": found.id, "rows": rows, "size": size, "days": settings.exports.keep_days},
                )
            await jobs.finish(session, job_id=job.id, result={"export_id": str(found.id), "rows": rows})
    finally:
        # Called off meanwhile, or the plan has become smaller while it was written.
        if still_there is None:
            await asyncio.to_thread(store.store_of(settings).remove, name)


async def expire(settings: Settings, db: Database) -> int:
    """Delete the files whose time is over; how many. Doing it twice, or in two places, is doing it once."""
    async with db.transaction(SERVICE) as session:
        rows = await session.execute(
            text(
                "SELECT id, format FROM app.exports WHERE expires_at <= app.now()"
                " ORDER BY expires_at LIMIT 1000 FOR UPDATE SKIP LOCKED"
            )
        )
        gone = rows.all()
        for row in gone:
            await asyncio.to_thread(store.store_of(settings).remove, store.name_of(row.id, row.format))
        await session.execute(
            text("DELETE FROM app.exports WHERE id = ANY(:ids)"), {"ids": [row.id for row in gone]}
        )
    return len(gone)


def sign(settings: Settings, export_id: UUID, *, lifetime_s: int = LINK_S) -> str:
    """A token that opens this one file until it ends, without an account."""
    until = int(time.time()) + max(1, min(lifetime_s, MAX_LINK_S))
    return f"{until}.{_signature(settings, export_id, until)}"


def is_good(settings: Settings, export_id: UUID, token: str) -> bool:
    """Whether a token was signed for this file, and its time is not over."""
    until, _, signature = token.partition(".")
    return (
        re.fullmatch(r"[0-9]{1,12}", until) is not None
        and signature.isascii()
        and hmac.compare_digest(signature, _signature(settings, export_id, int(until)))
        and int(until) > time.time()
    )


async def opened(db: Database, settings: Settings, *, export_id: UUID, token: str) -> Export:
    """The export that a token opens; raises `NoSuchExport` for a bad or ended one, or an expired file."""
    if not is_good(settings, export_id, token):
        raise NoSuchExport("This link is not good, or its time is over. Ask for the export again.")
    async with db.transaction(SERVICE, read_only=True) as session:
        try:
            found = await get(session, export_id=export_id)
        except NotFound:
            found = None
    if found is None or not found.is_there:
        raise NoSuchExport("The file is not there any more.")
    return found


async def _read(
    session: AsyncSession, wanted: Wanted, *, user_id: UserId
) -> tuple[str, Source, CountRequest]:
    """What the export is called, what it stores of its source, and the request that selects its rows.

    An ICP is stored as the request it is now: what is edited later is another export.
    """
    source = wanted.source
    if source.list_id is not None:
        kept = await lists.get(session, user_id=user_id, list_id=ListId(source.list_id))
        return kept.name, source, CountRequest(in_lists=[source.list_id])
    if source.icp_id is not None:
        icp = await icps.get(session, user_id=user_id, icp_id=source.icp_id)
        if icp.entity != wanted.entity:
            message = f"The ICP is one of {icp.entity}."
            raise Invalid(message, errors=[{"path": "entity", "message": message}])
        request = icp.request()
        counted = CountRequest(
            **{name: getattr(request, name) for name in CountRequest.__struct_fields__ if name != "hidden"}
        )
        return icp.name, Source(search=counted), counted
    request_given = source.search or CountRequest()
    if request_given.hidden != "exclude":
        message = "What you have hidden is not exported."
        raise Invalid(message, errors=[{"path": "search.hidden", "message": message}])
    return wanted.entity, source, request_given


def _filename(title: str, kind: Kind) -> str:
    """A name of plain letters, so that no header or path can be written with it."""
    plain = re.sub(r"[^A-Za-z0-9]+", "-", title).strip("-").lower()[:60] or "export"
    return f"{plain}-{clock.today()}.{kind}"


def _signature(settings: Settings, export_id: UUID, until: int) -> str:
    key = settings.auth.jwt_secret.encode()
    digest = hmac.digest(key, b"export\0" + export_id.bytes + until.to_bytes(8, "big"), "sha256")
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _teller(db: Database, job_id: UUID) -> writing.Tell:
    """Tells a job how far it is, not more often than anybody looks."""
    told = 0.0

    async def tell(*, done: int) -> None:
        nonlocal told
        if time.monotonic() - told >= _TELL_EVERY_S:
            told = time.monotonic()
            await jobs.tell(db, job_id=job_id, done=done)

    return tell


def _export(row: Row[Any]) -> Export:
    return Export(**row._mapping)  # noqa: SLF001 - SQLAlchemy's own API
