"""Buying credits and plans, and the door by which Stripe tells what was paid."""

from datetime import datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from msgspec import Meta

from api import body as intake
from api.body import TooLarge
from api.faces.functions import function
from api.operations import Call, Operation, operation
from core.errors import Invalid, NotFound
from db.sessions import SERVICE
from domain.billing import inbox, ordering, prices, subscriptions
from domain.billing.cloud import NotSetUp, PaymentRefused, Unreachable
from domain.billing.gateway import BadSignature, verify
from domain.billing.inbox import BadEvent
from domain.billing.ordering import AlreadySubscribed, NoChange, NothingBought
from domain.billing.prices import NotForSale
from domain.billing.subscriptions import Held
from search.request import Form
from search.response import Answer

MAX_EVENT_BYTES: Final = 1_048_576
_Id = Annotated[str, Meta(min_length=1, max_length=60, pattern="^[a-z0-9-]+$")]


class CheckoutRequest(Form, frozen=True):
    """Exactly one of the two; prices and credits are ours to know."""

    pack: _Id | None = None
    plan: _Id | None = None


class PlanRequest(Form, frozen=True):
    plan: _Id


class Offer(Answer):
    """`credits` of a plan come every month. `limits` of a plan that are not named there do not exist."""

    kind: Literal["plan", "pack"]
    id: str
    name: str
    credits: int
    price_cents: int
    currency: str
    features: dict[str, Any]


class Offers(Answer):
    results: list[Offer]


class CheckoutAnswer(Answer):
    """Send the buyer to `url`."""

    id: UUID
    url: str
    expires_at: datetime | None


class PortalAnswer(Answer):
    url: str


class PlanChange(Answer):
    """A change to come."""

    to: str
    at: datetime


class SubscriptionAnswer(Answer):
    """`past_due`: a payment has failed and is tried again; the plan goes on meanwhile."""

    plan: str
    status: str
    renews_at: datetime | None
    ends_at: datetime | None
    trial_ends_at: datetime | None
    change: PlanChange | None


class Standing(Answer):
    """`subscription` is null for a plan that nobody pays for."""

    plan: str
    subscription: SubscriptionAnswer | None


class Received(Answer):
    received: bool


_TALKING: Final = (NotSetUp, Unreachable)


@operation("GET", "/v1/billing/offers", tag="Billing", summary="Plans and packs", session="service_read")
async def list_offers(call: Call) -> Offers:
    """What can be bought, and for how much."""
    currency = call.services.settings.billing.currency
    return Offers(
        results=[
            Offer(
                kind=offer.noun,
                id=offer.id,
                name=offer.name,
                credits=offer.credits,
                price_cents=offer.price_cents,
                currency=currency,
                features=offer.features,
            )
            for offer in await prices.offers(call.session)
        ]
    )


@operation(
    "POST",
    "/v1/billing/checkout",
    tag="Billing",
    summary="Buy credits or a plan",
    scope="person",
    status=201,
    errors=(*_TALKING, NotFound, NotForSale, AlreadySubscribed, Invalid),
    example={"pack": "pack-500"},
    idempotent=True,
)
async def create_checkout(call: Call, body: CheckoutRequest) -> CheckoutAnswer:
    """Makes an order and a page where it is paid. The credits are there once the payment is, which the
    payment service tells us; coming back from the page proves nothing.
    """
    if (body.pack is None) == (body.plan is None):
        message = "Give exactly one of pack and plan."
        raise Invalid(message, errors=[{"path": "pack", "message": message}])
    services = call.services
    page = await ordering.checkout(
        services.database,
        services.cloud,
        services.settings,
        user=call.user,
        noun="pack" if body.pack else "plan",
        id_=body.pack or body.plan or "",
        reference=call.reference,
    )
    return CheckoutAnswer(id=page.id, url=page.url, expires_at=page.expires_at)


@operation(
    "POST",
    "/v1/billing/portal",
    tag="Billing",
    summary="Cards and invoices",
    scope="person",
    errors=(*_TALKING, NothingBought),
)
async def open_portal(call: Call) -> PortalAnswer:
    """A page of the payment service for one's cards, invoices and addresses, good for a few minutes."""
    services = call.services
    url = await ordering.portal(services.database, services.cloud, services.settings, user=call.user)
    return PortalAnswer(url=url)


