"""An alarm is mailed once to whoever looks after the installation, and waits for a mail server."""

from dataclasses import replace

import pytest

from core.settings import BillingSettings
from db.sessions import SERVICE
from domain import accounts, alarms
from domain.billing import letters


@pytest.fixture
async def ring(db, clean_database):
    async def ring_():
        async with db.transaction(SERVICE) as session:
            await alarms.ring(session, key="k", subject="the books burn", paragraphs=["Look at them."])

    return ring_


async def test_it_goes_to_administrators_once(db, ring, run_outbox, mailing, mailbox):
    async with db.transaction(SERVICE) as session:
        await accounts.find_or_create_user(session, email="root@example.com", admin=True)
        await accounts.find_or_create_user(session, email="ann@example.com")
    await ring()
    await ring()
    assert await run_outbox(mailing) == ["alarms.mail"]
    assert [(message["To"], message["Subject"]) for message in mailbox.letters] == [
        ("root@example.com", "LeadFuel: the books burn")
    ]


async def test_it_goes_to_the_address_that_is_set(ring, run_outbox, mailing, mailbox):
    await ring()
    await run_outbox(replace(mailing, billing=BillingSettings(alert_email="ops@example.com")))
    assert [message["To"] for message in mailbox.letters] == ["ops@example.com"]


async def test_a_failed_payment_is_written_to_who_pays(db, run_outbox, mailing, mailbox, clean_database):
    async with db.transaction(SERVICE) as session:
        user = await accounts.find_or_create_user(session, email="ann@example.com")
        for _ in range(2):
            await letters.queue(session, user_id=user.id, kind="payment_failed", about="in_1")
    await run_outbox(mailing)
    assert [(message["To"], message["Subject"]) for message in mailbox.letters] == [
        ("ann@example.com", "Your payment did not go through")
    ]
