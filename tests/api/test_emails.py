"""Checking and finding addresses over HTTP, over real mail servers on loopback, paid from a real ledger."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text

from api.app import create_app
from core import clock
from core.settings import RedisSettings
from db.sessions import SERVICE
from domain import suppressions
from domain.credits import movements
from domain.emails.working import Desk
from domain.validator.validate import Validator
from tests.lab.laboratory import laboratory
from tests.lab.servers import OK, MailServer


@pytest.fixture
async def lab():
    async with laboratory() as made:
        yield made


@pytest.fixture
async def ask(lab, api_settings, run_app, ann, db):
    """Ann asks an app that sees the laboratory; she has credits."""
    async with db.transaction(SERVICE) as session:
        await movements.grant(session, user_id=ann.id, amount=50, reference="test", reason="a test")
    # Without Redis: what one test has learned is not another's to remember.
    app = create_app(replace(api_settings, validator=lab.settings, redis=RedisSettings()))
    async with run_app(app) as client:

        async def post(path, body, **headers):
            return await client.post(path, json=body, headers=ann.headers | headers)

        yield post


@pytest.fixture
def balance(db, ann):
    async def read():
        async with db.transaction(SERVICE) as session:
            return await session.scalar(
                text("SELECT credit_balance FROM users WHERE id = :id"), {"id": ann.id}
            )

    return read


@pytest.fixture
def rows(db, ann):
    async def count(table):
        async with db.transaction(SERVICE) as session:
            return await session.scalar(
                text(f"SELECT count(*) FROM {table} WHERE user_id = :id"), {"id": ann.id}
            )

    return count


async def test_a_verdict_costs_a_credit_once(lab, ask, balance, rows):
    await lab.domain("corp-lab.com", MailServer({"anna": OK}))
    before = await balance()
    first = await ask("/v1/emails/validate", {"email": "anna@corp-lab.com"})
    assert first.status_code == 200, first.text
    assert (first.json()["is_reachable"], first.json()["credits"]) == ("safe", 1)
    again = await ask("/v1/emails/validate", {"email": "Anna@corp-lab.com"})
    assert (again.json()["is_reachable"], again.json()["credits"]) == ("safe", 0)
    assert await balance() == before - 1
    assert await rows("email_validation_logs") == 2


async def test_unknown_and_bad_input_are_free(lab, ask, balance, rows):
    await lab.domain("corp-lab.com", MailServer(other="550 5.7.1 Delivery not authorized"))
    before = await balance()
    unknown = await ask("/v1/emails/validate", {"email": "anna@corp-lab.com"})
    assert (unknown.json()["is_reachable"], unknown.json()["sub_status"]) == ("unknown", "policy_rejected")
    assert unknown.json()["retry_after"] is None
    connections = lab.connections
    for bad in (
        "nobody",
        "a@localhost",
        "a@[10.0.0.1]",
        "a@x.com\r\nRCPT TO:<b@x.com>",
        "a" * 300 + "@b.com",
    ):
        refused = await ask("/v1/emails/validate", {"email": bad})
        assert refused.status_code == 422
    assert lab.connections == connections
    assert await balance() == before
    assert await rows("email_validation_logs") == 1


async def test_what_is_refused_for_now_is_held_and_not_spent(lab, ask, ann, balance):
    await lab.domain("corp-lab.com", MailServer(other="450 4.2.0 Greylisted"))
    before = await balance()
    unknown = (await ask("/v1/emails/validate", {"email": "anna@corp-lab.com"})).json()
    assert (unknown["sub_status"], unknown["state"], unknown["credits"]) == ("greylisted", "retrying", 0)
    shown = (await ann("GET", f"/v1/emails/{unknown['id']}")).json()
    assert shown["retry_after"] == unknown["retry_after"]
    assert (await ann("GET", "/v1/credits")).json()["held"] == 1
    assert await balance() == before - 1


async def test_property_20_parallel_calls_are_charged_once(lab, ask, balance, rows):
    await lab.domain("corp-lab.com", MailServer({"anna": OK}, delay_s=0.02))
    before = await balance()
    calls = [ask("/v1/emails/validate", {"email": "anna@corp-lab.com"}) for _ in range(20)]
    answers = [answer.json() for answer in await asyncio.gather(*calls)]
    assert {answer["is_reachable"] for answer in answers} == {"safe"}
    assert sum(answer["credits"] for answer in answers) == 1
    assert await balance() == before - 1
    assert await rows("email_validation_logs") == 20


async def test_an_idempotency_key_makes_a_call_one(lab, ask, balance, rows):
    await lab.domain("corp-lab.com", MailServer({"anna": OK}))
    before = await balance()
    key = {"Idempotency-Key": "call-1"}
    body = {"email": "anna@corp-lab.com"}
    first = await ask("/v1/emails/validate", body, **key)
    again = await ask("/v1/emails/validate", body, **key)
    assert first.json() == again.json()
    other = await ask("/v1/emails/validate", {"email": "bob@corp-lab.com"}, **key)
    assert (other.status_code, other.json()["type"]) == (422, "/problems/idempotency-key-reused")
    assert await balance() == before - 1
    assert await rows("email_validation_logs") == 1


async def test_people_who_asked_not_to_be_processed_are_not(lab, ask, db, settings, balance):
    await lab.domain("corp-lab.com", MailServer({"anna": OK}))
    async with db.transaction(SERVICE) as session:
        await suppressions.add(
            session,
            privacy=settings.privacy,
            kind="email",
            value="anna.roth@corp-lab.com",
            reason="objection",
        )
    before = await balance()
    checked = await ask("/v1/emails/validate", {"email": "anna.roth@corp-lab.com"})
    found = await ask(
        "/v1/emails/find", {"first_name": "Anna", "last_name": "Roth", "domain": "corp-lab.com"}
    )
    assert (checked.status_code, found.status_code) == (451, 451)
    assert lab.connections == 0
    assert await balance() == before


async def test_a_company_s_directory_is_not_told(lab, api_settings, run_app, ann, db):
    await lab.domain("corp-lab.com", MailServer({"anna": OK}))
    async with db.transaction(SERVICE) as session:
        await movements.grant(session, user_id=ann.id, amount=50, reference="test", reason="a test")
    mail = replace(lab.settings, per_domain=1)
    async with run_app(create_app(replace(api_settings, validator=mail, redis=RedisSettings()))) as client:
        answers = [
            await client.post(
                "/v1/emails/validate", json={"email": f"{name}@corp-lab.com"}, headers=ann.headers
            )
            for name in ("anna", "bob")
        ]
    assert [answer.status_code for answer in answers] == [200, 429]
    assert answers[1].json()["type"] == "/problems/too-many-of-a-domain"
    assert answers[1].json()["facts"]["limit"] == 1


async def test_without_credits_nothing_is_asked(lab, ask, db, ann, balance):
    await lab.domain("corp-lab.com", MailServer({"anna": OK}))
    async with db.transaction(SERVICE) as session:
        await movements.spend(
            session, user_id=ann.id, amount=await balance(), action="email_finder", reference="all of it"
        )
    refused = await ask("/v1/emails/validate", {"email": "anna@corp-lab.com"})
    assert refused.status_code == 402
    assert lab.connections == 0


@pytest.fixture
async def colleagues(db, clean_database):
    """A company of three with a pattern, and Fritz, whose address nobody knows."""
    async with db.transaction(SERVICE) as session:
        company = await session.scalar(
            text(
                "INSERT INTO organizations (name, name_key, name_sort, domain, country)"
                " VALUES ('Corp Lab', 'corp lab', 'corp lab', 'corp-lab.com', 'DE') RETURNING id"
            )
        )
        for first, last in (("Anna", "Keller"), ("Bernd", "Vogel"), ("Carla", "Stein")):
            await session.execute(
                text(
                    "INSERT INTO contacts (organization_id, first_name, last_name, email, email_status)"
                    " VALUES (:company, :first, :last, :email, 'valid')"
                ),
                {
                    "company": company,
                    "first": first,
                    "last": last,
                    "email": f"{first[0]}{last}@corp-lab.com".lower(),
                },
            )
        return await session.scalar(
            text(
                "INSERT INTO contacts (organization_id, first_name, last_name)"
                " VALUES (:company, 'Fritz', 'Lange') RETURNING id"
            ),
            {"company": company},
        )


async def test_a_found_address_is_paid_unlocked_and_told_to_the_contact(
    lab, ask, balance, rows, colleagues, db, ann
):
    await lab.domain("corp-lab.com", MailServer({"flange": OK}))
    before = await balance()
    answer = await ask("/v1/emails/find", {"contact_id": colleagues})
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert (found["status"], found["email"], found["credits"]) == ("found", "flange@corp-lab.com", 2)
    assert found["confidence"] >= 0.97
    assert (found["pattern"], found["agreeing"]) == ("flast", 3)
    async with db.transaction(SERVICE) as session:
        row = (
            await session.execute(
                text("SELECT email, email_status, email_verified_at FROM contacts WHERE id = :id"),
                {"id": colleagues},
            )
        ).one()
        unlocked = await session.scalar(
            text("SELECT field FROM unlocks WHERE user_id = :u AND contact_id = :c"),
            {"u": ann.id, "c": colleagues},
        )
    assert (row.email, row.email_status, unlocked) == ("flange@corp-lab.com", "valid", "email")
    assert row.email_verified_at
    again = (await ask("/v1/emails/find", {"contact_id": colleagues})).json()
    assert (again["status"], again["email"], again["credits"]) == ("known", "flange@corp-lab.com", 0)
    assert await balance() == before - 2
    assert await rows("email_finder_logs") == 2


async def test_a_guess_is_paid_but_no_fact(lab, ask, colleagues, db):
    await lab.domain("corp-lab.com", MailServer(other=OK))
    found = (await ask("/v1/emails/find", {"contact_id": colleagues})).json()
    assert (found["email"], found["email_status"]) == ("flange@corp-lab.com", "accept_all")
    assert found["confidence"] <= 0.85
    async with db.transaction(SERVICE) as session:
        assert (
            await session.scalar(text("SELECT email FROM contacts WHERE id = :i"), {"i": colleagues}) is None
        )


async def test_nothing_found_is_free(lab, ask, balance, rows):
    await lab.domain("corp-lab.com", MailServer())
    before = await balance()
    body = {"first_name": "Fritz", "last_name": "Lange", "domain": "corp-lab.com"}
    answer = await ask("/v1/emails/find", body)
    assert (answer.json()["status"], answer.json()["credits"]) == ("not_found", 0)
    assert await balance() == before
    assert await rows("email_finder_logs") == 1


@pytest.mark.parametrize(
    "body",
    [
        {"first_name": "Fritz", "last_name": "Lange"},
        {"first_name": "", "last_name": "", "domain": "corp-lab.com"},
        {"first_name": "12345", "last_name": "6", "domain": "corp-lab.com"},
        {"first_name": "Fritz", "last_name": "Lange", "domain": "localhost"},
        {"first_name": "Fritz", "last_name": "Lange", "domain": "gmail.com"},
        {"first_name": "Fritz", "last_name": "Lange", "company": "No Such Company"},
        {"first_name": "a\r\nb", "last_name": "Lange", "domain": "corp-lab.com"},
    ],
)
async def test_a_search_that_cannot_be_made_is_refused_and_free(lab, ask, balance, body):
    before = await balance()
    assert (await ask("/v1/emails/find", body)).status_code == 422
    assert lab.connections == 0
    assert await balance() == before


async def test_earlier_answers_are_the_asker_s_alone(lab, ask, bob, ann):
    await lab.domain("corp-lab.com", MailServer({"anna": OK}))
    told = (await ask("/v1/emails/validate", {"email": "anna@corp-lab.com"})).json()
    path = f"/v1/emails/{told['id']}"
    shown = (await ann("GET", path)).json()
    assert (shown["kind"], shown["state"], shown["validation"], shown["finding"]) == (
        "validate",
        "done",
        told,
        None,
    )
    assert (await bob("GET", path)).status_code == 404
    assert (await ann("GET", "/v1/emails/17")).status_code == 404


async def test_the_ends_of_requests_are_told_in_their_order(lab, ask, bob, ann):
    await lab.domain("corp-lab.com", MailServer({"anna": OK}))
    told = [
        (await ask("/v1/emails/validate", {"email": f"{name}@corp-lab.com"})).json()["id"]
        for name in ("anna", "bert", "carl")
    ]
    path = "/v1/emails/events"
    assert (await ann("GET", path)).json() == {"events": [], "cursor": None}
    with clock.shifted(timedelta(seconds=10)):
        first = (await ann("GET", f"{path}?limit=2")).json()
        assert [event["id"] for event in first["events"]] == told[:2]
        assert {event["kind"] for event in first["events"]} == {"email.validated"}
        rest = (await ann("GET", f"{path}?limit=2&after={first['cursor']}")).json()
        assert [event["id"] for event in rest["events"]] == told[2:]
        nothing = (await ann("GET", f"{path}?after={rest['cursor']}")).json()
        assert nothing == {"events": [], "cursor": rest["cursor"]}
        assert (await bob("GET", path)).json()["events"] == []
    wrong = await ann("GET", f"{path}?after=xyz")
    assert (wrong.status_code, wrong.json()["type"]) == (422, "/problems/wrong-cursor")


async def test_a_caller_waits_so_long_and_then_polls(lab, api_settings, run_app, ann, db):
    await lab.domain("slow-lab.com", MailServer({"anna": OK}, delay_s=0.3))
    mail = replace(lab.settings, caller_timeout_s=0.3)
    app = create_app(replace(api_settings, validator=mail, redis=RedisSettings()))
    async with db.transaction(SERVICE) as session:
        await movements.grant(session, user_id=ann.id, amount=50, reference="test", reason="a test")
    async with run_app(app) as client:
        for path, body in (
            ("/v1/emails/validate", {"email": "anna@slow-lab.com"}),
            ("/v1/emails/find", {"first_name": "Anna", "last_name": "Roth", "domain": "slow-lab.com"}),
        ):
            answer = await client.post(path, json=body, headers=ann.headers)
            assert answer.status_code == 202, answer.text
            told = answer.json()
            assert (told["state"], told["credits"]) == ("waiting", 0)
            assert told["retry_after"]
            shown = (await ann("GET", f"/v1/emails/{told['id']}")).json()
            assert (shown["state"], shown["error"]) == ("waiting", None)


@pytest.fixture
def work(lab, api_settings, db):
    """The worker's part."""
    settings = replace(api_settings, validator=lab.settings, redis=RedisSettings())

    async def run():
        desk = Desk(settings, db, Validator(settings.validator))
        while await desk.fill():
            await desk.empty()

    return run


