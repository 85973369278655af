"""Files of records, uploaded by administrators and run by the worker."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from msgspec import Meta

from api import body as intake
from api import csvfile, uploads
from api.operations import Call, Download, Operation, operation
from core.errors import NotFound
from core.ids import ImportId
from core.text import clean
from db.sessions import SERVICE, Database
from domain import paging
from domain.imports import jobs
from domain.imports.jobs import EmptyUpload, Import
from domain.imports.mapping_file import BadMapping
from domain.paging import MAX_CURSOR_LENGTH, BadCursor
from search.request import Form
from search.response import Answer

# Pieces of this size make few statements and little memory.
PIECE_BYTES: Final = 4 * 1024 * 1024
# What a form has beside its file.
_FORM_BYTES: Final = 1024 * 1024
_REJECTS_AT_ONCE: Final = 1_000

Name = Annotated[str, Meta(min_length=1, max_length=100)]


class ImportForm(Form, frozen=True):
    """How the file is to be read. The fields come before the file."""

    entity: Literal["contacts", "organizations", "employment"]
    source: Annotated[
        str, Meta(min_length=1, max_length=100, description="Where the file comes from, as in `crm`")
    ]
    dry_run: Annotated[bool, Meta(description="Count and show the first rows; write nothing")] = False
    mapping: (
        Annotated[str, Meta(max_length=uploads.MAX_FIELD_BYTES, description="The text of a mapping file")]
        | None
    ) = None
    delimiter: Annotated[str, Meta(min_length=1, max_length=1)] | None = None
    encoding: Name | None = None
    companies_source: Annotated[Name, Meta(description="Whose keys name the companies")] | None = None
    contacts_source: Annotated[Name, Meta(description="Whose keys name the people")] | None = None


class ImportPath(Form, frozen=True):
    import_id: UUID


class ImportPage(Form, frozen=True):
    """How far the list has been read."""

    limit: Annotated[int, Meta(ge=1, le=200, description="Imports on a page")] = 50
    cursor: (
        Annotated[
            str, Meta(min_length=1, max_length=MAX_CURSOR_LENGTH, description="`cursor` of the page before")
        ]
        | None
    ) = None


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
    status=202,
    upload=ImportForm,
    errors=(uploads.BadForm, EmptyUpload, BadMapping),
    links=dict.fromkeys(("show_import", "download_rejects"), ("import_id", "/id")),
)
async def create_import(call: Call) -> ImportAnswer:
    """A CSV or TSV file, plain or gzipped, as `file` of a multipart form, behind the fields that say how to
    read it. The worker imports it; `GET /v1/imports/{import_id}` tells how far it is. With `dry_run`
    nothing is written.
    """
    database = call.services.database
    limit_bytes = call.services.settings.api.upload_limit_bytes
    form = uploads.read_form(call.request, limit_bytes=limit_bytes + _FORM_BYTES)
    upload = _Upload(call, database, limit_bytes)
    try:
        async for event in form:
            await upload.take(event)
        started = await upload.finish()
    except BaseException:
        await upload.give_up()
        raise
    call.response_headers["Location"] = f"/v1/imports/{started.id}"
    return _answer(started)


class _Upload:
    """A form on its way into the database: each piece of the file is stored when it has come."""

    def __init__(self, call: Call, database: Database, limit_bytes: int) -> None:
        self._call = call
        self._database = database
        self._limit_bytes = limit_bytes
        self._fields: dict[str, str] = {}
        self._import_id: ImportId | None = None
        self._buffer = bytearray()
        self._size = 0
        self._next = 0

    async def take(self, event: uploads.Event) -> None:
        if isinstance(event, uploads.FormField):
            self._take_field(event)
        elif isinstance(event, uploads.FileStart):
            await self._begin(event)
        else:
            self._size += len(event.data)
            if self._size > self._limit_bytes:
                raise intake.TooLarge(
                    f"A file to import has {self._limit_bytes:,} bytes at the most.",
                    limit_bytes=self._limit_bytes,
                )
            self._buffer += event.data
            if len(self._buffer) >= PIECE_BYTES:
                await self._store()

    async def finish(self) -> Import:
        """Hand the import to the worker."""
        if self._import_id is None:
            # The fields' own mistakes come first.
            intake.convert(self._fields, ImportForm)
            raise EmptyUpload(
                "The form has no file.", errors=[{"path": "file", "message": "A file is needed."}]
            )
        if self._buffer:
            await self._store()
        async with self._database.transaction(SERVICE) as session:
            return await jobs.start(session, import_id=self._import_id)

    async def give_up(self) -> None:
        """Leave nothing of an upload that broke off."""
        if self._import_id is not None:
            async with self._database.transaction(SERVICE) as session:
                await jobs.discard(session, import_id=self._import_id)

    def _take_field(self, event: uploads.FormField) -> None:
        if self._import_id is not None or event.name in self._fields:
            message = "Each field is given once, and before the file."
            raise intake.WrongShape(message, errors=[{"path": event.name[:80], "message": message}])
        self._fields[event.name] = event.value

    async def _begin(self, event: uploads.FileStart) -> None:
        if event.name != "file" or self._import_id is not None:
            message = "The form has one file, and it is called `file`."
            raise intake.WrongShape(message, errors=[{"path": event.name[:80], "message": message}])
        form = intake.convert(self._fields, ImportForm)
        filename = clean(event.filename)[-200:] or None
        async with self._database.transaction(SERVICE) as session:
            created = await jobs.create_import(
                session,
                user_id=self._call.user_id,
                entity=form.entity,
                source=form.source,
                filename=filename,
                dry_run=form.dry_run,
                mapping=form.mapping,
                delimiter=form.delimiter,
                encoding=form.encoding,
                companies_source=form.companies_source,
                contacts_source=form.contacts_source,
            )
        self._import_id = created.id

    async def _store(self) -> None:
        if self._import_id is None:
            return
        async with self._database.transaction(SERVICE) as session:
            await jobs.append_chunk(
                session, import_id=self._import_id, seq=self._next, data=bytes(self._buffer)
            )
        self._next += 1
        self._buffer.clear()


@operation(
    "GET",
    "/v1/imports",
    tag="Imports",
    summary="The imports so far",
    access="admin",
    session="service_read",
    errors=(BadCursor,),
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
