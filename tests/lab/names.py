"""A DNS server on a loopback address that says what a test tells it, and keeps what it was asked."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

Answer = list[str] | Callable[[], list[str]]


@dataclass
class Zone(asyncio.DatagramProtocol):
    """Records by (name, type). A rule for a whole name ("SERVFAIL", "SILENT", "REFUSED") outweighs them."""

    records: dict[tuple[str, str], Answer] = field(default_factory=dict)
    rules: dict[str, str] = field(default_factory=dict)
    asked: Counter[tuple[str, str]] = field(default_factory=Counter)
    known: set[str] = field(default_factory=set)
    transport: asyncio.DatagramTransport | None = None
    delay_s: float = 0.0
    ttl_s: int = 300

    def add(self, name: str, **records: Answer) -> None:
        self.known.add(name.lower())
        for kind, answer in records.items():
            self.records[name.lower(), kind] = answer

    def connection_made(self, transport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr) -> None:
        query = dns.message.from_wire(data)
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        kind = dns.rdatatype.to_text(question.rdtype)
        self.asked[name, kind] += 1
        reply = dns.message.make_response(query)
        reply.flags |= dns.flags.AA | dns.flags.RA
        rule = self.rules.get(name)
        if rule == "SILENT":
            return
        if rule:
            reply.set_rcode(dns.rcode.from_text(rule))
        elif name not in self.known:
            reply.set_rcode(dns.rcode.NXDOMAIN)
        else:
            self._fill(reply, name, kind)
        wire = reply.to_wire()
        if self.delay_s:
            asyncio.get_running_loop().call_later(self.delay_s, self.transport.sendto, wire, addr)
        else:
            self.transport.sendto(wire, addr)

    def _fill(self, reply, name: str, kind: str) -> None:
        for asked in (kind, "CNAME"):
            answer = self.records.get((name, asked))
            if answer is not None:
                texts = answer() if callable(answer) else answer
                reply.answer.append(dns.rrset.from_text(f"{name}.", self.ttl_s, "IN", asked, *texts))
                return


async def start_zone() -> tuple[Zone, int]:
    loop = asyncio.get_running_loop()
    transport, zone = await loop.create_datagram_endpoint(Zone, local_addr=("127.0.0.1", 0))
    return zone, transport.get_extra_info("sockname")[1]
