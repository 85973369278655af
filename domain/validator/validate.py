"""Whether mail to an address would arrive: syntax, lists, DNS, then a talk with the mail server.

`validate(address, settings)` is the whole of it for somebody with neither database nor Redis. A
`Validator` is the same with what it learns kept between calls.
"""

import asyncio
import random
import socket
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from hashlib import sha256
from ipaddress import ip_address
from time import monotonic
from typing import Final

import orjson

from core import clock
from core.addresses import IP
from core.settings import ValidatorSettings
from domain.validator import findings, lists, providers
from domain.validator.askers import Askers, LocalAskers
from domain.validator.caches import (
    CATCH_ALL_S,
    PORT_CLOSED,
    PORT_CLOSED_S,
    Cache,
    MemoryCache,
    hidden,
    lifetime_s,
)
from domain.validator.dialogue import Heard, Plan, conversation
from domain.validator.limits import Held, Limits, LocalLimits, connection
from domain.validator.resolver import Host, Resolver, Route
from domain.validator.syntax import Address, BadAddress, cache_key, describe, read_address
from domain.validator.verdict import (
    Exchange,
    Finding,
    Kind,
    Syntax,
    Verdict,
    as_cached,
    decide,
    from_json,
)
from domain.validator.wire import Network, Sockets

# When what was refused for now is tried again, counted from each attempt; then it is unknown for good.
RETRY_AFTER: Final = (
    timedelta(minutes=6),
    timedelta(minutes=20),
    timedelta(hours=1),
    timedelta(hours=4),
)
_MAX_ROUTES: Final = 20_000


async def validate(address: str, settings: ValidatorSettings) -> Verdict:
    """The verdict on one address, by itself."""
    validator = Validator(settings)
    try:
        return await validator.validate(address)
    finally:
        await validator.aclose()


