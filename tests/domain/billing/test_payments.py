"""What is paid, as Stripe tells of it: late, twice, in any order and in two shapes."""

import asyncio
import random
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text

from core import clock
from db.sessions import SERVICE
from domain import users
from domain.billing import inbox, leaving, objects, subscriptions
from domain.billing.cloud import Missing
from domain.billing.ordering import AlreadySubscribed

PACK, TEAM, PRO = 100, 5_000, 1_000


async def test_07_the_same_event_again_after_days_too_is_one_purchase(shop):
    session = await shop.bought()
    events = shop.news()
    for _ in range(3):
        await shop.deliver(events)
    shop.store.offset_s = 9 * 86_400
    await shop.deliver(events)
    assert await shop.balance() == PACK
    bought = await shop.rows("SELECT credits_added, amount_cents, stripe_charge_id FROM app.credit_purchases")
    assert bought == [(PACK, 1_900, shop.store.charge_of(session))]


async def test_08_one_session_under_other_event_ids_is_one_purchase(shop):
    await shop.bought()
    (event,) = shop.news("checkout.session.completed")
    await shop.deliver([event | {"id": f"evt_copy_{n}"} for n in range(5)])
    assert await shop.balance() == PACK


@pytest.mark.parametrize("ids", ["one", "many"])
async def test_09_fifty_at_once_are_one_purchase(shop, ids):
    await shop.bought()
    (event,) = shop.news("checkout.session.completed")
    copies = [event | ({"id": f"evt_{n}"} if ids == "many" else {}) for n in range(50)]
    await asyncio.gather(*(shop.take_in(copy) for copy in copies))
    await asyncio.gather(*(shop.handle(copy) for copy in copies))
    assert await shop.balance() == PACK
    assert len(await shop.rows("SELECT id FROM app.billing_events")) == (50 if ids == "many" else 1)


async def test_10_a_slow_payment_counts_when_it_has_come(shop_of_each_era):
    shop = shop_of_each_era
    session = await shop.bought(delayed=True)
    await shop.deliver()
    assert await shop.balance() == 0
    assert await shop.rows("SELECT state FROM app.billing_checkouts") == [("waiting",)]
    shop.store.succeed(session)
    events = shop.news()
    await shop.deliver(events)
    await shop.deliver(events)
    assert await shop.balance() == PACK


async def test_10_a_payment_that_fails_or_never_comes_brings_nothing(shop):
    failed, expired = await shop.bought(delayed=True), await shop.order(pack="pack-500")
    shop.store.fail(failed)
    shop.store.expire(expired)
    await shop.deliver()
    assert await shop.balance() == 0
    assert await shop.rows("SELECT state FROM app.billing_checkouts ORDER BY created_at") == [
        ("failed",),
        ("expired",),
    ]


@pytest.mark.parametrize("seed", range(4))
async def test_11_and_12_a_purchase_and_its_receipt_in_any_order_are_one(shop_of_each_era, seed):
    shop = shop_of_each_era
    await shop.bought(receipt=True)
    await shop.deliver(shop.news() * 2, shuffled=seed)
    assert await shop.balance() == PACK


async def test_14_both_words_for_a_paid_invoice_fifty_times_at_once_are_one_month(shop):
    await shop.subscribed(heard=False)
    words = shop.news("invoice.paid", "invoice.payment_succeeded")
    copies = [word | {"id": f"{word['id']}_{n}"} for n in range(25) for word in words]
    for copy in copies:
        await shop.take_in(copy)
    await asyncio.gather(*(shop.handle(copy) for copy in copies))
    assert await shop.balance() == TEAM


async def test_15_a_renewal_told_twice_is_one_month_more(shop_of_each_era):
    shop = shop_of_each_era
    sub = await shop.subscribed()
    await shop.spend(4_000)
    shop.store.renew(sub)
    events = shop.news()
    await shop.deliver(events)
    await shop.deliver([event | {"id": event["id"] + "_again"} for event in events])
    # What was left is carried over.
    assert await shop.balance() == 1_000 + TEAM


async def test_15_what_is_carried_over_has_a_cap(shop, owner):
    await owner.execute(
        "UPDATE app.plans SET features = features || '{\"rollover_credits\": 300}' WHERE id = 'team'"
    )
    sub = await shop.subscribed()
    for _ in range(3):
        shop.store.renew(sub)
        await shop.deliver()
        assert await shop.balance() == 300 + TEAM


