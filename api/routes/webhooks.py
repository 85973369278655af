"""Webhooks: where events are sent, signed as Standard Webhooks, and the log of what became of them."""

from datetime import datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from api.operations import Call, Operation, operation
from api.routes.hidden import Page
from core.errors import NotFound
from domain.paging import WrongCursor
from domain.webhooks import keeping, log, network
from domain.webhooks.keeping import TooManyWebhooks
from domain.webhooks.network import BadWebhookUrl
from search.request import Form
from search.response import Answer

KindName = Literal["icp.entered", "icp.left", "icp.changed", "email.validated", "email.found"]
StateName = Literal["pending", "delivered", "failed"]
Url = Annotated[
    str,
    Meta(min_length=8, max_length=network.MAX_URL_LENGTH, examples=["https://hooks.example.com/leadfuel"]),
]
Kinds = Annotated[list[KindName], Meta(min_length=1, max_length=20)]
Description = Annotated[str, Meta(max_length=500)]


class WebhookPath(Form, frozen=True):
    webhook_id: UUID


class DeliveryPath(WebhookPath, frozen=True):
    delivery_id: UUID


class NewWebhook(Form, frozen=True):
    url: Url
    kinds: Kinds
    description: Description | None = None


class WebhookChanges(Form, frozen=True):
    """What is not given stays. Switched on again, it goes on with what waits."""

    url: Url | UnsetType = UNSET
    kinds: Kinds | UnsetType = UNSET
    description: Description | UnsetType | None = UNSET
    enabled: bool | UnsetType = UNSET


class DeliveriesPage(Page, frozen=True):
    state: Annotated[StateName, Meta(description="Only those in this state")] | None = None


class WebhookAnswer(Answer):
    """`disabled_reason` says why we switched it off."""

    id: UUID
    url: str
    kinds: list[KindName]
    description: str | None
    enabled: bool
    disabled_reason: str | None
    created_at: datetime


class NewWebhookAnswer(WebhookAnswer):
    """`secret` is shown this once; it verifies the signatures."""

    secret: str


class WebhooksAnswer(Answer):
    results: list[WebhookAnswer]


class SecretAnswer(Answer):
    secret: str


class DeliveryAnswer(Answer):
    """`event_id` is the `webhook-id` under which the receiver gets it, the same however often it is sent."""

    id: UUID
    event_id: str
    kind: str
    payload: dict[str, Any]
    state: StateName
    attempts: int
    next_attempt_at: datetime | None
    last_status: int | None
    last_error: str | None
    created_at: datetime
    finished_at: datetime | None


class DeliveriesAnswer(Answer):
    results: list[DeliveryAnswer]
    cursor: str | None


@operation(
    "POST",
    "/v1/webhooks",
    tag="Webhooks",
    summary="Have events sent to an address",
    session="service",
    status=201,
    errors=(BadWebhookUrl, TooManyWebhooks),
    example={"url": "https://hooks.example.com/leadfuel", "kinds": ["icp.entered"]},
    links={"webhook_id": "$response.body#/id"},
)
async def create_webhook(call: Call, body: NewWebhook) -> NewWebhookAnswer:
    """Public https addresses on port 443 only, and what `WEBHOOK_ALLOWED_HOSTS` names. At least once, retried
    for three days, then switched off; the secret of the signatures is shown this once.
    """
    made, secret = await keeping.create(
        call.session,
        user_id=call.user_id,
        url=body.url,
        kinds=body.kinds,
        description=body.description,
        allowed=_allowed(call),
    )
    return NewWebhookAnswer(**_fields(made), secret=secret)


@operation("GET", "/v1/webhooks", tag="Webhooks", summary="Your webhooks", session="read")
async def list_webhooks(call: Call) -> WebhooksAnswer:
    """The oldest first."""
    found = await keeping.all_of(call.session, user_id=call.user_id)
    return WebhooksAnswer(results=[WebhookAnswer(**_fields(one)) for one in found])


@operation(
    "GET",
    "/v1/webhooks/{webhook_id}",
    tag="Webhooks",
    summary="One webhook",
    session="read",
    errors=(NotFound,),
)
async def show_webhook(call: Call, path: WebhookPath) -> WebhookAnswer:
    """Without its secret."""
    found = await keeping.get(call.session, user_id=call.user_id, webhook_id=path.webhook_id)
    return WebhookAnswer(**_fields(found))


