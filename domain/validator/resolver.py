"""Which machines take a domain's mail, as its DNS says and no further look-up will say again.

MX in the order of preference, ties shuffled; without MX the domain's own addresses; a null MX takes none.
The addresses found here are the ones that are connected to. What the DNS failed to say is no finding.
"""

import asyncio
import random
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

import dns.asyncresolver
import dns.exception
import dns.name
import dns.rdatatype
import dns.resolver

from core.addresses import IP, may_connect, read_ip, read_networks
from core.settings import BadSetting, ValidatorSettings

MAX_HOSTS: Final = 5
MAX_ADDRESSES: Final = 6
_MAX_CNAMES: Final = 8
_MAX_ANSWERS: Final = 1_000
_SHORTEST_TTL_S: Final = 300
_LONGEST_TTL_S: Final = 86_400


@dataclass(frozen=True, slots=True)
class Host:
    """A mail server: its name, and its numbers that may be connected to, all of one kind."""

    name: str
    addresses: tuple[IP, ...]


@dataclass(frozen=True, slots=True)
class Route:
    """Where a domain's mail goes. With a `problem` there is nowhere to go, proved or not."""

    hosts: tuple[Host, ...] = ()
    records: tuple[str, ...] = ()
    implicit: bool = False
    problem: str | None = None
    is_proved: bool = False
    ttl_s: int = _SHORTEST_TTL_S


class DnsFailed(Exception):
    """The DNS gave no answer, which says nothing about the domain."""


class NoSuchDomain(Exception):
    """The DNS says that there is no such name."""


@dataclass(frozen=True, slots=True)
class _Answer:
    records: tuple[tuple[int, str], ...]
    ttl_s: int


