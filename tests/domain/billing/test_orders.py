"""A new subscription, told by seven events: in whatever order they come, it is one month and one plan.

All 5,040 orders are a drill; here it is every 360th.
"""

import itertools

import pytest
from sqlalchemy import text

from db.sessions import SERVICE
from domain.billing import handling, inbox
from domain.credits import reconcile

SEVEN = (
    "customer.subscription.created",
    "customer.subscription.updated",
    "invoice.created",
    "invoice.paid",
    "invoice.payment_succeeded",
    "charge.succeeded",
    "checkout.session.completed",
)
STRIDE = 360
_STATE = text(
    "SELECT u.credit_balance, u.plan_id,"
    " (SELECT count(*) FROM app.credit_ledger WHERE user_id = u.id AND kind = 'granted')"
    " FROM app.users AS u WHERE u.id = :id"
)


class Rehearsal:
    """A transaction of the shop's that is begun, used by the code as if it were many, and thrown away."""

    def __init__(self, session):
        self._session = session

    def transaction(self, *_actor, **_options):
        return _Inside(self._session)


class _Inside:
    def __init__(self, session):
        self._session = session

    async def __aenter__(self):
        self._savepoint = await self._session.begin_nested()
        return self._session

    async def __aexit__(self, kind, error, trace):
        await (self._savepoint.rollback() if kind else self._savepoint.commit())


async def _ends_right(shop, order):
    """Act upon these events in a transaction that is rolled back."""
    async with shop.db.transaction(SERVICE) as session:
        rehearsal = Rehearsal(session)
        for event in order:
            async with rehearsal.transaction(SERVICE) as inner:
                await inbox.take_in(inner, shop.settings.billing, event)
            await handling.handle(rehearsal, shop.cloud, shop.settings.billing, event_id=event["id"])
        found = await session.execute(_STATE, {"id": shop.user.id})
        assert tuple(found.one()) == (5_000, "team", 1), [event["type"] for event in order]
        assert await reconcile.differences(session) == []
        await session.rollback()


async def _every(shop, stride, offset=0):
    await shop.subscribed(heard=False)
    seven = shop.news(*SEVEN)
    assert sorted(event["type"] for event in seven) == sorted(SEVEN)
    number = 0
    for order in itertools.islice(itertools.permutations(seven), offset, None, stride):
        # Each twice: once more as the very same event, once more under another id.
        again = [event | {"id": event["id"] + "_again"} for event in order[:3]]
        await _ends_right(shop, [*order, *order[:2], *again])
        number += 1
    return number


async def test_13_orders_of_the_seven_events_end_the_same(shop_of_each_era):
    assert await _every(shop_of_each_era, STRIDE) == 14


@pytest.mark.chaos
@pytest.mark.timeout(3_000)
async def test_13_all_5040_orders_end_the_same(shop_of_each_era):
    assert await _every(shop_of_each_era, 1) == 5_040
