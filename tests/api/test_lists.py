"""Lists by HTTP: kept, filled, shared, and attacked by people with too little of a role."""

import asyncio
from uuid import uuid4

import pytest
from sqlalchemy import text

from db.sessions import SERVICE
from domain.lists import records

NOBODY = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff"


async def make(person, name="Prospects", **more):
    response = await person("POST", "/v1/lists", json={"name": name} | more)
    assert response.status_code == 201, response.text
    return response.json()


async def share(db, list_id, person, role):
    async with db.transaction(SERVICE) as session:
        await session.execute(
            text("INSERT INTO app.list_members (list_id, user_id, role) VALUES (:list, :user, :role)"),
            {"list": list_id, "user": person.id, "role": role},
        )


async def add(person, list_id, entity="contacts", **choice):
    return await person("POST", f"/v1/lists/{list_id}/{entity}", json=choice)


async def names_on(person, list_id):
    page = (await person("GET", f"/v1/lists/{list_id}/contacts")).json()
    return sorted(record["full_name"] for record in page["results"])


async def test_a_list_is_made_changed_archived_and_deleted(ann):
    made = await make(ann, description="Those of Berlin")
    path = f"/v1/lists/{made['id']}"
    assert (made["role"], made["is_shared"], made["contacts"]) == ("owner", False, 0)
    changed = (await ann("PATCH", path, json={"name": "Berlin", "description": None})).json()
    assert (changed["name"], changed["description"]) == ("Berlin", None)
    assert (await ann("PATCH", path, json={"archived": True})).json()["archived_at"] is not None
    assert (await ann("GET", "/v1/lists")).json()["results"] == []
    archived = (await ann("GET", "/v1/lists?archived=true")).json()["results"]
    assert [one["id"] for one in archived] == [made["id"]]
    assert (await ann("PATCH", path, json={"archived": False})).json()["archived_at"] is None
    assert (await ann("DELETE", path)).status_code == 204
    assert (await ann("GET", path)).status_code == 404


async def test_an_archived_list_takes_nothing_more(ann, world):
    made = await make(ann)
    await ann("PATCH", f"/v1/lists/{made['id']}", json={"archived": True})
    response = await add(ann, made["id"], ids=world.contacts)
    assert (response.status_code, response.json()["type"]) == (409, "/problems/list-archived")


async def test_the_plan_limits_the_number_of_lists(ann):
    for name in "abc":
        await make(ann, name)
    response = await ann("POST", "/v1/lists", json={"name": "d"})
    assert (response.status_code, response.json()["facts"]) == (
        402,
        {"limit": 3, "of": "lists", "plan": "free"},
    )


async def test_of_the_last_free_place_only_one_list_is_made(ann):
    await make(ann, "a")
    await make(ann, "b")
    answers = await asyncio.gather(*(ann("POST", "/v1/lists", json={"name": n}) for n in "cdefgh"))
    assert sorted(answer.status_code for answer in answers) == [201, *[402] * 5]


async def test_every_id_is_accounted_for(ann, world):
    made = await make(ann)
    await add(ann, made["id"], ids=[world.contacts[0]])
    await ann("PUT", f"/v1/hidden/contacts/{world.contacts[1]}")
    await ann("PUT", f"/v1/hidden/organizations/{world.organizations[1]}")
    ids = [*world.contacts, world.contacts[4], 2_000_000_000]
    answer = (await add(ann, made["id"], ids=ids)).json()
    assert {key: answer[key] for key in ("added", "already_there", "hidden", "unknown", "duplicates")} == {
        "added": 1,
        "already_there": 1,
        "hidden": 3,
        "unknown": 1,
        "duplicates": 1,
    }
    assert {one["id"]: one["outcome"] for one in answer["outcomes"]} == {
        world.contacts[0]: "already_there",
        **dict.fromkeys(world.contacts[1:4], "hidden"),
        2_000_000_000: "unknown",
        world.contacts[4]: "duplicate",
    }
    assert await names_on(ann, made["id"]) == ["Anna Müller", "Ed Eng"]


