"""Stripe's objects as the few facts that matter here, whatever version of the API they come in.

With 2025-03-31 ("basil") many fields moved: the subscription of an invoice under `parent`, the price of a
line under `pricing`, the period of a subscription to its items, the payment of an invoice into a list. The
new place is read first and the old one after it; the version's name is never asked.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from core.errors import LeadFuelError

Json = Mapping[str, Any]

# What tells who somebody is or how they pay: never stored.
_PERSONAL: Final = frozenset(
    {
        "account_tax_ids",
        "address",
        "billing_details",
        "card",
        "client_secret",
        "customer_account",
        "customer_address",
        "customer_details",
        "customer_email",
        "customer_name",
        "customer_phone",
        "customer_shipping",
        "customer_tax_ids",
        "collected_information",
        "custom_fields",
        "email",
        "evidence",
        "hosted_invoice_url",
        "invoice_pdf",
        "name",
        "payment_method_details",
        "phone",
        "receipt_email",
        "receipt_url",
        "shipping",
        "shipping_address",
        "shipping_details",
        "url",
    }
)


class Unreadable(LeadFuelError):
    """An object of Stripe's lacks what it must have. Somebody has to look at it."""

    status = 422
    slug = "payment-object-unreadable"
    title = "An object of the payment service cannot be read"


@dataclass(frozen=True, slots=True)
class Session:
    """A checkout."""

    id: str
    mode: str
    status: str
    payment_status: str
    customer: str | None
    subscription: str | None
    payment_intent: str | None
    charge: str | None
    amount_subtotal: int
    amount_total: int
    amount_discount: int
    currency: str
    livemode: bool
    client_reference_id: str | None
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Line:
    """A line of an invoice."""

    price: str | None
    amount: int
    quantity: int
    is_proration: bool
    period_end: datetime


@dataclass(frozen=True, slots=True)
class Invoice:
    id: str
    customer: str | None
    subscription: str | None
    reason: str
    status: str
    amount_paid: int
    currency: str
    livemode: bool
    payment_intent: str | None
    charge: str | None
    lines: Sequence[Line]
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Subscription:
    id: str
    customer: str | None
    status: str
    price: str
    item: str
    quantity: int
    period_start: datetime | None
    period_end: datetime | None
    trial_end: datetime | None
    cancel_at_period_end: bool
    latest_invoice: str | None
    livemode: bool
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Charge:
    id: str
    payment_intent: str | None
    customer: str | None
    status: str
    amount: int
    amount_refunded: int
    is_disputed: bool
    currency: str
    livemode: bool
    metadata: Mapping[str, str]

    @property
    def payment(self) -> str:
        """The name under which its payment is kept."""
        return self.payment_intent or self.id


@dataclass(frozen=True, slots=True)
class Dispute:
    amount: int
    status: str

    @property
    def is_held(self) -> bool:
        """Whether the bank has the money: an inquiry takes none, and a dispute that is won gives it back."""
        return self.status in {"needs_response", "under_review", "lost"}


def session(given: Json) -> Session:
    intent = given.get("payment_intent")
    details = _mapping(given.get("total_details"))
    return Session(
        id=_text(given, "id"),
        mode=_text(given, "mode"),
        status=_optional(given, "status") or "",
        payment_status=_text(given, "payment_status"),
        customer=_id(given.get("customer")),
        subscription=_id(given.get("subscription")),
        payment_intent=_id(intent),
        charge=_id(_mapping(intent).get("latest_charge")),
        amount_subtotal=_number(given.get("amount_subtotal") or 0),
        amount_total=_number(given.get("amount_total") or 0),
        amount_discount=_number(details.get("amount_discount") or 0),
        currency=_optional(given, "currency") or "",
        livemode=bool(given.get("livemode")),
        client_reference_id=_optional(given, "client_reference_id"),
        metadata=_texts(given.get("metadata")),
    )


def invoice(given: Json) -> Invoice:
    parent = _mapping(_mapping(given.get("parent")).get("subscription_details"))
    before = _mapping(given.get("subscription_details"))
    intent, charge = _payment_of(given)
    return Invoice(
        id=_text(given, "id"),
        customer=_id(given.get("customer")),
        subscription=_id(parent.get("subscription")) or _id(given.get("subscription")),
        reason=_optional(given, "billing_reason") or "",
        status=_optional(given, "status") or "",
        amount_paid=_number(given.get("amount_paid") or 0),
        currency=_text(given, "currency"),
        livemode=bool(given.get("livemode")),
        payment_intent=intent,
        charge=charge,
        lines=[_line(each) for each in _mapping(given.get("lines")).get("data") or ()],
        metadata=_texts(parent.get("metadata") or before.get("metadata")),
    )


