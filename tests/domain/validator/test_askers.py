"""Nobody lists a company's mailboxes by trying names."""

import pytest
from redis.asyncio import Redis

from core.settings import ValidatorSettings
from domain.validator.askers import LocalAskers, RedisAskers, TooManyOfDomain

SETTINGS = ValidatorSettings(per_domain=2)


@pytest.fixture(params=["alone", "shared"])
async def make(request, redis_url):
    redis = Redis.from_url(redis_url)
    prefix = f"test:askers:{request.node.name}:"

    def askers(settings=SETTINGS):
        return (
            LocalAskers(settings) if request.param == "alone" else RedisAskers(redis, settings, prefix=prefix)
        )

    yield askers
    for key in await redis.keys(f"{prefix}*"):
        await redis.delete(key)
    await redis.aclose()


async def test_one_person_more_than_the_bound_is_refused_and_a_repetition_is_none(make):
    askers = make()
    for subject in ("anna", "bob", "anna", "bob"):
        await askers.admit("ann", "corp-lab.com", subject)
    for _ in range(2):
        with pytest.raises(TooManyOfDomain) as refused:
            await askers.admit("ann", "corp-lab.com", "carla")
    assert refused.value.facts == {"limit": 2, "domain": "corp-lab.com"}
    await askers.admit("ann", "corp-lab.com", "anna")
    await askers.admit("ann", "other-lab.com", "carla")
    await askers.admit("ben", "corp-lab.com", "carla")


async def test_free_mail_and_an_installation_without_a_bound_have_none(make):
    askers, without = make(), make(ValidatorSettings(per_domain=0))
    for number in range(5):
        await askers.admit("ann", "gmail.com", f"a{number}")
        await without.admit("ann", "corp-lab.com", f"a{number}")


async def test_after_a_day_it_begins_anew(monkeypatch, redis_url):
    now = [0.0]
    monkeypatch.setattr("domain.validator.askers.time.monotonic", lambda: now[0])
    askers = LocalAskers(SETTINGS)
    for subject in ("anna", "bob"):
        await askers.admit("ann", "corp-lab.com", subject)
    now[0] += 86_401
    await askers.admit("ann", "corp-lab.com", "carla")
    redis = Redis.from_url(redis_url)
    for subject in ("anna", "bob"):
        await RedisAskers(redis, SETTINGS, prefix="test:day:").admit("ann", "corp-lab.com", subject)
    [key] = await redis.keys("test:day:*")
    assert 86_000 < await redis.ttl(key) <= 86_400
    assert b"corp" not in key
    await redis.delete(key)
    await redis.aclose()


async def test_with_redis_out_of_reach_each_process_counts_by_itself():
    # Nobody listens at port 1.
    askers = RedisAskers(Redis(host="127.0.0.1", port=1), SETTINGS)
    for subject in ("anna", "bob"):
        await askers.admit("ann", "corp-lab.com", subject)
    with pytest.raises(TooManyOfDomain):
        await askers.admit("ann", "corp-lab.com", "carla")
