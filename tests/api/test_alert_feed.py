"""The feed of events: read in pages, replayed, and marked by each reader alone."""

from sqlalchemy import text

from db.sessions import SERVICE
from tests.api.test_alerts import change, raw_events, watch


async def test_the_feed_is_replayed_from_a_cursor_and_marked_by_each_alone(ann, bob, db, world, applied):
    watched = await watch(ann, db)
    for contact in (world.contacts[1], world.contacts[3]):
        await change(db, contact, seniority="vp")
        await applied(contact)
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
    seen = [[one["read"] for one in await raw_events(person, watched)] for person in (bob, ann)]
    assert seen == [[True, True], [False, False]]
    assert (await bob("GET", f"/v1/icps/{watched}/events?after=x")).status_code == 422


async def test_a_feed_is_read_from_between_any_two_of_what_was_told_at_once(ann, db, world, applied):
    everybody, vps = await watch(ann, db, {"filters": {}}, fields=["title"]), await watch(ann, db)
    for contact in world.contacts:
        await change(db, contact, title=f"Title {contact}", seniority="vp")
    await applied(*world.contacts)
    for path in (f"/v1/icps/{everybody}/events", "/v1/events"):
        whole = (await ann("GET", path)).json()["results"]
        assert [one["id"] for one in whole] == sorted({one["id"] for one in whole})
        for size in (1, 2, 3):
            read, cursor = [], None
            while len(read) < len(whole):
                after = f"&after={cursor}" if cursor else ""
                page = (await ann("GET", f"{path}?limit={size}{after}")).json()
                assert len(page["results"]) == min(size, len(whole) - len(read))
                read, cursor = read + page["results"], page["cursor"]
            assert read == whole
    told = await raw_events(ann, everybody)
    assert {one["record_id"]: one["reasons"] for one in told} == {
        contact: [f"title became Title {contact}"] for contact in world.contacts
    }
    # Read up to one of them, and no further.
    upto = {"event_id": told[1]["id"]}
    assert (await ann("POST", f"/v1/icps/{everybody}/events/read", json=upto)).status_code == 204
    assert [one["read"] for one in await raw_events(ann, everybody)] == [True] * 2 + [False] * (len(told) - 2)
    assert len(await raw_events(ann, vps)) > 0


async def test_all_icps_are_one_feed(ann, bob, db, world, applied):
    vps = await watch(ann, db)
    owners = await watch(ann, db, {"filters": {"contacts": {"include": {"seniorities": ["owner"]}}}})
    await watch(bob, db)
    await change(db, world.contacts[1], seniority="vp")
    await applied(world.contacts[1])
    await change(db, world.contacts[1], seniority="owner")
    await applied(world.contacts[1])
    page = (await ann("GET", "/v1/events?limit=2")).json()
    rest = (await ann("GET", f"/v1/events?after={page['cursor']}")).json()
    told = [(one["icp_id"], one["kind"]) for one in page["results"] + rest["results"]]
    assert told[0] == (vps, "entered")
    assert set(told[1:]) == {(vps, "left"), (owners, "entered")}
    assert (await ann("POST", "/v1/events/read", json={"event_id": 2**40})).status_code == 204
    assert all(one["read"] for one in (await ann("GET", "/v1/events")).json()["results"])
    assert not any(one["read"] for one in (await bob("GET", "/v1/events")).json()["results"])
    # An ICP that is broken by now keeps nobody from the others.
    async with db.transaction(SERVICE) as session:
        await session.execute(
            text("UPDATE app.icp_profiles SET filters = '{\"made\": 1}' WHERE id = :id"), {"id": owners}
        )
    assert {one["icp_id"] for one in (await ann("GET", "/v1/events")).json()["results"]} == {vps}
    assert (await ann("GET", "/v1/events?after=x")).status_code == 422
