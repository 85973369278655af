"""What was paid and what was returned, as movements of credits.

A payment is one row, known by its intent, whichever of purchase, refund and dispute is heard of first. After
every word about it the credits taken back are brought to the share that was returned: so halves, doubles and
a dispute after a refund all end at the same.
"""

from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from core.ids import UserId
from core.settings import BillingSettings
from domain.billing import customers, prices, subscriptions
from domain.billing.handled import Ignore, Park
from domain.billing.objects import Charge, Dispute, Invoice, Line, Session
from domain.billing.prices import Price
from domain.credits import months, movements
from domain.credits.months import open_account

# A month's credits outlast its period while the next payment is on its way.
GRACE: Final = timedelta(days=3)
_NEW_MONTHS: Final = {"subscription_create": False, "subscription_cycle": True}


async def checkout(session: AsyncSession, settings: BillingSettings, found: Session, *, event: str) -> None:
    """Bring an order to the state of its checkout, and give the credits of a pack once it is paid."""
    user_id = await customers.owner(session, settings, customer_id=found.customer, marks=dict(found.metadata))
    order = await _order(session, found)
    if order is None:
        raise Park("we have no such order")
    if order.user_id != user_id or found.client_reference_id not in {None, str(user_id)}:
        raise Park("the order is another user's")
    if found.status == "expired":
        await _settle_order(session, order.id, state="expired")
    elif found.payment_status not in {"paid", "no_payment_required"}:
        failed = event == "checkout.session.async_payment_failed"
        await _settle_order(session, order.id, state="failed" if failed else "waiting")
    elif found.status != "complete":
        return
    elif found.mode == "payment":
        await _sell(session, found, order, user_id=user_id)
    else:
        # The month is the invoice's to give.
        await _settle_order(session, order.id, state="paid")


async def invoice(session: AsyncSession, settings: BillingSettings, found: Invoice) -> None:
    """The month that an invoice pays for, or the rest of one after an upgrade."""
    user_id = await customers.owner(session, settings, customer_id=found.customer, marks=dict(found.metadata))
    if found.status != "paid":
        await subscriptions.tell_of_failure(session, user_id=user_id, invoice=found)
        return
    if found.subscription is None:
        raise Ignore("it is no subscription's")
    if found.reason == "subscription_update":
        credits_, reference = await subscriptions.settle_upgrade(
            session, user_id=user_id, subscription_id=found.subscription, invoice_id=found.id
        )
    elif found.reason in _NEW_MONTHS:
        bought = await _month(session, found)
        if bought is None:
            return
        line, price = bought
        credits_, reference = price.credits, f"invoice:{found.id}"
        await months.paid_month(
            session,
            user_id=user_id,
            credits_=credits_,
            rollover_credits=await subscriptions.rollover(session, plan_id=str(price.plan_id)),
            reference=reference,
            ends_at=line.period_end + GRACE,
            is_renewal=_NEW_MONTHS[found.reason],
        )
    else:
        raise Ignore(f"an invoice for {found.reason or 'no reason'} brings no month")
    payment = found.payment_intent or found.charge
    # Also what brings nothing, as a change of plan that is not ours: the payment is accounted for.
    if payment is not None:
        await _know(
            session,
            payment,
            user_id=user_id,
            credits_=credits_,
            amount_cents=found.amount_paid,
            currency=found.currency,
            charge_id=found.charge,
            reference=reference or f"invoice:{found.id}",
        )
        await _settle_returns(session, payment)


async def returns(
    session: AsyncSession,
    settings: BillingSettings,
    found: Charge,
    disputes: list[Dispute],
    *,
    read_at: datetime,
) -> None:
    """Bring a payment to what of it was refunded or is disputed."""
    known = await session.scalar(
        text("SELECT user_id FROM app.billing_payments WHERE id = :id"), {"id": found.payment}
    )
    if known is None:
        known = await customers.owner(session, settings, customer_id=found.customer, marks={})
    # Always the account before the payment, or two events wait for each other.
    await open_account(session, user_id=UserId(known))
    # Heard of before the purchase: the row waits for it.
    await session.execute(
        text(
            "INSERT INTO app.billing_payments (id, user_id, charge_id) VALUES (:id, :user, :charge)"
            " ON CONFLICT (id) DO NOTHING"
        ),
        {"id": found.payment, "user": known, "charge": found.id},
    )
    held = sum(dispute.amount for dispute in disputes if dispute.is_held)
    await session.execute(
        text(
            """
            UPDATE app.billing_payments
            SET refunded_cents = :refunded, disputed_cents = :disputed, returns_read_at = :read_at
            WHERE id = :id AND (returns_read_at IS NULL OR returns_read_at < :read_at)
            """
        ),
        {"id": found.payment, "refunded": found.amount_refunded, "disputed": held, "read_at": read_at},
    )
    await _settle_returns(session, found.payment)