def subscription(given: Json) -> Subscription:
    items: Sequence[Any] = _mapping(given.get("items")).get("data") or ()
    if len(items) != 1:
        raise Unreadable(f"A subscription has one item; this has {len(items)}.")
    item = _mapping(items[0])
    price = _id(item.get("price")) or _id(item.get("plan"))
    if price is None:
        raise Unreadable("The item of a subscription has no price.")
    return Subscription(
        id=_text(given, "id"),
        customer=_id(given.get("customer")),
        status=_text(given, "status"),
        price=price,
        item=_text(item, "id"),
        quantity=_number(item.get("quantity") or 1),
        period_start=_moment(item.get("current_period_start") or given.get("current_period_start")),
        period_end=_moment(item.get("current_period_end") or given.get("current_period_end")),
        trial_end=_moment(given.get("trial_end")),
        cancel_at_period_end=bool(given.get("cancel_at_period_end")),
        latest_invoice=_id(given.get("latest_invoice")),
        livemode=bool(given.get("livemode")),
        metadata=_texts(given.get("metadata")),
    )


def charge(given: Json) -> Charge:
    return Charge(
        id=_text(given, "id"),
        payment_intent=_id(given.get("payment_intent")),
        customer=_id(given.get("customer")),
        status=_optional(given, "status") or "",
        amount=_number(given.get("amount")),
        amount_refunded=_number(given.get("amount_refunded") or 0),
        is_disputed=bool(given.get("disputed")),
        currency=_text(given, "currency"),
        livemode=bool(given.get("livemode")),
        metadata=_texts(given.get("metadata")),
    )


def dispute(given: Json) -> Dispute:
    return Dispute(amount=_number(given.get("amount")), status=_text(given, "status"))


def id_of(given: Any) -> str | None:
    """The id of what may be an id or the object itself."""
    return _id(given)


def without_personal(given: Any) -> Any:
    """The same without whoever is behind it; and without NUL, which PostgreSQL cannot hold."""
    if isinstance(given, Mapping):
        return {
            key.replace("\x00", ""): without_personal(value)
            for key, value in given.items()
            if key not in _PERSONAL
        }
    if isinstance(given, list):
        return [without_personal(value) for value in given]
    return given.replace("\x00", "") if isinstance(given, str) else given


def _payment_of(given: Json) -> tuple[str | None, str | None]:
    """Payment intent and charge of an invoice: in its list of payments, or in fields of its own."""
    for each in _mapping(given.get("payments")).get("data") or ():
        if _mapping(each).get("status") == "paid":
            payment = _mapping(_mapping(each).get("payment"))
            intent = payment.get("payment_intent")
            return _id(intent), _id(payment.get("charge")) or _id(_mapping(intent).get("latest_charge"))
    intent = given.get("payment_intent")
    return _id(intent), _id(given.get("charge")) or _id(_mapping(intent).get("latest_charge"))


def _line(given: Any) -> Line:
    line = _mapping(given)
    details = _mapping(_mapping(line.get("parent")).get("subscription_item_details"))
    pricing = _mapping(_mapping(line.get("pricing")).get("price_details"))
    end = _moment(_mapping(line.get("period")).get("end"))
    if end is None:
        raise Unreadable("A line of an invoice has no period.")
    return Line(
        price=_id(pricing.get("price")) or _id(line.get("price")) or _id(line.get("plan")),
        amount=_number(line.get("amount")),
        quantity=_number(line.get("quantity") or 1),
        is_proration=bool(details.get("proration", line.get("proration", False))),
        period_end=end,
    )


def _mapping(given: Any) -> Json:
    return given if isinstance(given, Mapping) else {}


def _id(given: Any) -> str | None:
    found = given.get("id") if isinstance(given, Mapping) else given
    return found if isinstance(found, str) and found else None


def _optional(given: Json, name: str) -> str | None:
    value = given.get(name)
    return value if isinstance(value, str) else None


def _text(given: Json, name: str) -> str:
    value = given.get(name)
    if not isinstance(value, str) or not value:
        raise Unreadable(f"{given.get('object', 'an object')} has no {name}.")
    return value


def _number(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise Unreadable("An amount is not a whole number.")
    return value


def _moment(value: Any) -> datetime | None:
    return datetime.fromtimestamp(value, UTC) if isinstance(value, int) and value > 0 else None


def _texts(value: Any) -> dict[str, str]:
    return {key: text for key, text in _mapping(value).items() if isinstance(text, str)}
