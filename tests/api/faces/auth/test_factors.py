"""Second factors: what they open, and what stays shut without them."""

import asyncio
from datetime import timedelta

import jwt
import pyotp
import pytest

from core import clock
from core.ids import UserId
from db.sessions import SIGN_IN
from domain.auth import sessions
from domain.auth.people import Origin
from tests.api.faces.auth.face import INVALID, code_of, fragment_of

NEEDED = (403, "insufficient_aal")
WRONG = (422, "mfa_verification_failed")


def code_now(secret: str) -> str:
    return pyotp.TOTP(secret).at(clock.now())


async def enrolled(face, token, **more):
    answer = await face("POST", "/factors", token, json={"factor_type": "totp", **more})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def shown(face, token, factor, code=None):
    """The answer to a code of a factor, after its challenge."""
    begun = (await face("POST", f"/factors/{factor['id']}/challenge", token, json={})).json()
    body = {"challenge_id": begun["id"], "code": code or code_now(factor["totp"]["secret"])}
    return await face("POST", f"/factors/{factor['id']}/verify", token, json=body)


async def later(face, email):
    """Somebody signs in a minute later, for a code is good once."""
    return (await face.sign_in(email)).json()["access_token"]


@pytest.fixture
async def holder(face):
    """Somebody with a second factor: the session that has shown it, and the factor."""
    session = await face.person("ann@example.com")
    factor = await enrolled(face, session["access_token"], friendly_name="phone")
    return (await shown(face, session["access_token"], factor)).json(), factor


async def test_a_factor_is_enrolled_and_shown(face):
    first = await face.person("ann@example.com")
    other = (await face.sign_in("ann@example.com")).json()
    factor = await enrolled(face, first["access_token"], friendly_name="phone", issuer="Acme")
    assert factor["totp"]["uri"].startswith("otpauth://totp/Acme:ann%40example.com?secret=")
    assert factor["totp"]["qr_code"].startswith("<svg")
    session = (await shown(face, first["access_token"], factor)).json()
    claims = jwt.decode(session["access_token"], options={"verify_signature": False})
    assert (claims["aal"], [m["method"] for m in claims["amr"]]) == ("aal2", ["totp", "email/signup"])
    assert [(f["status"], f["friendly_name"]) for f in session["user"]["factors"]] == [("verified", "phone")]
    # Sessions that have not shown it are over.
    assert code_of(await face.refresh(other["refresh_token"])) == (400, "refresh_token_not_found")
    refreshed = (await face.refresh(session["refresh_token"])).json()
    claims = jwt.decode(refreshed["access_token"], options={"verify_signature": False})
    assert claims["aal"] == "aal2"


async def test_nothing_from_before_the_factor_rises_with_it(face):
    """Somebody has found the tokens of the very session that shows a factor now."""
    new = await face.person("ann@example.com")
    factor = await enrolled(face, new["access_token"])
    await _assert_over(face, new, factor, (await shown(face, new["access_token"], factor)).json())
    with clock.shifted(timedelta(minutes=2)):
        second = (await face.sign_in("ann@example.com")).json()
        await _assert_over(face, second, factor, (await shown(face, second["access_token"], factor)).json())


