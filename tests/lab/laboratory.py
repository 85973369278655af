"""A world of domains on loopback: one DNS server, mail servers on 127.0.x.y, all at one port.

The validator sees it through its settings alone: the resolver, the port, the allowed network.
"""

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import count

from core.settings import ValidatorSettings
from domain.validator.validate import Validator
from tests.lab.names import Zone, start_zone
from tests.lab.servers import MailServer

# Every line that a validator may say, whole: there is no other.
BUILT_BY_US = re.compile(
    r"(?:EHLO|HELO) [\w.-]+|MAIL FROM:<(?:[\w.+-]+@[\w.-]+)?>(?: SMTPUTF8)?|RCPT TO:<[^<>\s@]+@[a-z0-9.-]+>"
    r"|RSET|QUIT|STARTTLS"
)


@dataclass
class Laboratory:
    zone: Zone
    settings: ValidatorSettings
    servers: list[MailServer] = field(default_factory=list)
    running: list[asyncio.Server] = field(default_factory=list)
    numbers: count = field(default_factory=lambda: count(10))

    async def host(self, server: MailServer) -> str:
        """Start a server; the address it has."""
        number = next(self.numbers)
        address = f"127.0.{1 + number // 250}.{1 + number % 250}"
        self.running.append(
            await asyncio.start_server(server.serve, address, self.settings.smtp_port, limit=2**20)
        )
        self.servers.append(server)
        return address

    async def domain(self, name: str, *servers: MailServer) -> None:
        """A domain whose MX are these servers, the first preferred."""
        records = []
        for place, server in enumerate(servers):
            host = f"mx{place}.{name}"
            self.zone.add(host, A=[await self.host(server)])
            records.append(f"{10 * (place + 1)} {host}.")
        self.zone.add(name, MX=records)

    def validator(self, **settings) -> Validator:
        return Validator(replace(self.settings, **settings))

    @property
    def connections(self) -> int:
        return sum(server.connections for server in self.servers)

    @property
    def transcript(self) -> list[str]:
        return [line for server in self.servers for line in server.lines]


@asynccontextmanager
async def laboratory() -> AsyncIterator[Laboratory]:
    zone, dns_port = await start_zone()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        smtp_port = probe.getsockname()[1]
    settings = ValidatorSettings(
        resolver=f"127.0.0.1:{dns_port}",
        smtp_port=smtp_port,
        helo="probe.leadfuel.example",
        sender="check@leadfuel.example",
        allowed_networks="127.0.0.0/8",
        connect_timeout_s=3.0,
        greeting_timeout_s=3.0,
        command_timeout_s=3.0,
        total_timeout_s=10.0,
        dns_timeout_s=2.0,
        per_minute=10_000,
    )
    lab = Laboratory(zone, settings)
    try:
        yield lab
    finally:
        for server in lab.running:
            server.close()
        zone.transport.close()
        foreign = [line for line in lab.transcript if not BUILT_BY_US.fullmatch(line)]
        assert not foreign, foreign
