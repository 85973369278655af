"""What administrators do with accounts, and that it holds from the next request on."""

import pytest
from sqlalchemy import text

from db.sessions import SIGN_IN
from domain.auth import people, sessions
from domain.auth.people import Origin

USERS = "/v1/admin/users"


async def test_users_are_searched_and_shown(admin, ann):
    found = (await admin("GET", USERS, params={"q": ann.user.email})).json()["results"]
    assert [user["id"] for user in found] == [str(ann.id)]
    assert (await admin("GET", f"{USERS}/{ann.id}")).json() == found[0]
    assert (await admin("GET", USERS, params={"role": "admin"})).json()["results"][0]["id"] == str(admin.id)
    page = (await admin("GET", USERS, params={"limit": 1})).json()
    rest = (await admin("GET", USERS, params={"limit": 1, "cursor": page["cursor"]})).json()
    assert {page["results"][0]["id"], rest["results"][0]["id"]} == {str(ann.id), str(admin.id)}


async def test_a_role_holds_from_the_next_request_on(admin, ann):
    assert (await ann("GET", USERS)).status_code == 403
    await admin("PATCH", f"{USERS}/{ann.id}", json={"role": "admin"})
    assert (await ann("GET", USERS)).status_code == 200
    await admin("PATCH", f"{USERS}/{ann.id}", json={"role": "member", "plan": "pro"})
    assert (await ann("GET", USERS)).status_code == 403
    assert (await admin("GET", f"{USERS}/{ann.id}")).json()["plan"] == "pro"


async def test_a_disabled_account_is_refused_at_once_whatever_it_bears(api, admin, ann):
    key = (await ann("POST", "/v1/api-keys", json={"name": "x", "scopes": ["read"]})).json()["key"]
    by_key = {"Authorization": f"Bearer {key}"}
    assert (await ann("GET", "/v1/usage")).status_code == 200
    answer = await admin("POST", f"{USERS}/{ann.id}/disable", json={"because": "left"})
    assert answer.json()["disabled_because"] == "left"
    for refused in (await ann("GET", "/v1/usage"), await api.get("/v1/usage", headers=by_key)):
        assert refused.status_code == 403
        assert refused.json()["type"] == "/problems/account-disabled"
    assert [
        u["id"] for u in (await admin("GET", USERS, params={"status": "disabled"})).json()["results"]
    ] == [str(ann.id)]
    await admin("POST", f"{USERS}/{ann.id}/enable")
    assert (await ann("GET", "/v1/usage")).status_code == 200
    assert (await api.get("/v1/usage", headers=by_key)).status_code == 200
    log = (await admin("GET", "/v1/admin/audit", params={"subject": f"user:{ann.id}"})).json()["results"]
    assert [(entry["action"], entry["actor_id"]) for entry in log] == [
        ("user.enabled", str(admin.id)),
        ("user.disabled", str(admin.id)),
    ]


async def signed_in(db, person, user_agent):
    async with db.transaction(SIGN_IN) as session:
        if await session.scalar(text("SELECT 1 FROM auth.users WHERE id = :id"), {"id": person.id}) is None:
            await people.make(
                session, user_id=person.id, email=person.user.email, is_confirmed=True, is_proven=True
            )
        await sessions.open_session(
            session, user_id=person.id, method="password", origin=Origin("203.0.113.7", user_agent)
        )


async def test_a_user_is_signed_out_here_or_everywhere(db, admin, ann, bob):
    for person, user_agent in ((ann, "one"), (ann, "two"), (ann, "three"), (bob, "four")):
        await signed_in(db, person, user_agent)
    path = f"{USERS}/{ann.id}/sessions"
    found = (await admin("GET", path)).json()["results"]
    assert {session["user_agent"] for session in found} == {"one", "two", "three"}
    assert {(session["address"], session["level"]) for session in found} == {("203.0.113.7", "aal1")}
    (bobs,) = (await admin("GET", f"{USERS}/{bob.id}/sessions")).json()["results"]
    # Each session belongs to one user alone.
    assert (await admin("DELETE", f"{path}/{bobs['id']}")).status_code == 404
    assert (await admin("DELETE", f"{path}/{found[0]['id']}")).status_code == 204
    assert (await admin("DELETE", f"{path}/{found[0]['id']}")).status_code == 404
    assert len((await admin("GET", path)).json()["results"]) == 2
    assert (await admin("DELETE", path)).status_code == 204
    assert (await admin("GET", path)).json()["results"] == []
    assert (await admin("GET", f"{USERS}/{bob.id}/sessions")).json()["results"] == [bobs]
    log = (await admin("GET", "/v1/admin/audit", params={"action": "user.signed_out"})).json()["results"]
    assert [entry["detail"] for entry in log] == [{"sessions": 2}, {"sessions": 1}]


async def test_the_last_administrator_cannot_go(admin):
    for method, path, body in (
        ("PATCH", "", {"role": "member"}),
        ("POST", "/disable", {"because": "x"}),
    ):
        answer = await admin(method, f"{USERS}/{admin.id}{path}", json=body)
        assert answer.status_code == 409
        assert answer.json()["type"] == "/problems/last-administrator"


@pytest.mark.parametrize(
    "method, path, body, status",
    [
        ("PATCH", "{id}", {"role": "owner"}, 422),
        ("PATCH", "{id}", {"plan": "platinum"}, 422),
        ("PATCH", "{id}", {"credit_balance": 1_000}, 422),
        ("PATCH", "{id}", {"email": "x@y.test"}, 422),
        ("PATCH", "00000000-0000-0000-0000-000000000000", {"role": "admin"}, 404),
        ("PATCH", "nobody", {"role": "admin"}, 404),
        ("POST", "{id}/disable", {}, 422),
        ("POST", "{id}/disable", {"because": ""}, 422),
        ("POST", "{id}/disable", {"because": "x" * 501}, 422),
        ("POST", "00000000-0000-0000-0000-000000000000/enable", None, 404),
    ],
)
async def test_what_cannot_be_is_refused(admin, ann, method, path, body, status):
    answer = await admin(method, f"{USERS}/{path.format(id=ann.id)}", json=body)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "query", [{"cursor": "x"}, {"role": "owner"}, {"status": "gone"}, {"q": ""}, {"q": "\x00"}]
)
async def test_bad_questions_are_refused(admin, query):
    assert (await admin("GET", USERS, params=query)).status_code == 422


async def test_members_and_strangers_administer_nobody(api, ann, bob):
    for method, path, body in (
        ("GET", USERS, None),
        ("GET", f"{USERS}/{bob.id}", None),
        ("GET", f"{USERS}/{bob.id}/sessions", None),
        ("DELETE", f"{USERS}/{bob.id}/sessions", None),
        ("PATCH", f"{USERS}/{ann.id}", {"role": "admin"}),
        ("POST", f"{USERS}/{bob.id}/disable", {"because": "x"}),
        ("POST", f"{USERS}/{bob.id}/enable", None),
    ):
        assert (await ann(method, path, json=body)).status_code == 403
        assert (await api.request(method, path, json=body)).status_code == 401
