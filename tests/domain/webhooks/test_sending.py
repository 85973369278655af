"""Deliveries: signed, in order, at least once, again for three days, and then no more."""

import asyncio
import uuid
from dataclasses import replace
from datetime import timedelta

import pytest
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError

from core import clock
from core.settings import WebhookSettings
from db.sessions import SERVICE, Actor
from domain import accounts, webhooks
from domain.webhooks import keeping, log, sending
from workers.jobs import webhooks as loop

pytestmark = pytest.mark.usefixtures("clean_database")


@pytest.fixture
def reaching(mailing, receiver):
    return replace(mailing, webhooks=WebhookSettings(allowed_hosts=receiver.host))


@pytest.fixture
async def user(db, clean_database):
    async with db.transaction(SERVICE) as session:
        return (await accounts.find_or_create_user(session, email=f"{uuid.uuid4().hex}@example.com")).id


@pytest.fixture
async def hook(db, user, receiver):
    """A webhook at the receiver, with its first secret."""
    async with db.transaction(Actor("service_role", user)) as session:
        return await keeping.create(
            session,
            user_id=user,
            url=receiver.url,
            kinds=["icp.entered", "email.found"],
            description=None,
            allowed=frozenset({receiver.host}),
        )


@pytest.fixture
async def sender(reaching, db):
    made = sending.Sender(reaching, db)
    yield made
    await made.close()


async def announce(db, user, *names, kind="icp.entered", subject=None):
    async with db.transaction(SERVICE) as session:
        for name in names:
            await webhooks.announce(
                session, user_id=user, kind=kind, event_id=name, payload={"name": name}, subject=subject
            )


async def pump(db, sender, *, rounds=1, busy=frozenset()):
    """Send what is due, so many times over; the outcomes."""
    outcomes = []
    for _ in range(rounds):
        due = await sending.claim(db, limit=20, per_webhook=20, busy=set(busy))
        outcomes += [await sender.deliver(one) for one in due]
    return outcomes


async def states(owner):
    rows = await owner.fetch("SELECT event_id, state, attempts FROM app.webhook_deliveries ORDER BY seq")
    return [tuple(row) for row in rows]


async def test_an_event_reaches_those_who_asked_for_its_kind_signed(db, user, hook, sender, receiver):
    await announce(db, user, "one")
    await announce(db, user, "one", "other")
    await announce(db, user, "not-asked-for", kind="email.validated")
    await pump(db, sender, rounds=2)
    assert [one.id for one in receiver.received] == ["one", "other"]
    first = receiver.received[0]
    assert first.data["type"] == "icp.entered"
    assert first.data["data"] == {"name": "one"}
    assert first.headers["content-type"] == "application/json"
    Verifier(hook[1]).verify(first.body, first.headers)
    with pytest.raises(WebhookVerificationError):
        Verifier(hook[1]).verify(first.body + b" ", first.headers)


async def test_an_old_secret_signs_beside_the_new_one_for_a_day(db, user, hook, sender, receiver):
    made, old = hook
    async with db.transaction(Actor("service_role", user)) as session:
        new = await keeping.rotate(session, user_id=user, webhook_id=made.id)
    await announce(db, user, "one")
    await pump(db, sender)
    for secret in (old, new):
        Verifier(secret).verify(receiver.received[0].body, receiver.received[0].headers)
    with clock.shifted(timedelta(hours=25)):
        await announce(db, user, "two")
        await pump(db, sender)
    later = receiver.received[1]
    assert later.headers["webhook-signature"].count("v1,") == 1


@pytest.mark.usefixtures("hook")
async def test_a_failure_is_tried_again_under_the_same_id_for_three_days(
    db, owner, user, sender, receiver, mailing, mailbox, run_outbox
):
    receiver.status = 500
    await announce(db, user, "one")
    passed = timedelta(0)
    for attempt in range(1, len(sending.PAUSES) + 2):
        with clock.shifted(passed):
            assert len(await pump(db, sender, rounds=2)) == 1
        if attempt <= len(sending.PAUSES):
            assert await states(owner) == [("one", "pending", attempt)]
            passed += sending.PAUSES[attempt - 1] * 1.2
    assert {one.id for one in receiver.received} == {"one"}
    assert sum(sending.PAUSES, timedelta(0)) == timedelta(days=3)
    assert await states(owner) == [("one", "failed", len(sending.PAUSES) + 1)]
    row = await owner.fetchrow("SELECT enabled, disabled_reason FROM app.webhooks")
    assert (row["enabled"], row["disabled_reason"]) == (False, "It took nothing for three days.")
    assert await run_outbox(mailing) == [sending.NOTICE]
    assert "switched off" in mailbox.text()
    await announce(db, user, "two")
    assert len(await states(owner)) == 1


