"""Errors as HTTP: the only place that knows how a failure looks on the wire.

Each face of the API answers in its own shape, chosen by the path's prefix in `FACES`. Whatever is not a
`LeadFuelError` is our fault: it is logged once, here, and leaves with an id and nothing of its inside.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from api.body import TooLarge
from core.errors import LeadFuelError, NotFound
from core.logs import get_logger

log = get_logger(__name__)

MEDIA_TYPE: Final = "application/problem+json"
# SQLSTATE classes that say "not now" rather than "never": lost connections, exhausted resources,
# an operator's intervention (which includes our own statement timeout).
_PASSING_SQLSTATES: Final = ("08", "53", "57")


class FieldError(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing wrong with a request: where, what, and what would do instead."""

    path: Annotated[str, msgspec.Meta(description="Where, as in `filters.contacts.include.titles[0]`")]
    message: str
    allowed: Annotated[list[str], msgspec.Meta(description="The nearest allowed values")] = []


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An error as RFC 9457 has it."""

    type: Annotated[str, msgspec.Meta(description="`/problems/{slug}`, where the kind is explained")]
    title: str
    status: Annotated[int, msgspec.Meta(ge=400, le=599)]
    detail: str
    request_id: Annotated[str, msgspec.Meta(description="What to quote when asking for help")]
    errors: list[FieldError] = []
    facts: Annotated[
        dict[str, Any], msgspec.Meta(description="Figures a program can act on, such as `retry_after_s`")
    ] = {}


class FunctionError(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An error as the clients of edge functions read it."""

    error: str
    code: Annotated[str, msgspec.Meta(description="The kind of problem, as in `/problems/{code}`")]
    request_id: Annotated[str, msgspec.Meta(description="What to quote when asking for help")]
    errors: list[FieldError] = []
    facts: Annotated[dict[str, Any], msgspec.Meta(description="Figures a program can act on")] = {}


class StorageError(msgspec.Struct, frozen=True, kw_only=True, rename={"status_code": "statusCode"}):
    """An error as the clients of storage read it: the status once more, as text."""

    status_code: str
    error: str
    message: str