async def test_a_job_from_its_price_to_its_table(lab, ask, ann, bob, work):
    await lab.domain("corp-lab.com", MailServer({"anna": OK}))
    body = {"kind": "validate", "csv": "email\nanna@corp-lab.com\n=cmd@corp-lab.com\nnobody\n"}
    price = await ask("/v1/emails/jobs/dry-run", body)
    assert price.status_code == 200, price.text
    assert (price.json()["accepted"], price.json()["credits_at_most"]) == (2, 2)
    assert price.json()["refusals"][0]["row"] == 3
    made = await ask("/v1/emails/jobs", body, **{"Idempotency-Key": "job-1"})
    again = await ask("/v1/emails/jobs", body, **{"Idempotency-Key": "job-1"})
    assert (made.status_code, made.json()) == (202, again.json())
    path = f"/v1/emails/jobs/{made.json()['id']}"
    await work()
    done = (await ann("GET", path)).json()
    assert (done["status"], done["credits"], done["counts"]["failed"]) == ("done", 2, 1)
    assert (await ann("GET", "/v1/emails/jobs")).json()["results"] == [done]
    table = await ann("GET", f"{path}/results")
    lines = table.text.splitlines()
    assert table.headers["content-type"].startswith("text/csv")
    assert lines[1].startswith('"1","anna@corp-lab.com","safe","valid"')
    assert lines[2].startswith('"2","\'=cmd@corp-lab.com","invalid"')
    assert "is not of the form" in lines[3]
    for method, foreign in (("GET", path), ("GET", f"{path}/results"), ("POST", f"{path}/cancel")):
        assert (await bob(method, foreign)).status_code == 404
    assert (await ann("POST", f"{path}/cancel")).json()["status"] == "done"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"emails": ["a@b.com"], "people": [{"contact_id": 1}]},
        {"emails": ["a@b.com"], "kind": "validate"},
        {"csv": "email\na@b.com"},
        {"csv": "what\never", "kind": "find"},
        {"emails": []},
        {"emails": ["a@b.com"] * 10_001},
    ],
)
async def test_a_job_that_is_none_is_refused(ask, rows, body):
    for path in ("/v1/emails/jobs", "/v1/emails/jobs/dry-run"):
        refused = await ask(path, body)
        assert refused.status_code == 422
        assert refused.json()["errors"]
    assert await rows("email_jobs") == 0


