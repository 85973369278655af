"""Hidden records: gone with the next request, from everything, for this user and nobody else."""

from dataclasses import replace

import msgspec
import pytest
from pyroaring import BitMap
from sqlalchemy import text

from db.sessions import SERVICE, member
from search import visibility
from search.engine import Searcher
from search.request import CountRequest, SearchRequest
from tests.search import world as w
from tests.search.oracle import Oracle

ENGINES = ("opensearch", "postgres")


@pytest.fixture(scope="module")
async def world(db, opensearch, index_prefix, wipe):
    await wipe()
    built = await w.build(db, seed=5, contacts=40, organizations=8)
    await w.index(db, opensearch, index_prefix)
    yield built
    await wipe()


@pytest.fixture
async def searcher(db, opensearch, patient):
    made = Searcher(patient, db, opensearch)
    yield made
    await made._breaker.close()


async def search(searcher, user, engine, entity="contacts", **request):
    body = {"engine": engine, "limit": 100, "total": "exact"} | request
    return await searcher.search(entity, msgspec.convert(body, SearchRequest), member(user))


async def hide(db, user, contact=None, company=None):
    table, column, ident = (
        ("hidden_contacts", "contact_id", contact)
        if contact
        else ("hidden_companies", "organization_id", company)
    )
    async with db.transaction(member(user)) as session:
        await session.execute(
            text(f"INSERT INTO app.{table} (user_id, {column}) VALUES (:u, :i)"), {"u": user, "i": ident}
        )


async def unhide(db, user, contact=None, company=None):
    table, column, ident = (
        ("hidden_contacts", "contact_id", contact)
        if contact
        else ("hidden_companies", "organization_id", company)
    )
    async with db.transaction(member(user)) as session:
        await session.execute(text(f"DELETE FROM app.{table} WHERE {column} = :i"), {"i": ident})


def counted(page, facet):
    return sum(v.count for v in page.facets[facet].values) + page.facets[facet].missing


@pytest.mark.parametrize("engine", ENGINES)
async def test_hide_then_search_at_once(searcher, world, db, engine):
    user, other = world.users
    before = await search(searcher, user, engine, facets=["seniorities"])
    theirs = await search(searcher, other, engine, facets=["seniorities"])
    gone = before.results[0].id
    await hide(db, user, contact=gone)
    try:
        after = await search(searcher, user, engine, facets=["seniorities"])
        assert gone not in [hit.id for hit in after.results]
        assert after.total_entries == before.total_entries - 1
        assert counted(after, "seniorities") == counted(before, "seniorities") - 1
        only = await search(searcher, user, engine, hidden="only")
        assert gone in [hit.id for hit in only.results]
        assert all(hit.hidden for hit in only.results)
        unchanged = await search(searcher, other, engine, facets=["seniorities"])
        assert [h.id for h in unchanged.results] == [h.id for h in theirs.results]
        assert unchanged.facets == theirs.facets
    finally:
        await unhide(db, user, contact=gone)
    again = await search(searcher, user, engine, facets=["seniorities"])
    assert [h.id for h in again.results] == [h.id for h in before.results]
    assert again.facets == before.facets


@pytest.mark.parametrize("engine", ENGINES)
async def test_a_hidden_company_hides_its_people(searcher, world, db, engine):
    user = world.users[0]
    before = await search(searcher, user, engine, facets=["industries"])
    company = next(hit.organization.id for hit in before.results if hit.organization)
    staff = {hit.id for hit in before.results if hit.organization and hit.organization.id == company}
    await hide(db, user, company=company)
    try:
        after = await search(searcher, user, engine)
        assert {h.id for h in after.results} == {h.id for h in before.results} - staff
        companies = await search(searcher, user, engine, "organizations")
        assert company not in [hit.id for hit in companies.results]
        flagged = await search(searcher, user, engine, hidden="include")
        assert {h.id for h in flagged.results if h.hidden} >= staff
    finally:
        await unhide(db, user, company=company)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("sort", ["relevance", "name"])
async def test_a_record_hidden_between_pages_is_not_on_the_next(searcher, world, db, engine, sort):
    user = world.users[0]
    everything = await search(searcher, user, engine, sort=sort)
    first = await search(searcher, user, engine, sort=sort, limit=5)
    gone = everything.results[6].id
    await hide(db, user, contact=gone)
    try:
        second = await search(searcher, user, engine, sort=sort, limit=5, cursor=first.cursor)
        expected = [hit.id for hit in everything.results if hit.id != gone][5:10]
        assert [hit.id for hit in second.results] == expected
    finally:
        await unhide(db, user, contact=gone)


async def test_a_hidden_record_is_not_suggested(searcher, world, db):
    user = world.users[0]
    page = await search(searcher, user, "postgres", "organizations")
    target = page.results[0]
    same = [hit.id for hit in page.results if hit.name == target.name]
    names = await searcher.suggest("companies", target.name[:4], member(user))
    assert target.name in [s.display_name for s in names.suggestions]
    for company in same:
        await hide(db, user, company=company)
    try:
        names = await searcher.suggest("companies", target.name[:4], member(user))
        assert target.name not in [s.display_name for s in names.suggestions]
    finally:
        for company in same:
            await unhide(db, user, company=company)


async def test_interleaved_users_share_a_cache_and_nothing_in_it(searcher, world, db):
    for _ in range(3):
        for user in world.users:
            for engine in ENGINES:
                page = await search(searcher, user, engine)
                expected = Oracle(world, "contacts", {}, user).matches()
                assert {hit.id for hit in page.results} == expected