async def test_ten_thousand_and_one_ids_are_too_many(ann):
    made = await make(ann)
    assert (await add(ann, made["id"], ids=list(range(1, 10_002)))).status_code == 422
    assert (await add(ann, made["id"], ids=list(range(1, 10_001)))).status_code == 200


@pytest.mark.parametrize(
    "choice", [{}, {"ids": []}, {"ids": [1], "search": {}}, {"ids": [0]}, {"search": {"filters": {"x": 1}}}]
)
async def test_a_choice_that_cannot_be_is_refused(ann, choice):
    made = await make(ann)
    assert (await add(ann, made["id"], **choice)).status_code == 422


async def test_records_come_from_a_search_and_from_another_list(ann, world):
    one, two = await make(ann, "one"), await make(ann, "two")
    search = {"filters": {"contacts": {"include": {"seniorities": ["vp"]}}}}
    assert (await add(ann, one["id"], search=search)).json()["added"] == 2
    assert await names_on(ann, one["id"]) == ["Anna Müller", "Cleo Clark"]
    assert (await add(ann, one["id"], search=search)).json()["already_there"] == 2
    await ann("PUT", f"/v1/hidden/contacts/{world.contacts[0]}")
    answer = (await add(ann, two["id"], from_list=one["id"])).json()
    assert (answer["added"], answer["hidden"]) == (1, 1)
    gone = await ann("POST", f"/v1/lists/{one['id']}/contacts/remove", json={"from_list": two["id"]})
    assert gone.json()["removed"] == 1
    gone = await ann("POST", f"/v1/lists/{two['id']}/contacts/remove", json={"search": search})
    assert gone.json()["removed"] == 1
    assert await names_on(ann, two["id"]) == []


async def test_free_text_adds_what_the_search_shows(ann, world):
    made = await make(ann)
    request = {"q": "Mueller VP Sales"}
    shown = (await ann("POST", "/v1/contacts/search", json=request)).json()
    assert shown["total_entries"] == 1
    assert (await add(ann, made["id"], search=request)).json()["added"] == 1
    assert await names_on(ann, made["id"]) == ["Anna Müller"]


async def test_much_is_added_by_a_job(ann, bob, world, monkeypatch, run_outbox):
    monkeypatch.setattr(records, "MAX_AT_ONCE", 2)
    monkeypatch.setattr(records, "_CHUNK", 2)
    made = await make(ann)
    response = await add(ann, made["id"], search={})
    job = response.json()["job"]
    assert (response.status_code, job["status"]) == (202, "waiting")
    assert (await bob("GET", f"/v1/jobs/{job['id']}")).status_code == 404
    assert await run_outbox() == ["lists.change"]
    job = (await ann("GET", f"/v1/jobs/{job['id']}")).json()
    assert (job["status"], job["result"]["added"]) == ("done", 5)
    assert len(await names_on(ann, made["id"])) == 5
    assert (await ann("GET", "/v1/jobs")).json()["results"] == [job]
    response = await ann("POST", f"/v1/lists/{made['id']}/contacts/remove", json={"search": {}})
    await run_outbox()
    job = (await ann("GET", f"/v1/jobs/{response.json()['job']['id']}")).json()
    assert job["result"]["removed"] == 5


async def test_a_job_called_off_leaves_nothing(ann, world, monkeypatch, run_outbox):
    monkeypatch.setattr(records, "MAX_AT_ONCE", 2)
    made = await make(ann)
    job = (await add(ann, made["id"], search={})).json()["job"]
    assert (await ann("POST", f"/v1/jobs/{job['id']}/cancel")).json()["cancel_requested"] is True
    await run_outbox()
    assert (await ann("GET", f"/v1/jobs/{job['id']}")).json()["status"] == "cancelled"
    assert await names_on(ann, made["id"]) == []


