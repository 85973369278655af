"""The index over HTTP: what `leadfuel index` does, for administrators, and edits that wait to be found."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from api.app import create_app
from indexer import apply, asked, rebuild
from indexer.bulk import BulkSender
from tests.fixtures.search import build_missing
from tests.indexer.test_loop import running as indexing
from tests.indexer.world import (
    add_contacts,
    assert_equal,
    drain_queue,
    execute,
    live_index,
    queued,
    rename_contact,
)

INDEX = "/v1/admin/index"


@pytest.fixture(scope="session")
async def searching_app(settings):
    """The API as it runs beside an OpenSearch."""
    return create_app(replace(settings, api=replace(settings.api, requests_per_minute=100_000)))


@pytest.fixture
async def root(searching_app, run_app, admin, feed):
    """An administrator of an installation with OpenSearch, whose indices are empty."""
    await build_missing(feed)
    async with run_app(searching_app) as client:
        yield replace(admin, api=client)


@asynccontextmanager
async def working(feed):
    """A worker's loop for what operators ask for, for the length of the block."""
    stop = asyncio.Event()
    task = asyncio.create_task(asked.run(feed, stop, looks_every_s=0.05))
    try:
        yield
    finally:
        stop.set()
        await task


async def until(root, path, check):
    for _ in range(200):
        found = (await root("GET", path)).json()
        if check(found):
            return found
        await asyncio.sleep(0.05)
    raise AssertionError(found)


def poisoned(feed):
    async def read(_session, _entity, ids, **kept):
        return dict.fromkeys(ids, b'{"id":"no number"}')

    return replace(feed, source=replace(feed.source, read=read))


async def test_the_status_has_both_sides(root, feed, db):
    await add_contacts(db, 3)
    found = (await root("GET", f"{INDEX}/status")).json()
    contacts = found["entities"][0]
    assert found["engine_problem"] is None
    assert (contacts["records"], contacts["documents"], contacts["queued"]["rows"]) == (3, 0, 3)
    assert contacts["index"] == await live_index(feed, "contacts")
    await drain_queue(feed)
    await feed.client.indices.refresh(index=feed.alias("contacts"))
    found = (await root("GET", f"{INDEX}/status")).json()
    assert found["healthy"]
    assert found["entities"][0]["documents"] == 3


async def test_a_pause_is_set_and_taken_back(root, feed, db):
    answer = await root("POST", f"{INDEX}/pause", json={"reason": "disk full"})
    assert answer.json() == {"paused": True}
    found = (await root("GET", f"{INDEX}/status")).json()
    assert found["paused"]["reason"] == "disk full"
    assert not found["healthy"]
    assert (await root("POST", f"{INDEX}/resume")).json() == {"paused": False}
    assert (await root("GET", f"{INDEX}/status")).json()["paused"] is None
    noted = await execute(db, "SELECT action || ' ' || subject FROM audit_log ORDER BY id")
    assert noted == ["index.paused index:all", "index.resumed index:all"]


async def test_records_are_sent_now_and_explained(root, feed, db):
    (contact,) = await add_contacts(db)
    answer = await root("POST", f"{INDEX}/refresh", json={"entity": "contacts", "ids": [contact, 424242]})
    here, gone = answer.json()["sent"]
    assert (here["outcome"], here["document"]["id"]) == ("indexed", contact)
    assert gone["outcome"].startswith("deleted")
    await drain_queue(feed)
    await rename_contact(db, contact, "Later")
    found = (await root("GET", f"{INDEX}/explain/contacts/{contact}")).json()
    assert "queued" in found["verdict"]
    assert len(found["queued"]) == 1
    assert (await root("GET", f"{INDEX}/explain/contacts/424242")).status_code == 404


async def test_dead_letters_are_listed_shown_retried_and_dropped(root, feed, db):
    first, second = await add_contacts(db, 2)
    await apply.apply_batch(poisoned(feed), BulkSender(feed.client), entities=["contacts"])
    listed = (await root("GET", f"{INDEX}/dead-letters")).json()["results"]
    assert {letter["id"] for letter in listed} == {first, second}
    shown = (await root("GET", f"{INDEX}/dead-letters/contacts/{first}")).json()
    assert shown["document"]["id"] == "no number"
    assert "number" in shown["reason"]
    assert (await root("GET", f"{INDEX}/dead-letters/contacts/424242")).status_code == 404
    which = {"entity": "contacts", "record_id": first}
    assert (await root("POST", f"{INDEX}/dead-letters/retry", json=which)).json() == {"records": 1}
    assert await queued(db) == 1
    refused = await root("POST", f"{INDEX}/dead-letters/drop", json={})
    assert refused.status_code == 422
    assert "confirm" in refused.text
    refused = await root("POST", f"{INDEX}/dead-letters/drop", json={"record_id": 1, "confirm": "yes"})
    assert refused.status_code == 422
    dropped = await root("POST", f"{INDEX}/dead-letters/drop", json={"confirm": "yes"})
    assert dropped.json() == {"records": 2}


