"""Sockets, behind one protocol: lines out, replies in, TLS in between.

Replies are a stranger's text: lines, their number and their bytes are bounded, and what no reply looks
like ends the talk. Only numbers that were checked are connected to.
"""

import asyncio
import re
import socket
import ssl
from functools import cache
from typing import Final, Protocol

from python_socks import ProxyError
from python_socks.async_.asyncio import Proxy

from core.addresses import IP
from core.settings import ValidatorSettings
from domain.validator.replies import Reply

MAX_LINE_BYTES: Final = 4_096
MAX_LINES: Final = 100
MAX_BUFFER_BYTES: Final = 65_536
_REPLY: Final = re.compile(rb"([2-5]\d\d)([ -]?)(.*)", re.DOTALL)


class Broken(Exception):
    """The talk ended without a reply; `sub_status` says how."""

    def __init__(self, sub_status: str) -> None:
        super().__init__(sub_status)
        self.sub_status = sub_status


class Wire(Protocol):
    """One connection to a mail server."""

    async def read_reply(self, timeout_s: float) -> Reply: ...

    async def send(self, line: str) -> None: ...

    async def start_tls(self, server_name: str, timeout_s: float) -> None: ...

    def close(self) -> None: ...


class Network(Protocol):
    """The way to mail servers."""

    async def connect(self, address: IP, port: int, *, source: str | None, timeout_s: float) -> Wire: ...


class Sockets:
    """The real network, directly or through a SOCKS proxy, which gets the number, too."""

    def __init__(self, settings: ValidatorSettings) -> None:
        self._proxy = settings.proxy

    async def connect(self, address: IP, port: int, *, source: str | None, timeout_s: float) -> Wire:
        try:
            async with asyncio.timeout(timeout_s):
                return await self._open(address, port, source)
        except TimeoutError:
            raise Broken("timeout") from None
        except (OSError, ProxyError):
            raise Broken("connection_refused") from None

    async def _open(self, address: IP, port: int, source: str | None) -> "_Line":
        loop = asyncio.get_running_loop()
        if self._proxy:
            through = await Proxy.from_url(self._proxy).connect(dest_host=str(address), dest_port=port)
            _, line = await loop.create_connection(_Line, sock=through)
        else:
            _, line = await loop.create_connection(
                _Line,
                str(address),
                port,
                family=socket.AF_INET6 if address.version == 6 else socket.AF_INET,
                local_addr=(source, 0) if source else None,
            )
        return line


class _Line(asyncio.Protocol):
    """Bytes as they come, kept within bounds until somebody reads them as a reply."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._arrived = asyncio.Event()
        self._ended = False
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if len(self._buffer) > MAX_BUFFER_BYTES and self._transport is not None:
            self._transport.pause_reading()
        self._arrived.set()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the end is the end
        self._ended = True
        self._arrived.set()

    async def read_reply(self, timeout_s: float) -> Reply:
        try:
            async with asyncio.timeout(timeout_s):
                return await self._read_lines()
        except TimeoutError:
            raise Broken("timeout") from None

    async def send(self, line: str) -> None:
        if self._ended or self._transport is None:
            raise Broken("connection_dropped")
        if any(ord(c) < 32 or ord(c) == 127 for c in line):
            raise ValueError("a command is one line")
        self._transport.write(line.encode() + b"\r\n")

    async def start_tls(self, server_name: str, timeout_s: float) -> None:
        if self._buffer or self._transport is None:
            raise Broken("protocol_error")  # what was said before TLS must not be taken for said within
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(timeout_s):
                upgraded = await loop.start_tls(
                    self._transport, self, _unverified(), server_hostname=server_name
                )
        except TimeoutError:
            raise Broken("timeout") from None
        except (OSError, ssl.SSLError):
            raise Broken("tls_required") from None
        if upgraded is None:
            raise Broken("connection_dropped")
        self._transport = upgraded

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    async def _read_lines(self) -> Reply:
        lines: list[str] = []
        first = b""
        while len(lines) < MAX_LINES:
            found = _REPLY.fullmatch(await self._read_line())
            if found is None or (first and found[1] != first):
                raise Broken("protocol_error")
            first = found[1]
            lines.append(found[3].decode("utf-8", "replace"))
            if found[2] != b"-":
                return Reply(int(first), tuple(lines))
        raise Broken("protocol_error")

    async def _read_line(self) -> bytes:
        while True:
            end = self._buffer.find(b"\n")
            if end >= 0:
                line = bytes(self._buffer[:end])
                del self._buffer[: end + 1]
                if len(line) > MAX_LINE_BYTES:
                    raise Broken("protocol_error")
                if self._transport is not None and not self._ended:
                    self._transport.resume_reading()
                return line.rstrip(b"\r")
            if len(self._buffer) > MAX_LINE_BYTES:
                raise Broken("protocol_error")
            if self._ended:
                raise Broken("connection_dropped")
            self._arrived.clear()
            await self._arrived.wait()


@cache
def _unverified() -> ssl.SSLContext:
    """Mail between servers is encrypted to whoever answers; certificates of mail servers prove nothing."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