async def test_a_job_that_runs_after_the_role_is_lost_adds_nothing(
    ann, bob, world, db, monkeypatch, run_outbox
):
    monkeypatch.setattr(records, "MAX_AT_ONCE", 2)
    made = await make(ann)
    await share(db, made["id"], bob, "editor")
    job = (await add(bob, made["id"], search={})).json()["job"]
    await ann("DELETE", f"/v1/lists/{made['id']}/members/{bob.id}")
    await run_outbox()
    assert (await bob("GET", f"/v1/jobs/{job['id']}")).json()["status"] == "failed"
    assert await names_on(ann, made["id"]) == []


async def test_companies_are_kept_too_and_searched_within_lists(ann, world):
    made = await make(ann)
    await add(ann, made["id"], "organizations", ids=world.organizations)
    page = (await ann("GET", f"/v1/lists/{made['id']}/organizations?limit=1")).json()
    assert [one["name"] for one in page["results"]] == ["Globex Inc."]
    page = (await ann("GET", f"/v1/lists/{made['id']}/organizations?cursor={page['cursor']}")).json()
    assert [one["name"] for one in page["results"]] == ["Acme GmbH"]
    await add(ann, made["id"], ids=world.contacts[:2])
    found = (await ann("POST", "/v1/contacts/search", json={"in_lists": [made["id"]]})).json()
    assert found["total_entries"] == 2
    found = (await ann("POST", "/v1/contacts/search", json={"not_in_lists": [made["id"]]})).json()
    assert found["total_entries"] == 3


async def test_a_viewer_does_not_see_what_only_the_owner_unlocked(ann, bob, world, db):
    made = await make(ann)
    await add(ann, made["id"], ids=[world.contacts[0]])
    await share(db, made["id"], bob, "viewer")
    async with db.transaction(SERVICE) as session:
        await session.execute(
            text("INSERT INTO app.unlocks (user_id, contact_id, field) VALUES (:user, :contact, 'email')"),
            {"user": ann.id, "contact": world.contacts[0]},
        )
    seen = [
        (await person("GET", f"/v1/lists/{made['id']}/contacts")).json()["results"][0]
        for person in (ann, bob)
    ]
    assert [record["email"] for record in seen] == ["anna@acme.example", None]
    assert [record["phone"] for record in seen] == [None, None]


@pytest.mark.parametrize("list_id", [NOBODY, "foreign", "not-an-id"])
@pytest.mark.parametrize(
    "method, path, body",
    [
        ("GET", "", None),
        ("PATCH", "", {"name": "Mine now"}),
        ("DELETE", "", None),
        ("GET", "/contacts", None),
        ("POST", "/contacts", {"ids": [1]}),
        ("POST", "/contacts", {"search": {}}),
        ("POST", "/contacts/remove", {"ids": [1]}),
        ("GET", "/members", None),
        ("GET", "/activity", None),
        ("GET", "/invitations", None),
        ("POST", "/invitations", {"email": "x@example.com"}),
        ("POST", "/hand-over", {"user_id": NOBODY}),
        ("DELETE", f"/members/{NOBODY}", None),
        ("PATCH", f"/members/{NOBODY}", {"role": "owner"}),
    ],
)
async def test_a_foreign_list_is_as_one_that_does_not_exist(ann, bob, list_id, method, path, body):
    if list_id == "foreign":
        list_id = (await make(ann))["id"]
    response = await bob(method, f"/v1/lists/{list_id}{path}", **({"json": body} if body else {}))
    assert (response.status_code, response.json()["type"]) == (404, "/problems/not-found")


async def test_a_foreign_list_cannot_be_copied_from_or_searched(ann, bob, world):
    secret = await make(ann)
    await add(ann, secret["id"], ids=world.contacts)
    mine = await make(bob)
    assert (await add(bob, mine["id"], from_list=secret["id"])).status_code == 404
    assert (await add(bob, mine["id"], search={"in_lists": [secret["id"]]})).status_code == 404