async def test_a_rebuild_is_done_by_a_worker_and_told(root, feed, db):
    await add_contacts(db, 12)
    before = await live_index(feed, "contacts")
    answer = await root("POST", f"{INDEX}/rebuild", json={"entity": "contacts"})
    assert answer.status_code == 202
    assert answer.json()["results"][0]["asked_at"] is not None
    assert answer.json()["results"][1]["asked_at"] is None
    again = await root("POST", f"{INDEX}/rebuild", json={"entity": "contacts"})
    assert (again.status_code, again.json()["type"]) == (409, "/problems/asked-already")
    async with working(feed):
        found = await until(root, f"{INDEX}/rebuild", lambda said: said["results"][0]["ended"])
    contacts = found["results"][0]
    assert (contacts["asked_at"], contacts["rebuilding"], contacts["ended"]["error"]) == (None, None, None)
    assert contacts["ended"]["documents"] == 12
    assert await live_index(feed, "contacts") == contacts["ended"]["index"] != before
    dropped = await root("POST", f"{INDEX}/drop-orphans", json={"confirm": "yes"})
    assert dropped.json() == {"indices": [before]}
    assert (await root("POST", f"{INDEX}/drop-orphans", json={})).status_code == 422
    await assert_equal(feed)


async def test_a_rebuild_whose_worker_died_is_taken_up_by_the_next(root, feed, db, monkeypatch):
    monkeypatch.setattr(rebuild, "READ_AT_ONCE", 10)
    monkeypatch.setattr(rebuild, "IN_FLIGHT", 1)
    monkeypatch.setattr(rebuild, "CHECKPOINT_EVERY_S", 0.0)
    await add_contacts(db, 60)
    await root("POST", f"{INDEX}/rebuild", json={"entity": "contacts"})
    read, in_the_middle = 0, asyncio.Event()

    async def dying(session, entity, ids, **kept):
        nonlocal read
        read += 1
        if read > 3:
            in_the_middle.set()
            await asyncio.Event().wait()
        return await feed.source.read(session, entity, ids, **kept)

    worker = asyncio.create_task(
        asked.run(replace(feed, source=replace(feed.source, read=dying)), asyncio.Event())
    )
    await asyncio.wait_for(in_the_middle.wait(), 10)
    worker.cancel()
    await asyncio.gather(worker, return_exceptions=True)
    found = (await root("GET", f"{INDEX}/rebuild")).json()["results"][0]
    assert found["rebuilding"]["rows_done"] == 30
    assert not found["rebuilding"]["running"]
    assert found["asked_at"] is not None
    scanned = []

    async def counting(session, entity, ids, **kept):
        scanned.extend(ids)
        return await feed.source.read(session, entity, ids, **kept)

    async with working(replace(feed, source=replace(feed.source, read=counting))):
        found = await until(root, f"{INDEX}/rebuild", lambda said: said["results"][0]["ended"])
    assert found["results"][0]["ended"]["documents"] == 60
    assert len(set(scanned)) <= 60
    assert len(scanned) < 60 * 1.1 + 60  # the rest, and what was queued meanwhile
    await drain_queue(feed)
    await assert_equal(feed)


async def test_a_rebuild_that_would_be_refused_is_refused_at_once(root, feed, db):
    async with rebuild.exclusive(feed):
        answer = await root("POST", f"{INDEX}/rebuild", json={})
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/rebuild-running")
    answer = await root("POST", f"{INDEX}/rebuild", json={"resume": True})
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/rebuild-interrupted")
    answer = await root("POST", f"{INDEX}/rebuild", json={"take_over": True})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["path"] == "confirm"
    await rebuild._begin(feed, "contacts", resume=False, take_over=False)
    answer = await root("POST", f"{INDEX}/rebuild", json={"entity": "contacts"})
    assert "--resume" in answer.json()["detail"]
    assert await execute(db, "SELECT name FROM index_control WHERE name LIKE 'asked:%'") == []
    assert (await root("POST", f"{INDEX}/rebuild/abort", json={})).status_code == 422
    removed = (await root("POST", f"{INDEX}/rebuild/abort", json={"confirm": "yes"})).json()["indices"]
    assert len(removed) == 1
    assert await execute(db, "SELECT 1 FROM indices WHERE state = 'building'") == []


