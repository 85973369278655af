"""A shop: one person, a Stripe of our own, and what has reached us of it."""

import json
import random
from dataclasses import dataclass, field

from sqlalchemy import text

from db.sessions import SERVICE
from domain import accounts
from domain.billing import inbox, ordering, prices
from domain.billing.handling import handle
from domain.credits import movements, reconcile
from tests.cloud.in_process import StoreCloud
from tests.cloud.store import Store


@dataclass
class Shop:
    """The app's side by `db` and `settings`, Stripe's by `store`; `deliver` lets the one hear the other."""

    db: object
    settings: object
    store: Store
    cloud: StoreCloud
    user: accounts.User
    era: str = "basil"
    seen: set = field(default_factory=set)

    async def order(self, pack=None, plan=None):
        """The id of a checkout for a pack or a plan."""
        page = await ordering.checkout(
            self.db,
            self.cloud,
            self.settings,
            user=self.user,
            noun="pack" if pack else "plan",
            id_=pack or plan,
            reference=None,
        )
        return (await self.rows("SELECT session_id FROM app.billing_checkouts WHERE id = :id", id=page.id))[
            0
        ][0]

    async def bought(self, pack="pack-100", **options):
        """A pack that is paid for; nothing of it has been heard."""
        session = await self.order(pack=pack)
        self.store.pay(session, **options)
        return session

    async def subscribed(self, plan="team", *, heard=True, **options):
        """The id of a subscription."""
        session = self.store.pay(await self.order(plan=plan), **options)
        if heard:
            await self.deliver()
        return session["subscription"]

    def news(self, *kinds):
        """What has happened and was not heard of, in the shape of this shop's version."""
        return [event for event in self.store.told(*kinds, era=self.era) if event["id"] not in self.seen]

    async def deliver(self, events=None, *, shuffled=None):
        """Take events in and act upon them."""
        events = list(self.news() if events is None else events)
        if shuffled is not None:
            random.Random(shuffled).shuffle(events)
        for event in events:
            self.seen.add(event["id"])
            await self.take_in(event)
            await self.handle(event)

    async def take_in(self, event):
        # As it comes over the wire.
        async with self.db.transaction(SERVICE) as session:
            await inbox.take_in(session, self.settings.billing, json.loads(json.dumps(event)))

    async def handle(self, event):
        await handle(self.db, self.cloud, self.settings.billing, event_id=event["id"])

    async def rows(self, query, **values):
        async with self.db.transaction(SERVICE) as session:
            found = await session.execute(text(query), values)
            return [tuple(row) for row in found]

    async def account(self):
        """Balance and debt."""
        return (
            await self.rows(
                "SELECT credit_balance, credits_owed FROM app.users WHERE id = :id", id=self.user.id
            )
        )[0]

    async def balance(self):
        return (await self.account())[0]

    async def plan(self):
        return (await self.rows("SELECT plan_id FROM app.users WHERE id = :id", id=self.user.id))[0][0]

    async def states(self):
        """What became of the events, by type."""
        found = await self.rows("SELECT type, state, reason FROM app.billing_events ORDER BY received_at, id")
        return {kind: (state, reason) for kind, state, reason in found}

    async def spend(self, amount):
        async with self.db.transaction(SERVICE) as session:
            await movements.spend(
                session,
                user_id=self.user.id,
                amount=amount,
                action="unlock_email",
                reference=f"spend {self.store.new('x', 'x')['id']}",
            )

    async def assert_books_agree(self):
        async with self.db.transaction(SERVICE) as session:
            assert await reconcile.differences(session) == []


async def open_shop(db, settings, *, era="basil", name="ann"):
    """A shop whose prices are at Stripe and whose one user has nothing."""
    store = Store()
    cloud = StoreCloud(store, era)
    await prices.sync(db, cloud, settings.billing)
    async with db.transaction(SERVICE) as session:
        user = await accounts.find_or_create_user(session, email=f"{name}@example.com")
    return Shop(db, settings, store, cloud, user, era)
