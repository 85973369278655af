"""The facet `lists`: of what is found, how much is on each of the user's lists.

Membership lives in PostgreSQL alone, so PostgreSQL counts it for either engine, from the lists' side: as many
rows as are listed, however much is found. Its own selection is `in_lists`, left out like that of any facet.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final
from uuid import UUID

from pyroaring import BitMap
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from core.text import fold
from db.sessions import Database
from search import postgres_query
from search.conditions import Criteria
from search.postgres import prepare, ran_out_of_time
from search.request import CountRequest, Entity, FacetRequest
from search.response import Facet, FacetValue
from search.visibility import Visibility

NAME: Final = "lists"
TITLE: Final = "Your lists"
_MEMBERS: Final[dict[Entity, tuple[str, str]]] = {
    "contacts": ("app.list_contacts", "contact_id"),
    "organizations": ("app.list_organizations", "organization_id"),
}


def asked(facets: Sequence[str | FacetRequest], *, limit: int) -> FacetRequest | None:
    """How the facet is asked for, the last word counting; None when it is not."""
    found = [
        FacetRequest(field=each, limit=limit) if isinstance(each, str) else each
        for each in facets
        if (each if isinstance(each, str) else each.field) == NAME
    ]
    return found[-1] if found else None


def others(facets: Sequence[str | FacetRequest]) -> list[str | FacetRequest]:
    """The facets that the engines count."""
    return [each for each in facets if (each if isinstance(each, str) else each.field) != NAME]


def without_selection(seen: Visibility, request: CountRequest) -> Visibility:
    """What the user sees, whichever lists were chosen; the bitmap of `in_lists` comes first in `wanted`."""
    return replace(seen, lists=(), wanted=seen.wanted[1:] if request.in_lists else seen.wanted)


def on_none_of(seen: Visibility, lists: Sequence[UUID], members: BitMap) -> Visibility:
    """The same, but for what is on any of the lists; each engine leaves it out in its own way."""
    if not members:
        return seen
    return replace(seen, not_lists=(*seen.not_lists, *lists), unwanted=(*seen.unwanted, members))


async def count(
    database: Database, criteria: Criteria, seen: Visibility, *, within_s: float
) -> tuple[list[tuple[UUID, str, int]], BitMap] | None:
    """Each of the user's lists with its name and how many on it fit, the fullest first; and all members.

    None when the time was not enough.
    """
    entity = criteria.entity
    table, column = _MEMBERS[entity]
    where = postgres_query.where(criteria, seen)
    counted = (
        f"SELECT m.list_id, count(*) AS n FROM {postgres_query.source(entity, where)}"
        f" JOIN {table} m ON m.{column} = {postgres_query.ID[entity]} WHERE {where} GROUP BY 1"
    )
    try:
        async with database.transaction(seen.actor, read_only=True, statement_timeout_s=within_s) as session:
            await prepare(session)
            rows = await session.execute(
                text(
                    f"SELECT l.id, l.name, coalesce(c.n, 0) AS n FROM app.lists l"
                    f" LEFT JOIN ({counted}) c ON c.list_id = l.id WHERE l.archived_at IS NULL"
                    " ORDER BY 3 DESC, 2, 1"
                ),
                where.parameters,
            )
            lists = [(row.id, row.name, int(row.n)) for row in rows]
            found: Any = await session.scalar(
                text(f"SELECT array_agg({column}) FROM {table} WHERE list_id = ANY(:lists)"),
                {"lists": [one[0] for one in lists]},
            )
    except DBAPIError as error:
        if not ran_out_of_time(error):
            raise
        return None
    return lists, BitMap(found or ())


def present(wanted: FacetRequest, lists: Sequence[tuple[UUID, str, int]], missing: int) -> Facet:
    """The facet as it is answered; `other` counts what is on lists beyond the limit, once for each."""
    begins = fold(wanted.prefix) if wanted.prefix else ""
    values = [one for one in lists if one[2] and fold(one[1]).startswith(begins)]
    return Facet(
        values=[
            FacetValue(value=str(list_id), display_name=name, count=number)
            for list_id, name, number in values[: wanted.limit]
        ],
        other=sum(number for _, _, number in values[wanted.limit :]),
        missing=missing,
    )