@operation(
    "PATCH",
    "/v1/webhooks/{webhook_id}",
    tag="Webhooks",
    summary="Change a webhook, or switch it on or off",
    session="write",
    errors=(NotFound, BadWebhookUrl),
    example={"enabled": False},
)
async def change_webhook(call: Call, path: WebhookPath, body: WebhookChanges) -> WebhookAnswer:
    """Switched on again, it goes on with what waits."""
    found = await keeping.change(
        call.session,
        user_id=call.user_id,
        webhook_id=path.webhook_id,
        allowed=_allowed(call),
        url=body.url,
        kinds=body.kinds,
        description=body.description,
        enabled=body.enabled,
    )
    return WebhookAnswer(**_fields(found))


@operation(
    "DELETE",
    "/v1/webhooks/{webhook_id}",
    tag="Webhooks",
    summary="Delete a webhook",
    session="write",
    errors=(NotFound,),
)
async def delete_webhook(call: Call, path: WebhookPath) -> None:
    """With its log."""
    await keeping.delete(call.session, user_id=call.user_id, webhook_id=path.webhook_id)


@operation(
    "POST",
    "/v1/webhooks/{webhook_id}/secrets",
    tag="Webhooks",
    summary="A new secret beside the old",
    session="service",
    status=201,
    errors=(NotFound, TooManyWebhooks),
)
async def rotate_secret(call: Call, path: WebhookPath) -> SecretAnswer:
    """Shown this once. For a day both sign, so that the receiver can change over in between."""
    secret = await keeping.rotate(call.session, user_id=call.user_id, webhook_id=path.webhook_id)
    return SecretAnswer(secret=secret)


@operation(
    "POST",
    "/v1/webhooks/{webhook_id}/test",
    tag="Webhooks",
    summary="Send a test event",
    session="service",
    status=202,
    errors=(NotFound,),
    links={"webhook_id": "$request.path.webhook_id", "delivery_id": "$response.body#/id"},
)
async def test_webhook(call: Call, path: WebhookPath) -> DeliveryAnswer:
    """Of the kind `webhook.test`; what came of it stands in the log a moment later."""
    return _delivery(await log.test(call.session, user_id=call.user_id, webhook_id=path.webhook_id))


@operation(
    "GET",
    "/v1/webhooks/{webhook_id}/deliveries",
    tag="Webhooks",
    summary="What was sent, and what came of it",
    session="read",
    errors=(NotFound, WrongCursor),
    links={"webhook_id": "$request.path.webhook_id", "delivery_id": "$response.body#/results/0/id"},
)
async def list_deliveries(call: Call, path: WebhookPath, query: DeliveriesPage) -> DeliveriesAnswer:
    """The latest first, for 30 days."""
    page = await log.page(
        call.session,
        user_id=call.user_id,
        webhook_id=path.webhook_id,
        state=query.state,
        limit=query.limit,
        cursor=query.cursor,
    )
    return DeliveriesAnswer(results=[_delivery(one) for one in page.deliveries], cursor=page.cursor)


@operation(
    "POST",
    "/v1/webhooks/{webhook_id}/deliveries/{delivery_id}/redeliver",
    tag="Webhooks",
    summary="Send a delivery again",
    session="service",
    status=202,
    errors=(NotFound,),
)
async def redeliver(call: Call, path: DeliveryPath) -> DeliveryAnswer:
    """Under the same id, whatever came of it before."""
    found = await log.redeliver(
        call.session, user_id=call.user_id, webhook_id=path.webhook_id, delivery_id=path.delivery_id
    )
    return _delivery(found)


def _allowed(call: Call) -> frozenset[str]:
    return network.allowed_hosts(call.services.settings.webhooks.allowed_hosts)


def _fields(found: keeping.Webhook) -> dict[str, Any]:
    return {
        name: getattr(found, name)
        for name in ("id", "url", "kinds", "description", "enabled", "disabled_reason", "created_at")
    }


def _delivery(found: log.Delivery) -> DeliveryAnswer:
    fields = msgspec.to_builtins(found)
    return msgspec.convert({name: fields[name] for name in DeliveryAnswer.__struct_fields__}, DeliveryAnswer)


OPERATIONS: Final[list[Operation]] = [
    create_webhook,
    list_webhooks,
    show_webhook,
    change_webhook,
    delete_webhook,
    rotate_secret,
    test_webhook,
    list_deliveries,
    redeliver,
]
