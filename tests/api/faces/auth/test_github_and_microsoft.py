"""Signing in by GitHub and by Microsoft, each with the ways to take somebody else's account by them."""

import json
from contextlib import asynccontextmanager
from dataclasses import replace

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from core.settings import BadSetting
from domain.auth.providers import read_providers
from tests.api.faces.auth.face import SITE, code_of, fragment_of, pkce, query_of
from tests.api.faces.auth.standin import SECRET, STRANGERS, TENANT, query_in, standing_in

UNVERIFIED = "provider_email_needs_verification"
REFUSED = "bad_oauth_callback"


@pytest.fixture
async def provider():
    async with standing_in() as made:
        yield made


@pytest.fixture
def with_them(open_face, provider):
    @asynccontextmanager
    async def opened(*, tenant="common", **chosen):
        known = {"client_id": "leadfuel", "client_secret": SECRET, "url": provider.url}
        providers = json.dumps({"github": known, "azure": known | {"tenant": tenant}})
        async with open_face(providers=providers, **chosen) as face:
            yield face

    return opened


async def begin(face, name, **query):
    """As far as the address that the provider sends the browser back to."""
    answer = await face("GET", "/authorize", params={"provider": name, **query})
    assert answer.status_code == 302, answer.text
    async with httpx.AsyncClient() as browser:
        return (await browser.get(answer.headers["location"])).headers["location"]


async def go(face, name, **query):
    """Sign in and come back; what the front end is told."""
    return await face.http.get(await begin(face, name, **query))


async def who(face, answer):
    """The user of whoever has signed in."""
    said = fragment_of(answer)
    assert "access_token" in said, said
    return (await face("GET", "/user", said["access_token"])).json()


async def told(face, name):
    return fragment_of(await go(face, name)).get("error_code")


# ---- GitHub ----


async def test_somebody_signs_in_by_github(with_them, provider, owner):
    async with with_them() as face:
        user = await who(face, await go(face, "github", redirect_to=f"{SITE}/in"))
        assert user["email"] == "ann@example.com"
        (identity,) = [one for one in user["identities"] if one["provider"] == "github"]
        assert identity["id"] == "583231"
        assert identity["identity_data"]["user_name"] == "octocat"
        again = await who(face, await go(face, "github"))
        assert again["id"] == user["id"]
        assert await owner.fetchval("SELECT count(*) FROM app.users") == 1


async def test_the_primary_address_counts_also_when_it_is_private(with_them, provider):
    """What the profile shows may be anybody's; of several addresses one is the person's first."""
    provider.person |= {"email": "victim@example.com"}
    provider.addresses = [
        {"email": "old@example.com", "primary": False, "verified": True},
        {"email": "victim@example.com", "primary": False, "verified": False, "visibility": "public"},
        {"email": "Ann@Example.com", "primary": True, "verified": True, "visibility": "private"},
        {"email": "583231+octocat@users.noreply.github.com", "primary": False, "verified": True},
    ]
    async with with_them() as face:
        victim = (await face.person("victim@example.com"))["user"]
        user = await who(face, await go(face, "github"))
        assert user["email"] == "ann@example.com"
        assert user["id"] != victim["id"]


NOT_VOUCHED_FOR = (
    ([{"email": "victim@example.com", "primary": True, "verified": False}], UNVERIFIED),
    (
        [
            {"email": "victim@example.com", "primary": True, "verified": False},
            {"email": "thief@example.com", "primary": False, "verified": True},
        ],
        UNVERIFIED,
    ),
    ([{"email": "victim@example.com", "primary": True, "verified": "false"}], UNVERIFIED),
    ([{"email": "victim@example.com", "primary": True}], UNVERIFIED),
    ([{"email": "victim@example.com", "primary": False, "verified": True}], REFUSED),
    ([{"email": ["victim@example.com"], "primary": True, "verified": True}], REFUSED),
    ([{"email": "victim@example.com\0", "primary": True, "verified": True}], REFUSED),
    ([{"email": "x" * 600 + "@example.com", "primary": True, "verified": True}], REFUSED),
    ([{"email": "no address", "primary": True, "verified": True}], "email_address_invalid"),
    ([], REFUSED),
    ({"message": "Not Found"}, REFUSED),
    (["victim@example.com", None], REFUSED),
)


