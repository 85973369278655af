"""One endpoint, declared once: `@operation(…)` over a typed function says what OpenAPI tells and the
server enforces.

The types of the arguments named `path`, `query` and `body` are read strictly from the request; the type
returned is what the answer holds. A request is one transaction: it opens lazily, and commits after the
answer has been encoded and before its first byte is sent.
"""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from inspect import getdoc
from typing import Any, Final, Literal, cast, get_type_hints
from urllib.parse import parse_qsl
from uuid import UUID

import msgspec
import structlog
from litestar import HttpMethod, Request, Response
from litestar.handlers import HTTPRouteHandler
from litestar.response import Stream
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from api import body as intake
from api import idempotency
from api.auth import Bearer, NotAllowed, ScopeMissing, Unauthenticated
from api.idempotency import Asked, Kept, read_key
from api.limits import TooManyRequests
from api.services import Services
from core.errors import LeadFuelError, NotFound
from core.ids import UserId
from db.sessions import ANON, SERVICE, Actor, member
from domain import audit
from domain.accounts import User
from domain.api_keys import Scope

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
Access = Literal["public", "member", "admin"]
# What the transaction of a request may do: read or write as the user, the same as the service acting for
# the user, or nothing because the handler opens its own.
Session = Literal["none", "read", "write", "service_read", "service"]

MAX_QUERY_FIELDS: Final = 50
_PARAMETER: Final = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """An answer that is not JSON."""

    content: str
    media_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """A file that is made while it is sent."""

    rows: AsyncIterator[bytes]
    media_type: str
    filename: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WithStatus:
    """An answer whose status is not the operation's usual one."""

    content: Any
    status: int


@dataclass(slots=True)
class Call:
    """A request on its way through its handler."""

    request: Request[Any, Any, Any]
    services: Services
    user_or_none: User | None
    response_headers: dict[str, str] = field(default_factory=dict)
    session_or_none: AsyncSession | None = None
    # The same when the call is sent again under its Idempotency-Key; without one there is none.
    reference: UUID | None = None
    # Those whose addresses the answer may hold: what is kept of it is forgotten with them.
    people: Sequence[int] = ()
    # What is to be waited for once the transaction is committed; the answer is 202 when it was in vain.
    afterwards: Callable[[], Awaitable[bool]] | None = None

    @property
    def user(self) -> User:
        if self.user_or_none is None:
            raise Unauthenticated("This path needs a bearer token.")
        return self.user_or_none

    @property
    def user_id(self) -> UserId:
        return self.user.id

    @property
    def actor(self) -> Actor:
        return ANON if self.user_or_none is None else member(self.user_or_none.id)

    async def record(self, action: str, subject: str, **detail: object) -> None:
        """Write what an administrator does into the audit log, in the transaction that does it."""
        await audit.record(self.session, actor_id=self.user_id, action=action, subject=subject, detail=detail)

    @property
    def session(self) -> AsyncSession:
        if self.session_or_none is None:
            raise TypeError("this operation is declared with session='none'")
        return self.session_or_none


