"""Signing in by a provider: a real OpenID Connect provider, and a browser that follows its redirects."""

import base64
import hashlib
import json
from contextlib import asynccontextmanager
from dataclasses import replace
from urllib.parse import quote, urlsplit

import httpx
import pytest

from core.settings import BadSetting
from domain.auth.providers import read_providers
from tests.api.faces.auth.face import INVALID, PASSWORD, SITE, code_of, fragment_of, pkce, query_of


@pytest.fixture
def with_provider(open_face, provider):
    @asynccontextmanager
    async def opened(**chosen):
        known = {"acme": {"client_id": "leadfuel", "client_secret": "known-to-both", "issuer": provider}}
        async with open_face(providers=json.dumps(known), **chosen) as face:
            yield face

    return opened


class Browser:
    """Follows redirects between us and the provider, with the cookies of both, to the front end."""

    def __init__(self, face):
        self.face = face
        self.elsewhere = httpx.AsyncClient()

    async def go(self, who: str, **query: str) -> httpx.Response:
        """Sign in as `who` says and come back; the last redirect."""
        answer = await self.begin(who, **query)
        return await self.follow(answer)

    async def begin(self, who: str, **query: str) -> httpx.Response:
        asked = "&".join(f"{name}={quote(value, safe='')}" for name, value in query.items())
        answer = await self.face("GET", f"/authorize?provider=acme&login_hint={quote(who)}&{asked}")
        assert answer.status_code == 302, answer.text
        return answer

    async def follow(self, answer: httpx.Response) -> httpx.Response:
        while answer.is_redirect and not answer.headers["location"].startswith(SITE):
            where = answer.headers["location"]
            if urlsplit(where).netloc == "api.test":
                answer = await self.face.http.get(where)
            else:
                answer = await self.elsewhere.get(str(answer.url.join(where)))
        return answer


@pytest.fixture
async def browse():
    opened = []

    def make(face):
        opened.append(Browser(face))
        return opened[-1]

    yield make
    for browser in opened:
        await browser.elsewhere.aclose()


async def test_a_person_whom_a_provider_vouches_for_gets_an_account(with_provider, browse, owner):
    async with with_provider() as face:
        answer = await browse(face).go("ann|ann@example.com|verified", redirect_to=f"{SITE}/in")
        assert answer.headers["location"].startswith(f"{SITE}/in#")
        said = fragment_of(answer)
        user = (await face("GET", "/user", said["access_token"])).json()
        assert user["email"] == "ann@example.com"
        assert user["app_metadata"]["providers"] == ["acme", "email"]
        assert user["user_metadata"]["full_name"] == "Name of ann"
        assert {identity["provider"] for identity in user["identities"]} == {"acme", "email"}
        assert await owner.fetchval("SELECT credit_balance FROM app.users") == 50
        again = fragment_of(await browse(face).go("ann|ann@example.com|verified"))
        assert (await face("GET", "/user", again["access_token"])).json()["id"] == user["id"]
        assert await owner.fetchval("SELECT count(*) FROM app.users") == 1


async def test_with_a_challenge_who_began_exchanges_the_code(with_provider, browse):
    async with with_provider() as face:
        verifier, challenge = pkce()
        code = query_of(await browse(face).go("ann|ann@example.com|verified", **challenge))["code"]
        body = {"auth_code": code, "code_verifier": verifier}
        session = (await face("POST", "/token?grant_type=pkce", json=body)).json()
        assert session["user"]["email"] == "ann@example.com"
        assert code_of(await face("POST", "/token?grant_type=pkce", json=body)) == (
            404,
            "flow_state_not_found",
        )


