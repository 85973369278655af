"""Unlocking and paying for it by HTTP, alone and all at once."""

import asyncio
import csv
import io
import random
from datetime import timedelta

import pytest
from sqlalchemy import text

from core import clock
from db.sessions import SERVICE
from domain.credits import holds, movements, reconcile

EMAIL = {"fields": ["email"]}


@pytest.fixture
async def poor(owner, clean_database):
    """Nobody gets credits by the month, so that a test knows every credit there is."""
    await owner.execute("UPDATE app.plans SET monthly_credits = 0")


@pytest.fixture
def give(db, poor):
    async def give_(person, amount, reference="test"):
        async with db.transaction(SERVICE) as session:
            await movements.grant(
                session, user_id=person.id, amount=amount, reference=reference, reason="For a test"
            )

    return give_


@pytest.fixture(autouse=True)
async def _books_agree(db, clean_database):
    yield
    async with db.transaction(SERVICE) as session:
        assert await reconcile.differences(session) == []


@pytest.fixture
async def people(db, world):
    """Sixty people with an address each."""
    async with db.transaction(SERVICE) as session:
        made = await session.scalars(
            text(
                "INSERT INTO app.contacts (first_name, email)"
                " SELECT 'P' || n, 'p' || n || '@acme.example' FROM generate_series(1, 60) AS n RETURNING id"
            )
        )
        return list(made)


def unlock(person, contact, *fields, **options):
    return person("POST", f"/v1/contacts/{contact}/unlock", json={"fields": fields or ["email"]}, **options)


async def available(person):
    return (await person("GET", "/v1/credits")).json()["available"]


async def test_an_address_is_paid_once_and_then_shows_everywhere(ann, bob, give, world):
    anna = world.contacts[0]
    await give(ann, 10)
    response = await unlock(ann, anna, "email", "phone")
    assert response.status_code == 200, response.text
    assert response.json() == {
        "results": [
            {"contact_id": anna, "field": "email", "status": "unlocked", "credits": 1}
            | {"value": "anna@acme.example"},
            {"contact_id": anna, "field": "phone", "status": "unlocked", "credits": 5, "value": "+493012345"},
        ],
        "credits": 6,
        "balance": 4,
        "dry_run": False,
    }
    again = (await unlock(ann, anna)).json()
    assert (again["credits"], again["results"][0]["status"]) == (0, "owned")
    assert again["results"][0]["value"] == "anna@acme.example"
    shown = (await ann("GET", f"/v1/contacts/{anna}")).json()
    assert (shown["email"], shown["phone"]) == ("anna@acme.example", "+493012345")
    assert (await bob("GET", f"/v1/contacts/{anna}")).json()["email"] is None
    for unlocked, number in (("only", 1), ("exclude", 4)):
        found = (await ann("POST", "/v1/contacts/search", json={"unlocked": unlocked})).json()
        assert found["total_entries"] == number
    found = (await ann("POST", "/v1/contacts/search", json={"unlocked": "only"})).json()
    assert found["results"][0]["can_reveal"] == [
        {"field": "email", "credits": 0},
        {"field": "phone", "credits": 0},
    ]


async def test_a_later_value_of_the_field_is_owned_too(ann, give, world, db):
    await give(ann, 1)
    await unlock(ann, world.contacts[0])
    async with db.transaction(SERVICE) as session:
        await session.execute(
            text("UPDATE app.contacts SET email = 'new@acme.example' WHERE id = :id"),
            {"id": world.contacts[0]},
        )
    (result,) = (await unlock(ann, world.contacts[0])).json()["results"]
    assert (result["value"], result["credits"]) == ("new@acme.example", 0)


async def test_what_was_paid_for_and_lost_comes_back_for_nothing(ann, give, world, owner):
    await give(ann, 1)
    await unlock(ann, world.contacts[0])
    await owner.execute("DELETE FROM app.unlocks")
    (result,) = (await unlock(ann, world.contacts[0])).json()["results"]
    assert (result["status"], result["credits"], result["value"]) == ("unlocked", 0, "anna@acme.example")


