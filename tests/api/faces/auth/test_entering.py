"""Signing up, in and out, as the clients do it (levels M of `/auth/v1`)."""

import asyncio
from datetime import UTC, datetime, timedelta

import jwt
import pytest

from core import clock
from tests.api.faces.auth.face import INVALID, PASSWORD, code_of, pkce


async def test_the_address_is_proved_before_there_is_an_account(face, owner):
    answer = await face("POST", "/signup", json={"email": "Ann@Example.com", "password": PASSWORD})
    user = answer.json()
    assert (answer.status_code, user["email"], user["role"]) == (200, "ann@example.com", "authenticated")
    assert "access_token" not in user
    assert "email_confirmed_at" not in user
    assert await owner.fetchval("SELECT count(*) FROM app.users") == 0
    assert code_of(await face.sign_in("ann@example.com")) == (400, "email_not_confirmed")
    assert code_of(await face.sign_in("ann@example.com", "not it at all")) == (400, "invalid_credentials")

    (letter,) = await face.mail()
    assert letter["To"] == "ann@example.com"
    body = {"type": "signup", "email": "ann@example.com", "token": face.code()}
    session = (await face("POST", "/verify", json=body)).json()
    assert session["user"]["id"] == user["id"]
    row = await owner.fetchrow("SELECT id, email::text, plan_id, role, credit_balance FROM app.users")
    assert (str(row["id"]), row["email"], row["plan_id"], row["role"]) == (
        user["id"], "ann@example.com", "free", "member",
    )  # fmt: skip
    assert row["credit_balance"] == 50
    assert (
        await owner.fetchval("SELECT sum(delta) FROM app.credit_ledger WHERE user_id = $1", row["id"]) == 50
    )


async def test_a_session_and_its_user_have_what_the_clients_need(face):
    session = await face.person(data={"name": "Ann"})
    assert session["token_type"] == "bearer"
    assert session["expires_in"] == 3600
    assert abs(session["expires_at"] - datetime.now(UTC).timestamp() - 3600) < 10
    assert session["refresh_token"]
    user = session["user"]
    assert user["aud"] == user["role"] == "authenticated"
    assert user["app_metadata"] == {"provider": "email", "providers": ["email"]}
    assert user["user_metadata"] == {"name": "Ann"}
    assert user["phone"] == ""
    assert user["is_anonymous"] is False
    for moment in ("created_at", "updated_at", "email_confirmed_at", "confirmed_at", "last_sign_in_at"):
        datetime.fromisoformat(user[moment])
    (identity,) = user["identities"]
    assert identity["provider"] == "email"
    assert {"id", "identity_id", "user_id", "identity_data", "created_at"} <= identity.keys()
    claims = jwt.decode(session["access_token"], options={"verify_signature": False})
    assert claims["sub"] == user["id"]
    assert claims["email"] == user["email"]
    assert (claims["aud"], claims["role"], claims["aal"]) == ("authenticated", "authenticated", "aal1")
    assert claims["amr"][0]["method"] == "email/signup"
    assert claims["session_id"]
    assert claims["is_anonymous"] is False
    assert (await face("GET", "/user", session["access_token"])).json() == user


async def test_the_session_opens_the_product_of_its_user(face):
    session = await face.person()
    answer = await face.http.get("/v1/usage", headers={"Authorization": f"Bearer {session['access_token']}"})
    assert answer.status_code == 200


async def test_where_addresses_are_taken_at_their_word_signing_up_signs_in(open_face):
    async with open_face(confirm="none") as face:
        body = {"email": "ann@example.com", "password": PASSWORD}
        answer = await face("POST", "/signup", json=body)
        assert answer.json()["access_token"]
        assert code_of(await face("POST", "/signup", json=body)) == (422, "user_already_exists")
        assert await face.mail() == []
        # Nobody has proved the address, so who does ends what was made under it.
        await face("POST", "/otp", json={"email": "ann@example.com"})
        await face.mail()
        body = {"type": "magiclink", "email": "ann@example.com", "token": face.code()}
        assert (await face("POST", "/verify", json=body)).status_code == 200
        assert code_of(await face.sign_in("ann@example.com")) == (400, "invalid_credentials")
        token = answer.json()["access_token"]
        assert code_of(await face("GET", "/user", token)) == (403, "session_not_found")


async def test_signing_in_by_password_and_refreshing(face):
    email = (await face.person())["user"]["email"]
    first = (await face.sign_in(f" {email.upper()} ")).json()
    second = (await face.refresh(first["refresh_token"])).json()
    assert second["refresh_token"] != first["refresh_token"]
    assert second["user"]["id"] == first["user"]["id"]
    said = [jwt.decode(s["access_token"], options={"verify_signature": False}) for s in (first, second)]
    assert said[0]["session_id"] == said[1]["session_id"]


