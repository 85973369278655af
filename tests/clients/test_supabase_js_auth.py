"""supabase-js, unchanged, signs in here: every call of its `auth` that a front end makes."""

from urllib.parse import parse_qs, urlsplit

import pyotp
import pytest

from tests.clients.conftest import SITE

EMAIL = "ann@example.com"
PASSWORD = "correct horse battery"


@pytest.fixture
async def js(node, live):
    """A client with the anon key: `data, error = await js("signUp", {…})`."""
    await node.make("page", live.url, live.anon_key)

    async def call(method, *args, client="page"):
        answer = await node(client, ["auth"], *[[part] for part in method.split(".")[:-1]],
                            [method.split(".")[-1], *args])  # fmt: skip
        return answer.get("data"), answer.get("error")

    call.node, call.live = node, live
    return call


@pytest.fixture
async def ann(js, post):
    """Somebody who has signed up, confirmed the address and is signed in."""
    data, error = await js(
        "signUp", {"email": EMAIL, "password": PASSWORD, "options": {"data": {"name": "Ann"}}}
    )
    assert error is None
    assert data["session"] is None
    assert data["user"]["email"] == EMAIL
    data, error = await js("verifyOtp", {"email": EMAIL, "token": await post.code(), "type": "email"})
    assert error is None
    return data["session"]


async def test_signing_up_and_who_one_is(js, ann):
    data, _ = await js("getSession")
    assert data["session"]["access_token"] == ann["access_token"]
    data, error = await js("getUser")
    assert error is None
    assert (data["user"]["email"], data["user"]["user_metadata"]) == (EMAIL, {"name": "Ann"})
    data, error = await js("getClaims")
    assert error is None
    # Verified in the client, with the keys that we publish.
    assert (data["claims"]["sub"], data["header"]["alg"]) == (ann["user"]["id"], "ES256")
    data, error = await js("getUserIdentities")
    assert [identity["provider"] for identity in data["identities"]] == ["email"]


async def test_signing_out_and_in(js, ann):
    _, error = await js("signOut")
    assert error is None
    data, _ = await js("getSession")
    assert data["session"] is None
    _, error = await js("refreshSession", {"refresh_token": ann["refresh_token"]})
    assert (error["status"], error["code"]) == (400, "refresh_token_not_found")
    _, error = await js("signInWithPassword", {"email": EMAIL, "password": "not it at all"})
    assert (error["name"], error["status"], error["code"]) == ("AuthApiError", 400, "invalid_credentials")
    assert error["message"] == "Invalid login credentials"
    data, error = await js("signInWithPassword", {"email": EMAIL, "password": PASSWORD})
    assert error is None
    assert data["user"]["id"] == ann["user"]["id"]
    data, error = await js("refreshSession")
    assert error is None
    assert data["session"]["refresh_token"] != ann["refresh_token"]


async def test_a_session_is_taken_over(js, ann, live):
    await js.node.make("other", live.url, live.anon_key)
    tokens = {name: ann[name] for name in ("access_token", "refresh_token")}
    data, error = await js("setSession", tokens, client="other")
    assert error is None
    assert data["user"]["email"] == EMAIL
    for scope in ("others", "local"):
        _, error = await js("signOut", {"scope": scope}, client="other")
        assert error is None
    # The session of the page was the same one.
    data, error = await js("getUser")
    assert error["name"] == "AuthSessionMissingError"


async def test_changing_oneself(js, ann, post):
    data, error = await js("updateUser", {"data": {"team": "A"}})
    assert error is None
    assert data["user"]["user_metadata"] == {"name": "Ann", "team": "A"}
    _, error = await js("updateUser", {"password": PASSWORD})
    assert (error["status"], error["code"]) == (422, "same_password")
    _, error = await js("updateUser", {"password": "short"})
    assert (error["name"], error["reasons"]) == ("AuthWeakPasswordError", ["length"])
    _, error = await js("reauthenticate")
    assert error is None
    nonce = await post.code()
    _, error = await js("updateUser", {"password": "a wholly new one", "nonce": nonce})
    assert error is None
    data, error = await js("updateUser", {"email": "new@example.com"})
    assert (error, data["user"]["new_email"]) == (None, "new@example.com")
    _, error = await js("resend", {"type": "email_change", "email": "new@example.com"})
    assert error is None


async def test_a_forgotten_password(js, ann, post):
    _, error = await js("resetPasswordForEmail", EMAIL, {"redirectTo": f"{SITE}/new"})
    assert error is None
    target = urlsplit(await post.followed())
    assert f"{target.scheme}://{target.netloc}{target.path}" == f"{SITE}/new"
    said = {name: values[0] for name, values in parse_qs(target.fragment).items()}
    assert said["type"] == "recovery"
    tokens = {name: said[name] for name in ("access_token", "refresh_token")}
    _, error = await js("setSession", tokens)
    assert error is None


async def test_links_and_codes_by_mail(js, ann, post):
    _, error = await js("signInWithOtp", {"email": EMAIL, "options": {"shouldCreateUser": False}})
    assert error is None
    token = parse_qs(urlsplit(await post.link()).query)["token"][0]
    data, error = await js("verifyOtp", {"token_hash": token, "type": "magiclink"})
    assert (error, data["user"]["id"]) == (None, ann["user"]["id"])
    _, error = await js("verifyOtp", {"token_hash": token, "type": "magiclink"})
    assert (error["status"], error["code"]) == (403, "otp_expired")
    _, error = await js("signInWithOtp", {"email": "new@example.com"})
    assert error is None
    code = await post.code()
    data, error = await js("verifyOtp", {"email": "new@example.com", "token": code, "type": "email"})
    assert (error, data["user"]["email"]) == (None, "new@example.com")


