"""Buying: an order of ours, a page of Stripe's, and the changes of a subscription.

What is bought, for how much and by whom is decided here and kept with the order; nothing of it comes from
the caller but the name of a plan or pack. Each call to Stripe has a key that is the same when it is made
again, and no transaction is open while it talks.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from core import clock
from core.errors import LeadFuelError
from core.ids import UserId
from core.settings import Settings
from db.sessions import SERVICE, Database
from domain.accounts import User
from domain.billing import customers, objects, prices, subscriptions
from domain.billing.cloud import Cloud, Missing, PaymentRefused
from domain.billing.prices import Noun, Price
from domain.billing.subscriptions import Held

_PORTAL_NEEDS: Final = "There is nothing to manage before something was bought."


class NothingBought(LeadFuelError):
    """There is nothing to manage: nothing was bought, or no subscription is in force."""

    status = 409
    slug = "nothing-bought"
    title = "Nothing was bought"


class AlreadySubscribed(LeadFuelError):
    """There is a subscription in force. Change it instead of buying a second one."""

    status = 409
    slug = "already-subscribed"
    title = "There is a subscription already"


class NoChange(LeadFuelError):
    """The subscription cannot be changed so: it is of this plan already, a change or a payment is under way,
    or the plan is not one to subscribe to.
    """

    status = 409
    slug = "no-plan-change"
    title = "The plan cannot be changed so"


@dataclass(frozen=True, slots=True)
class Page:
    """Where to send the buyer."""

    id: UUID
    url: str
    expires_at: datetime | None


async def checkout(
    db: Database,
    cloud: Cloud,
    settings: Settings,
    *,
    user: User,
    noun: Noun,
    id_: str,
    reference: UUID | None,
) -> Page:
    """Order a pack or a plan; the same reference again is the same order and the same page."""
    order_id = reference or uuid4()
    async with db.transaction(SERVICE) as session:
        price = await prices.current(session, noun=noun, id_=id_)
        if noun == "plan" and await subscriptions.of_user(session, user_id=user.id):
            raise AlreadySubscribed("You have a subscription; change its plan instead.")
        trial_days = await _trial_days(session, user_id=user.id, plan_id=id_) if noun == "plan" else 0
        await session.execute(
            text(
                f"""
                INSERT INTO app.billing_checkouts
                    (id, user_id, {noun}_id, price_id, credits, amount_cents, currency)
                VALUES (:id, :user, :what, :price, :credits, :amount, :currency)
                ON CONFLICT (id) DO NOTHING
                """  # noqa: S608 - one of two words of ours
            ),
            {
                "id": order_id,
                "user": user.id,
                "what": id_,
                "price": price.id,
                "credits": price.credits,
                "amount": price.amount_cents,
                "currency": price.currency,
            },
        )
    customer = await customers.ensure(db, cloud, settings.billing, user=user)
    params = _session(settings, price, user=user, customer=customer, order_id=order_id, trial_days=trial_days)
    made = await cloud.make_session(params, key=f"{settings.billing.mark}:checkout:{order_id}")
    async with db.transaction(SERVICE) as session:
        await session.execute(
            text("UPDATE app.billing_checkouts SET session_id = :session WHERE id = :id"),
            {"id": order_id, "session": made["id"]},
        )
    ends = made.get("expires_at")
    return Page(order_id, made["url"], datetime.fromtimestamp(ends, clock.now().tzinfo) if ends else None)


async def portal(db: Database, cloud: Cloud, settings: Settings, *, user: User) -> str:
    """Stripe's own page for cards, invoices and addresses."""
    async with db.transaction(SERVICE, read_only=True) as session:
        customer = await customers.of_user(session, user_id=user.id)
    if customer is None:
        raise NothingBought(_PORTAL_NEEDS)
    try:
        made = await cloud.make_portal({"customer": customer, "return_url": _return_url(settings)})
    except Missing:
        raise NothingBought(_PORTAL_NEEDS) from None
    url: str = made["url"]
    return url


async def change_plan(db: Database, cloud: Cloud, settings: Settings, *, user: User, plan_id: str) -> Held:
    """A larger plan at once, for the difference; a smaller one from the next period. Asking for the present
    plan while a smaller one is to come calls that off.
    """
    async with db.transaction(SERVICE) as session:
        held = await _held(session, user_id=user.id)
        price = await prices.current(session, noun="plan", id_=plan_id)
        change = held.change
        if change is None:
            kind = await _begin_change(session, held, price, user_id=user.id)
            change_id = await _asked(session, held)
        elif plan_id == change.to_plan:
            # It was asked for before and its answer was lost.
            kind, change_id = change.kind, change.id
        elif change.kind == "downgrade" and plan_id == change.from_plan:
            kind, change_id = "undo", change.id
        else:
            raise NoChange(f"The change to {change.to_plan!r} is under way.", to=change.to_plan)
    params: dict[str, Any] = {
        "items": [{"id": held.item_id, "price": price.id}],
        "proration_behavior": "none",
    }
    if kind == "upgrade":
        params |= {"proration_behavior": "always_invoice", "payment_behavior": "error_if_incomplete"}
    try:
        answer = await _tell(db, cloud, settings, held, params, key=f"change:{kind}:{change_id}")
    except PaymentRefused:
        await _drop(db, change_id)
        raise
    async with db.transaction(SERVICE) as session:
        if kind == "upgrade":
            await subscriptions.settle_upgrade(
                session,
                user_id=user.id,
                subscription_id=held.id,
                invoice_id=objects.id_of(answer.get("latest_invoice")),
            )
    if kind == "undo":
        await _drop(db, change_id)
    return await _after(db, held, user=user)


