"""How many requests a user may send to a route in a minute, counted over all processes.

The count is one atomic script in Redis per request. When Redis is down the product goes on: each
process then counts for itself, says so once in the log, and leaves Redis alone for a while, so that
a dead one costs a request nothing.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, Literal, cast

from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage, RedisStorage, Storage
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from core.errors import LeadFuelError
from core.logs import get_logger
from core.settings import Settings

log = get_logger(__name__)

WINDOW_S: Final = 60
# Redis next door answers in a fraction of a millisecond. What takes longer than this is not working.
REDIS_TIMEOUT_S: Final = 0.25
PAUSE_S: Final = 5.0
# Beyond this expiry a counter of a past minute is of no use to anybody.
_EXPIRY_S: Final = 2 * WINDOW_S

CountedBy = Literal["redis", "process"]


class TooManyRequests(LeadFuelError):
    """The route was asked more often within a minute than this installation allows one user."""

    status = 429
    slug = "too-many-requests"
    title = "Too many requests"


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a user stands with a route in the current minute."""

    limit: int
    used: int
    resets_in_s: int

    @property
    def remaining(self) -> int:
        return max(0, self.limit - self.used)

    def headers(self) -> dict[str, str]:
        return {
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": str(self.remaining),
            "RateLimit-Reset": str(self.resets_in_s),
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(self.remaining),
            "X-RateLimit-Reset": str(self.resets_in_s),
        }


class Limiter:
    """Counts requests by user and route in minutes of the clock; one instance per process."""

    def __init__(
        self,
        settings: Settings,
        *,
        wall_clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._item = RateLimitItemPerMinute(settings.api.requests_per_minute, namespace="leadfuel")
        self._client = _redis_client(settings.redis.url)
        self._redis = _redis_storage(self._client)
        self._memory: Storage = MemoryStorage()
        self._paused_until = 0.0
        self._is_down = False
        # Who has used up a minute, and until when: they cost nothing any more.
        self._over: dict[tuple[str, str], Standing] = {}
        self._over_in: int = -1
        self._wall_clock = wall_clock
        self._monotonic = monotonic

    @property
    def limit(self) -> int:
        return self._item.amount

    @property
    def counted_by(self) -> CountedBy:
        return "process" if self._redis is None or self._monotonic() < self._paused_until else "redis"

    def known_over(self, *, who: str, route: str) -> Standing | None:
        """Where somebody stands who has been over the limit in this minute already; nobody is asked."""
        if self._over_in != int(self._wall_clock() // WINDOW_S):
            self._over_in = int(self._wall_clock() // WINDOW_S)
            self._over.clear()
        return self._over.get((who, route))

    async def hit(self, *, who: str, route: str) -> Standing:
        """Count one request; a `Standing` with `used` above `limit` has to be refused."""
        standing = await self._hit(who, route)
        if standing.used > standing.limit and self.known_over(who=who, route=route) is None:
            self._over[who, route] = standing
        return standing

    async def _hit(self, who: str, route: str) -> Standing:
        key, resets_in_s = self._key(who, route)
        if (redis := self._usable_redis()) is not None:
            try:
                used = await redis.incr(key, _EXPIRY_S)
            except (RedisError, OSError, TimeoutError) as error:
                self._leave_alone(error)
            else:
                self._is_back()
                return Standing(self.limit, used, resets_in_s)
        return Standing(self.limit, await self._memory.incr(key, _EXPIRY_S), resets_in_s)

    async def standings(self, *, who: str, routes: Iterable[str]) -> dict[str, Standing]:
        """Where a user stands with each route, without counting anything."""
        keys = {route: self._key(who, route) for route in routes}
        if (redis := self._usable_redis()) is not None and self._client is not None:
            try:
                names = [redis.bridge.prefixed_key(key) for key, _ in keys.values()]
                counts = await self._client.mget(names) if names else []
            except (RedisError, OSError, TimeoutError) as error:
                self._leave_alone(error)
            else:
                self._is_back()
                return {
                    route: Standing(self.limit, int(count or 0), resets)
                    for (route, (_, resets)), count in zip(keys.items(), counts, strict=True)
                }
        return {
            route: Standing(self.limit, await self._memory.get(key), resets)
            for route, (key, resets) in keys.items()
        }

    async def ping(self) -> None:
        """Ask Redis whether it is there; raises what went wrong."""
        if self._client is not None:
            await self._client.ping()

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()

    def _key(self, who: str, route: str) -> tuple[str, int]:
        now = self._wall_clock()
        window = int(now // WINDOW_S)
        return self._item.key_for(who, route, str(window)), max(1, round((window + 1) * WINDOW_S - now))

    def _usable_redis(self) -> RedisStorage | None:
        now = self._monotonic()
        if now < self._paused_until:
            return None
        if self._is_down:
            # One request tries; the others do not wait with it.
            self._paused_until = now + PAUSE_S
        return self._redis

    def _leave_alone(self, error: Exception) -> None:
        self._paused_until = self._monotonic() + PAUSE_S
        if not self._is_down:
            self._is_down = True
            log.warning(
                "redis does not answer; each process counts requests for itself",
                **{"error.kind": type(error).__name__},
            )

    def _is_back(self) -> None:
        if self._is_down:
            self._is_down, self._paused_until = False, 0.0
            log.info("redis answers again; requests are counted over all processes")


def _redis_client(url: str) -> Redis | None:
    if not url:
        return None
    client: Redis = Redis.from_url(
        url,
        socket_timeout=REDIS_TIMEOUT_S,
        socket_connect_timeout=REDIS_TIMEOUT_S,
        retry=Retry(NoBackoff(), 0),
    )
    return client


def _redis_storage(client: Redis | None) -> RedisStorage | None:
    if client is None:
        return None
    return RedisStorage(
        "async+redis://",
        implementation="redispy",
        key_prefix="limits",
        connection_pool=cast("Any", client.connection_pool),
    )
