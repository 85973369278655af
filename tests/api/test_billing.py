"""Buying over HTTP, from a Stripe of our own in another process; and what its door refuses."""

import asyncio
import json
import time
from dataclasses import replace

import pytest
from sqlalchemy import text

from api.app import create_app
from core.settings import BillingSettings
from db.sessions import SERVICE
from domain.billing import catching_up, prices
from domain.billing.gateway import open_cloud
from domain.credits import reconcile
from tests.cloud.process import stripe_process
from tests.cloud.store import SECRET, sign

HOOK = "/functions/v1/stripe-webhook"
SHORT = "/functions/stripe-webhook"
ROLLED = "whsec_the-one-before"


@pytest.fixture(scope="module")
async def stripe():
    async with stripe_process() as running:
        yield running


@pytest.fixture(scope="module")
def selling(api_settings, stripe):
    billing = BillingSettings(
        stripe_key="sk_test_x",
        webhook_secrets=f"{SECRET},{ROLLED}",
        stripe_url=stripe.url,
        return_url="https://app.example/billing?tab=1",
    )
    return replace(api_settings, billing=billing)


@pytest.fixture(scope="module")
async def client(selling, run_app):
    async with run_app(create_app(selling)) as opened:
        yield opened


@pytest.fixture
async def door(client, selling, clean_database):
    """The installation as Stripe sees it."""
    return Shop(None, client, selling, None)


@pytest.fixture
async def shop(db, client, selling, ann, owner, clean_database, run_outbox):
    """Ann at an installation that sells; `hear` delivers what has happened at Stripe and acts upon it."""
    await owner.execute("UPDATE app.plans SET monthly_credits = 0 WHERE id = 'free'")
    async with open_cloud(selling.billing) as cloud:
        await prices.sync(db, cloud, selling.billing)
    yield Shop(replace(ann, api=client), client, selling, run_outbox)
    async with db.transaction(SERVICE) as session:
        assert await reconcile.differences(session) == []


class Shop:
    def __init__(self, ann, client, settings, run_outbox):
        self.ann, self.client, self.settings, self.run_outbox = ann, client, settings, run_outbox

    async def post(self, raw, *, path=HOOK, header=None, **signing):
        header = sign(raw, **signing) if header is None else header
        return await self.client.post(path, content=raw, headers={"stripe-signature": header})

    async def hear(self, stripe, *kinds):
        for event in await stripe.told(*kinds):
            answer = await self.post(json.dumps(event).encode())
            assert (answer.status_code, answer.json()) == (200, {"received": True})
        await self.run_outbox(self.settings)

    async def available(self):
        return (await self.ann("GET", "/v1/credits")).json()["available"]


@pytest.fixture
async def rows(db):
    async def rows_(query):
        async with db.transaction(SERVICE) as session:
            return [tuple(row) for row in await session.execute(text(query))]

    return rows_


async def session_of(rows):
    return (await rows("SELECT session_id FROM app.billing_checkouts ORDER BY created_at DESC LIMIT 1"))[0][0]


async def test_a_pack_is_bought(shop, stripe, rows):
    offers = (await shop.ann("GET", "/v1/billing/offers")).json()["results"]
    assert [(offer["kind"], offer["id"], offer["price_cents"]) for offer in offers] == [
        ("plan", "free", 0),
        ("plan", "pro", 4_900),
        ("plan", "team", 14_900),
        ("pack", "pack-100", 1_900),
        ("pack", "pack-500", 7_900),
        ("pack", "pack-2000", 24_900),
    ]
    page = await shop.ann("POST", "/v1/billing/checkout", json={"pack": "pack-500"})
    assert page.status_code == 201, page.text
    assert page.json()["url"].startswith("https://checkout.stripe.test/")
    session = await stripe.do("session", await session_of(rows))
    assert session["metadata"] == {
        "leadfuel": "leadfuel",
        "user_id": str(shop.ann.id),
        "checkout_id": page.json()["id"],
    }
    assert await shop.available() == 0
    await stripe.do("pay", session["id"])
    await shop.hear(stripe)
    assert await shop.available() == 500
    (line,) = (await shop.ann("GET", "/v1/credits/ledger")).json()["results"]
    assert line["what"] == "Bought credits"
    portal = await shop.ann("POST", "/v1/billing/portal")
    assert portal.json()["url"].startswith("https://billing.stripe.test/")


