"""What was learned and is kept for a while: verdicts, and whether a domain takes every name."""

import hashlib
from collections import OrderedDict
from datetime import datetime, timedelta
from typing import Final, Protocol

from redis.asyncio import Redis
from redis.exceptions import RedisError

from core import clock
from core.logs import get_logger
from domain.validator.verdict import Verdict

log = get_logger(__name__)

_DAY_S: Final = 86_400
CATCH_ALL_S: Final = 7 * _DAY_S
# The key under which it is kept that no mail server can be reached, and for how long.
PORT_CLOSED: Final = "port-closed"
PORT_CLOSED_S: Final = 3_600
_VERDICT_S: Final = {"safe": 30 * _DAY_S, "invalid": 14 * _DAY_S, "risky": 7 * _DAY_S}
_UNKNOWN_S: Final = 900
_UNKNOWN_FOR_GOOD_S: Final = _DAY_S


class Cache(Protocol):
    """Bytes by key, for a time. A miss is always allowed."""

    async def get(self, key: str) -> bytes | None: ...

    async def get_many(self, *keys: str) -> list[bytes | None]: ...

    async def put(self, key: str, value: bytes, ttl_s: int) -> None: ...

    async def drop(self, key: str) -> None: ...


def lifetime_s(verdict: Verdict) -> int:
    """How long a verdict holds; what is to be tried again soon, shortly."""
    found = _VERDICT_S.get(verdict.is_reachable)
    if found is not None:
        return found
    return _UNKNOWN_S if verdict.retry else _UNKNOWN_FOR_GOOD_S


def hidden(key: str) -> str:
    """A key that does not say whose it is."""
    return hashlib.sha256(key.encode()).hexdigest()


class MemoryCache:
    """In this process, the longest unused forgotten first."""

    def __init__(self, size: int = 50_000) -> None:
        self._size = size
        self._kept: OrderedDict[str, tuple[bytes, datetime]] = OrderedDict()

    async def get(self, key: str) -> bytes | None:
        found = self._kept.get(key)
        if found is None:
            return None
        value, until = found
        if until <= clock.now():
            del self._kept[key]
            return None
        self._kept.move_to_end(key)
        return value

    async def get_many(self, *keys: str) -> list[bytes | None]:
        return [await self.get(key) for key in keys]

    async def put(self, key: str, value: bytes, ttl_s: int) -> None:
        self._kept[key] = (value, clock.now() + timedelta(seconds=ttl_s))
        self._kept.move_to_end(key)
        while len(self._kept) > self._size:
            self._kept.popitem(last=False)

    async def drop(self, key: str) -> None:
        self._kept.pop(key, None)


class RedisCache:
    """Shared by all processes. Redis out of reach is a miss, never an error."""

    def __init__(self, redis: "Redis", *, prefix: str = "leadfuel:validator:") -> None:
        self._redis = redis
        self._prefix = prefix

    async def get(self, key: str) -> bytes | None:
        return (await self.get_many(key))[0]

    async def get_many(self, *keys: str) -> list[bytes | None]:
        try:
            found: list[bytes | None] = await self._redis.mget([self._prefix + key for key in keys])
        except RedisError as error:
            log.warning("the cache of verdicts does not answer", error=str(error)[:200])
            return [None] * len(keys)
        return found

    async def put(self, key: str, value: bytes, ttl_s: int) -> None:
        try:
            await self._redis.set(self._prefix + key, value, ex=ttl_s)
        except RedisError as error:
            log.warning("the cache of verdicts does not answer", error=str(error)[:200])

    async def drop(self, key: str) -> None:
        try:
            await self._redis.delete(self._prefix + key)
        except RedisError as error:
            log.warning("the cache of verdicts does not answer", error=str(error)[:200])