async def test_an_address_that_github_does_not_vouch_for_opens_nothing(with_them, provider, owner):
    provider.person |= {"email": "victim@example.com"}
    async with with_them() as face:
        await face.person("victim@example.com")
        for addresses, error in NOT_VOUCHED_FOR:
            provider.addresses = addresses
            assert await told(face, "github") == error, addresses
        assert await owner.fetchval("SELECT count(*) FROM auth.identities WHERE provider = 'github'") == 0
        assert await owner.fetchval("SELECT count(*) FROM app.users") == 1


async def test_somebody_without_a_number_is_nobody(with_them, provider):
    async with with_them() as face:
        for person in ({}, {"id": None}, {"id": True}, {"id": "583231"}, [], {"message": "x"}):
            provider.person = person
            assert await told(face, "github") == REFUSED, person


async def test_what_github_says_of_somebody_is_bounded(with_them, provider):
    provider.person |= {"name": "a\0b", "login": "x" * 10_000, "avatar_url": {"a": 1}}
    async with with_them() as face:
        user = await who(face, await go(face, "github"))
        (data,) = [one["identity_data"] for one in user["identities"] if one["provider"] == "github"]
        assert data.keys().isdisjoint({"name", "full_name", "user_name", "avatar_url"})


async def test_the_number_counts_and_not_the_name_or_the_address(with_them, provider):
    """Names and addresses are given up, and taken by others."""
    async with with_them() as face:
        user = await who(face, await go(face, "github"))
        provider.person |= {"login": "another-name"}
        provider.addresses = [{"email": "new@example.com", "primary": True, "verified": True}]
        assert (await who(face, await go(face, "github")))["id"] == user["id"]
        provider.person = {"id": 999, "login": "octocat"}
        provider.addresses = [{"email": "thief@example.com", "primary": True, "verified": True}]
        assert (await who(face, await go(face, "github")))["id"] != user["id"]


# ---- Both: the way there and back ----


@pytest.mark.parametrize("name", ["github", "azure"])
async def test_a_state_is_good_once_and_for_its_own_browser(with_them, provider, name):
    provider.claims = {"email": "ann@example.com", "xms_edov": True}
    async with with_them() as face:
        back = await begin(face, name)
        async with httpx.AsyncClient(transport=face.http._transport, base_url="http://api.test") as other:
            assert fragment_of(await other.get(back))["error_code"] == "bad_oauth_state"
        assert "access_token" in fragment_of(await face.http.get(back))
        assert fragment_of(await face.http.get(back))["error_code"] == "bad_oauth_state"
        assert fragment_of(await face.http.get(back.replace("state=", "state=x")))["error_code"] == (
            "bad_oauth_state"
        )


@pytest.mark.parametrize("name", ["github", "azure"])
async def test_a_code_of_another_sign_in_opens_nothing(with_them, provider, name):
    """Somebody plants the code of their own sign-in into another's: the provider sees that."""
    provider.claims = {"email": "ann@example.com", "xms_edov": True}
    async with with_them() as face:
        planted = query_in(await begin(face, name))["code"]
        mine = query_in(await begin(face, name))
        answer = await face("GET", "/callback", params={"state": mine["state"], "code": planted})
        assert fragment_of(answer)["error_code"] == REFUSED
        # The provider gives for a code once; a second try is too late for whoever has it.
        answer = await face("GET", "/callback", params={"state": mine["state"], "code": mine["code"]})
        assert fragment_of(answer)["error_code"] == "bad_oauth_state"


