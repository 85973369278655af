"""supabase-py, unchanged, signs in here."""

import httpx
import pytest
from supabase import AsyncClient, AsyncClientOptions, acreate_client
from supabase_auth.errors import AuthApiError, AuthWeakPasswordError

EMAIL = "ann@example.com"
PASSWORD = "correct horse battery"


@pytest.fixture
async def make_client(live):
    """The clients' own HTTP client is never closed by them; this one is, by the test."""
    async with httpx.AsyncClient() as http:

        async def make(key: str) -> AsyncClient:
            return await acreate_client(live.url, key, AsyncClientOptions(httpx_client=http))

        yield make


@pytest.fixture
async def py(make_client, live) -> AsyncClient:
    return await make_client(live.anon_key)


@pytest.fixture
async def ann(py, post):
    answer = await py.auth.sign_up(
        {"email": EMAIL, "password": PASSWORD, "options": {"data": {"name": "Ann"}}}
    )
    assert answer.session is None
    assert answer.user.email == EMAIL
    answer = await py.auth.verify_otp({"email": EMAIL, "token": await post.code(), "type": "email"})
    return answer.session


async def test_a_day_with_an_account(py, ann):
    assert (await py.auth.get_session()).access_token == ann.access_token
    user = (await py.auth.get_user()).user
    assert (user.email, user.user_metadata) == (EMAIL, {"name": "Ann"})
    claims = await py.auth.get_claims()
    assert claims["claims"]["sub"] == user.id
    refreshed = await py.auth.refresh_session()
    assert refreshed.session.refresh_token != ann.refresh_token
    changed = await py.auth.update_user({"data": {"team": "A"}})
    assert changed.user.user_metadata == {"name": "Ann", "team": "A"}
    with pytest.raises(AuthApiError) as error:
        await py.auth.update_user({"password": PASSWORD})
    assert (error.value.status, error.value.code) == (422, "same_password")
    with pytest.raises(AuthWeakPasswordError) as weak:
        await py.auth.update_user({"password": "short"})
    assert weak.value.reasons == ["length"]
    identities = await py.auth.get_user_identities()
    assert [identity.provider for identity in identities.identities] == ["email"]
    await py.auth.sign_out()
    assert await py.auth.get_session() is None
    with pytest.raises(AuthApiError) as error:
        await py.auth.sign_in_with_password({"email": EMAIL, "password": "not it at all"})
    assert (error.value.status, error.value.code) == (400, "invalid_credentials")
    answer = await py.auth.sign_in_with_password({"email": EMAIL, "password": PASSWORD})
    assert answer.user.id == user.id
    answer = await py.auth.set_session(answer.session.access_token, answer.session.refresh_token)
    assert answer.user.id == user.id


async def test_what_goes_by_mail(py, ann, post):
    await py.auth.reset_password_for_email(EMAIL)
    answer = await py.auth.verify_otp({"email": EMAIL, "token": await post.code(), "type": "recovery"})
    assert answer.user.email == EMAIL
    await py.auth.sign_in_with_otp({"email": EMAIL, "options": {"should_create_user": False}})
    answer = await py.auth.verify_otp({"email": EMAIL, "token": await post.code(), "type": "magiclink"})
    assert answer.session.refresh_token
    await py.auth.reauthenticate()
    assert len(await post.code()) == 6
    await py.auth.resend({"type": "signup", "email": "other@example.com"})
    url = (await py.auth.sign_in_with_oauth({"provider": "google"})).url
    assert "/auth/v1/authorize?" in url
    assert "provider=google" in url


async def test_the_service_manages_accounts(ann, live, make_client):
    service = (await make_client(live.service_key)).auth.admin
    made = await service.create_user({"email": "bob@example.com", "email_confirm": True})
    assert {user.email for user in await service.list_users()} == {EMAIL, "bob@example.com"}
    assert (await service.get_user_by_id(made.user.id)).user.email == "bob@example.com"
    changed = await service.update_user_by_id(made.user.id, {"user_metadata": {"name": "Bob"}})
    assert changed.user.user_metadata == {"name": "Bob"}
    link = await service.generate_link({"type": "recovery", "email": "bob@example.com"})
    assert link.properties.action_link.startswith(live.url)
    invited = await service.invite_user_by_email("guest@example.com")
    assert invited.user.email == "guest@example.com"
    await service.sign_out(ann.access_token)
    await service.delete_user(made.user.id)
    with pytest.raises(AuthApiError) as error:
        await service.get_user_by_id(made.user.id)
    assert (error.value.status, error.value.code) == (404, "user_not_found")