async def test_a_rebuild_that_was_asked_for_can_be_taken_back(root, feed, db):
    before = await live_index(feed, "contacts")
    await root("POST", f"{INDEX}/rebuild", json={})
    assert (await root("POST", f"{INDEX}/rebuild/abort", json={"confirm": "yes"})).json() == {"indices": []}
    async with working(feed):
        await asyncio.sleep(0.3)
    assert await live_index(feed, "contacts") == before


async def test_a_rebuild_that_ends_its_worker_again_and_again_is_given_up(root, feed, db):
    await root("POST", f"{INDEX}/rebuild", json={"entity": "contacts"})
    await execute(
        db, "UPDATE index_control SET value = value || '{\"attempts\": 5}' WHERE name LIKE 'asked:%'"
    )
    async with working(feed):
        found = await until(root, f"{INDEX}/rebuild", lambda said: said["results"][0]["ended"])
    assert "5 times" in found["results"][0]["ended"]["error"]
    assert found["results"][0]["asked_at"] is None


async def test_a_verify_is_done_by_a_worker_and_names_what_differs(root, feed, db):
    first, _ = await add_contacts(db, 2)
    await drain_queue(feed)
    await feed.client.delete(index=await live_index(feed, "contacts"), id=str(first))
    answer = await root("POST", f"{INDEX}/verify", json={"entity": "contacts", "full": True, "repair": True})
    assert answer.status_code == 202
    async with working(feed):
        found = await until(root, f"{INDEX}/verify", lambda said: said["results"][0]["last"])
    last = found["results"][0]["last"]
    assert (last["drift"], last["differing"], last["full"]) == (1, [{"id": first, "kind": "missing"}], True)
    await drain_queue(feed)
    await assert_equal(feed)


async def test_what_cannot_be_verified_is_refused_at_once(root, feed, db):
    await feed.client.indices.delete(index=await live_index(feed, "contacts"))
    answer = await root("POST", f"{INDEX}/verify", json={})
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/index-refused")
    assert "rebuild" in answer.json()["detail"]


async def test_an_engine_that_is_down_has_its_own_words(settings, run_app, admin, feed):
    away = replace(settings, opensearch=replace(settings.opensearch, url="http://127.0.0.1:9"))
    async with run_app(create_app(away)) as client:
        root = replace(admin, api=client)
        found = (await root("GET", f"{INDEX}/status")).json()
        assert "does not answer" in found["engine_problem"]
        assert "OPENSEARCH_URL" in found["entities"][0]["advice"]
        await build_missing(feed)
        for method, path, body in (
            ("POST", "refresh", {"entity": "contacts", "ids": [1]}),
            ("GET", "explain/contacts/1", None),
        ):
            answer = await root(method, f"{INDEX}/{path}", **({"json": body} if body is not None else {}))
            assert (answer.status_code, answer.json()["type"]) == (503, "/problems/engine-down"), path
            assert "does not answer" in answer.json()["detail"]


async def test_without_opensearch_there_is_no_index(admin):
    for path in ("status", "explain/contacts/1"):
        answer = await admin("GET", f"{INDEX}/{path}")
        assert (answer.status_code, answer.json()["type"]) == (409, "/problems/no-engine")
    assert (await admin("POST", f"{INDEX}/rebuild", json={})).status_code == 409


@pytest.mark.parametrize(
    "method, path, body",
    [
        ("GET", "status", None),
        ("GET", "rebuild", None),
        ("GET", "verify", None),
        ("GET", "dead-letters", None),
        ("GET", "dead-letters/contacts/1", None),
        ("GET", "explain/contacts/1", None),
        ("POST", "pause", {}),
        ("POST", "resume", None),
        ("POST", "refresh", {"entity": "contacts", "ids": [1]}),
        ("POST", "rebuild", {}),
        ("POST", "rebuild/abort", {"confirm": "yes"}),
        ("POST", "verify", {}),
        ("POST", "drop-orphans", {"confirm": "yes"}),
        ("POST", "dead-letters/retry", {}),
        ("POST", "dead-letters/drop", {"confirm": "yes"}),
    ],
)
async def test_the_index_is_for_administrators(api, ann, method, path, body):
    options = {"json": body} if body is not None else {}
    assert (await ann(method, f"{INDEX}/{path}", **options)).status_code == 403
    assert (await api.request(method, f"{INDEX}/{path}", **options)).status_code == 401


@pytest.mark.parametrize(
    "path, body",
    [
        ("refresh", {"entity": "people", "ids": [1]}),
        ("refresh", {"entity": "contacts", "ids": []}),
        ("refresh", {"entity": "contacts", "ids": [0]}),
        ("refresh", {"entity": "contacts", "ids": list(range(1, 102))}),
        ("rebuild", {"only": "contacts"}),
        ("rebuild", {"entity": "people"}),
        ("rebuild/abort", {"confirm": "no"}),
        ("verify", {"sample": 0}),
        ("verify", {"sample": 2}),
        ("drop-orphans", {"confirm": True}),
        ("dead-letters/retry", {"record_id": 5}),
        ("pause", {"reason": "x" * 201}),
    ],
)
async def test_what_makes_no_sense_is_refused(admin, path, body):
    answer = await admin("POST", f"{INDEX}/{path}", json=body)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"


