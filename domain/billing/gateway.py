"""Stripe's own SDK, and the only module that knows it: our questions go out, its errors come back as ours."""

from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final

import stripe

from core import clock
from core.errors import LeadFuelError, NotFound
from core.logs import get_logger
from core.settings import BillingSettings
from domain.billing.cloud import Cloud, Listed, Missing, NotSetUp, PaymentRefused, Unreachable
from domain.billing.objects import Json, id_of

log = get_logger(__name__)

# The version of every answer to us. Events come in the version of the webhook endpoint, which may be another.
API_VERSION: Final = "2026-10-28.endive"
TIMEOUT_S: Final = 20.0
RETRIES: Final = 2
# How far a delivery's time may be from ours, either way.
TOLERANCE_S: Final = 300


class BadSignature(LeadFuelError):
    """The delivery is not signed by the payment service with our secret, or not now."""

    status = 400
    slug = "bad-webhook-signature"
    title = "The signature is not good"


def verify(raw: bytes, header: str | None, *, secrets: Sequence[str]) -> None:
    """Raises `BadSignature` unless one of the secrets has signed these bytes a moment ago."""
    if not secrets:
        raise NotFound("This installation takes no events.")
    for secret in secrets:
        try:
            stripe.WebhookSignature.verify_header(raw, header, secret, TOLERANCE_S)
        except Exception:  # noqa: BLE001, S112 - what the library stumbles over is not signed by anybody
            continue
        if _signed_at(header or "") <= clock.now().timestamp() + TOLERANCE_S:
            return
    raise BadSignature("This is not signed with our secret, or its time is over.")


def _signed_at(header: str) -> int:
    """The library takes the first time in the header, and any in the future."""
    return int(next(part for part in header.split(",") if part.startswith("t="))[2:])


@asynccontextmanager
async def open_cloud(settings: BillingSettings) -> AsyncIterator[Cloud]:
    """Stripe, for as long as the block lasts. Connects to nothing before it is asked."""
    client = stripe.HTTPXClient(timeout=TIMEOUT_S)
    try:
        yield StripeCloud(settings, client)
    finally:
        await client.close_async()  # type: ignore[no-untyped-call]


class StripeCloud:
    """Stripe by its SDK."""

    def __init__(self, settings: BillingSettings, client: stripe.HTTPXClient) -> None:
        self.livemode = settings.livemode
        self._is_set_up = bool(settings.stripe_key)
        addresses: Any = {"api": settings.stripe_url} if settings.stripe_url else None
        self._client = stripe.StripeClient(
            settings.stripe_key or "none",
            stripe_version=API_VERSION,
            base_addresses=addresses,
            http_client=client,
            max_network_retries=RETRIES,
        ).v1

    @property
    def _stripe(self) -> Any:
        if not self._is_set_up:
            raise NotSetUp("The operator of this installation has set no key of a payment service.")
        return self._client

    async def session(self, session_id: str) -> Json:
        return await self._read(
            self._stripe.checkout.sessions.retrieve_async(session_id, {"expand": ["payment_intent"]})
        )

    async def invoice(self, invoice_id: str) -> Json:
        return await self._read(
            self._stripe.invoices.retrieve_async(
                invoice_id, {"expand": ["payments.data.payment.payment_intent"]}
            )
        )

    async def subscription(self, subscription_id: str) -> Json:
        return await self._read(self._stripe.subscriptions.retrieve_async(subscription_id))

    async def charge(self, charge_id: str) -> Json:
        return await self._read(self._stripe.charges.retrieve_async(charge_id))

    async def disputes(self, charge_id: str) -> Sequence[Json]:
        found = await self._read(self._stripe.disputes.list_async({"charge": charge_id, "limit": 100}))
        return list(found["data"])

    async def invoice_of(self, payment_intent: str) -> str | None:
        asked = {"payment": {"type": "payment_intent", "payment_intent": payment_intent}, "limit": 1}
        try:
            found = await self._read(self._stripe.invoice_payments.list_async(asked))
        except Missing:
            return None
        return id_of(found["data"][0].get("invoice")) if found["data"] else None

    async def made(self, kind: Listed, *, since: datetime, until: datetime) -> AsyncIterator[Json]:
        created = {"gte": int(since.timestamp()), "lt": int(until.timestamp())}
        async for each in self._all(getattr(self._stripe, kind), {"created": created}):
            yield each

    async def events(self, since: datetime) -> AsyncIterator[Json]:
        async for each in self._all(self._stripe.events, {"created": {"gte": int(since.timestamp())}}):
            yield each

    async def _all(self, service: Any, params: Mapping[str, Any]) -> AsyncIterator[Json]:
        """A list over all its pages."""
        after: dict[str, str] = {}
        while True:
            page = await self._read(service.list_async({**params, "limit": 100, **after}))
            for each in page["data"]:
                yield each
            if not page.get("has_more") or not page["data"]:
                return
            after = {"starting_after": page["data"][-1]["id"]}

    async def prices(self, lookup_keys: Sequence[str]) -> Sequence[Json]:
        found: list[Json] = []
        # Stripe takes ten keys at a time.
        for start in range(0, len(lookup_keys), 10):
            some = list(lookup_keys[start : start + 10])
            page = await self._read(
                self._stripe.prices.list_async({"lookup_keys": some, "active": True, "limit": 100})
            )
            found += page["data"]
        return found

    async def make_product(self, params: Mapping[str, Any], *, key: str) -> Json:
        return await self._read(self._stripe.products.create_async(dict(params), {"idempotency_key": key}))

    async def make_price(self, params: Mapping[str, Any], *, key: str) -> Json:
        return await self._read(self._stripe.prices.create_async(dict(params), {"idempotency_key": key}))

    async def make_customer(self, params: Mapping[str, Any], *, key: str) -> Json:
        return await self._read(self._stripe.customers.create_async(dict(params), {"idempotency_key": key}))

    async def make_session(self, params: Mapping[str, Any], *, key: str) -> Json:
        return await self._read(
            self._stripe.checkout.sessions.create_async(dict(params), {"idempotency_key": key})
        )

    async def make_portal(self, params: Mapping[str, Any]) -> Json:
        return await self._read(self._stripe.billing_portal.sessions.create_async(dict(params)))

    async def change_subscription(self, subscription_id: str, params: Mapping[str, Any], *, key: str) -> Json:
        return await self._read(
            self._stripe.subscriptions.update_async(subscription_id, dict(params), {"idempotency_key": key})
        )

    async def end_subscription(self, subscription_id: str) -> Json:
        return await self._read(self._stripe.subscriptions.cancel_async(subscription_id))

    async def delete_customer(self, customer_id: str) -> None:
        await self._read(self._stripe.customers.delete_async(customer_id))

    async def _read(self, question: Awaitable[stripe.StripeObject]) -> dict[str, Any]:
        """Ask, and give the answer as plain values or the failure as one of ours."""
        try:
            answer = await question
        except stripe.CardError as error:
            raise PaymentRefused("The bank has refused the payment.", code=error.code or "refused") from error
        except stripe.InvalidRequestError as error:
            if error.code == "resource_missing" or error.http_status == 404:
                raise Missing(str(error.param)) from error
            raise
        except (stripe.AuthenticationError, stripe.PermissionError) as error:
            log.warning("Stripe does not take our key", **{"error.kind": type(error).__name__})
            raise Unreachable("The payment service refuses us; its operator has been told.") from error
        except (stripe.APIConnectionError, stripe.APIError, stripe.RateLimitError) as error:
            raise Unreachable("The payment service does not answer; try again in a moment.") from error
        plain: dict[str, Any] = answer.to_dict()
        return plain
