"""Alerts: what is told, once and in order, and what is no news."""

import asyncio
import json

import pytest
from sqlalchemy import text

from db.sessions import SERVICE
from domain.alerts import differences, evaluation, feed, states, writing
from indexer import queue
from tests.api.test_icps import VPS, as_pro, save


@pytest.fixture
async def watched(ann, db, world):
    return await watch(ann, db)


async def watch(person, db, request=VPS, *, entity="contacts", **settings):
    """A saved ICP that is watched, with everything that was in flight already through."""
    await as_pro(db, person)
    icp = await save(person, request, entity=entity)
    answer = await person("PUT", f"/v1/icps/{icp['id']}/alerts", json=settings)
    assert answer.status_code == 200, answer.text
    assert (answer.json()["on"], answer.json()["version"]) == (True, 1)
    return icp["id"]


async def change(db, record, *, table="contacts", **columns):
    sets = ", ".join(f"{name} = :{name}" for name in columns)
    async with db.transaction(SERVICE) as session:
        await session.execute(text(f"UPDATE app.{table} SET {sets} WHERE id = :id"), columns | {"id": record})


async def raw_events(person, icp_id, **query):
    options = "&".join(f"{name}={value}" for name, value in query.items())
    answer = await person("GET", f"/v1/icps/{icp_id}/events?{options}")
    assert answer.status_code == 200, answer.text
    return answer.json()["results"]


async def events(person, icp_id, **query):
    return [
        (one["kind"], one["record_id"], one["reason"]) for one in await raw_events(person, icp_id, **query)
    ]


async def test_who_comes_to_fit_and_who_leaves_is_told_once(ann, db, world, applied, watched):
    anna, bernd, cleo, *_ = world.contacts
    assert await applied(*world.contacts) == 5
    assert await events(ann, watched) == []
    await change(db, bernd, seniority="vp")
    await change(db, anna, seniority="director")
    async with db.transaction(SERVICE) as session:
        await session.execute(text("DELETE FROM app.contacts WHERE id = :id"), {"id": cleo})
    await applied(bernd, anna, cleo)
    told = [("entered", bernd, "fits"), ("left", anna, "changed"), ("left", cleo, "removed")]
    assert await events(ann, watched) == told
    reasons = [one["reasons"] for one in await raw_events(ann, watched)]
    assert reasons == [["seniority VP"], ["seniority became Director"], ["removed from the catalogue"]]
    await applied(bernd, anna, cleo, bernd)
    await applied(*world.contacts)
    assert await events(ann, watched) == told


async def test_what_has_changed_is_told_with_field_old_new_and_in_words(ann, db, world, applied):
    anna, _, cleo, *_ = world.contacts
    icp = await watch(ann, db, fields=["title", "company_employees", "company"])
    await change(db, anna, title="Chief Revenue Officer", city_name="Berlin")
    await change(db, world.organizations[1], table="organizations", employees_min=201, employees_max=500)
    await applied(anna)
    # A company's change comes to its people piece by piece.
    await applied(cleo)
    told = await raw_events(ann, icp)
    assert [(one["kind"], one["record_id"], one["reason"]) for one in told] == [
        ("changed", anna, "changed"),
        ("changed", cleo, "changed"),
    ]
    assert [one["changes"] for one in told] == [
        [{"field": "title", "old": "VP Sales", "new": "Chief Revenue Officer"}],
        [{"field": "company_employees", "old": None, "new": [201, 500]}],
    ]
    assert [one["reasons"] for one in told] == [
        ["title became Chief Revenue Officer"],
        ["company headcount became 201–500"],
    ]
    await change(db, world.organizations[1], table="organizations", employees_max=5000, employees_min=1001)
    await change(db, cleo, organization_id=world.organizations[0])
    await change(db, anna, organization_id=world.organizations[1])
    await applied(cleo, anna)
    assert [one["reasons"] for one in (await raw_events(ann, icp))[2:]] == [
        ["company became Globex Inc."],
        ["company became Acme GmbH"],
    ]
    await change(db, world.organizations[1], table="organizations", employees_max=10, employees_min=1)
    await applied(anna)
    assert (await raw_events(ann, icp))[-1]["reasons"] == ["company shrank to 1–10"]
    await applied(*world.contacts)
    assert len(await raw_events(ann, icp)) == 5


