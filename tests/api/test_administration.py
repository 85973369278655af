"""Attackers at the routes of administrators: each of them, by every trick with paths, verbs and headers."""

import re
import secrets
from dataclasses import replace
from uuid import uuid4

import pytest

from api.app import OPERATIONS, create_app

ADMIN = [op for op in OPERATIONS if op.access == "admin"]
TRICKS = {
    "X-HTTP-Method-Override": "GET",
    "X-Original-URL": "/v1/usage",
    "X-Rewrite-URL": "/v1/usage",
    "X-Forwarded-For": "127.0.0.1",
    "X-Forwarded-User": "admin",
    "X-Real-IP": "127.0.0.1",
    "X-User-Role": "admin",
    "Forwarded": "for=127.0.0.1;host=localhost",
    "Cookie": "role=admin; is_admin=true",
}


def path_of(op):
    return re.sub(r"{\w+}", str(uuid4()), op.path)


def test_there_are_routes_to_try():
    assert {op.name for op in ADMIN} >= {"search_users", "list_audit", "create_import", "change_user"}


@pytest.mark.parametrize("op", ADMIN, ids=lambda op: op.name)
async def test_members_and_strangers_are_kept_out_whatever_they_say_beside(api, ann, ring, op):
    key = (await ann("POST", "/v1/api-keys", json={"name": "x", "scopes": ["read", "write", "spend"]})).json()
    bearers = {
        "": 401,
        f"Bearer {ann.token}": 403,
        f"Bearer {key['key']}": 403,
        f"Bearer {await ring.client_key('anon')}": 401,
        f"Bearer {await ring.client_key('service_role')}": 401,
    }
    for bearer, status in bearers.items():
        headers = TRICKS | ({"Authorization": bearer} if bearer else {})
        answer = await api.request(op.method, path_of(op), headers=headers)
        assert answer.status_code == status, (bearer[:12], answer.text)


@pytest.mark.parametrize(
    "path",
    [
        "//v1/admin/users",
        "/v1//admin/users",
        "/v1/./admin/users",
        "/v1/lists/../admin/users",
        "/v1/admin/users/",
        "/v1/admin/users;x=1",
        "/V1/ADMIN/USERS",
        "/v1/%61dmin/users",
        "/v1/admin%2Fusers",
        "/v1/admin/users%00",
        "/v1/admin/users?role=admin",
    ],
)
async def test_another_spelling_of_a_path_is_no_way_around(ann, path):
    assert (await ann("GET", path)).status_code in {403, 404, 422}


@pytest.mark.parametrize("method", ["HEAD", "PUT", "TRACE", "PROPFIND", "get", "GET\t"])
async def test_another_verb_is_no_way_around(ann, method):
    answer = await ann(method, "/v1/admin/users")
    assert answer.status_code in {400, 403, 404, 405}


async def test_what_refreshes_a_session_is_no_bearer(api):
    for text in (secrets.token_urlsafe(32), secrets.token_hex(32), str(uuid4())):
        answer = await api.get("/v1/usage", headers={"Authorization": f"Bearer {text}"})
        assert answer.status_code == 401


async def test_links_lead_to_the_configured_place_whatever_the_host_is_called(api_settings, run_app, ann):
    app = create_app(replace(api_settings, api=replace(api_settings.api, public_url="https://leads.example")))
    forged = {
        "Host": "evil.example",
        "X-Forwarded-Host": "evil.example",
        "Authorization": f"Bearer {ann.token}",
    }
    async with run_app(app) as api:
        for path in ("/openapi.json", "/problems", "/v1/usage", "/v1/lists", "/health/ready"):
            answer = await api.get(path, headers=forged)
            assert "evil.example" not in answer.text + str(answer.headers)


async def test_what_administrators_do_to_records_is_written_down(admin):
    made = (
        await admin("POST", "/v1/contacts", json={"first_name": "Ada", "email": "ada@secret.example"})
    ).json()
    contact = f"/v1/contacts/{made['id']}"
    await admin("PATCH", contact, json={"title": "CTO", "phone": None})
    await admin("DELETE", contact)
    company = (
        await admin("POST", "/v1/organizations", json={"name": "Example", "domain": "a.example"})
    ).json()
    await admin("PATCH", f"/v1/organizations/{company['id']}", json={"website": "https://b.example"})
    await admin("DELETE", f"/v1/organizations/{company['id']}")
    file = {"file": ("people.csv", b"first_name,last_name\nAda,Lovelace\n")}
    form = {"entity": "contacts", "source": "fair"}
    assert (await admin("POST", "/v1/imports", data=form, files=file)).status_code == 202
    answer = await admin("GET", "/v1/admin/audit", params={"actor_id": str(admin.id)})
    entries = answer.json()["results"][::-1]
    assert [(entry["action"], entry["subject"].split(":")[0]) for entry in entries] == [
        ("contact.created", "contact"),
        ("contact.changed", "contact"),
        ("contact.removed", "contact"),
        ("organization.created", "organization"),
        ("organization.changed", "organization"),
        ("organization.removed", "organization"),
        ("import.asked", "import"),
    ]
    assert entries[1]["detail"] == {"fields": ["phone", "title"]}
    # What was written is nowhere in it.
    assert "secret.example" not in answer.text


async def test_what_fails_leaves_no_entry(admin):
    assert (await admin("PATCH", "/v1/contacts/2147483647", json={"title": "CTO"})).status_code == 404
    assert (await admin("POST", "/v1/contacts", json={"email": "no address"})).status_code == 422
    assert (await admin("GET", "/v1/admin/audit")).json()["results"] == []