async def _sell(session: AsyncSession, found: Session, order: Row[Any], *, user_id: UserId) -> None:
    if (
        found.currency != order.currency
        or found.amount_subtotal != order.amount_cents
        or not 0 <= found.amount_discount <= order.amount_cents
        or found.amount_total < order.amount_cents - found.amount_discount
    ):
        raise Park(
            f"it is about {found.amount_subtotal} {found.currency}, the order about"
            f" {order.amount_cents} {order.currency}"
        )
    payment, reference = found.payment_intent or found.id, f"session:{found.id}"
    await movements.purchase(
        session,
        user_id=user_id,
        credits_=order.credits,
        amount_cents=found.amount_total,
        reference=reference,
        stripe_charge_id=found.charge or found.payment_intent,
    )
    await _know(
        session,
        payment,
        user_id=user_id,
        credits_=order.credits,
        amount_cents=found.amount_total,
        currency=found.currency,
        charge_id=found.charge,
        reference=reference,
    )
    await _settle_order(session, order.id, state="paid")
    await _settle_returns(session, payment)


async def _month(session: AsyncSession, found: Invoice) -> tuple[Line, Price] | None:
    """The line of an invoice that is a plan's month; None when the month is for nothing, as in a trial."""
    for line in found.lines:
        price = await prices.get(session, price_id=line.price)
        if line.is_proration or price is None or price.plan_id is None:
            continue
        if line.amount == 0:
            return None
        if line.amount != price.amount_cents * line.quantity or found.currency != price.currency:
            raise Park(
                f"its month costs {line.amount} {found.currency}, the plan {price.amount_cents}"
                f" {price.currency}"
            )
        if line.quantity != 1:
            raise Park(f"it is for {line.quantity} months at once")
        return line, price
    raise Park("none of its lines is a plan of ours")


async def _order(session: AsyncSession, found: Session) -> Row[Any] | None:
    """The order of a checkout: by the id we gave it along, or by its own."""
    rows = await session.execute(
        text(
            """
            SELECT id, user_id, credits, amount_cents, currency FROM app.billing_checkouts
            WHERE CAST(id AS text) = :order_id OR session_id = :session_id
            """
        ),
        {"order_id": found.metadata.get("checkout_id"), "session_id": found.id},
    )
    return rows.one_or_none()


async def _settle_order(session: AsyncSession, order_id: UUID, *, state: str) -> None:
    """What is paid stays so, whatever is heard of later."""
    await session.execute(
        text(
            """
            UPDATE app.billing_checkouts SET state = :state, settled_at = app.now()
            WHERE id = :id AND state <> 'paid'
            """
        ),
        {"id": order_id, "state": state},
    )


async def _know(
    session: AsyncSession,
    payment: str,
    *,
    user_id: UserId,
    credits_: int,
    amount_cents: int,
    currency: str,
    charge_id: str | None,
    reference: str,
) -> None:
    """Write down what a payment was for; the first word that it brought something counts."""
    await session.execute(
        text(
            """
            INSERT INTO app.billing_payments AS p
                (id, user_id, credits, amount_cents, currency, charge_id, reference)
            VALUES (:id, :user, :credits, :amount, :currency, :charge, :reference)
            ON CONFLICT (id) DO UPDATE
            SET credits = coalesce(nullif(p.credits, 0), excluded.credits),
                amount_cents = coalesce(p.amount_cents, excluded.amount_cents),
                currency = coalesce(p.currency, excluded.currency),
                charge_id = coalesce(p.charge_id, excluded.charge_id),
                reference = CASE WHEN p.credits > 0 THEN p.reference ELSE excluded.reference END
            """
        ),
        {
            "id": payment,
            "user": user_id,
            "credits": credits_,
            "amount": amount_cents,
            "currency": currency,
            "charge": charge_id,
            "reference": reference,
        },
    )


async def _settle_returns(session: AsyncSession, payment: str) -> None:
    """Take back, or give back, until the credits taken are the share of the money returned."""
    found = await session.execute(
        text(
            """
            SELECT user_id, credits, amount_cents, reference, refunded_cents + disputed_cents AS returned
            FROM app.billing_payments WHERE id = :id FOR UPDATE
            """
        ),
        {"id": payment},
    )
    row = found.one()
    if not row.credits or not row.amount_cents:
        return
    user_id = UserId(row.user_id)
    # Part of a credit is a credit: what was returned is not kept.
    due = -(-row.credits * min(row.returned, row.amount_cents) // row.amount_cents)
    await movements.restore(session, user_id=user_id, payment=payment, down_to=due)
    if due:
        await movements.claw_back(session, user_id=user_id, payment=payment, total=due, grant=row.reference)
