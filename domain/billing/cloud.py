"""What we ask of Stripe, in words of ours: the gateway answers it, and whatever stands in for Stripe."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, Protocol

from core.errors import LeadFuelError
from domain.billing.objects import Json

# What is listed by the time it was made.
Listed = Literal["charges", "refunds", "disputes"]


class NotSetUp(LeadFuelError):
    """This installation sells nothing: its operator has set no key of a payment service."""

    status = 503
    slug = "payments-not-set-up"
    title = "Nothing is sold here"


class Unreachable(LeadFuelError):
    """The payment service does not answer. Nothing was charged; the request can be repeated."""

    status = 503
    slug = "payments-unavailable"
    title = "The payment service does not answer"


class PaymentRefused(LeadFuelError):
    """The bank has refused the payment. Another card may do; the customer portal takes one."""

    status = 402
    slug = "payment-refused"
    title = "The payment was refused"


class Missing(Exception):
    """There is no such object (any more)."""


class Cloud(Protocol):
    """Stripe. Objects are what its API answers, as plain mappings.

    Reading raises `Missing` and `Unreachable`. Whatever makes or changes something takes a key of ours:
    sent again under the same key it is done once. What ends something needs none: it ends once.
    """

    @property
    def livemode(self) -> bool: ...

    async def session(self, session_id: str) -> Json:
        """A checkout, with its payment intent."""

    async def invoice(self, invoice_id: str) -> Json:
        """An invoice, with its payments."""

    async def subscription(self, subscription_id: str) -> Json: ...

    async def charge(self, charge_id: str) -> Json: ...

    async def disputes(self, charge_id: str) -> Sequence[Json]:
        """The disputes of a charge."""

    async def invoice_of(self, payment_intent: str) -> str | None:
        """The id of the invoice that a payment has paid, if it was one."""

    def made(self, kind: Listed, *, since: datetime, until: datetime) -> AsyncIterator[Json]:
        """What was made from one moment to before another, the newest first."""

    def events(self, since: datetime) -> AsyncIterator[Json]:
        """What has happened since a moment, the newest first; Stripe keeps thirty days."""

    async def prices(self, lookup_keys: Sequence[str]) -> Sequence[Json]:
        """The active prices under these keys."""

    async def make_product(self, params: Mapping[str, Any], *, key: str) -> Json: ...

    async def make_price(self, params: Mapping[str, Any], *, key: str) -> Json: ...

    async def make_customer(self, params: Mapping[str, Any], *, key: str) -> Json: ...

    async def make_session(self, params: Mapping[str, Any], *, key: str) -> Json: ...

    async def make_portal(self, params: Mapping[str, Any]) -> Json: ...

    async def change_subscription(
        self, subscription_id: str, params: Mapping[str, Any], *, key: str
    ) -> Json: ...

    async def end_subscription(self, subscription_id: str) -> Json:
        """End it at once; nothing of its period is paid back. `Missing` when it has ended before."""

    async def delete_customer(self, customer_id: str) -> None:
        """Delete a customer with what is personal, which ends their subscriptions; payments stay.
        `Missing` when that was done before.
        """
