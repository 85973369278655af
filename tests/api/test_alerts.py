"""Alerts: what is told, once and in order, and what is no news."""

import asyncio

import pytest
from sqlalchemy import text

from db.sessions import SERVICE
from domain import alerts
from indexer import queue
from search.engine import Searcher
from tests.api.test_icps import VPS, as_pro, save
from tests.api.test_lists import NOBODY, add, make


@pytest.fixture
async def searcher(api_settings, db):
    made = Searcher(api_settings, db)
    yield made
    await made.close()


@pytest.fixture
async def feed(db, searcher):
    """`await feed(ids)` is what the indexer says once it has applied them; then they are compared."""
    token = iter(range(1, 1_000))

    async def apply(*ids, entity="contacts", compare=True):
        async with db.transaction(SERVICE) as session:
            await queue.note_applied(session, entity, ids, token=next(token))
        return await alerts.evaluate(db, searcher) if compare else 0

    return apply


@pytest.fixture
async def watched(ann, db, world):
    await as_pro(db, ann)
    icp = await save(ann)
    answer = await ann("PUT", f"/v1/icps/{icp['id']}/alerts", json={})
    assert answer.status_code == 200, answer.text
    assert (answer.json()["on"], answer.json()["version"]) == (True, 1)
    return icp["id"]


async def change(db, contact, **columns):
    sets = ", ".join(f"{name} = :{name}" for name in columns)
    async with db.transaction(SERVICE) as session:
        await session.execute(
            text(f"UPDATE app.contacts SET {sets} WHERE id = :id"), columns | {"id": contact}
        )


async def events(person, icp_id, **query):
    options = "&".join(f"{name}={value}" for name, value in query.items())
    answer = (await person("GET", f"/v1/icps/{icp_id}/events?{options}")).json()
    return [(one["kind"], one["record_id"], one["reason"]) for one in answer["results"]]


async def test_who_comes_to_fit_and_who_leaves_is_told_once(ann, db, world, feed, watched):
    anna, bernd, cleo, *_ = world.contacts
    assert await feed(*world.contacts) == 5
    assert await events(ann, watched) == []
    await change(db, bernd, seniority="vp")
    await change(db, anna, seniority="director")
    async with db.transaction(SERVICE) as session:
        await session.execute(text("DELETE FROM app.contacts WHERE id = :id"), {"id": cleo})
    await feed(bernd, anna, cleo)
    told = [("entered", bernd, "fits"), ("left", anna, "changed"), ("left", cleo, "removed")]
    assert await events(ann, watched) == told
    await feed(bernd, anna, cleo, bernd)
    await feed(*world.contacts)
    assert await events(ann, watched) == told


async def test_changes_between_two_comparisons_count_as_one(ann, db, world, feed, watched):
    bernd = world.contacts[1]
    await change(db, bernd, seniority="vp")
    await feed(bernd, compare=False)
    await change(db, bernd, seniority="c_suite")
    await feed(bernd)
    assert await events(ann, watched) == []


async def test_what_was_on_its_way_when_it_was_turned_on_is_no_news(ann, db, world, feed):
    await as_pro(db, ann)
    icp = await save(ann)
    await change(db, world.contacts[1], seniority="vp")
    await feed(world.contacts[1], compare=False)
    await ann("PUT", f"/v1/icps/{icp['id']}/alerts", json={})
    await feed(world.contacts[1])
    assert await events(ann, icp["id"]) == []


async def test_an_edit_or_turning_it_on_again_begins_anew_and_a_name_does_not(ann, db, world, feed, watched):
    bernd, path = world.contacts[1], f"/v1/icps/{watched}"
    await ann("PATCH", path, json={"name": "Other words"})
    await change(db, bernd, seniority="vp")
    await feed(bernd)
    assert len(await events(ann, watched)) == 1
    c_suite = {"filters": {"contacts": {"include": {"seniorities": ["c_suite"]}}}}
    await ann("PATCH", path, json={"request": c_suite})
    await change(db, bernd, seniority="c_suite")
    await feed(bernd)
    assert len(await events(ann, watched)) == 1
    assert (await ann("GET", f"{path}/alerts")).json()["version"] == 2
    await change(db, bernd, seniority="vp")
    await ann("DELETE", f"{path}/alerts")
    await feed(bernd)
    assert (await ann("GET", f"{path}/alerts")).json()["on"] is False
    await ann("PUT", f"{path}/alerts", json={})
    await feed(bernd)
    assert len(await events(ann, watched)) == 1


async def test_two_at_once_tell_it_once(ann, db, world, feed, watched, searcher):
    await change(db, world.contacts[1], seniority="vp")
    await feed(world.contacts[1], compare=False)
    compared = await asyncio.gather(*(alerts.evaluate(db, searcher) for _ in range(4)))
    assert max(compared) == 1
    assert len(await events(ann, watched)) == 1


async def test_a_crash_in_the_middle_tells_it_once(ann, db, world, feed, watched, searcher, monkeypatch):
    await change(db, world.contacts[1], seniority="vp")
    await feed(world.contacts[1], compare=False)
    move = alerts._move

    async def fall(*args, **options):
        await move(*args, **options)
        raise ConnectionError("gone")

    monkeypatch.setattr(alerts, "_move", fall)
    with pytest.raises(ConnectionError):
        await alerts.evaluate(db, searcher)
    assert await events(ann, watched) == []
    monkeypatch.setattr(alerts, "_move", move)
    assert await alerts.evaluate(db, searcher) == 1
    assert await events(ann, watched) == [("entered", world.contacts[1], "fits")]


