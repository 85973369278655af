"""Storage as Supabase's clients call it, `/storage/v1`: one bucket, `exports`; everybody sees their own.

The files are those that exports make, and nothing is uploaded: an object's path is the `storage_path` of its
export. The bucket is private: an object is read with a token of its owner, or by a link that its owner has
signed and that ends.
"""

from datetime import UTC, datetime
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from litestar import HttpMethod, Request, Response
from litestar.handlers import HTTPRouteHandler
from msgspec import Meta

from api.operations import Call, Operation, operation
from api.routes.exports import ExportPath, Token, download, file_of
from core.errors import LeadFuelError, NotFound
from domain.exports import keeping, objects
from domain.exports.keeping import Export
from domain.exports.objects import Column, Listing, Object, Order
from domain.exports.store import NoSuchExport
from search.request import Form
from search.response import Answer

# Links are asked for by the page of a list, not by the thousand.
MAX_PATHS: Final = 500
_OBJECT: Final = "exports/{export_id}/{filename}"
_ERRORS: Final = (NotFound, NoSuchExport)
Lifetime = Annotated[int, Meta(ge=1, le=keeping.MAX_LINK_S)] | Annotated[str, Meta(pattern="^[0-9]{1,6}$")]


class ObjectPath(ExportPath, frozen=True):
    filename: Annotated[str, Meta(min_length=1, max_length=200)]


class SignRequest(Form, frozen=True):
    """As the clients of storage send it: the seconds as a number or as its digits."""

    expires_in: Lifetime = msgspec.field(name="expiresIn")
    download: bool | str | None = None


class SignManyRequest(Form, frozen=True):
    """As `SignRequest`, for many at once."""

    expires_in: Lifetime = msgspec.field(name="expiresIn")
    paths: Annotated[list[Annotated[str, Meta(max_length=300)]], Meta(max_length=MAX_PATHS)]
    download: bool | str | None = None


class SortBy(Form, frozen=True):
    """In which order; of folders, the times are those of the files in them."""

    column: Column = "name"
    order: Order = "asc"


class ListRequest(Form, frozen=True):
    """`prefix` is a folder and "" the bucket itself; `search` is how the names in it begin."""

    prefix: Annotated[str, Meta(max_length=300)] = ""
    limit: Annotated[int, Meta(ge=1, le=1_000)] = 100
    offset: Annotated[int, Meta(ge=0, le=2**31 - 1)] = 0
    sort_by: SortBy = msgspec.field(name="sortBy", default=SortBy())
    search: Annotated[str, Meta(max_length=300)] | None = None


class Signed(Answer):
    """Relative to `/storage/v1`."""

    signedURL: str  # noqa: N815 - the clients' name


class SignedOfMany(Answer):
    """`signedURL` is null, and `error` says so, when there is no such file of the caller's."""

    error: str | None
    path: str
    signedURL: str | None  # noqa: N815 - the clients' name


class Metadata(Answer):
    """What is known of a file."""

    size: int
    content_length: int = msgspec.field(name="contentLength")
    mimetype: str
    cache_control: str = msgspec.field(name="cacheControl")
    last_modified: datetime = msgspec.field(name="lastModified")
    etag: str = msgspec.field(name="eTag")
    http_status_code: int = msgspec.field(name="httpStatusCode")


class Entry(Answer):
    """A file; or a folder, of which nothing but the name is told."""

    name: str
    id: str | None = None
    updated_at: datetime | None = None
    created_at: datetime | None = None
    last_accessed_at: datetime | None = None
    metadata: Metadata | None = None


class Info(Answer):
    """A file, as a client asks whether it is there."""

    id: str
    version: str
    name: str
    bucket_id: str
    size: int
    content_type: str
    cache_control: str
    etag: str
    metadata: dict[str, str]
    last_modified: datetime
    created_at: datetime
    updated_at: datetime


class Bucket(Answer):
    """Where files are kept."""

    id: str
    name: str
    owner: str
    public: bool
    created_at: datetime
    updated_at: datetime
    file_size_limit: int | None
    allowed_mime_types: list[str]