async def set_cancelled(
    db: Database, cloud: Cloud, settings: Settings, *, user: User, cancelled: bool, reference: UUID | None
) -> Held:
    """Let a subscription end with its period, or go on after all."""
    async with db.transaction(SERVICE, read_only=True) as session:
        held = await _held(session, user_id=user.id)
    key = f"cancelled:{cancelled}:{held.id}:{reference or uuid4()}"
    await _tell(db, cloud, settings, held, {"cancel_at_period_end": cancelled}, key=key)
    return await _after(db, held, user=user)


async def _tell(
    db: Database, cloud: Cloud, settings: Settings, held: Held, params: Mapping[str, Any], *, key: str
) -> objects.Json:
    """Change a subscription at Stripe, and bring our row to its answer."""
    try:
        answer = await cloud.change_subscription(held.id, params, key=f"{settings.billing.mark}:{key}")
    except Missing:
        raise NothingBought("There is no such subscription any more.") from None
    async with db.transaction(SERVICE) as session:
        moment: datetime = (await session.execute(text("SELECT clock_timestamp()"))).scalar_one()
        await subscriptions.apply(session, settings.billing, objects.subscription(answer), read_at=moment)
    return answer


async def _after(db: Database, held: Held, *, user: User) -> Held:
    """The subscription as it is now."""
    async with db.transaction(SERVICE) as session:
        await subscriptions.hold_plan(session, user_id=user.id)
        return await subscriptions.of_user(session, user_id=user.id) or held


async def _held(session: AsyncSession, *, user_id: UserId) -> Held:
    held = await subscriptions.of_user(session, user_id=user_id)
    if held is None:
        raise NothingBought("No subscription is in force.")
    return held


async def _begin_change(session: AsyncSession, held: Held, price: Price, *, user_id: UserId) -> str:
    """Write down what is to change; raises `NoChange`."""
    if price.plan_id == held.plan_id:
        raise NoChange("The subscription is of this plan.")
    if held.status == "past_due":
        raise NoChange("A payment is due; the customer portal takes it.")
    if held.cancel_at_period_end:
        raise NoChange("The subscription ends with its period; resume it first.")
    now = clock.now()
    if held.period_start is None or held.period_end is None or held.period_end <= now:
        raise NoChange("The next period begins at this moment; try again in a while.")
    before = await prices.get(session, price_id=held.price_id)
    if before is None:
        raise NoChange("The present price is not known here.")
    kind = "upgrade" if price.amount_cents > before.amount_cents else "downgrade"
    credits_ = 0
    if kind == "upgrade" and held.status == "active":
        rest = (held.period_end - now) / (held.period_end - held.period_start)
        credits_ = int(max(0, price.credits - before.credits) * min(rest, 1.0))
    try:
        await session.execute(
            text(
                """
                INSERT INTO app.plan_changes
                    (user_id, subscription_id, kind, from_plan, to_plan, credits, effective_at)
                VALUES (:user, :subscription, :kind, :before, :after, :credits, :at)
                """
            ),
            {
                "user": user_id,
                "subscription": held.id,
                "kind": kind,
                "before": held.plan_id,
                "after": price.plan_id,
                "credits": credits_,
                "at": now if kind == "upgrade" else held.period_end,
            },
        )
    except IntegrityError:
        raise NoChange("A change of the plan is under way.") from None
    return kind


async def _asked(session: AsyncSession, held: Held) -> UUID:
    change = await subscriptions.asked(session, subscription_id=held.id)
    if change is None:
        raise LookupError("a change that was just written is not there")
    return change.id


async def _drop(db: Database, change_id: UUID) -> None:
    async with db.transaction(SERVICE) as session:
        await session.execute(
            text(
                "UPDATE app.plan_changes SET state = 'dropped', settled_at = app.now()"
                " WHERE id = :id AND state = 'asked'"
            ),
            {"id": change_id},
        )


async def _trial_days(session: AsyncSession, *, user_id: UserId, plan_id: str) -> int:
    """How long somebody may try a plan: nobody tries twice."""
    found = await session.scalar(
        text(
            """
            SELECT coalesce(features ->> 'trial_days', '0') FROM app.plans
            WHERE id = :plan
              AND NOT EXISTS (SELECT FROM app.billing_subscriptions WHERE user_id = :user)
            """
        ),
        {"plan": plan_id, "user": user_id},
    )
    return int(found or 0)


def _session(
    settings: Settings, price: Price, *, user: User, customer: str, order_id: UUID, trial_days: int
) -> dict[str, Any]:
    """A checkout. Marks are given to everything that comes of it, for Stripe copies none by itself."""
    marks = {"leadfuel": settings.billing.mark, "user_id": str(user.id), "checkout_id": str(order_id)}
    back = _return_url(settings)
    joint = "&" if "?" in back else "?"
    params: dict[str, Any] = {
        "customer": customer,
        "client_reference_id": str(user.id),
        "metadata": marks,
        "line_items": [{"price": price.id, "quantity": 1}],
        "allow_promotion_codes": True,
        "success_url": f"{back}{joint}checkout={order_id}",
        "cancel_url": back,
    }
    if settings.billing.tax:
        params |= {"automatic_tax": {"enabled": True}, "customer_update": {"address": "auto"}}
    if price.pack_id is not None:
        return params | {"mode": "payment", "payment_intent_data": {"metadata": marks}}
    data: dict[str, Any] = {"metadata": marks}
    if trial_days:
        data["trial_period_days"] = trial_days
    return params | {"mode": "subscription", "subscription_data": data}


def _return_url(settings: Settings) -> str:
    return settings.billing.return_url or settings.api.public_url or "http://localhost"