async def test_16_a_payment_that_fails_brings_no_month_and_a_letter(shop_of_each_era):
    shop = shop_of_each_era
    sub = await shop.subscribed()
    before = await shop.balance()
    invoice = shop.store.fail_renewal(sub)
    await shop.deliver(shop.news() * 2)
    assert await shop.balance() == before
    assert await shop.plan() == "team"
    assert await shop.rows("SELECT payload ->> 'kind' FROM app.outbox WHERE job = 'billing.letter'") == [
        ("payment_failed",)
    ]
    shop.store.pay_invoice(invoice["id"])
    await shop.deliver()
    assert await shop.balance() == before + TEAM


async def test_17_a_trial_brings_its_own_credits_and_no_month(shop_of_each_era):
    shop = shop_of_each_era
    sub = await shop.subscribed("pro")
    assert (await shop.plan(), await shop.balance()) == ("pro", 100)
    shop.store.renew(sub)
    await shop.deliver()
    assert await shop.balance() == 100 + PRO


async def test_17_a_proration_that_is_not_of_our_making_brings_no_month(shop):
    sub = await shop.subscribed("pro")
    team = next(p for p in shop.store.objects.values() if p.get("lookup_key") == "here:plan:team")
    before = await shop.balance()
    shop.store.change_subscription(
        sub, {"items": [{"price": team["id"]}], "proration_behavior": "always_invoice"}
    )
    await shop.deliver()
    assert await shop.balance() == before
    assert await shop.plan() == "team"


async def test_17_a_month_beside_the_rest_of_an_older_plan_is_a_month(shop_of_each_era):
    shop = shop_of_each_era
    sub = await shop.subscribed()
    before = await shop.balance()
    lines = shop.store.renew(sub)["lines"]["data"]
    item = shop.store.get(sub)["items"]["data"][0]
    lines.insert(0, shop.store._line(item["price"], item, -1_250, proration=True))
    await shop.deliver()
    assert await shop.balance() > before


async def test_17_a_month_with_a_coupon_is_a_month(shop_of_each_era):
    shop = shop_of_each_era
    session = await shop.order(plan="team")
    shop.store.get(session)["total_details"]["amount_discount"] = 14_900
    shop.store.pay(session, discount=14_900)
    await shop.deliver()
    assert await shop.balance() == TEAM


@pytest.mark.parametrize("seed", range(4))
async def test_18_what_has_ended_stays_ended(shop_of_each_era, seed):
    shop = shop_of_each_era
    sub = await shop.subscribed(heard=False)
    shop.store.end(sub)
    await shop.deliver(shuffled=seed)
    assert await shop.plan() == "free"
    await shop.deliver(shop.store.told("customer.subscription.updated", era=shop.era))
    assert await shop.plan() == "free"
    assert await shop.rows("SELECT status FROM app.billing_subscriptions") == [("canceled",)]


async def test_19_an_answer_to_an_earlier_question_changes_nothing(shop):
    sub = await shop.subscribed()
    old = objects.subscription(shop.store.get(sub))
    shop.store.get(sub)["cancel_at_period_end"] = True
    new = objects.subscription(shop.store.get(sub))
    for state, age in ((new, 0), (old, 60)):
        async with shop.db.transaction(SERVICE) as session:
            await subscriptions.apply(
                session, shop.settings.billing, state, read_at=clock.now() - timedelta(seconds=age)
            )
    assert await shop.rows("SELECT cancel_at_period_end FROM app.billing_subscriptions") == [(True,)]


async def test_18_no_later_word_begins_anew_what_has_ended(shop):
    sub = await shop.subscribed()
    running = objects.subscription(shop.store.get(sub))
    shop.store.end(sub)
    await shop.deliver()
    async with shop.db.transaction(SERVICE) as session:
        later = clock.now() + timedelta(minutes=1)
        await subscriptions.apply(session, shop.settings.billing, running, read_at=later)
    assert await shop.rows("SELECT status FROM app.billing_subscriptions") == [("canceled",)]
    assert await shop.plan() == "free"


@pytest.mark.parametrize("credits_", ["abc", "-100", "1000000000", "NaN", ""])
async def test_24_credits_in_the_metadata_mean_nothing(shop, credits_):
    session = await shop.order(pack="pack-100")
    shop.store.get(session)["metadata"]["credits"] = credits_
    shop.store.pay(session)
    await shop.deliver()
    assert await shop.balance() == PACK


