"""An access token of a session that is over opens nothing, on any face, from the next request on."""

import asyncio
from datetime import timedelta

import asyncpg
import pytest

from core import clock
from core.ids import UserId
from db.sessions import SERVICE
from domain import tokens, users
from domain.auth import overseen
from tests.api.faces.auth.face import PASSWORD, code_of
from tests.api.faces.auth.test_factors import enrolled, shown

# What each face is asked, and with what it answers somebody who may ask.
ASKED = {
    "v1": ("GET", "/v1/usage", None, 200),
    "search": ("POST", "/v1/contacts/search", {"q": ""}, 200),
    "rest": ("GET", "/rest/v1/lists?select=id", None, 200),
    "rest head": ("HEAD", "/rest/v1/users?select=id", None, 200),
    "rest write": ("POST", "/rest/v1/lists", {"name": "Prospects"}, 201),
    "rest rpc": ("POST", "/rest/v1/rpc/my_list_invitations", {}, 200),
    "rest error": ("GET", "/rest/v1/lists?id=eq.x", None, 400),
    "functions": ("POST", "/functions/v1/share-list", {}, 422),
    "functions, short": ("POST", "/functions/share-list", {}, 422),
    "storage": ("GET", "/storage/v1/bucket", None, 200),
    "auth": ("GET", "/auth/v1/user", None, 200),
}


async def answers(face, token, *, headers=None):
    """What every face says to a token."""
    headers = {"Authorization": f"Bearer {token}"} | (headers or {})
    found = await asyncio.gather(
        *(
            face.http.request(method, path, headers=headers, json=body)
            for method, path, body, _ in ASKED.values()
        )
    )
    return dict(zip(ASKED, found, strict=True))


async def reaches(face, token):
    """Whether a token opens the faces; all or none of them."""
    said = {name: answer.status_code for name, answer in (await answers(face, token)).items()}
    if said == {name: status for name, (*_, status) in ASKED.items()}:
        return True
    assert set(said.values()) <= {401, 403}, said
    return False


@pytest.fixture
async def two(face):
    """Ann at two places: here and there."""
    here = await face.person("ann@example.com")
    return here, (await face.sign_in("ann@example.com")).json()


@pytest.mark.parametrize("scope, left", [("global", "00"), ("local", "01"), ("others", "10"), ("", "00")])
async def test_signing_out_ends_the_access_tokens_of_its_scope(face, two, scope, left):
    # Asked before, so that whatever is remembered of a token is remembered.
    assert [await reaches(face, session["access_token"]) for session in two] == [True, True]
    assert (await face("POST", f"/logout?scope={scope}", two[0]["access_token"])).status_code == 204
    for session, digit in zip(two, left, strict=True):
        assert await reaches(face, session["access_token"]) is (digit == "1")


async def test_each_face_says_so_in_its_own_shape(face, two, owner):
    here, there = two
    await face("POST", "/logout?scope=others", here["access_token"])
    said = await answers(face, there["access_token"])
    assert {name: answer.status_code for name, answer in said.items()} == {
        **dict.fromkeys(ASKED, 401),
        "auth": 403,
    }
    assert said["v1"].json()["type"] == "/problems/session-ended"
    assert said["v1"].headers["www-authenticate"].startswith("Bearer")
    for name in ("rest", "rest write", "rest rpc", "rest error"):
        assert said[name].json().keys() == {"code", "message", "details", "hint"}
        assert said[name].json()["code"] == "PGRST301"
    assert said["functions"].json()["code"] == "session-ended"
    assert said["storage"].json()["statusCode"] == "401"
    assert code_of(said["auth"]) == (403, "session_not_found")
    # What the write had done is undone.
    assert await owner.fetchval("SELECT count(*) FROM app.lists") == 0


async def _chose_a_new_password(face, here, there):
    await face("PUT", "/user", here, json={"password": "a wholly new one"})


async def _was_given_one_by_mail(face, here, there):
    await face("POST", "/logout?scope=local", here)
    await face("POST", "/recover", json={"email": "ann@example.com"})
    await face.mail()
    body = {"type": "recovery", "email": "ann@example.com", "token": face.code()}
    mailed = (await face("POST", "/verify", json=body)).json()["access_token"]
    await face("PUT", "/user", mailed, json={"password": "a wholly new one"})


async def _was_given_one_by_the_service(face, here, there):
    me = (await face("GET", "/user", here)).json()["id"]
    body = {"password": "a wholly new one"}
    await face("PUT", f"/admin/users/{me}", await face.service_key(), json=body)


async def _was_banned(face, here, there):
    me = (await face("GET", "/user", here)).json()["id"]
    await face("PUT", f"/admin/users/{me}", await face.service_key(), json={"ban_duration": "24h"})