async def test_a_webhook_that_takes_other_events_stays_on(db, owner, user, hook, sender, receiver):
    receiver.statuses = [500] * (len(sending.PAUSES) + 1)
    await announce(db, user, "poison")
    passed = timedelta(0)
    for pause in sending.PAUSES:
        with clock.shifted(passed):
            await pump(db, sender)
        passed += pause * 1.2
    await owner.execute("UPDATE app.webhook_deliveries SET next_attempt_at = app.now() + interval '30 days'")
    receiver.statuses = []
    await announce(db, user, "fine")
    await pump(db, sender)
    receiver.status = 500
    with clock.shifted(timedelta(days=31)):
        await pump(db, sender)
    assert [state for _, state, _ in await states(owner)] == ["failed", "delivered"]
    assert await owner.fetchval("SELECT enabled FROM app.webhooks")


async def test_who_says_gone_is_switched_off_at_once_and_a_redirect_is_not_followed(
    db, owner, user, hook, sender, receiver
):
    receiver.statuses = [302, 410]
    await announce(db, user, "one")
    (moved,) = await pump(db, sender)
    assert (moved.status, moved.is_delivered) == (302, False)
    with clock.shifted(timedelta(minutes=1)):
        await pump(db, sender)
    assert len(receiver.received) == 2
    assert await owner.fetchval("SELECT disabled_reason FROM app.webhooks") == (
        "It answered that it is gone (410)."
    )


async def test_what_concerns_one_subject_arrives_in_order_also_over_a_retry(db, user, hook, sender, receiver):
    receiver.statuses = [500]
    await announce(db, user, "a1", "a2", subject="a")
    await announce(db, user, "b1", subject="b")
    await pump(db, sender, rounds=2)
    assert [one.id for one in receiver.received] == ["a1", "b1"]
    with clock.shifted(timedelta(minutes=1)):
        await pump(db, sender, rounds=3)
    assert [one.id for one in receiver.received] == ["a1", "b1", "a1", "a2"]


async def test_a_sender_that_dies_is_made_up_for_after_the_lease(db, owner, user, hook, sender, receiver):
    await announce(db, user, "one")
    claimed = await sending.claim(db, limit=20, per_webhook=20, busy=set())
    assert await sending.claim(db, limit=20, per_webhook=20, busy=set()) == []
    await owner.execute(
        "UPDATE app.webhook_deliveries SET claimed_until = clock_timestamp() - interval '1 second'"
    )
    assert len(await pump(db, sender)) == 1
    # The first comes back to life: sent twice under one id, and written down once.
    await sender.deliver(claimed[0])
    assert [one.id for one in receiver.received] == ["one", "one"]
    assert await states(owner) == [("one", "delivered", 2)]


async def test_two_senders_at_once_send_it_once(db, user, hook, sender, receiver):
    await announce(db, user, *(f"event-{number}" for number in range(8)))
    await asyncio.gather(*(pump(db, sender, rounds=2) for _ in range(4)))
    assert sorted(one.id for one in receiver.received) == [f"event-{number}" for number in range(8)]


async def test_a_dead_receiver_fails_and_says_why(db, owner, user, reaching, hook, receiver):
    await owner.execute("UPDATE app.webhooks SET url = 'https://10.0.0.1/hook'")
    sender = sending.Sender(reaching, db)
    try:
        await announce(db, user, "one")
        (outcome,) = await pump(db, sender)
    finally:
        await sender.close()
    assert outcome.status is None
    assert "not on the public network" in outcome.error
    assert receiver.received == []


async def test_a_test_and_a_redelivery(db, owner, user, hook, sender, receiver):
    made, _ = hook
    acting = Actor("service_role", user)
    async with db.transaction(acting) as session:
        delivery = await log.test(session, user_id=user, webhook_id=made.id)
    await pump(db, sender)
    async with db.transaction(acting) as session:
        again = await log.redeliver(session, user_id=user, webhook_id=made.id, delivery_id=delivery.id)
    assert (again.state, again.attempts) == ("pending", 0)
    await pump(db, sender)
    assert [one.id for one in receiver.received] == [delivery.event_id] * 2


async def test_the_log_is_forgotten_after_a_while(db, owner, user, hook):
    await announce(db, user, "one")
    assert await sending.forget(db) == 0
    with clock.shifted(timedelta(days=31)):
        assert await sending.forget(db) == 1


async def test_the_loop_sends_and_ends(reaching, db, owner, user, hook, receiver):
    stop = asyncio.Event()
    running = asyncio.create_task(loop.run(reaching, db, stop))
    await announce(db, user, "one")
    for _ in range(200):
        await asyncio.sleep(0.05)
        if await states(owner) == [("one", "delivered", 1)]:
            break
    else:
        pytest.fail("it was not sent in time")
    stop.set()
    await asyncio.wait_for(running, 10)
