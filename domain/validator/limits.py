"""How hard one provider's servers are asked: connections at once, connections in a minute, and a breaker.

Kept by the group of the mail server, not by the customer's domain. In Redis all workers share one
decision; without Redis each process keeps to the limits by itself.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Protocol
from uuid import uuid4

from redis.asyncio import Redis
from redis.exceptions import RedisError

from core.logs import get_logger
from core.settings import ValidatorSettings

log = get_logger(__name__)

BREAKER_FIRST_S: Final = 1_800.0
BREAKER_LONGEST_S: Final = 6 * 3_600.0
# A block so long after the last one is a first one.
FORGIVEN_AFTER_S: Final = 24 * 3_600.0
# A pace that was halved comes back after this time without another complaint.
SLOW_FOR_S: Final = 600.0
_SLOWEST: Final = 1 / 16
_SLOT_WAIT_S: Final = 0.05


class Held(Exception):
    """The group may not be asked before `wait_s` have passed."""

    def __init__(self, wait_s: float, *, is_blocked: bool) -> None:
        super().__init__(f"{wait_s:.0f} s")
        self.wait_s = wait_s
        self.is_blocked = is_blocked


class Limits(Protocol):
    """One decision per group; `take` answers 0 when a connection may be made now."""

    async def take(self, group: str, lease: str) -> float: ...

    async def give_back(self, group: str, lease: str) -> None: ...

    async def slow_down(self, group: str) -> None: ...

    async def trip(self, group: str) -> None: ...


@asynccontextmanager
async def connection(limits: Limits, group: str, *, within_s: float) -> AsyncIterator[None]:
    """A connection's slot for the length of the block; raises `Held` when none comes free in time."""
    deadline = time.monotonic() + within_s
    lease = uuid4().hex
    while wait_s := await limits.take(group, lease):
        if time.monotonic() + wait_s > deadline:
            raise Held(wait_s, is_blocked=False)
        await asyncio.sleep(wait_s)
    try:
        yield
    finally:
        await limits.give_back(group, lease)


@dataclass(slots=True)
class _Group:
    tokens: float
    at: float
    leases: set[str] = field(default_factory=set)
    pace: float = 1.0
    slow_until: float = 0.0
    open_until: float = 0.0
    open_for_s: float = 0.0


class LocalLimits:
    """The limits of this process alone."""

    def __init__(self, settings: ValidatorSettings) -> None:
        self._per_minute = max(settings.per_minute, 1)
        self._connections = max(settings.connections_per_group, 1)
        self._groups: dict[str, _Group] = {}

    async def take(self, group: str, lease: str) -> float:
        now = time.monotonic()
        state = self._state(group, now)
        if state.open_until > now:
            raise Held(state.open_until - now, is_blocked=True)
        if now > state.slow_until:
            state.pace = 1.0
        rate_s = self._per_minute * state.pace / 60
        state.tokens = min(self._per_minute, state.tokens + (now - state.at) * rate_s)
        state.at = now
        if len(state.leases) >= self._connections:
            return _SLOT_WAIT_S
        if state.tokens < 1:
            return (1 - state.tokens) / rate_s
        state.tokens -= 1
        state.leases.add(lease)
        return 0.0

    async def give_back(self, group: str, lease: str) -> None:
        self._state(group, time.monotonic()).leases.discard(lease)

    async def slow_down(self, group: str) -> None:
        now = time.monotonic()
        state = self._state(group, now)
        state.pace = max(state.pace / 2, _SLOWEST)
        state.slow_until = now + SLOW_FOR_S

    async def trip(self, group: str) -> None:
        now = time.monotonic()
        state = self._state(group, now)
        if state.open_until <= now:
            if state.open_until + FORGIVEN_AFTER_S < now:
                state.open_for_s = 0.0
            state.open_for_s = min(max(state.open_for_s * 2, BREAKER_FIRST_S), BREAKER_LONGEST_S)
            state.open_until = now + state.open_for_s

    def _state(self, group: str, now: float) -> _Group:
        if len(self._groups) > 100_000:  # as many full buckets are as good as none
            self._groups = {name: state for name, state in self._groups.items() if state.leases}
        return self._groups.setdefault(group, _Group(tokens=self._per_minute, at=now))