async def test_a_plan_is_bought_enlarged_made_smaller_ended_and_taken_up_again(shop, stripe, rows):
    assert (await shop.ann("GET", "/v1/billing/subscription")).json() == {
        "plan": "free",
        "subscription": None,
    }
    await shop.ann("POST", "/v1/billing/checkout", json={"plan": "pro"})
    await stripe.do("pay", await session_of(rows))
    await shop.hear(stripe)
    standing = (await shop.ann("GET", "/v1/billing/subscription")).json()
    assert (standing["plan"], standing["subscription"]["status"]) == ("pro", "trialing")
    assert await shop.available() == 100
    (sub,) = (await rows("SELECT id FROM app.billing_subscriptions"))[0]
    await stripe.do("renew", sub)
    await shop.hear(stripe)
    assert await shop.available() == 1_100

    larger = await shop.ann("PATCH", "/v1/billing/subscription", json={"plan": "team"})
    assert (larger.status_code, larger.json()["plan"]) == (200, "team")
    # The period has not begun by the clock here, so all of the difference is to come.
    assert await shop.available() == 1_100 + 4_000
    await shop.hear(stripe)
    assert await shop.available() == 1_100 + 4_000
    assert (await shop.ann("GET", "/v1/billing/subscription")).json()["plan"] == "team"

    smaller = (await shop.ann("PATCH", "/v1/billing/subscription", json={"plan": "pro"})).json()
    assert (smaller["plan"], smaller["change"]["to"]) == ("team", "pro")
    again = await shop.ann("PATCH", "/v1/billing/subscription", json={"plan": "team"})
    assert (again.status_code, again.json()["change"]) == (200, None)
    await shop.ann("PATCH", "/v1/billing/subscription", json={"plan": "pro"})
    await stripe.do("renew", sub)
    await shop.hear(stripe)
    standing = (await shop.ann("GET", "/v1/billing/subscription")).json()
    assert (standing["plan"], standing["subscription"]["change"]) == ("pro", None)

    ending = (await shop.ann("POST", "/v1/billing/subscription/cancel")).json()
    assert (ending["renews_at"], ending["ends_at"] is None) == (None, False)
    refused = await shop.ann("PATCH", "/v1/billing/subscription", json={"plan": "team"})
    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/no-plan-change")
    resumed = (await shop.ann("POST", "/v1/billing/subscription/resume")).json()
    assert resumed["ends_at"] is None
    await stripe.do("end", sub)
    await shop.hear(stripe)
    assert (await shop.ann("GET", "/v1/billing/subscription")).json() == {
        "plan": "free",
        "subscription": None,
    }


async def test_a_refused_card_changes_nothing(shop, stripe, rows):
    await shop.ann("POST", "/v1/billing/checkout", json={"plan": "team"})
    await stripe.do("pay", await session_of(rows))
    await shop.hear(stripe)
    (sub,) = (await rows("SELECT id FROM app.billing_subscriptions"))[0]
    smaller = await shop.ann("PATCH", "/v1/billing/subscription", json={"plan": "pro"})
    assert smaller.status_code == 200
    await stripe.do("renew", sub)
    await shop.hear(stripe)
    before = await shop.available()
    await stripe.do("refuse_cards", sub)
    refused = await shop.ann("PATCH", "/v1/billing/subscription", json={"plan": "team"})
    assert (refused.status_code, refused.json()["type"]) == (402, "/problems/payment-refused")
    await shop.hear(stripe)
    assert await shop.available() == before
    assert (await shop.ann("GET", "/v1/billing/subscription")).json()["plan"] == "pro"


async def test_28_an_upgrade_whose_answer_is_lost_is_settled_by_its_invoice(shop, stripe, rows):
    await shop.ann("POST", "/v1/billing/checkout", json={"plan": "pro"})
    await stripe.do("pay", await session_of(rows))
    await shop.hear(stripe)
    (sub,) = (await rows("SELECT id FROM app.billing_subscriptions"))[0]
    await stripe.do("renew", sub)
    await shop.hear(stripe)
    await stripe.lose(f"/v1/subscriptions/{sub}", times=3)
    lost = await shop.ann("PATCH", "/v1/billing/subscription", json={"plan": "team"})
    assert (lost.status_code, lost.json()["type"]) == (503, "/problems/payments-unavailable")
    await shop.hear(stripe)
    assert await shop.available() == 100 + 1_000 + 4_000
    assert (await shop.ann("GET", "/v1/billing/subscription")).json()["plan"] == "team"


