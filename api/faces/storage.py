"""Storage as Supabase's clients call it, `/storage/v1`: one bucket, `exports`; everybody sees their own.

There is nothing to upload: the files are those that exports make, and an object's path is the `storage_path`
of its export. The bucket is private: an object is read with a token of its owner, or by a link that its owner
has signed and that ends.
"""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from api.operations import Call, Operation, operation
from api.routes.exports import ExportPath, Token, download, file_of
from core.errors import NotFound
from domain.exports import keeping
from domain.exports.keeping import Export
from domain.exports.store import NoSuchExport
from search.request import Form
from search.response import Answer

_OBJECT: Final = "exports/{export_id}/{filename}"
_ERRORS: Final = (NotFound, NoSuchExport)
Lifetime = Annotated[int, Meta(ge=1, le=keeping.MAX_LINK_S)] | Annotated[str, Meta(pattern="^[0-9]{1,6}$")]


class ObjectPath(ExportPath, frozen=True):
    filename: Annotated[str, Meta(min_length=1, max_length=200)]


class SignRequest(Form, frozen=True):
    """As the clients of storage send it: the seconds as a number or as its digits."""

    expires_in: Lifetime = msgspec.field(name="expiresIn")
    download: bool | str | None = None


class Signed(Answer):
    """Relative to `/storage/v1`."""

    signedURL: str  # noqa: N815 - the clients' name


class Bucket(Answer):
    id: str
    name: str
    public: bool


@operation("GET", "/storage/v1/bucket", tag="Storage", summary="The buckets there are", scope="read")
async def list_buckets(call: Call) -> list[Bucket]:  # noqa: ARG001 - the same for everybody
    """One, and nothing in it is public."""
    return [Bucket(id="exports", name="exports", public=False)]


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
    token = keeping.sign(call.services.settings, found, lifetime_s=int(body.expires_in))
    return Signed(signedURL=f"/object/sign/exports/{found.id}/{found.filename}?token={token}")


@operation(
    "GET",
    f"/storage/v1/object/sign/{_OBJECT}",
    tag="Storage",
    summary="Fetch an export by its signed link",
    access="public",
    media_type="text/csv",
    errors=(NoSuchExport,),
)
async def download_signed(call: Call, path: ObjectPath, query: Token) -> str:
    """As `/v1/exports/{export_id}/file`."""
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


OPERATIONS: Final[list[Operation]] = [
    list_buckets,
    sign_export,
    download_signed,
    download_object,
    download_authenticated,
]