@pytest.mark.parametrize("amount", [1, 1_899, 1_901])
async def test_25_an_amount_that_is_not_our_price_is_parked(shop, amount):
    await shop.bought(amount=amount)
    await shop.deliver()
    assert await shop.balance() == 0
    state, reason = (await shop.states())["checkout.session.completed"]
    assert state == "parked"
    assert f"{amount} usd" in reason
    alarms = await shop.rows("SELECT payload ->> 'subject' FROM app.outbox WHERE job = 'alarms.mail'")
    assert alarms == [("an event of Stripe's was parked",)]


async def test_25_another_currency_is_parked(shop):
    session = await shop.order(pack="pack-100")
    shop.store.get(session)["currency"] = "vnd"
    shop.store.pay(session)
    await shop.deliver()
    assert (await shop.states())["checkout.session.completed"][0] == "parked"
    assert await shop.balance() == 0


async def test_25_a_month_of_another_price_is_parked(shop):
    await shop.subscribed(heard=False)
    invoice = shop.store.told("invoice.paid")[0]["data"]["object"]["id"]
    shop.store.get(invoice)["lines"]["data"][0]["amount"] = 100
    await shop.deliver()
    assert (await shop.states())["invoice.paid"][0] == "parked"
    assert await shop.balance() == 0


async def test_a_coupon_for_a_pack_gives_all_of_it_without_a_charge(shop):
    await shop.bought(discount=1_900)
    await shop.deliver()
    assert await shop.balance() == PACK
    assert await shop.rows("SELECT amount_cents, stripe_charge_id FROM app.credit_purchases") == [(0, None)]


async def test_tax_is_stripe_s_to_reckon_and_brings_no_credits(shop):
    shop.settings = replace(shop.settings, billing=replace(shop.settings.billing, tax=True))
    made = shop.store.get(await shop.order(pack="pack-100"))
    assert made["asked"]["automatic_tax"] == {"enabled": True}
    made["amount_total"] += 361
    made["total_details"]["amount_tax"] = 361
    shop.store.pay(made["id"])
    await shop.deliver()
    assert await shop.balance() == PACK
    assert await shop.rows("SELECT amount_cents FROM app.credit_purchases") == [(2_261,)]
    # The half of what was paid is the half of the credits.
    shop.store.refund(shop.store.charge_of(made["id"]), 1_130)
    await shop.deliver()
    assert await shop.balance() == PACK // 2


async def test_26_a_word_of_the_other_mode_is_parked_and_told(shop):
    await shop.bought()
    events = [event | {"livemode": True} for event in shop.news()]
    await shop.deliver(events)
    assert await shop.balance() == 0
    assert (await shop.states())["checkout.session.completed"] == ("parked", "it moves real money")
    # What nothing would follow from anyway is nobody's alarm.
    assert (await shop.states())["charge.succeeded"][0] == "ignored"


@pytest.mark.parametrize(
    "marks, state",
    [
        ({}, "parked"),
        ({"leadfuel": "elsewhere"}, "parked"),
        ({"user_id": "3f0f8f3e-0000-4000-8000-000000000000"}, "parked"),
        ({"checkout_id": "nothing"}, "done"),
    ],
)
async def test_marks_that_do_not_fit_are_parked(shop, marks, state):
    session = await shop.order(pack="pack-100")
    made = shop.store.get(session)
    made["metadata"] = (made["metadata"] | marks) if marks else {}
    if not marks:
        made["id"] = "cs_test_other"
        shop.store.objects["cs_test_other"] = made
    shop.store.pay(made["id"])
    await shop.deliver()
    assert (await shop.states())["checkout.session.completed"][0] == state
    assert await shop.balance() == (PACK if state == "done" else 0)


async def test_06_a_stranger_is_nobody_here(shop):
    stranger = shop.store.make_customer({"email": "x@example.com"})
    about = {"customer": stranger["id"], "amount_total": 5, "currency": "usd"}
    shop.store.tell("charge.refunded", shop.store._charge(shop.store._intent(about)))
    session = shop.store.new(
        "cs_test",
        "checkout.session",
        mode="payment",
        status="complete",
        payment_status="paid",
        customer=stranger["id"],
        payment_intent=None,
        currency="usd",
        amount_subtotal=1_900,
        amount_total=1_900,
    )
    shop.store.tell("checkout.session.completed", session)
    shop.store.tell("customer.created", stranger)
    await shop.deliver()
    assert {state for state, _ in (await shop.states()).values()} == {"ignored"}
    assert await shop.balance() == 0


