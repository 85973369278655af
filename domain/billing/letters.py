"""What we write to people about their payments."""

import json
from collections.abc import Mapping
from typing import Any, Final
from uuid import NAMESPACE_URL, UUID, uuid5

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from core.ids import UserId
from core.settings import Settings
from db.sessions import SERVICE, Database
from domain import accounts, mail

JOB: Final = "billing.letter"

_LETTERS: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "payment_failed": (
        "Your payment did not go through",
        (
            "The payment for your plan has failed. It is tried again in the next days, and the plan goes on.",
            "Please see whether your card is still good: {url}",
        ),
    ),
}


async def queue(session: AsyncSession, *, user_id: UserId, kind: str, about: str) -> None:
    """Write a letter once for what it is about, while it waits to be sent."""
    await session.execute(
        text(
            "INSERT INTO app.outbox (id, job, payload) VALUES (:id, :job, CAST(:payload AS jsonb))"
            " ON CONFLICT (id) DO NOTHING"
        ),
        {
            "id": uuid5(NAMESPACE_URL, f"leadfuel:letter:{kind}:{about}"),
            "job": JOB,
            "payload": json.dumps({"user_id": str(user_id), "kind": kind, "about": about}),
        },
    )
    await session.execute(text("SELECT pg_notify('outbox', '')"))


async def send(settings: Settings, db: Database, payload: Mapping[str, Any]) -> None:
    """Send a letter that was queued; raises `mail.MailNotSent`."""
    async with db.transaction(SERVICE, read_only=True) as session:
        user = await accounts.get(session, user_id=UserId(UUID(payload["user_id"])))
    if user is None:
        return
    subject, paragraphs = _LETTERS[payload["kind"]]
    url = settings.billing.return_url or settings.api.public_url
    await mail.send(
        settings.mail,
        mail.Letter(
            key=f"billing-{payload['kind']}-{payload['about']}",
            to=user.email,
            subject=subject,
            paragraphs=[paragraph.format(url=url) for paragraph in paragraphs],
        ),
    )
