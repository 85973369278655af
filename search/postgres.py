"""The engine for bad days: the same answers from the system of record, over trigram and array indexes.

Page and capped total come first and have a budget of their own. Facets follow within theirs; what was not
counted by then is named as late instead of holding up the page.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from core.settings import SearchSettings
from db.sessions import Actor, Database
from search import documents, postgres_query
from search.conditions import Criteria
from search.documents import MISSING, value_sql
from search.fields import Field, Sort
from search.plan import TOTAL_CAP, After, FacetCounts, FacetPlan, Found, Plan, explained_paths, facet_criteria
from search.postgres_query import ID, Where
from search.request import EngineName, Entity
from search.visibility import Visibility

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_QUERY_CANCELED: Final = "57014"
# A word of a name is looked up by trigrams from here on; the exact rule then decides.
_WORD_SIMILARITY: Final = 0.3
_ALWAYS_PRESENT: Final = frozenset({"last_refreshed_at"})


class PostgresEngine:
    """Answers plans from the tables themselves, as the user who asks."""

    name: EngineName = "postgres"

    def __init__(self, database: Database, settings: SearchSettings) -> None:
        self._database = database
        self._settings = settings

    async def search(self, plan: Plan) -> Found:
        actor = plan.visibility.actor
        budget_s = self._settings.fallback_budget_ms / 1_000
        async with self._database.transaction(
            actor, read_only=True, statement_timeout_s=budget_s, snapshot=True
        ) as session:
            await prepare(session)
            ends, total, more_than_total = await _page_and_total(session, plan)
            page = ends[: plan.limit]
            read = await documents.read(session, plan.entity, [end.id for end in page])
        shown = [(read[end.id], end) for end in page if end.id in read]
        facets, late = await self._facets(plan, actor)
        return Found(
            documents=tuple(document for document, _ in shown),
            ends=tuple(_end(plan, document, end) for document, end in shown),
            more=len(ends) > plan.limit,
            total=total,
            total_is_lower_bound=more_than_total,
            facets=facets,
            late_facets=late,
            removed=await self._removed(plan, actor) if plan.explain else {},
        )

    async def count(self, criteria: Criteria, visibility: Visibility) -> int:
        async with self._database.transaction(visibility.actor, read_only=True) as session:
            await prepare(session)
            return await _count(session, criteria, visibility)

    async def _facets(self, plan: Plan, actor: Actor) -> tuple[dict[str, FacetCounts], tuple[str, ...]]:
        """The facets that can be counted in time, in the order of the request, and the names of the rest.

        Facets counted under the same criteria share one pass over the records: those without a selection
        of their own are all but a few.
        """
        deadline = monotonic() + self._settings.fallback_facet_budget_ms / 1_000
        passes: dict[Criteria, list[FacetPlan]] = {}
        for facet in plan.facets:
            passes.setdefault(facet_criteria(plan.criteria, facet.facet), []).append(facet)
        counts: dict[str, FacetCounts] = {}
        for criteria, facets in passes.items():
            left_s = deadline - monotonic()
            if left_s <= 0:
                break
            try:
                async with self._database.transaction(
                    actor, read_only=True, statement_timeout_s=left_s
                ) as session:
                    await prepare(session)
                    counts |= await _count_facets(session, criteria, plan.visibility, facets)
            except DBAPIError as error:
                if not ran_out_of_time(error):
                    raise
                break
        ordered = {f.facet.name: counts[f.facet.name] for f in plan.facets if f.facet.name in counts}
        return ordered, tuple(f.facet.name for f in plan.facets if f.facet.name not in counts)

    async def _removed(self, plan: Plan, actor: Actor) -> dict[str, int | None]:
        """What each filter removes; None for those that could not be counted within the facets' budget."""
        paths = explained_paths(plan.criteria)
        removed: dict[str, int | None] = dict.fromkeys(paths)
        deadline = monotonic() + self._settings.fallback_facet_budget_ms / 1_000
        kept: int | None = None
        for path in ("", *paths):
            criteria = plan.criteria.without(path) if path else plan.criteria
            left_s = deadline - monotonic()
            if left_s <= 0:
                break
            try:
                async with self._database.transaction(
                    actor, read_only=True, statement_timeout_s=left_s
                ) as session:
                    await prepare(session)
                    count = await _count(session, criteria, plan.visibility)
            except DBAPIError as error:
                if not ran_out_of_time(error):
                    raise
                break
            if kept is None:
                kept = count
            else:
                removed[path] = count - kept
        return removed


def ran_out_of_time(error: DBAPIError) -> bool:
    return getattr(error.orig, "sqlstate", None) == _QUERY_CANCELED


async def prepare(session: AsyncSession) -> None:
    await session.execute(
        text("SELECT set_config('pg_trgm.word_similarity_threshold', :threshold, true)"),
        {"threshold": str(_WORD_SIMILARITY)},
    )


