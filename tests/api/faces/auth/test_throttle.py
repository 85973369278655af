"""Guessing is bounded: for an account, for a network, over all processes, whatever the headers say."""

import asyncio
from dataclasses import replace

import httpx
import pytest

from api.app import create_app
from api.faces.auth.throttle import Throttle, network
from domain.auth.errors import OverRequestRateLimit
from domain.auth.people import Origin
from tests.api.faces.auth.face import PASSWORD, code_of

LIMITED = (429, "over_request_rate_limit")


async def test_sixty_bad_guesses_do_not_pass_whatever_they_call_themselves(open_face):
    async with open_face(attempts=30) as face:
        email = (await face.person())["user"]["email"]
        answers = [
            await face(
                "POST",
                "/token?grant_type=password",
                json={"email": email, "password": "not it at all"},
                headers={"X-Forwarded-For": f"203.0.113.{n}", "X-Real-IP": f"203.0.113.{n}"},
            )
            for n in range(60)
        ]
        assert {code_of(answer) for answer in answers[:25]} == {(400, "invalid_credentials")}
        assert {code_of(answer) for answer in answers[30:]} == {LIMITED}
        assert int(answers[-1].headers["retry-after"]) > 0
        assert code_of(await face.sign_in(email)) == LIMITED


async def test_an_account_is_bounded_when_the_guesses_come_from_everywhere(open_face):
    async with open_face(attempts=10, trusted_proxies=1) as face:
        statuses = [
            (
                await face(
                    "POST",
                    "/token?grant_type=password",
                    json={"email": "ann@example.com", "password": PASSWORD},
                    headers={"X-Forwarded-For": f"198.51.100.{n}"},
                )
            ).status_code
            for n in range(12)
        ]
        assert statuses == [400] * 10 + [429] * 2
        # Others are none the worse for it.
        assert (await face.sign_in("bob@example.com")).status_code == 400


async def test_behind_a_proxy_only_its_word_counts(open_face):
    async with open_face(attempts=5, trusted_proxies=1) as face:
        statuses = [
            (
                await face(
                    "POST",
                    "/token?grant_type=password",
                    json={"email": f"{n}@example.com", "password": PASSWORD},
                    headers={"X-Forwarded-For": f"10.0.0.{n}, 198.51.100.9"},
                )
            ).status_code
            for n in range(7)
        ]
        assert statuses == [400] * 5 + [429] * 2


async def test_processes_count_together(open_face, run_app, monkeypatch):
    # On a busy machine the default would let a process count for itself, which is another test.
    monkeypatch.setattr("api.faces.auth.throttle.REDIS_TIMEOUT_S", 10)
    async with open_face(attempts=10) as face, run_app(create_app(face.settings)) as other:

        async def guess(http: httpx.AsyncClient) -> int:
            body = {"email": "ann@example.com", "password": PASSWORD}
            return (await http.post("/auth/v1/token?grant_type=password", json=body)).status_code

        statuses = await asyncio.gather(*(guess(http) for http in [face.http, other] * 12))
        assert sorted(statuses) == [400] * 10 + [429] * 14


async def test_without_redis_each_process_counts_for_itself(open_face):
    async with open_face(attempts=3) as face:
        throttle = face.services.sign_in.throttle
        throttle._paused_until = float("inf")
        statuses = [(await face.sign_in("ann@example.com")).status_code for _ in range(5)]
        assert statuses == [400] * 3 + [429] * 2


async def test_a_redis_that_does_not_answer_is_left_alone(settings):
    dead = replace(settings, redis=replace(settings.redis, url="redis://127.0.0.1:1/0"),
                   sign_in=replace(settings.sign_in, attempts=2))  # fmt: skip
    throttle = Throttle(dead)
    for _ in range(2):
        await throttle.attempt(Origin("198.51.100.1"), account="ann@example.com")
    with pytest.raises(OverRequestRateLimit):
        await throttle.attempt(Origin("198.51.100.2"), account="ANN@example.com ")
    await throttle.close()


async def test_mail_is_not_sent_at_everybodys_whim(open_face):
    async with open_face(mail_every_s=60, mails_per_hour=4) as face:
        limited = (429, "over_email_send_rate_limit")
        assert (await face("POST", "/recover", json={"email": "ann@example.com"})).json() == {}
        answer = await face("POST", "/otp", json={"email": "Ann@Example.com"})
        assert code_of(answer) == limited
        assert "you can only request this after" in answer.json()["message"]
        for n in range(2):
            assert (await face("POST", "/recover", json={"email": f"{n}@example.com"})).json() == {}
        assert code_of(await face("POST", "/recover", json={"email": "5@example.com"})) == limited


@pytest.mark.parametrize(
    "address, counted_as",
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        (None, "unknown"),
    ],
)
def test_a_client_is_its_network(address, counted_as):
    assert network(Origin(address)) == counted_as