async def test_a_field_that_nobody_chose_is_no_news_and_neither_is_a_kind(ann, db, world, applied):
    anna = world.contacts[0]
    quiet = await watch(ann, db, fields=["location"])
    other = await watch(ann, db, kinds=["entered", "left"])
    await change(db, anna, title="Chief Revenue Officer")
    await applied(anna)
    assert await events(ann, quiet) == await events(ann, other) == []
    # And is not told later either, when the kind is asked for.
    await ann("PUT", f"/v1/icps/{other}/alerts", json={"kinds": ["changed"]})
    await applied(anna)
    assert await events(ann, other) == []
    await change(db, anna, title="VP Sales")
    await applied(anna)
    assert await events(ann, other) == [("changed", anna, "changed")]


async def test_changes_between_two_comparisons_count_as_one(ann, db, world, applied, watched):
    anna, bernd, *_ = world.contacts
    await change(db, bernd, seniority="vp")
    await change(db, anna, title="Nobody")
    await applied(bernd, anna, compare=False)
    await change(db, bernd, seniority="c_suite")
    await change(db, anna, title="VP Sales")
    await applied(bernd, anna)
    assert await events(ann, watched) == []


async def test_what_was_on_its_way_when_it_was_turned_on_is_no_news(ann, db, world, applied):
    anna, bernd, *_ = world.contacts
    early = await watch(ann, db)
    await change(db, bernd, seniority="vp")
    await change(db, anna, title="Somebody")
    await applied(bernd, compare=False)
    late = await watch(ann, db)
    await change(db, anna, title="Somebody Else")
    await applied(bernd, anna)
    titles = [
        [change["old"] for one in await raw_events(ann, icp) for change in one["changes"]]
        for icp in (early, late)
    ]
    # Each goes by its own baseline, though both learn of it at once.
    assert titles == [["VP Sales"], ["Somebody"]]
    assert [one[0] for one in await events(ann, late)] == ["changed"]
    assert [one[0] for one in await events(ann, early)] == ["entered", "changed"]


async def test_an_edit_or_turning_it_on_again_begins_anew_and_a_name_does_not(
    ann, db, world, applied, evaluator, watched
):
    bernd, path = world.contacts[1], f"/v1/icps/{watched}"
    await ann("PATCH", path, json={"name": "Other words"})
    await change(db, bernd, seniority="vp")
    await applied(bernd)
    assert len(await events(ann, watched)) == 1
    c_suite = {"filters": {"contacts": {"include": {"seniorities": ["c_suite"]}}}}
    await ann("PATCH", path, json={"request": c_suite})
    await evaluator.evaluate()
    assert (await ann("GET", f"{path}/alerts")).json()["version"] == 2
    await change(db, bernd, seniority="c_suite")
    await applied(bernd)
    assert await events(ann, watched) == [("entered", bernd, "fits")] * 2
    await ann("DELETE", f"{path}/alerts")
    await change(db, bernd, seniority="vp")
    await applied(bernd)
    assert (await ann("GET", f"{path}/alerts")).json()["on"] is False
    await ann("PUT", f"{path}/alerts", json={})
    await applied(bernd)
    assert len(await events(ann, watched)) == 2


async def test_nothing_is_told_by_a_version_that_is_over(ann, db, world, applied, watched, monkeypatch):
    """The edit commits while a batch is being compared."""
    write, bernd = writing.write, world.contacts[1]

    async def late(*args, **options):
        request = {"filters": {"contacts": {"include": {"seniorities": ["owner"]}}}}
        assert (await ann("PATCH", f"/v1/icps/{watched}", json={"request": request})).status_code == 200
        await write(*args, **options)

    monkeypatch.setattr(writing, "write", late)
    await change(db, bernd, seniority="vp")
    await applied(bernd)
    assert await events(ann, watched) == []
    monkeypatch.undo()
    await applied(*world.contacts)
    assert await events(ann, watched) == []


