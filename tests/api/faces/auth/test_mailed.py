"""Links and codes in mails: who gets them, what they open, and how often."""

import asyncio
from datetime import timedelta
from urllib.parse import quote, urlsplit

import pytest

from core import clock
from tests.api.faces.auth.face import (
    INVALID,
    PASSWORD,
    SITE,
    code_of,
    fragment_of,
    pkce,
    query_of,
)

EXPIRED = (403, "otp_expired")


async def test_a_forgotten_password_is_chosen_anew(face):
    session = await face.person()
    email = session["user"]["email"]
    answer = await face("POST", f"/recover?redirect_to={quote(SITE + '/new')}", json={"email": email})
    assert answer.json() == {}
    (letter,) = await face.mail()
    assert letter["To"] == email
    assert f'href="http://api.test/auth/v1/verify?token=' in face.mailbox.html()  # noqa: F541
    answer = await face("GET", face.link())
    target = urlsplit(answer.headers["location"])
    assert f"{target.scheme}://{target.netloc}{target.path}" == f"{SITE}/new"
    said = fragment_of(answer)
    assert (said["type"], said["token_type"], said["expires_in"]) == ("recovery", "bearer", "3600")
    answer = await face("PUT", "/user", said["access_token"], json={"password": "a wholly new one"})
    assert answer.status_code == 200
    # Whoever was signed in by the old password is so no more; the one who changed it stays.
    assert code_of(await face.refresh(session["refresh_token"])) == (400, "refresh_token_not_found")
    assert (await face.refresh(said["refresh_token"])).status_code == 200
    assert code_of(await face.sign_in(email)) == (400, "invalid_credentials")
    assert (await face.sign_in(email, "a wholly new one")).status_code == 200


async def test_a_magic_link_is_good_once_and_for_minutes(face):
    email = (await face.person())["user"]["email"]
    await face("POST", "/otp", json={"email": email, "create_user": False})
    await face.mail()
    link = face.link()
    assert fragment_of(await face("GET", link))["access_token"]
    said = fragment_of(await face("GET", link))
    assert (said["error"], said["error_code"]) == ("access_denied", "otp_expired")
    await face("POST", "/magiclink", json={"email": email})
    await face.mail()
    with clock.shifted(timedelta(minutes=16)):
        assert fragment_of(await face("GET", face.link()))["error_code"] == "otp_expired"


async def test_a_link_used_by_many_at_once_opens_one_session(face, owner):
    email = (await face.person())["user"]["email"]
    await face("POST", "/otp", json={"email": email})
    await face.mail()
    before = await owner.fetchval("SELECT count(*) FROM auth.sessions")
    answers = await asyncio.gather(*(face("GET", face.link()) for _ in range(12)))
    assert sum("access_token" in fragment_of(answer) for answer in answers) == 1
    assert await owner.fetchval("SELECT count(*) FROM auth.sessions") == before + 1


async def test_a_scanner_that_only_looks_uses_nothing_up(face):
    email = (await face.person())["user"]["email"]
    await face("POST", "/otp", json={"email": email})
    await face.mail()
    for method in ("HEAD", "OPTIONS"):
        await face(method, face.link())
    assert fragment_of(await face("GET", face.link()))["access_token"]


async def test_a_newer_link_replaces_the_one_before(face):
    email = (await face.person())["user"]["email"]
    links = []
    for _ in range(2):
        await face("POST", "/otp", json={"email": email})
        await face.mail()
        links.append(face.link())
    assert fragment_of(await face("GET", links[0]))["error_code"] == "otp_expired"
    assert fragment_of(await face("GET", links[1]))["access_token"]


async def test_a_link_is_for_its_purpose_alone(face):
    email = (await face.person())["user"]["email"]
    await face("POST", "/recover", json={"email": email})
    await face.mail()
    token = dict(p.split("=", 1) for p in urlsplit(face.link()).query.split("&"))["token"]
    for wrong in ("magiclink", "signup", "invite", "email_change", "email"):
        answer = await face("POST", "/verify", json={"type": wrong, "token_hash": token})
        assert code_of(answer) == EXPIRED
        answer = await face("POST", "/verify", json={"type": wrong, "email": email, "token": face.code()})
        assert code_of(answer) == EXPIRED
    # A link is no refresh token and no code of a flow, either.
    assert code_of(await face.refresh(token)) == (400, "refresh_token_not_found")
    body = {"auth_code": token, "code_verifier": "v" * 43}
    assert code_of(await face("POST", "/token?grant_type=pkce", json=body)) == (404, "flow_state_not_found")
    answer = await face("POST", "/verify", json={"type": "recovery", "token_hash": token})
    assert answer.json()["access_token"]