@operation(
    "GET", "/v1/billing/subscription", tag="Billing", summary="Your subscription", session="service_read"
)
async def show_subscription(call: Call) -> Standing:
    """The plan in force, and the subscription that pays for it."""
    held = await subscriptions.of_user(call.session, user_id=call.user_id)
    plan = call.user.plan_id if held is None else held.change.from_plan if held.change else held.plan_id
    return Standing(plan=plan, subscription=None if held is None else _subscription(held))


@operation(
    "PATCH",
    "/v1/billing/subscription",
    tag="Billing",
    summary="Change the plan",
    scope="person",
    errors=(*_TALKING, NotFound, NotForSale, NothingBought, NoChange, PaymentRefused),
    example={"plan": "team"},
    idempotent=True,
)
async def change_subscription(call: Call, body: PlanRequest) -> SubscriptionAnswer:
    """A larger plan holds at once: the difference for the rest of the period is paid now, and its credits
    come with it. A smaller one holds from the next period; asking for the present plan calls that off.
    """
    services = call.services
    held = await ordering.change_plan(
        services.database, services.cloud, services.settings, user=call.user, plan_id=body.plan
    )
    return _subscription(held)


@operation(
    "POST",
    "/v1/billing/subscription/cancel",
    tag="Billing",
    summary="End the subscription",
    scope="person",
    errors=(*_TALKING, NothingBought),
    idempotent=True,
)
async def cancel_subscription(call: Call) -> SubscriptionAnswer:
    """With the period that is paid; until then nothing changes."""
    return await _set_cancelled(call, cancelled=True)


@operation(
    "POST",
    "/v1/billing/subscription/resume",
    tag="Billing",
    summary="Go on after all",
    scope="person",
    errors=(*_TALKING, NothingBought),
    idempotent=True,
)
async def resume_subscription(call: Call) -> SubscriptionAnswer:
    """Takes a cancellation back, as long as the period lasts."""
    return await _set_cancelled(call, cancelled=False)


@function(
    "stripe-webhook",
    summary="What Stripe tells",
    access="public",
    errors=(BadSignature, BadEvent, NotFound, TooLarge),
)
async def take_event(call: Call) -> Received:
    """For Stripe alone: each delivery is signed. It is stored and answered, and acted upon afterwards; the
    same one again is answered the same and does nothing.
    """
    settings = call.services.settings.billing
    database = call.services.database
    # The bytes as they came: a signature is over nothing else.
    raw = await intake.read(call.request, limit_bytes=MAX_EVENT_BYTES)
    try:
        verify(raw, call.request.headers.get("stripe-signature"), secrets=settings.secrets)
        event = inbox.read(raw)
        async with database.transaction(SERVICE, statement_timeout_s=10) as session:
            await inbox.take_in(session, settings, event)
    except (BadSignature, BadEvent):
        async with database.transaction(SERVICE, statement_timeout_s=1) as session:
            await inbox.count_refusal(session)
        raise
    return Received(received=True)


async def _set_cancelled(call: Call, *, cancelled: bool) -> SubscriptionAnswer:
    services = call.services
    held = await ordering.set_cancelled(
        services.database,
        services.cloud,
        services.settings,
        user=call.user,
        cancelled=cancelled,
        reference=call.reference,
    )
    return _subscription(held)


def _subscription(held: Held) -> SubscriptionAnswer:
    change = held.change
    return SubscriptionAnswer(
        plan=change.from_plan if change else held.plan_id,
        status=held.status,
        renews_at=None if held.cancel_at_period_end else held.period_end,
        ends_at=held.period_end if held.cancel_at_period_end else None,
        trial_ends_at=held.trial_end if held.status == "trialing" else None,
        change=PlanChange(to=change.to_plan, at=change.effective_at) if change else None,
    )


OPERATIONS: Final[list[Operation]] = [
    list_offers,
    create_checkout,
    open_portal,
    show_subscription,
    change_subscription,
    cancel_subscription,
    resume_subscription,
    take_event,
]
