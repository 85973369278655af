"""A program that signs in elsewhere calls the API; the person and the role are ours."""

import asyncio
from dataclasses import replace
from uuid import uuid4

import pytest

from api.app import create_app
from core.settings import BadSetting
from tests.domain.outside.conftest import LocalIssuer


@pytest.fixture
def issuer():
    made = LocalIssuer()
    yield made
    made.close()


@pytest.fixture
async def elsewhere(issuer, api_settings, run_app, clean_database):
    """The API with that issuer among those it believes."""
    app = create_app(
        replace(
            api_settings, auth=replace(api_settings.auth, issuers=issuer.settings(emails_are_verified=True))
        )
    )
    async with run_app(app) as api:
        yield api


def bearing(token):
    return {"Authorization": f"Bearer {token}"}


async def test_a_person_of_another_issuer_is_a_member_here(elsewhere, issuer, owner):
    # A hosted Supabase names sessions of its own, which are none of ours and not ours to end.
    said = {"app_metadata": {"role": "admin"}, "user_role": "admin", "session_id": str(uuid4())}
    token = issuer.token(email="ann@example.com", **said)
    answers = await asyncio.gather(*(elsewhere.get("/v1/usage", headers=bearing(token)) for _ in range(10)))
    assert {answer.status_code for answer in answers} == {200}
    assert await owner.fetchval("SELECT count(*) FROM app.users WHERE email = 'ann@example.com'") == 1
    assert (await elsewhere.get("/v1/admin/users", headers=bearing(token))).status_code == 403
    assert (await elsewhere.get("/rest/v1/users", headers=bearing(token))).status_code == 200


async def test_a_bad_token_of_another_issuer_is_refused(elsewhere, issuer, api):
    for token in (issuer.token(aud="x"), issuer.token(exp=1), issuer.token()[:-8] + "AAAAAAAA"):
        answer = await elsewhere.get("/v1/usage", headers=bearing(token))
        assert answer.status_code == 401
        assert answer.json()["type"] == "/problems/bad-token"
    # And by an installation that does not know the issuer.
    assert (await api.get("/v1/usage", headers=bearing(issuer.token()))).status_code == 401


async def test_an_issuer_that_does_not_answer_is_told(elsewhere, issuer):
    issuer.status = 500
    answer = await elsewhere.get("/v1/usage", headers=bearing(issuer.token()))
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "30"


def test_issuers_that_cannot_be_stop_the_start(api_settings):
    with pytest.raises(BadSetting, match="LEADFUEL_ISSUERS"):
        create_app(replace(api_settings, auth=replace(api_settings.auth, issuers="[1]")))
