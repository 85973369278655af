"""Saved ICPs by HTTP: what is saved is what is run, and who may do what with it."""

import asyncio
import json

import pytest
from sqlalchemy import text

from core.ids import UserId
from db.sessions import SERVICE
from domain import accounts, tokens
from tests.api.conftest import Person
from tests.api.test_lists import NOBODY, make

VPS = {
    "filters": {"contacts": {"include": {"seniorities": ["vp"]}}},
    "sort": "name",
    "facets": ["seniorities"],
}


async def save(person, request=VPS, **more):
    body = {"name": "VPs", "request": request} | more
    response = await person("POST", "/v1/icps", json=body)
    assert response.status_code == 201, response.text
    return response.json()


async def as_pro(db, person):
    async with db.transaction(SERVICE) as session:
        await session.execute(text("UPDATE app.users SET plan_id = 'pro' WHERE id = :id"), {"id": person.id})


async def test_what_is_saved_is_what_is_run(ann, world):
    icp = await save(ann, tags=["north", "north", " "], notes="For spring")
    assert (icp["version"], icp["role"], icp["tags"], icp["request"]) == (1, "owner", ["north"], VPS)
    path = f"/v1/icps/{icp['id']}"
    searched = (await ann("POST", "/v1/contacts/search", json=VPS)).json()
    run = (await ann("POST", f"{path}/search", json={})).json()
    for answer in (searched, run):
        answer.pop("took_ms")
    # Cursors carry the time at which they were made.
    assert run.pop("icp_version") == 1
    assert run == searched
    assert [hit["full_name"] for hit in run["results"]] == ["Cleo Clark", "Anna Müller"]
    assert (await ann("POST", f"{path}/count")).json()["total_entries"] == 2
    shown = (await ann("GET", path)).json()
    assert shown["problems"] == []
    assert [one["id"] for one in (await ann("GET", "/v1/icps?tag=north")).json()["results"]] == [icp["id"]]
    assert (await ann("GET", "/v1/icps?tag=south")).json()["results"] == []


async def test_a_run_goes_on_from_its_cursor(ann, world):
    icp = await save(ann)
    path = f"/v1/icps/{icp['id']}/search"
    first = (await ann("POST", path, json={"limit": 1})).json()
    second = (await ann("POST", path, json={"limit": 1, "cursor": first["cursor"]})).json()
    assert [hit["full_name"] for hit in first["results"] + second["results"]] == ["Cleo Clark", "Anna Müller"]


async def test_organizations_too(ann, world):
    icp = await save(
        ann, {"filters": {"organizations": {"include": {"countries": ["DE"]}}}}, entity="organizations"
    )
    run = (await ann("POST", f"/v1/icps/{icp['id']}/search", json={})).json()
    assert [hit["name"] for hit in run["results"]] == ["Acme GmbH"]


@pytest.mark.parametrize(
    "request_, path",
    [
        (
            {"filters": {"contacts": {"include": {"seniorities": ["vice"]}}}},
            "filters.contacts.include.seniorities[0]",
        ),
        ({"filters": {"contacts": {"include": {"seniority": ["vp"]}}}}, None),
        ({"sort": "fame"}, "sort"),
        ({"facets": ["shoe_sizes"]}, "facets[0]"),
        ({"cursor": "abc"}, "request.cursor"),
        ({"limit": 0}, None),
        ({"anything": 1}, None),
    ],
)
async def test_what_the_search_refuses_is_not_saved(ann, request_, path):
    response = await ann("POST", "/v1/icps", json={"name": "x", "request": request_})
    assert response.status_code == 422
    if path:
        assert response.json()["errors"][0]["path"] == path