async def test_whoever_has_been_erased_is_not_sold_to(shop, owner):
    await shop.subscribed()
    before = await shop.balance()
    await owner.execute(
        "UPDATE app.users SET disabled_at = now(), erased_at = now() WHERE id = $1", shop.user.id
    )
    await shop.bought()
    await shop.deliver()
    state, reason = (await shop.states())["checkout.session.completed"]
    assert (state, "erased" in reason) == ("parked", True)
    assert await shop.balance() == before


async def _erase(shop):
    async with shop.db.transaction(SERVICE) as session:
        await users.erase(session, actor_id=None, user_id=shop.user.id)
        found = await session.execute(
            text("DELETE FROM app.outbox WHERE job = :job RETURNING payload"), {"job": leaving.JOB}
        )
        return found.scalar_one()


async def test_whoever_is_erased_is_charged_no_more_and_forgotten_at_stripe(shop, owner):
    subscription = await shop.subscribed()
    customer = shop.store.get(subscription)["customer"]
    left = await _erase(shop)
    for _ in range(2):
        await leaving.leave(shop.cloud, left)
    assert shop.store.get(subscription)["status"] == "canceled"
    with pytest.raises(Missing):
        shop.store.get(customer)
    # What Stripe says of it alarms nobody, nor does a word that was late.
    shop.store.tell("customer.subscription.updated", shop.store.get(subscription))
    await shop.deliver()
    states = await shop.states()
    assert {states["customer.subscription.deleted"][0], states["customer.subscription.updated"][0]} == {
        "ignored"
    }
    assert states["customer.deleted"][0] == "done"
    assert await shop.rows("SELECT 1 FROM app.billing_customers") == []
    await shop.assert_books_agree()


async def test_a_job_that_did_not_reach_stripe_ends_the_rest_when_it_is_tried_again(shop):
    subscription = await shop.subscribed()
    left = await _erase(shop)
    shop.store.end(subscription)
    await leaving.leave(shop.cloud, left)
    with pytest.raises(Missing):
        shop.store.get(left["customers"][0])


async def test_what_was_parked_can_be_tried_again_or_laid_aside(shop):
    await shop.bought(amount=1)
    (event,) = shop.news("checkout.session.completed")
    await shop.deliver()
    session = shop.store.get(event["data"]["object"]["id"])
    session["amount_subtotal"] = session["amount_total"] = 1_900
    async with shop.db.transaction(SERVICE) as s:
        await inbox.retry(s, event_id=event["id"])
    await shop.handle(event)
    assert await shop.balance() == PACK
    async with shop.db.transaction(SERVICE) as s:
        await inbox.dismiss(s, event_id=event["id"], reason="done already")
    assert (await shop.states())["checkout.session.completed"][0] == "done"


async def test_a_second_subscription_is_refused_and_one_that_is_there_is_told_of(shop):
    first, second = await shop.order(plan="team"), await shop.order(plan="team")
    shop.store.pay(first)
    shop.store.pay(second)
    await shop.deliver()
    assert await shop.rows("SELECT payload ->> 'subject' FROM app.outbox WHERE job = 'alarms.mail'") == [
        ("somebody pays for two subscriptions",)
    ]
    with pytest.raises(AlreadySubscribed):
        await shop.order(plan="pro")


@pytest.mark.parametrize("seed", range(6))
async def test_any_history_of_payments_in_any_order_ends_the_same(shop_of_each_era, seed):
    """A purchase, a subscription, a renewal, refunds and a dispute: shuffled, doubled, some of it lost."""
    shop, rng = shop_of_each_era, random.Random(seed)
    session, sub = await shop.bought(), await shop.subscribed(heard=False)
    invoice = shop.store.renew(sub)
    shop.store.refund(shop.store.charge_of(session), 475)
    shop.store.dispute(shop.store.charge_of(invoice["id"]), 7_450)
    events = shop.news() * 2
    rng.shuffle(events)
    await shop.deliver(events)
    balance, owed = await shop.account()
    # A renewal heard of before the first month has nothing to carry over then, and the month is whole.
    assert balance - owed == 75 + TEAM + TEAM // 2
    assert await shop.plan() == "team"