@pytest.mark.parametrize("name", ["github", "azure"])
async def test_who_began_with_a_challenge_needs_its_verifier(with_them, provider, name):
    provider.claims = {"email": "ann@example.com", "xms_edov": True}
    async with with_them() as face:
        verifier, challenge = pkce()
        code = query_of(await go(face, name, **challenge))["code"]
        wrong, _ = pkce()
        path = "/token?grant_type=pkce"
        answer = await face("POST", path, json={"auth_code": code, "code_verifier": wrong})
        assert code_of(answer) == (400, "bad_code_verifier")
        answer = await face("POST", path, json={"auth_code": code, "code_verifier": verifier})
        assert answer.json()["user"]["email"] == "ann@example.com"
        assert answer.json()["user"]["app_metadata"]["providers"] == sorted([name, "email"])


@pytest.mark.parametrize("name", ["github", "azure"])
async def test_a_state_of_one_provider_is_not_taken_to_another(with_them, provider, name):
    """The callback is one for all; which provider is asked follows from the sign-in that has begun."""
    provider.claims = {"email": "ann@example.com", "xms_edov": True}
    async with with_them() as face:
        other = {"github": "azure", "azure": "github"}[name]
        mine = query_in(await begin(face, name))
        theirs = query_in(await begin(face, other))
        provider.asked.clear()
        answer = await face("GET", "/callback", params={"state": mine["state"], "code": theirs["code"]})
        assert fragment_of(answer)["error_code"] == REFUSED
        asked = [path for path in provider.asked if "token" in path]
        assert [("github" if "login" in path else "azure") for path in asked] == [name]


# ---- Microsoft ----


@pytest.mark.parametrize("tenant", ["common", TENANT])
async def test_somebody_signs_in_by_microsoft(with_them, provider, owner, tenant):
    provider.claims = {"email": "ann@example.com", "xms_edov": True}
    async with with_them(tenant=tenant) as face:
        user = await who(face, await go(face, "azure"))
        assert user["email"] == "ann@example.com"
        assert user["user_metadata"]["full_name"] == "Ann Example"
        assert (await who(face, await go(face, "azure")))["id"] == user["id"]
        assert await owner.fetchval("SELECT count(*) FROM app.users") == 1


async def test_the_domain_of_a_tenant_is_its_own_however_that_is_written(with_them, provider):
    async with with_them() as face:
        await face.person("ann@example.com")
        for edov in (True, "1", 1, "true", "True"):
            provider.claims = {"email": "ann@example.com", "xms_edov": edov}
            assert (await who(face, await go(face, "azure")))["email"] == "ann@example.com"


NOT_THEIR_OWN = (
    {},
    {"xms_edov": False},
    {"xms_edov": "0"},
    {"xms_edov": None},
    {"xms_edov": []},
    {"xms_edov": {"a": 1}},
    # What Microsoft does not say, and whoever runs a tenant may have it say.
    {"email_verified": True},
    {"email_verified": "true", "verified_primary_email": ["victim@example.com"]},
)


@pytest.mark.parametrize(
    "tenant", ["common", "organizations", "consumers", "9188040d-6c67-4c5b-b112-36a304b66dad"]
)
async def test_an_address_that_any_tenant_may_write_opens_nothing(with_them, provider, owner, tenant):
    """Somebody with a tenant of their own writes another's address beside themselves."""
    provider.tenant = STRANGERS if "9188" not in tenant else tenant
    async with with_them(tenant=tenant) as face:
        await face.person("victim@example.com")
        for claims in NOT_THEIR_OWN:
            provider.claims = {"email": "victim@example.com", **claims}
            assert await told(face, "azure") == UNVERIFIED, claims
        assert await owner.fetchval("SELECT count(*) FROM auth.identities WHERE provider = 'azure'") == 0


async def test_in_a_tenant_of_ones_own_an_address_counts_unless_it_is_denied(with_them, provider):
    async with with_them(tenant=TENANT) as face:
        provider.claims = {"email": "guest@elsewhere.example", "xms_edov": False}
        assert await told(face, "azure") == UNVERIFIED
        provider.claims = {"email": "ann@example.com"}
        assert (await who(face, await go(face, "azure")))["email"] == "ann@example.com"