async def test_an_edit_keeps_the_earlier_versions(ann, world):
    icp = await save(ann)
    path = f"/v1/icps/{icp['id']}"
    assert (await ann("PATCH", path, json={"name": "Vice presidents"})).json()["version"] == 1
    changed = (await ann("PATCH", path, json={"request": {"q": "anna"}, "version": 1})).json()
    assert (changed["version"], changed["request"]) == (2, {"q": "anna"})
    versions = (await ann("GET", f"{path}/versions")).json()["results"]
    assert [(one["version"], one["request"]) for one in versions] == [(2, {"q": "anna"}), (1, VPS)]
    assert {one["changed_by"] for one in versions} == {str(ann.id)}
    stale = await ann("PATCH", path, json={"request": {"q": "bernd"}, "version": 1})
    assert (stale.status_code, stale.json()["facts"]) == (409, {"version": 2})


async def test_of_two_edits_of_one_version_one_wins(ann):
    icp = await save(ann)
    answers = await asyncio.gather(
        *(
            ann("PATCH", f"/v1/icps/{icp['id']}", json={"request": {"q": word}, "version": 1})
            for word in ("anna", "bernd", "cleo", "dana")
        )
    )
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]


async def test_what_the_vocabulary_has_lost_is_shown_and_refused_and_never_dropped(ann, world, owner):
    icp = await save(ann)
    lost = VPS | {"filters": {"organizations": {"include": {"industries": ["gone"]}}}}
    await owner.execute("UPDATE app.icp_profiles SET filters = $1::jsonb", json.dumps(lost))
    shown = (await ann("GET", f"/v1/icps/{icp['id']}")).json()
    assert shown["request"] == lost
    assert [one["path"] for one in shown["problems"]] == ["filters.organizations.include.industries[0]"]
    assert (await ann("POST", f"/v1/icps/{icp['id']}/search", json={})).status_code == 422
    await owner.execute("""UPDATE app.icp_profiles SET filters = '{"made": "by hand"}'""")
    shown = (await ann("GET", f"/v1/icps/{icp['id']}")).json()
    assert "made" in shown["problems"][0]["message"]
    for verb, options in (("search", {"json": {}}), ("count", {})):
        response = await ann("POST", f"/v1/icps/{icp['id']}/{verb}", **options)
        assert (response.status_code, response.json()["type"]) == (422, "/problems/broken-icp")


async def test_a_list_that_is_gone_is_a_problem(ann, world):
    kept = await make(ann)
    icp = await save(ann, {"in_lists": [kept["id"]]})
    await ann("DELETE", f"/v1/lists/{kept['id']}")
    assert [p["path"] for p in (await ann("GET", f"/v1/icps/{icp['id']}")).json()["problems"]] == ["in_lists"]
    assert (await ann("POST", f"/v1/icps/{icp['id']}/search", json={})).status_code == 404


async def test_a_foreign_list_cannot_be_saved(ann, bob):
    kept = await make(ann)
    body = {"name": "x", "request": {"in_lists": [kept["id"]]}}
    assert (await bob("POST", "/v1/icps", json=body)).status_code == 404


async def test_the_plan_limits_the_number(ann, db, owner):
    answers = await asyncio.gather(*(ann("POST", "/v1/icps", json={"name": n}) for n in "abcd"))
    assert sorted(answer.status_code for answer in answers) == [201, 402, 402, 402]
    icp = next(answer.json() for answer in answers if answer.status_code == 201)
    full = await ann("POST", f"/v1/icps/{icp['id']}/duplicate", json={})
    assert (full.status_code, full.json()["facts"]) == (402, {"limit": 1, "of": "icps", "plan": "free"})
    await as_pro(db, ann)
    copy = (await ann("POST", f"/v1/icps/{icp['id']}/duplicate", json={})).json()
    assert (copy["name"], copy["request"], copy["version"]) == (f"Copy of {icp['name']}", {}, 1)
    assert await owner.fetchval("SELECT count(*) FROM app.icp_profiles") == 2


