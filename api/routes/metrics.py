"""The figures of the index feed, for Prometheus."""

import hmac
import ipaddress
from typing import Any, Final

from litestar import Request
from prometheus_client import CONTENT_TYPE_LATEST

from api.auth import Unauthenticated
from api.operations import Call, Operation, Text, operation
from indexer.feed import NoEngine
from indexer.metrics import exposition
from indexer.status import status

# Any of these says that somebody else asks through a proxy on this machine.
_FORWARDED: Final = ("forwarded", "x-forwarded-for", "x-real-ip", "via")


@operation(
    "GET",
    "/metrics",
    tag="Health",
    summary="Figures for Prometheus",
    access="public",
    media_type="text/plain",
    errors=(Unauthenticated, NoEngine),
)
async def metrics(call: Call) -> Text:
    """Every figure of the index feed in the text format of Prometheus, read anew from both sides.
    Needs `LEADFUEL_METRICS_TOKEN` as bearer token; where none is set it answers only who asks from the same
    machine and past no proxy.
    """
    if not _may_read(call.request, call.services.settings.api.metrics_token):
        raise Unauthenticated("The metrics need LEADFUEL_METRICS_TOKEN as bearer token.")
    return Text(content=exposition(await status(call.services.feed)).decode(), media_type=CONTENT_TYPE_LATEST)


def _may_read(request: Request[Any, Any, Any], token: str) -> bool:
    if token:
        given = request.headers.get("authorization", "")
        return hmac.compare_digest(given.encode(), f"Bearer {token}".encode())
    peer = request.client.host if request.client else ""
    return _is_here(peer) and not any(name in request.headers for name in _FORWARDED)


def _is_here(peer: str) -> bool:
    try:
        return ipaddress.ip_address(peer).is_loopback
    except ValueError:
        return False


OPERATIONS: Final[list[Operation]] = [metrics]
