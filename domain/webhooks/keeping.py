"""A user's webhooks: where, of what, and under which secrets."""

import base64
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from core.errors import LeadFuelError, NotFound
from core.ids import UserId
from domain.webhooks import network
from domain.webhooks.announcing import Kind

MAX_WEBHOOKS: Final = 20
MAX_SECRETS: Final = 5
# So long does an old secret sign beside a new one.
ROTATION_HOURS: Final = 24
_COLUMNS: Final = "id, user_id, url, kinds, description, enabled, disabled_reason, created_at"


class TooManyWebhooks(LeadFuelError):
    """There are as many webhooks, or secrets at once, as there can be."""

    status = 409
    slug = "too-many-webhooks"
    title = "No more of these"


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where events go. `disabled_reason` says why it was switched off by us."""

    id: UUID
    user_id: UserId
    url: str
    kinds: list[Kind]
    description: str | None
    enabled: bool
    disabled_reason: str | None
    created_at: datetime


async def create(
    session: AsyncSession,
    *,
    user_id: UserId,
    url: str,
    kinds: Sequence[Kind],
    description: str | None,
    allowed: frozenset[str],
) -> tuple[Webhook, str]:
    """A webhook and its secret, which is shown this once.

    Needs a session of the service role. Raises `network.BadWebhookUrl` and `TooManyWebhooks`.
    """
    await network.check_url(url, allowed=allowed)
    # The user's row is the lock under which their webhooks are counted.
    await session.execute(text("SELECT 1 FROM app.users WHERE id = :id FOR NO KEY UPDATE"), {"id": user_id})
    count = await session.scalar(
        text("SELECT count(*) FROM app.webhooks WHERE user_id = :id"), {"id": user_id}
    )
    if (count or 0) >= MAX_WEBHOOKS:
        raise TooManyWebhooks(f"There can be {MAX_WEBHOOKS} webhooks.", limit=MAX_WEBHOOKS)
    row = await session.execute(
        text(
            "INSERT INTO app.webhooks (user_id, url, kinds, description)"  # noqa: S608 - a constant
            f" VALUES (:user_id, :url, :kinds, :description) RETURNING {_COLUMNS}"
        ),
        {
            "user_id": user_id,
            "url": url,
            "kinds": list(dict.fromkeys(kinds)),
            "description": description,
        },
    )
    made = Webhook(**row.one()._mapping)  # noqa: SLF001 - SQLAlchemy's own API
    return made, await _add_secret(session, made.id)


async def get(session: AsyncSession, *, user_id: UserId, webhook_id: UUID) -> Webhook:
    """A user's webhook; raises `NotFound`."""
    row = (
        await session.execute(
            text(f"SELECT {_COLUMNS} FROM app.webhooks WHERE id = :id AND user_id = :user_id"),  # noqa: S608
            {"id": webhook_id, "user_id": user_id},
        )
    ).one_or_none()
    if row is None:
        raise NotFound("There is no such webhook.")
    return Webhook(**row._mapping)  # noqa: SLF001


async def all_of(session: AsyncSession, *, user_id: UserId) -> list[Webhook]:
    """A user's webhooks, the oldest first."""
    rows = await session.execute(
        text(f"SELECT {_COLUMNS} FROM app.webhooks WHERE user_id = :id ORDER BY created_at, id"),  # noqa: S608
        {"id": user_id},
    )
    return [Webhook(**row._mapping) for row in rows]  # noqa: SLF001


async def change(
    session: AsyncSession,
    *,
    user_id: UserId,
    webhook_id: UUID,
    allowed: frozenset[str],
    url: str | msgspec.UnsetType = msgspec.UNSET,
    kinds: Sequence[Kind] | msgspec.UnsetType = msgspec.UNSET,
    description: str | msgspec.UnsetType | None = msgspec.UNSET,
    enabled: bool | msgspec.UnsetType = msgspec.UNSET,
) -> Webhook:
    """Change what is given. Switched on again, it goes on with what waits."""
    await get(session, user_id=user_id, webhook_id=webhook_id)
    values: dict[str, Any] = {}
    if url is not msgspec.UNSET:
        await network.check_url(url, allowed=allowed)
        values["url"] = url
    if kinds is not msgspec.UNSET:
        values["kinds"] = list(dict.fromkeys(kinds))
    if description is not msgspec.UNSET:
        values["description"] = description
    if enabled is not msgspec.UNSET:
        values |= {"enabled": enabled, "disabled_reason": None}
    if values:
        sets = ", ".join(f"{name} = :{name}" for name in values)
        await session.execute(
            text(f"UPDATE app.webhooks SET {sets} WHERE id = :id"),  # noqa: S608 - our own columns
            values | {"id": webhook_id},
        )
    return await get(session, user_id=user_id, webhook_id=webhook_id)


async def delete(session: AsyncSession, *, user_id: UserId, webhook_id: UUID) -> None:
    """Delete a webhook with its deliveries; raises `NotFound`."""
    await get(session, user_id=user_id, webhook_id=webhook_id)
    await session.execute(text("DELETE FROM app.webhooks WHERE id = :id"), {"id": webhook_id})


async def rotate(session: AsyncSession, *, user_id: UserId, webhook_id: UUID) -> str:
    """A new secret, shown this once; the old ones sign beside it for a day.

    Needs a session of the service role. Raises `NotFound` and `TooManyWebhooks`.
    """
    await get(session, user_id=user_id, webhook_id=webhook_id)
    await session.execute(
        text("SELECT 1 FROM app.webhooks WHERE id = :id FOR NO KEY UPDATE"), {"id": webhook_id}
    )
    if len(await live_secrets(session, webhook_id=webhook_id)) >= MAX_SECRETS:
        raise TooManyWebhooks(
            f"{MAX_SECRETS} secrets sign at once; the oldest ends within a day.", limit=MAX_SECRETS
        )
    await session.execute(
        text(
            "UPDATE app.webhook_secrets SET expires_at = app.now() + make_interval(hours => :hours)"
            " WHERE webhook_id = :id AND expires_at IS NULL"
        ),
        {"id": webhook_id, "hours": ROTATION_HOURS},
    )
    return await _add_secret(session, webhook_id)


async def live_secrets(session: AsyncSession, *, webhook_id: UUID) -> list[str]:
    """The secrets that sign now, the newest first."""
    rows = await session.execute(
        text(
            "SELECT secret FROM app.webhook_secrets WHERE webhook_id = :id"
            " AND (expires_at IS NULL OR expires_at > app.now()) ORDER BY id DESC"
        ),
        {"id": webhook_id},
    )
    return list(rows.scalars())


async def _add_secret(session: AsyncSession, webhook_id: UUID) -> str:
    """32 random bytes in the spelling of Standard Webhooks."""
    secret = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
    await session.execute(
        text("INSERT INTO app.webhook_secrets (webhook_id, secret) VALUES (:id, :secret)"),
        {"id": webhook_id, "secret": secret},
    )
    return secret
