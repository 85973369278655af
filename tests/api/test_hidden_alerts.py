"""Alerts and what a reader has hidden: nothing is told of it, then or later."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from db.sessions import SERVICE, member
from tests.api.test_alerts import change, events, raw_events, watch
from tests.api.test_icps import VPS, as_pro
from tests.api.test_lists import add, make


async def test_hidden_records_and_lists_are_the_readers(ann, db, world, applied):
    await as_pro(db, ann)
    kept = await make(ann)
    await add(ann, kept["id"], ids=[world.contacts[1]])
    icp = await watch(ann, db, VPS | {"not_in_lists": [kept["id"]]})
    for contact in world.contacts[1:4:2]:
        await change(db, contact, seniority="vp")
    await applied(*world.contacts)
    assert [one[1] for one in await events(ann, icp)] == [world.contacts[3]]
    await ann("PUT", f"/v1/hidden/contacts/{world.contacts[3]}")
    await applied(*world.contacts)
    assert await events(ann, icp) == []
    assert (await ann("GET", "/v1/events")).json()["results"] == []
    await ann("DELETE", f"/v1/hidden/contacts/{world.contacts[3]}")
    assert len(await events(ann, icp)) == 1


async def test_what_happened_while_it_was_hidden_is_not_made_up_and_what_was_before_comes_back(
    ann, bob, db, world, applied
):
    anna, bernd, *_ = world.contacts
    icp = await watch(ann, db, fields=["title"])
    await ann("PUT", f"/v1/icps/{icp}/members/{bob.user.email}", json={})
    await change(db, bernd, seniority="vp")
    await applied(bernd)
    await ann("PUT", f"/v1/hidden/contacts/{bernd}")
    await change(db, bernd, title="Hidden Title")
    await change(db, anna, title="Seen Title")
    await applied(anna, bernd)
    assert [one[1] for one in await events(ann, icp)] == [anna]
    await ann("DELETE", f"/v1/hidden/contacts/{bernd}")
    await change(db, bernd, title="Title After")
    await applied(bernd)
    reasons = [one["reasons"][0] for one in await raw_events(ann, icp)]
    assert reasons == ["seniority VP", "title became Seen Title", "title became Title After"]
    everything = [one["record_id"] for one in (await ann("GET", "/v1/events")).json()["results"]]
    assert everything == [bernd, anna, bernd]
    # Whoever had it not hidden has missed nothing.
    told = [one["reasons"][0] for one in await raw_events(bob, icp)]
    assert told == [*reasons[:2], "title became Hidden Title", reasons[2]]


@pytest.mark.parametrize("entity", ["contacts", "organizations"])
async def test_the_same_holds_for_many_at_once_and_for_the_people_of_a_company(
    ann, db, world, applied, entity
):
    anna, bernd, *_ = world.contacts
    acme = world.organizations[0]
    icp = await watch(ann, db)
    ids = [anna, bernd] if entity == "contacts" else [acme]
    several = {"entity": entity, "ids": ids}
    hidden = await ann("POST", "/v1/hidden/bulk", json=several | {"action": "hide"})
    assert hidden.json()["changed"] == len(ids), hidden.text
    await change(db, anna, title="Chief Hidden Officer")
    await change(db, bernd, seniority="vp")
    await applied(anna, bernd)
    await ann("POST", "/v1/hidden/bulk", json=several | {"action": "unhide"})
    assert await events(ann, icp) == []
    # Out of the company that was hidden, or gone altogether: it is as if it had been told.
    await change(db, anna, organization_id=world.organizations[1])
    async with db.transaction(SERVICE) as session:
        await session.execute(text("DELETE FROM app.contacts WHERE id = :id"), {"id": bernd})
    await applied(anna, bernd)
    assert await events(ann, icp) == [("left", bernd, "removed"), ("changed", anna, "changed")]


async def test_who_leaves_a_hidden_company_is_seen_again_without_what_was_missed(ann, db, world, applied):
    anna, bernd, *_ = world.contacts
    icp = await watch(ann, db, fields=["title", "company"])
    await change(db, bernd, seniority="vp")
    await applied(bernd)
    await ann("PUT", f"/v1/hidden/organizations/{world.organizations[0]}")
    await change(db, anna, title="Chief Hidden Officer")
    await applied(anna)
    await change(db, anna, organization_id=world.organizations[1])
    async with db.transaction(SERVICE) as session:
        await session.execute(text("DELETE FROM app.contacts WHERE id = :id"), {"id": bernd})
    await applied(anna, bernd)
    # Of him, who was of the hidden company when he was removed, only what was told before is left, emptied.
    told = [(one["record_id"], one["kind"], one["reasons"]) for one in await raw_events(ann, icp)]
    assert told == [(bernd, "entered", []), (anna, "changed", ["company became Globex Inc."])]


@pytest.mark.parametrize("unhidden", [False, True], ids=["hidden", "shown-again"])
async def test_the_removal_of_a_hidden_record_is_told_to_those_who_saw_it(
    ann, bob, db, world, applied, owner, unhidden
):
    anna, globex = world.contacts[0], world.organizations[1]
    people = await watch(ann, db)
    companies = await watch(ann, db, {"filters": {}}, entity="organizations")
    for icp in (people, companies):
        await ann("PUT", f"/v1/icps/{icp}/members/{bob.user.email}", json={})
    for path in (f"contacts/{anna}", f"organizations/{globex}"):
        await ann("PUT", f"/v1/hidden/{path}")
        if unhidden:
            await ann("DELETE", f"/v1/hidden/{path}")
    async with db.transaction(SERVICE) as session:
        await session.execute(text("DELETE FROM app.contacts WHERE id = :id"), {"id": anna})
        await session.execute(text("DELETE FROM app.organizations WHERE id = :id"), {"id": globex})
    await applied(anna)
    await applied(globex, entity="organizations")
    told = [("left", anna, "removed")], [("left", globex, "removed")]
    assert (await events(bob, people), await events(bob, companies)) == told
    assert (await events(ann, people), await events(ann, companies)) == (told if unhidden else ([], []))
    await applied(*world.contacts)
    assert await owner.fetchval("SELECT count(*) FROM app.alert_states WHERE hidden_by IS NOT NULL") == 0


@pytest.mark.parametrize("first", ["contacts", "organizations"])
@pytest.mark.parametrize("at_once", [False, True], ids=["one-by-one", "at-once"])
async def test_who_is_removed_with_a_hidden_company_is_told_to_those_who_saw_them(
    ann, bob, db, world, applied, owner, first, at_once
):
    anna, acme = world.contacts[0], world.organizations[0]
    icp = await watch(ann, db)
    await ann("PUT", f"/v1/icps/{icp}/members/{bob.user.email}", json={})
    await ann("PUT", f"/v1/hidden/organizations/{acme}")
    deletions = [("contacts", anna), ("organizations", acme)]
    deletions.sort(key=lambda each: each[0] != first)
    statements = [f"DELETE FROM app.{table} WHERE id = {record}" for table, record in deletions]
    for together in [statements] if at_once else [[one] for one in statements]:
        async with db.transaction(SERVICE) as session:
            for statement in together:
                await session.execute(text(statement))
    await applied(anna)
    await applied(acme, entity="organizations")
    assert await events(ann, icp) == []
    assert await events(bob, icp) == [("left", anna, "removed")]
    assert (await ann("GET", "/v1/events")).json()["results"] == []


async def test_who_outlives_a_hidden_company_is_seen_again(ann, db, world, applied, owner):
    anna, acme = world.contacts[0], world.organizations[0]
    icp = await watch(ann, db, fields=["title"])
    await ann("PUT", f"/v1/hidden/organizations/{acme}")
    async with db.transaction(SERVICE) as session:
        await session.execute(text("DELETE FROM app.organizations WHERE id = :id"), {"id": acme})
    await change(db, anna, title="Free Agent")
    await applied(*world.contacts)
    assert await owner.fetchval("SELECT count(*) FROM app.alert_states WHERE hidden_by IS NOT NULL") == 0
    async with db.transaction(SERVICE) as session:
        await session.execute(text("DELETE FROM app.contacts WHERE id = :id"), {"id": anna})
    await applied(anna)
    kinds = [(kind, reason) for kind, record, reason in await events(ann, icp) if record == anna]
    assert kinds == [("changed", "changed"), ("left", "removed")]


async def test_nobody_reads_who_has_hidden_what(ann, bob, db, world, applied):
    icp = await watch(ann, db)
    await ann("PUT", f"/v1/icps/{icp}/members/{bob.user.email}", json={})
    await ann("PUT", f"/v1/hidden/contacts/{world.contacts[1]}")
    await change(db, world.contacts[1], seniority="vp")
    await applied(world.contacts[1])
    async with db.transaction(member(ann.id), read_only=True) as session:
        assert await session.scalar(text("SELECT count(*) FROM app.icp_events")) == 0
    async with db.transaction(member(bob.id), read_only=True) as session:
        assert await session.scalar(text("SELECT count(id) FROM app.icp_events")) == 1
        with pytest.raises(ProgrammingError, match="permission denied"):
            await session.scalar(text("SELECT missed_by FROM app.icp_events"))