async def test_two_at_once_tell_it_once(ann, db, world, applied, watched, api_searcher):
    await change(db, world.contacts[1], seniority="vp")
    await applied(world.contacts[1], compare=False)
    several = [evaluation.Evaluator(db, api_searcher) for _ in range(4)]
    compared = await asyncio.gather(*(one.evaluate() for one in several))
    assert max(compared) == 1
    assert len(await events(ann, watched)) == 1
    # Each knows of what another has done before it goes on.
    for one, seniority in zip(several * 2, ("owner", "vp", "entry", "vp") * 2, strict=True):
        await change(db, world.contacts[1], seniority=seniority)
        await applied(world.contacts[1], compare=False)
        await one.evaluate()
    assert [one[0] for one in await events(ann, watched)] == ["entered", "left"] * 4 + ["entered"]


async def test_a_crash_in_the_middle_tells_it_once(ann, db, world, applied, watched, evaluator, monkeypatch):
    bernd = world.contacts[1]
    await evaluator.evaluate()
    await change(db, bernd, seniority="vp")
    await applied(bernd, compare=False)
    write = writing.write

    async def fall(*args, **options):
        await write(*args, **options)
        raise ConnectionError("gone")

    monkeypatch.setattr(writing, "write", fall)
    with pytest.raises(ConnectionError):
        await evaluator.evaluate()
    assert await events(ann, watched) == []
    monkeypatch.undo()
    assert await evaluator.evaluate() == 1
    assert await events(ann, watched) == [("entered", bernd, "fits")]


async def test_what_is_written_in_parts_is_told_once_and_altogether(
    ann, db, world, applied, evaluator, monkeypatch
):
    monkeypatch.setattr(differences, "WRITTEN_AT_ONCE", 1)
    icps = [await watch(ann, db) for _ in range(4)]
    bernd, dana = world.contacts[1], world.contacts[3]
    await evaluator.evaluate()
    for contact in (bernd, dana):
        await change(db, contact, seniority="vp")
    await applied(bernd, dana, compare=False)
    write, parts = writing.write, []

    async def fall(session, compared, *args, **options):
        parts.append(len(compared))
        await write(session, compared, *args, **options)
        if len(parts) == 3:
            raise ConnectionError("gone")

    monkeypatch.setattr(writing, "write", fall)
    with pytest.raises(ConnectionError):
        await evaluator.evaluate()
    assert parts == [1, 1, 1]
    assert [await events(ann, icp) for icp in icps] == [[]] * 4
    assert await evaluator.evaluate() == 2
    told = [("entered", bernd, "fits"), ("entered", dana, "fits")]
    assert [await events(ann, icp) for icp in icps] == [told] * 4


async def test_a_number_drawn_early_and_committed_late_is_not_passed_over(
    ann, db, world, applied, watched, evaluator
):
    await change(db, world.contacts[1], seniority="vp")
    async with db.transaction(SERVICE) as session:
        await queue.note_applied(session, "contacts", [world.contacts[1]], token=900)
        comparing = asyncio.create_task(applied(world.contacts[3]))
        await asyncio.sleep(0.3)
    await comparing
    await evaluator.evaluate()
    assert await events(ann, watched) == [("entered", world.contacts[1], "fits")]


async def test_events_go_with_their_icp_and_its_owner(ann, bob, db, world, applied, owner):
    one, other, bobs = await watch(ann, db), await watch(ann, db), await watch(bob, db)
    await change(db, world.contacts[1], seniority="vp")
    await applied(world.contacts[1])
    counted = "SELECT array_agg(icp_id::text ORDER BY id) FROM app.icp_events"
    assert sorted(await owner.fetchval(counted)) == sorted([one, other, bobs])
    assert (await ann("DELETE", f"/v1/icps/{one}")).status_code == 204
    assert sorted(await owner.fetchval(counted)) == sorted([other, bobs])
    await owner.execute("DELETE FROM app.users WHERE id = $1", ann.id)
    assert await owner.fetchval(counted) == [bobs]