async def test_28_a_checkout_that_is_asked_for_again_is_the_same(shop, stripe):
    headers = {"Idempotency-Key": "one-order"}
    await stripe.lose("/v1/checkout/sessions", times=3)
    first = await shop.ann("POST", "/v1/billing/checkout", json={"pack": "pack-100"}, headers=headers)
    assert first.status_code == 503
    second = await shop.ann("POST", "/v1/billing/checkout", json={"pack": "pack-100"}, headers=headers)
    third = await shop.ann("POST", "/v1/billing/checkout", json={"pack": "pack-100"}, headers=headers)
    assert (second.status_code, second.content) == (201, third.content)
    assert len(set((await stripe.asked("/v1/checkout/sessions"))[-4:])) == 1


UNORDERED = [
    ({}, 422),
    ({"pack": "pack-100", "plan": "pro"}, 422),
    ({"pack": "pack-7"}, 404),
    ({"plan": "free"}, 404),
    ({"pack": "pack-100", "price_cents": 1}, 422),
    ({"pack": "pack-100", "credits": 10_000}, 422),
    ({"pack": "pack-100", "user_id": "x"}, 422),
    ({"pack": "../../etc"}, 422),
]


async def test_32_what_cannot_be_ordered_is_refused(shop):
    for body, status in UNORDERED:
        answer = await shop.ann("POST", "/v1/billing/checkout", json=body)
        assert answer.status_code == status, body


async def test_who_has_bought_nothing_has_nothing_to_manage(shop):
    for method, path, body in (
        ("POST", "/v1/billing/portal", None),
        ("POST", "/v1/billing/subscription/cancel", None),
        ("POST", "/v1/billing/subscription/resume", None),
        ("PATCH", "/v1/billing/subscription", {"plan": "team"}),
    ):
        refused = await shop.ann(method, path, json=body) if body else await shop.ann(method, path)
        assert (refused.status_code, refused.json()["type"]) == (409, "/problems/nothing-bought")


async def test_without_a_key_nothing_is_sold_and_nothing_taken(ann, clean_database):
    refused = await ann("POST", "/v1/billing/checkout", json={"pack": "pack-100"})
    assert refused.status_code in {409, 503}
    assert (await ann.api.post(HOOK, content=b"{}")).status_code == 404


EVENT = json.dumps(
    {
        "id": "evt_1",
        "object": "event",
        "type": "customer.created",
        "created": 1_700_000_000,
        "livemode": False,
        "data": {"object": {"id": "cus_1", "object": "customer", "email": "ann@example.com"}},
    }
).encode()


@pytest.mark.parametrize("path", [HOOK, SHORT])
async def test_04_either_secret_is_good_while_one_takes_the_others_place(door, path):
    both = sign(EVENT, secret="whsec_other") + "," + sign(EVENT, secret=ROLLED).split(",")[1]
    assert (await door.post(EVENT, path=path, header=both)).status_code == 200


def forged():
    """Signatures that are none, made when they are used: they hold times."""
    return {
        "another secret": sign(EVENT, secret="whsec_other"),
        "an empty key": sign(EVENT, secret=""),
        "v0 only": sign(EVENT, scheme="v0"),
        "no signature": f"t={int(time.time())}",
        "garbage": "garbage",
        "letters that are no ASCII": f"t={int(time.time())},v1=ÿ".encode("latin-1").decode("latin-1"),
        "no time": "v1=00",
        "of a time that is no number": "t=now,v1=00",
        "nothing": "",
        "ten minutes old": sign(EVENT, at=int(time.time()) - 600),
        "ten minutes ahead": sign(EVENT, at=int(time.time()) + 600),
    }


async def test_01_and_03_what_is_not_signed_with_our_secret_now_is_refused(door, rows):
    tried = forged()
    for how, header in tried.items():
        given = {"stripe-signature": header.encode("latin-1")}
        answer = await door.client.post(HOOK, content=EVENT, headers=given)
        assert (answer.status_code, answer.json()["code"]) == (400, "bad-webhook-signature"), how
    assert await rows("SELECT id FROM app.billing_events") == []
    assert await rows("SELECT count FROM app.billing_cursors WHERE name = 'refused'") == [(len(tried),)]


