"""Documents the engine will never take: kept with the reason until the record changes or somebody acts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from core.errors import NotFound
from indexer import queue
from indexer.feed import Entity


@dataclass(frozen=True, slots=True)
class DeadLetter:
    entity: Entity
    id: int
    reason: str
    attempts: int
    first_at: datetime
    last_at: datetime
    document: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """A document as it was sent, and why it was not taken."""

    id: int
    document: bytes
    reason: str


async def record(session: AsyncSession, entity: Entity, rejected: Sequence[Rejected]) -> None:
    """Keep what was rejected; a record that was rejected before counts one more attempt."""
    for letter in rejected:
        await session.execute(
            text(
                """
                INSERT INTO dead_letters AS known (entity, id, document, reason, attempts, first_at, last_at)
                VALUES (:entity, :id, CAST(:document AS jsonb), :reason, 1,
                        clock_timestamp(), clock_timestamp())
                ON CONFLICT (entity, id) DO UPDATE SET
                    document = excluded.document, reason = excluded.reason,
                    attempts = known.attempts + 1, last_at = excluded.last_at
                """
            ),
            {
                "entity": entity,
                "id": letter.id,
                "document": letter.document.decode(),
                "reason": letter.reason[:2_000],
            },
        )


async def supersede(session: AsyncSession, entity: Entity, ids: Sequence[int]) -> None:
    """Forget the dead letters of records that have now been indexed or deleted."""
    await session.execute(
        text("DELETE FROM dead_letters WHERE entity = :entity AND id = ANY(CAST(:ids AS integer[]))"),
        {"entity": entity, "ids": list(ids)},
    )


async def count(session: AsyncSession, entity: Entity) -> int:
    found = await session.execute(
        text("SELECT count(*) FROM dead_letters WHERE entity = :entity"), {"entity": entity}
    )
    return int(found.scalar_one())


async def listed(session: AsyncSession, *, limit: int = 100) -> list[DeadLetter]:
    found = await session.execute(
        text(
            """
            SELECT entity, id, reason, attempts, first_at, last_at FROM dead_letters
            ORDER BY last_at DESC, entity, id LIMIT :limit
            """
        ),
        {"limit": limit},
    )
    return [DeadLetter(*row) for row in found]


async def show(session: AsyncSession, entity: Entity, record_id: int) -> DeadLetter:
    """One dead letter with its document; raises `NotFound`."""
    found = await session.execute(
        text(
            """
            SELECT entity, id, reason, attempts, first_at, last_at, document::text AS document
            FROM dead_letters WHERE entity = :entity AND id = :id
            """
        ),
        {"entity": entity, "id": record_id},
    )
    row = found.one_or_none()
    if row is None:
        raise NotFound(f"There is no dead letter for {entity} {record_id}.")
    facts = dict(row._mapping)  # noqa: SLF001 - its documented name
    return DeadLetter(**(facts | {"document": orjson.loads(facts["document"] or "null")}))


async def retry(session: AsyncSession, entity: Entity | None = None, record_id: int | None = None) -> int:
    """Queue the records of dead letters again (one, an entity's, or all); how many."""
    found = await session.execute(_where("SELECT entity, id FROM dead_letters"), _which(entity, record_id))
    waiting: dict[Entity, list[int]] = {}
    for name, identity in found:
        waiting.setdefault(name, []).append(identity)
    if record_id is not None and not waiting:
        raise NotFound(f"There is no dead letter for {entity} {record_id}.")
    for name, ids in waiting.items():
        await queue.enqueue(session, name, ids, priority=queue.BULK)
    return sum(map(len, waiting.values()))


async def drop(session: AsyncSession, entity: Entity | None = None, record_id: int | None = None) -> int:
    """Forget dead letters (one, an entity's, or all) without sending them again; how many."""
    found = await session.execute(
        _where("DELETE FROM dead_letters", "RETURNING 1"), _which(entity, record_id)
    )
    dropped = len(found.all())
    if record_id is not None and not dropped:
        raise NotFound(f"There is no dead letter for {entity} {record_id}.")
    return dropped


def _where(verb: str, tail: str = "") -> Any:
    return text(
        f"{verb} WHERE (CAST(:entity AS text) IS NULL OR entity = :entity)"
        f" AND (CAST(:id AS integer) IS NULL OR id = :id) {tail}"
    )


def _which(entity: Entity | None, record_id: int | None) -> dict[str, Any]:
    return {"entity": entity, "id": record_id}
