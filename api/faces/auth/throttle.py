"""How often somebody may try: counted for the account and for the client's network, over all processes.

All the counters of a request move in one atomic step of Redis. Without Redis each process counts for itself.
Accounts are counted by the hash of the address that was typed, whether or not it has an account.
"""

import hashlib
import ipaddress
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from api.limits import PAUSE_S, REDIS_TIMEOUT_S
from core.errors import LeadFuelError
from core.logs import get_logger
from core.settings import Settings
from domain.auth.errors import OverRequestRateLimit
from domain.auth.people import Origin

log = get_logger(__name__)

ATTEMPTS_WINDOW_S: Final = 300
MAILS_WINDOW_S: Final = 3_600
# Refreshing is no guessing: the token cannot be guessed.
REFRESHES_PER_ATTEMPT: Final = 10
_MAX_COUNTERS: Final = 50_000
_COUNT: Final = """
    local wait = 0
    for i, key in ipairs(KEYS) do
        local used = redis.call('INCR', key)
        local left = redis.call('PTTL', key)
        if left < 0 then
            left = tonumber(ARGV[2 * i])
            redis.call('PEXPIRE', key, left)
        end
        if used > tonumber(ARGV[2 * i - 1]) and left > wait then wait = left end
    end
    return wait
"""


class OverEmailSendRateLimit(LeadFuelError):
    """A mail was sent to this address a moment ago, or many to this network; wait for `retry_after_s`."""

    status = 429
    slug = "over-email-send-rate-limit"
    title = "Too many mails"


@dataclass(frozen=True, slots=True)
class Rule:
    """At most so many within a window that begins with the first."""

    key: str
    limit: int
    window_s: int


class Throttle:
    """Counts attempts and mails; one per process, to be closed."""

    def __init__(self, settings: Settings, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings.sign_in
        self._redis = _client(settings.redis.url)
        self._monotonic = monotonic
        self._paused_until = 0.0
        self._counters: dict[str, tuple[int, float]] = {}

    async def attempt(self, origin: Origin, *, account: str = "") -> None:
        """Count an attempt to prove who one is; raises `OverRequestRateLimit`."""
        limit = self._settings.attempts
        rules = [Rule(f"attempt:network:{network(origin)}", limit, ATTEMPTS_WINDOW_S)]
        if account:
            rules.append(Rule(f"attempt:account:{_hashed(account)}", limit, ATTEMPTS_WINDOW_S))
        if wait_s := await self._count(rules):
            raise OverRequestRateLimit("Request rate limit reached", retry_after_s=wait_s)

    async def refresh(self, origin: Origin) -> None:
        """Count a refresh; raises `OverRequestRateLimit`."""
        limit = self._settings.attempts * REFRESHES_PER_ATTEMPT
        rule = Rule(f"refresh:network:{network(origin)}", limit, ATTEMPTS_WINDOW_S)
        if wait_s := await self._count([rule]):
            raise OverRequestRateLimit("Request rate limit reached", retry_after_s=wait_s)

    async def mail(self, origin: Origin, *, account: str) -> None:
        """Count a mail that somebody asks for; raises `OverEmailSendRateLimit`."""
        rules = [Rule(f"mail:network:{network(origin)}", self._settings.mails_per_hour, MAILS_WINDOW_S)]
        if self._settings.mail_every_s:
            rules.append(Rule(f"mail:account:{_hashed(account)}", 1, self._settings.mail_every_s))
        if wait_s := await self._count(rules):
            raise OverEmailSendRateLimit(
                f"For security purposes, you can only request this after {wait_s} seconds.",
                retry_after_s=wait_s,
            )

    async def close(self) -> None:
        if self._redis is not None:
            await self._redis.aclose()

    async def _count(self, rules: Sequence[Rule]) -> int:
        """Move all the counters; the seconds to wait when one is over its limit, else 0."""
        now = self._monotonic()
        if self._redis is not None and now >= self._paused_until:
            try:
                return await self._count_in_redis(self._redis, rules)
            except (RedisError, OSError, TimeoutError) as error:
                self._paused_until = now + PAUSE_S
                log.warning(
                    "redis does not answer; each process counts attempts for itself",
                    **{"error.kind": type(error).__name__},
                )
        return self._count_here(rules, now)

    async def _count_in_redis(self, redis: Redis, rules: Sequence[Rule]) -> int:
        keys = [f"leadfuel:sign-in:{rule.key}" for rule in rules]
        limits = [number for rule in rules for number in (rule.limit, rule.window_s * 1000)]
        wait_ms = await cast("Any", redis.eval(_COUNT, len(keys), *keys, *map(str, limits)))
        return -(-int(wait_ms) // 1000)

    def _count_here(self, rules: Sequence[Rule], now: float) -> int:
        if len(self._counters) > _MAX_COUNTERS:
            self._counters = {key: held for key, held in self._counters.items() if held[1] > now}
        wait_s = 0.0
        for rule in rules:
            used, ends = self._counters.get(rule.key, (0, 0.0))
            if ends <= now:
                used, ends = 0, now + rule.window_s
            self._counters[rule.key] = (used + 1, ends)
            if used + 1 > rule.limit:
                wait_s = max(wait_s, ends - now)
        return -(-int(wait_s * 1000) // 1000)


def network(origin: Origin) -> str:
    """What one client has for itself: an IPv4 address, or the /64 of an IPv6 one."""
    if origin.address is None:
        return "unknown"
    address = ipaddress.ip_address(origin.address)
    if address.version == 4:
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, 64), strict=False))


def _hashed(account: str) -> str:
    return hashlib.sha256(account.strip().lower().encode()).hexdigest()


def _client(url: str) -> Redis | None:
    if not url:
        return None
    client: Redis = Redis.from_url(
        url,
        socket_timeout=REDIS_TIMEOUT_S,
        socket_connect_timeout=REDIS_TIMEOUT_S,
        retry=Retry(NoBackoff(), 0),
    )
    return client
