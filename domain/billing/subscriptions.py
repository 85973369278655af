"""Which plan somebody has by what they pay for, and the changes between plans.

A subscription's row follows Stripe's state; the plan in force follows from the rows. A larger plan holds at
once, and the credits of the rest of the period are given with the payment of the difference. A smaller one
holds from the next period, though its price is set at once: no month of it is paid before.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from core.ids import UserId
from core.settings import BillingSettings
from domain import alarms
from domain.billing import customers, letters, prices
from domain.billing.handled import Ignore, Park
from domain.billing.objects import Invoice, Subscription
from domain.credits import movements
from domain.credits.months import open_account

# With these the plan holds; past due it does until Stripe gives up.
IN_FORCE: Final = ("trialing", "active", "past_due")
_ENDED: Final = ("canceled", "incomplete_expired")


@dataclass(frozen=True, slots=True)
class Change:
    """A change of plan that was asked for and has not taken hold."""

    id: UUID
    kind: str
    from_plan: str
    to_plan: str
    credits: int
    effective_at: datetime


@dataclass(frozen=True, slots=True)
class Held:
    """A subscription as we know it."""

    id: str
    plan_id: str
    price_id: str
    item_id: str
    status: str
    cancel_at_period_end: bool
    period_start: datetime | None
    period_end: datetime | None
    trial_end: datetime | None
    change: Change | None


async def of_user(session: AsyncSession, *, user_id: UserId) -> Held | None:
    """The subscription that somebody's plan comes from, if one is in force."""
    found = await session.execute(
        text(
            """
            SELECT s.id, s.plan_id, s.price_id, s.item_id, s.status, s.cancel_at_period_end,
                   s.period_start, s.period_end, s.trial_end
            FROM app.billing_subscriptions AS s JOIN app.plans AS p ON p.id = s.plan_id
            WHERE s.user_id = :user_id AND s.status = ANY(:in_force)
            ORDER BY p.price_cents DESC, s.id LIMIT 1
            """
        ),
        {"user_id": user_id, "in_force": list(IN_FORCE)},
    )
    row = found.one_or_none()
    if row is None:
        return None
    return Held(**row._mapping, change=await asked(session, subscription_id=row.id))  # noqa: SLF001 - SQLAlchemy's own API


async def asked(session: AsyncSession, *, subscription_id: str) -> Change | None:
    """The change of a subscription that is under way."""
    found = await session.execute(
        text(
            "SELECT id, kind, from_plan, to_plan, credits, effective_at FROM app.plan_changes"
            " WHERE subscription_id = :id AND state = 'asked'"
        ),
        {"id": subscription_id},
    )
    row = found.one_or_none()
    return None if row is None else Change(*row)


async def apply(
    session: AsyncSession, settings: BillingSettings, found: Subscription, *, read_at: datetime
) -> None:
    """Bring a subscription's row and its user's plan to what Stripe says.

    An answer to an earlier question than the last one changes nothing, and one that has ended stays so.
    """
    try:
        user_id = await customers.owner(
            session, settings, customer_id=found.customer, marks=dict(found.metadata)
        )
    except customers.Erased:
        if found.status in _ENDED:
            raise Ignore("it has ended, and its user has been erased") from None
        raise
    price = await prices.get(session, price_id=found.price)
    if price is None or price.plan_id is None:
        raise Park(f"its price {found.price} is no plan of ours")
    if found.quantity != 1:
        raise Park(f"it is for {found.quantity} plans at once")
    # Whatever decides about a user's plan waits for whoever is doing so.
    await open_account(session, user_id=user_id)
    changed = await session.scalar(
        text(
            """
            INSERT INTO app.billing_subscriptions AS s
                (id, user_id, customer_id, plan_id, price_id, item_id, status, cancel_at_period_end,
                 period_start, period_end, trial_end, read_at, ended_at)
            VALUES (:id, :user_id, :customer, :plan, :price, :item, :status, :cancel, :start, :end,
                    :trial_end,
                    :read_at, CASE WHEN :status = ANY(:ended) THEN app.now() END)
            ON CONFLICT (id) DO UPDATE
            SET plan_id = excluded.plan_id, price_id = excluded.price_id, item_id = excluded.item_id,
                status = excluded.status, cancel_at_period_end = excluded.cancel_at_period_end,
                period_start = excluded.period_start, period_end = excluded.period_end,
                trial_end = excluded.trial_end, read_at = excluded.read_at, ended_at = excluded.ended_at
            WHERE s.read_at < excluded.read_at AND s.ended_at IS NULL
            RETURNING true
            """
        ),
        {
            "id": found.id,
            "user_id": user_id,
            "customer": found.customer or "",
            "plan": price.plan_id,
            "price": price.id,
            "item": found.item,
            "status": found.status,
            "cancel": found.cancel_at_period_end,
            "start": found.period_start,
            "end": found.period_end,
            "trial_end": found.trial_end,
            "read_at": read_at,
            "ended": list(_ENDED),
        },
    )
    if not changed:
        return
    await session.execute(
        text(
            """
            UPDATE app.plan_changes AS c SET state = 'done', settled_at = app.now()
            FROM app.billing_subscriptions AS s
            WHERE c.subscription_id = :id AND s.id = :id AND c.state = 'asked' AND c.kind = 'downgrade'
              AND s.period_start >= c.effective_at AND s.plan_id = c.to_plan
            """
        ),
        {"id": found.id},
    )
    if found.status != "incomplete":
        await hold_plan(session, user_id=user_id)
    if found.status == "trialing":
        await _give_trial(session, user_id=user_id, found=found, plan_id=price.plan_id)