async def test_the_parent_of_the_active_token_gets_the_active_one_again(face):
    """A client that lost the answer asks once more, however much later."""
    first = (await face.sign_in((await face.person())["user"]["email"])).json()["refresh_token"]
    second = (await face.refresh(first)).json()["refresh_token"]
    with clock.shifted(timedelta(minutes=10)):
        assert (await face.refresh(first)).json()["refresh_token"] == second


async def test_a_token_used_again_ends_the_whole_session(face, owner):
    signed_in = (await face.sign_in((await face.person())["user"]["email"])).json()
    first = signed_in["refresh_token"]
    second = (await face.refresh(first)).json()["refresh_token"]
    third = (await face.refresh(second)).json()["refresh_token"]
    # Within the interval it may be a slow tab; after it, it is a thief, or the owner behind one.
    assert (await face.refresh(first)).json()["refresh_token"] == third
    with clock.shifted(timedelta(seconds=11)):
        for token in (first, third, second):
            assert code_of(await face.refresh(token)) == (400, "refresh_token_already_used")
    access = signed_in["access_token"]
    assert code_of(await face("GET", "/user", access)) == (403, "session_not_found")
    assert await owner.fetchval("SELECT count(*) FROM auth.events WHERE action = 'session_revoked'") == 1


async def test_twenty_who_refresh_at_once_get_one_line(face, owner):
    session = await face.person()
    answers = await asyncio.gather(*(face.refresh(session["refresh_token"]) for _ in range(20)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["refresh_token"] for answer in answers}) == 1
    assert await owner.fetchval("SELECT count(*) FROM auth.refresh_tokens") == 2


async def test_refresh_tokens_that_are_none_of_ours(face):
    session = await face.person()
    token = session["refresh_token"]
    for wrong in ("x", token[:-1], token + "A", "A" * 54, token[::-1], "é" * 54, session["access_token"]):
        assert code_of(await face.refresh(wrong)) == (400, "refresh_token_not_found")
    assert code_of(await face("POST", "/token?grant_type=refresh_token", json={})) == (
        400,
        "validation_failed",
    )
    # A refresh token is no bearer token.
    assert code_of(await face("GET", "/user", token)) == (403, "bad_jwt")


async def test_a_session_that_nobody_uses_is_over(face):
    session = await face.person()
    with clock.shifted(timedelta(days=31)):
        assert code_of(await face.refresh(session["refresh_token"])) == (400, "refresh_token_not_found")


@pytest.mark.parametrize(
    "scope, left",
    [("global", "00"), ("local", "01"), ("others", "10"), ("", "00")],
)
async def test_signing_out(face, scope, left):
    email = (await face.person())["user"]["email"]
    here, there = [(await face.sign_in(email)).json() for _ in range(2)]
    answer = await face("POST", f"/logout?scope={scope}", here["access_token"])
    assert (answer.status_code, answer.content) == (204, b"")
    goes_on = [(await face.refresh(s["refresh_token"])).status_code == 200 for s in (here, there)]
    assert goes_on == [digit == "1" for digit in left]
    if not goes_on[0]:
        assert code_of(await face("GET", "/user", here["access_token"])) == (403, "session_not_found")


async def test_signing_out_needs_a_session_and_a_known_scope(face):
    session = await face.person()
    assert code_of(await face("POST", "/logout")) == (401, "no_authorization")
    assert code_of(await face("POST", "/logout?scope=all", session["access_token"])) == (
        400,
        "validation_failed",
    )


@pytest.mark.parametrize(
    "body, code",
    [
        ({"password": PASSWORD}, (422, "anonymous_provider_disabled")),
        ({"data": {}}, (422, "anonymous_provider_disabled")),
        ({"email": "ann@example.com"}, INVALID),
        ({"phone": "+491", "password": PASSWORD}, INVALID),
        ({"email": "nothing", "password": PASSWORD}, (400, "email_address_invalid")),
        ({"email": "a@b.com\r\nBcc: x@y.com", "password": PASSWORD}, (400, "email_address_invalid")),
        ({"email": "ann@example.com", "password": "short"}, (422, "weak_password")),
        ({"email": "ann@example.com", "password": "Password1"}, (422, "weak_password")),
        ({"email": "ann@example.com", "password": "x" * 257}, INVALID),
        ({"email": "ann@example.com", "password": PASSWORD, "data": {"a": "x" * 5000}}, INVALID),
        ({"email": 5, "password": PASSWORD}, INVALID),
        ({"email": "ann@example.com", "password": PASSWORD, "data": []}, INVALID),
        ({"email": "ann@example.com", "password": PASSWORD, "code_challenge": "x"}, INVALID),
    ],
)  # fmt: skip
async def test_signups_that_are_refused(face, owner, body, code):
    assert code_of(await face("POST", "/signup", json=body)) == code
    assert await owner.fetchval("SELECT count(*) FROM auth.signups") == 0


