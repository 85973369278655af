"""What the service key may, and nobody else."""

from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from core import clock
from db.sessions import ANON, SERVICE, SIGN_IN, Actor
from domain.auth import upkeep
from tests.api.faces.auth.face import INVALID, PASSWORD, code_of, fragment_of

ADMIN = (
    ("GET", "/admin/users"),
    ("POST", "/admin/users"),
    ("GET", "/admin/users/00000000-0000-0000-0000-000000000001"),
    ("PUT", "/admin/users/00000000-0000-0000-0000-000000000001"),
    ("DELETE", "/admin/users/00000000-0000-0000-0000-000000000001"),
    ("POST", "/admin/generate_link"),
    ("POST", "/invite"),
)


@pytest.mark.parametrize("method, path", ADMIN)
async def test_nobody_but_the_service(face, admin, method, path):
    member = (await face.person())["access_token"]
    for token in (member, admin.token, await face.anon_key()):
        for headers in ({}, {"X-HTTP-Method-Override": method, "X-Original-URL": path, "apikey": token}):
            assert code_of(await face(method, path, token, json={}, headers=headers)) == (403, "not_admin")
    assert code_of(await face(method, path, json={})) == (401, "no_authorization")
    assert code_of(await face(method, path, "x", json={})) == (403, "bad_jwt")
    service = await face.service_key()
    assert code_of(await face(method, path, service[:-3] + "AAA", json={})) == (403, "bad_jwt")


async def test_accounts_in_pages(face, owner):
    service = await face.service_key()
    for n in range(5):
        body = {"email": f"{n}@example.com", "email_confirm": True}
        assert (await face("POST", "/admin/users", service, json=body)).status_code == 200
    answer = await face("GET", "/admin/users?page=2&per_page=2", service)
    assert [user["email"] for user in answer.json()["users"]] == ["2@example.com", "1@example.com"]
    assert (answer.headers["x-total-count"], answer.json()["aud"]) == ("5", "authenticated")
    assert 'page=3&per_page=2>; rel="next"' in answer.headers["link"]
    assert 'page=3&per_page=2>; rel="last"' in answer.headers["link"]
    for wrong in ("page=0", "page=-1", "page=x", "per_page=1e6", "page=9999999999", "page=²"):
        assert code_of(await face("GET", f"/admin/users?{wrong}", service)) == INVALID
    assert (await face("GET", "/admin/users?per_page=1000000&page=999999999", service)).json()["users"] == []
    # Each of them is in the audit, and has the plan's first credits.
    assert await owner.fetchval("SELECT count(*) FROM app.audit_log WHERE action = 'sign_in.user_made'") == 5
    assert await owner.fetchval("SELECT sum(credit_balance) FROM app.users") == 250


async def test_an_account_that_is_made_changed_and_deleted(face, owner):
    service = await face.service_key()
    body = {"email": "bob@example.com", "password": PASSWORD, "user_metadata": {"name": "Bob"}}
    bob = (await face("POST", "/admin/users", service, json=body)).json()
    assert "email_confirmed_at" not in bob
    assert code_of(await face("POST", "/admin/users", service, json=body)) == (422, "email_exists")
    assert code_of(await face.sign_in("bob@example.com")) == (400, "email_not_confirmed")
    path = f"/admin/users/{bob['id']}"
    assert (await face("PUT", path, service, json={"email_confirm": True})).json()["email_confirmed_at"]
    session = (await face.sign_in("bob@example.com")).json()
    changed = await face("PUT", path, service, json={"app_metadata": {"team": "A", "providers": ["root"]}})
    assert changed.json()["app_metadata"] == {"team": "A", "provider": "email", "providers": ["email"]}
    await face("PUT", path, service, json={"password": "another one here"})
    assert code_of(await face.refresh(session["refresh_token"])) == (400, "refresh_token_not_found")
    ann = await face.person("ann@example.com")
    body = {"email": ann["user"]["email"]}
    assert code_of(await face("PUT", path, service, json=body)) == (422, "email_exists")
    for wrong in ("1y", "h", "", "-1h"):
        assert code_of(await face("PUT", path, service, json={"ban_duration": wrong})) == INVALID
    await face("PUT", path, service, json={"ban_duration": "1h30m"})
    assert code_of(await face.sign_in("bob@example.com", "another one here")) == (403, "user_banned")
    with clock.shifted(timedelta(hours=2)):
        assert (await face.sign_in("bob@example.com", "another one here")).status_code == 200
    assert (await face("DELETE", path, service)).json() == {}
    assert code_of(await face("GET", path, service)) == (404, "user_not_found")
    row = await owner.fetchrow("SELECT email::text, erased_at FROM app.users WHERE id = $1", bob["id"])
    assert "bob" not in row["email"]
    assert row["erased_at"] is not None
    assert await owner.fetchval("SELECT count(*) FROM auth.users") == 1