async def test_the_name_to_sign_in_with_is_no_address(with_them, provider):
    """It looks like one, and is whatever the tenant likes."""
    provider.claims = {
        "preferred_username": "victim@example.com",
        "upn": "victim@example.com",
        "xms_edov": True,
    }
    async with with_them() as face:
        assert await told(face, "azure") == REFUSED


NOT_AS_AGREED = (
    {"iss": "https://login.microsoftonline.example/{tenantid}/v2.0"},
    {"iss": "{url}/{tenantid}/v2.0"},
    {"tid": STRANGERS},
    {"tid": None},
    {"tid": "../common"},
    {"aud": "another-app"},
    {"aud": ["leadfuel", "another-app"]},
    {"nonce": "of another sign-in"},
    {"nonce": None},
    {"exp": 1},
    {"sub": ""},
    {"sub": "x" * 300},
    {"sub": "a\0b"},
    {"sub": 7},
)


@pytest.mark.parametrize("tenant", ["common", TENANT])
async def test_a_token_that_is_not_as_agreed_opens_nothing(with_them, provider, tenant):
    async with with_them(tenant=tenant) as face:
        for claims in NOT_AS_AGREED:
            said = json.loads(json.dumps(claims).replace("{url}", provider.url))
            provider.claims = {"email": "ann@example.com", "xms_edov": True, **said}
            if tenant == TENANT and "tid" in claims:
                # In the one tenant that is set up, the issuer says it all.
                provider.claims["iss"] = f"{provider.url}/{STRANGERS}/v2.0"
            assert await told(face, "azure") == REFUSED, claims
        provider.claims = {"email": "ann@example.com", "xms_edov": True}
        assert await told(face, "azure") is None


async def test_another_tenant_is_not_the_one_that_is_set_up(with_them, provider):
    provider.tenant = STRANGERS
    provider.claims = {"email": "ann@example.com", "xms_edov": True}
    async with with_them(tenant=TENANT) as face:
        assert await told(face, "azure") == REFUSED


async def test_a_key_signs_for_the_issuer_that_it_names(with_them, provider):
    provider.claims = {"email": "ann@example.com", "xms_edov": True}
    provider.key_issuer = f"{provider.url}/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0"
    async with with_them() as face:
        assert await told(face, "azure") == REFUSED
    provider.key_issuer = f"{provider.url}/{{tenantid}}/v2.0"
    async with with_them() as face:
        assert await told(face, "azure") is None


async def test_a_foreign_key_signs_nothing(with_them, provider):
    provider.claims = {"email": "ann@example.com", "xms_edov": True}
    provider.signs_with = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    async with with_them() as face:
        assert await told(face, "azure") == REFUSED


async def test_a_tenant_that_calls_itself_otherwise_is_not_asked(with_them, provider):
    async with with_them(tenant=TENANT) as face:
        for stated in ("https://elsewhere.example/v2.0", "{tenantid}", ["{tenantid}"], 7):
            provider.stated_issuer = stated
            answer = await face("GET", "/authorize?provider=azure")
            assert code_of(answer) == (422, REFUSED)


@pytest.mark.parametrize(
    "name, more",
    [
        ("google", {"url": "https://google.example"}),
        ("github", {"url": "ftp://github.example"}),
        ("github", {"url": "github.example"}),
        ("github", {"url": "https://github.example/"}),
        ("github", {"url": "https://github.example/?x=1"}),
        ("azure", {"url": "https://login.example", "issuer": "https://login.example"}),
    ],
)
async def test_places_that_cannot_be_are_refused_at_the_start(settings, name, more):
    text = json.dumps({name: {"client_id": "x", **more}})
    async with httpx.AsyncClient() as http:
        with pytest.raises(BadSetting, match="LEADFUEL_SIGN_IN_PROVIDERS"):
            read_providers(replace(settings.sign_in, providers=text), http)
