"""How a request comes into `/auth/v1` and how its answer leaves: bodies, bearers, and who is asking."""

import ipaddress
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeVar
from uuid import UUID

import msgspec
from litestar import Request, Response
from litestar.handlers import HTTPRouteHandler

from api import body as intake
from api.operations import client_address
from api.services import Services
from core.errors import LeadFuelError
from core.ids import UserId
from core.settings import Settings
from core.text import is_storable
from db.sessions import SIGN_IN, Database
from domain import tokens
from domain.auth import people, redirects, sessions
from domain.auth.asking import Challenge
from domain.auth.errors import UserNotFound, ValidationFailed
from domain.auth.flows import read_challenge
from domain.auth.people import Origin, Person
from domain.auth.sessions import Session

T = TypeVar("T")

PREFIX: Final = "/auth/v1"
API_VERSION: Final = "2024-01-01"
MAX_BODY_BYTES: Final = 65_536
MAX_PARAMETER_LENGTH: Final = 4_096
_MAX_AGENT_LENGTH: Final = 300

Method = Literal["GET", "POST", "PUT", "DELETE"]


class NoAuthorization(LeadFuelError):
    """The path needs the bearer token of somebody who is signed in, or of the service."""

    status = 401
    slug = "no-authorization"
    title = "Who are you?"


class BadJwt(LeadFuelError):
    """The bearer token is no good: not ours, expired, or of another kind than the path needs."""

    status = 403
    slug = "bad-jwt"
    title = "The bearer token is no good"


class NotAdmin(LeadFuelError):
    """The path is for the service's own key."""

    status = 403
    slug = "not-admin"
    title = "For the service alone"


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: JSON, or nothing when `body` is None."""

    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who is signed in. A token that was printed by a command belongs to no session."""

    person: Person
    session: Session | None


class Call:
    """A request on its way through its handler."""

    def __init__(self, request: Request[Any, Any, Any]) -> None:
        self.request = request
        self.services: Services = request.app.state.services

    @property
    def settings(self) -> Settings:
        return self.services.settings

    @property
    def database(self) -> Database:
        return self.services.database

    @property
    def origin(self) -> Origin:
        address: str | None = client_address(self.request)
        try:
            address = str(ipaddress.ip_address(address or ""))
        except ValueError:
            address = None
        agent = self.request.headers.get("user-agent", "")[:_MAX_AGENT_LENGTH]
        return Origin(address, agent if agent and is_storable(agent) else None)

    async def body(self, kind: type[T]) -> T:
        """The JSON of the body; fields that are not known are passed over, as newer clients need."""
        try:
            return await intake.read_json(self.request, kind, limit_bytes=MAX_BODY_BYTES)
        except intake.WrongShape as error:
            fault = (error.facts.get("errors") or [{}])[0]
            words = f"{fault.get('path', '')}: {fault.get('message', error.detail)}".removeprefix(": ")
            raise ValidationFailed(words) from None

    def parameter(self, name: str) -> str:
        """A parameter of the query; "" when it is not there."""
        value: str = self.request.query_params.get(name, "")
        if len(value) > MAX_PARAMETER_LENGTH or not is_storable(value):
            raise ValidationFailed(f"{name} is not valid")
        return value

    def redirect_to(self, also: str | None = None) -> str:
        """Where to lead back to: what is asked for, as far as it is allowed."""
        return redirects.allowed(self.settings, self.parameter("redirect_to") or also)

    async def bearer(self) -> tokens.Claims | Literal["anon", "service_role"]:
        """What the bearer token stands for."""
        scheme, _, token = self.request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise NoAuthorization("This endpoint requires a valid Bearer token")
        try:
            return await tokens.read(self.services.keyring, token.strip())
        except tokens.BadToken as error:
            raise BadJwt(f"invalid JWT: {error.detail}") from None

    async def caller(self) -> Caller:
        """Who is signed in; raises `SessionNotFound` when the session is over, whatever the token says."""
        claims = await self.bearer()
        if not isinstance(claims, tokens.Claims):
            raise BadJwt("invalid claim: missing sub claim")
        async with self.database.transaction(SIGN_IN, read_only=True) as session:
            person = await people.get(session, user_id=claims.user_id)
            if person is None:
                raise UserNotFound("User from sub claim in JWT does not exist")
            person.require_open()
            held = None
            if claims.session_id is not None:
                held = await sessions.get(session, session_id=claims.session_id, user_id=claims.user_id)
        return Caller(person, held)

    async def require_service(self) -> None:
        """Refuse everybody but who bears the service key."""
        if await self.bearer() != "service_role":
            raise NotAdmin("User not allowed")

    def path_id(self, name: str = "id") -> UserId:
        """An id in the path."""
        try:
            return UserId(UUID(self.request.path_params[name]))
        except ValueError:
            raise ValidationFailed(f"{name} must be an UUID") from None


Handle = Callable[[Call], Awaitable[Reply]]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A path below `/auth/v1` and who serves it."""

    method: Method
    path: str
    handle: Handle


def endpoint(method: Method, path: str) -> Callable[[Handle], Endpoint]:
    """Declare the function that serves a path."""
    return lambda handle: Endpoint(method, path, handle)


def challenge_of(code_challenge: str | None, method: str | None) -> Challenge | None:
    return read_challenge(code_challenge, method)


def redirect(url: str) -> Reply:
    """Send the browser elsewhere, by GET (RFC 9110, 15.4.4)."""
    return Reply(status=303, headers={"Location": url})


def route_handlers(endpoints: Iterable[Endpoint]) -> list[HTTPRouteHandler]:
    """One handler per path, which knows all of its verbs."""
    by_path: dict[str, dict[str, Endpoint]] = {}
    for one in endpoints:
        by_path.setdefault(one.path, {})[one.method] = one
    return [_handler(path, by_method) for path, by_method in by_path.items()]


def _handler(path: str, by_method: Mapping[str, Endpoint]) -> HTTPRouteHandler:
    async def serve(request: Request[Any, Any, Any]) -> Response[bytes]:
        one = by_method.get(request.method)
        if one is None:
            return Response(b"", status_code=204, headers={"Allow": ", ".join([*by_method, "OPTIONS"])})
        reply = await one.handle(Call(request))
        content = b"" if reply.body is None else msgspec.json.encode(reply.body)
        headers = {"X-Supabase-Api-Version": API_VERSION, **reply.headers}
        return Response(content, status_code=reply.status, headers=headers, media_type="application/json")

    methods: Any = [*by_method, "OPTIONS"]
    return HTTPRouteHandler(f"{PREFIX}{path}", http_method=methods, include_in_schema=False, status_code=200)(
        serve
    )
