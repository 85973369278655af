"""Something needs a person's eyes: said in the log at once, and mailed to whoever looks after this place."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from core.logs import get_logger
from core.settings import Settings
from db.sessions import SERVICE, Database
from domain import mail

log = get_logger(__name__)

JOB: Final = "alarms.mail"


async def ring(session: AsyncSession, *, key: str, subject: str, paragraphs: Sequence[str]) -> None:
    """Log an error and queue a mail; the same alarm is not queued again while its mail waits."""
    log.error(subject, alarm=key)
    await session.execute(
        text(
            """
            INSERT INTO app.outbox (id, job, payload) VALUES (:id, :job, CAST(:payload AS jsonb))
            ON CONFLICT (id) DO NOTHING
            """
        ),
        {
            "id": uuid5(NAMESPACE_URL, f"leadfuel:alarm:{key}"),
            "job": JOB,
            "payload": json.dumps({"key": key, "subject": subject, "paragraphs": list(paragraphs)}),
        },
    )
    await session.execute(text("SELECT pg_notify('outbox', '')"))


async def send(settings: Settings, db: Database, payload: Mapping[str, Any]) -> None:
    """Mail an alarm; raises `mail.MailNotSent`, so that it waits for a mail server."""
    for number, to in enumerate(await _who_is_told(settings, db)):
        await mail.send(
            settings.mail,
            mail.Letter(
                key=f"alarm-{uuid5(NAMESPACE_URL, payload['key']).hex}-{number}",
                to=to,
                subject=f"LeadFuel: {payload['subject']}",
                paragraphs=payload["paragraphs"],
            ),
        )


async def _who_is_told(settings: Settings, db: Database) -> list[str]:
    if settings.billing.alert_email:
        return [settings.billing.alert_email]
    async with db.transaction(SERVICE, read_only=True) as session:
        found = await session.scalars(
            text("SELECT email::text FROM app.users WHERE role = 'admin' ORDER BY created_at LIMIT 10")
        )
        return list(found)
