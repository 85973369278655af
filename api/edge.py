"""The outermost layer of the app: an id, a log line and the fixed headers for every request.

It also takes in what a client still sends when the answer is already known to be an error, so that the
client hears the answer instead of a broken connection.
"""

import asyncio
import re
import time
from typing import Final, cast
from uuid import uuid4

import structlog
from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPReceiveMessage, HTTPScope, Message, Receive, Scope, Send

from core.logs import get_logger

log = get_logger(__name__)

_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._-]{8,64}")
DRAIN_LIMIT_BYTES: Final = 32 * 1024 * 1024
DRAIN_LIMIT_S: Final = 10.0

# Answers hold personal data unless a handler says otherwise; none is ever meant for a frame or a sniffer.
FIXED_HEADERS: Final[tuple[tuple[bytes, bytes], ...]] = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
_NO_STORE: Final = (b"cache-control", b"no-store")
# A probe every second is no news.
_QUIET_PREFIX: Final = "/health/"


class Edge:
    """An ASGI layer around the whole app."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.HTTP:
            await self._serve(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _serve(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        request_id = _request_id(scope)
        scope["state"]["request_id"] = request_id
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(**{"request.id": request_id})
        started = time.perf_counter()
        intake = _Intake(scope, receive)
        status = 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if status >= 400:
                    await intake.drain()
                message["headers"] = _with_fixed(scope, list(message["headers"]), request_id)
            await send(message)

        try:
            await self._app(scope, cast("Receive", intake.receive), send_with_headers)
        except Exception:
            log.exception("answer broke off", **{"http.status": status})
            raise
        finally:
            _log_access(scope, status, time.perf_counter() - started)


class _Intake:
    """The request's body on its way in, and whether all of it has come."""

    def __init__(self, scope: HTTPScope, receive: Receive) -> None:
        headers = dict(scope["headers"])
        self._receive = receive
        self._is_awaited = headers.get(b"expect", b"").lower() == b"100-continue"
        self._is_complete = (
            headers.get(b"content-length", b"0") == b"0" and b"transfer-encoding" not in headers
        )

    async def receive(self) -> HTTPReceiveMessage:
        message = cast("HTTPReceiveMessage", await self._receive())
        if message["type"] == "http.disconnect":
            self._is_complete = True
        else:
            self._is_awaited = False
            self._is_complete = not message.get("more_body", False)
        return message

    async def drain(self) -> None:
        """Take in and drop what is still coming, within bounds; who waits for our word is not asked."""
        if self._is_awaited:
            return
        taken = 0
        try:
            async with asyncio.timeout(DRAIN_LIMIT_S):
                while not self._is_complete and taken < DRAIN_LIMIT_BYTES:
                    message = await self.receive()
                    taken += len(cast("bytes", message.get("body", b"")))
        except TimeoutError:
            log.info("client was too slow to hear the answer")


def _request_id(scope: HTTPScope) -> str:
    """The caller's own id when it is a plain one, else a new one."""
    given = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"")
    return given.decode("ascii") if _REQUEST_ID.fullmatch(given) else uuid4().hex


def _with_fixed(
    scope: HTTPScope, headers: list[tuple[bytes, bytes]], request_id: str
) -> list[tuple[bytes, bytes]]:
    extra = [*FIXED_HEADERS, (b"x-request-id", request_id.encode("ascii"))]
    if not any(name.lower() == b"cache-control" for name, _ in headers):
        extra.append(_NO_STORE)
    limits: dict[str, str] = scope["state"].get("limit_headers", {})
    extra += [(name.lower().encode("ascii"), value.encode("ascii")) for name, value in limits.items()]
    return [*headers, *extra]


def _log_access(scope: HTTPScope, status: int, seconds: float) -> None:
    """One line per request, by the path's template: ids and queries are personal data."""
    write = log.debug if scope["path"].startswith(_QUIET_PREFIX) else log.info
    write(
        "request",
        **{
            "http.method": scope["method"],
            "http.path": scope.get("path_template") or "(unknown)",
            "http.status": status,
            "duration_ms": round(seconds * 1000, 1),
        },
    )