class LinkNotGood(LeadFuelError):
    """The link was not signed for this file, or its time is over. Its owner can sign another."""

    status = 400
    slug = "link-not-good"
    title = "The link is not good"


class NothingToUpload(LeadFuelError):
    """The files of this installation are made by exports; clients read, sign and list them."""

    status = 403
    slug = "nothing-to-upload"
    title = "Files are not uploaded here"


_SINCE: Final = datetime(2026, 11, 25, tzinfo=UTC)
_EXPORTS: Final = Bucket(
    id="exports",
    name="exports",
    owner="",
    public=False,
    created_at=_SINCE,
    updated_at=_SINCE,
    file_size_limit=None,
    allowed_mime_types=list(keeping.MEDIA_TYPES.values()),
)


@operation("GET", "/storage/v1/bucket", tag="Storage", summary="The buckets there are", scope="read")
async def list_buckets(call: Call) -> list[Bucket]:  # noqa: ARG001 - the same for everybody
    """One, and nothing in it is public."""
    return [_EXPORTS]


@operation("GET", "/storage/v1/bucket/exports", tag="Storage", summary="The bucket", scope="read")
async def show_bucket(call: Call) -> Bucket:  # noqa: ARG001 - the same for everybody
    """The files of exports."""
    return _EXPORTS


@operation(
    "POST",
    "/storage/v1/object/list/exports",
    tag="Storage",
    summary="Your exports as folders and files",
    scope="read",
    session="read",
    example={"prefix": ""},
)
async def list_objects(call: Call, body: ListRequest) -> list[Entry]:
    """Each export has a folder, named by its id, with its one file. What has expired is not listed."""
    listing = Listing(
        search=body.search or "",
        sort=body.sort_by.column,
        order=body.sort_by.order,
        limit=body.limit,
        offset=body.offset,
    )
    folder = body.prefix.strip("/")
    if not folder:
        names = await objects.folders(call.session, user_id=call.user_id, listing=listing)
        return [Entry(name=name) for name in names]
    found = await objects.files(call.session, user_id=call.user_id, folder=folder, listing=listing)
    return [_entry(each) for each in found]


@operation(
    "POST",
    "/storage/v1/object/sign/exports",
    tag="Storage",
    summary="Links to many exports at once",
    scope="read",
    session="read",
    example={"expiresIn": 60, "paths": []},
)
async def sign_exports(call: Call, body: SignManyRequest) -> list[SignedOfMany]:
    """In the order of the paths; of others' files and of none it is told which have no link."""
    found = await objects.find(call.session, user_id=call.user_id, paths=body.paths)
    return [_signed(call, path, found.get(path), int(body.expires_in)) for path in body.paths]


@operation(
    "GET",
    f"/storage/v1/object/info/{_OBJECT}",
    tag="Storage",
    summary="What is known of a file",
    session="read",
    errors=_ERRORS,
)
async def show_object(call: Call, path: ObjectPath) -> Info:
    """For the one whose export it is."""
    where = f"{path.export_id}/{path.filename}"
    found = (await objects.find(call.session, user_id=call.user_id, paths=[where])).get(where)
    if found is None:
        raise NoSuchExport("Object not found")
    return Info(
        id=str(found.id),
        version=str(found.id),
        name=where,
        bucket_id="exports",
        size=found.byte_count,
        content_type=keeping.MEDIA_TYPES[found.format],
        cache_control="no-store",
        etag=_etag(found),
        metadata={},
        last_modified=found.finished_at,
        created_at=found.created_at,
        updated_at=found.finished_at,
    )


@operation(
    "POST",
    f"/storage/v1/object/sign/{_OBJECT}",
    tag="Storage",
    summary="A link to an export, for clients of storage",
    scope="read",
    session="read",
    errors=_ERRORS,
    example={"expiresIn": 60},
)
async def sign_export(call: Call, path: ObjectPath, body: SignRequest) -> Signed:
    """For the one whose export it is; `storage_path` of an export is its path here."""
    found = await _mine(call, path)
    return Signed(signedURL=_link(call, found.id, found.filename, int(body.expires_in)))


