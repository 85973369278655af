"""The loop that asks Stripe: what was missed is taken in and each day that has ended is compared, again after
Stripe was away.
"""

import asyncio
from dataclasses import replace

from core.settings import BillingSettings
from tests.cloud.process import stripe_process
from workers.jobs import billing


async def test_the_loop_catches_up_and_compares_once_stripe_answers(
    settings, db, owner, monkeypatch, clean_database
):
    monkeypatch.setattr(billing, "CATCH_UP_EVERY_S", 0.05)
    async with stripe_process() as stripe:
        selling = BillingSettings(stripe_key="sk_test_x", webhook_secrets="whsec_x", stripe_url=stripe.url)
        await stripe.do("make_customer", {"email": "a@example.com"})
        await stripe.do("tell", "customer.created", {"id": "cus_1", "object": "customer"})
        await stripe.lose("/v1/events", times=3, kind="down")
        await owner.execute(
            "INSERT INTO app.billing_cursors (name, at) VALUES ('compared', now() - interval '3 days')"
        )
        stop = asyncio.Event()
        loop = asyncio.create_task(billing.catch_up(replace(settings, billing=selling), db, stop))
        try:
            for _ in range(200):
                compared = await owner.fetchval(
                    "SELECT at > now() - interval '2 days' FROM app.billing_cursors WHERE name = 'compared'"
                )
                if compared:
                    break
                await asyncio.sleep(0.1)
        finally:
            stop.set()
            await asyncio.wait_for(loop, 20)
    assert compared
    assert await owner.fetchval("SELECT count(*) FROM app.billing_cursors WHERE name = 'caught_up'") == 1
    assert await owner.fetchval("SELECT type FROM app.billing_events") == "customer.created"
