"""localstripe's events, signed by its own code, at our door; and what they are about, read again there."""

import asyncio
import socket
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
import uvicorn

from api.app import create_app
from core.settings import BillingSettings
from db.sessions import SERVICE
from domain.billing import customers, objects
from domain.billing.gateway import open_cloud
from domain.billing.handling import handle
from tests.cloud.store import SECRET

MARK = "local"


@asynccontextmanager
async def _listening(app):
    """The app behind a port of its own."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
        serving = asyncio.create_task(server.serve([bound]))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"
        server.should_exit = True
        await serving


@pytest.fixture
def selling(api_settings, localstripe):
    billing = BillingSettings(
        stripe_key="sk_test_x", webhook_secrets=SECRET, stripe_url=localstripe.url, mark=MARK
    )
    return replace(api_settings, billing=billing)


async def test_a_subscription_begins_and_ends_by_the_events_of_another_signer(
    localstripe, selling, db, owner, ann, clean_database
):
    async def heard(kind, about):
        """The id of the event that tells of an object, once it has come."""
        query = "SELECT id FROM app.billing_events WHERE type = $1 AND object_id = $2"
        for _ in range(100):
            found = await owner.fetchval(query, kind, about)
            if found is not None:
                return found
            await asyncio.sleep(0.1)
        raise AssertionError(f"no {kind} has come")

    async def plan():
        return await owner.fetchval("SELECT plan_id FROM app.users WHERE id = $1", ann.id)

    async with _listening(create_app(selling)) as url, open_cloud(selling.billing) as cloud:
        hook = f"{url}/functions/v1/stripe-webhook"
        await localstripe.deliver_to(hook, name="ours", secret=SECRET)
        await localstripe.deliver_to(hook, name="forged", secret="whsec_of-somebody-else")
        customer = await customers.ensure(db, cloud, selling.billing, user=ann.user)
        sold = {"id": "pro", "amount": 4_900, "currency": "usd", "interval": "month", "product[name]": "Pro"}
        await localstripe.post("/v1/plans", **sold)
        await owner.execute(
            "INSERT INTO app.billing_prices (price_id, plan_id, amount_cents, currency)"
            " VALUES ('pro', 'pro', 4900, 'usd')"
        )
        card = {"type": "card", "card[number]": "4242424242424242", "card[cvc]": "123"}
        card |= {"card[exp_month]": 12, "card[exp_year]": 2040}
        method = (await localstripe.post("/v1/payment_methods", **card))["id"]
        await localstripe.post(f"/v1/payment_methods/{method}/attach", customer=customer)
        default = {"invoice_settings[default_payment_method]": method}
        await localstripe.post(f"/v1/customers/{customer}", **default)
        marks = {"metadata[leadfuel]": MARK, "metadata[user_id]": str(ann.id)}
        sub = await localstripe.post(
            "/v1/subscriptions", customer=customer, **{"items[0][plan]": "pro"}, **marks
        )
        began = await heard("customer.subscription.created", sub["id"])
        await handle(db, cloud, selling.billing, event_id=began)
        assert await plan() == "pro"

        # An invoice in the shape of before, and its charge, refunded in part.
        invoice = await localstripe.get(f"/v1/invoices/{sub['latest_invoice']}")
        read = objects.invoice(invoice)
        assert (read.subscription, read.amount_paid, read.status) == (sub["id"], 4_900, "paid")
        assert [(line.price, line.amount) for line in read.lines] == [("pro", 4_900)]
        await localstripe.post("/v1/refunds", charge=read.charge, amount=1_000)
        charge = objects.charge(await cloud.charge(read.charge))
        assert (charge.payment, charge.amount_refunded, charge.status) == (
            read.payment_intent,
            1_000,
            "succeeded",
        )

        await cloud.end_subscription(sub["id"])
        await cloud.delete_customer(customer)
        for kind, about in (("customer.subscription.deleted", sub["id"]), ("customer.deleted", customer)):
            event_id = await heard(kind, about)
            await handle(db, cloud, selling.billing, event_id=event_id)
        assert await plan() == "free"
        async with db.transaction(SERVICE) as session:
            assert await customers.of_user(session, user_id=ann.id) is None
        states = dict(await owner.fetch("SELECT type, state FROM app.billing_events"))
        assert states["customer.created"] == "ignored"
        assert {states[kind] for kind in states if kind.startswith("customer.sub")} == {"done"}
        assert await owner.fetchval("SELECT count FROM app.billing_cursors WHERE name = 'refused'") > 0
