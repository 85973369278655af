"""What the matcher says of a batch is what both engines and the oracle say of the whole catalogue."""

from datetime import timedelta

import msgspec
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core import clock
from db.sessions import SERVICE
from search import documents, matcher, selection, stored
from search.days import as_of
from search.matcher import Batch, Table
from search.request import CountRequest
from tests.search import test_engines_agree as cases
from tests.search.oracle import Oracle
from tests.search.test_engines_agree import searcher, world  # noqa: F401 - fixtures

ENTITIES = ("contacts", "organizations")


@pytest.fixture(scope="module")
async def read(db, world):  # noqa: F811
    """All documents of the world, by entity and id."""
    async with db.transaction(SERVICE, read_only=True) as session:
        return {
            entity: await documents.read(session, entity, list(getattr(world, entity))) for entity in ENTITIES
        }


def alone(request):
    """The request without what belongs to its reader."""
    return {"q": request.get("q", ""), "filters": request.get("filters", {}), "hidden": "include"}


async def read_criteria(searcher, entity, request):  # noqa: F811
    return await searcher.selection(
        entity, msgspec.convert(alone(request), CountRequest), SERVICE, relaxed=False
    )


def matched(read, entity, criteria):
    """The ids that the matcher lets fit, the batch cut in three to see that places are kept apart."""
    table = Table(entity)
    compiled = table.add(criteria)
    ids = sorted(read[entity])
    fit = set()
    for start in range(3):
        part = ids[start::3]
        batch = Batch(table, [read[entity][one] for one in part])
        fit |= {part[place] for place in matcher.places(batch.fitting(compiled))}
    return fit, compiled.exact


def alertable(entity, request):
    return entity == "contacts" or not any(
        {name for name, value in side.items() if name != "include_similar_titles" and value != []}
        for side in request.get("filters", {}).get("contacts", {}).values()
    )


async def agree(searcher, world, read, entity, request):  # noqa: F811
    criteria = (await read_criteria(searcher, entity, request)).criteria
    user = world.users[0]
    expected = Oracle(world, entity, alone(request), user).matches()
    again = stored.load(orjson.loads(orjson.dumps(stored.dump(criteria))))
    assert again == criteria
    fit, exact = matched(read, entity, again)
    assert exact
    assert fit == expected
    for engine in cases.ENGINES:
        ids, _ = await cases.ask(searcher, entity, alone(request), user, engine)
        assert set(ids) == fit, engine


@pytest.mark.parametrize("entity", ENTITIES)
@pytest.mark.parametrize("case", cases.CASES)
async def test_cases(searcher, world, read, entity, case):  # noqa: F811
    request = cases.CASES[case]
    if alertable(entity, request):
        if entity == "organizations" and "filters" in request:
            # Empty lists for people, which ask for nothing.
            request = request | {"filters": request["filters"] | {"contacts": {}}}
        await agree(searcher, world, read, entity, request)
    else:
        with pytest.raises(ValueError, match="other records"):
            Table(entity).add((await read_criteria(searcher, entity, request)).criteria)


MORE = st.fixed_dictionaries(
    {},
    optional={
        "cities": cases.CITIES,
        "last_refreshed_after": st.sampled_from(["2026-01-05", "2026-01-15"]),
        "last_refreshed_within_days": cases.DAYS,
        "founded_year": st.sampled_from([{"min": 1950}, {"max": 2001}, {"min": 2001, "max": 2001}]),
        "num_employees": st.sampled_from([{"min": 100}, {"max": 40}]),
    },
)


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(request=cases.REQUESTS, more=MORE, entity=st.sampled_from(ENTITIES))
async def test_random_requests(searcher, world, read, request, more, entity):  # noqa: F811
    sides = request["filters"]["organizations"]
    sides["include"] = sides["include"] | more
    if entity == "organizations":
        request["filters"]["contacts"] = {}
    await agree(searcher, world, read, entity, request)


async def test_filters_by_id_and_names_of_places(searcher, world, read):  # noqa: F811
    some = sorted(world.organizations)[:3]
    for filters in (
        {"organizations": {"include": {"ids": some}}},
        {"organizations": {"exclude": {"ids": some, "locations": ["Berlin, Germany", "Texas"]}}},
    ):
        criteria = (await read_criteria(searcher, "contacts", {"filters": filters})).criteria
        fit, _ = matched(read, "contacts", criteria)
        ids, _ = await cases.ask(
            searcher, "contacts", {"filters": filters, "hidden": "include"}, world.users[0], "postgres"
        )
        assert set(ids) == fit
        assert 0 < len(fit) < len(world.contacts)


@pytest.mark.parametrize("months", [{"max": 5}, {"min": 6}, {"min": 3, "max": 11}, {"min": 0, "max": 0}])
@pytest.mark.parametrize("side", ["include", "exclude"])
async def test_months_in_role(searcher, world, read, db, months, side):  # noqa: F811
    request = {"filters": {"contacts": {side: {"months_in_role": months}}}}
    for days in (0, 1, 45):
        with clock.shifted(timedelta(days=days)):
            found = await read_criteria(searcher, "contacts", request)
            async with db.transaction(SERVICE, read_only=True) as session:
                expected = set(await selection.ids(session, found))
            assert matched(read, "contacts", found.criteria)[0] == expected


@pytest.mark.parametrize("scope", ENTITIES)
@pytest.mark.parametrize("side", ["include", "exclude"])
async def test_refreshed_within_days_moves_on_with_the_day(searcher, world, read, scope, side):  # noqa: F811
    request = {"filters": {scope: {side: {"last_refreshed_within_days": cases.days_since(15)}}}}
    filters = msgspec.convert(request, CountRequest).filters
    saved = await read_criteria(searcher, "contacts", request)
    sizes = []
    for passed in (0, 1, 3):
        with clock.shifted(timedelta(days=passed)):
            await agree(searcher, world, read, "contacts", request)
            found = await read_criteria(searcher, "contacts", request)
            sizes.append(len(matched(read, "contacts", found.criteria)[0]))
            # What was read on the first day means on this one what is read on it.
            assert as_of(saved.criteria, filters, clock.today()) == found.criteria
    assert len(set(sizes)) == 3
    assert sizes == sorted(sizes, reverse=side == "include")


TEXTS = (
    "vp sales",
    "vp sales in berlin",
    "müller",
    "anna muller",
    "a mueller",
    "bil gates",
    "gtaes",
    "alvar",
    "deutsche bank",
    "sales manager at acme",
    "zürich labs",
    "glbex",
    "salesforce",
    "x",
)


@pytest.mark.parametrize("entity", ENTITIES)
@pytest.mark.parametrize("q", TEXTS)
async def test_free_text(searcher, world, read, db, entity, q):  # noqa: F811
    found = await read_criteria(searcher, entity, {"q": q})
    fit, exact = matched(read, entity, stored.load(stored.dump(found.criteria)))
    async with db.transaction(SERVICE, read_only=True) as session:
        expected = set(await selection.ids(session, found))
    assert expected <= fit
    if exact:
        assert fit == expected


def test_what_is_stored_in_another_shape_is_not_guessed_at():
    for other in ({}, {"shape": 0}, {"shape": stored.SHAPE}, {"shape": stored.SHAPE, "entity": 1}):
        with pytest.raises(stored.OtherShape):
            stored.load(other)


@given(st.sets(st.integers(0, 3_000)))
def test_bits_and_places_are_each_other_s_opposite(found):
    assert matcher.places(matcher.bits(sorted(found))) == sorted(found)