class Resolver:
    """Questions to the configured DNS servers."""

    def __init__(self, settings: ValidatorSettings) -> None:
        self._allowed = read_networks(settings.allowed_networks)
        self._timeout_s = settings.dns_timeout_s
        self._servers = _read_servers(settings.resolver)
        self._resolver: dns.asyncresolver.Resolver | None = None

    async def route(self, domain: str) -> Route:
        """Where mail for `domain`, in ASCII, goes."""
        try:
            answer = await self._ask(domain, "MX")
        except NoSuchDomain:
            return Route(problem="domain_not_found", is_proved=True)
        except DnsFailed:
            return Route(problem="dns_error")
        if not answer.records:
            return await self._by_hosts(((0, domain),), ttl_s=answer.ttl_s, implicit=True)
        named = [(preference, name) for preference, name in answer.records if name]
        if not named:
            return Route(records=(".",), problem="null_mx", is_proved=True, ttl_s=answer.ttl_s)
        random.shuffle(named)
        named.sort(key=lambda record: record[0])
        return await self._by_hosts(tuple(named), ttl_s=answer.ttl_s, implicit=False)

    async def text_records(self, name: str) -> list[str]:
        """The TXT records of a name, for looking at our own set-up."""
        return [text for _, text in (await self._ask(name, "TXT")).records]

    async def addresses(self, name: str) -> list[IP]:
        """The numbers of a name, unchecked."""
        return [read_ip(text) for kind in ("A", "AAAA") for _, text in (await self._ask(name, kind)).records]

    async def pointer(self, address: IP) -> str | None:
        """The name that an address points back to."""
        try:
            records = (await self._ask(address.reverse_pointer, "PTR")).records
        except NoSuchDomain:
            return None
        return records[0][1] if records else None

    async def codes(self, name: str) -> list[IP]:
        """The IPv4 numbers of a name; block lists answer by them, and by having none."""
        try:
            return [ip_address(text) for _, text in (await self._ask(name, "A")).records]
        except NoSuchDomain:
            return []

    async def _by_hosts(self, named: tuple[tuple[int, str], ...], *, ttl_s: int, implicit: bool) -> Route:
        names = tuple(dict.fromkeys(name for _, name in named))
        hosts: list[Host] = []
        left = MAX_ADDRESSES
        has_failed = has_refused = False
        numbers = await asyncio.gather(*map(self._numbers, names[:MAX_HOSTS]), return_exceptions=True)
        for name, found in zip(names, numbers, strict=False):
            if isinstance(found, DnsFailed):
                has_failed = True
                continue
            if isinstance(found, BaseException):
                raise found
            allowed = tuple(address for address in found if may_connect(address, self._allowed))[:left]
            has_refused = has_refused or len(allowed) < len(found)
            left -= len(allowed)
            if allowed:
                hosts.append(Host(name, allowed))
        records = () if implicit else names[:MAX_HOSTS]
        if hosts:
            return Route(tuple(hosts), records, implicit=implicit, ttl_s=ttl_s)
        problem = "blocked_address" if has_refused else "dns_error" if has_failed else "no_mx"
        is_proved = problem == "no_mx" and len(names) <= MAX_HOSTS
        return Route((), records, implicit=implicit, problem=problem, is_proved=is_proved, ttl_s=ttl_s)

    async def _numbers(self, name: str) -> list[IP]:
        """The numbers of a host; none when there is no such name.

        Those of IPv6 only where it has no others: senders seldom have a good name there.
        """
        failed: DnsFailed | None = None
        for kind in ("A", "AAAA"):
            try:
                records = (await self._ask(name, kind)).records
            except NoSuchDomain:
                continue
            except DnsFailed as error:
                failed = error
                continue
            if records:
                return list(dict.fromkeys(read_ip(text) for _, text in records))
        if failed is not None:
            raise failed
        return []

    async def _ask(self, name: str, kind: str) -> _Answer:
        asked = name
        for _ in range(_MAX_CNAMES):
            answer = await self._query(asked, kind)
            if answer.rrset is not None:
                records = tuple(_record(kind, item) for item in answer.rrset)
                ttl_s = min(max(answer.rrset.ttl, _SHORTEST_TTL_S), _LONGEST_TTL_S)
                return _Answer(records, ttl_s)
            target = answer.canonical_name.to_text().rstrip(".")
            if target.lower() == asked.rstrip(".").lower():
                return _Answer((), _SHORTEST_TTL_S)
            asked = target  # the server answered with the alias alone
        raise DnsFailed(name)

    async def _query(self, name: str, kind: str) -> dns.resolver.Answer:
        try:
            return await self._client().resolve(
                f"{name.rstrip('.')}.", kind, raise_on_no_answer=False, lifetime=self._timeout_s, search=False
            )
        except dns.resolver.NXDOMAIN:
            raise NoSuchDomain(name) from None
        except (dns.exception.DNSException, OSError, EOFError):
            raise DnsFailed(name) from None

    def _client(self) -> dns.asyncresolver.Resolver:
        if self._resolver is None:
            resolver = dns.asyncresolver.Resolver(configure=not self._servers)
            if self._servers:
                resolver.nameservers = [address for address, _ in self._servers]
                resolver.nameserver_ports = dict(self._servers)
            resolver.timeout = min(2.0, self._timeout_s)
            # Many domains have their mail at a few hosts, whose numbers hold for their time to live.
            resolver.cache = dns.resolver.LRUCache(_MAX_ANSWERS)
            self._resolver = resolver
        return self._resolver


def _record(kind: str, item: object) -> tuple[int, str]:
    if kind == "MX":
        return item.preference, item.exchange.to_text(omit_final_dot=True).strip(".").lower()  # type: ignore[attr-defined]
    if kind == "TXT":
        return 0, b"".join(item.strings).decode("utf-8", "replace")  # type: ignore[attr-defined]
    return 0, str(item).rstrip(".")


def _read_servers(text: str) -> list[tuple[str, int]]:
    servers = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        host, port = part, "53"
        if part.startswith("["):
            host, _, rest = part[1:].partition("]")
            port = rest.lstrip(":") or port
        elif part.count(":") == 1:
            host, _, port = part.partition(":")
        try:
            servers.append((str(ip_address(host)), int(port)))
        except ValueError:
            raise BadSetting(f"LEADFUEL_MAIL_RESOLVER: {part!r} is no address or address:port.") from None
    return servers
