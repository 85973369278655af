"""Our payments beside Stripe's own lists: what was never told of, what was never paid, and what differs."""

from datetime import timedelta

import pytest

from core import clock
from db.sessions import SERVICE
from domain.billing import comparing, inbox
from domain.billing.cloud import Unreachable
from domain.credits import movements, reconcile

DAY = timedelta(days=1)
PACK, TEAM = 100, 5_000


async def differences(shop, *, days=2):
    """What a look at it tomorrow finds, in words."""
    with clock.shifted(DAY):
        found = await comparing.compare_last(shop.db, shop.cloud, shop.settings.billing, days=days)
    return [(each.check, each.there, each.here) for each in found]


async def parked(shop):
    return await shop.rows(
        "SELECT id, type FROM app.billing_events WHERE state = 'parked' AND origin = 'comparison' ORDER BY id"
    )


async def alarms(shop):
    found = await shop.rows("SELECT payload ->> 'subject' FROM app.outbox WHERE job = 'alarms.mail'")
    return [subject for (subject,) in found]


async def is_frozen(shop):
    return (await shop.rows("SELECT credits_frozen_at IS NOT NULL FROM app.users"))[0][0]


async def retry(shop):
    """Handle again what was parked."""
    (event_id,) = [event_id for event_id, _ in await parked(shop)]
    async with shop.db.transaction(SERVICE) as session:
        await inbox.retry(session, event_id=event_id)
    await shop.handle({"id": event_id})


async def test_payments_that_were_heard_of_agree(shop):
    charge = shop.store.charge_of(await shop.bought())
    await shop.bought("pack-500", discount=7_900)
    sub = await shop.subscribed()
    shop.store.renew(sub)
    shop.store.refund(charge, 950)
    shop.store.dispute(charge, 475)
    await shop.bought("pack-2000", delayed=True)
    await shop.deliver()
    assert await differences(shop) == []
    assert (await parked(shop), await alarms(shop)) == ([], [])


async def test_a_payment_nobody_told_of_is_named_once_and_a_retry_brings_it(shop):
    await shop.bought()
    for _ in range(2):
        assert await differences(shop) == [("not-granted", 1_900, 0)]
    assert [kind for _, kind in await parked(shop)] == ["checkout.session.completed"]
    assert await alarms(shop) == ["our payments and Stripe's do not agree"]
    # They have less than they paid for: nothing is stopped.
    assert not await is_frozen(shop)
    await retry(shop)
    assert await shop.balance() == PACK
    assert await differences(shop) == []


async def test_a_month_nobody_told_of_is_named_and_a_retry_brings_it(shop):
    sub = await shop.subscribed()
    shop.store.renew(sub)
    assert await differences(shop) == [("not-granted", 14_900, 0)]
    assert [kind for _, kind in await parked(shop)] == ["invoice.paid"]
    await retry(shop)
    assert await shop.balance() == 2 * TEAM
    assert await differences(shop) == []


async def test_a_charge_made_by_hand_can_be_laid_aside(shop):
    await shop.bought()
    await shop.deliver()
    (customer,) = (await shop.rows("SELECT customer_id FROM app.billing_customers"))[0]
    about = {"customer": customer, "amount_total": 5_000, "currency": "usd"}
    shop.store._charge(shop.store._intent(about))
    assert await differences(shop) == [("not-granted", 5_000, 0)]
    ((event_id, kind),) = await parked(shop)
    assert kind == "charge.succeeded"
    await retry(shop)
    assert (await shop.states())[kind][0] == "ignored"
    # It is still not granted, so it is asked about again until somebody says what it is.
    await differences(shop)
    assert await parked(shop) == [(event_id, kind)]
    async with shop.db.transaction(SERVICE) as session:
        await inbox.dismiss(session, event_id=event_id, reason="a workshop")
    await differences(shop)
    assert await parked(shop) == []


@pytest.mark.parametrize("reference", ["session:cs_test_none", "by hand"])
async def test_a_purchase_that_nobody_paid_for_is_named_and_stops_the_account(shop, reference):
    async with shop.db.transaction(SERVICE) as session:
        await movements.purchase(
            session, user_id=shop.user.id, credits_=500, amount_cents=7_900, reference=reference
        )
    assert await differences(shop) == [("not-paid", 0, 7_900)]
    assert await is_frozen(shop)
    assert len(await parked(shop)) == 1
    async with shop.db.transaction(SERVICE) as session:
        await reconcile.release(session, user_id=shop.user.id)
    # Who was released by somebody who knows is not stopped for the same again.
    await differences(shop)
    assert not await is_frozen(shop)


async def test_a_month_whose_invoice_was_not_paid_is_named(shop):
    sub = await shop.subscribed()
    shop.store.get(shop.store.get(sub)["latest_invoice"])["status"] = "void"
    for charge in shop.store._all("charge"):
        charge["status"] = "failed"
    assert await differences(shop) == [("not-paid", 0, 14_900)]
    assert await is_frozen(shop)


