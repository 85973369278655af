"""Why a hit matched and what each filter costs; what may be meant by the first letters."""

import msgspec
import pytest

from core.errors import Invalid
from db.sessions import member
from search.describe import describe
from search.engine import Searcher
from search.fields import FILTERS
from search.request import (
    AnyAllNot,
    ContactFilters,
    Funding,
    OrganizationIncludes,
    SearchRequest,
)
from tests.search import world as w
from tests.search.oracle import Oracle

ENGINES = ("opensearch", "postgres")
FILTERS_ASKED = {
    "contacts": {"include": {"departments": ["sales"], "has_email": True}},
    "organizations": {"include": {"num_employees": {"min": 5}}, "exclude": {"industries": ["retail"]}},
}


@pytest.fixture(scope="module")
async def world(db, opensearch, index_prefix, wipe):
    await wipe()
    built = await w.build(db, seed=11, contacts=60, organizations=10)
    await w.index(db, opensearch, index_prefix)
    yield built
    await wipe()


@pytest.fixture(scope="module")
async def searcher(db, opensearch, patient):
    made = Searcher(patient, db, opensearch)
    yield made
    await made.close()


async def search(searcher, world, engine, **request):
    body = {"engine": engine, "limit": 100} | request
    return await searcher.search("contacts", msgspec.convert(body, SearchRequest), member(world.users[0]))


@pytest.mark.parametrize("engine", ENGINES)
async def test_each_filter_says_what_it_removes(searcher, world, engine):
    answer = await search(searcher, world, engine, filters=FILTERS_ASKED, explain=True)
    user = world.users[0]
    kept = len(Oracle(world, "contacts", {"filters": FILTERS_ASKED}, user).matches())
    removed = {each.path: each.removes for each in answer.removed_by}
    assert set(removed) == {
        "filters.contacts.include.departments",
        "filters.contacts.include.has_email",
        "filters.organizations.include.num_employees",
        "filters.organizations.exclude.industries",
    }
    for path, removes in removed.items():
        _, scope, side, name = path.split(".")
        without = msgspec.json.decode(msgspec.json.encode(FILTERS_ASKED))
        del without[scope][side][name]
        assert removes == len(Oracle(world, "contacts", {"filters": without}, user).matches()) - kept


@pytest.mark.parametrize("engine", ENGINES)
async def test_each_hit_says_why_it_matched(searcher, world, engine):
    answer = await search(searcher, world, engine, filters=FILTERS_ASKED, explain=True)
    assert answer.results
    for hit in answer.results:
        reasons = {reason.filter: reason.reason for reason in hit.why}
        assert "Sales" in reasons["contacts.include.departments"]
        assert "employees" in reasons["organizations.include.num_employees"]
    plain = await search(searcher, world, engine, filters=FILTERS_ASKED)
    assert plain.removed_by is None
    assert all(hit.why is None for hit in plain.results)


@pytest.mark.parametrize("engine", ENGINES)
async def test_a_facet_can_be_searched_by_prefix_and_cut(searcher, world, engine):
    whole = await search(searcher, world, engine, facets=["technologies"])
    asked = {"field": "technologies", "prefix": "s", "limit": 1}
    cut = await search(searcher, world, engine, facets=[asked])
    begin = [v for v in whole.facets["technologies"].values if v.value.startswith("s")]
    assert [v.value for v in cut.facets["technologies"].values] == [begin[0].value]
    assert cut.facets["technologies"].other == sum(v.count for v in begin[1:])
    short = await search(searcher, world, engine, facets=[{"field": "technologies", "limit": 1}])
    values = whole.facets["technologies"].values
    assert short.facets["technologies"].other == sum(v.count for v in values[1:])
    assert short.facets["technologies"].missing == whole.facets["technologies"].missing


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"facets": ["senioritys"]}, "facets[0]"),
        ({"facets": [{"field": "shoe size"}]}, "facets[0]"),
        ({"sort": "nam"}, "sort"),
        ({"sort": "id; DROP TABLE app.contacts"}, "sort"),
    ],
)
async def test_unknown_facets_and_orders_are_refused(searcher, world, body, path):
    with pytest.raises(Invalid) as refused:
        await search(searcher, world, "postgres", **body)
    error = refused.value.facts["errors"][0]
    assert error["path"] == path
    assert error["allowed"]


@pytest.mark.parametrize(
    ("field", "prefix", "expected"),
    [
        ("industries", "bank", "banking"),
        ("technologies", "hub", "hubspot"),
        ("seniorities", "vp", "vp"),
        ("countries", "ger", "DE"),
        ("cities", "berl", "2950159"),
        ("locations", "muni", "Munich, Bavaria, Germany"),
        ("companies", "zür", "Zürich Labs"),
        ("companies", "bank", "Deutsche Bank AG"),
        ("names", "alva", "José Álvarez"),
        ("names", "jos", "José Álvarez"),
    ],
)
async def test_the_first_letters_suggest_what_is_meant(searcher, world, field, prefix, expected):
    found = await searcher.suggest(field, prefix, member(world.users[0]), limit=50)
    assert expected in [s.value for s in found.suggestions]


async def test_titles_are_suggested_once_each(searcher, world):
    found = await searcher.suggest("titles", "s", member(world.users[0]), limit=50)
    titles = [s.value for s in found.suggestions]
    held = {row["title_normalized"] for row in world.contacts.values() if row["title_normalized"]}
    assert titles == sorted({t for t in held if t.startswith("s")})


@pytest.mark.parametrize("prefix", ["", "%", "_", "\\", "'", "x" * 100, "ß", "№"])
@pytest.mark.parametrize("field", ["companies", "names", "titles", "industries", "locations"])
async def test_any_prefix_is_just_text(searcher, world, field, prefix):
    found = await searcher.suggest(field, prefix, member(world.users[0]))
    assert len(found.suggestions) <= 10


async def test_an_unknown_field_and_an_impossible_prefix_are_refused(searcher, world):
    with pytest.raises(Invalid):
        await searcher.suggest("emails", "a", member(world.users[0]))
    with pytest.raises(Invalid):
        await searcher.suggest("names", "a\x00", member(world.users[0]))


def test_every_filter_of_the_request_is_described():
    described = {(f.scope, f.name) for f in FILTERS}
    asked = {("contacts", name) for name in ContactFilters.__struct_fields__}
    asked |= {("organizations", name) for name in OrganizationIncludes.__struct_fields__ if name != "funding"}
    asked |= {("organizations", f"funding.{name}") for name in Funding.__struct_fields__}
    assert described == asked
    assert AnyAllNot.__struct_encode_fields__ == ("any", "all", "not")


def test_closed_vocabularies_are_listed_and_open_ones_suggested():
    filters = {(f.scope, f.name): f for f in describe().filters}
    assert [v.value for v in filters["contacts", "seniorities"].values][:2] == ["owner", "founder"]
    assert filters["organizations", "industries"].suggest == "industries"
    assert filters["organizations", "domains"].max_values == 1_000
