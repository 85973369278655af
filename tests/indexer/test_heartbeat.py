"""What is measured all the time, and what is made of it."""

import asyncio

import pytest
from prometheus_client.parser import text_string_to_metric_families

from indexer import control, heartbeat, metrics, rebuild, sweep, verify, waiting
from indexer.bulk import BulkSender
from indexer.heartbeat import Heart, quantile
from indexer.metrics import exposition
from indexer.status import status
from tests.fixtures.search import build_missing
from tests.indexer.test_loop import running, until
from tests.indexer.world import (
    add_contacts,
    drain_queue,
    execute,
    live_index,
    queued,
    rename_contact,
)


@pytest.fixture
async def built(feed):
    await build_missing(feed)
    return feed


def test_quantiles_are_values_that_were_seen():
    assert quantile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert quantile([3.0, 1.0, 2.0], 0.99) == 3.0
    assert quantile([1.0], 0.0) == 1.0


async def test_a_beat_measures_the_whole_way(built, db):
    await add_contacts(db, 2)
    await drain_queue(built)
    heart = Heart(built, BulkSender(built.client))
    async with running(built):
        lag = await heart.beat("contacts", asyncio.Event())
    assert lag is not None
    assert 0 < lag < 5
    assert await heart.beat("organizations", asyncio.Event()) is None


async def test_a_beat_without_an_indexer_is_as_long_as_patience(built, db, monkeypatch):
    monkeypatch.setattr(heartbeat, "PATIENCE_S", 0.2)
    await add_contacts(db)
    await drain_queue(built)
    lag = await Heart(built, BulkSender(built.client)).beat("contacts", asyncio.Event())
    assert lag is not None
    assert lag > 0.2


async def test_an_indexer_that_fell_silent_is_told(built, db):
    await add_contacts(db)
    async with running(built):
        stop = asyncio.Event()
        task = asyncio.create_task(Heart(built, BulkSender(built.client)).run(stop))

        async def reported():
            return bool(await execute(db, "SELECT 1 FROM index_control WHERE name = 'heartbeat:0'"))

        await until(reported)
        stop.set()
        await task
    found = await status(built)
    assert found.healthy
    assert found.heartbeat is not None
    assert found.heartbeat["lag_ms"]["contacts"]["p99"] > 0
    await execute(db, "UPDATE index_control SET updated_at = updated_at - interval '2 minutes'")
    found = await status(built)
    assert found.silent
    assert not found.healthy


async def test_figures_for_prometheus(built, db):
    await verify.remember(built, await verify.verify(built, "contacts"))
    await add_contacts(db, 3)
    heart = Heart(built, BulkSender(built.client))
    heart.lags_s["contacts"].append(0.25)
    await heart._tell()
    await rebuild._begin(built, "organizations", resume=False, take_over=False)
    families = {f.name: f for f in text_string_to_metric_families(exposition(await status(built)).decode())}
    found = {
        (sample.name.removeprefix("leadfuel_index_"), *sample.labels.values()): sample.value
        for family in families.values()
        for sample in family.samples
    }
    assert found["records", "contacts"] == 3
    assert found["queued", "contacts"] == 3
    assert found["verify_drift", "contacts"] == 0
    assert found["healthy",] == 1
    assert found["lag_seconds", "contacts", "p99"] == 0.25
    assert found["rebuild_running", "organizations"] == 0
    assert families["leadfuel_index_sent"].type == "counter"
    told = {name.removeprefix("leadfuel_index_") for name in families}
    assert told == {*metrics._GAUGES, *metrics._COUNTERS} - {"rebuild_per_second", "rebuild_left_seconds"}


async def test_what_several_indexers_report_is_told_as_one(built, db):
    for number in (1, 2, 3):
        heart = Heart(built, BulkSender(built.client), number)
        heart.sender.counters.documents = 10
        heart.lags_s["contacts"].append(number / 10)
        await heart._tell()
    await execute(
        db,
        "UPDATE index_control SET updated_at = updated_at - interval '2 minutes' WHERE name = 'heartbeat:3'",
    )
    async with built.service(read_only=True) as session:
        beat = await heartbeat.together(session)
    assert beat is not None
    assert (beat["indexers"], beat["documents"], beat["lag_ms"]["contacts"]["p99"]) == (2, 30, 200)
    await execute(
        db, "UPDATE index_control SET updated_at = updated_at - interval '2 hours' WHERE name = 'heartbeat:3'"
    )
    await Heart(built, BulkSender(built.client), 1)._tell()
    left = await execute(db, "SELECT name FROM index_control ORDER BY name")
    assert left == ["heartbeat:1", "heartbeat:2"]


async def test_a_sweep_tells_of_drift_and_is_due_again_later(built, db):
    (contact,) = await add_contacts(db)
    await drain_queue(built)
    assert await sweep.due(built, "contacts")
    found = await sweep.sweep(built, "contacts", pause_s=0)
    assert found is not None
    assert found.drift == ()
    assert not await sweep.due(built, "contacts")
    await built.client.delete(index=await live_index(built, "contacts"), id=str(contact))
    await sweep.sweep(built, "contacts", pause_s=0)
    assert not (await status(built)).healthy
    assert await queued(db) == 0
    await execute(db, "UPDATE index_control SET updated_at = updated_at - interval '7 hours'")
    assert await sweep.due(built, "contacts")


async def test_waiting_until_an_edit_can_be_found(built, db):
    (contact,) = await add_contacts(db)
    async with running(built):
        await rename_contact(db, contact, "Awaited")
        assert await waiting.until_searchable(built, "contacts", [contact])
        found = await built.client.search(
            index=built.alias("contacts"), body={"query": {"term": {"name_sort": "awaited"}}}
        )
    assert [hit["_id"] for hit in found["hits"]["hits"]] == [str(contact)]


async def test_waiting_is_bounded(built, db):
    (contact,) = await add_contacts(db)
    assert not await waiting.until_searchable(built, "contacts", [contact], within_s=0.3)


async def test_what_was_applied_is_written_down_with_its_token(built, db):
    ids = await add_contacts(db, 3)
    await drain_queue(built)
    (token,) = set(await execute(db, "SELECT token FROM applied"))
    assert await execute(db, "SELECT id FROM applied ORDER BY id") == ids
    answer = await built.client.get(index=await live_index(built, "contacts"), id=str(ids[0]))
    assert answer["_version"] == token


async def test_a_value_that_is_kept_is_replaced_and_forgotten(built):
    async with built.service() as session:
        await control.remember(session, "thing", {"n": 1})
        await control.remember(session, "thing", {"n": 2})
        found = await control.recall(session, "thing")
        assert found is not None
        assert found["n"] == 2
        await control.forget(session, "thing")
        assert await control.recall(session, "thing") is None
