"""`/realtime/v1`: not offered yet, and said so. Clients report that their channel failed, and go on."""

from typing import Final

import msgspec
from litestar import asgi
from litestar.handlers import ASGIRouteHandler
from litestar.types import Receive, Scope, Send

_BODY: Final = msgspec.json.encode(
    {"code": "not-offered", "message": "Realtime is not offered here; ask again instead."}
)


@asgi("/realtime/v1", is_mount=True, copy_scope=False, name="realtime")
async def realtime(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001 - nothing is read
    """Refuse the socket before it opens."""
    scope["path_template"] = "/realtime/v1/*"
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(_BODY)).encode("ascii"))]
    await send({"type": "http.response.start", "status": 404, "headers": headers})
    await send({"type": "http.response.body", "body": _BODY, "more_body": False})


HANDLERS: Final[tuple[ASGIRouteHandler, ...]] = (realtime,)