@operation(
    "GET",
    f"/storage/v1/object/sign/{_OBJECT}",
    tag="Storage",
    summary="Fetch an export by its signed link",
    access="public",
    media_type="text/csv",
    errors=(NoSuchExport, LinkNotGood),
)
async def download_signed(call: Call, path: ObjectPath, query: Token) -> str:
    """As `/v1/exports/{export_id}/file`."""
    if not keeping.is_good(call.services.settings, path.export_id, query.token):
        raise LinkNotGood("This link is not good, or its time is over.")
    return await download(call, path.export_id, query.token)


@operation(
    "GET",
    f"/storage/v1/object/{_OBJECT}",
    tag="Storage",
    summary="Fetch an export with your token",
    session="read",
    media_type="text/csv",
    errors=_ERRORS,
)
async def download_object(call: Call, path: ObjectPath) -> str:
    """For the one whose export it is."""
    return await file_of(call, await _mine(call, path))


@operation(
    "GET",
    f"/storage/v1/object/authenticated/{_OBJECT}",
    tag="Storage",
    summary="Fetch an export with your token, by the longer path",
    session="read",
    media_type="text/csv",
    errors=_ERRORS,
)
async def download_authenticated(call: Call, path: ObjectPath) -> str:
    """The same file as without `authenticated`."""
    return await file_of(call, await _mine(call, path))


async def _mine(call: Call, path: ObjectPath) -> Export:
    """The export of a path when it is the caller's and its file is there."""
    found = await keeping.get(call.session, export_id=path.export_id)
    if not found.is_there or found.filename != path.filename:
        raise NoSuchExport("Object not found")
    return found


def _link(call: Call, export_id: UUID, filename: str, lifetime_s: int) -> str:
    token = keeping.sign(call.services.settings, export_id, lifetime_s=lifetime_s)
    return f"/object/sign/exports/{export_id}/{filename}?token={token}"


def _signed(call: Call, path: str, found: Object | None, lifetime_s: int) -> SignedOfMany:
    if found is None:
        message = "Either the object does not exist or you do not have access to it"
        return SignedOfMany(error=message, path=path, signedURL=None)
    return SignedOfMany(error=None, path=path, signedURL=_link(call, found.id, found.filename, lifetime_s))


def _entry(found: Object) -> Entry:
    return Entry(
        name=found.filename,
        id=str(found.id),
        updated_at=found.finished_at,
        created_at=found.created_at,
        last_accessed_at=found.finished_at,
        metadata=Metadata(
            size=found.byte_count,
            content_length=found.byte_count,
            mimetype=keeping.MEDIA_TYPES[found.format],
            cache_control="no-store",
            last_modified=found.finished_at,
            etag=_etag(found),
            http_status_code=200,
        ),
    )


def _etag(found: Object) -> str:
    """A file never changes: another export is another file."""
    return f'"{found.id}"'


async def _refuse(request: Request[Any, Any, Any]) -> Response[Any]:
    """What clients do with files of their own; nothing of the body is read."""
    if request.method == "GET":
        raise NotFound("Object not found")
    raise NothingToUpload("Files are made by exports here, and deleted as exports.")


OPERATIONS: Final[list[Operation]] = [
    list_buckets,
    show_bucket,
    list_objects,
    sign_export,
    sign_exports,
    show_object,
    download_signed,
    download_object,
    download_authenticated,
]
_GET: Final = (HttpMethod.GET,)
_CHANGES: Final = (HttpMethod.POST, HttpMethod.PUT, HttpMethod.DELETE)
HANDLERS: Final[tuple[HTTPRouteHandler, ...]] = tuple(
    HTTPRouteHandler(
        f"/storage/v1/object/exports{path}", http_method=methods, include_in_schema=False, status_code=200
    )(_refuse)
    for path, methods in (
        ("", _GET + _CHANGES),
        ("/{export_id:str}", _GET + _CHANGES),
        ("/{export_id:str}/{filename:str}", _CHANGES),
        ("/{export_id:str}/{filename:str}/{more:path}", _GET + _CHANGES),
    )
)
