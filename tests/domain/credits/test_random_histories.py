"""Random histories against a model that is a few integers: the books agree after every step."""

import random
from datetime import timedelta

import pytest

from db.sessions import SERVICE
from domain.credits import holds, movements
from domain.credits.errors import HoldSettled, OutOfCredits
from tests.db.world import make_user
from tests.domain.credits.world import assert_books_agree, balance, owed


class Model:
    """What an account of credits without end has and owes."""

    def __init__(self):
        self.balance = self.owed = 0
        self.taken = {}

    def receive(self, amount):
        paid = min(self.owed, amount)
        self.owed -= paid
        self.balance += amount - paid

    def pay(self, amount):
        if self.balance < amount:
            return False
        self.balance -= amount
        return True

    def claw_back(self, payment, total):
        due = max(0, total - self.taken.get(payment, 0))
        self.taken[payment] = self.taken.get(payment, 0) + due
        now = min(due, self.balance)
        self.balance -= now
        self.owed += due - now

    def restore(self, payment):
        self.receive(self.taken.pop(payment, 0))


class History:
    """One account, in the database and in the model."""

    def __init__(self, session, user, rng):
        self.session, self.user, self.rng = session, user, rng
        self.model, self.holds, self.spent, self.number = Model(), [], [], 0

    @property
    def key(self):
        self.number += 1
        return f"step {self.number}"

    async def grant(self):
        amount, key = self.rng.randint(1, 9), self.key
        for _ in range(self.rng.randint(1, 2)):
            await movements.grant(self.session, user_id=self.user, amount=amount, reference=key, reason="x")
        self.model.receive(amount)

    async def purchase(self):
        amount = self.rng.randint(1, 9)
        await movements.purchase(
            self.session, user_id=self.user, credits_=amount, amount_cents=amount, reference=self.key
        )
        self.model.receive(amount)

    async def spend(self):
        amount, key = self.rng.randint(1, 9), self.key
        try:
            await movements.spend(
                self.session, user_id=self.user, amount=amount, action="unlock_email", reference=key
            )
        except OutOfCredits:
            assert not self.model.pay(amount)
        else:
            assert self.model.pay(amount)
            self.spent.append((key, amount))

    async def refund(self):
        if not self.spent:
            return
        key, amount = self.rng.choice(self.spent)
        self.spent.remove((key, amount))
        for _ in range(2):
            await movements.refund(self.session, user_id=self.user, reference=key, reason="x")
        self.model.receive(amount)

    async def reserve(self):
        amount = self.rng.randint(1, 9)
        try:
            hold = await holds.reserve(
                self.session,
                user_id=self.user,
                amount=amount,
                action="email_finder",
                reference=self.key,
                lasts=timedelta(hours=1),
            )
        except OutOfCredits:
            assert not self.model.pay(amount)
        else:
            assert self.model.pay(amount)
            self.holds.append((hold, amount))

    async def settle(self):
        if not self.holds:
            return
        hold, amount = self.holds.pop(self.rng.randrange(len(self.holds)))
        if self.rng.random() < 0.5:
            await holds.capture(self.session, hold_id=hold.id)
        else:
            await holds.void(self.session, hold_id=hold.id, why="nothing found")
            self.model.receive(amount)
        with pytest.raises(HoldSettled):
            await holds.void(self.session, hold_id=hold.id, why="again")

    async def claw_back(self):
        payment, total = self.rng.choice("abc"), self.rng.randint(1, 12)
        await movements.claw_back(self.session, user_id=self.user, payment=payment, total=total)
        self.model.claw_back(payment, total)

    async def restore(self):
        payment = self.rng.choice("abc")
        await movements.restore(self.session, user_id=self.user, payment=payment)
        self.model.restore(payment)


@pytest.mark.parametrize("seed", range(12))
async def test_any_history_ends_where_the_model_ends(session_as, a_plan_of_nothing, seed):
    rng = random.Random(seed)
    steps = ("grant", "purchase", "spend", "spend", "refund", "reserve", "settle", "claw_back", "restore")
    async with session_as(SERVICE) as session:
        user = await make_user(session, plan_id=a_plan_of_nothing)
        history = History(session, user, rng)
        for _ in range(40):
            await getattr(history, rng.choice(steps))()
            have = (await balance(session, user), await owed(session, user))
            assert have == (history.model.balance, history.model.owed)
        await assert_books_agree(session)
