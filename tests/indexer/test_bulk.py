"""The sender against a real engine behind a proxy that cuts, delays, refuses and loses."""

import time

import pytest

from indexer import indices
from indexer.bulk import BulkSender, Kind, Limits, Operation
from indexer.feed import engine_client
from tests.fixtures.faults import at_random, faults_before, in_turn

QUICK = Limits(first_pause_s=0.01, longest_pause_s=0.05, request_timeout_s=5.0)


@pytest.fixture
async def target(feed):
    return indices.write_alias(await indices.create(feed, "contacts"))


@pytest.fixture
async def behind_proxy(feed):
    async with faults_before(feed.settings.url) as proxy:
        client = engine_client(proxy.url)
        yield proxy, client
        await client.close()


def documents(target, count, *, version=1, first=1, size=0):
    filler = "x" * size
    return [
        Operation(target, i, version, b'{"id":%d,"name_sort":"%b"}' % (i, filler.encode()))
        for i in range(first, first + count)
    ]


async def there(feed, target):
    await feed.client.indices.refresh(index=target)
    return (await feed.client.count(index=target))["count"]


async def test_all_is_sent_in_bodies_of_bounded_size(feed, target, behind_proxy):
    proxy, client = behind_proxy
    sender = BulkSender(client, Limits(documents=100, bytes=20_000))
    outcomes = await sender.send([*documents(target, 250), *documents(target, 50, first=1000, size=1_000)])
    assert {outcome.kind for outcome in outcomes} == {Kind.DONE}
    assert await there(feed, target) == 300
    assert proxy.largest_body <= 20_000
    assert sender.counters.requests >= 6


async def test_an_older_version_is_a_conflict_and_no_error(target, feed):
    sender = BulkSender(feed.client)
    await sender.send(documents(target, 3, version=7))
    outcomes = await sender.send(
        [*documents(target, 3, version=6), *documents(target, 1, version=8, first=4)]
    )
    assert [outcome.kind for outcome in outcomes] == [Kind.NEWER] * 3 + [Kind.DONE]


async def test_deleting_what_is_not_there_is_done(target, feed):
    (outcome,) = await BulkSender(feed.client).send([Operation(target, 5, 1, None)])
    assert outcome.kind is Kind.DONE


async def test_a_rejected_document_has_its_reason_and_no_neighbour_suffers(target, feed):
    operations = documents(target, 9)
    operations.insert(4, Operation(target, 99, 1, b'{"id":"no number"}'))
    operations.insert(7, Operation(target, 98, 1, b'{"id":98,"unheard_of":1}'))
    outcomes = await BulkSender(feed.client).send(operations)
    kinds = [outcome.kind for outcome in outcomes]
    assert [at for at, kind in enumerate(kinds) if kind is Kind.REJECTED] == [4, 7]
    assert kinds.count(Kind.DONE) == 9
    assert "id" in (outcomes[4].reason or "")
    assert "unheard_of" in (outcomes[7].reason or "")


async def test_a_missing_index_is_not_made_up(feed):
    name = f"{feed.prefix}nowhere"
    (outcome,) = await BulkSender(feed.client).send(documents(name, 1))
    assert outcome.kind is Kind.MISSING
    assert not await indices.exists(feed, name)


@pytest.mark.parametrize("fault", ["429", "503", "cut", "half", "lost"])
async def test_a_busy_engine_is_asked_again_with_less(feed, target, behind_proxy, fault):
    proxy, client = behind_proxy
    proxy.rule = in_turn(fault, fault)
    sender = BulkSender(client, QUICK)
    outcomes = await sender.send(documents(target, 1_000))
    assert proxy.struck[fault] == 2
    assert {outcome.kind for outcome in outcomes} <= {Kind.DONE, Kind.NEWER}
    assert await there(feed, target) == 1_000
    assert sender.size < 1_000
    for start in range(10):
        await sender.send(documents(target, 10, first=2_000 + 10 * start))
    assert sender.size == 1_000


async def test_patience_ends(target, behind_proxy):
    proxy, client = behind_proxy
    proxy.rule = lambda _path, _body: "503"
    started = time.monotonic()
    outcomes = await BulkSender(client, QUICK).send(documents(target, 5), patience_s=0.3)
    assert time.monotonic() - started < 2
    assert {outcome.kind for outcome in outcomes} == {Kind.RETRY}
    assert "503" in (outcomes[0].reason or "")


async def test_a_body_that_is_too_large_is_split(feed, target, behind_proxy):
    proxy, client = behind_proxy
    proxy.rule = lambda _path, body: "413" if len(body) > 30_000 else "none"
    operations = documents(target, 100, size=500)
    operations.insert(50, Operation(target, 5_000, 1, b'{"id":5000,"name_sort":"%b"}' % (b"y" * 40_000)))
    outcomes = await BulkSender(client, QUICK).send(operations)
    assert [at for at, outcome in enumerate(outcomes) if outcome.kind is Kind.REJECTED] == [50]
    assert "bytes" in (outcomes[50].reason or "")
    assert await there(feed, target) == 100


async def test_half_of_all_requests_failing_loses_nothing(feed, target, behind_proxy):
    proxy, client = behind_proxy
    proxy.rule = at_random(0.5, "429", "503", "cut", "lost", seed=11)
    sender = BulkSender(client, QUICK)
    for start in range(20):
        outcomes = await sender.send(documents(target, 100, first=1 + 100 * start))
        assert {outcome.kind for outcome in outcomes} <= {Kind.DONE, Kind.NEWER}
    assert await there(feed, target) == 2_000
    assert sum(proxy.struck[fault] for fault in ("429", "503", "cut", "lost")) > 5
