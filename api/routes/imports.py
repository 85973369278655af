"""Files of records, uploaded by administrators and run by the worker."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime
from tempfile import SpooledTemporaryFile
from typing import IO, Annotated, Any, Final, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from api import body as intake
from api import csvfile, uploads
from api.operations import Call, Download, Operation, operation
from api.paging import Cursor
from core.errors import NotFound
from core.ids import ImportId
from core.text import clean
from db.sessions import SERVICE, Database
from domain import paging
from domain.imports import jobs
from domain.imports.jobs import EmptyUpload, Import
from domain.imports.mapping_file import BadMapping
from domain.paging import WrongCursor
from search.request import Form
from search.response import Answer

# Pieces of this size make few statements and little memory.
PIECE_BYTES: Final = 4 * 1024 * 1024
# What a form has beside its file.
_FORM_BYTES: Final = 1024 * 1024
_REJECTS_AT_ONCE: Final = 1_000

# A source is a name in the books for ever, so it is one that can be typed anywhere.
SourceName = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._:/-]{0,99}$",
        description="Where the records come from",
        examples=["crm"],
    ),
]


class ImportForm(Form, frozen=True):
    """How the file is to be read."""

    entity: Literal["contacts", "organizations", "employment"]
    source: SourceName
    dry_run: Annotated[bool, Meta(description="Count and show the first rows; write nothing")] = False
    mapping: (
        Annotated[str, Meta(max_length=uploads.MAX_FIELD_BYTES, description="The text of a mapping file")]
        | None
    ) = None
    delimiter: (
        Annotated[
            str,
            Meta(
                pattern=r"^[\t !#-&(-/:-@\[-`{-~]$",
                description="What stands between the cells: one sign of ASCII, no quote",
                examples=[";"],
            ),
        ]
        | None
    ) = None
    encoding: Annotated[str, Meta(pattern="^[A-Za-z0-9_-]{1,40}$", examples=["utf-8"])] | None = None
    # Whose keys the rows name companies and people by, where that is not the source itself.
    companies_source: SourceName | None = None
    contacts_source: SourceName | None = None


class ImportPath(Form, frozen=True):
    import_id: UUID


class ImportPage(Form, frozen=True):
    """How far the list has been read."""

    limit: Annotated[int, Meta(ge=1, le=200, description="Imports on a page")] = 50
    cursor: Cursor | None = None


class ImportAnswer(Answer):
    """An import and where it is; `progress` has the summary once it is done."""

    id: UUID
    entity: Literal["contacts", "organizations", "employment"]
    source: str
    filename: str | None
    dry_run: bool
    status: Literal["uploaded", "running", "done", "failed"]
    counts: dict[str, int]
    progress: dict[str, Any]
    error: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class ImportsAnswer(Answer):
    results: list[ImportAnswer]
    cursor: str | None


@operation(
    "POST",
    "/v1/imports",
    tag="Imports",
    summary="Upload a file and import it",
    access="admin",
    session="service",
    status=202,
    upload=ImportForm,
    errors=(uploads.BadForm, EmptyUpload, BadMapping),
    links={"import_id": "$response.body#/id"},
)
async def create_import(call: Call) -> ImportAnswer:
    """A CSV or TSV file, plain or gzipped, as `file` of a multipart form, beside the fields that say how to
    read it. The worker imports it; `GET /v1/imports/{import_id}` tells how far it is. With `dry_run`
    nothing is written.
    """
    limit_bytes = call.services.settings.api.upload_limit_bytes
    # On disk beyond one piece. The database is asked only when all has come: a slow client holds no
    # connection, and an upload that breaks off leaves nothing.
    with SpooledTemporaryFile(max_size=PIECE_BYTES) as file:
        upload = await _receive(call, file, limit_bytes)
        form = intake.convert(upload.fields, ImportForm)
        if upload.filename is None:
            raise EmptyUpload(
                "The form has no file.", errors=[{"path": "file", "message": "A file is needed."}]
            )
        created = await jobs.create_import(
            call.session,
            user_id=call.user_id,
            filename=clean(upload.filename)[-200:] or None,
            **msgspec.structs.asdict(form),
        )
        file.seek(0)
        for seq, piece in enumerate(iter(lambda: file.read(PIECE_BYTES), b"")):
            await jobs.append_chunk(call.session, import_id=created.id, seq=seq, data=piece)
    started = await jobs.start(call.session, import_id=created.id)
    await call.record(
        "import.asked", f"import:{started.id}", entity=form.entity, source=form.source, dry_run=form.dry_run
    )
    call.response_headers["Location"] = f"/v1/imports/{started.id}"
    return _answer(started)


@dataclass(slots=True)
class _Upload:
    """What a form has brought, beside the content of its file."""

    fields: dict[str, str] = field(default_factory=dict)
    filename: str | None = None
    size: int = 0


async def _receive(call: Call, file: IO[bytes], limit_bytes: int) -> _Upload:
    upload = _Upload()
    async for event in uploads.read_form(call.request, limit_bytes=limit_bytes + _FORM_BYTES):
        if isinstance(event, uploads.FormField):
            if event.name in upload.fields or event.name == "file":
                raise _refused(event.name, "Each field is given once, and `file` is a file.")
            if event.name == "dry_run" and event.value not in {"true", "false"}:
                raise _refused(event.name, "It is `true` or `false`.")
            upload.fields[event.name] = event.value
        elif isinstance(event, uploads.FileStart):
            if event.name != "file" or upload.filename is not None:
                raise _refused(event.name, "The form has one file, and it is called `file`.")
            upload.filename = event.filename
        else:
            upload.size += len(event.data)
            if upload.size > limit_bytes:
                raise intake.TooLarge(
                    f"A file to import has {limit_bytes:,} bytes at the most.", limit_bytes=limit_bytes
                )
            file.write(event.data)
    return upload


def _refused(name: str, message: str) -> intake.WrongShape:
    return intake.WrongShape(message, errors=[{"path": name[:80], "message": message}])


@operation(
    "GET",
    "/v1/imports",
    tag="Imports",
    summary="The imports so far",
    access="admin",
    session="service_read",
    errors=(WrongCursor,),
)
async def list_imports(call: Call, query: ImportPage) -> ImportsAnswer:
    """In pages, the latest first."""
    before = ImportId(paging.decode("imports", query.cursor, UUID)) if query.cursor else None
    found = await jobs.list_imports(call.session, limit=query.limit + 1, before=before)
    shown = found[: query.limit]
    cursor = paging.encode("imports", shown[-1].id) if len(found) > query.limit else None
    return ImportsAnswer(results=[_answer(each) for each in shown], cursor=cursor)


@operation(
    "GET",
    "/v1/imports/{import_id}",
    tag="Imports",
    summary="How far an import is",
    access="admin",
    session="service_read",
)
async def show_import(call: Call, path: ImportPath) -> ImportAnswer:
    """Its state, its counts and, while it runs, rows per second and the seconds left."""
    return _answer(await jobs.get(call.session, import_id=ImportId(path.import_id)))


@operation(
    "GET",
    "/v1/imports/{import_id}/rejects",
    tag="Imports",
    summary="What was dropped or rejected",
    access="admin",
    media_type="text/csv",
    errors=(NotFound,),
)
async def download_rejects(call: Call, path: ImportPath) -> str:
    """A CSV file with the line (the header's is 1), the column, whether a value was dropped or the row
    rejected, the reason and the original. Cells that a spreadsheet would run are made text.
    """
    import_id = ImportId(path.import_id)
    database = call.services.database
    async with database.transaction(SERVICE, read_only=True) as session:
        await jobs.get(session, import_id=import_id)
    filename = f"rejects-{import_id}.csv"
    return Download(  # type: ignore[return-value]
        rows=_rejects(database, import_id), media_type="text/csv", filename=filename
    )


async def _rejects(database: Database, import_id: ImportId) -> AsyncIterator[bytes]:
    yield csvfile.rows([("line", "column", "kind", "reason", "original")])
    after = 0
    while True:
        async with database.transaction(SERVICE, read_only=True) as session:
            found = await jobs.rejects(session, import_id=import_id, after=after, limit=_REJECTS_AT_ONCE)
        if found:
            yield csvfile.rows(
                (
                    str(reject.line),
                    reject.column or "",
                    "row" if reject.is_row else "value",
                    reject.sentence,
                    reject.original,
                )
                for _, reject in found
            )
            after = found[-1][0]
        if len(found) < _REJECTS_AT_ONCE:
            return


def _answer(found: Import) -> ImportAnswer:
    return ImportAnswer(
        id=found.id,
        entity=found.entity,
        source=found.source,
        filename=found.filename,
        dry_run=bool(found.options.get("dry_run")),
        status=found.status,  # type: ignore[arg-type]
        counts=found.counts,
        progress=found.progress,
        error=found.error,
        created_at=found.created_at,
        started_at=found.started_at,
        finished_at=found.finished_at,
    )


OPERATIONS: Final[list[Operation]] = [create_import, list_imports, show_import, download_rejects]