async def _page_and_total(session: AsyncSession, plan: Plan) -> tuple[list[After], int, bool]:
    """The page, one record longer than asked for; the total; and whether there are more than that."""
    if plan.exact_total:
        total = await _count(session, plan.criteria, plan.visibility)
        return await _page(session, plan), total, False
    total, ends = await _up_to_the_cap(session, plan)
    if ends is None:
        return await _page(session, plan), TOTAL_CAP, True
    return ends, total, False


async def _up_to_the_cap(session: AsyncSession, plan: Plan) -> tuple[int, list[After] | None]:
    """How many records fit, counted as far as one above the cap, and their page where they are no more.

    To count the records is to find them all: so few are put in order there and then, in one pass. More
    are left to the index of the order asked for, which need not look at all of them.
    """
    where = _where(plan, plan.sort.field if plan.sort else None, counting=True)
    if plan.sort is None:
        key, order = postgres_query.score(plan.criteria, where), "key DESC, refreshed DESC, id"
    else:
        key = _key_sql(plan.sort.field)
        order = f"key {'DESC' if plan.sort.descending else 'ASC'} NULLS LAST, id"
    alias = ID[plan.entity].removesuffix(".id")
    found = (
        f"SELECT {alias}.id AS id, {alias}.last_refreshed_at AS refreshed, {key} AS key"
        f" FROM {postgres_query.source(plan.entity, where)} WHERE {where} LIMIT {TOTAL_CAP + 1}"
    )
    page = f"FROM found WHERE {_further(plan, where)} ORDER BY {order} LIMIT {plan.limit + 1}"
    points = f"ARRAY(SELECT key {page})" if plan.sort is None else "NULL"
    sql = f"""
        WITH found AS MATERIALIZED ({found}), counted AS (SELECT count(*) AS total FROM found)
        SELECT total,
               CASE WHEN total <= {TOTAL_CAP} THEN ARRAY(SELECT id {page}) END,
               CASE WHEN total <= {TOTAL_CAP} THEN {points} END
          FROM counted"""
    total, ids, keys = (await session.execute(text(sql), where.parameters)).one()
    if ids is None:
        return total, None
    return total, [After(key, ident) for ident, key in zip(ids, keys or [None] * len(ids), strict=True)]


def _further(plan: Plan, where: Where) -> str:
    """What comes after the last page, of rows with the columns id, refreshed and key."""
    after = plan.after
    if after is None:
        return "true"
    ident = where.bind(after.id)
    if plan.sort is None:
        key = where.bind(int(after.key or 0))
        refreshed = where.bind(_EPOCH + timedelta(microseconds=after.refreshed or 0))
        return (
            f"(key < {key} OR key = {key} AND (refreshed < {refreshed}"
            f" OR refreshed = {refreshed} AND id > {ident}))"
        )
    if after.key is None:
        return f"key IS NULL AND id > {ident}"
    key = where.bind(_sort_key(plan.sort, after))
    return (
        f"(key {'<' if plan.sort.descending else '>'} {key} OR key = {key} AND id > {ident} OR key IS NULL)"
    )


def _sort_key(sort: Sort, after: After) -> Any:
    """The key at which the last page ended, as its column holds it."""
    return _EPOCH + timedelta(microseconds=int(after.key or 0)) if _is_instant(sort) else after.key


async def _page(session: AsyncSession, plan: Plan) -> list[After]:
    """The ids of the page in order, one more than asked for."""
    if plan.sort is None:
        return await _page_by_text(session, plan)
    after, size = plan.after, plan.limit + 1
    found: list[After] = []
    if after is None or after.key is not None:
        found = await _keyed(session, plan, plan.sort, after, size)
    if len(found) < size and plan.sort.field.name not in _ALWAYS_PRESENT:
        rest = after if after is not None and after.key is None else None
        found += await _unkeyed(session, plan, plan.sort.field, rest, size - len(found))
    return found


def _where(plan: Plan, key: Field | None = None, *, counting: bool = False) -> Where:
    where = postgres_query.where(plan.criteria, plan.visibility, counting=counting)
    if key is not None and key.scope == "organizations":
        where.names_companies = True
    return where


def _key_sql(field: Field) -> str:
    """A sort key as an index has it: the bare column, bytewise for text."""
    if field.name == "headcount":
        return value_sql(field)
    column = postgres_query.column(field)
    return f'{column} COLLATE "C"' if field.kind == "keyword" else column


async def _keyed(
    session: AsyncSession, plan: Plan, sort: Sort, after: After | None, size: int
) -> list[After]:
    """The records that have a sort key, from where the last page ended."""
    where, key, ident = _where(plan, sort.field), _key_sql(sort.field), ID[plan.entity]
    where.predicates.append(f"{key} IS NOT NULL")
    if after is not None:
        bound = where.bind(_sort_key(sort, after))
        sign = "<" if sort.descending else ">"
        where.predicates.append(f"{key} {sign}= {bound}")
        where.predicates.append(f"({key} {sign} {bound} OR {ident} > {where.bind(after.id)})")
    order = f"{key} {'DESC' if sort.descending else 'ASC'}, {ident}"
    return await _ids(session, plan.entity, where, order, size)


