"""When OpenSearch is down, slow or empty: PostgreSQL answers, soon, and OpenSearch comes back by itself."""

import asyncio
from dataclasses import replace
from time import monotonic

import msgspec
import pytest

from core.settings import OpenSearchSettings
from db.sessions import SERVICE
from search import documents
from search.cursor import BadCursor
from search.engine import Searcher
from search.request import CountRequest, SearchRequest
from tests.search import world as w

BUDGET_S = 0.8


@pytest.fixture(scope="module")
async def world(db, opensearch, index_prefix, wipe):
    await wipe()
    built = await w.build(db, seed=7, contacts=30, organizations=6)
    await w.index(db, opensearch, index_prefix)
    yield built
    await wipe()


class Proxy:
    """Between the product and OpenSearch: passes on, hangs or hangs up, as the test says."""

    def __init__(self, host: str, port: int) -> None:
        self.upstream = (host, port)
        self.mood = "pass"
        self.asked = 0

    async def __aenter__(self):
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        self.server.close()

    async def serve(self, reader, writer):
        self.asked += 1
        try:
            if self.mood == "hang up":
                return
            if self.mood == "hang":
                await reader.read(-1)
                return
            upstream_reader, upstream_writer = await asyncio.open_connection(*self.upstream)
            await asyncio.gather(self.pipe(reader, upstream_writer), self.pipe(upstream_reader, writer))
        finally:
            writer.close()

    @staticmethod
    async def pipe(reader, writer):
        try:
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()


@pytest.fixture
async def proxy(settings):
    host, port = settings.opensearch.url.removeprefix("http://").rstrip("/").split(":")
    async with Proxy(host, int(port)) as made:
        yield made


@pytest.fixture
async def searcher(db, settings, proxy):
    made = Searcher(
        replace(
            settings,
            opensearch=replace(settings.opensearch, url=f"http://127.0.0.1:{proxy.port}"),
            search=replace(settings.search, breaker_pause_ms=300),
        ),
        db,
    )
    yield made
    await made.close()


async def ask(searcher, **request):
    started = monotonic()
    answer = await searcher.search("contacts", msgspec.convert(request, SearchRequest), SERVICE)
    return answer, monotonic() - started


async def until(condition):
    for _ in range(100):
        if condition():
            return
        await asyncio.sleep(0.1)
    pytest.fail("it did not come back")


@pytest.mark.parametrize("mood", ["hang up", "hang"])
async def test_postgres_answers_and_the_next_request_does_not_wait(searcher, world, proxy, mood):
    healthy, _ = await ask(searcher, facets=["seniorities"])
    assert healthy.engine == "opensearch"
    proxy.mood = mood
    for connection in list(searcher._client.transport.connection_pool.connections):
        await connection.close()
    first, took = await ask(searcher, facets=["seniorities"])
    assert first.engine == "postgres"
    assert first.engine_reason
    assert took < BUDGET_S + 2
    assert [h.id for h in first.results] == [h.id for h in healthy.results]
    assert first.facets == healthy.facets
    asked = proxy.asked
    second, took = await ask(searcher, facets=["seniorities"])
    assert second.engine == "postgres"
    assert proxy.asked <= asked + 1, "only the probe may ask"
    count = await searcher.count("contacts", CountRequest(), SERVICE)
    assert (count.engine, count.total_entries) == ("postgres", len(world.contacts))
    proxy.mood = "pass"
    await until(lambda: searcher.engine == "opensearch")
    back, _ = await ask(searcher)
    assert back.engine == "opensearch"
    assert back.engine_reason is None


async def test_a_missing_index_is_a_failure_like_any_other(db, settings, world):
    missing = replace(settings, opensearch=replace(settings.opensearch, index_prefix="nowhere-"))
    searcher = Searcher(missing, db)
    try:
        answer, _ = await ask(searcher)
        assert answer.engine == "postgres"
        assert "index_not_found" in answer.engine_reason
        assert {h.id for h in answer.results} <= set(world.contacts)
    finally:
        await searcher.close()


async def test_an_index_of_another_version_is_never_read(db, settings, world, monkeypatch):
    monkeypatch.setattr(documents, "schema_hash", lambda _entity: "newer001")
    searcher = Searcher(settings, db)
    try:
        answer, _ = await ask(searcher)
        assert answer.engine == "postgres"
        assert {h.id for h in answer.results} <= set(world.contacts)
    finally:
        await searcher.close()


async def test_without_opensearch_postgres_answers_and_says_so(db, settings, world):
    searcher = Searcher(replace(settings, opensearch=OpenSearchSettings()), db)
    try:
        answer, _ = await ask(searcher, q="anna")
        assert (answer.engine, answer.engine_reason) == ("postgres", "OPENSEARCH_URL is not set")
    finally:
        await searcher.close()


async def test_a_cursor_by_field_goes_on_with_the_other_engine(searcher, world, proxy):
    everything, _ = await ask(searcher, sort="name", limit=100)
    first, _ = await ask(searcher, sort="name", limit=5)
    assert first.engine == "opensearch"
    second, _ = await ask(searcher, sort="name", limit=5, cursor=first.cursor, engine="postgres")
    assert second.engine == "postgres"
    third, _ = await ask(searcher, sort="name", limit=100, cursor=second.cursor)
    assert third.engine == "opensearch"
    pages = [h.id for page in (first, second, third) for h in page.results]
    assert pages == [h.id for h in everything.results]


async def test_a_cursor_by_relevance_belongs_to_its_engine(searcher, world, proxy):
    first, _ = await ask(searcher, q="a", limit=2)
    assert first.engine == "opensearch"
    searcher._breaker.reason = "a test"
    try:
        with pytest.raises(BadCursor) as refused:
            await ask(searcher, q="a", limit=2, cursor=first.cursor)
        assert refused.value.facts["reason"] == "other_engine"
    finally:
        searcher._breaker.reason = None


async def test_facets_out_of_time_are_named(db, settings, world):
    hasty = replace(
        settings,
        opensearch=OpenSearchSettings(),
        search=replace(settings.search, fallback_facet_budget_ms=0),
    )
    searcher = Searcher(hasty, db)
    try:
        answer, _ = await ask(searcher, facets=["seniorities", "industries"])
        assert answer.missing_facets == ["seniorities", "industries"]
        assert answer.facets == {}
        assert answer.results
    finally:
        await searcher.close()