_TAKE: Final = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local lease, most, per_minute, lease_ms = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local function read(name, default) return tonumber(redis.call('HGET', KEYS[1], name) or default) end
local open_until = read('open_until', 0)
if open_until > now then return {-1, open_until - now} end
local pace = read('pace', 1)
if now > read('slow_until', 0) then pace = 1 end
local rate = per_minute * pace / 60000
local tokens = math.min(per_minute, read('tokens', per_minute) + (now - read('at', now)) * rate)
redis.call('HSET', KEYS[1], 'at', now, 'tokens', tostring(tokens), 'pace', tostring(pace))
redis.call('PEXPIRE', KEYS[1], 86400000)
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
if redis.call('ZCARD', KEYS[2]) >= most then return {1, 50} end
if tokens < 1 then return {1, math.ceil((1 - tokens) / rate)} end
redis.call('HSET', KEYS[1], 'tokens', tostring(tokens - 1))
redis.call('ZADD', KEYS[2], now + lease_ms, lease)
redis.call('PEXPIRE', KEYS[2], lease_ms)
return {0, 0}
"""
_SLOW: Final = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local pace = math.max(tonumber(redis.call('HGET', KEYS[1], 'pace') or 1) / 2, tonumber(ARGV[1]))
redis.call('HSET', KEYS[1], 'pace', tostring(pace), 'slow_until', now + tonumber(ARGV[2]))
redis.call('PEXPIRE', KEYS[1], 86400000)
"""
_TRIP: Final = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
if tonumber(redis.call('HGET', KEYS[1], 'open_until') or 0) > now then return end
local before = tonumber(redis.call('HGET', KEYS[1], 'open_for') or 0)
if tonumber(redis.call('HGET', KEYS[1], 'open_until') or 0) + tonumber(ARGV[3]) < now then before = 0 end
local open_for = math.min(math.max(before * 2, tonumber(ARGV[1])), tonumber(ARGV[2]))
redis.call('HSET', KEYS[1], 'open_for', open_for, 'open_until', now + open_for)
redis.call('PEXPIRE', KEYS[1], 86400000)
"""


class RedisLimits:
    """The limits that all workers share. A lease ends by itself when its holder dies.

    With Redis out of reach each process keeps to the limits by itself.
    """

    def __init__(
        self, redis: "Redis", settings: ValidatorSettings, *, prefix: str = "leadfuel:smtp:"
    ) -> None:
        self._redis = redis
        self._prefix = prefix
        self._settings = settings
        self._own = LocalLimits(settings)
        self._take: Any = redis.register_script(_TAKE)
        self._slow: Any = redis.register_script(_SLOW)
        self._trip: Any = redis.register_script(_TRIP)

    async def take(self, group: str, lease: str) -> float:
        settings = self._settings
        lease_ms = int((settings.total_timeout_s + 5) * 1000)
        try:
            said, wait_ms = await self._take(
                keys=self._keys(group),
                args=[lease, max(settings.connections_per_group, 1), max(settings.per_minute, 1), lease_ms],
            )
        except RedisError as error:
            _warn(error)
            return await self._own.take(group, lease)
        if said < 0:
            raise Held(wait_ms / 1000, is_blocked=True)
        return float(wait_ms) / 1000

    async def give_back(self, group: str, lease: str) -> None:
        await self._own.give_back(group, lease)
        try:
            await self._redis.zrem(self._keys(group)[1], lease)
        except RedisError as error:
            _warn(error)

    async def slow_down(self, group: str) -> None:
        try:
            await self._slow(keys=self._keys(group)[:1], args=[_SLOWEST, int(SLOW_FOR_S * 1000)])
        except RedisError as error:
            _warn(error)
            await self._own.slow_down(group)

    async def trip(self, group: str) -> None:
        times = [int(seconds * 1000) for seconds in (BREAKER_FIRST_S, BREAKER_LONGEST_S, FORGIVEN_AFTER_S)]
        try:
            await self._trip(keys=self._keys(group)[:1], args=times)
        except RedisError as error:
            _warn(error)
            await self._own.trip(group)

    def _keys(self, group: str) -> list[str]:
        return [f"{self._prefix}{{{group}}}:state", f"{self._prefix}{{{group}}}:slots"]


def _warn(error: RedisError) -> None:
    log.warning("the shared limits do not answer; this process keeps its own", error=str(error)[:200])
