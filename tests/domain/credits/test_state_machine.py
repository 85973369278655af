"""Random histories, shrunk to the shortest that fails: the books against a model of a few integers."""

import asyncio
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from core.settings import DatabaseSettings
from db.sessions import SERVICE, Database
from domain.credits import holds, movements
from domain.credits.errors import HoldSettled, OutOfCredits
from tests.db.world import make_user
from tests.domain.credits.world import assert_books_agree, balance, owed

AMOUNTS = st.integers(1, 12)
PAYMENTS = st.sampled_from("abc")


class Machine(RuleBasedStateMachine):
    """One account; each rule is a transaction, done once or twice under its key."""

    url: str
    plan: str

    def __init__(self):
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.db = Database(DatabaseSettings(url=self.url, pool_size=1))
        self.number = self.balance = self.owed = 0
        self.taken, self.held, self.spent = {}, [], []
        self.user = self.run(lambda session: make_user(session, plan_id=self.plan))

    def run(self, work):
        async def once():
            async with self.db.transaction(SERVICE) as session:
                return await work(session)

        return self.loop.run_until_complete(once())

    def teardown(self):
        self.loop.run_until_complete(self.db.close())
        self.loop.close()

    def key(self):
        self.number += 1
        return f"step {self.number}"

    def receive(self, amount):
        paid = min(self.owed, amount)
        self.owed -= paid
        self.balance += amount - paid

    @rule(amount=AMOUNTS, twice=st.booleans(), bought=st.booleans())
    def come_in(self, amount, twice, bought):
        key = self.key()
        for _ in range(1 + twice):
            if bought:
                self.run(
                    lambda s: movements.purchase(
                        s, user_id=self.user, credits_=amount, amount_cents=1, reference=key
                    )
                )
            else:
                self.run(
                    lambda s: movements.grant(s, user_id=self.user, amount=amount, reference=key, reason="x")
                )
        self.receive(amount)

    @rule(amount=AMOUNTS, twice=st.booleans())
    def spend(self, amount, twice):
        key = self.key()

        def once():
            return self.run(
                lambda s: movements.spend(
                    s, user_id=self.user, amount=amount, action="unlock_email", reference=key
                )
            )

        if amount > self.balance:
            with pytest.raises(OutOfCredits):
                once()
            return
        for _ in range(1 + twice):
            once()
        self.balance -= amount
        self.spent.append((key, amount))

    @precondition(lambda self: self.spent)
    @rule(data=st.data(), twice=st.booleans())
    def refund(self, data, twice):
        key, amount = self.spent.pop(data.draw(st.integers(0, len(self.spent) - 1)))
        for _ in range(1 + twice):
            self.run(lambda s: movements.refund(s, user_id=self.user, reference=key, reason="x"))
        self.receive(amount)

    @rule(amount=AMOUNTS)
    def reserve(self, amount):
        def once(s):
            return holds.reserve(
                s,
                user_id=self.user,
                amount=amount,
                action="email_finder",
                reference=key,
                lasts=timedelta(hours=1),
            )

        key = self.key()
        if amount > self.balance:
            with pytest.raises(OutOfCredits):
                self.run(once)
            return
        self.held.append((self.run(once).id, amount))
        self.balance -= amount

    @precondition(lambda self: self.held)
    @rule(data=st.data(), found=st.booleans())
    def settle(self, data, found):
        hold, amount = self.held.pop(data.draw(st.integers(0, len(self.held) - 1)))
        if found:
            self.run(lambda s: holds.capture(s, hold_id=hold))
        else:
            self.run(lambda s: holds.void(s, hold_id=hold, why="nothing found"))
            self.receive(amount)
        with pytest.raises(HoldSettled):
            self.run(lambda s: holds.capture(s, hold_id=hold))

    @rule(payment=PAYMENTS, total=AMOUNTS)
    def claw_back(self, payment, total):
        self.run(lambda s: movements.claw_back(s, user_id=self.user, payment=payment, total=total))
        due = max(0, total - self.taken.get(payment, 0))
        self.taken[payment] = self.taken.get(payment, 0) + due
        now = min(due, self.balance)
        self.balance -= now
        self.owed += due - now

    @rule(payment=PAYMENTS, down_to=st.integers(0, 12))
    def restore(self, payment, down_to):
        self.run(lambda s: movements.restore(s, user_id=self.user, payment=payment, down_to=down_to))
        back = max(0, self.taken.get(payment, 0) - down_to)
        self.taken[payment] = self.taken.get(payment, 0) - back
        self.receive(back)

    @invariant()
    def books_are_the_model(self):
        async def look(session):
            await assert_books_agree(session)
            return await balance(session, self.user), await owed(session, self.user)

        assert self.run(look) == (self.balance, self.owed)


@pytest.fixture
async def machine(database_url, db, a_plan_of_nothing, owner):
    return type("MachineHere", (Machine,), {"url": database_url, "plan": a_plan_of_nothing})


async def test_no_history_of_an_account_leads_away_from_the_model(machine, clean_database):
    """In a thread: the machine runs its own loop, for hypothesis knows none."""
    quick = settings(
        max_examples=6,
        stateful_step_count=20,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    await asyncio.to_thread(run_state_machine_as_test, machine, settings=quick)