async def test_a_company_that_grows_brings_its_people(ann, db, world, applied):
    icp = await watch(ann, db, {"filters": {"organizations": {"include": {"countries": ["FR"]}}}})
    await change(db, world.organizations[0], table="organizations", country="FR")
    await applied(*world.contacts)
    assert [one[:2] for one in await events(ann, icp)] == [
        ("entered", contact) for contact in world.contacts[:2]
    ]


async def test_companies_are_watched_like_people(ann, db, world, applied):
    acme, globex = world.organizations
    icp = await watch(
        ann, db, {"filters": {"organizations": {"include": {"countries": ["DE"]}}}}, entity="organizations"
    )
    await change(db, acme, table="organizations", employees_min=201, employees_max=500, name="Acme SE")
    await change(db, globex, table="organizations", country="DE")
    await applied(acme, globex, entity="organizations")
    told = await raw_events(ann, icp)
    assert sorted((one["kind"], one["record_id"]) for one in told) == [("changed", acme), ("entered", globex)]
    (changed,) = [one for one in told if one["kind"] == "changed"]
    assert changed["reasons"] == ["name became Acme SE", "headcount became 201–500"]


async def test_free_text_is_matched_as_it_was_read_when_it_was_watched(ann, db, world, applied):
    anna, bernd, *_ = world.contacts
    loose = await watch(ann, db, {"q": "baur"})
    titled = await watch(ann, db, {"q": "vp sales"})
    await change(db, anna, full_name="Anna Bauer", name_search="anna bauer", name_terms=["anna", "bauer"])
    await change(db, bernd, title_terms=["sales", "vp"])
    # A company of that name would be found by the same text if it were read today.
    await change(
        db, world.organizations[1], table="organizations", name="Baur", name_key="baur", name_sort="baur"
    )
    await applied(*world.contacts)
    assert [one[:2] for one in await events(ann, loose, limit=1)] == [("entered", anna)]
    assert ("entered", bernd, "fits") in await events(ann, titled)


async def test_an_icp_that_cannot_be_run_any_more_begins_anew_when_it_can(
    ann, db, world, applied, watched, owner, evaluator
):
    await owner.execute("""UPDATE app.icp_profiles SET filters = '{"made": "by hand"}'""")
    await change(db, world.contacts[1], seniority="vp")
    assert await applied(world.contacts[1]) == 1
    await ann("PATCH", f"/v1/icps/{watched}", json={"request": VPS})
    await applied(world.contacts[1])
    assert await events(ann, watched) == []
    await change(db, world.contacts[3], seniority="vp")
    await applied(world.contacts[3])
    assert await events(ann, watched) == [("entered", world.contacts[3], "fits")]


async def test_a_reading_of_another_release_begins_anew(ann, db, world, applied, watched, owner):
    await owner.execute("UPDATE app.icp_versions SET criteria = '{}'")
    await change(db, world.contacts[1], seniority="vp")
    await applied(world.contacts[1])
    assert await events(ann, watched) == []
    await change(db, world.contacts[3], seniority="vp")
    await applied(world.contacts[3])
    assert await events(ann, watched) == [("entered", world.contacts[3], "fits")]


async def test_an_event_is_explained_by_the_version_that_told_it(ann, db, world, applied, watched, owner):
    bernd, dora = world.contacts[1], world.contacts[3]
    await change(db, bernd, seniority="vp")
    await applied(bernd)
    partners = {"filters": {"contacts": {"include": {"seniorities": ["partner"]}}}}
    await ann("PATCH", f"/v1/icps/{watched}", json={"request": partners})
    await applied()
    await change(db, dora, seniority="partner")
    await applied(dora)
    # What they are by now explains nothing.
    await change(db, bernd, seniority="intern")
    explained = [["seniority VP"], ["seniority Partner"]]
    assert [one["reasons"] for one in await raw_events(ann, watched)] == explained
    # Written by another release, a reading is made anew; of what is no request any more, nothing is said.
    await owner.execute("UPDATE app.icp_versions SET criteria = NULL")
    assert [one["reasons"] for one in await raw_events(ann, watched)] == explained
    await owner.execute("""UPDATE app.icp_versions SET filters = '{"made": "by hand"}'""")
    assert [one["reasons"] for one in await raw_events(ann, watched)] == [[], []]


