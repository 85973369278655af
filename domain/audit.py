"""The audit log: what was done with a right that others do not have, by whom, to whom. It only grows.

An entry is written in the transaction of the deed, so there is never one without the other. It names people
by their ids and holds no address and no secret: it outlives the account it is about.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from core.ids import UserId
from domain import paging

_CURSOR: Final = "audit"
_Position = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


@dataclass(frozen=True, slots=True)
class Entry:
    """One deed. Without an actor it was done at the machine itself, by a command or by the service."""

    id: int
    at: datetime
    actor_id: UserId | None
    action: str
    subject: str
    detail: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Page:
    entries: list[Entry]
    cursor: str | None


async def record(
    session: AsyncSession, *, actor_id: UserId | None, action: str, subject: str, detail: Mapping[str, object]
) -> None:
    """Write down a deed; needs a session of the service.

    `action` is noun and verb (`user.disabled`), `subject` kind and id (`user:6f96…`), `detail` what a later
    reader needs beside them, 8 KB at the most as JSON.
    """
    await session.execute(
        text(
            "INSERT INTO app.audit_log (actor_id, action, subject, detail)"
            " VALUES (:actor_id, :action, :subject, CAST(:detail AS jsonb))"
        ),
        {
            "actor_id": actor_id,
            "action": action,
            "subject": subject,
            "detail": msgspec.json.encode(detail).decode(),
        },
    )


async def page(
    session: AsyncSession,
    *,
    limit: int,
    cursor: str | None = None,
    actor_id: UUID | None = None,
    action: str | None = None,
    subject: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Page:
    """Entries, the newest first. What is not given is not asked for."""
    values = {
        "before": paging.decode(_CURSOR, cursor, _Position) if cursor else None,
        "actor_id": actor_id,
        "action": action,
        "subject": subject,
        "since": since,
        "until": until,
    }
    # Only what is asked for stands in the statement, so that its index is found.
    conditions = [_CONDITIONS[name] for name, value in values.items() if value is not None]
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    found = await session.execute(
        text(
            f"""
            SELECT id, created_at AS at, actor_id, action, subject, detail
            FROM app.audit_log {where} ORDER BY id DESC LIMIT :limit
            """  # noqa: S608 - the conditions are constants of this file
        ),
        {"limit": limit + 1} | {name: value for name, value in values.items() if value is not None},
    )
    entries = [Entry(**row._mapping) for row in found]  # noqa: SLF001 - SQLAlchemy's own API
    more = len(entries) > limit
    entries = entries[:limit]
    return Page(entries, paging.encode(_CURSOR, entries[-1].id) if more else None)


_CONDITIONS: Final[dict[str, str]] = {
    "before": "id < :before",
    "actor_id": "actor_id = :actor_id",
    "action": "action = :action",
    "subject": "subject = :subject",
    "since": "created_at >= :since",
    "until": "created_at < :until",
}