# Edits that wait.


@pytest.mark.parametrize("noun", ["contacts", "organizations"])
async def test_an_edit_is_found_when_it_was_waited_for(root, feed, noun):
    name = {"first_name": "Ada", "last_name": "Lovelace"} if noun == "contacts" else {"name": "Analytical"}
    alias = feed.alias(noun)

    async def shown(query):
        found = await feed.client.search(index=alias, body={"query": query})
        return [int(hit["_id"]) for hit in found["hits"]["hits"]]

    async with indexing(feed):
        made = await root("POST", f"/v1/{noun}?wait=searchable", json=name)
        assert made.status_code == 201, made.text
        record = made.json()["id"]
        assert await shown({"term": {"id": record}}) == [record]
        change = {"last_name": "Byron"} if noun == "contacts" else {"name": "Difference"}
        assert (await root("PATCH", f"/v1/{noun}/{record}?wait=searchable", json=change)).status_code == 200
        key = "byron ada" if noun == "contacts" else "difference"
        assert await shown({"term": {"name_sort": key}}) == [record]
        assert (await root("DELETE", f"/v1/{noun}/{record}?wait=searchable")).status_code == 204
        assert await shown({"match_all": {}}) == []


async def test_an_edit_that_takes_too_long_is_accepted(root, feed, db, monkeypatch):
    monkeypatch.setattr("indexer.waiting.WITHIN_S", 0.3)
    made = await root("POST", "/v1/contacts?wait=searchable", json={"first_name": "Ada"})
    assert made.status_code == 202
    record = made.json()["id"]
    assert made.headers["location"] == f"/v1/contacts/{record}"
    assert (await root("GET", f"/v1/contacts/{record}")).status_code == 200
    assert (await root("DELETE", f"/v1/contacts/{record}?wait=searchable")).status_code == 202
    assert (await root("GET", f"/v1/contacts/{record}")).status_code == 404


async def test_a_refused_edit_is_not_waited_for(root):
    answer = await root("PATCH", "/v1/contacts/424242?wait=searchable", json={"first_name": "Ada"})
    assert answer.status_code == 404
    answer = await root("POST", "/v1/contacts?wait=forever", json={"first_name": "Ada"})
    assert answer.status_code == 422


async def test_without_opensearch_an_edit_is_found_at_once(admin):
    made = await admin("POST", "/v1/contacts?wait=searchable", json={"first_name": "Ada"})
    assert made.status_code == 201


# The figures.


def figures(text):
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.fixture
def client_from(searching_app):
    """A client that seems to ask from this address."""

    def make(host, app=searching_app):
        transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=(host, 1))
        return httpx.AsyncClient(transport=transport, base_url="http://api.test")

    return make


async def test_the_figures_are_read_on_the_same_machine(root, client_from, feed, db):
    await add_contacts(db, 2)
    async with client_from("127.0.0.1") as here:
        answer = await here.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    found = figures(answer.text)
    assert found["leadfuel_index_queued", ("entity", "contacts")] == 2
    assert found["leadfuel_index_engine_up",] == 1


async def test_nobody_else_reads_the_figures(root, client_from):
    async with client_from("203.0.113.9") as elsewhere:
        assert (await elsewhere.get("/metrics")).status_code == 401
    async with client_from("127.0.0.1") as proxied:
        for header in ("X-Forwarded-For", "Forwarded", "X-Real-IP", "Via"):
            assert (await proxied.get("/metrics", headers={header: "x"})).status_code == 401
    async with client_from("not an address") as odd:
        assert (await odd.get("/metrics")).status_code == 401


async def test_a_token_reads_the_figures_from_anywhere(settings, run_app, client_from, feed):
    guarded = create_app(replace(settings, api=replace(settings.api, metrics_token="let-me-see")))
    async with run_app(guarded), client_from("203.0.113.9", guarded) as elsewhere:
        right = await elsewhere.get("/metrics", headers={"Authorization": "Bearer let-me-see"})
        assert right.status_code == 200
        for wrong in ({}, {"Authorization": "Bearer let-me-seé"}, {"Authorization": "Basic let-me-see"}):
            headers = {name: value.encode("latin-1") for name, value in wrong.items()}
            assert (await elsewhere.get("/metrics", headers=headers)).status_code == 401
    async with run_app(guarded), client_from("127.0.0.1", guarded) as here:
        assert (await here.get("/metrics")).status_code == 401
