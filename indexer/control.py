"""What an operator has set and what the indexer has found out, kept where every process sees it."""

from typing import Any

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from core.text import clean
from indexer.feed import Entity, Feed

PAUSED = "paused"


def ahead(entity: Entity) -> str:
    """The name of what was found when the index was ahead of the database."""
    return f"ahead:{entity}"


async def remember(session: AsyncSession, name: str, value: dict[str, Any]) -> None:
    """Keep a value under a name, in place of the one before."""
    await session.execute(
        text(
            """
            INSERT INTO index_control (name, value, updated_at)
            VALUES (:name, CAST(:value AS jsonb), clock_timestamp())
            ON CONFLICT (name) DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at
            """
        ),
        {"name": name, "value": orjson.dumps(value).decode()},
    )


async def recall(session: AsyncSession, name: str) -> dict[str, Any] | None:
    """The value under a name, with `at` as the moment it was set; None when it never was."""
    found = await session.execute(
        text("SELECT value::text, updated_at FROM index_control WHERE name = :name"), {"name": name}
    )
    row = found.one_or_none()
    return None if row is None else {**orjson.loads(row[0]), "at": row[1]}


async def forget(session: AsyncSession, name: str) -> None:
    await session.execute(text("DELETE FROM index_control WHERE name = :name"), {"name": name})


async def pause(session: AsyncSession, *, reason: str = "") -> None:
    """Let every indexer stop writing within seconds, and stay so over restarts."""
    await remember(session, PAUSED, {"reason": clean(reason)[:200]})


async def resume(session: AsyncSession) -> bool:
    """Take the pause back; whether there was one."""
    was = await recall(session, PAUSED) is not None
    await forget(session, PAUSED)
    await session.execute(text("SELECT pg_notify('search_dirty', '')"))
    return was


async def is_paused(feed: Feed) -> bool:
    async with feed.service(read_only=True) as session:
        return await recall(session, PAUSED) is not None
