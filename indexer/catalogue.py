"""The ids of the catalogue's tables: counted, walked through, compared with what was read before."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncSession

from indexer.feed import ENTITIES, Entity


def _each(sql: str) -> dict[Entity, TextClause]:
    return {entity: text(sql.format(table=entity)) for entity in ENTITIES}


_COUNT: Final = _each("SELECT count(*) FROM {table}")
_HIGHEST: Final = _each("SELECT coalesce(max(id), 0) FROM {table}")
# Thousands of ids as one value: as rows each would pass through SQLAlchemy by itself.
_AFTER: Final = _each("SELECT ARRAY(SELECT id FROM {table} WHERE id > :after ORDER BY id LIMIT :limit)")
_BETWEEN: Final = _each("SELECT ARRAY(SELECT id FROM {table} WHERE id >= :low AND id < :high ORDER BY id)")
_VANISHED: Final = _each(
    """
    SELECT wanted FROM unnest(CAST(:ids AS integer[])) AS wanted
    WHERE NOT EXISTS (SELECT FROM {table} WHERE {table}.id = wanted)
    """
)


async def count(session: AsyncSession, entity: Entity) -> int:
    return int((await session.execute(_COUNT[entity])).scalar_one())


async def highest(session: AsyncSession, entity: Entity) -> int:
    """The highest id there is; 0 for an empty table."""
    return int((await session.execute(_HIGHEST[entity])).scalar_one())


async def after(session: AsyncSession, entity: Entity, last: int, *, limit: int) -> list[int]:
    """The next ids in order."""
    return list((await session.execute(_AFTER[entity], {"after": last, "limit": limit})).scalar_one())


async def between(session: AsyncSession, entity: Entity, low: int, high: int) -> list[int]:
    """The ids from `low` on and below `high`, in order."""
    return list((await session.execute(_BETWEEN[entity], {"low": low, "high": high})).scalar_one())


async def vanished(session: AsyncSession, entity: Entity, ids: Sequence[int]) -> list[int]:
    """Which of these records are not there (any more)."""
    return list((await session.execute(_VANISHED[entity], {"ids": list(ids)})).scalars())