async def _assert_over(face, found, factor, raised):
    token = found["access_token"]
    over = (403, "session_not_found")
    for body in ({"password": "a wholly new one"}, {"data": {"a": 1}}):
        assert code_of(await face("PUT", "/user", token, json=body)) == over
    assert code_of(await face("DELETE", f"/factors/{factor['id']}", token)) == over
    answer = await face.http.get("/v1/usage", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code in (401, 403)
    # Not even at once, when a client that has lost its answer is believed otherwise.
    assert code_of(await face.refresh(found["refresh_token"])) == (400, "refresh_token_not_found")
    assert (await face("GET", "/user", raised["access_token"])).status_code == 200


async def test_who_signs_in_while_a_factor_comes_to_count_has_to_show_it(face, owner):
    first = await face.person("ann@example.com")
    factor = await enrolled(face, first["access_token"])
    async with face.services.database.transaction(SIGN_IN) as session:
        # Has seen no factor to be shown, and is not committed yet.
        opened = await sessions.open_session(
            session, user_id=UserId(first["user"]["id"]), method="password", origin=Origin(None, None)
        )
        assert not opened.person.has_second_factor
        showing = asyncio.create_task(shown(face, first["access_token"], factor))
        await asyncio.wait({showing}, timeout=0.3)
    assert (await showing).status_code == 200
    left = [row["id"] for row in await owner.fetch("SELECT id FROM auth.sessions")]
    assert (len(left), opened.session.id in left) == (1, False)


async def test_when_a_factor_goes_other_sessions_show_one_that_is_left(face, holder):
    here, phone = holder
    with clock.shifted(timedelta(minutes=2)):
        there = (await face.sign_in("ann@example.com")).json()["access_token"]
        there = (await shown(face, there, phone)).json()
        tablet = await enrolled(face, here["access_token"], friendly_name="tablet")
        here = (await shown(face, here["access_token"], tablet)).json()
        await face("DELETE", f"/factors/{phone['id']}", here["access_token"])
        assert await _levels(face, here, there) == [("aal2", 200), ("aal1", 403)]
        await face("DELETE", f"/factors/{tablet['id']}", here["access_token"])
        # Where nothing is left to be shown, nobody has shown it, and nobody is kept out.
        assert await _levels(face, here, there) == [("aal1", 200), ("aal1", 200)]


async def _levels(face, *every):
    """What sessions are, refreshed, and whether they open anything."""
    found = []
    for session in every:
        refreshed = (await face.refresh(session["refresh_token"])).json()["access_token"]
        said = jwt.decode(refreshed, options={"verify_signature": False})
        answer = await face.http.get("/v1/usage", headers={"Authorization": f"Bearer {refreshed}"})
        found.append((said["aal"], answer.status_code))
    return found


async def test_the_password_alone_opens_nothing_any_more(face, holder):
    _, factor = holder
    with clock.shifted(timedelta(minutes=1)):
        token = await later(face, "ann@example.com")
        headers = {"Authorization": f"Bearer {token}"}
        answer = await face.http.get("/v1/usage", headers=headers)
        assert (answer.status_code, answer.json()["type"]) == (403, "/problems/second-factor-needed")
        for body in ({"password": "a wholly new one"}, {"email": "new@example.com"}):
            assert code_of(await face("PUT", "/user", token, json=body)) == NEEDED
        assert code_of(await face("POST", "/factors", token, json={"factor_type": "totp"})) == NEEDED
        assert code_of(await face("DELETE", f"/factors/{factor['id']}", token)) == NEEDED
        # Nor does the mailbox.
        await face("POST", "/recover", json={"email": "ann@example.com"})
        await face.mail()
        mailed = fragment_of(await face("GET", face.link()))["access_token"]
        assert code_of(await face("PUT", "/user", mailed, json={"password": "a wholly new one"})) == NEEDED
        raised = (await shown(face, token, factor)).json()["access_token"]
        answer = await face.http.get("/v1/usage", headers={"Authorization": f"Bearer {raised}"})
        assert answer.status_code == 200
        assert (await face("PUT", "/user", raised, json={"password": "a wholly new one"})).status_code == 200


async def test_a_code_is_good_once_and_near_its_time(face, holder):
    session, factor = holder
    secret = factor["totp"]["secret"]
    token = session["access_token"]
    used = code_now(secret)
    assert code_of(await shown(face, token, factor, used)) == WRONG
    with clock.shifted(timedelta(minutes=2)):
        assert code_of(await shown(face, token, factor, used)) == WRONG
        for wrong in ("", "x", "12345", "１２３４５６", "0" * 5_000):
            assert code_of(await shown(face, token, factor, wrong or " ")) == WRONG
        current = code_now(secret)
        answers = await asyncio.gather(*(shown(face, token, factor, current) for _ in range(4)))
        assert sorted(answer.status_code for answer in answers) == [200, 422, 422, 422]


async def test_codes_cannot_be_guessed_at_leisure(face, holder):
    session, factor = holder
    token, path = session["access_token"], f"/factors/{factor['id']}"
    with clock.shifted(timedelta(minutes=2)):
        begun = (await face("POST", f"{path}/challenge", token, json={})).json()
        right = code_now(factor["totp"]["secret"])
        wrong = f"{(int(right) + 1) % 10**6:06}"
        body = {"challenge_id": begun["id"], "code": wrong}
        for _ in range(5):
            assert code_of(await face("POST", f"{path}/verify", token, json=body)) == WRONG
        over = (422, "mfa_challenge_expired")
        assert code_of(await face("POST", f"{path}/verify", token, json=body | {"code": right})) == over
        old = (await face("POST", f"{path}/challenge", token, json={})).json()
    with clock.shifted(timedelta(minutes=8)):
        body = {"challenge_id": old["id"], "code": code_now(factor["totp"]["secret"])}
        assert code_of(await face("POST", f"{path}/verify", token, json=body)) == over


async def test_another_ones_factor_is_nobodys(face, holder):
    _, factor = holder
    bob = (await face.person())["access_token"]
    unknown = (404, "mfa_factor_not_found")
    for factor_id in (factor["id"], "00000000-0000-0000-0000-000000000001", "x"):
        assert code_of(await face("POST", f"/factors/{factor_id}/challenge", bob, json={})) == unknown
        body = {"challenge_id": factor["id"], "code": code_now(factor["totp"]["secret"])}
        assert code_of(await face("POST", f"/factors/{factor_id}/verify", bob, json=body)) == unknown
        assert code_of(await face("DELETE", f"/factors/{factor_id}", bob)) == unknown


async def test_factors_that_are_refused(face, holder):
    session, _ = holder
    token = session["access_token"]
    for body in ({}, {"factor_type": "phone"}, {"factor_type": "totp", "friendly_name": "a:b"}):
        assert code_of(await face("POST", "/factors", token, json=body)) == INVALID
    body = {"factor_type": "totp", "friendly_name": "phone"}
    assert code_of(await face("POST", "/factors", token, json=body)) == (422, "mfa_factor_name_conflict")
    assert code_of(await face("POST", "/factors", json=body)) == (401, "no_authorization")


async def test_a_factor_goes_by_its_owner_or_the_service(face, holder, owner):
    session, factor = holder
    token = session["access_token"]
    second = await enrolled(face, token, friendly_name="tablet")
    service = await face.service_key()
    user = session["user"]["id"]
    listed = (await face("GET", f"/admin/users/{user}/factors", service)).json()
    assert [(one["friendly_name"], one["status"]) for one in listed] == [
        ("phone", "verified"),
        ("tablet", "unverified"),
    ]
    assert (await face("DELETE", f"/factors/{second['id']}", token)).json() == {"id": second["id"]}
    path = f"/admin/users/{user}/factors/{factor['id']}"
    assert code_of(await face("DELETE", path, token)) == (403, "not_admin")
    assert (await face("DELETE", path, service)).json() == {"id": factor["id"]}
    token = (await face.sign_in("ann@example.com")).json()["access_token"]
    answer = await face.http.get("/v1/usage", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200
    assert (
        await owner.fetchval("SELECT count(*) FROM app.audit_log WHERE action = 'sign_in.factor_removed'")
        == 1
    )


async def test_a_secret_lies_sealed_and_bound_to_its_row(face, holder, owner):
    session, factor = holder
    sealed = await owner.fetchval("SELECT secret FROM auth.mfa_factors")
    assert factor["totp"]["secret"].encode() not in sealed
    bob = (await face.person("bob@example.com"))["access_token"]
    mine = await enrolled(face, bob)
    # Somebody who can write into the table puts a secret that they know beside another's name.
    await owner.execute(
        "UPDATE auth.mfa_factors AS f SET secret = mine.secret FROM auth.mfa_factors AS mine"
        " WHERE mine.id = $1 AND f.id = $2",
        mine["id"], factor["id"],
    )  # fmt: skip
    with clock.shifted(timedelta(minutes=2)):
        answer = await shown(face, session["access_token"], factor, code_now(mine["totp"]["secret"]))
    assert code_of(answer) == WRONG