@pytest.mark.parametrize("icp_id", [NOBODY, "foreign", "no-id"])
@pytest.mark.parametrize(
    "method, path, body",
    [
        ("GET", "", None),
        ("PATCH", "", {"name": "mine"}),
        ("DELETE", "", None),
        ("POST", "/search", {}),
        ("POST", "/count", None),
        ("POST", "/duplicate", {}),
        ("GET", "/versions", None),
        ("GET", "/members", None),
        ("PUT", "/members/x@example.com", {"role": "owner"}),
        ("DELETE", "/members/x@example.com", None),
    ],
)
async def test_a_foreign_icp_is_as_one_that_does_not_exist(ann, bob, icp_id, method, path, body):
    if icp_id == "foreign":
        icp_id = (await save(ann))["id"]
    response = await bob(method, f"/v1/icps/{icp_id}{path}", **({} if body is None else {"json": body}))
    assert (response.status_code, response.json()["type"]) == (404, "/problems/not-found")


@pytest.mark.parametrize(
    "role, method, path, body, status",
    [
        ("viewer", "POST", "/search", {}, 200),
        ("viewer", "GET", "/versions", None, 200),
        ("viewer", "PATCH", "", {"name": "mine"}, 403),
        ("viewer", "DELETE", "", None, 403),
        ("viewer", "PUT", "/members/{me}", {"role": "owner"}, 403),
        ("editor", "PATCH", "", {"name": "ours"}, 200),
        ("editor", "PUT", "/members/x@example.com", {"role": "viewer"}, 403),
        ("editor", "DELETE", "/members/c@example.com", None, 403),
        ("editor", "DELETE", "", None, 403),
        ("owner", "PUT", "/members/x@example.com", {"role": "owner"}, 200),
        ("owner", "DELETE", "", None, 403),
        ("viewer", "DELETE", "/members/{me}", None, 204),
    ],
)
async def test_roles_of_a_shared_icp(ann, bob, role, method, path, body, status):
    icp = await save(ann)
    shared = f"/v1/icps/{icp['id']}"
    answer = await ann("PUT", f"{shared}/members/{bob.user.email.upper()}", json={"role": role})
    assert (answer.status_code, answer.json()["email"]) == (200, bob.user.email)
    assert (await bob("GET", shared)).json()["role"] == role
    options = {} if body is None else {"json": body}
    response = await bob(method, shared + path.format(me=bob.user.email), **options)
    assert response.status_code == status, response.text
    if response.status_code == 403:
        assert response.json()["type"] == "/problems/icp-role-too-low"


async def test_sharing_ends(ann, bob):
    icp = await save(ann)
    path = f"/v1/icps/{icp['id']}"
    await ann("PUT", f"{path}/members/{bob.user.email}", json={})
    assert (await ann("DELETE", f"{path}/members/{bob.user.email}")).status_code == 204
    assert (await bob("GET", path)).status_code == 404
    assert (await bob("GET", "/v1/icps")).json()["results"] == []
    assert (await ann("DELETE", f"{path}/members/{bob.user.email}")).status_code == 404
    assert (await ann("PUT", f"{path}/members/nobody", json={})).status_code == 422


async def test_an_icp_is_shared_with_somebody_who_comes_later(ann, api, db, ring):
    icp = await save(ann)
    answer = await ann("PUT", f"/v1/icps/{icp['id']}/members/later@example.com", json={"role": "editor"})
    assert answer.json()["role"] == "editor"
    async with db.transaction(SERVICE) as session:
        user = await accounts.find_or_create_user(session, email="later@example.com")
    later = Person(api, user, (await tokens.mint(ring, user_id=UserId(user.id))).text)
    assert (await later("GET", f"/v1/icps/{icp['id']}")).json()["role"] == "editor"


async def test_each_runs_it_with_what_they_have_hidden(ann, bob, world):
    icp = await save(ann)
    await ann("PUT", f"/v1/icps/{icp['id']}/members/{bob.user.email}", json={})
    await bob("PUT", f"/v1/hidden/contacts/{world.contacts[0]}")
    totals = [
        (await person("POST", f"/v1/icps/{icp['id']}/count")).json()["total_entries"] for person in (ann, bob)
    ]
    assert totals == [2, 1]