async def test_codes_cannot_be_guessed_at_leisure(face):
    email = (await face.person())["user"]["email"]
    await face("POST", "/otp", json={"email": email})
    await face.mail()
    right = face.code()
    wrong = f"{(int(right) + 1) % 10**6:06}"
    answers = await asyncio.gather(
        *(face("POST", "/verify", json={"type": "email", "email": email, "token": wrong}) for _ in range(6))
    )
    assert {code_of(answer) for answer in answers} == {EXPIRED}
    answer = await face("POST", "/verify", json={"type": "email", "email": email, "token": right})
    assert code_of(answer) == EXPIRED
    # The link beside it is no worse for that.
    assert fragment_of(await face("GET", face.link()))["access_token"]


async def test_a_code_belongs_to_its_address(face):
    ann, bob = (await face.person())["user"]["email"], (await face.person())["user"]["email"]
    await face("POST", "/otp", json={"email": ann})
    await face.mail()
    answer = await face("POST", "/verify", json={"type": "email", "email": bob, "token": face.code()})
    assert code_of(answer) == EXPIRED


async def test_a_magic_link_makes_an_account_unless_told_not_to(face, owner):
    for create in (False, True):
        body = {"email": "new@example.com", "create_user": create, "data": {"name": "New"}}
        assert (await face("POST", "/otp", json=body)).json() == {}
        assert len(await face.mail()) == create
    body = {"type": "email", "email": "new@example.com", "token": face.code()}
    session = (await face("POST", "/verify", json=body)).json()
    assert session["user"]["user_metadata"] == {"name": "New"}
    assert await owner.fetchval("SELECT count(*) FROM app.users WHERE email = 'new@example.com'") == 1


async def test_with_a_challenge_the_link_gives_a_code_to_who_asked(face):
    email = (await face.person())["user"]["email"]
    verifier, challenge = pkce()
    await face("POST", "/otp", json={"email": email, **challenge})
    await face.mail()
    code = query_of(await face("GET", face.link()))["code"]
    other, _ = pkce()
    body = {"auth_code": code, "code_verifier": other}
    assert code_of(await face("POST", "/token?grant_type=pkce", json=body)) == (400, "bad_code_verifier")
    body["code_verifier"] = verifier
    session = (await face("POST", "/token?grant_type=pkce", json=body)).json()
    assert session["user"]["email"] == email
    assert code_of(await face("POST", "/token?grant_type=pkce", json=body)) == (404, "flow_state_not_found")


async def test_signing_up_in_a_browser_with_a_challenge(face):
    verifier, challenge = pkce()
    body = {"email": "ann@example.com", "password": PASSWORD, **challenge}
    await face("POST", "/signup", json=body)
    await face.mail()
    code = query_of(await face("GET", face.link()))["code"]
    body = {"auth_code": code, "code_verifier": verifier}
    assert (await face("POST", "/token?grant_type=pkce", json=body)).json()["user"][
        "email"
    ] == "ann@example.com"


async def test_a_code_of_a_flow_is_good_for_minutes(face):
    email = (await face.person())["user"]["email"]
    verifier, challenge = pkce()
    await face("POST", "/otp", json={"email": email, **challenge})
    await face.mail()
    body = {"auth_code": query_of(await face("GET", face.link()))["code"], "code_verifier": verifier}
    with clock.shifted(timedelta(minutes=6)):
        answer = await face("POST", "/token?grant_type=pkce", json=body)
    assert code_of(answer) == (404, "flow_state_not_found")


async def test_a_second_sign_up_under_an_address_is_told_to_its_owner_alone(face, owner):
    session = await face.person()
    email = session["user"]["email"]
    known = await face("POST", "/signup", json={"email": email, "password": "another one here"})
    unknown = await face("POST", "/signup", json={"email": "x@example.com", "password": "another one here"})
    shape = [
        {k: type(v).__name__ for k, v in a.json().items()} | {"identities": len(a.json()["identities"])}
        for a in (known, unknown)
    ]
    assert shape[0] == shape[1]
    assert known.json()["id"] != session["user"]["id"]
    letters = await face.mail()
    assert {letter["To"]: letter["Subject"] for letter in letters} == {
        email: "You have an account already",
        "x@example.com": "Confirm your address",
    }
    assert code_of(await face.sign_in(email, "another one here")) == (400, "invalid_credentials")
    assert (await face.sign_in(email)).status_code == 200


