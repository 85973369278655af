"""Exports: a list, an ICP or a search as a file, made by a job and fetched by a link that ends."""

from datetime import datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from msgspec import Meta

from api.operations import Call, Download, Operation, operation
from api.routes.hidden import Page
from core.errors import Invalid, NotFound, PlanLimit
from domain.exports import keeping, store
from domain.exports.keeping import Source, Wanted
from domain.exports.store import NoSuchExport
from domain.paging import WrongCursor
from search.request import CountRequest, Form
from search.response import Answer
from search.visibility import UnknownList

EntityName = Literal["contacts", "organizations"]


class ExportPath(Form, frozen=True):
    export_id: UUID


class ExportRequest(Form, frozen=True):
    """Exactly one of `list_id`, `icp_id` and `search`; `columns` in the order they are to have."""

    list_id: UUID | None = None
    icp_id: UUID | None = None
    search: CountRequest | None = None
    entity: EntityName = "contacts"
    columns: (
        Annotated[list[Annotated[str, Meta(max_length=60)]], Meta(min_length=1, max_length=60)] | None
    ) = None
    format: Literal["csv", "xlsx"] = "csv"


class Token(Form, frozen=True):
    token: Annotated[str, Meta(min_length=1, max_length=200)]
    download: (
        Annotated[str, Meta(max_length=200, description="Of no effect: files bear our names")] | None
    ) = None


class EstimateAnswer(Answer):
    """`allowed_rows` is your plan's limit, null without one; `unlocked` says how many of the addresses
    are yours, for the others stay blank. An export costs no credits.
    """

    rows: int
    allowed_rows: int | None
    credits: int
    columns: list[str]
    unlocked: dict[str, int]


class ExportAnswer(Answer):
    """`url` is there while the file is: it needs no token, and ends after a quarter of an hour; ask again for
    a fresh one. The job can be called off.
    """

    id: UUID
    job_id: UUID
    status: Literal["waiting", "running", "done", "failed", "cancelled"]
    entity: EntityName
    columns: list[str]
    format: Literal["csv", "xlsx"]
    filename: str
    rows: int | None
    bytes: int | None
    progress: dict[str, Any]
    error: str | None
    created_at: datetime
    finished_at: datetime | None
    expires_at: datetime | None
    url: str | None
    storage_path: str


class ExportsAnswer(Answer):
    results: list[ExportAnswer]
    cursor: str | None


_SOURCES = (NotFound, UnknownList)


@operation(
    "POST",
    "/v1/exports/dry-run",
    tag="Exports",
    summary="What an export would be",
    scope="read",
    session="read",
    errors=_SOURCES,
    example={"search": {"q": "sales"}, "columns": ["full_name", "email"]},
)
async def estimate_export(call: Call, body: ExportRequest) -> EstimateAnswer:
    """Its rows, what your plan allows, what it costs and how much of it you have unlocked."""
    found = await keeping.estimate(
        call.session, call.services.searcher, _wanted(body), actor=call.actor, user_id=call.user_id
    )
    return EstimateAnswer(
        rows=found.rows,
        allowed_rows=found.allowed_rows,
        credits=found.credits,
        columns=list(found.columns),
        unlocked=found.unlocked,
    )


@operation(
    "POST",
    "/v1/exports",
    tag="Exports",
    summary="Export a list, an ICP or a search",
    session="write",
    status=202,
    errors=(*_SOURCES, PlanLimit),
    example={"search": {"q": "sales"}, "format": "csv"},
    links={"export_id": "$response.body#/id"},
    idempotent=True,
)
async def create_export(call: Call, body: ExportRequest) -> ExportAnswer:
    """By a job. What you have hidden is not in it, and an address only where you have unlocked it."""
    made = await keeping.create(
        call.session, call.services.searcher, _wanted(body), actor=call.actor, user_id=call.user_id
    )
    return _answer(call, made)


@operation("GET", "/v1/exports", tag="Exports", summary="Your exports", session="read", errors=(WrongCursor,))
async def list_exports(call: Call, query: Page) -> ExportsAnswer:
    """The latest first."""
    page = await keeping.page(call.session, user_id=call.user_id, limit=query.limit, cursor=query.cursor)
    return ExportsAnswer(results=[_answer(call, one) for one in page.exports], cursor=page.cursor)


@operation(
    "GET",
    "/v1/exports/{export_id}",
    tag="Exports",
    summary="How far an export is",
    session="read",
    errors=(NotFound,),
)
async def show_export(call: Call, path: ExportPath) -> ExportAnswer:
    """With a link to the file when it is there."""
    return _answer(call, await keeping.get(call.session, export_id=path.export_id))


@operation(
    "DELETE",
    "/v1/exports/{export_id}",
    tag="Exports",
    summary="Call an export off, or delete its file",
    session="write",
    errors=(NotFound,),
)
async def delete_export(call: Call, path: ExportPath) -> None:
    """Every link to it is dead at once."""
    await keeping.remove(call.session, call.services.settings, export_id=path.export_id)


@operation(
    "GET",
    "/v1/exports/{export_id}/file",
    tag="Exports",
    summary="Fetch a file by its link",
    access="public",
    media_type="text/csv",
    errors=(NoSuchExport,),
)
async def download_export(call: Call, path: ExportPath, query: Token) -> str:
    """The link of an export, which is all it takes. CSV in UTF-8, or a workbook; no cell is a formula."""
    return await download(call, path.export_id, query.token)


async def download(call: Call, export_id: UUID, token: str) -> str:
    """The file that a signed link opens."""
    settings = call.services.settings
    found = await keeping.opened(call.services.database, settings, export_id=export_id, token=token)
    return await file_of(call, found)


async def file_of(call: Call, found: keeping.Export) -> str:
    """An export's file, made while it is sent."""
    pieces = await store.read(call.services.settings, store.name_of(found.id, found.format))
    return Download(  # type: ignore[return-value]
        rows=pieces, media_type=keeping.MEDIA_TYPES[found.format], filename=found.filename
    )


def _wanted(body: ExportRequest) -> Wanted:
    given = [name for name in ("list_id", "icp_id", "search") if getattr(body, name) is not None]
    if len(given) != 1:
        message = "Give exactly one of list_id, icp_id and search."
        raise Invalid(message, errors=[{"path": ", ".join(given), "message": message}])
    source = Source(list_id=body.list_id, icp_id=body.icp_id, search=body.search)
    return Wanted(entity=body.entity, source=source, columns=body.columns, format=body.format)


def _answer(call: Call, export: keeping.Export) -> ExportAnswer:
    settings = call.services.settings
    url = None
    if export.is_there:
        base = settings.api.public_url.rstrip("/")
        url = f"{base}/v1/exports/{export.id}/file?token={keeping.sign(settings, export.id)}"
    return ExportAnswer(
        id=export.id,
        job_id=export.job_id,
        status=export.status,  # type: ignore[arg-type]
        entity=export.entity,
        columns=export.columns,
        format=export.format,
        filename=export.filename,
        rows=export.row_count,
        bytes=export.byte_count,
        progress=export.progress,
        error=export.error,
        created_at=export.created_at,
        finished_at=export.finished_at,
        expires_at=export.expires_at,
        url=url,
        storage_path=f"exports/{export.id}/{export.filename}",
    )


OPERATIONS: Final[list[Operation]] = [
    estimate_export,
    create_export,
    list_exports,
    show_export,
    delete_export,
    download_export,
]