async def test_a_weak_password_says_why(face):
    answer = await face("POST", "/signup", json={"email": "ann@example.com", "password": "short"})
    assert answer.json()["weak_password"] == {"reasons": ["length"]}
    answer = await face("POST", "/signup", json={"email": "ann@example.com", "password": "qwertyuiop"})
    assert answer.json()["weak_password"] == {"reasons": ["pwned"]}


async def test_what_somebody_says_of_themselves_gives_no_right(face, owner):
    """Metadata, and fields beside them, with the rights of others."""
    greedy = {"role": "service_role", "plan_id": "team", "credit_balance": 9999, "is_admin": True}
    session = await face.person(
        data=greedy, role="admin", app_metadata={"role": "admin"}, aud="admin", credits=7
    )
    row = await owner.fetchrow("SELECT role, plan_id, credit_balance FROM app.users")
    assert tuple(row) == ("member", "free", 50)
    claims = jwt.decode(session["access_token"], options={"verify_signature": False})
    assert claims["role"] == "authenticated"
    assert claims["app_metadata"] == {"provider": "email", "providers": ["email"]}
    assert code_of(await face("GET", "/admin/users", session["access_token"])) == (403, "not_admin")
    headers = {"Authorization": f"Bearer {session['access_token']}"}
    assert (await face.http.get("/v1/admin/users", headers=headers)).status_code == 403


async def test_consent_is_kept_as_it_was_given(open_face, owner):
    async with open_face(terms_version="2026-11", trusted_proxies=1) as face:
        body = {"email": "ann@example.com", "password": PASSWORD}
        for data in ({}, {"terms_version": "2025-01"}, {"terms_version": 3}):
            assert code_of(await face("POST", "/signup", json=body | {"data": data})) == (
                400,
                "validation_failed",
            )
        headers = {"X-Forwarded-For": "6.6.6.6, 203.0.113.7", "User-Agent": "browser/1"}
        body |= {"data": {"terms_version": "2026-11"}}
        assert (await face("POST", "/signup", json=body, headers=headers)).status_code == 200
        await face.mail()
        asked_at = await owner.fetchval("SELECT created_at FROM auth.signups")
        await face(
            "POST", "/verify", json={"type": "email", "email": "ann@example.com", "token": face.code()}
        )
    row = await owner.fetchrow("SELECT text_version, host(address), user_agent, given_at FROM auth.consents")
    assert tuple(row) == ("2026-11", "203.0.113.7", "browser/1", asked_at)
    for statement in ("UPDATE auth.consents SET text_version = 'x'", "DELETE FROM auth.consents"):
        with pytest.raises(Exception, match="only grows"):
            await owner.execute(statement)


async def test_a_closed_installation_takes_nobody(open_face, owner):
    async with open_face(signup="closed") as face:
        body = {"email": "ann@example.com", "password": PASSWORD}
        assert code_of(await face("POST", "/signup", json=body)) == (422, "signup_disabled")
        assert (await face("POST", "/otp", json={"email": "ann@example.com"})).json() == {}
        assert await face.mail() == []
        assert (await face("GET", "/settings")).json()["disable_signup"] is True


async def test_by_invitation_those_who_are_invited(open_face, ann, owner):
    async with open_face(signup="invitation", confirm="none") as face:
        await owner.execute(
            "WITH list AS (INSERT INTO app.lists (owner_id, name) VALUES ($1, 'Prospects') RETURNING id)"
            " INSERT INTO app.list_invitations (list_id, email, role, token_hash, invited_by)"
            " SELECT id, 'guest@example.com', 'viewer', '\\x01', $1 FROM list",
            ann.id,
        )
        for email in ("guest@example.com", "stranger@example.com"):
            answer = await face("POST", "/signup", json={"email": email, "password": PASSWORD})
            # Even where addresses are taken at their word: an invitation is for who can read its mail.
            assert answer.status_code == 200
            assert "access_token" not in answer.json()
        await owner.execute("DELETE FROM app.outbox WHERE job = 'lists.invite'")
        (letter,) = await face.mail()
        assert letter["To"] == "guest@example.com"


async def test_grants_that_there_are_not(face):
    for grant in ("", "client_credentials", "password%00", "web3"):
        answer = await face("POST", f"/token?grant_type={grant}", json={"email": "a@b.com", "password": "x"})
        assert code_of(answer) == INVALID


async def test_pkce_codes_that_are_none(face):
    verifier, _ = pkce()
    for body, code in (
        ({"auth_code": "x", "code_verifier": verifier}, (404, "flow_state_not_found")),
        ({"auth_code": "", "code_verifier": verifier}, INVALID),
        ({"auth_code": "x"}, INVALID),
    ):
        assert code_of(await face("POST", "/token?grant_type=pkce", json=body)) == code
