"""A SOCKS5 proxy (RFC 1928) without authentication that keeps where it was asked to connect to."""

import asyncio
import struct
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import ip_address


@dataclass
class Socks:
    """`asked` has (kind of address, host, port): kind 1 is IPv4, 3 a name, 4 IPv6."""

    asked: list[tuple[int, str, int]] = field(default_factory=list)
    port: int = 0

    async def start(self) -> asyncio.Server:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            _, methods = await reader.readexactly(2)
            await reader.readexactly(methods)
            writer.write(b"\x05\x00")
            _, _, _, kind = await reader.readexactly(4)
            if kind == 3:
                host = (await reader.readexactly((await reader.readexactly(1))[0])).decode()
            else:
                host = str(ip_address(await reader.readexactly(4 if kind == 1 else 16)))
            (port,) = struct.unpack("!H", await reader.readexactly(2))
            self.asked.append((kind, host, port))
            try:
                far_reader, far_writer = await asyncio.open_connection(host, port)
            except OSError:
                writer.write(b"\x05\x05\x00\x01" + bytes(6))
                return
            writer.write(b"\x05\x00\x00\x01" + bytes(6))
            await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))
        writer.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(4_096):
            writer.write(data)
            await writer.drain()
    writer.close()
