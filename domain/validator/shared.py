"""The validator that all processes of an installation share their memory and their limits with."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from redis.asyncio import Redis

from core.settings import Settings
from domain.validator.askers import RedisAskers
from domain.validator.caches import RedisCache
from domain.validator.limits import RedisLimits
from domain.validator.validate import Validator


@asynccontextmanager
async def open_validator(settings: Settings, *, patience_s: float | None = None) -> AsyncIterator[Validator]:
    """With Redis, memory and limits are everybody's; without, this process keeps its own.

    `patience_s` is how long a place within the limits is waited for; see `Validator`.
    """
    if not settings.redis.url:
        validator = Validator(settings.validator, patience_s=patience_s)
        try:
            yield validator
        finally:
            await validator.aclose()
        return
    redis = Redis.from_url(settings.redis.url)
    validator = Validator(
        settings.validator,
        cache=RedisCache(redis),
        limits=RedisLimits(redis, settings.validator),
        askers=RedisAskers(redis, settings.validator),
        patience_s=patience_s,
    )
    try:
        yield validator
    finally:
        await validator.aclose()
        await redis.aclose()