async def test_what_is_not_there_costs_nothing(ann, give, world):
    await give(ann, 1)
    (result,) = (await unlock(ann, world.contacts[1])).json()["results"]
    assert (result["status"], result["credits"], result["value"]) == ("empty", 0, None)
    assert (await unlock(ann, 2_000_000_000)).status_code == 404
    await ann("PUT", f"/v1/hidden/organizations/{world.organizations[0]}")
    refused = await unlock(ann, world.contacts[0])
    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/hidden-record")
    assert await available(ann) == 1


async def test_too_little_credit_is_402_with_the_figures(ann, give, world):
    await give(ann, 3)
    refused = await unlock(ann, world.contacts[0], "email", "phone")
    assert refused.status_code == 402
    assert refused.json()["facts"] == {"balance": 3, "needed": 6}
    assert await available(ann) == 3
    assert (await ann("GET", f"/v1/contacts/{world.contacts[0]}")).json()["email"] is None


@pytest.mark.parametrize("extra", ["credits", "price", "cost", "user_id"])
async def test_the_caller_sets_no_price(ann, give, world, extra):
    await give(ann, 1)
    path = f"/v1/contacts/{world.contacts[0]}/unlock"
    assert (await ann("POST", path, json={"fields": ["email"], extra: 0})).status_code == 422
    assert await available(ann) == 1


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"contact_ids": []} | EMAIL,
        {"contact_ids": list(range(1, 1_002))} | EMAIL,
        {"contact_ids": [1], "fields": []},
        {"contact_ids": [1], "fields": ["fax"]},
        {"contact_ids": [1]} | EMAIL | {"max_credits": -1},
        {"contact_ids": [0]} | EMAIL,
    ],
)
async def test_a_bulk_that_cannot_be_is_refused(ann, body):
    assert (await ann("POST", "/v1/unlocks", json=body)).status_code == 422


async def test_a_dry_run_tells_the_cost_of_each_and_takes_nothing(ann, give, world):
    await give(ann, 10)
    await unlock(ann, world.contacts[2])
    await ann("PUT", f"/v1/hidden/contacts/{world.contacts[3]}")
    ids = [world.contacts[0], world.contacts[1], world.contacts[2], world.contacts[3], 2_000_000_000]
    answer = (
        await ann("POST", "/v1/unlocks", json={"contact_ids": ids, "fields": ["email"], "dry_run": True})
    ).json()
    assert [(row["status"], row["credits"], row["value"]) for row in answer["results"]] == [
        ("unlocked", 1, None),
        ("empty", 0, None),
        ("owned", 0, "cleo@globex.example"),
        ("hidden", 0, None),
        ("unknown", 0, None),
    ]
    assert (answer["credits"], answer["balance"], answer["dry_run"]) == (1, 9, True)
    assert await available(ann) == 9


async def test_a_bulk_is_all_or_nothing_and_stops_hard(ann, give, people):
    await give(ann, 10)
    body = {"contact_ids": people[:10], "fields": ["email"]}
    refused = await ann("POST", "/v1/unlocks", json=body | {"max_credits": 9})
    assert (refused.status_code, refused.json()["facts"]) == (409, {"needed": 10, "max_credits": 9})
    refused = await ann("POST", "/v1/unlocks", json=body | {"contact_ids": people[:11]})
    assert refused.status_code == 402
    assert await available(ann) == 10
    answer = (await ann("POST", "/v1/unlocks", json=body | {"max_credits": 10})).json()
    assert (answer["credits"], answer["balance"]) == (10, 0)
    assert all(row["value"] for row in answer["results"])


async def test_a_thousand_at_once(ann, give, people, db):
    async with db.transaction(SERVICE) as session:
        made = await session.scalars(
            text(
                "INSERT INTO app.contacts (first_name, email)"
                " SELECT 'Q' || n, 'q' || n || '@acme.example' FROM generate_series(1, 1000) AS n"
                " RETURNING id"
            )
        )
        ids = list(made)
    await give(ann, 1_000)
    answer = (await ann("POST", "/v1/unlocks", json={"contact_ids": ids, "fields": ["email"]})).json()
    assert (answer["credits"], answer["balance"], len(answer["results"])) == (1_000, 0, 1_000)


