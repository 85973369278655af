"""The gateway's contract, against every Stripe there is here: our stand-in by HTTP, its own test mode, and
localstripe for the cases that it can play.
"""

import os
from datetime import timedelta
from uuid import uuid4

import pytest
import stripe

from core import clock
from core.settings import BillingSettings
from domain.billing import objects
from domain.billing.cloud import Missing, NotSetUp, Unreachable
from domain.billing.gateway import API_VERSION, open_cloud
from tests.cloud.process import stripe_process
from tests.domain.billing.conftest import STRIPE_TEST_KEY

CLOUDS = ["stand-in", *(["stripe"] if STRIPE_TEST_KEY in os.environ else [])]
everywhere = pytest.mark.parametrize("cloud", [*CLOUDS, "localstripe"], indirect=True)


@pytest.fixture(scope="module")
async def stand_in():
    async with stripe_process() as running:
        yield running


def _settings(url="", key="sk_test_x"):
    return BillingSettings(stripe_key=key, webhook_secrets="whsec_x", stripe_url=url, mark=uuid4().hex[:12])


@pytest.fixture(params=CLOUDS)
async def cloud(request, stand_in):
    if request.param == "stripe":
        settings = _settings(key=os.environ[STRIPE_TEST_KEY])
    elif request.param == "localstripe":
        settings = _settings(request.getfixturevalue("localstripe").url)
    else:
        settings = _settings(stand_in.url)
    async with open_cloud(settings) as opened:
        yield opened


async def _price(cloud, *, recurring=False):
    mark = uuid4().hex
    product = await cloud.make_product({"name": "A test's"}, key=f"product-{mark}")
    params = {"product": product["id"], "unit_amount": 700, "currency": "usd", "lookup_key": mark}
    if recurring:
        params["recurring"] = {"interval": "month"}
    return await cloud.make_price(params, key=f"price-{mark}"), mark


async def test_the_version_is_pinned_and_the_sdk_s_own():
    assert stripe.api_version == API_VERSION


async def test_what_is_made_under_one_key_is_made_once(cloud):
    key = uuid4().hex
    made = [await cloud.make_customer({"email": "a@example.com"}, key=key) for _ in range(3)]
    assert len({each["id"] for each in made}) == 1
    assert made[0]["object"] == "customer"


async def test_a_price_is_found_by_its_lookup_key(cloud):
    price, mark = await _price(cloud)
    keys = [mark, *(f"none-{n}" for n in range(12))]
    assert [found["id"] for found in await cloud.prices(keys)] == [price["id"]]


async def test_a_session_can_be_read_as_it_was_made(cloud):
    price, _ = await _price(cloud)
    customer = await cloud.make_customer({"email": "a@example.com"}, key=uuid4().hex)
    made = await cloud.make_session(
        {
            "mode": "payment",
            "customer": customer["id"],
            "client_reference_id": "ann",
            "line_items": [{"price": price["id"], "quantity": 1}],
            "metadata": {"leadfuel": "x"},
            "allow_promotion_codes": True,
            "success_url": "https://example.com/",
        },
        key=uuid4().hex,
    )
    assert made["url"].startswith("https://")
    found = objects.session(await cloud.session(made["id"]))
    assert (found.mode, found.status, found.payment_status) == ("payment", "open", "unpaid")
    assert (found.amount_subtotal, found.currency, found.livemode) == (700, "usd", False)
    assert (found.customer, found.client_reference_id) == (customer["id"], "ann")
    assert found.metadata == {"leadfuel": "x"}


@everywhere
async def test_what_is_not_there_is_missing(cloud):
    for question in (
        cloud.subscription("sub_none"),
        cloud.invoice("in_none"),
        cloud.charge("ch_none"),
        cloud.change_subscription("sub_none", {"cancel_at_period_end": True}, key=uuid4().hex),
        cloud.end_subscription("sub_none"),
        cloud.delete_customer("cus_none"),
    ):
        with pytest.raises(Missing):
            await question


async def test_a_session_that_is_not_there_is_missing(cloud):
    with pytest.raises(Missing):
        await cloud.session("cs_test_none")


@everywhere
async def test_events_are_listed_over_all_pages_each_once(cloud):
    gone = {(await _forgotten(cloud)) for _ in range(6)}
    found = [event async for event in cloud.events(clock.now() - timedelta(hours=1))]
    told = [event["data"]["object"]["id"] for event in found if event["type"] == "customer.deleted"]
    assert len(told) == len(set(told))
    assert gone <= set(told)


async def test_events_come_the_newest_first(cloud):
    await _forgotten(cloud)
    found = [event async for event in cloud.events(clock.now() - timedelta(hours=1))]
    times = [event["created"] for event in found]
    assert times == sorted(times, reverse=True)


async def _forgotten(cloud):
    """The id of a customer that was made and deleted."""
    made = await cloud.make_customer({"email": "a@example.com"}, key=uuid4().hex)
    await cloud.delete_customer(made["id"])
    return made["id"]