async def test_of_two_sign_ups_the_confirmed_one_counts(face):
    """Somebody else may have signed up under my address before me, with a password of their own."""
    for password in ("of somebody else", PASSWORD):
        await face("POST", "/signup", json={"email": "me@example.com", "password": password})
        await face.mail()
    assert fragment_of(await face("GET", face.link(-1)))["access_token"]
    assert (await face.sign_in("me@example.com")).status_code == 200
    assert code_of(await face.sign_in("me@example.com", "of somebody else")) == (400, "invalid_credentials")
    assert fragment_of(await face("GET", face.link(-2)))["error_code"] == "otp_expired"


async def test_sending_it_again(face):
    await face("POST", "/signup", json={"email": "ann@example.com", "password": PASSWORD})
    await face.mail()
    for body in (
        {"type": "signup", "email": "ann@example.com"},
        {"type": "signup", "email": "no@example.com"},
    ):
        assert (await face("POST", "/resend", json=body)).json() == {}
    (letter,) = await face.mail()
    assert letter["To"] == "ann@example.com"
    assert fragment_of(await face("GET", face.link()))["access_token"]
    assert code_of(await face("POST", "/resend", json={"type": "sms", "email": "a@b.com"})) == INVALID
    answer = await face("POST", "/resend", json={"type": "email_change", "email": "a@b.com"})
    assert answer.json() == {}
    assert await face.mail() == []


async def test_a_mail_job_that_runs_twice_sends_the_same_letter(face, db):
    email = (await face.person())["user"]["email"]
    await face("POST", "/recover", json={"email": email})
    face.mailbox.refuses = True
    with pytest.raises(Exception, match="did not take"):
        await face.mail()
    face.mailbox.refuses = False
    await face.mail()
    assert fragment_of(await face("GET", face.link()))["access_token"]


async def test_somebody_whom_an_operator_made_signs_in_by_mail_first(face, ann):
    email = ann.user.email
    body = {"email": email, "password": PASSWORD}
    assert (await face("POST", "/signup", json=body)).status_code == 200
    await face("POST", "/recover", json={"email": email})
    await face.mail()
    said = fragment_of(await face("GET", face.link()))
    user = (await face("GET", "/user", said["access_token"])).json()
    assert (user["id"], user["email"]) == (str(ann.id), email)
    assert (await face("PUT", "/user", said["access_token"], json={"password": PASSWORD})).status_code == 200
    assert (await face.sign_in(email)).json()["user"]["id"] == str(ann.id)


@pytest.mark.parametrize(
    "wanted",
    [
        "https://evil.example/",
        "https://front.example.evil.example/",
        "https://front.example@evil.example/",
        "//evil.example",
        "https:evil.example",
        "javascript:alert(1)",
        "https://front.example\\@evil.example/",
        "https://apps.example/teamX/evil",
        "https://apps.example/team/../evil",
        "https://apps.example/team/%2e%2e/evil",
        "http://front.example/",
        "app://other",
        "https://[evil",
        "x" * 3000,
    ],
)
async def test_a_link_leads_back_to_where_it_may_and_nowhere_else(open_face, wanted):
    urls = "https://apps.example/team/**, app://callback"
    async with open_face(redirect_urls=urls) as face:
        for kind in ("token=x", "token="):
            answer = await face("GET", f"/verify?{kind}&type=signup&redirect_to={quote(wanted, safe='')}")
            assert answer.headers["location"].split("#")[0] == SITE


@pytest.mark.parametrize(
    "wanted", ["https://front.example/a?b=c", "https://apps.example/team", "https://apps.example/team/a", "app://callback"]
)  # fmt: skip
async def test_a_link_leads_back_to_what_is_named(open_face, wanted):
    async with open_face(redirect_urls="https://apps.example/team/**, app://callback") as face:
        answer = await face("GET", f"/verify?token=x&type=signup&redirect_to={quote(wanted, safe='')}")
        assert answer.headers["location"].split("#")[0] == wanted


@pytest.mark.parametrize(
    "path, body",
    [
        ("/recover", {}),
        ("/otp", {"phone": "+491234"}),
        ("/verify", {"type": "signup"}),
        ("/verify", {"type": "nothing", "token_hash": "x"}),
        ("/verify", {"type": "signup", "token": "123456"}),
        ("/resend", {}),
    ],
)
async def test_what_is_missing_is_said(face, path, body):
    assert code_of(await face("POST", path, json=body)) == INVALID
