"""The log of deliveries: what was sent, what came of it, and sending it again."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID, uuid4

import msgspec
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from core.errors import NotFound
from core.ids import UserId
from domain import paging
from domain.webhooks import keeping

State = Literal["pending", "delivered", "failed"]
TEST: Final = "webhook.test"
_LIST: Final = "deliveries"
_COLUMNS: Final = (
    "id, seq, webhook_id, event_id, kind, payload, state, attempts, next_attempt_at, last_status, last_error,"
    " created_at, finished_at"
)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event on its way to one webhook; `event_id` is the id its receiver knows it by."""

    id: UUID
    seq: int
    webhook_id: UUID
    event_id: str
    kind: str
    payload: dict[str, Any]
    state: State
    attempts: int
    next_attempt_at: datetime | None
    last_status: int | None
    last_error: str | None
    created_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class DeliveryPage:
    deliveries: list[Delivery]
    cursor: str | None


async def page(
    session: AsyncSession,
    *,
    user_id: UserId,
    webhook_id: UUID,
    state: State | None,
    limit: int,
    cursor: str | None,
) -> DeliveryPage:
    """A webhook's deliveries, the latest first."""
    await keeping.get(session, user_id=user_id, webhook_id=webhook_id)
    before = paging.decode(_LIST, cursor, int) if cursor else None
    rows = (
        await session.execute(
            text(
                f"SELECT {_COLUMNS} FROM app.webhook_deliveries WHERE webhook_id = :id"  # noqa: S608
                " AND (CAST(:state AS text) IS NULL OR state = :state)"
                " AND (CAST(:before AS bigint) IS NULL OR seq < :before) ORDER BY seq DESC LIMIT :limit"
            ),
            {"id": webhook_id, "state": state, "before": before, "limit": limit + 1},
        )
    ).all()
    found = [_delivery(row) for row in rows[:limit]]
    more = len(rows) > limit
    return DeliveryPage(found, paging.encode(_LIST, found[-1].seq) if more else None)


async def test(session: AsyncSession, *, user_id: UserId, webhook_id: UUID) -> Delivery:
    """Send a test event, whatever the webhook is subscribed to. Needs a session of the service role."""
    await keeping.get(session, user_id=user_id, webhook_id=webhook_id)
    row = await session.execute(
        text(
            "INSERT INTO app.webhook_deliveries (webhook_id, kind, event_id, payload)"  # noqa: S608
            " VALUES (:webhook_id, :kind, :event_id, CAST(:payload AS jsonb))"
            f" RETURNING {_COLUMNS}"
        ),
        {
            "webhook_id": webhook_id,
            "kind": TEST,
            "event_id": f"test-{uuid4()}",
            "payload": msgspec.json.encode({"webhook_id": webhook_id}).decode(),
        },
    )
    return _delivery(row.one())


async def redeliver(
    session: AsyncSession, *, user_id: UserId, webhook_id: UUID, delivery_id: UUID
) -> Delivery:
    """Send it again from the start, under the same id. Needs a session of the service role."""
    await keeping.get(session, user_id=user_id, webhook_id=webhook_id)
    row = (
        await session.execute(
            text(
                "UPDATE app.webhook_deliveries SET state = 'pending', attempts = 0,"  # noqa: S608
                " next_attempt_at = app.now(), finished_at = NULL"
                f" WHERE id = :id AND webhook_id = :webhook_id RETURNING {_COLUMNS}"
            ),
            {"id": delivery_id, "webhook_id": webhook_id},
        )
    ).one_or_none()
    if row is None:
        raise NotFound("There is no such delivery.")
    return _delivery(row)


def _delivery(row: Row[Any]) -> Delivery:
    found = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's own API
    if found["state"] != "pending":
        found["next_attempt_at"] = None
    return Delivery(**found)