class Validator:
    """A validator with its memory: routes of domains, verdicts, and how hard whom may be asked."""

    def __init__(
        self,
        settings: ValidatorSettings,
        *,
        network: Network | None = None,
        limits: Limits | None = None,
        cache: Cache | None = None,
        askers: Askers | None = None,
        patience_s: float | None = None,
    ) -> None:
        """`patience_s` is how long a place within the limits is waited for; half of the time, if not said."""
        self._settings = settings
        self._patience_s = settings.total_timeout_s / 2 if patience_s is None else patience_s
        self._resolver = Resolver(settings)
        self._network = network or Sockets(settings)
        self._limits = limits or LocalLimits(settings)
        self._cache = cache or MemoryCache()
        self.askers = askers or LocalAskers(settings)
        self._helo = settings.helo or _machine_name()
        self._sources = [part.strip() for part in settings.sources.split(",") if part.strip()]
        self._routes: OrderedDict[str, tuple[Route, float]] = OrderedDict()
        self._locks: dict[str, tuple[asyncio.Lock, int]] = {}
        self._partings: set[asyncio.Task[None]] = set()

    async def validate(self, text: str, *, attempts: int = 1) -> Verdict:
        """The verdict on an address; `unknown`, too, when the limits leave no room to ask."""
        try:
            return await self.ask(text, attempts=attempts)
        except Held as held:
            finding = Finding(reachable="unknown", sub_status="rate_limited", can_retry=True)
            return self._decide(text.strip(), read_address(text), finding, attempts, held.wait_s)

    async def ask(self, text: str, *, attempts: int = 1, newer_than: datetime | None = None) -> Verdict:
        """The verdict on an address.

        With `attempts` above 1 it is asked again, unless the matter was proved meanwhile or somebody else
        has asked after `newer_than`. Raises `Held` when our own pace leaves no room now, which says nothing
        of the address and is no attempt.
        """
        try:
            address = read_address(text)
        except BadAddress:
            return _no_address(text, attempts)
        async with self._alone(f"address:{cache_key(address)}"):
            kept = await self._cache.get(_verdict_key(address))
            if kept is not None:
                verdict = from_json(orjson.loads(kept))
                is_news = newer_than is not None and verdict.checked_at >= newer_than
                if attempts == 1 or is_news or verdict.is_reachable != "unknown":
                    return as_cached(verdict, given=text.strip())
            return await self._validate(text.strip(), address, attempts)

    async def aclose(self) -> None:
        """Wait for the servers that leave was taken of, and give their places back."""
        while self._partings:
            await asyncio.wait(self._partings)

    async def tell_port(self, *, is_open: bool) -> None:
        """Remember, for all who share this memory, whether mail servers can be reached from here at all."""
        if is_open:
            await self._cache.drop(PORT_CLOSED)
        else:
            await self._cache.put(PORT_CLOSED, b"1", PORT_CLOSED_S)

    async def _validate(self, given: str, address: Address, attempts: int) -> Verdict:
        wait_s = 0.0
        try:
            async with asyncio.timeout(self._settings.total_timeout_s):
                finding = await self._find(address)
        except TimeoutError:
            finding = Finding(reachable="unknown", sub_status="timeout", can_retry=True)
        except Held as held:
            if not held.is_blocked:
                raise
            wait_s = held.wait_s
            finding = Finding(reachable="unknown", sub_status="ip_blocked", can_retry=True)
        verdict = self._decide(given, address, finding, attempts, wait_s)
        # That nobody can be asked from here is no news of the address, and may end at any moment.
        if finding.can_retry or finding.sub_status != "connection_refused":
            await self._cache.put(_verdict_key(address), orjson.dumps(verdict.as_json()), lifetime_s(verdict))
        return verdict

    def _decide(
        self, given: str, address: Address, finding: Finding, attempts: int, wait_s: float
    ) -> Verdict:
        verdict = decide(
            given=given,
            syntax=describe(address),
            kind=lists.kind_of(address, lists.load(self._settings.lists_folder)),
            finding=finding,
            at=clock.now(),
            attempts=attempts,
        )
        return _with_retry(verdict, wait_s)

    async def _find(self, address: Address) -> Finding:
        route = await self._route(address.domain)
        first = route.hosts[0].name if route.hosts else (route.records[0] if route.records else "")
        mx = Exchange(
            accepts_mail=True if route.hosts else False if route.is_proved else None,
            records=route.records,
            implicit=route.implicit,
            provider=providers.provider(first),
        )
        if route.problem is not None:
            return findings.from_dns(route, mx)
        port_closed, kept = await self._cache.get_many(PORT_CLOSED, _catch_all_key(address.domain))
        if not self._settings.smtp_port or port_closed is not None:
            return Finding(reachable="unknown", sub_status="connection_refused", mx=mx)
        is_catch_all = _as_catch_all(kept)
        if is_catch_all is None and not self._is_known_provider(address.domain, first):
            # The first to come finds out for all; the others wait for that and not for each other.
            async with self._alone(f"domain:{address.domain}") as has_waited:
                if has_waited:
                    is_catch_all = _as_catch_all(await self._cache.get(_catch_all_key(address.domain)))
                if is_catch_all is None:
                    return await self._ask(address, route, mx, None)
        return await self._ask(address, route, mx, is_catch_all)

    async def _ask(self, address: Address, route: Route, mx: Exchange, is_catch_all: bool | None) -> Finding:  # noqa: FBT001
        probe = self._probe(address.domain, route, is_catch_all)
        plan = Plan(address, probe, self._helo)
        heard, host = await self._first_answer(plan, route)
        if heard.probe is not None and is_catch_all is None:
            is_catch_all = findings.catch_all(heard.probe)
            if is_catch_all is not None:
                value = b"1" if is_catch_all else b"0"
                await self._cache.put(_catch_all_key(address.domain), value, CATCH_ALL_S)
        if probe is None and is_catch_all is None and address.domain in providers.HONEST_DOMAINS:
            is_catch_all = False
        accepts_all = providers.accepts_everybody(address.domain, host.name)
        return findings.from_smtp(
            heard, address, host=host, mx=mx, is_catch_all=is_catch_all, accepts_all=accepts_all
        )

    async def _first_answer(self, plan: Plan, route: Route) -> tuple[Heard, Host]:
        """Ask the hosts in their order; the first that answers for the recipient decides."""
        passed: tuple[Heard, Host] | None = None
        for host in route.hosts:
            for number in host.addresses:
                heard = await self._talk(plan, host, number)
                if not heard.reading.asks_next_host:
                    return heard, host
                if passed is None or passed[0].reading.outcome == "no_mail":
                    passed = heard, host
                if heard.has_connected:
                    break
        if passed is None:
            raise ValueError("a route without hosts")
        return passed

    async def _talk(self, plan: Plan, host: Host, number: IP) -> Heard:
        group = providers.group(host.name)
        settings = self._settings
        connect = partial(
            self._network.connect,
            number,
            settings.smtp_port,
            source=self._source(plan.address.domain, number),
            timeout_s=settings.connect_timeout_s,
        )
        async with AsyncExitStack() as held:
            await held.enter_async_context(connection(self._limits, group, within_s=self._patience_s))
            heard = await held.enter_async_context(conversation(connect, plan, settings))
            if not heard.reading.asks_next_host:
                self._part(held.pop_all())
        if heard.reading.sub_status == "ip_blocked":
            await self._limits.trip(group)
        elif heard.reading.sub_status == "rate_limited":
            await self._limits.slow_down(group)
        return heard

    def _part(self, held: AsyncExitStack) -> None:
        """Let a talk end by itself: nobody waits for a goodbye, but its place is taken until it is said."""
        parting = asyncio.create_task(held.aclose())
        self._partings.add(parting)
        parting.add_done_callback(self._partings.discard)

    async def _route(self, domain: str) -> Route:
        kept = self._routes.get(domain)
        if kept is not None and kept[1] > monotonic():
            return kept[0]
        route = await self._resolver.route(domain)
        if route.problem != "dns_error":
            self._routes[domain] = route, monotonic() + route.ttl_s
            self._routes.move_to_end(domain)
            if len(self._routes) > _MAX_ROUTES:
                self._routes.popitem(last=False)
        return route

    def _probe(self, domain: str, route: Route, is_catch_all: bool | None) -> Address | None:  # noqa: FBT001
        """The made-up address of a domain, always the same from us; None where none is needed."""
        if is_catch_all is not None or self._is_known_provider(domain, route.hosts[0].name):
            return None
        return Address(made_up_name(f"{self._helo} {domain}"), domain, domain)

    @staticmethod
    def _is_known_provider(domain: str, host: str) -> bool:
        return domain in providers.HONEST_DOMAINS or providers.accepts_everybody(domain, host)

    def _source(self, domain: str, number: IP) -> str | None:
        """Our own address for a domain: always the same, for greylists know us by it."""
        fitting = [text for text in self._sources if ip_address(text).version == number.version]
        if not fitting:
            return None
        return fitting[int.from_bytes(sha256(domain.encode()).digest()[:4], "big") % len(fitting)]

    @asynccontextmanager
    async def _alone(self, name: str) -> AsyncIterator[bool]:
        """One at a time per name, told whether another was before; the lock goes with its last holder."""
        lock, waiting = self._locks.get(name, (asyncio.Lock(), 0))
        self._locks[name] = lock, waiting + 1
        try:
            async with lock:
                yield waiting > 0
        finally:
            _, waiting = self._locks[name]
            if waiting == 1:
                del self._locks[name]
            else:
                self._locks[name] = lock, waiting - 1


