"""Mail servers on loopback addresses that behave as a test tells them, and keep every line they heard."""

import asyncio
import datetime as dt
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

# What a server says to a recipient: by its local part, or by a function of it.
Rcpt = dict[str, str] | Callable[[str, "MailServer"], str]
UNKNOWN = "550 5.1.1 No such user here"
OK = "250 2.1.5 Ok"


@dataclass
class MailServer:
    """One host. A reply of None says nothing; "CLOSE" hangs up; several lines are separated by \\n."""

    rcpt: Rcpt = field(default_factory=dict)
    other: str | None = UNKNOWN
    greeting: str | None = "220 mx ready"
    ehlo: str | None = "250-mx\n250-PIPELINING\n250 ENHANCEDSTATUSCODES"
    helo: str | None = "250 mx"
    mail: str | Callable[[str], str] | None = "250 2.1.0 Ok"
    tls: str = "none"  # none, required, offered, broken, injected
    delay_s: float = 0.0
    closes_after_rcpt: bool = False
    raw: Callable[[asyncio.StreamReader, asyncio.StreamWriter], object] | None = None
    # What is done between QUIT and its answer.
    goodbye: Callable[[asyncio.StreamReader, asyncio.StreamWriter], object] | None = None
    lines: list[str] = field(default_factory=list)
    sessions: list[list[str]] = field(default_factory=list)
    peers: list[str] = field(default_factory=list)
    connections: int = 0
    now_open: int = 0
    most_open: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.now_open += 1
        self.most_open = max(self.most_open, self.now_open)
        self.sessions.append([])
        self.peers.append(writer.get_extra_info("peername")[0])
        try:
            if self.raw is not None:
                await self.raw(reader, writer)
            else:
                await self._talk(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError, TimeoutError):
            pass
        finally:
            self.now_open -= 1
            writer.close()

    async def _talk(self, reader, writer) -> None:
        encrypted = False
        if not await self._say(writer, self.greeting):
            return
        while line := await reader.readline():
            text = line.decode("utf-8", "replace").removesuffix("\r\n")
            self.lines.append(text)
            self.sessions[-1].append(text)
            if text == "STARTTLS":
                if not await self._start_tls(writer):
                    return
                encrypted = True
                continue
            if text == "QUIT" and self.goodbye is not None:
                await self.goodbye(reader, writer)
            if not await self._say(writer, self._answer(text, encrypted)):
                return
            if text == "QUIT" or (self.closes_after_rcpt and text.startswith("RCPT")):
                return

    def _answer(self, line: str, encrypted: bool) -> str | None:
        verb = line[:4].upper()
        if verb == "EHLO":
            return self.ehlo + ("\n250 STARTTLS" if self.tls != "none" else "") if self.ehlo else self.ehlo
        if verb == "HELO":
            return self.helo
        if verb == "MAIL":
            if self.tls in {"required", "broken", "injected"} and not encrypted:
                return "530 5.7.0 Must issue a STARTTLS command first"
            return self.mail(line) if callable(self.mail) else self.mail
        if verb == "RCPT":
            local = line[line.index("<") + 1 : line.rindex("@")]
            if callable(self.rcpt):
                return self.rcpt(local, self)
            return self.rcpt.get(local, self.other)
        return {"RSET": "250 2.0.0 Ok", "QUIT": "221 2.0.0 Bye"}.get(verb, "502 5.5.2 what?")

    async def _say(self, writer, reply: str | None) -> bool:
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        if reply == "CLOSE":
            return False
        if reply is None:
            await asyncio.sleep(3600)
            return False
        closes = reply.startswith(("421", "521"))
        parts = reply.split("\n")
        if len(parts) > 1 and parts[0][3:4] != "-":
            parts = [f"{part[:3]}-{part[4:]}" for part in parts[:-1]] + [parts[-1]]
        if self.tls != "none" and len(parts) > 1:
            parts = [f"{part[:3]}-{part[4:]}" for part in parts[:-1]] + [parts[-1]]
        writer.write(("\r\n".join(parts) + "\r\n").encode("utf-8", "surrogateescape"))
        await writer.drain()
        return not closes

    async def _start_tls(self, writer) -> bool:
        if self.tls == "broken":
            writer.write(b"220 go\r\n")
            await writer.drain()
            await asyncio.sleep(0.05)
            writer.write(b"this is no handshake\r\n" * 20)
            await writer.drain()
            return False
        if self.tls == "injected":
            writer.write(b"220 go\r\n250 injected before TLS\r\n")
            await writer.drain()
            await asyncio.sleep(0.2)
            return False
        writer.write(b"220 go\r\n")
        await writer.drain()
        await writer.start_tls(certificate())
        return True


@cache
def certificate() -> ssl.SSLContext:
    """A server's context with a certificate that nobody vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mx.lab")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=2))
        .sign(key, hashes.SHA256())
    )
    path = Path(mkdtemp()) / "mx.pem"
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context
