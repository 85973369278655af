"""The limiter by itself; over HTTP it is tested in test_app."""

import asyncio
import socket
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from api.limits import PAUSE_S, Limiter
from core.settings import ApiSettings, RedisSettings, Settings


class Clock:
    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def settings_with(url: str, limit: int = 5) -> Settings:
    return replace(Settings(), redis=RedisSettings(url=url), api=ApiSettings(requests_per_minute=limit))


@pytest.fixture
async def limiter(redis_url):
    made = Limiter(settings_with(redis_url))
    yield made
    await made.close()


async def test_every_request_counts_and_the_rest_is_told(limiter, unique):
    standings = [await limiter.hit(who=unique, route="search") for _ in range(7)]
    assert [standing.remaining for standing in standings] == [4, 3, 2, 1, 0, 0, 0]
    assert [standing.used > standing.limit for standing in standings] == [False] * 5 + [True] * 2
    assert standings[0].headers()["RateLimit-Remaining"] == "4"
    assert limiter.counted_by == "redis"


async def test_users_and_routes_count_apart(limiter, unique):
    await limiter.hit(who=unique, route="search")
    assert (await limiter.hit(who=unique, route="count")).used == 1
    assert (await limiter.hit(who=unique + "other", route="search")).used == 1
    standings = await limiter.standings(who=unique, routes=["search", "count", "never"])
    assert {route: standing.used for route, standing in standings.items()} == {
        "search": 1,
        "count": 1,
        "never": 0,
    }


async def test_a_new_minute_begins_at_nought(redis_url, unique):
    clock = Clock(1_000_000 * 60 + 59.5)
    limiter = Limiter(settings_with(redis_url), wall_clock=clock)
    assert (await limiter.hit(who=unique, route="search")).resets_in_s == 1
    clock.now += 1
    standing = await limiter.hit(who=unique, route="search")
    assert (standing.used, standing.resets_in_s) == (1, 60)
    await limiter.close()


async def test_processes_count_together_and_no_request_is_lost(redis_url, unique, monkeypatch):
    # Two hundred new connections at once may take a busy machine longer than a request would wait.
    monkeypatch.setattr("api.limits.REDIS_TIMEOUT_S", 10)
    clock = Clock(7_000_000 * 60)
    limiters = [Limiter(settings_with(redis_url, limit=100), wall_clock=clock) for _ in range(4)]
    standings = await asyncio.gather(
        *(limiter.hit(who=unique, route="search") for limiter in limiters for _ in range(50))
    )
    assert sorted(standing.used for standing in standings) == list(range(1, 201))
    for limiter in limiters:
        await limiter.close()


async def test_without_redis_each_process_counts_for_itself(a_free_port, unique):
    clock = Clock(100.0)
    limiter = Limiter(settings_with(f"redis://127.0.0.1:{a_free_port}"), monotonic=clock)
    with capture_logs() as logs:
        used = [(await limiter.hit(who=unique, route="search")).used for _ in range(7)]
    assert used == [1, 2, 3, 4, 5, 6, 7]
    assert limiter.counted_by == "process"
    assert [entry["event"] for entry in logs] == [
        "redis does not answer; each process counts requests for itself"
    ]
    await limiter.close()


async def test_a_silent_redis_costs_one_request_its_timeout_and_the_next_nothing(unique):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        clock = Clock(100.0)
        url = f"redis://127.0.0.1:{silent.getsockname()[1]}"
        limiter = Limiter(settings_with(url), monotonic=clock)
        loop = asyncio.get_running_loop()
        started = loop.time()
        await limiter.hit(who=unique, route="search")
        waited = loop.time()
        for _ in range(20):
            await limiter.hit(who=unique, route="search")
        assert waited - started < 2
        assert loop.time() - waited < 0.1
        # After the pause one request tries again, and those beside it do not wait with it.
        clock.now += PAUSE_S + 0.1
        started = loop.time()
        trial = asyncio.create_task(limiter.hit(who=unique, route="search"))
        await asyncio.sleep(0)
        await asyncio.gather(*(limiter.hit(who=unique, route="search") for _ in range(20)))
        assert loop.time() - started < 0.1
        await trial
        await limiter.close()


async def test_redis_coming_back_is_used_again(redis_url, unique):
    clock = Clock(100.0)
    limiter = Limiter(settings_with(redis_url), monotonic=clock)
    limiter._leave_alone(ConnectionError())
    assert limiter.counted_by == "process"
    clock.now += PAUSE_S + 0.1
    with capture_logs() as logs:
        await limiter.hit(who=unique, route="search")
    assert limiter.counted_by == "redis"
    assert logs[0]["event"].startswith("redis answers again")
    await limiter.close()