async def test_29_money_for_seven_of_fifty(ann, give, people):
    await give(ann, 7)
    answers = await asyncio.gather(*(unlock(ann, contact) for contact in people[:50]))
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [402] * 43
    shown = [answer.json()["results"][0]["value"] for answer in answers if answer.status_code == 200]
    assert all(shown)
    assert await available(ann) == 0


async def test_30_one_contact_thirty_times_at_once(ann, give, people):
    await give(ann, 30)
    answers = await asyncio.gather(*(unlock(ann, people[0]) for _ in range(30)))
    assert {answer.status_code for answer in answers} == {200}
    assert {answer.json()["results"][0]["value"] for answer in answers} == {"p1@acme.example"}
    assert sum(answer.json()["credits"] for answer in answers) == 1
    assert await available(ann) == 29


async def test_31_overlapping_bulks_of_two_people_do_not_deadlock(ann, bob, give, people):
    await give(ann, 60)
    await give(bob, 60)
    rng = random.Random(7)
    calls = [
        (ann if n % 2 else bob)("POST", "/v1/unlocks", json={"contact_ids": rng.sample(people, 30)} | EMAIL)
        for n in range(40)
    ]
    answers = await asyncio.gather(*calls)
    assert {answer.status_code for answer in answers} == {200}
    for person in (ann, bob):
        body = {"contact_ids": people} | EMAIL
        await person("POST", "/v1/unlocks", json=body)
        assert await available(person) == 0


async def test_33_the_same_key_is_one_charge_and_one_answer(ann, bob, give, people):
    await give(ann, 20)
    await give(bob, 20)
    headers = {"Idempotency-Key": "once-only"}
    answers = await asyncio.gather(*(unlock(ann, people[0], headers=headers) for _ in range(15)))
    assert {answer.status_code for answer in answers} <= {200, 409}
    good = [answer for answer in answers if answer.status_code == 200]
    assert len({answer.content for answer in good}) == 1
    again = await unlock(ann, people[0], headers=headers)
    assert again.content == good[0].content
    assert again.headers["idempotency-replayed"] == "true"
    assert await available(ann) == 19
    other = await unlock(ann, people[1], headers=headers)
    assert (other.status_code, other.json()["type"]) == (422, "/problems/idempotency-key-reused")
    assert (await unlock(bob, people[1], headers=headers)).json()["credits"] == 1
    bulk = await ann("POST", "/v1/unlocks", json={"contact_ids": people[:3]} | EMAIL, headers=headers)
    assert bulk.json()["credits"] == 2


async def test_a_failed_call_may_be_sent_again_under_its_key(ann, give, people):
    await give(ann, 1)
    await unlock(ann, people[0])
    headers = {"Idempotency-Key": '"quoted"'}
    assert (await unlock(ann, people[1], headers=headers)).status_code == 402
    await give(ann, 1, "more")
    assert (await unlock(ann, people[1], headers=headers)).json()["credits"] == 1


async def test_a_key_is_forgotten_after_a_day_and_with_the_person(ann, give, people, db):
    await give(ann, 20)
    headers = {"Idempotency-Key": "k"}
    await unlock(ann, people[0], headers=headers)
    async with db.transaction(SERVICE) as session:
        await session.execute(text("DELETE FROM app.contacts WHERE id = :id"), {"id": people[0]})
        assert await session.scalar(text("SELECT count(*) FROM app.idempotency_keys")) == 0
    assert (await unlock(ann, people[0], headers=headers)).status_code == 404
    await unlock(ann, people[1], headers=headers)
    async with db.transaction(SERVICE) as session:
        await session.execute(
            text("UPDATE app.idempotency_keys SET created_at = created_at - interval '25 hours'")
        )
    assert (await unlock(ann, people[2], headers=headers)).json()["credits"] == 1


