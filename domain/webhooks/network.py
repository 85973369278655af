"""The way out to a stranger's server: resolved once, checked, and connected to under the checked number.

A name that answers with a public number when it is checked and with a private one when it is connected to
gains nothing: there is one lookup, and its answer is what the connection uses. Redirects are not followed,
and no proxy of the environment is asked.
"""

import asyncio
import socket
from collections.abc import Iterable
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import urlsplit

import httpcore

from core.addresses import IP, may_connect, read_ip
from core.errors import Invalid

TIMEOUT_S: Final = 15.0
LOOKUP_TIMEOUT_S: Final = 5.0
HTTPS_PORT: Final = 443
MAX_URL_LENGTH: Final = 2_000


class BadWebhookUrl(Invalid):
    """Webhooks go to public https addresses on port 443, and to those that the operator allows by name."""

    slug = "bad-webhook-url"
    title = "This address cannot be a webhook"


class NotPublic(Exception):
    """The host has no number that may be connected to."""


def allowed_hosts(setting: str) -> frozenset[str]:
    """The `host:port` pairs of `WEBHOOK_ALLOWED_HOSTS`, exactly."""
    return frozenset(part.strip().lower() for part in setting.split(",") if part.strip())


def read_url(url: str, *, allowed: frozenset[str]) -> tuple[str, int]:
    """The host and port of a URL that may be a webhook's by its looks; raises `BadWebhookUrl`."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise _refused("It is not a URL.") from None
    if parts.scheme not in ("http", "https") or not host:
        raise _refused("It must be a URL that begins with https://.")
    if not url.isascii() or not url.isprintable() or " " in url or len(url) > MAX_URL_LENGTH:
        raise _refused("It has characters that a URL cannot have, or too many.")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise _refused("A user's name, a password or a fragment has no place in it.")
    port = port or (HTTPS_PORT if parts.scheme == "https" else 80)
    if f"{host}:{port}" in allowed:
        return host, port
    if parts.scheme != "https" or port != HTTPS_PORT:
        raise _refused("It must be https on port 443.")
    return host, port


async def check_url(url: str, *, allowed: frozenset[str]) -> None:
    """Refuse a URL that no delivery could go to as things stand; raises `BadWebhookUrl`."""
    host, port = read_url(url, allowed=allowed)
    if f"{host}:{port}" in allowed:
        return
    try:
        await public_addresses(host, port)
    except NotPublic as error:
        raise _refused(str(error)) from None


async def public_addresses(host: str, port: int) -> list[IP]:
    """The numbers of a host, all of which must be public; raises `NotPublic`."""
    try:
        found = [read_ip(host.strip("[]"))]
    except ValueError:
        found = await _look_up(host, port)
    if not found:
        raise NotPublic("Its host is not found.")
    # One private number among public ones is a trap or a mistake; neither is worth a try.
    if not all(may_connect(address) for address in found):
        raise NotPublic("Its host is not on the public network.")
    return found


async def _look_up(host: str, port: int) -> list[IP]:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(LOOKUP_TIMEOUT_S):
            rows = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, TimeoutError, UnicodeError):
        return []
    return [read_ip(str(row[4][0]).partition("%")[0]) for row in rows]


def _refused(reason: str) -> BadWebhookUrl:
    return BadWebhookUrl(reason, errors=[{"path": "url", "message": reason}])


class Checked(httpcore.AsyncNetworkBackend):
    """Connections of httpcore, by the numbers of `public_addresses` and by nothing else.

    TLS still speaks to the name of the URL: only where the packets go is decided here.
    """

    def __init__(self, allowed: frozenset[str]) -> None:
        self._allowed = allowed
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        if f"{host}:{port}" in self._allowed:
            return await self._inner.connect_tcp(host, port, timeout, local_address, socket_options)
        try:
            addresses = await public_addresses(host, port)
        except NotPublic as error:
            raise httpcore.ConnectError(str(error)) from None
        return await self._inner.connect_tcp(
            str(ip_address(addresses[0])), port, timeout, local_address, socket_options
        )

    async def connect_unix_socket(self, *_: Any, **__: Any) -> httpcore.AsyncNetworkStream:
        raise httpcore.ConnectError("Webhooks go over the network.")

    async def sleep(self, seconds: float) -> None:
        await self._inner.sleep(seconds)