async def test_sending_a_confirmation_again(js, post):
    await js("signUp", {"email": EMAIL, "password": PASSWORD})
    await post.letter()
    _, error = await js("signInWithPassword", {"email": EMAIL, "password": PASSWORD})
    assert (error["status"], error["code"]) == (400, "email_not_confirmed")
    _, error = await js("resend", {"type": "signup", "email": EMAIL})
    assert error is None
    data, error = await js("verifyOtp", {"email": EMAIL, "token": await post.code(), "type": "signup"})
    assert (error, data["user"]["email"]) == (None, EMAIL)


async def test_a_page_with_a_challenge(js, ann, post, live):
    await js.node.make("pkce", live.url, live.anon_key, auth={"flowType": "pkce"})
    _, error = await js("signInWithOtp", {"email": EMAIL}, client="pkce")
    assert error is None
    code = parse_qs(urlsplit(await post.followed()).query)["code"][0]
    data, error = await js("exchangeCodeForSession", code, client="pkce")
    assert (error, data["user"]["email"]) == (None, EMAIL)


async def test_the_way_to_a_provider(js, live):
    data, error = await js(
        "signInWithOAuth", {"provider": "google", "options": {"skipBrowserRedirect": True}}
    )
    assert error is None
    assert data["url"].startswith(f"{live.url}/auth/v1/authorize?provider=google")
    _, error = await js("signInAnonymously")
    assert (error["status"], error["code"]) == (422, "anonymous_provider_disabled")


async def test_the_service_manages_accounts(js, ann, post, live):
    await js.node.make("service", live.url, live.service_key)

    async def admin(method, *args):
        data, error = await js(f"admin.{method}", *args, client="service")
        assert error is None, error
        return data

    made = await admin(
        "createUser",
        {
            "email": "bob@example.com",
            "password": PASSWORD,
            "email_confirm": True,
            "app_metadata": {"team": "B"},
        },
    )
    bob = made["user"]["id"]
    assert made["user"]["app_metadata"]["team"] == "B"
    listed = await admin("listUsers", {"page": 1, "perPage": 1})
    assert [user["id"] for user in listed["users"]] == [bob]
    assert (listed["total"], listed["lastPage"], listed["nextPage"]) == (2, 2, 2)
    assert (await admin("getUserById", bob))["user"]["email"] == "bob@example.com"
    changed = await admin("updateUserById", bob, {"user_metadata": {"name": "Bob"}, "ban_duration": "24h"})
    assert changed["user"]["user_metadata"] == {"name": "Bob"}
    _, error = await js("signInWithPassword", {"email": "bob@example.com", "password": PASSWORD})
    assert error["code"] == "user_banned"
    await admin("updateUserById", bob, {"ban_duration": "none", "email": "robert@example.com"})
    data, error = await js("signInWithPassword", {"email": "robert@example.com", "password": PASSWORD})
    assert error is None
    await admin("signOut", data["session"]["access_token"])
    made = await admin("generateLink", {"type": "magiclink", "email": "robert@example.com"})
    assert made["properties"]["verification_type"] == "magiclink"
    body = {"token_hash": made["properties"]["hashed_token"], "type": "magiclink"}
    data, error = await js("verifyOtp", body)
    assert (error, data["user"]["id"]) == (None, bob)
    await admin("inviteUserByEmail", "guest@example.com", {"data": {"name": "Guest"}})
    assert "invited" in await post.letter()
    assert "access_token=" in await post.followed()
    await admin("deleteUser", bob)
    _, error = await js("admin.getUserById", bob, client="service")
    assert (error["status"], error["code"]) == (404, "user_not_found")
    for client in ("page",):
        _, error = await js("admin.listUsers", client=client)
        assert (error["status"], error["code"]) == (403, "not_admin")


async def test_a_second_factor(js, ann):
    data, error = await js("mfa.enroll", {"factorType": "totp", "friendlyName": "phone"})
    assert error is None
    assert data["totp"]["qr_code"].startswith("data:image/svg+xml;utf-8,<svg")
    code = pyotp.TOTP(data["totp"]["secret"]).now()
    factor = data["id"]
    data, error = await js("mfa.challengeAndVerify", {"factorId": factor, "code": code})
    assert error is None
    data, error = await js("mfa.getAuthenticatorAssuranceLevel")
    assert (data["currentLevel"], data["nextLevel"]) == ("aal2", "aal2")
    data, error = await js("mfa.listFactors")
    assert [one["friendly_name"] for one in data["totp"]] == ["phone"]
    data, error = await js("mfa.challenge", {"factorId": factor})
    assert error is None
    _, error = await js("mfa.verify", {"factorId": factor, "challengeId": data["id"], "code": code})
    assert (error["status"], error["code"]) == (422, "mfa_verification_failed")
    data, error = await js("mfa.unenroll", {"factorId": factor})
    assert (error, data["id"]) == (None, factor)