_STARTS: Final = ("mar", "tor", "ele", "jan", "bri", "kar", "lin", "wes", "hal", "fre", "sil", "den")
_ENDS: Final = ("vik", "mond", "berg", "ton", "sen", "field", "ova", "etti", "mann", "ley", "wick", "dorf")


def made_up_name(seed: str) -> str:
    """A local part that looks like a person's and is nobody's: the same for the same seed.

    Greylists know a recipient by its name, in whichever process it is asked for again.
    """
    pick = random.Random(sha256(seed.encode()).digest())  # noqa: S311 - a name, not a secret
    first = f"{pick.choice(_STARTS)}{pick.choice('aeio')}{pick.choice('lnrst')}"
    last = f"{pick.choice(_STARTS)}{pick.choice(_STARTS)}{pick.choice(_ENDS)}"
    return f"{first}.{last}{pick.randrange(10, 100)}"


def _machine_name() -> str:
    name = socket.gethostname()
    return name if "." in name and name.isascii() else "localhost.localdomain"


def _no_address(text: str, attempts: int) -> Verdict:
    finding = Finding(reachable="invalid", sub_status="invalid_syntax")
    return decide(
        given=text[:400], syntax=Syntax(), kind=Kind(), finding=finding, at=clock.now(), attempts=attempts
    )


def _verdict_key(address: Address) -> str:
    return hidden(f"verdict:{cache_key(address)}")


def _catch_all_key(domain: str) -> str:
    return hidden(f"catch-all:{domain}")


def _as_catch_all(kept: bytes | None) -> bool | None:
    return None if kept is None else kept == b"1"


def _with_retry(verdict: Verdict, wait_s: float) -> Verdict:
    if not verdict.retry or verdict.attempts > len(RETRY_AFTER):
        return replace(verdict, retry=False)
    pause = max(RETRY_AFTER[verdict.attempts - 1], timedelta(seconds=wait_s))
    at: datetime = verdict.checked_at + pause
    return replace(verdict, retry_after=at)