async def test_an_invitation_is_taken_by_its_link(open_face):
    async with open_face(signup="closed") as face:
        service = await face.service_key()
        body = {"email": "guest@example.com", "data": {"name": "Guest"}}
        assert (await face("POST", "/invite", service, json=body)).json()["invited_at"]
        assert code_of(await face("POST", "/invite", service, json=body)) == (422, "email_exists")
        await face.mail()
        said = fragment_of(await face("GET", face.link()))
        assert said["type"] == "invite"
        answer = await face("PUT", "/user", said["access_token"], json={"password": PASSWORD})
        assert answer.status_code == 200
        assert (await face.sign_in("guest@example.com")).status_code == 200


async def test_links_that_the_service_hands_out_itself(face):
    service = await face.service_key()
    body = {"type": "signup", "email": "ann@example.com", "password": PASSWORD, "data": {"name": "Ann"}}
    made = (await face("POST", "/admin/generate_link", service, json=body)).json()
    assert await face.mail() == []
    given = {"type": "signup", "token_hash": made["hashed_token"]}
    assert (await face("POST", "/verify", json=given)).json()["user"]["id"] == made["id"]
    for type_ in ("magiclink", "recovery"):
        body = {"type": type_, "email": "ann@example.com"}
        made = (await face("POST", "/admin/generate_link", service, json=body)).json()
        given = {"type": type_, "email": "ann@example.com", "token": made["email_otp"]}
        assert (await face("POST", "/verify", json=given)).status_code == 200
    for type_ in ("email_change_current", "email_change_new"):
        body = {"type": type_, "email": "ann@example.com", "new_email": "new@example.com"}
        made = (await face("POST", "/admin/generate_link", service, json=body)).json()
        fragment_of(await face("GET", made["action_link"].partition("/auth/v1")[2]))
    assert (await face.sign_in("new@example.com")).status_code == 200
    for body, code in (
        ({"type": "magiclink", "email": "nobody@example.com"}, (404, "user_not_found")),
        ({"type": "signup", "email": "x@example.com"}, INVALID),
        ({"type": "signup", "email": "new@example.com", "password": PASSWORD}, (422, "email_exists")),
        ({"type": "sms", "email": "x@example.com"}, INVALID),
        ({"type": "recovery"}, INVALID),
        ({"type": "email_change_new", "email": "new@example.com"}, (400, "email_address_invalid")),
    ):
        assert code_of(await face("POST", "/admin/generate_link", service, json=body)) == code


async def test_what_is_over_is_cleared_away(face, db, owner):
    await face.person()
    await face("POST", "/signup", json={"email": "late@example.com", "password": PASSWORD})
    await face.mail()
    with clock.shifted(timedelta(days=29)):
        await upkeep.forget_old(db, face.settings)
        counts = "SELECT (SELECT count(*) FROM auth.{}), (SELECT count(*) FROM auth.{})"
        assert tuple(await owner.fetchrow(counts.format("signups", "one_time_tokens"))) == (0, 0)
        assert tuple(await owner.fetchrow(counts.format("sessions", "users"))) == (1, 1)
    with clock.shifted(timedelta(days=31)):
        assert await upkeep.forget_old(db, face.settings) == 1
        assert tuple(await owner.fetchrow(counts.format("sessions", "users"))) == (0, 1)


async def test_no_role_of_the_api_reaches_what_signs_people_in(session_as):
    """Neither a member nor anybody, and not the service's own SQL."""
    tables = (
        "users",
        "sessions",
        "refresh_tokens",
        "one_time_tokens",
        "identities",
        "consents",
        "mfa_factors",
    )
    for actor in (ANON, Actor("authenticated"), SERVICE):
        for table in tables:
            async with session_as(actor) as session:
                with pytest.raises(DBAPIError, match="permission denied"):
                    await session.execute(text(f"SELECT 1 FROM auth.{table}"))
    for forbidden in (
        "app.contacts",
        "app.credit_ledger",
        "app.lists",
        "public.contacts",
        "app.signing_keys",
    ):
        async with session_as(SIGN_IN) as session:
            with pytest.raises(DBAPIError, match="permission denied"):
                await session.execute(text(f"SELECT 1 FROM {forbidden}"))
