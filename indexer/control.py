"""What an operator has set and what the indexer has found out, kept where every process sees it."""

from datetime import datetime
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


def progress(entity: Entity) -> str:
    """The name of how fast a rebuild is, and who is at it."""
    return f"progress:{entity}"


def verified(entity: Entity) -> str:
    """The name of what the last verify saw."""
    return f"verify:{entity}"


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


async def remember_new(session: AsyncSession, name: str, value: dict[str, Any]) -> bool:
    """Keep a value unless there is one under the name already; whether it was kept."""
    kept = await session.execute(
        text(
            "INSERT INTO index_control (name, value) VALUES (:name, CAST(:value AS jsonb))"
            " ON CONFLICT DO NOTHING RETURNING 1"
        ),
        {"name": name, "value": orjson.dumps(value).decode()},
    )
    return kept.one_or_none() is not None


async def amend(session: AsyncSession, name: str, changes: dict[str, Any]) -> None:
    """Change parts of a value; the moment it was set stays."""
    await session.execute(
        text("UPDATE index_control SET value = value || CAST(:changes AS jsonb) WHERE name = :name"),
        {"name": name, "changes": orjson.dumps(changes).decode()},
    )


async def recall(session: AsyncSession, name: str) -> dict[str, Any] | None:
    """The value under a name, with `at` as the moment it was set; None when it never was."""
    found = await session.execute(
        text("SELECT value::text, updated_at FROM index_control WHERE name = :name"), {"name": name}
    )
    row = found.one_or_none()
    return None if row is None else {**orjson.loads(row[0]), "at": row[1]}


async def recall_all(session: AsyncSession, names: str) -> list[dict[str, Any]]:
    """The values whose names begin so, each with `at`."""
    found = await session.execute(
        text(
            "SELECT value::text, updated_at FROM index_control WHERE starts_with(name, :names) ORDER BY name"
        ),
        {"names": names},
    )
    return [{**orjson.loads(value), "at": at} for value, at in found]


async def forget_old(session: AsyncSession, names: str, *, older_than_s: float) -> None:
    """Forget the values whose names begin so and that were set long ago."""
    await session.execute(
        text(
            "DELETE FROM index_control WHERE starts_with(name, :names)"
            " AND updated_at < clock_timestamp() - make_interval(secs => :older_than_s)"
        ),
        {"names": names, "older_than_s": older_than_s},
    )


async def forget(session: AsyncSession, name: str, *, at: datetime | None = None) -> None:
    """Forget a value, or only the one that was set `at` that moment."""
    await session.execute(
        text(
            "DELETE FROM index_control"
            " WHERE name = :name AND updated_at = coalesce(CAST(:at AS timestamptz), updated_at)"
        ),
        {"name": name, "at": at},
    )


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
