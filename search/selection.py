"""Everything that a search finds, as one SQL query over ids: for those who take it all instead of a page.

The set is the same that the search counts, hidden records and lists included; PostgreSQL reads it, so that
it can be stored in the transaction that asks for it.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from search import postgres_query
from search.conditions import Criteria
from search.postgres import prepare
from search.request import Entity
from search.visibility import Visibility


@dataclass(frozen=True, slots=True)
class Selection:
    """What fits, and what its user sees of it."""

    criteria: Criteria
    visibility: Visibility

    @property
    def entity(self) -> Entity:
        return self.criteria.entity

    def sql(self) -> tuple[str, dict[str, Any]]:
        """A query for the ids, in no order, and its parameters; `ready` must have been called before it."""
        where = postgres_query.where(self.criteria, self.visibility)
        source = postgres_query.source(self.entity, where)
        return f"SELECT {postgres_query.ID[self.entity]} AS id FROM {source} WHERE {where}", where.parameters


async def ready(session: AsyncSession) -> None:
    """Set what the queries of selections need for the rest of the transaction."""
    await prepare(session)


async def ids(session: AsyncSession, selection: Selection) -> list[int]:
    """The ids of all that fits, in order."""
    await ready(session)
    query, parameters = selection.sql()
    return list((await session.execute(text(f"{query} ORDER BY 1"), parameters)).scalars())


async def count(session: AsyncSession, selection: Selection) -> int:
    """How many fit, exactly."""
    await ready(session)
    query, parameters = selection.sql()
    return int(
        (await session.execute(text(f"SELECT count(*) FROM ({query}) found"), parameters)).scalar_one()
    )


async def is_empty(session: AsyncSession, selection: Selection) -> bool:
    await ready(session)
    query, parameters = selection.sql()
    return not (await session.execute(text(f"SELECT EXISTS ({query})"), parameters)).scalar_one()