Handle = Callable[..., Coroutine[Any, Any, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """Everything there is to know of an endpoint."""

    method: Method
    path: str
    name: str
    tag: str
    summary: str
    description: str
    handle: Handle
    access: Access
    session: Session
    status: int
    path_type: type[Any] | None
    query_type: type[Any] | None
    body_type: type[Any] | None
    answer_type: Any
    upload_type: type[Any] | None
    media_type: str
    errors: tuple[type[LeadFuelError], ...]
    example: Any
    other_statuses: tuple[int, ...]
    # What an answer leads to: path parameter -> where it stands, as a runtime expression of OpenAPI's. Every
    # operation that needs just these is linked, unless it takes an administrator and this one does not.
    links: Mapping[str, str]
    # Clients of functions send JSON under other names as well, and parameters that mean nothing here.
    is_function: bool
    # Whether it heeds an Idempotency-Key.
    idempotent: bool
    # What an API key needs to call it; `person` is what none can.
    scope: Scope | Literal["person"]
    # Bytes its JSON body may have; None: as many as the settings say.
    body_limit_bytes: int | None

    @property
    def is_limited(self) -> bool:
        return self.access != "public"


def handlers(operations: Iterable[Operation]) -> list[HTTPRouteHandler]:
    """Litestar's own kind of thing: one handler per path, so that `Allow` names all of its verbs."""
    by_path: dict[str, dict[str, Operation]] = {}
    for op in operations:
        by_path.setdefault(op.path, {})[op.method] = op
    return [_handler(path, by_method) for path, by_method in by_path.items()]


def _handler(path: str, by_method: Mapping[str, Operation]) -> HTTPRouteHandler:
    allowed = ", ".join(sorted([*by_method, "OPTIONS"]))

    async def endpoint(request: Request[Any, Any, Any]) -> Response[Any]:
        op = by_method.get(request.method)
        if op is None:
            return Response(None, status_code=204, headers={"Allow": allowed})
        return await _serve(op, request)

    methods = cast("list[HttpMethod]", [*by_method, "OPTIONS"])
    return HTTPRouteHandler(
        _PARAMETER.sub(r"{\1:str}", path),
        http_method=methods,
        include_in_schema=False,
        status_code=200,  # the answer brings its own
    )(endpoint)


def operation(
    method: Method,
    path: str,
    *,
    tag: str,
    summary: str,
    access: Access = "member",
    session: Session = "none",
    status: int | None = None,
    upload: type[Any] | None = None,
    media_type: str = "application/json",
    errors: Sequence[type[LeadFuelError]] = (),
    example: Any = None,
    other_statuses: Sequence[int] = (),
    links: Mapping[str, str] | None = None,
    is_function: bool = False,
    idempotent: bool = False,
    scope: Scope | Literal["person"] | None = None,
    body_limit_bytes: int | None = None,
) -> Callable[[Handle], Operation]:
    """Declare an endpoint over the function that serves it; its docstring is the description."""

    def declare(handle: Handle) -> Operation:
        hints = get_type_hints(handle, include_extras=True)
        answer = hints.get("return")
        is_empty = answer is None or answer is type(None)
        return Operation(
            method=method,
            path=path,
            name=handle.__name__,
            tag=tag,
            summary=summary,
            description=" ".join((getdoc(handle) or summary).split()),
            handle=handle,
            access=access,
            session=session,
            status=status or (204 if is_empty else 200),
            path_type=hints.get("path"),
            query_type=hints.get("query"),
            body_type=hints.get("body"),
            answer_type=None if is_empty else answer,
            upload_type=upload,
            media_type=media_type,
            errors=(*errors, *idempotency.ERRORS) if idempotent else tuple(errors),
            example=example,
            other_statuses=tuple(other_statuses),
            links=links or {},
            is_function=is_function,
            idempotent=idempotent,
            scope=scope or _usual_scope(method, access),
            body_limit_bytes=body_limit_bytes,
        )

    return declare


def _usual_scope(method: Method, access: Access) -> Scope:
    """What says nothing else is an administrator's, or a question, or a change."""
    if access == "admin":
        return "admin"
    return "read" if method == "GET" else "write"


async def _serve(op: Operation, request: Request[Any, Any, Any]) -> Response[Any]:
    services: Services = request.app.state.services
    user = await _admit(op, request, services)
    call = Call(request, services, user)
    arguments = await _arguments(op, request, services)
    given = request.headers.get(idempotency.HEADER) if op.idempotent else None
    if given is not None:
        asked = Asked(call.user_id, op.name, read_key(given), idempotency.fingerprint(arguments))
        response = await _serve_once(op, call, arguments, asked)
    else:
        async with _transaction(op, call):
            response = await _answer(op, call, arguments)
    if call.afterwards is not None and not await call.afterwards():
        response.status_code = 202
    return response


async def _serve_once(op: Operation, call: Call, arguments: Mapping[str, Any], asked: Asked) -> Response[Any]:
    """Serve a call, or answer it as it was answered under its key."""
    if op.session == "none":
        return await _serve_once_in_steps(op, call, arguments, asked)
    async with _transaction(op, call):
        async with _as_service(call):
            claimed = await idempotency.claim(call.session, asked)
        if claimed.kept is not None:
            return _replayed(claimed.kept)
        call.reference = claimed.reference
        response = await _answer(op, call, arguments)
        async with _as_service(call):
            await idempotency.keep(call.session, asked, claimed, _kept(response), people=call.people)
        return response


async def _serve_once_in_steps(
    op: Operation, call: Call, arguments: Mapping[str, Any], asked: Asked
) -> Response[Any]:
    """The same for an operation that opens transactions of its own."""
    database = call.services.database
    holder = await call.services.presence.number()
    async with database.transaction(SERVICE) as session:
        claimed = await idempotency.claim(session, asked, holder=holder)
    if claimed.kept is not None:
        return _replayed(claimed.kept)
    call.reference = claimed.reference
    try:
        response = await _answer(op, call, arguments)
    except BaseException as error:
        refused = isinstance(error, LeadFuelError) and error.status < 500
        async with database.transaction(SERVICE) as session:
            await idempotency.let_go(session, asked, claimed, refused=refused)
        raise
    async with database.transaction(SERVICE) as session:
        await idempotency.keep(session, asked, claimed, _kept(response), people=call.people)
    return response


@asynccontextmanager
async def _transaction(op: Operation, call: Call) -> AsyncIterator[None]:
    """The transaction of a request, if the operation is declared to have one."""
    if op.session == "none":
        yield
        return
    services = call.services
    async with services.database.transaction(
        Actor("service_role", call.user_id) if "service" in op.session else call.actor,
        read_only="read" in op.session,
        # Nobody waits longer for an answer, not even for an import to let go of its lock.
        statement_timeout_s=services.settings.database.statement_timeout_s,
    ) as call.session_or_none:
        yield


@asynccontextmanager
async def _as_service(call: Call) -> AsyncIterator[None]:
    """The service for some statements of a request's own transaction."""
    become = text("SELECT set_config('role', :role, true)")
    before = await call.session.scalar(text("SELECT current_setting('role')"))
    await call.session.execute(become, {"role": SERVICE.role})
    yield
    await call.session.execute(become, {"role": before})


async def _answer(op: Operation, call: Call, arguments: Mapping[str, Any]) -> Response[Any]:
    response = _render(op, await op.handle(call, **arguments))
    response.headers.update(call.response_headers)
    return response


def _kept(response: Response[Any]) -> Kept:
    return Kept(response.status_code or 200, response.content or b"")


def _replayed(kept: Kept) -> Response[Any]:
    return Response(
        kept.body or None,
        status_code=kept.status,
        media_type="application/json",
        headers={idempotency.REPLAYED: "true"},
    )


async def _admit(op: Operation, request: Request[Any, Any, Any], services: Services) -> User | None:
    """Count the request, then say who asks; an error when the route is not for them."""
    if op.access == "public":
        return None
    refusal: LeadFuelError | None = None
    bearer: Bearer | None = None
    try:
        bearer = await services.authenticator.bearer(request)
    except LeadFuelError as error:
        refusal = error
    # Requests without a good token are counted by their address, so that guessing is bounded, too.
    who = f"user:{bearer.user_id}" if bearer else f"address:{client_address(request)}"
    standing = await services.limiter.hit(who=who, route=op.name)
    request.scope["state"]["limit_headers"] = standing.headers()
    if standing.used > standing.limit:
        raise TooManyRequests(
            f"This installation takes {standing.limit} requests a minute to this path.",
            limit=standing.limit,
            retry_after_s=standing.resets_in_s,
        )
    if refusal is not None or bearer is None:
        raise refusal or Unauthenticated("This path needs a bearer token.")
    user = await services.authenticator.user(bearer)
    structlog.contextvars.bind_contextvars(**{"user.id": str(user.id)})
    if bearer.scopes is not None and op.scope not in bearer.scopes:
        raise _not_in_scope(op)
    if op.access == "admin" and not user.is_admin:
        raise NotAllowed("This path is for administrators of the installation.")
    return user


def _not_in_scope(op: Operation) -> ScopeMissing:
    if op.scope == "person":
        return ScopeMissing("This path is for people: sign in, an API key will not do.")
    return ScopeMissing(f"This path needs an API key with the scope `{op.scope}`.", needed=op.scope)


def client_address(request: Request[Any, Any, Any]) -> str:
    """The peer's address, or what the trusted proxies in front of us say it is."""
    peer = request.client.host if request.client else "unknown"
    hops: int = request.app.state.services.settings.api.trusted_proxies
    if hops < 1:
        return peer
    # Each proxy appends the address it saw: the one our outermost trusted proxy saw is the `hops`-th from
    # the right; whatever stands left of it was sent by the client and proves nothing.
    forwarded = [part.strip() for part in request.headers.get("x-forwarded-for", "").split(",")]
    return forwarded[-hops] if len(forwarded) >= hops and forwarded[-hops] else peer


async def _arguments(op: Operation, request: Request[Any, Any, Any], services: Services) -> dict[str, Any]:
    arguments: dict[str, Any] = {}
    if op.path_type is not None:
        try:
            arguments["path"] = intake.convert(request.path_params, op.path_type)
        except intake.WrongShape:
            raise NotFound("There is no such record.") from None
    query = {} if op.is_function else _query(request, op.query_type)
    if op.query_type is not None:
        arguments["query"] = intake.convert(query, op.query_type)
    elif query and op.access != "public":
        raise _unknown_parameters(query)
    if op.body_type is not None:
        limit = op.body_limit_bytes or services.settings.api.body_limit_bytes
        media_types = intake.JSON_OR_TEXT if op.is_function else intake.JSON
        arguments["body"] = await intake.read_json(
            request, op.body_type, limit_bytes=limit, media_types=media_types
        )
    return arguments


def _query(request: Request[Any, Any, Any], kind: type[Any] | None) -> dict[str, str]:
    """The query's parameters, each once, decoded strictly."""
    try:
        pairs = parse_qsl(
            request.scope["query_string"].decode("latin-1"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=MAX_QUERY_FIELDS,
        )
    except ValueError:
        raise intake.WrongShape(
            "The query cannot be read.",
            errors=[{"path": "", "message": "It has too many parameters, or is not UTF-8."}],
        ) from None
    query: dict[str, str] = {}
    for name, value in pairs:
        if name in query and kind is not None:
            raise intake.WrongShape(
                "A parameter is given more than once.",
                errors=[{"path": name[:80], "message": "This parameter can be given once."}],
            )
        query[name] = value
    return query


def _unknown_parameters(query: dict[str, str]) -> intake.WrongShape:
    errors = [{"path": name[:80], "message": "This path has no parameters."} for name in query]
    return intake.WrongShape("This path has no parameters.", errors=errors[: intake.MAX_ERRORS])


def _render(op: Operation, answer: Any) -> Response[Any]:
    """The answer's bytes, made while the transaction can still be undone."""
    status = op.status
    if isinstance(answer, WithStatus):
        answer, status = answer.content, answer.status
    if isinstance(answer, Download):
        return Stream(
            answer.rows,
            status_code=status,
            media_type=answer.media_type,
            headers={"Content-Disposition": f'attachment; filename="{answer.filename}"'},
        )
    if isinstance(answer, Text):
        return Response(answer.content, status_code=status, media_type=answer.media_type)
    if answer is None:
        return Response(None, status_code=status)
    return Response(msgspec.json.encode(answer), status_code=status, media_type="application/json")