async def test_02_what_was_altered_is_refused(door, rows):
    header = sign(EVENT)
    assert (await door.post(EVENT + b" ", header=header)).status_code == 400
    assert (await door.post(EVENT.replace(b"ann", b"bob"), header=header)).status_code == 400
    redated = header.replace("t=", "t=1")
    assert (await door.post(EVENT, header=redated)).status_code == 400
    assert await rows("SELECT id FROM app.billing_events") == []


@pytest.mark.parametrize("seconds", [-60, 60])
async def test_03_a_clock_that_is_a_minute_off_does_no_harm(door, seconds):
    assert (await door.post(EVENT, at=int(time.time()) + seconds)).status_code == 200


NO_EVENTS = [
    b"[]",
    b"null",
    b'"x"',
    b"17",
    b"{}",
    b"",
    b"{",
    b"\xff\xfe",
    b'{"id": "\xff"}',
    b"[" * 5_000 + b"]" * 5_000,
    b'{"id":1,"object":"event","type":"x","created":1}',
    b'{"id":"evt","object":"event","type":"x","created":1e400}',
    b'{"id":"evt","object":"event","type":"x","created":-1}',
    b'{"id":"evt","object":"event","type":"x","created":99999999999999}',
    b'{"id":"evt","object":"event","type":"x\\u0000","created":1}',
    b'{"id":"evt","object":"event","type":"x","created":1,"data":' + b'{"a":' * 900 + b"1" + b"}" * 901,
]


async def test_05_what_is_signed_and_no_event_is_refused_in_words(door, rows):
    for raw in NO_EVENTS:
        answer = await door.post(raw)
        assert answer.status_code == 400, raw[:80]
        assert answer.json()["code"] in {"bad-event", "bad-webhook-signature"}
    assert await rows("SELECT id FROM app.billing_events") == []


async def test_what_is_huge_is_refused_before_it_is_read(door, rows):
    answer = await door.client.post(HOOK, content=b"x" * 1_048_577, headers={"stripe-signature": "t=1,v1=0"})
    assert answer.status_code == 413
    assert await rows("SELECT id FROM app.billing_events") == []


async def test_06_unknown_kinds_and_the_newer_kind_are_kept_and_nothing_follows(door, rows):
    assert (await door.post(EVENT)).status_code == 200
    thin = {
        "id": "evt_2",
        "object": "v2.core.event",
        "type": "v1.customer.created",
        "created": "2026-11-25T12:00:00.000Z",
        "livemode": False,
        "related_object": {"id": "cus_1", "type": "customer"},
    }
    assert (await door.post(json.dumps(thin).encode())).status_code == 200
    assert await rows("SELECT id, state FROM app.billing_events ORDER BY id") == [
        ("evt_1", "ignored"),
        ("evt_2", "ignored"),
    ]
    assert await rows("SELECT id FROM app.outbox") == []


async def test_nobody_s_address_is_kept(door, rows):
    await door.post(EVENT)
    ((payload,),) = await rows("SELECT payload FROM app.billing_events")
    assert "ann@example.com" not in json.dumps(payload)


async def test_07_a_replay_is_answered_the_same_and_stored_once(door, rows):
    answers = await asyncio.gather(*(door.post(EVENT) for _ in range(50)))
    assert {answer.status_code for answer in answers} == {200}
    assert len(await rows("SELECT id FROM app.billing_events")) == 1


async def test_27_what_was_missed_is_caught_up_with(shop, stripe, db, rows):
    await shop.ann("POST", "/v1/billing/checkout", json={"pack": "pack-100"})
    await stripe.do("pay", await session_of(rows))
    async with open_cloud(shop.settings.billing) as cloud:
        assert await catching_up.catch_up(db, cloud, shop.settings.billing) > 0
        assert await catching_up.catch_up(db, cloud, shop.settings.billing) == 0
    await shop.run_outbox(shop.settings)
    assert await shop.available() == 100
    # What comes late is no news.
    await shop.hear(stripe)
    assert await shop.available() == 100