@pytest.mark.parametrize("path", ["/functions/v1/", "/functions/"])
async def test_functions_answer_as_the_api_does(lab, ask, balance, colleagues, path):
    await lab.domain("corp-lab.com", MailServer({"flange": OK}))
    before = await balance()
    checked = await ask(f"{path}validate-email", {"email": "flange@corp-lab.com"})
    assert (checked.status_code, checked.json()["is_reachable"]) == (200, "safe")
    found = await ask(f"{path}email-finder", {"contact_id": colleagues}, **{"Idempotency-Key": "once"})
    again = await ask(f"{path}email-finder", {"contact_id": colleagues}, **{"Idempotency-Key": "once"})
    assert found.json()["email"] == "flange@corp-lab.com"
    assert found.json() == again.json()
    assert await balance() == before - 3
    refused = await ask(f"{path}email-finder", {"first_name": "", "domain": "corp-lab.com"})
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid")


async def test_what_became_of_an_address_is_reported(lab, ask, ann, bob, balance, colleagues):
    await lab.domain("corp-lab.com", MailServer({"flange": OK}))
    before = await balance()
    found = (await ask("/v1/emails/find", {"contact_id": colleagues})).json()
    told = await ask("/v1/emails/report", {"id": found["id"], "outcome": "bounced"})
    assert told.status_code == 200, told.text
    assert (told.json()["refunded"], await balance()) == (2, before)
    foreign = await bob("POST", "/v1/emails/report", json={"id": found["id"], "outcome": "bounced"})
    assert foreign.status_code == 404
    for body in ({"outcome": "bounced"}, {"id": found["id"], "email": "a@b.com", "outcome": "bounced"}):
        assert (await ask("/v1/emails/report", body)).status_code == 422
    assert (await ask("/v1/emails/report", {"id": found["id"], "outcome": "lost"})).status_code == 422