@pytest.mark.parametrize("key", ["", " ", "a" * 256, '"open', "with space"])
async def test_a_bad_key_is_refused(ann, world, key):
    refused = await unlock(ann, world.contacts[0], headers={"Idempotency-Key": key})
    assert (refused.status_code, refused.json()["type"]) == (400, "/problems/bad-idempotency-key")


async def test_34_a_client_that_hangs_up_is_charged_for_what_is_recorded(ann, give, people):
    await give(ann, 60)
    calls = [asyncio.create_task(unlock(ann, contact)) for contact in people]
    await asyncio.sleep(0.2)
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    owned = (await ann("POST", "/v1/unlocks", json={"contact_ids": people, "dry_run": True} | EMAIL)).json()
    assert await available(ann) == sum(1 for row in owned["results"] if row["status"] == "unlocked")


async def test_prices_are_quoted_from_the_table_that_charges(ann):
    prices = (await ann("GET", "/v1/credits/prices")).json()["prices"]
    assert {price["action"]: price["credits"] for price in prices} == {
        "unlock_email": 1,
        "unlock_phone": 5,
        "email_finder": 2,
        "validate_email": 1,
    }


async def test_a_new_user_has_the_credits_of_the_plan(ann):
    account = (await ann("GET", "/v1/credits")).json()
    assert (account["available"], account["held"], account["owed"]) == (50, 0, 0)
    assert account["next_expiry"]["credits"] == 50
    with clock.shifted(timedelta(days=40)):
        async with ann.api.stream("GET", "/health/live"):
            pass
    assert (await ann("GET", "/v1/credits")).json() == account


async def test_what_is_held_is_told(ann, give, db):
    await give(ann, 5)
    async with db.transaction(SERVICE) as session:
        await holds.reserve(
            session,
            user_id=ann.id,
            amount=2,
            action="email_finder",
            reference="job",
            lasts=timedelta(minutes=5),
        )
    account = (await ann("GET", "/v1/credits")).json()
    assert (account["available"], account["held"]) == (3, 2)


async def test_the_ledger_is_read_in_pages_and_in_words(ann, bob, give, world, people):
    await give(ann, 60)
    await unlock(ann, world.contacts[0])
    for contact in people[:5]:
        await unlock(ann, contact)
    seen, cursor = [], ""
    while cursor is not None:
        page = (await ann("GET", f"/v1/credits/ledger?limit=3{cursor and '&cursor='}{cursor}")).json()
        seen += page["results"]
        cursor = page["cursor"]
    assert [line["balance_after"] for line in seen] == [54, 55, 56, 57, 58, 59, 60]
    assert (seen[-1]["what"], seen[-1]["reason"]) == ("Credits given to you", "For a test")
    assert seen[-2]["what"] == "Unlocked the e-mail address of Anna Müller"
    only = (await ann("GET", f"/v1/credits/ledger?kind=spent&contact_id={people[0]}")).json()["results"]
    assert [line["contact_id"] for line in only] == [people[0]]
    assert (await ann("GET", "/v1/credits/ledger?kind=stolen")).status_code == 422
    assert (await ann("GET", "/v1/credits/ledger?cursor=x")).status_code == 422
    assert (await bob("GET", "/v1/credits/ledger")).json() == {"results": [], "cursor": None}


async def test_the_ledger_is_a_spreadsheet_without_formulas(ann, give, world, db):
    await give(ann, 5)
    async with db.transaction(SERVICE) as session:
        await session.execute(
            text("UPDATE app.contacts SET full_name = '=cmd()' WHERE id = :id"), {"id": world.contacts[0]}
        )
    await unlock(ann, world.contacts[0])
    response = await ann("GET", "/v1/credits/ledger.csv")
    assert response.headers["content-type"].startswith("text/csv")
    head, spent, granted = list(csv.reader(io.StringIO(response.text)))
    assert head[:4] == ["id", "at", "kind", "action"]
    assert (spent[2], spent[5], spent[6], granted[5]) == ("spent", "-1", "4", "5")
    assert (head[8], spent[8]) == ("contact_name", "'=cmd()")