async def _was_deleted(face, here, there):
    me = (await face("GET", "/user", here)).json()["id"]
    await face("DELETE", f"/admin/users/{me}", await face.service_key())


async def _showed_a_second_factor_elsewhere(face, here, there):
    await shown(face, here, await enrolled(face, here))


async def _was_signed_out_by_an_administrator(face, here, there):
    me = (await face("GET", "/user", here)).json()["id"]
    async with face.services.database.transaction(SERVICE) as session:
        await overseen.end(session, actor_id=None, user_id=UserId(me))


@pytest.mark.parametrize(
    "what_happened",
    [
        _chose_a_new_password,
        _was_given_one_by_mail,
        _was_given_one_by_the_service,
        _was_banned,
        _was_deleted,
        _showed_a_second_factor_elsewhere,
        _was_signed_out_by_an_administrator,
    ],
    ids=lambda happened: happened.__name__,
)
async def test_what_ends_a_session_ends_its_access_token(face, two, what_happened):
    here, there = [session["access_token"] for session in two]
    assert await reaches(face, there)
    await what_happened(face, here, there)
    assert not await reaches(face, there)


async def test_a_refresh_token_used_again_ends_the_access_token_of_thief_and_owner(face, two):
    _, there = two
    second = (await face.refresh(there["refresh_token"])).json()
    third = (await face.refresh(second["refresh_token"])).json()
    assert await reaches(face, third["access_token"])
    with clock.shifted(timedelta(seconds=11)):
        await face.refresh(there["refresh_token"])
        for session in (there, second, third):
            assert not await reaches(face, session["access_token"])


async def test_a_session_is_good_for_its_own_user_alone(face, two, ring):
    """As it would be if ids of sessions were ever given out twice."""
    other = await face.person("bob@example.com")
    session_id = str((await tokens.verify(ring, two[0]["access_token"])).session_id)
    planted = await tokens.mint(ring, user_id=UserId(other["user"]["id"]), claims={"session_id": session_id})
    assert not await reaches(face, planted.text)


async def test_what_belongs_to_no_session_goes_on(face, two, ring):
    """An operator's token and a program's key are ended by other means."""
    here, _ = two
    printed = await tokens.mint(ring, user_id=UserId(here["user"]["id"]))
    key = await face.http.post(
        "/v1/api-keys",
        headers={"Authorization": f"Bearer {here['access_token']}"},
        json={"name": "CRM", "scopes": ["read"]},
    )
    await face("POST", "/logout?scope=global", here["access_token"])
    assert await reaches(face, printed.text)
    for path in ("/v1/usage", "/storage/v1/bucket"):
        headers = {"Authorization": f"Bearer {key.json()['key']}"}
        assert (await face.http.get(path, headers=headers)).status_code == 200


async def test_a_disabled_account_is_shut_on_every_face_also_without_a_session(face, two, ring):
    me = UserId(two[0]["user"]["id"])
    printed = await tokens.mint(ring, user_id=me)
    async with face.services.database.transaction(SERVICE) as session:
        await users.disable(session, actor_id=None, user_id=me, because="test")
    for token in (two[0]["access_token"], printed.text):
        assert not await reaches(face, token)


async def test_who_has_not_shown_the_second_factor_is_kept_out_of_every_face(face, two):
    here, _ = two
    factor = await enrolled(face, here["access_token"])
    raised = (await shown(face, here["access_token"], factor)).json()
    assert await reaches(face, raised["access_token"])
    with clock.shifted(timedelta(minutes=1)):
        first_step = (await face.sign_in("ann@example.com", PASSWORD)).json()["access_token"]
        said = await answers(face, first_step)
        del said["auth"]
        assert {answer.status_code for answer in said.values()} == {403}
        assert said["v1"].json()["type"] == "/problems/second-factor-needed"
        assert said["rest"].json()["code"] == said["functions"].json()["code"] == "second-factor-needed"
        assert await reaches(face, (await shown(face, first_step, factor)).json()["access_token"])


@pytest.mark.parametrize("path", ["/storage/v1/bucket", "/rest/v1/lists?select=id"])
async def test_account_and_session_are_seen_by_one_statement(face, two, monkeypatch, path):
    """By the one that reads the user, and below /rest/v1 by the one that reads the rows."""
    headers = {"Authorization": f"Bearer {two[0]['access_token']}"}
    await face.http.get(path, headers=headers)  # the keys and the catalogue are read now
    asked = []

    def noted(way):
        async def ask(self, query, *arguments, **options):
            asked.append(query)
            return await way(self, query, *arguments, **options)

        return ask

    for name in ("fetch", "fetchrow", "fetchval"):
        monkeypatch.setattr(asyncpg.Connection, name, noted(getattr(asyncpg.Connection, name)))
    assert (await face.http.get(path, headers=headers)).status_code == 200
    assert len(asked) == 1
    assert "auth.standing()" in asked[0]
