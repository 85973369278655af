"""Requests for a mail: written down in one row, whoever the address belongs to.

Nothing is looked up here. Whether there is an account under the address is found out by the job that answers,
so a request for a known address and one for an unknown do the same and take the same time.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal, Self
from uuid import UUID, uuid4

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from domain.auth.people import Origin

# The name under which a request stands in the outbox.
JOB: Final = "auth.mail"

Purpose = Literal[
    "signup", "otp", "recovery", "resend_signup", "resend_email_change", "invite", "email_change",
    "reauthentication",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a browser will prove that it was the one who asked (RFC 7636)."""

    code_challenge: str
    method: Literal["s256", "plain"]


@dataclass(frozen=True, slots=True)
class Request:
    """A mail that somebody asked for. Tokens in it are made from `id`; it is the id of the first of them."""

    purpose: Purpose
    email: str
    redirect_to: str
    id: UUID = field(default_factory=uuid4)
    challenge: Challenge | None = None
    # Make an account if there is none, with this beside it.
    create_user: bool = False
    user_metadata: Mapping[str, Any] = field(default_factory=dict)
    terms_version: str | None = None
    origin: Origin = Origin()
    # The account that asks, where it has to be signed in for that.
    user_id: UUID | None = None

    @classmethod
    def read(cls, payload: Mapping[str, Any]) -> Self:
        """A request as it stands in the outbox."""
        values = dict(payload)
        return cls(
            **values
            | {
                "id": UUID(values["id"]),
                "challenge": Challenge(**values["challenge"]) if values["challenge"] else None,
                "origin": Origin(**values["origin"]),
                "user_id": UUID(values["user_id"]) if values["user_id"] else None,
            }
        )


async def ask(session: AsyncSession, request: Request) -> None:
    """Have a mail sent once the transaction has committed."""
    payload = asdict(request)
    await session.execute(
        text("INSERT INTO app.outbox (job, payload) VALUES (:job, CAST(:payload AS jsonb))"),
        {"job": JOB, "payload": json.dumps(payload, default=str)},
    )
    await session.execute(text("SELECT pg_notify('outbox', '')"))
