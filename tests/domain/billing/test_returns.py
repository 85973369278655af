"""What is returned of what was paid: refunds and disputes, in parts, doubled and out of order."""

import asyncio
from datetime import timedelta

from core import clock
from db.sessions import SERVICE
from domain.billing import objects, payments

PACK, TEAM = 100, 5_000


async def test_19_a_refund_read_before_the_next_one_takes_nothing_back(shop):
    charge_id = shop.store.charge_of(await shop.bought())
    await shop.deliver()
    shop.store.refund(charge_id, 950)
    half = objects.charge(shop.store.get(charge_id))
    shop.store.refund(charge_id, 950)
    whole = objects.charge(shop.store.get(charge_id))
    for state, age in ((whole, 0), (half, 60)):
        async with shop.db.transaction(SERVICE) as session:
            read_at = clock.now() - timedelta(seconds=age)
            await payments.returns(session, shop.settings.billing, state, [], read_at=read_at)
    assert await shop.account() == (0, 0)


async def test_20_a_refund_in_parts_doubled_and_shuffled_takes_the_credits_once(shop_of_each_era):
    shop = shop_of_each_era
    session = await shop.bought()
    await shop.deliver()
    charge = shop.store.charge_of(session)
    shop.store.refund(charge, 950)
    await shop.deliver()
    assert await shop.balance() == PACK // 2
    shop.store.refund(charge, 950)
    await shop.deliver(shop.store.told("charge.refunded", "refund.created", era=shop.era) * 2, shuffled=3)
    assert await shop.account() == (0, 0)


async def test_20_fifty_words_of_a_refund_at_once_take_the_credits_once(shop):
    session = await shop.bought()
    await shop.deliver()
    shop.store.refund(shop.store.charge_of(session), 1_900)
    (word,) = shop.news("charge.refunded")
    copies = [word | {"id": f"evt_refund_{n}"} for n in range(50)]
    for copy in copies:
        await shop.take_in(copy)
    await asyncio.gather(*(shop.handle(copy) for copy in copies))
    assert await shop.account() == (0, 0)


async def test_20_a_refund_that_fails_gives_the_credits_back(shop):
    session = await shop.bought()
    shop.store.refund(shop.store.charge_of(session), 1_900)
    await shop.deliver()
    assert await shop.account() == (0, 0)
    shop.store.unrefund(shop.store.charge_of(session), 1_900)
    await shop.deliver()
    assert await shop.account() == (PACK, 0)


async def test_21_a_refund_of_what_was_spent_is_a_debt(shop):
    session = await shop.bought()
    await shop.deliver()
    await shop.spend(70)
    shop.store.refund(shop.store.charge_of(session), 1_900)
    await shop.deliver()
    assert await shop.account() == (0, 70)
    await shop.bought()
    await shop.deliver()
    assert await shop.account() == (30, 0)


async def test_22_a_refund_before_its_purchase_ends_with_nothing_gained(shop_of_each_era):
    shop = shop_of_each_era
    session = await shop.bought()
    shop.store.refund(shop.store.charge_of(session), 1_900)
    await shop.deliver(shop.news()[::-1])
    assert await shop.account() == (0, 0)


async def test_23_a_dispute_and_a_refund_of_one_charge_count_once(shop_of_each_era):
    shop = shop_of_each_era
    session = await shop.bought()
    await shop.deliver()
    charge = shop.store.charge_of(session)
    shop.store.dispute(charge)
    shop.store.refund(charge, 1_900)
    await shop.deliver(shop.news() * 2, shuffled=1)
    assert await shop.account() == (0, 0)


async def test_23_a_dispute_that_is_won_gives_back_once(shop_of_each_era):
    shop = shop_of_each_era
    session = await shop.bought()
    dispute = shop.store.dispute(shop.store.charge_of(session))
    await shop.deliver()
    assert await shop.account() == (0, 0)
    shop.store.close_dispute(dispute["id"], "won")
    await shop.deliver(shop.news() * 3)
    assert await shop.account() == (PACK, 0)


async def test_23_an_inquiry_takes_nothing_and_a_lost_dispute_stays(shop):
    session = await shop.bought()
    dispute = shop.store.dispute(shop.store.charge_of(session))
    shop.store.close_dispute(dispute["id"], "warning_needs_response")
    await shop.deliver()
    assert await shop.account() == (PACK, 0)
    shop.store.close_dispute(dispute["id"], "lost")
    await shop.deliver()
    assert await shop.account() == (0, 0)


async def test_a_month_that_is_refunded_is_taken_back(shop_of_each_era):
    shop = shop_of_each_era
    sub = await shop.subscribed()
    invoice = shop.store.get(shop.store.get(sub)["latest_invoice"])
    shop.store.refund(shop.store.charge_of(invoice["id"]), 14_900)
    await shop.deliver()
    assert await shop.account() == (0, 0)


async def test_a_refunded_pack_takes_its_own_credits_and_leaves_the_month(shop):
    await shop.subscribed()
    session = await shop.bought()
    await shop.deliver()
    shop.store.refund(shop.store.charge_of(session), 1_900)
    await shop.deliver()
    left = await shop.rows("SELECT source, remaining FROM app.credit_grants WHERE remaining > 0")
    assert left == [("plan", TEAM)]
