"""Stripe as the domain sees it, answered from a store in this process."""

import copy
import json
from datetime import UTC, datetime

from tests.cloud.store import shaped


class StoreCloud:
    """The cloud that `domain.billing` asks, in the shape of an era."""

    def __init__(self, store, era="basil"):
        self.store, self.era, self.livemode = store, era, store.livemode
        self._kept = {}

    def _answer(self, found):
        return json.loads(json.dumps(shaped(found, self.era)))

    async def session(self, session_id):
        return self._answer(self.store.session(session_id))

    async def invoice(self, invoice_id):
        return self._answer(self.store.get(invoice_id))

    async def subscription(self, subscription_id):
        return self._answer(self.store.get(subscription_id))

    async def charge(self, charge_id):
        return self._answer(self.store.get(charge_id))

    async def disputes(self, charge_id):
        return [self._answer(found) for found in self.store.disputes(charge_id)]

    async def invoice_of(self, payment_intent):
        return next(iter(self.store.invoice_of(payment_intent)), None)

    async def made(self, kind, *, since, until):
        for each in self.store.made(kind.removesuffix("s"), int(since.timestamp()), int(until.timestamp())):
            yield self._answer(each)

    async def events(self, since):
        for event in reversed(self.store.told(era=self.era)):
            if datetime.fromtimestamp(event["created"], UTC) >= since:
                yield event

    async def prices(self, lookup_keys):
        return [self._answer(found) for found in self.store.prices(lookup_keys)]

    async def make_product(self, params, *, key):
        return self._once(key, self.store.make_product, params)

    async def make_price(self, params, *, key):
        return self._once(key, self.store.make_price, params)

    async def make_customer(self, params, *, key):
        return self._once(key, self.store.make_customer, params)

    async def make_session(self, params, *, key):
        return self._once(key, self.store.make_session, params)

    async def make_portal(self, params):
        return self._answer(self.store.make_portal(params))

    async def change_subscription(self, subscription_id, params, *, key):
        return self._once(key, self.store.change_subscription, subscription_id, params)

    async def end_subscription(self, subscription_id):
        return self._answer(self.store.end_subscription(subscription_id))

    async def delete_customer(self, customer_id):
        self.store.delete_customer(customer_id)

    def _once(self, key, make, *arguments):
        if key not in self._kept:
            self._kept[key] = make(*copy.deepcopy(arguments))["id"]
        return self._answer(self.store.get(self._kept[key]))
