"""Bounces that give credits back, once, and credits that administrators give."""

import asyncio

import pytest
from sqlalchemy import text

from db.sessions import SERVICE
from domain import reports


@pytest.fixture
async def people(db, settings, clean_database):
    """Thirty people whose addresses came from two files."""
    async with db.transaction(SERVICE) as session:
        await session.execute(text("INSERT INTO app.sources (name) VALUES ('good'), ('bad')"))
        made = await session.scalars(
            text(
                """
                INSERT INTO app.contacts (first_name, email, email_hash, provenance)
                SELECT 'P' || n, 'p' || n || '@acme.example', convert_to('hash ' || n, 'UTF8'),
                       jsonb_build_object('email', (SELECT id FROM app.sources WHERE name = 'bad'))
                FROM generate_series(1, 30) AS n RETURNING id
                """
            )
        )
        return list(made)


async def unlock(person, *contacts):
    body = {"contact_ids": contacts, "fields": ["email"]}
    assert (await person("POST", "/v1/unlocks", json=body)).status_code == 200


async def report(person, contact, outcome="bounced", **more):
    return await person("POST", f"/v1/contacts/{contact}/report", json={"outcome": outcome} | more)


async def available(person):
    return (await person("GET", "/v1/credits")).json()["available"]


async def test_a_bounce_gives_the_credit_back_once_and_counts_against_the_source(ann, people, db):
    await unlock(ann, people[0], people[1])
    assert await available(ann) == 48
    answers = await asyncio.gather(*(report(ann, people[0]) for _ in range(10)))
    assert sorted(answer.json()["refunded"] for answer in answers) == [0] * 9 + [1]
    assert (await report(ann, people[1], "replied")).json() == {
        "outcome": "replied",
        "refunded": 0,
        "because": "noted",
    }
    assert await available(ann) == 49
    async with db.transaction(SERVICE) as session:
        assert await reports.by_source(session) == [reports.SourceRecord("bad", 2, 1, 1, 1)]
    # It was paid once and stays unlocked.
    assert (await ann("GET", f"/v1/contacts/{people[0]}")).json()["email"] == "p1@acme.example"


async def test_who_said_that_it_arrived_cannot_say_that_it_bounced(ann, people):
    await unlock(ann, people[0])
    await report(ann, people[0], "replied")
    again = (await report(ann, people[0])).json()
    assert again == {"outcome": "bounced", "refunded": 0, "because": "you have reported this address before"}
    assert await available(ann) == 49


async def test_one_person_s_word_does_not_bury_an_address_two_do(ann, bob, people, db):
    async def status():
        async with db.transaction(SERVICE) as session:
            return await session.scalar(
                text("SELECT email_status FROM app.contacts WHERE id = :id"), {"id": people[0]}
            )

    await unlock(ann, people[0])
    await unlock(bob, people[0])
    await report(ann, people[0])
    assert await status() is None
    await report(bob, people[0])
    assert await status() == "invalid"


async def test_what_is_late_or_about_another_address_is_noted_only(ann, people, owner):
    await unlock(ann, people[0], people[1])
    other = await report(ann, people[1], email="old@acme.example")
    assert other.json()["because"] == "the address has been replaced meanwhile"
    await owner.execute("UPDATE app.unlocks SET created_at = created_at - interval '31 days'")
    late = await report(ann, people[0])
    assert (late.json()["refunded"], "30 days" in late.json()["because"]) == (0, True)
    assert await available(ann) == 48


async def test_nobody_bounces_everything(ann, people):
    await unlock(ann, *people)
    answers = [(await report(ann, contact)).json() for contact in people]
    # A fifth of thirty.
    assert sum(answer["refunded"] for answer in answers) == 6
    assert await available(ann) == 20 + 6


async def test_only_who_has_unlocked_can_tell(ann, people):
    refused = await report(ann, people[0])
    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/not-unlocked")
    assert (await report(ann, 2_000_000_000)).status_code == 404
    assert (await report(ann, people[0], "exploded")).status_code == 422
    assert (await report(ann, people[0], credits=5)).status_code == 422


async def test_an_administrator_gives_credits_with_a_reason(admin, ann, clean_database):
    body = {"user_id": str(ann.id), "credits": 25, "reason": "An apology"}
    headers = {"Idempotency-Key": "gift"}
    for _ in range(2):
        given = await admin("POST", "/v1/admin/credits", json=body, headers=headers)
        assert (given.status_code, given.json()["balance"]) == (201, 75)
    (line,) = (await ann("GET", "/v1/credits/ledger?kind=granted&limit=1")).json()["results"]
    assert (line["credits"], line["reason"]) == (25, "An apology")
    assert (await ann("POST", "/v1/admin/credits", json=body)).status_code == 403
    for wrong in ({"reason": ""}, {"reason": "   "}, {"credits": 1.5}, {"credits": 10**9}, {"user_id": "x"}):
        assert (await admin("POST", "/v1/admin/credits", json=body | wrong)).status_code == 422
    beyond = await admin("POST", "/v1/admin/credits", json=body | {"credits": 10_000})
    assert (beyond.status_code, beyond.json()["facts"]) == (409, {"moved": 25, "limit": 10_000})
    nobody = body | {"user_id": "6f9619ff-8b86-4011-b42d-00c04fc964ff"}
    assert (await admin("POST", "/v1/admin/credits", json=nobody)).status_code == 404


async def test_the_ledger_is_filtered_as_a_page_and_as_a_file(ann, people):
    await unlock(ann, *people[:3])
    for suffix in ("?action=unlock_email&", ".csv?action=unlock_email&", ".csv?kind=spent&"):
        found = await ann("GET", f"/v1/credits/ledger{suffix}contact_id={people[1]}")
        assert found.status_code == 200
        assert found.text.count("p2@") == 0
        assert found.text.count(str(people[1])) >= 1
    assert len((await ann("GET", "/v1/credits/ledger.csv")).text.splitlines()) == 1 + 4
    assert len((await ann("GET", "/v1/credits/ledger.csv?kind=granted")).text.splitlines()) == 1 + 1
    assert (await ann("GET", "/v1/credits/ledger.csv?kind=stolen")).status_code == 422
    assert (await ann("GET", "/v1/credits/ledger.csv?cursor=x")).status_code == 422
