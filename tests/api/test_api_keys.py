"""Keys for programs: what they may, what they may not, and when they end."""

import re
from datetime import timedelta

import pytest

from api.app import OPERATIONS
from core import clock

KEYS = "/v1/api-keys"


async def make(person, *scopes, **more):
    answer = await person("POST", KEYS, json={"name": "Sync", "scopes": list(scopes) or ["read"], **more})
    assert answer.status_code == 201, answer.text
    return answer.json()


def bearing(key):
    return {"Authorization": f"Bearer {key['key']}"}


async def test_a_key_is_shown_once(ann):
    made = await make(ann)
    assert made["key"].startswith(made["prefix"])
    (listed,) = (await ann("GET", KEYS)).json()["results"]
    assert listed == {name: value for name, value in made.items() if name != "key"}
    assert made["key"] not in (await ann("GET", KEYS)).text


async def test_a_program_asks_as_its_user(api, ann, bob, world):
    await ann("PUT", f"/v1/hidden/contacts/{world.contacts[0]}")
    await bob("PUT", f"/v1/hidden/contacts/{world.contacts[1]}")
    key = await make(ann)
    answer = await api.get("/v1/hidden/contacts", headers=bearing(key))
    assert [row["id"] for row in answer.json()["results"]] == [world.contacts[0]]
    assert (await ann("GET", KEYS)).json()["results"][0]["last_used_at"] is not None


async def test_a_scope_is_needed_for_each_call(api, ann, world):
    read, write, spend = [await make(ann, scope) for scope in ("read", "write", "spend")]
    hide = ("PUT", f"/v1/hidden/contacts/{world.contacts[0]}", None)
    search = ("POST", "/v1/contacts/search", {})
    unlock = ("POST", f"/v1/contacts/{world.contacts[0]}/unlock", {"fields": ["email"]})
    for (method, path, body), fitting in ((hide, write), (search, read), (unlock, spend)):
        for key in (read, write, spend):
            answer = await api.request(method, path, json=body, headers=bearing(key))
            if key is fitting:
                assert answer.status_code != 403, (path, answer.text)
            else:
                assert answer.status_code == 403, (path, answer.text)
                assert answer.json()["type"] == "/problems/scope-missing"
                assert answer.json()["facts"]["needed"] == fitting["scopes"][0]


async def test_no_key_makes_lists_or_revokes_keys(api, admin):
    every = await make(admin, "read", "write", "spend", "admin")
    for method, path, body in (
        ("POST", KEYS, {"name": "Another", "scopes": ["read"]}),
        ("GET", KEYS, None),
        ("DELETE", f"{KEYS}/{every['id']}", None),
    ):
        answer = await api.request(method, path, json=body, headers=bearing(every))
        assert answer.status_code == 403, path
        assert answer.json()["type"] == "/problems/scope-missing"


async def test_administration_takes_an_administrator_and_the_scope(api, ann, admin):
    assert (await ann("POST", KEYS, json={"name": "x", "scopes": ["admin"]})).json()[
        "type"
    ] == "/problems/not-allowed"
    every, without = await make(admin, "admin"), await make(admin, "read", "write", "spend")
    assert (await api.get("/v1/admin/users", headers=bearing(every))).status_code == 200
    assert (await api.get("/v1/admin/users", headers=bearing(without))).status_code == 403


async def test_a_key_of_the_owners_day_is_no_more_than_its_owner(api, ann, admin):
    """An administrator who is one no longer keeps a key, and the key is a member's."""
    key = await make(admin, "admin")
    await admin("PATCH", f"/v1/admin/users/{ann.id}", json={"role": "admin"})
    await ann("PATCH", f"/v1/admin/users/{admin.id}", json={"role": "member"})
    assert (await api.get("/v1/admin/users", headers=bearing(key))).json()["type"] == "/problems/not-allowed"


async def test_a_revoked_an_expired_and_an_invented_key_are_refused(api, ann, bob):
    gone, ends = await make(ann), await make(ann, expires_at=(clock.now() + timedelta(days=1)).isoformat())
    assert (await bob("DELETE", f"{KEYS}/{gone['id']}")).status_code == 404
    assert (await ann("DELETE", f"{KEYS}/{gone['id']}")).status_code == 204
    assert (await ann("DELETE", f"{KEYS}/{gone['id']}")).status_code == 404
    invented = {"key": f"lf_aaaaaaaa_{'A' * 43}"}
    for key in (gone, invented, {"key": "lf_"}, {"key": f"{ends['key']}x"}, {"key": "lf_" + "\x7f" * 60}):
        answer = await api.get("/v1/usage", headers=bearing(key))
        assert answer.status_code == 401
        assert answer.json()["type"] == "/problems/bad-api-key"
    assert (await api.get("/v1/usage", headers=bearing(ends))).status_code == 200
    with clock.shifted(timedelta(days=2)):
        assert (await api.get("/v1/usage", headers=bearing(ends))).status_code == 401


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": "", "scopes": ["read"]},
        {"name": "x" * 101, "scopes": ["read"]},
        {"name": "x", "scopes": []},
        {"name": "x", "scopes": ["all"]},
        {"name": "x", "scopes": "read"},
        {"name": "x", "scopes": ["read"], "expires_at": "2020-01-01T00:00:00Z"},
        {"name": "x", "scopes": ["read"], "expires_at": "2099-01-01T00:00:00"},
        {"name": "x", "scopes": ["read"], "user_id": "6f9619ff-8b86-4d01-b42d-00cf4fc964ff"},
        {"name": "x\x00", "scopes": ["read"]},
    ],
)
async def test_what_cannot_be_is_refused(ann, body):
    answer = await ann("POST", KEYS, json=body)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"


async def test_every_call_that_costs_credits_needs_the_scope_for_it(api, ann):
    """A key for reading cannot be used to spend; the calls that spend are named here once more."""
    spending = {op.name for op in OPERATIONS if op.scope == "spend"}
    assert {
        "unlock_contact",
        "unlock_contacts",
        "validate_email",
        "validate_email_function",
        "find_email",
        "email_finder_function",
        "create_email_job",
    } <= spending
    key = await make(ann, "read", "write")
    for op in OPERATIONS:
        if op.scope in {"spend", "admin", "person"} and op.access != "public":
            answer = await api.request(op.method, re.sub(r"{\w+}", "1", op.path), headers=bearing(key))
            assert answer.status_code == 403, op.name
