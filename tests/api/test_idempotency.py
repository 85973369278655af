"""An Idempotency-Key on operations of every kind, and what is left when a server dies on the way."""

import asyncio
from dataclasses import replace
from uuid import uuid4

import pytest
from sqlalchemy import text

from api import idempotency
from api.app import OPERATIONS, create_app
from api.idempotency import Asked, KeyInUse
from core.settings import RedisSettings
from db import presence
from db.presence import Presence
from db.sessions import SERVICE, member
from tests.lab.laboratory import laboratory
from tests.lab.servers import OK, MailServer

VALIDATE = "/v1/emails/validate"
BODY = {"email": "anna@corp-lab.com"}


@pytest.fixture
async def lab():
    async with laboratory() as made:
        yield made


@pytest.fixture
async def lab_person(lab, api_settings, run_app, ann):
    """Ann, who asks an app that sees the laboratory."""
    app = create_app(replace(api_settings, validator=lab.settings, redis=RedisSettings()))
    async with run_app(app) as client:
        yield replace(ann, api=client)


async def available(person):
    return (await person("GET", "/v1/credits")).json()["available"]


@pytest.fixture
async def rows(db):
    async def rows_(query):
        async with db.transaction(SERVICE) as session:
            return list((await session.execute(text(query))).all())

    return rows_


def test_whatever_spends_heeds_a_key_and_says_so():
    heeding = {op.name for op in OPERATIONS if op.idempotent}
    assert {"unlock_contact", "unlock_contacts", "validate_email", "find_email", "create_export"} <= heeding
    described = idempotency.header()
    assert described["name"] == "Idempotency-Key"


@pytest.mark.parametrize(
    "given, key", [("plain", "plain"), ('"in quotes"', "in quotes"), (" padded ", "padded")]
)
def test_a_key_is_quoted_or_bare(given, key):
    assert idempotency.read_key(given) == key


def test_equal_arguments_have_one_mark():
    assert idempotency.fingerprint({"body": {"a": 1, "b": 2}}) == idempotency.fingerprint(
        {"body": {"b": 2, "a": 1}}
    )
    assert idempotency.fingerprint({"body": {"a": 1}}) != idempotency.fingerprint({"body": {"a": 2}})


async def test_fifteen_checks_under_one_key_are_one_check(lab, lab_person, rows, clean_database):
    await lab.domain("corp-lab.com", MailServer({"anna": OK}, delay_s=0.05))
    before = await available(lab_person)
    headers = {"Idempotency-Key": "check"}
    answers = await asyncio.gather(
        *(lab_person("POST", VALIDATE, json=BODY, headers=headers) for _ in range(15))
    )
    assert {answer.status_code for answer in answers} <= {200, 409}
    first = next(answer for answer in answers if answer.status_code == 200)
    again = await lab_person("POST", VALIDATE, json=BODY, headers=headers)
    assert (again.content, again.headers["idempotency-replayed"]) == (first.content, "true")
    assert await available(lab_person) == before - 1
    assert len(await rows("SELECT id FROM app.email_validation_logs")) == 1


async def test_a_call_whose_server_died_goes_on_when_its_lease_is_over(
    lab, lab_person, db, rows, clean_database
):
    await lab.domain("corp-lab.com", MailServer({"anna": OK}))
    before = await available(lab_person)
    headers = {"Idempotency-Key": "killed"}
    first = await lab_person("POST", VALIDATE, json=BODY, headers=headers)
    # As it is after the charge was committed and before the answer was kept.
    async with db.transaction(SERVICE) as session:
        await session.execute(
            text(
                "UPDATE app.idempotency_keys SET status = NULL, response = NULL,"
                " claimed_until = clock_timestamp() + interval '1 minute'"
            )
        )
    waiting = await lab_person("POST", VALIDATE, json=BODY, headers=headers)
    assert (waiting.status_code, waiting.json()["type"]) == (409, "/problems/idempotency-key-in-use")
    assert waiting.headers["retry-after"] == "1"
    async with db.transaction(SERVICE) as session:
        await session.execute(text("UPDATE app.idempotency_keys SET claimed_until = clock_timestamp()"))
    again = await lab_person("POST", VALIDATE, json=BODY, headers=headers)
    assert again.json() == first.json()
    assert await available(lab_person) == before - 1
    assert len(await rows("SELECT id FROM app.email_validation_logs")) == 1


async def test_a_claim_of_a_killed_process_is_free_at_once(db, ann, database_url, clean_database):
    asked = Asked(ann.id, "anything", uuid4().hex, b"hash")
    process = Presence(database_url)
    async with db.transaction(SERVICE) as session:
        first = await idempotency.claim(session, asked, holder=await process.number())
    async with db.transaction(SERVICE) as session:
        with pytest.raises(KeyInUse):
            await idempotency.claim(session, asked)
    await process.close()
    async with db.transaction(SERVICE) as session:
        assert await idempotency.claim(session, asked) == first


async def test_a_call_in_steps_names_the_process_that_serves_it(lab, lab_person, db, rows, clean_database):
    await lab.domain("corp-lab.com", MailServer({"anna": OK}))
    await lab_person("POST", VALIDATE, json=BODY, headers={"Idempotency-Key": "whose"})
    (row,) = await rows("SELECT holder FROM app.idempotency_keys")
    async with db.transaction(SERVICE) as session:
        assert await presence.is_alive(session, row.holder)


async def test_a_refusal_leaves_the_key_free(lab_person, rows, clean_database):
    headers = {"Idempotency-Key": "refused"}
    refused = await lab_person("POST", VALIDATE, json={"email": "nonsense"}, headers=headers)
    assert refused.status_code == 422
    assert await rows("SELECT 1 FROM app.idempotency_keys") == []


async def test_an_error_of_ours_keeps_the_reference_for_the_next_attempt(db, ann, clean_database):
    asked = Asked(ann.id, "anything", uuid4().hex, b"hash")
    async with db.transaction(SERVICE) as session:
        first = await idempotency.claim(session, asked)
    async with db.transaction(SERVICE) as session:
        with pytest.raises(KeyInUse):
            await idempotency.claim(session, asked)
        await idempotency.let_go(session, asked, first, refused=False)
    async with db.transaction(SERVICE) as session:
        second = await idempotency.claim(session, asked)
        assert second.reference == first.reference
        await idempotency.let_go(session, asked, second, refused=True)
        assert (await idempotency.claim(session, asked)).reference != first.reference


async def test_a_member_cannot_read_what_is_kept(db, ann, rows, clean_database, session_as):
    async with session_as(member(ann.id)) as session:
        with pytest.raises(Exception, match="permission denied"):
            await session.execute(text("SELECT * FROM app.idempotency_keys"))