class AuthError(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An error as the clients of Supabase Auth read it, the newer ones and the older."""

    code: str
    message: str
    error_code: str
    msg: str
    request_id: str
    weak_password: dict[str, list[str]] | None = None


class Unavailable(LeadFuelError):
    """A part we depend on does not answer. The request can be repeated as it is."""

    status = 503
    slug = "unavailable"
    title = "Not available at the moment"


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong, before any face gives it a shape."""

    status: int
    slug: str
    title: str
    detail: str
    request_id: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


class BadRequest(LeadFuelError):
    """The request cannot be understood: a broken header, or a body that is not what it claims to be."""

    status = 400
    slug = "bad-request"
    title = "The request cannot be understood"


class MethodNotAllowed(LeadFuelError):
    """The path exists and does not take this verb; the `Allow` header names those it takes."""

    status = 405
    slug = "method-not-allowed"
    title = "This path does not take this verb"


# What the framework itself refuses, in our words.
_OF_THE_FRAMEWORK: Final[dict[int, LeadFuelError]] = {
    400: BadRequest("The request cannot be understood."),
    404: NotFound("There is nothing under this path."),
    405: MethodNotAllowed("This path does not take this verb."),
    413: TooLarge("The body is larger than this path takes."),
}


def handle(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Litestar's exception handler for everything: describe, log what is ours, render for the face.

    What only waits for a part to come back is a line in the log; a traceback is for what somebody must mend.
    """
    failure = describe(error, request_id=request.scope["state"].get("request_id", ""))
    if failure.status == Unavailable.status:
        # Not the words: those of a database error hold the statement.
        log.warning("request not served", kind=type(error).__name__, cause=type(error.__cause__).__name__)
    elif failure.status >= 500:
        log.error("request failed", exc_info=error, **{"error.slug": failure.slug})
    return face_of(request.scope["path"]).render(failure)


def describe(error: Exception, *, request_id: str) -> Failure:
    """Give any exception a status, a slug and words; nothing internal passes."""
    if isinstance(error, LeadFuelError) and (error.status < 500 or error.status == Unavailable.status):
        return _known(error, request_id)
    if isinstance(error, HTTPException) and error.status_code < 500:
        refusal = _OF_THE_FRAMEWORK.get(error.status_code, _OF_THE_FRAMEWORK[400])
        return _known(refusal, request_id, _allow(error.headers or {}))
    if _is_passing(error):
        return _known(Unavailable("A part of this service does not answer at the moment."), request_id)
    internal = LeadFuelError("Something went wrong on our side; it has been logged under this id.")
    return _known(internal, request_id)


def _known(error: LeadFuelError, request_id: str, more_headers: Mapping[str, str] | None = None) -> Failure:
    headers = dict(more_headers or {})
    if error.status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="leadfuel"'
    if "retry_after_s" in error.facts:
        headers["Retry-After"] = str(error.facts["retry_after_s"])
    return Failure(error.status, error.slug, error.title, error.detail, request_id, error.facts, headers)


def _allow(headers: Mapping[str, str]) -> dict[str, str]:
    """Of a framework error's headers only `Allow` is meant for the caller."""
    allowed = next((value for name, value in headers.items() if name.lower() == "allow"), None)
    return {} if allowed is None else {"Allow": allowed}


def _is_passing(error: Exception) -> bool:
    if isinstance(error, DBAPIError):
        sqlstate = getattr(error.orig, "sqlstate", None) or ""
        if sqlstate:
            return sqlstate.startswith(_PASSING_SQLSTATES)
        return error.connection_invalidated or isinstance(error, OperationalError | InterfaceError)
    sqlstate = getattr(error, "sqlstate", None)
    if isinstance(sqlstate, str):
        return sqlstate.startswith(_PASSING_SQLSTATES)
    return isinstance(error, PoolTimeout | TimeoutError | ConnectionError)


def problem_json(failure: Failure) -> Response[bytes]:
    """LeadFuel's own face, and that of every path that belongs to no other."""
    facts = dict(failure.facts)
    errors = facts.pop("errors", None) or []
    body: dict[str, Any] = {
        "type": f"/problems/{failure.slug}",
        "title": failure.title,
        "status": failure.status,
        "detail": failure.detail,
        "request_id": failure.request_id,
    }
    if errors:
        body["errors"] = [
            {**error, "allowed": [str(value) for value in error["allowed"]]}
            if error.get("allowed")
            else error
            for error in errors
        ]
    if facts:
        body["facts"] = facts
    return Response(
        content=msgspec.json.encode(body, enc_hook=str),
        status_code=failure.status,
        headers=dict(failure.headers),
        media_type=MEDIA_TYPE,
    )


def function_error(failure: Failure) -> Response[bytes]:
    """What the clients of edge functions read: a sentence under `error`, and a code for programs."""
    body: dict[str, Any] = {"error": failure.detail, "code": failure.slug, "request_id": failure.request_id}
    facts = {name: value for name, value in failure.facts.items() if value}
    if errors := facts.pop("errors", None):
        body["errors"] = errors
    if facts:
        body["facts"] = facts
    return Response(
        content=msgspec.json.encode(body, enc_hook=str),
        status_code=failure.status,
        headers=dict(failure.headers),
        media_type="application/json",
    )


# The kinds of problem that all faces share, in the words of the clients of Supabase Auth.
_AUTH_CODES: Final[Mapping[str, str]] = {
    "internal": "unexpected_failure",
    "unavailable": "unexpected_failure",
    "not-found": "not_found",
    "unauthenticated": "no_authorization",
    "bad-token": "bad_jwt",
    "bad-request": "validation_failed",
    "wrong-content-type": "bad_json",
}


def auth_error(failure: Failure) -> Response[bytes]:
    """What the clients of Supabase Auth read, the older ones included."""
    code = _AUTH_CODES.get(failure.slug, failure.slug.replace("-", "_"))
    body: dict[str, Any] = {
        "code": code,
        "message": failure.detail,
        "error_code": code,
        "msg": failure.detail,
        "request_id": failure.request_id,
    }
    if "weak_password" in failure.facts:
        body["weak_password"] = failure.facts["weak_password"]
    # Without the first of them the clients do not read the code.
    headers = {"X-Supabase-Api-Version": "2024-01-01", "X-Sb-Error-Code": code}
    return Response(
        content=msgspec.json.encode(body, enc_hook=str),
        status_code=failure.status,
        headers={**failure.headers, **headers},
        media_type="application/json",
    )


def storage_error(failure: Failure) -> Response[bytes]:
    """What the clients of storage read."""
    # By this word, and no other, they tell a file that is not there from a question that failed.
    kind = "not_found" if failure.status == NotFound.status else failure.slug.replace("-", "_")
    body = StorageError(status_code=str(failure.status), error=kind, message=failure.detail)
    return Response(
        content=msgspec.json.encode(body),
        status_code=failure.status,
        headers=dict(failure.headers),
        media_type="application/json",
    )


@dataclass(frozen=True, slots=True)
class Face:
    """How errors look below a prefix of the path: made by `render`, described by `shape`."""

    prefix: str
    render: Callable[[Failure], Response[bytes]]
    shape: type[msgspec.Struct]
    media_type: str


# The first whose prefix fits is taken.
FACES: Final[tuple[Face, ...]] = (
    Face("/functions/", function_error, FunctionError, "application/json"),
    Face("/storage/", storage_error, StorageError, "application/json"),
    Face("/auth/v1/", auth_error, AuthError, "application/json"),
    Face("", problem_json, Problem, MEDIA_TYPE),
)


def face_of(path: str) -> Face:
    """The face that a path belongs to."""
    return next(face for face in FACES if path.startswith(face.prefix))


def kinds() -> dict[str, type[LeadFuelError]]:
    """Every slug an answer can carry and the class that explains it (of those imported)."""
    found: dict[str, type[LeadFuelError]] = {}
    waiting = [LeadFuelError]
    while waiting:
        kind = waiting.pop()
        found.setdefault(kind.slug, kind)
        waiting += kind.__subclasses__()
    return dict(sorted(found.items()))