@pytest.mark.parametrize(
    "role, method, path, body",
    [
        ("viewer", "POST", "/contacts", {"ids": [1]}),
        ("viewer", "POST", "/contacts", {"search": {}}),
        ("viewer", "POST", "/organizations", {"ids": [1]}),
        ("viewer", "POST", "/contacts/remove", {"ids": [1]}),
        ("viewer", "PATCH", "", {"name": "Mine"}),
        ("viewer", "DELETE", "", None),
        ("viewer", "POST", "/invitations", {"email": "x@example.com", "role": "viewer"}),
        ("viewer", "GET", "/invitations", None),
        ("editor", "POST", "/invitations", {"email": "x@example.com", "role": "owner"}),
        ("editor", "PATCH", "", {"archived": True}),
        ("editor", "DELETE", "", None),
        ("editor", "PATCH", "/members/{me}", {"role": "owner"}),
        ("editor", "DELETE", "/members/{owner}", None),
        ("editor", "POST", "/hand-over", {"user_id": "{me}"}),
        ("owner", "DELETE", "", None),
        ("owner", "POST", "/hand-over", {"user_id": "{me}"}),
        ("owner", "DELETE", "/members/{owner}", None),
        ("owner", "PATCH", "/members/{owner}", {"role": "viewer"}),
    ],
)
async def test_nobody_does_more_than_their_role(ann, bob, db, world, role, method, path, body):
    made = await make(ann)
    await share(db, made["id"], bob, role)
    words = {"me": bob.id, "owner": ann.id}
    if body and "user_id" in body:
        body = {"user_id": body["user_id"].format(**words)}
    options = {"json": body} if body else {}
    response = await bob(method, f"/v1/lists/{made['id']}{path.format(**words)}", **options)
    assert (response.status_code, response.json()["type"]) == (403, "/problems/role-too-low")


async def test_two_members_at_once_lose_nothing(ann, bob, db, world):
    made = await make(ann)
    await share(db, made["id"], bob, "editor")
    await asyncio.gather(
        *(add(person, made["id"], ids=world.contacts) for person in (ann, bob) for _ in range(4)),
        *(bob("POST", f"/v1/lists/{made['id']}/contacts/remove", json={"ids": [1]}) for _ in range(2)),
    )
    assert len(await names_on(ann, made["id"])) == 5
    activity = (await ann("GET", f"/v1/lists/{made['id']}/activity")).json()["results"]
    assert sum(one["record_count"] for one in activity if one["action"] == "contacts_added") == 5


async def test_what_happened_is_told_with_who_did_it(ann, bob, db, world):
    made = await make(ann)
    await share(db, made["id"], bob, "editor")
    await add(bob, made["id"], ids=world.contacts[:2])
    await ann("POST", f"/v1/lists/{made['id']}/contacts/remove", json={"ids": world.contacts[:1]})
    activity = (await ann("GET", f"/v1/lists/{made['id']}/activity")).json()["results"]
    assert [(one["action"], one["user_email"], one["record_ids"]) for one in activity] == [
        ("contacts_removed", ann.user.email, world.contacts[:1]),
        ("contacts_added", bob.user.email, world.contacts[:2]),
        ("member_joined", None, []),
    ]


async def test_lists_come_in_pages(ann):
    made = [(await make(ann, name))["id"] for name in "abc"]
    first = (await ann("GET", "/v1/lists?limit=2")).json()
    rest = (await ann("GET", f"/v1/lists?limit=2&cursor={first['cursor']}")).json()
    assert [one["id"] for one in first["results"] + rest["results"]] == made[::-1]
    assert (await ann("GET", f"/v1/lists?cursor={uuid4().hex}")).status_code == 422
