"""The talk with one mail server: greet, say a sender, ask for the recipient, and never send anything.

No line is sent but those built here, one at a time. The real address is asked for first; whether the
server takes any name is asked afterwards, in a transaction of its own, so that neither answer colours the
other. VRFY, EXPN and DATA are never said.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import Final

from core.settings import ValidatorSettings
from domain.validator.replies import Reading, Reply, Stage, read
from domain.validator.syntax import Address
from domain.validator.wire import Broken, Wire

_QUIT_TIMEOUT_S: Final = 0.5
Connect = Callable[[], Awaitable[Wire]]


@dataclass(frozen=True, slots=True)
class Plan:
    """What to ask: the address, and the made-up one (none: the server's ways are known)."""

    address: Address
    probe: Address | None
    helo: str


@dataclass(frozen=True, slots=True)
class Heard:
    """What was understood, and the reply it was understood from."""

    reading: Reading
    stage: Stage | None = None
    reply: Reply | None = None
    # The answer to the made-up address; None: not asked, or nothing came.
    probe: Reading | None = None
    has_connected: bool = True


class _Stopped(Exception):
    """The server said something, before the recipient, that ends the talk."""

    def __init__(self, reading: Reading, stage: Stage, reply: Reply) -> None:
        super().__init__(reading.sub_status)
        self.heard = Heard(reading, stage, reply)


@asynccontextmanager
async def conversation(connect: Connect, plan: Plan, settings: ValidatorSettings) -> AsyncIterator[Heard]:
    """Ask one server; what breaks off becomes a reading, too.

    Within the block everything is heard and QUIT is said. Its answer tells nothing, but is waited for (RFC
    5321, 4.1.1.10) before the connection is closed: leaving the block does that.
    """
    try:
        wire = await connect()
    except Broken as broken:
        yield Heard(_broken(broken), has_connected=False)
        return
    talk = _Talk(wire, plan, settings)
    try:
        heard = await _hear(talk, connect)
        await talk.say_quit()
        yield heard
    finally:
        await talk.end()


async def _hear(talk: "_Talk", connect: Connect) -> Heard:
    try:
        heard = await talk.ask(talk.plan.address)
        if talk.plan.probe is None or heard.reading.outcome not in {"accepted", "forwarded"}:
            return heard
        return replace(heard, probe=await _probe(talk, connect))
    except _Stopped as stopped:
        return stopped.heard
    except Broken as broken:
        return Heard(_broken(broken))


async def _probe(talk: "_Talk", connect: Connect) -> Reading | None:
    """Ask for the made-up address, over a new connection when the server has closed the old one."""
    probe = talk.plan.probe
    if probe is None:
        return None
    try:
        return (await talk.ask(probe)).reading
    except _Stopped as stopped:
        return stopped.heard.reading
    except Broken as broken:
        if broken.sub_status != "connection_dropped":
            return None
    try:
        await talk.renew(await connect())
        return (await talk.ask(probe)).reading
    except (_Stopped, Broken):
        return None


def _broken(broken: Broken) -> Reading:
    return Reading("unknown", broken.sub_status, can_retry=True, asks_next_host=True)


class _Talk:
    """A connection and how far the talk on it has come."""

    def __init__(self, wire: Wire, plan: Plan, settings: ValidatorSettings) -> None:
        self.plan = plan
        self._wire = wire
        self._settings = settings
        self._sender = ""
        self._has_greeted = False
        self._is_encrypted = False
        self._in_transaction = False
        self._has_quit = False
        self._extensions: frozenset[str] = frozenset()

    async def renew(self, wire: Wire) -> None:
        """Go on with a fresh connection and what was learned on the old one."""
        await self.end()
        self._wire = wire
        self._has_greeted = self._is_encrypted = self._in_transaction = self._has_quit = False

    async def ask(self, address: Address) -> Heard:
        """Name a recipient in a fresh transaction."""
        if not self._has_greeted:
            await self._greet(address)
        heard = await self._name(address)
        if heard.reading.outcome == "tls" and await self._upgrade(address):
            heard = await self._name(address)
        if heard.reading.sub_status == "sender_rejected" and self._switch_sender():
            heard = await self._name(address)
        return replace(heard, reading=_as_unknown(heard.reading))

    async def say_quit(self) -> None:
        """Take leave, once, whatever happened."""
        if not self._has_quit:
            self._has_quit = True
            with suppress(Broken):
                await self._wire.send("QUIT")

    async def end(self) -> None:
        """Take leave, hear the answer and hang up."""
        await self.say_quit()
        with suppress(Broken):
            await self._wire.read_reply(min(_QUIT_TIMEOUT_S, self._settings.command_timeout_s))
        self._wire.close()

    async def _greet(self, address: Address) -> None:
        reply = await self._wire.read_reply(self._settings.greeting_timeout_s)
        if reply.code != 220:
            raise _Stopped(read(reply, stage="banner", address=address.text), "banner", reply)
        await self._say_helo(address)
        self._has_greeted = True
        if self._settings.tls == "offered" and "STARTTLS" in self._extensions:
            await self._upgrade(address)

    async def _say_helo(self, address: Address) -> None:
        reply = await self._say(f"EHLO {self.plan.helo}")
        if reply.is_positive:
            words = (line.split(" ", 1)[0].upper() for line in reply.lines[1:])
            self._extensions = frozenset(words)
            return
        reading = read(reply, stage="ehlo", address=address.text)
        if reading.outcome != "helo":
            raise _Stopped(reading, "ehlo", reply)
        self._extensions = frozenset()
        reply = await self._say(f"HELO {self.plan.helo}")
        if not reply.is_positive:
            reading = read(reply, stage="ehlo", address=address.text)
            raise _Stopped(_as_unknown(reading), "ehlo", reply)

    async def _upgrade(self, address: Address) -> bool:
        """Encrypt the connection; False when it is, or the server does not want to."""
        if self._is_encrypted or (await self._say("STARTTLS")).code != 220:
            return False
        await self._wire.start_tls(address.domain, self._settings.command_timeout_s)
        self._is_encrypted, self._in_transaction = True, False
        await self._say_helo(address)
        return True

    async def _name(self, address: Address) -> Heard:
        needs_utf8 = not address.local.isascii()
        if needs_utf8 and "SMTPUTF8" not in self._extensions:
            return Heard(Reading("unknown", "smtputf8_unsupported"))
        await self._begin(address, " SMTPUTF8" if needs_utf8 else "")
        reply = await self._say(f"RCPT TO:<{address.text}>")
        return Heard(read(reply, stage="rcpt", address=address.text), "rcpt", reply)

    async def _begin(self, address: Address, parameters: str) -> None:
        """MAIL FROM, once more with the configured sender or encrypted if that is what is missing."""
        for _ in range(3):
            if self._in_transaction:
                await self._say("RSET")
            self._in_transaction = True
            reply = await self._say(f"MAIL FROM:<{self._sender}>{parameters}")
            if reply.is_positive:
                return
            reading = read(reply, stage="mail", address=address.text)
            if reading.outcome == "tls" and await self._upgrade(address):
                continue
            is_about_sender = reading.outcome == "sender" or reply.code // 100 == 5
            if is_about_sender and reading.outcome != "tls" and self._switch_sender():
                continue
            raise _Stopped(_as_unknown(reading), "mail", reply)
        raise _Stopped(_as_unknown(reading), "mail", reply)

    def _switch_sender(self) -> bool:
        """From the empty sender to the configured one, if there is one."""
        if self._sender or not self._settings.sender:
            return False
        self._sender = self._settings.sender
        return True

    async def _say(self, line: str) -> Reply:
        await self._wire.send(line)
        return await self._wire.read_reply(self._settings.command_timeout_s)


def _as_unknown(reading: Reading) -> Reading:
    """What asked for another try, when there is none left."""
    if reading.outcome in {"helo", "tls", "sender"}:
        return Reading("unknown", reading.sub_status)
    return reading