async def test_an_account_is_linked_by_a_verified_address_and_by_no_other(with_provider, browse, owner):
    async with with_provider() as face:
        ann = (await face.person("ann@example.com"))["user"]
        refused = fragment_of(await browse(face).go("x|ann@example.com|unverified"))
        assert refused["error_code"] == "provider_email_needs_verification"
        nameless = fragment_of(await browse(face).go("y"))
        assert nameless["error_code"] == "bad_oauth_callback"
        said = fragment_of(await browse(face).go("z|Ann@example.com|verified"))
        assert (await face("GET", "/user", said["access_token"])).json()["id"] == ann["id"]
        # It is the provider's name for the person that counts from now on, whatever address it tells.
        said = fragment_of(await browse(face).go("z|other@example.com|verified"))
        assert (await face("GET", "/user", said["access_token"])).json()["id"] == ann["id"]
        assert (await face.sign_in("ann@example.com")).status_code == 200
        assert await owner.fetchval("SELECT count(*) FROM app.users") == 1


async def test_linking_to_an_address_taken_at_its_word_ends_what_was_there(with_provider, browse):
    """Somebody has signed up under another's address, and waits for its owner to come by a provider."""
    async with with_provider(confirm="none") as face:
        body = {"email": "victim@example.com", "password": PASSWORD}
        thief = (await face("POST", "/signup", json=body)).json()
        said = fragment_of(await browse(face).go("v|victim@example.com|verified"))
        assert (await face("GET", "/user", said["access_token"])).status_code == 200
        assert code_of(await face.sign_in("victim@example.com")) == (400, "invalid_credentials")
        assert code_of(await face.refresh(thief["refresh_token"])) == (400, "refresh_token_not_found")


async def test_a_sign_in_comes_back_once_and_to_its_own_browser(with_provider, browse):
    async with with_provider() as face:
        browser = browse(face)
        answer = await browser.begin("ann|ann@example.com|verified")
        while urlsplit(answer.headers["location"]).netloc != "api.test":
            answer = await browser.elsewhere.get(str(answer.url.join(answer.headers["location"])))
        back = answer.headers["location"]
        async with httpx.AsyncClient(transport=face.http._transport, base_url="http://api.test") as other:
            assert fragment_of(await other.get(back))["error_code"] == "bad_oauth_state"
        assert fragment_of(await face.http.get(back))["access_token"]
        assert fragment_of(await face.http.get(back))["error_code"] == "bad_oauth_state"
        for state in ("", "x", "A" * 54):
            answer = await face("GET", f"/callback?code=x&state={state}")
            assert fragment_of(answer)["error_code"] == "bad_oauth_state"


async def test_a_provider_that_answers_by_a_form(with_provider, browse):
    async with with_provider() as face:
        browser = browse(face)
        answer = await browser.begin("ann|ann@example.com|verified")
        while urlsplit(answer.headers["location"]).netloc != "api.test":
            answer = await browser.elsewhere.get(str(answer.url.join(answer.headers["location"])))
        query = urlsplit(answer.headers["location"]).query
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = await face("POST", "/callback", content=query, headers=form)
        assert fragment_of(await face.http.get(answer.headers["location"]))["access_token"]


async def test_a_person_who_says_no(with_provider, browse):
    async with with_provider() as face:
        said = fragment_of(await browse(face).go("no"))
        assert said["error"] == "access_denied"
        _, challenge = pkce()
        assert query_of(await browse(face).go("no", **challenge))["error_code"] == "bad_oauth_callback"


async def test_nobody_new_comes_by_a_provider_where_nobody_may(with_provider, browse, owner):
    async with with_provider(signup="closed") as face:
        said = fragment_of(await browse(face).go("ann|ann@example.com|verified"))
        assert said["error_code"] == "signup_disabled"
    async with with_provider(terms_version="3") as face:
        said = fragment_of(await browse(face).go("ann|ann@example.com|verified"))
        assert said["error_code"] == "validation_failed"
        said = fragment_of(await browse(face).go("ann|ann@example.com|verified", terms_version="3"))
        assert said["access_token"]
    assert await owner.fetchval("SELECT text_version FROM auth.consents") == "3"