def _is_instant(sort: Sort) -> bool:
    return sort.field.kind == "instant"


async def _unkeyed(
    session: AsyncSession, plan: Plan, field: Field, after: After | None, size: int
) -> list[After]:
    """The records without a sort key, by id: they stand last in either direction."""
    where, ident = _where(plan, field), ID[plan.entity]
    where.predicates.append(f"{_key_sql(field)} IS NULL")
    if after is not None:
        where.predicates.append(f"{ident} > {where.bind(after.id)}")
    return await _ids(session, plan.entity, where, ident, size)


async def _ids(session: AsyncSession, entity: Entity, where: Where, order: str, size: int) -> list[After]:
    sql = (
        f"SELECT {ID[entity]} FROM {postgres_query.source(entity, where)} WHERE {where}"
        f" ORDER BY {order} LIMIT {size}"
    )
    rows = await session.execute(text(sql), where.parameters)
    return [After(None, record) for record in rows.scalars()]


async def _page_by_text(session: AsyncSession, plan: Plan) -> list[After]:
    """The page by points, then freshness, then id."""
    where = _where(plan)
    points = postgres_query.score(plan.criteria, where)
    alias = ID[plan.entity].removesuffix(".id")
    inner = (
        f"SELECT {alias}.id AS id, {alias}.last_refreshed_at AS refreshed, {points} AS key"
        f" FROM {postgres_query.source(plan.entity, where)} WHERE {where}"
    )
    sql = (
        f"SELECT id, key FROM ({inner}) found WHERE {_further(plan, where)}"
        f" ORDER BY key DESC, refreshed DESC, id LIMIT {plan.limit + 1}"
    )
    rows = await session.execute(text(sql), where.parameters)
    return [After(row[1], row[0]) for row in rows]


def _end(plan: Plan, document: Mapping[str, Any], found: After) -> After:
    if plan.sort is None:
        return After(found.key, found.id, document["last_refreshed_at"])
    return After(document.get(plan.sort.field.path(plan.entity)), found.id)


async def _count(session: AsyncSession, criteria: Criteria, visibility: Visibility) -> int:
    where = postgres_query.where(criteria, visibility, counting=True)
    sql = f"SELECT count(*) FROM {postgres_query.source(criteria.entity, where)} WHERE {where}"
    return int((await session.execute(text(sql), where.parameters)).scalar_one())


async def _count_facets(
    session: AsyncSession, criteria: Criteria, visibility: Visibility, facets: Sequence[FacetPlan]
) -> dict[str, FacetCounts]:
    """The counts of several facets under the same criteria, from one pass over the matching records."""
    where = postgres_query.where(criteria, visibility, counting=True)
    if any(f.facet.field.scope == "organizations" for f in facets):
        where.names_companies = True
    columns = ", ".join(f"{value_sql(f.facet.field)} AS f{i}" for i, f in enumerate(facets))
    source = postgres_query.source(criteria.entity, where)
    matched = f"matched AS MATERIALIZED (SELECT {columns} FROM {source} WHERE {where})"
    each = " UNION ALL ".join(_values_of(i, f.facet.field) for i, f in enumerate(facets))
    rows = (await session.execute(text(f"WITH {matched} {each}"), where.parameters)).all()
    found: list[list[tuple[str, int]]] = [[] for _ in facets]
    for number, value, count in rows:
        found[number].append((value, count))
    return {f.facet.name: _cut(counts, f) for f, counts in zip(facets, found, strict=True)}


def _values_of(number: int, field: Field) -> str:
    """The values of one column of the matching records with their counts."""
    if field.array:
        return f"SELECT {number}, v, count(*) FROM matched CROSS JOIN LATERAL unnest(f{number}) v GROUP BY v"
    value = f"CASE WHEN f{number} THEN 'true' ELSE 'false' END" if field.kind == "boolean" else f"f{number}"
    return f"SELECT {number}, {value}, count(*) FROM matched GROUP BY f{number}"


def _cut(counts: Iterable[tuple[str, int]], wanted: FacetPlan) -> FacetCounts:
    """The most frequent values, equal counts by value, the rest as one number."""
    ordered = sorted(counts, key=lambda pair: (-pair[1], pair[0]))
    missing = next((count for value, count in ordered if value == MISSING), 0)
    kept = None if wanted.only is None else frozenset(wanted.only)
    values = [pair for pair in ordered if pair[0] != MISSING and (kept is None or pair[0] in kept)]
    other = sum(count for _, count in values[wanted.limit :])
    return FacetCounts(tuple(values[: wanted.limit]), other, missing)