@pytest.mark.parametrize(("amount", "stops"), [(900, True), (2_900, False)])
async def test_an_amount_that_differs_is_named(shop, amount, stops):
    charge = shop.store.charge_of(await shop.bought())
    await shop.deliver()
    shop.store.get(charge)["amount"] = amount
    assert await differences(shop) == [("amount", amount, 1_900)]
    assert await is_frozen(shop) is stops


async def test_another_currency_is_named(shop):
    charge = shop.store.charge_of(await shop.bought())
    await shop.deliver()
    shop.store.get(charge)["currency"] = "vnd"
    assert await differences(shop) == [("amount", 1_900, 1_900)]


async def test_a_refund_nobody_told_of_is_named_stops_and_is_taken_by_a_retry(shop):
    charge = shop.store.charge_of(await shop.bought())
    await shop.deliver()
    shop.store.refund(charge, 950)
    assert await differences(shop) == [("returned", 950, 1_900)]
    assert await is_frozen(shop)
    await retry(shop)
    assert await shop.balance() == PACK // 2
    assert await differences(shop) == []


async def test_a_dispute_that_was_won_in_silence_is_named(shop):
    dispute = shop.store.dispute(shop.store.charge_of(await shop.bought()))
    await shop.deliver()
    shop.store.close_dispute(dispute["id"], "won")
    assert await differences(shop) == [("returned", 1_900, 0)]
    assert not await is_frozen(shop)


async def test_a_late_refund_of_an_old_charge_is_found_by_its_own_day(shop):
    shop.store.offset_s = -50 * 86_400
    charge = shop.store.charge_of(await shop.bought())
    await shop.deliver()
    shop.store.offset_s = 0
    shop.store.refund(charge, 1_900)
    assert await differences(shop) == [("returned", 0, 1_900)]


async def test_what_has_just_happened_is_left_in_peace(shop):
    shop.store.offset_s = -86_400
    charge = shop.store.charge_of(await shop.bought())
    await shop.deliver()
    shop.store.offset_s = 0
    shop.store.refund(charge, 950)
    await shop.bought()
    found = await comparing.compare_last(shop.db, shop.cloud, shop.settings.billing, days=3)
    assert found == []


async def test_what_is_not_ours_is_not_compared(shop):
    stranger = shop.store.make_customer({"email": "x@example.com"})
    about = {"customer": stranger["id"], "amount_total": 500, "currency": "usd"}
    shop.store._charge(shop.store._intent(about))
    other = shop.store._charge(shop.store._intent(about))
    other["metadata"] = {"leadfuel": "elsewhere"}
    shop.store._charge(shop.store._intent(about))["livemode"] = True
    assert await differences(shop) == []


async def test_a_payment_that_is_parked_already_is_not_told_of_twice(shop):
    await shop.bought(amount=1)
    await shop.deliver()
    before = await alarms(shop)
    assert await differences(shop) == [("not-granted", 1, 0)]
    assert (await parked(shop), await alarms(shop)) == ([], before)


async def test_a_day_is_compared_once_and_whoever_stops_goes_on_with_it(shop, monkeypatch):
    await shop.bought()
    asked = []
    listed, is_down = shop.cloud.made, [True]

    async def made(kind, *, since, until):
        if kind == "charges":
            asked.append(since)
            if is_down[0] and len(asked) == 6:
                raise Unreachable("down")
        async for each in listed(kind, since=since, until=until):
            yield each

    monkeypatch.setattr(shop.cloud, "made", made)
    with clock.shifted(DAY + comparing.SETTLED):
        with pytest.raises(Unreachable):
            await comparing.compare_due(shop.db, shop.cloud, shop.settings.billing)
        is_down[0] = False
        third = asked[4:]
        del asked[:]
        found = await comparing.compare_due(shop.db, shop.cloud, shop.settings.billing)
        assert [each.check for each in found] == ["not-granted"]
        assert asked[:2] == third
        # The other 28 days, and each once more for what takes two weeks.
        assert len(asked) == 2 * 28
        assert await comparing.compare_due(shop.db, shop.cloud, shop.settings.billing) == []
        assert len(asked) == 2 * 28


async def test_many_differences_are_one_alarm(shop):
    await shop.order(pack="pack-100")
    (customer,) = (await shop.rows("SELECT customer_id FROM app.billing_customers"))[0]
    for _ in range(comparing.AT_ONCE + 30):
        shop.store._charge(shop.store._intent({"customer": customer, "amount_total": 7, "currency": "usd"}))
    assert len(await differences(shop)) == comparing.AT_ONCE + 30
    assert len(await parked(shop)) == comparing.AT_ONCE + 30
    assert len(await alarms(shop)) == 1