async def test_what_one_icp_has_seen_itself_is_told_to_it_alone(ann, db, world, applied):
    anna = world.contacts[0]
    early = await watch(ann, db, fields=["title"])
    await change(db, anna, title="Chief Revenue Officer")
    # Begun with that change in flight: it has seen the one title, the other has not.
    late = await watch(ann, db, fields=["title"])
    both = await watch(ann, db, fields=["seniority"])
    await change(db, anna, title="President", seniority="vp")
    await applied(anna)
    assert [one["changes"] for one in await raw_events(ann, early)] == [
        [{"field": "title", "old": "VP Sales", "new": "President"}]
    ]
    assert [one["changes"] for one in await raw_events(ann, late)] == [
        [{"field": "title", "old": "Chief Revenue Officer", "new": "President"}]
    ]
    assert [one["reasons"] for one in await raw_events(ann, late)] == [["title became President"]]
    assert await events(ann, both) == []
    await change(db, anna, title="VP Sales", seniority="director")
    again = await watch(ann, db, request={}, fields=["title"])
    await change(db, anna, title="President")
    await applied(anna)
    # As the others have seen it, no title has changed; this one has told them apart.
    assert [one["kind"] for one in await raw_events(ann, late)] == ["changed", "left"]
    assert [one["changes"] for one in await raw_events(ann, again)] == [
        [{"field": "title", "old": "VP Sales", "new": "President"}]
    ]


async def test_an_erased_person_leaves_nothing_behind(ann, db, world, applied, watched, owner):
    anna = world.contacts[0]
    await change(db, anna, title="Secret Title")
    await applied(anna)
    assert "Secret Title" in str(await raw_events(ann, watched))
    async with db.transaction(SERVICE) as session:
        await session.execute(text("DELETE FROM app.contacts WHERE id = :id"), {"id": anna})
    await applied(anna)
    assert "Secret Title" not in str(await raw_events(ann, watched))
    assert await owner.fetchval("SELECT count(*) FROM app.alert_states WHERE record_id = $1", anna) == 0


async def test_a_state_says_every_field_whether_there_is_a_company_or_not(ann, db, world, owner):
    await watch(ann, db, {"filters": {}})
    await watch(ann, db, {"filters": {}}, entity="organizations")
    rows = await owner.fetch('SELECT entity, record_id, "values" FROM app.alert_states')
    known = {(row["entity"].decode(), row["record_id"]): json.loads(row["values"]) for row in rows}
    assert set(known) == {("c", one) for one in world.contacts} | {("o", one) for one in world.organizations}
    for (letter, _), values in known.items():
        fields = states.FIELDS["contacts" if letter == "c" else "organizations"]
        assert len(values) == 1 + len(fields)
    anna, ed = (
        dict(zip(("whose", *states.FIELDS["contacts"]), known["c", world.contacts[n]], strict=True))
        for n in (0, 4)
    )
    assert [anna[name] for name in ("whose", "title", "company", "company_domain", "company_industries")] == [
        world.organizations[0],
        "VP Sales",
        "Acme GmbH",
        "acme.example",
        ["software"],
    ]
    assert (ed["has_email"], ed["whose"], ed["company"], ed["company_domain"]) == (False, None, None, None)


async def test_states_that_nobody_needs_are_forgotten_and_events_after_a_while(
    ann, db, world, applied, watched, owner
):
    count = "SELECT count(*) FROM app.alert_states"
    await change(db, world.contacts[1], seniority="vp")
    await applied(world.contacts[1])
    await feed.forget(db)
    assert await owner.fetchval(count) == 3
    await ann("DELETE", f"/v1/icps/{watched}/alerts")
    await feed.forget(db)
    assert await owner.fetchval(count) == 0
    assert len(await raw_events(ann, watched)) == 1
    await owner.execute("UPDATE app.icp_events SET created_at = app.now() - interval '91 days'")
    assert await raw_events(ann, watched) == []
    assert await feed.forget(db) == 1