async def test_an_app_that_has_an_id_token_already(with_provider, provider):
    """As apps on a phone do: they ask the provider themselves, with the hash of their nonce."""
    async with with_provider() as face:
        nonce = "known to the app alone"
        asked = hashlib.sha256(nonce.encode()).hexdigest()
        verifier, challenge = pkce()
        async with httpx.AsyncClient(base_url=provider) as app:
            query = {
                "client_id": "leadfuel", "response_type": "code", "scope": "openid email", "nonce": asked,
                "claims": json.dumps({"id_token": {"email": None, "email_verified": None}}),
                "redirect_uri": "http://api.test/auth/v1/callback",
                "login_hint": "ann|ann@example.com|verified",
                "code_challenge": challenge["code_challenge"], "code_challenge_method": "S256",
            }  # fmt: skip
            answer = await app.get("/auth", params=query)
            for _ in range(9):
                if answer.headers["location"].startswith("http://api.test"):
                    break
                answer = await app.get(str(answer.url.join(answer.headers["location"])))
            form = {
                "grant_type": "authorization_code", "code": query_of(answer)["code"],
                "client_id": "leadfuel", "client_secret": "known-to-both", "code_verifier": verifier,
                "redirect_uri": "http://api.test/auth/v1/callback",
            }  # fmt: skip
            token = (await app.post("/token", data=form)).json()["id_token"]
        body = {"provider": "acme", "id_token": token, "nonce": nonce}
        path = "/token?grant_type=id_token"
        head, claims, mark = token.split(".")
        forged = json.loads(base64.urlsafe_b64decode(claims + "=="))
        for change in ({"sub": "root"}, {"email": "root@example.com", "email_verified": True}, {"aud": "x"}):
            edited = base64.urlsafe_b64encode(json.dumps(forged | change).encode()).rstrip(b"=").decode()
            answer = await face("POST", path, json=body | {"id_token": f"{head}.{edited}.{mark}"})
            assert code_of(answer) == (422, "bad_oauth_callback")
        assert code_of(await face("POST", path, json=body | {"nonce": "other"})) == (
            422,
            "bad_oauth_callback",
        )
        unsigned = base64.urlsafe_b64encode(b'{"alg":"none","kid":"x"}').rstrip(b"=").decode()
        answer = await face("POST", path, json=body | {"id_token": f"{unsigned}.{claims}."})
        assert code_of(answer) == (422, "bad_oauth_callback")
        answer = await face("POST", path, json=body)
        assert answer.json()["user"]["email"] == "ann@example.com"


async def test_providers_that_there_are_not(face):
    for name in ("google", "facebook", ""):
        answer = await face("GET", f"/authorize?provider={name}")
        assert code_of(answer) == INVALID
        assert answer.json()["message"] == "Unsupported provider: provider is not enabled"
    external = (await face("GET", "/settings")).json()["external"]
    assert (external["email"], external["google"]) == (True, False)


async def test_a_provider_that_does_not_answer_is_said(open_face):
    known = {"acme": {"client_id": "x", "issuer": "http://127.0.0.1:1"}}
    async with open_face(providers=json.dumps(known)) as face:
        assert code_of(await face("GET", "/authorize?provider=acme")) == (422, "bad_oauth_callback")


@pytest.mark.parametrize(
    "text",
    ["{", "[]", '{"acme": {"client_id": "x"}}', '{"google": {}}', '{"google": {"client_id": "x", "y": 1}}'],
)
async def test_settings_of_providers_that_cannot_be_read(settings, text):
    async with httpx.AsyncClient() as http:
        with pytest.raises(BadSetting, match="LEADFUEL_SIGN_IN_PROVIDERS"):
            read_providers(replace(settings.sign_in, providers=text), http)


async def test_github_has_a_way_of_its_own(settings):
    text = json.dumps({"github": {"client_id": "x", "client_secret": "y"}})
    async with httpx.AsyncClient() as http:
        known = read_providers(replace(settings.sign_in, providers=text), http)
        url = await known["github"].authorization_url(
            callback="http://api.test/cb", state="s", nonce="n", challenge="c", scopes="", hint={}
        )
    assert url.startswith("https://github.com/login/oauth/authorize?")
    assert "scope=user%3Aemail" in url
