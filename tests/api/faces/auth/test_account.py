"""What people change about their own account."""

from datetime import timedelta

import pytest

from core import clock
from db.sessions import SERVICE
from domain import users
from tests.api.faces.auth.face import INVALID, PASSWORD, code_of, fragment_of


async def test_metadata_are_merged(face):
    token = (await face.person(data={"name": "Ann", "team": "A"}))["access_token"]
    answer = await face("PUT", "/user", token, json={"data": {"team": "B", "seat": 4}})
    assert answer.json()["user_metadata"] == {"name": "Ann", "team": "B", "seat": 4}
    answer = await face("PUT", "/user", token, json={"data": {"x": "y" * 4000}})
    assert answer.status_code == 200
    assert code_of(await face("PUT", "/user", token, json={"data": {"z": "y" * 4000}})) == INVALID
    # The largest there can be still fits into a token.
    refreshed = await face.refresh((await face.sign_in(answer.json()["email"])).json()["refresh_token"])
    assert (await face("GET", "/user", refreshed.json()["access_token"])).status_code == 200


async def test_a_new_password_is_new_and_good(face):
    session = await face.person()
    token = session["access_token"]
    assert code_of(await face("PUT", "/user", token, json={"password": PASSWORD})) == (422, "same_password")
    assert code_of(await face("PUT", "/user", token, json={"password": "short"})) == (422, "weak_password")
    other = (await face.sign_in(session["user"]["email"])).json()
    assert (await face("PUT", "/user", token, json={"password": "a wholly new one"})).status_code == 200
    assert code_of(await face.refresh(other["refresh_token"])) == (400, "refresh_token_not_found")
    assert (await face("GET", "/user", token)).status_code == 200


async def test_what_is_said_later_gives_no_right_either(face, owner):
    token = (await face.person())["access_token"]
    greedy = {
        "role": "service_role",
        "plan_id": "team",
        "credit_balance": 9_999,
        "is_admin": True,
        "stripe_customer_id": "cus_another",
        "needs_aal2": False,
        "session_id": None,
    }
    answer = await face(
        "PUT", "/user", token, json={"data": greedy, **greedy, "app_metadata": greedy, "aud": "admin"}
    )
    # It is kept as what somebody says of themselves, and counts for nothing.
    assert (answer.status_code, answer.json()["user_metadata"]) == (200, greedy)
    assert answer.json()["app_metadata"] == {"provider": "email", "providers": ["email"]}
    assert (answer.json()["role"], answer.json()["aud"]) == ("authenticated", "authenticated")
    row = await owner.fetchrow("SELECT role, plan_id, credit_balance FROM app.users")
    assert tuple(row) == ("member", "free", 50)
    assert await owner.fetchval("SELECT count(*) FROM app.billing_customers") == 0
    headers = {"Authorization": f"Bearer {token}"}
    assert (await face.http.get("/v1/admin/users", headers=headers)).status_code == 403


async def test_a_new_address_is_confirmed_from_both_ends(face, owner):
    session = await face.person("old@example.com")
    token = session["access_token"]
    answer = await face("PUT", "/user", token, json={"email": "New@Example.com"})
    assert (answer.json()["email"], answer.json()["new_email"]) == ("old@example.com", "new@example.com")
    await face.mail()
    await face("POST", "/resend", json={"type": "email_change", "email": "new@example.com"})
    letters = await face.mail()
    assert [letter["To"] for letter in letters] == ["old@example.com", "new@example.com"]
    said = fragment_of(await face("GET", face.link(-1)))
    assert "proceed to confirm" in said["message"]
    assert (await face("GET", "/user", token)).json()["email"] == "old@example.com"
    assert fragment_of(await face("GET", face.link(-2)))["access_token"]
    user = (await face("GET", "/user", token)).json()
    assert user["email"] == "new@example.com"
    assert "new_email" not in user
    assert user["identities"][0]["identity_data"]["email"] == "new@example.com"
    assert (await face.sign_in("new@example.com")).status_code == 200
    assert code_of(await face.sign_in("old@example.com")) == (400, "invalid_credentials")
    assert await owner.fetchval("SELECT email::text FROM app.users") == "new@example.com"


async def test_one_end_alone_changes_nothing_however_often(face):
    session = await face.person("old@example.com")
    for _ in range(2):
        await face("PUT", "/user", session["access_token"], json={"email": "new@example.com"})
        await face.mail()
        assert "message" in fragment_of(await face("GET", face.link(-1)))
    assert (await face("GET", "/user", session["access_token"])).json()["email"] == "old@example.com"


async def test_an_address_that_is_taken_is_not_told_and_not_given(face):
    await face.person("taken@example.com")
    session = await face.person("old@example.com")
    free = await face("PUT", "/user", session["access_token"], json={"email": "free@example.com"})
    taken = await face("PUT", "/user", session["access_token"], json={"email": "taken@example.com"})
    assert (free.status_code, free.json().keys()) == (taken.status_code, taken.json().keys())
    letters = await face.mail()
    assert "taken@example.com" not in [letter["To"] for letter in letters]


async def test_showing_once_more_who_one_is(face):
    session = await face.person()
    token = session["access_token"]
    assert (await face("GET", "/reauthenticate", token)).json() == {}
    await face.mail()
    body = {"password": "a wholly new one", "nonce": "000000" if face.code() != "000000" else "111111"}
    refused = (422, "reauthentication_not_valid")
    assert code_of(await face("PUT", "/user", token, json=body)) == refused
    assert (await face("PUT", "/user", token, json=body | {"nonce": face.code()})).status_code == 200
    body = {"password": "yet another one", "nonce": face.code()}
    assert code_of(await face("PUT", "/user", token, json=body)) == refused


async def test_a_disabled_account_is_shut_everywhere(face, db):
    session = await face.person()
    email = session["user"]["email"]
    async with db.transaction(SERVICE) as opened:
        person = await users.find(opened, email=email)
        await users.disable(opened, actor_id=None, user_id=person.id, because="left")
    shut = (403, "user_banned")
    assert code_of(await face("GET", "/user", session["access_token"])) == shut
    assert code_of(await face.sign_in(email)) == shut
    assert code_of(await face.sign_in(email, "not it at all")) == (400, "invalid_credentials")
    assert code_of(await face.refresh(session["refresh_token"])) == shut
    await face("POST", "/recover", json={"email": email})
    assert await face.mail() == []


@pytest.mark.parametrize("method, path", [("GET", "/user"), ("PUT", "/user"), ("GET", "/reauthenticate")])
async def test_who_is_not_signed_in_is_refused(face, method, path):
    body = {"json": {}} if method == "PUT" else {}
    session = await face.person()
    assert code_of(await face(method, path, **body)) == (401, "no_authorization")
    for token in ("x", "a.b.c", await face.anon_key(), await face.service_key()):
        assert code_of(await face(method, path, token, **body)) == (403, "bad_jwt")
    head, claims, mark = session["access_token"].split(".")
    for forged in (f"{head}.{claims}.", f"{head}.{claims}.{mark[::-1]}", f"{head}.{claims[:-4]}AAAA.{mark}"):
        assert code_of(await face(method, path, forged, **body)) == (403, "bad_jwt")
    with clock.shifted(timedelta(hours=2)):
        assert code_of(await face(method, path, session["access_token"], **body)) == (403, "bad_jwt")


async def test_nobody_has_a_phone_number(face):
    token = (await face.person())["access_token"]
    assert code_of(await face("PUT", "/user", token, json={"phone": "+491"})) == INVALID
