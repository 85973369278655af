"""Paging by cursor far beyond the 10,000 that an offset may reach, on both engines."""

import msgspec
import pytest
from sqlalchemy import text

from core.errors import PlanLimit
from db.sessions import SERVICE, member
from search.engine import Searcher
from search.request import SearchRequest
from tests.search import world as w

PEOPLE = 11_000
# Few distinct names and instants, so that the id must break ties, and some people without a key.
PEOPLE_SQL = """
    INSERT INTO app.contacts (first_name, last_name, full_name, name_sort, name_search, name_terms,
                              last_refreshed_at)
    SELECT 'Anna', last, concat_ws(' ', 'Anna', last), last || ' anna', concat_ws(' ', 'anna', last),
           array_remove(ARRAY['anna', last], NULL),
           '2026-01-01'::timestamptz + (n % 40) * interval '1 day'
      FROM (SELECT n, CASE WHEN n % 17 > 0 THEN 'name' || (n % 300) END AS last
              FROM generate_series(1, :people) n) drawn
"""
ORDERS = {
    "relevance": "last_refreshed_at DESC, id",
    "name": 'name_sort COLLATE "C" ASC NULLS LAST, id',
    "-last_refreshed": "last_refreshed_at DESC, id",
}


@pytest.fixture(scope="module")
async def world(db, opensearch, index_prefix, wipe):
    await wipe()
    built = await w.build(db, seed=8, contacts=40, organizations=8)
    async with db.transaction(SERVICE) as session:
        await session.execute(text("DELETE FROM app.contacts"))
        await session.execute(text(PEOPLE_SQL), {"people": PEOPLE})
    await w.index(db, opensearch, index_prefix)
    yield built
    await wipe()


@pytest.fixture
async def searcher(db, opensearch, patient):
    made = Searcher(patient, db, opensearch)
    yield made
    await made._breaker.close()


async def pages(searcher, user, **body):
    cursor = None
    while True:
        request = {"hidden": "include", "limit": 500, "cursor": cursor} | body
        page = await searcher.search("contacts", msgspec.convert(request, SearchRequest), member(user))
        assert page.engine == body["engine"]
        yield [hit.id for hit in page.results]
        cursor = page.cursor
        if cursor is None:
            return


async def in_order(db, order):
    async with db.transaction(SERVICE, read_only=True) as session:
        return list((await session.execute(text(f"SELECT id FROM app.contacts ORDER BY {order}"))).scalars())


@pytest.mark.parametrize("engine", ["opensearch", "postgres"])
@pytest.mark.parametrize("sort", ORDERS)
async def test_every_record_shows_once_and_in_order_to_the_very_end(searcher, world, db, engine, sort):
    seen = [
        ident async for page in pages(searcher, world.users[0], engine=engine, sort=sort) for ident in page
    ]
    assert seen == await in_order(db, ORDERS[sort])
    assert len(seen) > 10_000


@pytest.mark.parametrize("engine", ["opensearch", "postgres"])
async def test_by_text_too(searcher, world, engine):
    seen = [
        ident async for page in pages(searcher, world.users[0], engine=engine, q="anna") for ident in page
    ]
    assert len(seen) == len(set(seen)) > 10_000


async def test_what_comes_and_goes_meanwhile_moves_nobody_else(searcher, world, db, opensearch, index_prefix):
    user, engines = world.users[0], ("opensearch", "postgres")
    walks = {engine: pages(searcher, user, engine=engine, sort="name") for engine in engines}
    seen = {engine: [i for _ in range(3) for i in await anext(walk)] for engine, walk in walks.items()}
    before = await in_order(db, ORDERS["name"])
    gone = set(before[::100])
    async with db.transaction(SERVICE) as session:
        await session.execute(text("DELETE FROM app.contacts WHERE id = ANY(:ids)"), {"ids": list(gone)})
        await session.execute(text(PEOPLE_SQL), {"people": 300})
    await w.index(db, opensearch, index_prefix)
    for engine, walk in walks.items():
        seen[engine] += [ident async for page in walk for ident in page]
        stays = [ident for ident in before if ident not in gone]
        assert [ident for ident in seen[engine] if ident in set(stays)] == stays, engine


async def to_the_end(searcher, user, seen, *, depth, **body):
    """Page after page; the plan ends it by `PlanLimit`, and `seen` has what there was."""
    cursor = None
    while True:
        body |= {"limit": 500, "hidden": "include", "cursor": cursor}
        page = await searcher.search("contacts", SearchRequest(**body), member(user), depth=depth)
        seen += [hit.id for hit in page.results]
        if (cursor := page.cursor) is None:
            return


@pytest.mark.parametrize("sort", ["relevance", "name"])
async def test_both_engines_end_where_the_plan_does(searcher, world, sort):
    seen = {"opensearch": [], "postgres": []}
    for engine, ids in seen.items():
        with pytest.raises(PlanLimit) as refused:
            await to_the_end(searcher, world.users[0], ids, depth=1_200, engine=engine, sort=sort)
        assert refused.value.facts == {"limit": 1_200, "of": "search_depth"}
    assert seen["opensearch"] == seen["postgres"]
    assert len(set(seen["postgres"])) == 1_200


async def test_another_engine_does_not_begin_to_count_anew(searcher, world):
    user, asked = member(world.users[0]), {"limit": 50, "hidden": "include", "sort": "name"}
    first = await searcher.search("contacts", SearchRequest(engine="opensearch", **asked), user, depth=50)
    goes_on = SearchRequest(engine="postgres", cursor=first.cursor, **asked)
    with pytest.raises(PlanLimit):
        await searcher.search("contacts", goes_on, user, depth=50)
