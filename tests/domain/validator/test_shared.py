"""What processes share through Redis: one memory, one pace, one breaker."""

import asyncio
from dataclasses import replace

import pytest
from redis.asyncio import Redis

from core.settings import RedisSettings, Settings, ValidatorSettings
from domain.validator.caches import RedisCache
from domain.validator.limits import Held, LocalLimits, RedisLimits, connection
from domain.validator.shared import open_validator
from tests.lab.servers import OK, MailServer

SETTINGS = ValidatorSettings(per_minute=5, connections_per_group=2)


@pytest.fixture(params=["redis", "local"])
async def limits(request, redis_url, unique_name):
    if request.param == "local":
        yield LocalLimits(SETTINGS)
        return
    redis = Redis.from_url(redis_url)
    yield RedisLimits(redis, SETTINGS, prefix=unique_name)
    await redis.aclose()


@pytest.fixture
def unique_name(request):
    return f"test:{request.node.name}:{id(request)}:"


async def test_connections_at_once_and_in_a_minute_are_bounded(limits):
    assert await limits.take("g", "1") == 0
    assert await limits.take("g", "2") == 0
    assert 0 < await limits.take("g", "3") < 1
    for n in range(1, 5):
        await limits.give_back("g", str(n))
        await limits.give_back("g", str(n + 1))
        if n > 2:
            assert await limits.take("g", str(n + 1)) == 0
    await limits.give_back("g", "5")
    await limits.give_back("g", "4")
    assert await limits.take("g", "9") == 0
    await limits.give_back("g", "9")
    assert await limits.take("g", "10") > 5
    assert await limits.take("another", "10") == 0


async def test_a_tripped_breaker_holds_everybody_off(limits):
    await limits.trip("g")
    await limits.trip("g")
    with pytest.raises(Held) as held:
        await limits.take("g", "1")
    assert held.value.is_blocked
    assert 1_700 < held.value.wait_s <= 1_800


async def test_the_breaker_doubles_up_to_six_hours_and_forgives_after_a_day(monkeypatch):
    now = [1_000_000.0]
    monkeypatch.setattr("domain.validator.limits.time.monotonic", lambda: now[0])
    limits = LocalLimits(SETTINGS)
    minutes = []
    for pause_s in (1, 1, 1, 1, 1, 25 * 3_600):
        await limits.trip("g")
        with pytest.raises(Held) as held:
            await limits.take("g", "1")
        minutes.append(held.value.wait_s / 60)
        now[0] += held.value.wait_s + pause_s
    await limits.trip("g")
    with pytest.raises(Held) as held:
        await limits.take("g", "1")
    assert [*minutes, held.value.wait_s / 60] == pytest.approx([30, 60, 120, 240, 360, 360, 30])


async def test_the_shared_breaker_doubles_as_well(redis_url):
    redis = Redis.from_url(redis_url)
    limits = RedisLimits(redis, SETTINGS, prefix="test:doubling:")
    state = "test:doubling:{g}:state"
    minutes = []
    for _ in range(5):
        await limits.trip("g")
        with pytest.raises(Held) as held:
            await limits.take("g", "1")
        minutes.append(held.value.wait_s / 60)
        seconds, micros = await redis.time()
        await redis.hset(state, "open_until", seconds * 1000 + micros // 1000 - 1)  # its time is over
    assert minutes == pytest.approx([30, 60, 120, 240, 360], rel=0.01)
    await redis.hset(state, "open_until", (seconds - 25 * 3_600) * 1000)
    await limits.trip("g")
    with pytest.raises(Held) as held:
        await limits.take("g", "1")
    assert held.value.wait_s / 60 == pytest.approx(30, rel=0.01)
    await redis.delete(state)
    await redis.aclose()


async def test_a_slot_that_does_not_come_in_time_is_not_waited_for(limits):
    for n in range(2):
        await limits.take("g", str(n))
    with pytest.raises(Held):
        async with connection(limits, "g", within_s=0.01):
            pass


async def test_a_complaint_slows_everybody(limits):
    for n in range(5):
        assert await limits.take("g", str(n)) == 0
        await limits.give_back("g", str(n))
    before = await limits.take("g", "x")
    await limits.slow_down("g")
    assert await limits.take("g", "x") == pytest.approx(2 * before, rel=0.2)


async def test_two_processes_share_one_memory_and_one_pace(lab, redis_url):
    redis = Redis.from_url(redis_url)
    for key in await redis.keys("leadfuel:*"):
        if key.startswith((b"leadfuel:validator:", b"leadfuel:smtp:")):
            await redis.delete(key)
    server = MailServer({f"a{n}": OK for n in range(20)}, delay_s=0.005)
    await lab.domain("shared-lab.com", server)
    settings = Settings(
        redis=RedisSettings(url=redis_url), validator=replace(lab.settings, total_timeout_s=20.0)
    )
    async with open_validator(settings) as one, open_validator(settings) as other:
        calls = [(one, other)[n % 2].validate(f"a{n}@shared-lab.com") for n in range(20)]
        verdicts = await asyncio.gather(*calls)
        assert {verdict.is_reachable for verdict in verdicts} == {"safe"}
        assert server.most_open <= 2
        assert (await other.validate("a0@shared-lab.com")).cached
    await redis.aclose()


async def test_redis_out_of_reach_is_a_miss(a_free_port):
    cache = RedisCache(Redis(host="127.0.0.1", port=a_free_port))
    await cache.put("k", b"v", 10)
    assert await cache.get("k") is None


async def test_with_redis_out_of_reach_each_process_keeps_to_the_limits(a_free_port):
    limits = RedisLimits(Redis(host="127.0.0.1", port=a_free_port), SETTINGS)
    assert await limits.take("g", "1") == 0
    assert await limits.take("g", "2") == 0
    assert await limits.take("g", "3") > 0
    await limits.give_back("g", "1")
    assert await limits.take("g", "3") == 0
    await limits.slow_down("g")
    await limits.trip("g")
    with pytest.raises(Held):
        await limits.take("g", "4")


@pytest.fixture
def a_free_port():
    import socket  # noqa: PLC0415

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
