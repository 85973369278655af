"""What administrators do with accounts, and that it holds from the next request on."""

import pytest

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
        ("PATCH", f"{USERS}/{ann.id}", {"role": "admin"}),
        ("POST", f"{USERS}/{bob.id}/disable", {"because": "x"}),
        ("POST", f"{USERS}/{bob.id}/enable", None),
    ):
        assert (await ann(method, path, json=body)).status_code == 403
        assert (await api.request(method, path, json=body)).status_code == 401
