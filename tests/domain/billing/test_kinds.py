"""Each kind of event that is acted upon, one by one: told twice, it ends well and moves once."""

import pytest

from domain.billing.inbox import HANDLED

PACK, TEAM = 100, 5_000


async def _session(shop):
    return shop.store.get(await shop.bought())


async def _invoice(shop):
    sub = shop.store.get(await shop.subscribed(heard=False))
    return shop.store.get(sub["latest_invoice"])


async def _subscription(shop):
    return shop.store.get(await shop.subscribed(heard=False))


async def _charge(shop):
    charge = shop.store.charge_of(await shop.bought())
    await shop.deliver()
    shop.store.refund(charge, 1_900)
    return shop.store.get(charge)


async def _refund(shop):
    await _charge(shop)
    return next(each for each in shop.store.objects.values() if each["object"] == "refund")


async def _dispute(shop):
    charge = shop.store.charge_of(await shop.bought())
    await shop.deliver()
    return shop.store.dispute(charge)


async def _customer(shop):
    return shop.store.get((await _session(shop))["customer"])


# What each tells of, and the credits there are when only that was heard.
ABOUT = {
    "checkout.session": (_session, PACK),
    "invoice": (_invoice, TEAM),
    "customer.subscription": (_subscription, 0),
    "charge.refunded": (_charge, 0),
    "charge.refund": (_refund, 0),
    "refund": (_refund, 0),
    "charge.dispute": (_dispute, 0),
    "customer.deleted": (_customer, 0),
}


@pytest.mark.parametrize("kind", HANDLED)
async def test_each_kind_is_acted_upon_once(shop, kind):
    make, credits_ = next(about for name, about in ABOUT.items() if kind.startswith(name))
    about = await make(shop)
    told = shop.store.tell(kind, about)
    await shop.deliver([told, told, told | {"id": f"{told['id']}_again"}])
    states = await shop.rows(
        "SELECT DISTINCT state, reason FROM app.billing_events WHERE type = :kind", kind=kind
    )
    assert states == [("done", None)]
    assert await shop.account() == (credits_, 0)


async def test_16_a_subscription_that_was_never_paid_brings_nothing(shop_of_each_era):
    shop = shop_of_each_era
    sub = await shop.subscribed(heard=False)
    shop.store.get(sub)["status"] = "incomplete_expired"
    invoice = shop.store.get(shop.store.get(sub)["latest_invoice"])
    invoice["status"], invoice["amount_paid"] = "void", 0
    shop.store.tell("customer.subscription.updated", shop.store.get(sub))
    shop.store.tell("invoice.payment_action_required", invoice)
    await shop.deliver(shop.news() * 2, shuffled=2)
    assert (await shop.plan(), await shop.account()) == ("free", (0, 0))
    assert await shop.rows("SELECT 1 FROM app.outbox WHERE job = 'billing.letter'") == []


async def test_16_a_payment_the_buyer_has_to_confirm_is_written_of_once(shop_of_each_era):
    shop = shop_of_each_era
    sub = await shop.subscribed()
    invoice = shop.store.fail_renewal(sub)
    shop.store.tell("invoice.payment_action_required", invoice)
    before = await shop.account()
    await shop.deliver(shop.news() * 2)
    assert await shop.account() == before
    assert len(await shop.rows("SELECT 1 FROM app.outbox WHERE job = 'billing.letter'")) == 1


@pytest.mark.parametrize(
    ("status", "kind", "plan"),
    [
        ("past_due", "updated", "team"),
        ("unpaid", "updated", "free"),
        ("paused", "paused", "free"),
    ],
)
async def test_a_plan_holds_while_it_may_be_paid_and_again_when_it_is(shop_of_each_era, status, kind, plan):
    shop = shop_of_each_era
    sub = await shop.subscribed()
    for becomes, told, expected in ((status, kind, plan), ("active", "resumed", "team")):
        shop.store.get(sub)["status"] = becomes
        shop.store.tell(f"customer.subscription.{told}", shop.store.get(sub))
        await shop.deliver()
        assert await shop.plan() == expected