async def test_a_number_drawn_early_and_committed_late_is_not_passed_over(
    ann, db, world, feed, watched, searcher
):
    await change(db, world.contacts[1], seniority="vp")
    async with db.transaction(SERVICE) as session:
        await queue.note_applied(session, "contacts", [world.contacts[1]], token=900)
        comparing = asyncio.create_task(feed(world.contacts[3]))
        await asyncio.sleep(0.3)
    await comparing
    await alerts.evaluate(db, searcher)
    assert await events(ann, watched) == [("entered", world.contacts[1], "fits")]


async def test_the_feed_is_replayed_from_a_cursor_and_marked_by_each_alone(
    ann, bob, db, world, feed, watched
):
    for contact in (world.contacts[1], world.contacts[3]):
        await change(db, contact, seniority="vp")
        await feed(contact)
    await ann("PUT", f"/v1/icps/{watched}/members/{bob.user.email}", json={})
    first = (await bob("GET", f"/v1/icps/{watched}/events?limit=1")).json()
    path = f"/v1/icps/{watched}/events?after={first['cursor']}"
    second = (await bob("GET", path)).json()
    assert second["results"] == (await bob("GET", path)).json()["results"]
    assert [one["name"] for one in first["results"] + second["results"]] == ["Bernd Bauer", "Dana Diaz"]
    assert (await bob("GET", f"/v1/icps/{watched}/events?after={second['cursor']}")).json()["results"] == []
    last = second["results"][0]["id"]
    for mark in (last, 1):
        assert (
            await bob("POST", f"/v1/icps/{watched}/events/read", json={"event_id": mark})
        ).status_code == 204
    seen = [
        [one["read"] for one in (await person("GET", f"/v1/icps/{watched}/events")).json()["results"]]
        for person in (bob, ann)
    ]
    assert seen == [[True, True], [False, False]]
    assert (await bob("GET", f"/v1/icps/{watched}/events?after=x")).status_code == 422


async def test_hidden_records_and_lists_are_the_readers(ann, db, world, feed):
    await as_pro(db, ann)
    kept = await make(ann)
    await add(ann, kept["id"], ids=[world.contacts[1]])
    icp = await save(ann, VPS | {"not_in_lists": [kept["id"]]})
    await ann("PUT", f"/v1/icps/{icp['id']}/alerts", json={})
    for contact in world.contacts[1:4:2]:
        await change(db, contact, seniority="vp")
    await feed(*world.contacts)
    assert [one[1] for one in await events(ann, icp["id"])] == [world.contacts[3]]
    await ann("PUT", f"/v1/hidden/contacts/{world.contacts[3]}")
    await feed(*world.contacts)
    assert await events(ann, icp["id"]) == []
    await ann("DELETE", f"/v1/hidden/contacts/{world.contacts[3]}")
    assert len(await events(ann, icp["id"])) == 1


async def test_a_company_that_grows_brings_its_people(ann, db, world, feed):
    await as_pro(db, ann)
    icp = await save(ann, {"filters": {"organizations": {"include": {"countries": ["FR"]}}}})
    await ann("PUT", f"/v1/icps/{icp['id']}/alerts", json={"kinds": ["entered"]})
    async with db.transaction(SERVICE) as session:
        await session.execute(
            text("UPDATE app.organizations SET country = 'FR' WHERE id = :id"), {"id": world.organizations[0]}
        )
    await feed(*world.contacts)
    assert [one[1] for one in await events(ann, icp["id"])] == world.contacts[:2]


async def test_an_icp_that_cannot_be_run_any_more_begins_anew_when_it_can(
    ann, db, world, feed, watched, owner
):
    await owner.execute("""UPDATE app.icp_profiles SET filters = '{"made": "by hand"}'""")
    await change(db, world.contacts[1], seniority="vp")
    assert await feed(world.contacts[1]) == 1
    await ann("PATCH", f"/v1/icps/{watched}", json={"request": VPS})
    await feed(world.contacts[1])
    assert await events(ann, watched) == []
    await change(db, world.contacts[3], seniority="vp")
    await feed(world.contacts[3])
    assert await events(ann, watched) == [("entered", world.contacts[3], "fits")]


@pytest.mark.parametrize(
    "entity, filters",
    [
        ("contacts", {"contacts": {"include": {"months_in_role": {"max": 3}}}}),
        ("organizations", {"contacts": {"include": {"seniorities": ["vp"]}}}),
    ],
)
async def test_what_cannot_be_watched_is_said(ann, db, world, entity, filters):
    await as_pro(db, ann)
    icp = await save(ann, {"filters": filters}, entity=entity)
    answer = await ann("PUT", f"/v1/icps/{icp['id']}/alerts", json={})
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/not-alertable")


async def test_the_plan_the_role_and_the_foreign(ann, bob, db, world):
    icp = await save(ann)
    path = f"/v1/icps/{icp['id']}/alerts"
    assert (await ann("PUT", path, json={})).json()["facts"] == {"limit": 0, "of": "alerts", "plan": "free"}
    for target in (path, f"/v1/icps/{NOBODY}/alerts"):
        for method, options in (("GET", {}), ("PUT", {"json": {}}), ("DELETE", {})):
            assert (await bob(method, target, **options)).status_code == 404
    assert (await bob("GET", f"/v1/icps/{icp['id']}/events")).status_code == 404
    assert (await bob("POST", f"/v1/icps/{icp['id']}/events/read", json={"event_id": 1})).status_code == 404
    await ann("PUT", f"/v1/icps/{icp['id']}/members/{bob.user.email}", json={"role": "viewer"})
    assert (await bob("PUT", path, json={})).status_code == 403
    assert (await bob("DELETE", path)).status_code == 403
    for kinds in ([], ["entered", "entered"], ["changed"]):
        assert (await ann("PUT", path, json={"kinds": kinds})).status_code == 422
