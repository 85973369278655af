"""Whoever is erased pays for nothing any more, and Stripe keeps nothing personal of them for us.

What they have at Stripe is written into the outbox in the transaction that erases them, for afterwards nobody
knows it; the job ends it there. Both steps are done once however often they are asked for: what is not there
any more has been done.
"""

import contextlib
import json
from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from core.ids import UserId
from domain.billing.cloud import Cloud, Missing

JOB: Final = "billing.leave"


async def ask(session: AsyncSession, *, user_id: UserId) -> None:
    """Have a user's subscriptions ended and their customer deleted, once this transaction is committed."""
    found = await session.execute(
        text(
            """
            SELECT ARRAY(SELECT id FROM app.billing_subscriptions
                         WHERE user_id = :user_id AND ended_at IS NULL ORDER BY id) AS subscriptions,
                   ARRAY(SELECT customer_id FROM app.billing_customers
                         WHERE user_id = :user_id AND deleted_at IS NULL ORDER BY customer_id) AS customers
            """
        ),
        {"user_id": user_id},
    )
    left = dict(found.mappings().one())
    if not any(left.values()):
        return
    await session.execute(
        text("INSERT INTO app.outbox (job, payload) VALUES (:job, CAST(:payload AS jsonb))"),
        {"job": JOB, "payload": json.dumps(left)},
    )
    await session.execute(text("SELECT pg_notify('outbox', '')"))


async def leave(cloud: Cloud, left: Mapping[str, Any]) -> None:
    """End and delete what `ask` wrote down. Raises `Unreachable`, and is then to be tried again."""
    for subscription_id in left["subscriptions"]:
        with contextlib.suppress(Missing):
            await cloud.end_subscription(subscription_id)
    for customer_id in left["customers"]:
        with contextlib.suppress(Missing):
            await cloud.delete_customer(customer_id)