async def test_what_was_made_within_a_time_is_listed_over_all_pages(cloud, subscription):
    now, hour = clock.now(), timedelta(hours=1)
    for kind in ("charges", "refunds", "disputes"):
        found = [each async for each in cloud.made(kind, since=now - 24 * hour, until=now + hour)]
        times = [each["created"] for each in found]
        assert times == sorted(times, reverse=True)
        assert len({each["id"] for each in found}) == len(found)
        assert {each["object"] for each in found} <= {kind.removesuffix("s")}
        before = [each async for each in cloud.made(kind, since=now - 48 * hour, until=now - 24 * hour)]
        assert not {each["id"] for each in found} & {each["id"] for each in before}
    assert objects.subscription(await cloud.subscription(subscription)).status == "active"


async def test_a_payment_of_no_invoice_has_none(cloud):
    assert await cloud.invoice_of("pi_none") is None


@pytest.mark.parametrize("cloud", ["stand-in"], indirect=True)
async def test_every_charge_is_listed_and_leads_to_its_invoice(cloud, stand_in, subscription):
    invoices = [(await cloud.subscription(subscription))["latest_invoice"]]
    invoices += [(await stand_in.do("renew", subscription))["id"] for _ in range(7)]
    begun = clock.now() - timedelta(minutes=1)
    until = clock.now() + timedelta(minutes=1)
    charges = [objects.charge(each) async for each in cloud.made("charges", since=begun, until=until)]
    found = {await cloud.invoice_of(charge.payment) for charge in charges}
    assert set(invoices) <= found


@pytest.fixture
async def subscription(request, cloud, stand_in):
    """The id of one that runs: paid on its page at the stand-in, by an invoice to come at Stripe."""
    price, _ = await _price(cloud, recurring=True)
    customer = await cloud.make_customer({"email": "a@example.com"}, key=uuid4().hex)
    if request.node.callspec.params["cloud"] == "stripe":
        made = await stripe.StripeClient(os.environ[STRIPE_TEST_KEY]).v1.subscriptions.create_async(
            {
                "customer": customer["id"],
                "items": [{"price": price["id"]}],
                "collection_method": "send_invoice",
                "days_until_due": 30,
            }
        )
        return made.id
    made = await cloud.make_session(
        {
            "mode": "subscription",
            "customer": customer["id"],
            "line_items": [{"price": price["id"], "quantity": 1}],
            "success_url": "https://example.com/",
        },
        key=uuid4().hex,
    )
    return (await stand_in.do("pay", made["id"]))["subscription"]


async def test_a_subscription_that_is_ended_stays_so_and_is_ended_once(cloud, subscription):
    assert objects.subscription(await cloud.subscription(subscription)).status == "active"
    assert (await cloud.end_subscription(subscription))["status"] == "canceled"
    assert objects.subscription(await cloud.subscription(subscription)).status == "canceled"
    with pytest.raises(Missing):
        await cloud.end_subscription(subscription)


@everywhere
async def test_a_customer_is_deleted_once(cloud):
    made = await cloud.make_customer({"email": "a@example.com"}, key=uuid4().hex)
    await cloud.delete_customer(made["id"])
    with pytest.raises(Missing):
        await cloud.delete_customer(made["id"])


async def test_28_an_answer_that_is_lost_is_asked_for_again_under_the_same_key(stand_in):
    async with open_cloud(_settings(stand_in.url)) as cloud:
        await stand_in.lose("/v1/customers", times=2)
        key = uuid4().hex
        made = await cloud.make_customer({"email": "a@example.com"}, key=key)
        assert (await stand_in.asked("/v1/customers")).count(key) == 3
        assert (await cloud.make_customer({"email": "a@example.com"}, key=key))["id"] == made["id"]


async def test_a_stripe_that_is_down_is_told_in_our_words(stand_in):
    async with open_cloud(_settings(stand_in.url)) as cloud:
        await stand_in.lose("/v1/charges/ch_1", times=3, kind="down")
        with pytest.raises(Unreachable):
            await cloud.charge("ch_1")
    async with open_cloud(_settings("http://127.0.0.1:9")) as nowhere:
        with pytest.raises(Unreachable):
            await nowhere.charge("ch_1")


async def test_without_a_key_nothing_is_asked():
    async with open_cloud(BillingSettings()) as cloud:
        with pytest.raises(NotSetUp):
            await cloud.charge("ch_1")


READ = {
    "Invoice": "id customer parent billing_reason status amount_paid currency livemode lines payments",
    "InvoiceLineItem": "amount quantity period pricing parent",
    "InvoicePayment": "status payment invoice",
    "Charge": "id payment_intent customer status amount amount_refunded disputed currency livemode metadata",
    "Dispute": "amount status charge",
    "Refund": "charge",
    "Subscription": "id customer status items trial_end cancel_at_period_end latest_invoice metadata",
    "SubscriptionItem": "id price quantity current_period_start current_period_end",
    "PaymentIntent": "id latest_charge",
    "checkout.Session": "id mode status payment_status customer subscription payment_intent total_details "
    "amount_subtotal amount_total currency livemode client_reference_id metadata url expires_at",
}


@pytest.mark.parametrize("kind", READ)
def test_what_is_read_of_an_object_is_declared_by_the_sdk(kind):
    declared = stripe
    for part in kind.split("."):
        declared = getattr(declared, part)
    assert set(READ[kind].split()) <= set(declared.__annotations__)