async def test_an_answer_given_under_what_no_longer_holds_is_dropped(searcher, world, db, opensearch):
    """The engine is asked under what the user saw last; what it says must be borne out to be shown."""
    user, asked = world.users[0], []
    await search(searcher, user, "opensearch")
    carry_out = searcher._carry_out

    async def watched(plan, *rest):
        asked.append(plan.visibility.hidden.version)
        return await carry_out(plan, *rest)

    searcher._carry_out = watched
    before = await search(searcher, user, "opensearch")
    assert len(asked) == 1
    gone = before.results[0].id
    await hide(db, user, contact=gone)
    try:
        after = await search(searcher, user, "opensearch")
        assert gone not in [hit.id for hit in after.results]
        assert len(asked) == 3
        assert asked[1] < asked[2]
    finally:
        await unhide(db, user, contact=gone)


async def test_a_guess_is_confirmed_at_its_own_version_and_bound_only(world, db):
    actor = member(world.users[0])
    for entity in ("contacts", "organizations"):
        async with db.transaction(actor, read_only=True) as session:
            seen = await visibility.load(
                session, CountRequest(), entity, actor=actor, cache=visibility.HiddenCache()
            )
        assert await visibility.confirms(db, seen)
        older = visibility.HiddenSet(seen.hidden.version - 1)
        assert not await visibility.confirms(db, replace(seen, hidden=older))
        assert not await visibility.confirms(db, replace(seen, bound=seen.bound * 2))
        more = replace(seen, highest_organization=seen.highest_organization + 1)
        assert await visibility.confirms(db, more) == (entity == "contacts")


def test_there_is_no_guess_where_lists_or_unlocks_decide(world):
    cache, actor = visibility.HiddenCache(), member(world.users[0])
    seen = visibility.Visibility(
        actor=actor,
        entity="contacts",
        mode="exclude",
        hidden=visibility.HiddenSet(0),
        bound=2**24,
        highest_organization=1,
    )
    cache.remember(CountRequest(), seen)
    assert cache.guess(CountRequest(), "contacts", actor) == seen
    assert cache.guess(CountRequest(), "organizations", actor) is None
    assert cache.guess(CountRequest(), "contacts", member(world.users[1])) is None
    assert cache.guess(CountRequest(unlocked="only"), "contacts", actor) is None
    only = cache.guess(CountRequest(hidden="only"), "contacts", actor)
    assert only is not None
    assert only.mode == "only"


async def test_the_complement_covers_ids_far_above_the_highest(db, world):
    async with db.transaction(SERVICE) as session:
        await session.execute(text("SELECT 1"))
    async with db.transaction(member(world.users[0]), read_only=True) as session:
        seen = await visibility.load(
            session,
            CountRequest(),
            "contacts",
            actor=member(world.users[0]),
            cache=visibility.HiddenCache(),
        )
    assert seen.bound >= max(world.contacts) + 4_000_000


def test_the_bound_grows_with_the_ids_and_stays_below_32_bits():
    assert visibility.bound_above(0) == 2**24
    assert visibility.bound_above(2**24) == 2**25
    assert visibility.bound_above(2**31 - 1) == 2**31


def test_bits_say_what_the_bitmap_says():
    hidden = visibility.HiddenSet(1, BitMap([0, 7, 8, 1000]))
    bits = hidden.contact_bits
    assert [i for i in range(len(bits) * 8) if bits[i >> 3] >> (i & 7) & 1] == [0, 7, 8, 1000]


@pytest.mark.parametrize("hidden_count", [1, 1_000, 70_000, 500_000])
async def test_any_number_of_hidden_records_on_both_engines(searcher, world, db, owner, hidden_count):
    """Hidden rows by the hundred thousand, most of records that have left the catalogue since."""
    user = world.users[1]
    real = sorted(world.contacts)[::3]
    await owner.execute("ALTER TABLE app.hidden_contacts DROP CONSTRAINT hidden_contacts_contact_id_fkey")
    try:
        async with db.transaction(SERVICE) as session:
            await session.execute(
                text(
                    "INSERT INTO app.hidden_contacts (user_id, contact_id)"
                    " SELECT :u, i FROM (SELECT unnest(CAST(:real AS int[])) AS i UNION"
                    " SELECT generate_series(100000, 99999 + :count)) ids ON CONFLICT DO NOTHING"
                ),
                {"u": user, "real": real, "count": hidden_count},
            )
        hidden = set(real) | world.hidden_contacts[user]
        companies = world.hidden_companies[user]
        expected = {
            i
            for i, row in world.contacts.items()
            if i not in hidden and row["organization_id"] not in companies
        }
        for engine in ENGINES:
            page = await search(searcher, user, engine, facets=["departments", "cities"])
            assert {hit.id for hit in page.results} == expected
            assert page.total_entries == len(expected)
            assert counted(page, "cities") == len(expected)
            named = await search(searcher, user, engine, q="mueller")
            assert {hit.id for hit in named.results} <= expected
    finally:
        kept = sorted(world.hidden_contacts[user])
        await owner.execute(
            "DELETE FROM app.hidden_contacts WHERE user_id = $1 AND contact_id <> ALL($2)", user, kept
        )
        await owner.execute(
            "ALTER TABLE app.hidden_contacts ADD CONSTRAINT hidden_contacts_contact_id_fkey"
            " FOREIGN KEY (contact_id) REFERENCES app.contacts (id) ON DELETE CASCADE"
        )