async def hold_plan(session: AsyncSession, *, user_id: UserId) -> None:
    """Set the plan in force: the largest that is paid for, and until its time comes not a smaller one."""
    found = await session.execute(
        text(
            """
            SELECT coalesce(c.from_plan, s.plan_id) AS plan_id
            FROM app.billing_subscriptions AS s
            LEFT JOIN app.plan_changes AS c
                ON c.subscription_id = s.id AND c.state = 'asked'
                AND (c.kind = 'downgrade' OR s.plan_id = c.from_plan)
            JOIN app.plans AS p ON p.id = coalesce(c.from_plan, s.plan_id)
            WHERE s.user_id = :user_id AND s.status = ANY(:in_force)
            ORDER BY p.price_cents DESC
            """
        ),
        {"user_id": user_id, "in_force": list(IN_FORCE)},
    )
    plans: list[Row[Any]] = list(found.all())
    if len(plans) > 1:
        await alarms.ring(
            session,
            key=f"subscriptions:{user_id}",
            subject="somebody pays for two subscriptions",
            paragraphs=[f"The user {user_id} has {len(plans)} subscriptions. End one of them at Stripe."],
        )
    await session.execute(
        text("UPDATE app.users SET plan_id = :plan WHERE id = :user_id AND plan_id <> :plan"),
        {"user_id": user_id, "plan": plans[0].plan_id if plans else "free"},
    )


async def settle_upgrade(
    session: AsyncSession, *, user_id: UserId, subscription_id: str, invoice_id: str | None
) -> tuple[int, str]:
    """Give the credits of an upgrade whose difference was paid, once; how many, and under what reference.

    Only a change of our own gives any: an invoice for a change made elsewhere brings none.
    """
    account = await open_account(session, user_id=user_id)
    settled = await session.execute(
        text(
            "SELECT id, credits FROM app.plan_changes"
            " WHERE subscription_id = :id AND state = 'done' AND invoice_id = :invoice"
        ),
        {"id": subscription_id, "invoice": invoice_id},
    )
    row = settled.one_or_none()
    if row is None:
        asked_for = await session.execute(
            text(
                """
                UPDATE app.plan_changes SET state = 'done', settled_at = app.now(), invoice_id = :invoice
                WHERE subscription_id = :id AND kind = 'upgrade' AND state = 'asked' RETURNING id, credits
                """
            ),
            {"id": subscription_id, "invoice": invoice_id},
        )
        row = asked_for.one_or_none()
    if row is None:
        return 0, ""
    reference = f"upgrade:{row.id}"
    end = await session.scalar(
        text("SELECT period_end FROM app.billing_subscriptions WHERE id = :id"), {"id": subscription_id}
    )
    if row.credits and (end is None or end > account.now):
        await movements.grant(
            session,
            user_id=user_id,
            amount=row.credits,
            reference=reference,
            reason="The larger plan, for the rest of the month",
            expires_at=end,
        )
    return row.credits, reference


async def rollover(session: AsyncSession, *, plan_id: str) -> int:
    """How many credits of a month a plan carries into the next."""
    found = await session.scalar(
        text("SELECT coalesce(features ->> 'rollover_credits', '0') FROM app.plans WHERE id = :id"),
        {"id": plan_id},
    )
    return int(found or 0)


async def tell_of_failure(session: AsyncSession, *, user_id: UserId, invoice: Invoice) -> None:
    """Write to somebody whose payment has failed, once for each invoice."""
    if invoice.status == "open":
        await letters.queue(session, user_id=user_id, kind="payment_failed", about=invoice.id)


async def _give_trial(session: AsyncSession, *, user_id: UserId, found: Subscription, plan_id: str) -> None:
    """The credits of a trial, once for a person."""
    credits_ = await session.scalar(
        text("SELECT coalesce(features ->> 'trial_credits', '0') FROM app.plans WHERE id = :id"),
        {"id": plan_id},
    )
    if int(credits_ or 0):
        await movements.grant(
            session,
            user_id=user_id,
            amount=int(credits_ or 0),
            reference="trial",
            reason="For trying the plan",
            expires_at=found.trial_end,
        )
