"""Answers a search: reads the request, asks the engine that can answer, and marks what is the user's own.

OpenSearch has a time budget; when it fails or exceeds it PostgreSQL answers the same plan, and a circuit
breaker keeps the next request from paying for that again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any, Final, TypeVar

from opensearchpy import AsyncOpenSearch

from core.errors import Invalid, PlanLimit
from core.logs import get_logger
from core.settings import Settings
from db.sessions import Actor, Database
from search import cursor, list_facet, present, visibility
from search.breaker import Breaker
from search.conditions import Clause, Criteria, TextPart
from search.criteria import OpenTerms, read_filters
from search.explain import Explanation
from search.fields import FACETS, RELEVANCE, RELEVANCE_WITHOUT_TEXT, SORTS, Sort
from search.opensearch import OpenSearchEngine, connect
from search.plan import EngineFailed, FacetPlan, Found, Plan
from search.postgres import PostgresEngine
from search.request import CountRequest, EngineName, Entity, FacetRequest, SearchRequest
from search.response import (
    ContactHit,
    ContactSearchResponse,
    CountResponse,
    OrganizationHit,
    OrganizationSearchResponse,
    RemovedBy,
    SearchResponse,
    SuggestResponse,
    Understood,
)
from search.selection import Selection, is_empty
from search.suggest import suggest
from search.terms import TermStore
from search.understand import read_loosely, relax, understand
from search.visibility import HiddenCache, Visibility
from search.vocabulary import nearest

log = get_logger(__name__)

T = TypeVar("T")
# What was found, by which engine, and why not by OpenSearch.
_Answer = tuple[Found, EngineName, str | None]
_DEFAULT_FACET_LIMIT: Final = 20
_PREFIX_CODES: Final = 1_000


@dataclass(frozen=True, slots=True)
class _Reading:
    """A request understood: its criteria, what the user sees, and the words for the answer."""

    criteria: Criteria
    visibility: Visibility
    terms: OpenTerms
    echo: Mapping[str, Any]


class Searcher:
    """One per process: holds the client, the breaker and what is kept between requests."""

    def __init__(self, settings: Settings, database: Database, client: AsyncOpenSearch | None = None) -> None:
        self._settings = settings
        self._database = database
        self._terms = TermStore(database)
        self._hidden = HiddenCache()
        self._postgres = PostgresEngine(database, settings.search)
        self._client = client or (connect(settings.opensearch) if settings.opensearch.url else None)
        self._opensearch = (
            OpenSearchEngine(self._client, settings.opensearch.index_prefix) if self._client else None
        )
        self._budget_s = settings.search.time_budget_ms / 1_000
        self._breaker = Breaker(
            self._ping,
            failures=settings.search.breaker_failures,
            pause_s=settings.search.breaker_pause_ms / 1_000,
            probe_timeout_s=self._budget_s,
        )

    async def close(self) -> None:
        await self._breaker.close()
        if self._client is not None:
            await self._client.close()

    @property
    def engine(self) -> EngineName:
        """The engine that the next search goes to."""
        return "opensearch" if self._opensearch is not None and self._breaker.closed else "postgres"

    @property
    def engine_reason(self) -> str | None:
        """Why OpenSearch is not asked, or None when it is."""
        return "OPENSEARCH_URL is not set" if self._opensearch is None else self._breaker.reason

    async def search(
        self, entity: Entity, request: SearchRequest, actor: Actor, *, depth: int | None = None
    ) -> SearchResponse:
        """A page of what fits, among the first `depth` records.

        Raises `Invalid`, `cursor.BadCursor`, `visibility.UnknownList`, and `PlanLimit` beyond the depth.
        """
        started = perf_counter()
        reading, plan, only, (found, engine, reason) = await self._first_answer(
            entity, request, actor, depth=depth
        )
        for text in self._other_readings(request, reading) if found.total == 0 else ():
            criteria = Criteria(entity, reading.criteria.clauses, text)
            reading = replace(reading, criteria=criteria)
            plan = replace(plan, criteria=criteria)
            found, engine, reason = await self._carry_out(plan, only, request.engine)
            if found.total:
                break
        response = await self._present(entity, request, reading, plan, found)
        await self._count_lists(request, plan, response)
        response.engine = engine
        response.engine_reason = reason
        if found.more and found.ends:
            response.cursor = cursor.encode(
                cursor.Place(
                    found.ends[-1], plan.given + len(found.ends), engine if plan.sort is None else None
                ),
                entity=entity,
                request=request,
                secret=self._settings.auth.jwt_secret,
            )
        response.took_ms = round((perf_counter() - started) * 1_000)
        return response

    async def _count_lists(self, request: SearchRequest, plan: Plan, response: SearchResponse) -> None:
        """Add the facet of the user's lists, if it is asked for and could be counted in time."""
        wanted = list_facet.asked(request.facets, limit=_DEFAULT_FACET_LIMIT)
        if wanted is None:
            return
        seen = list_facet.without_selection(plan.visibility, request)
        within_s = self._settings.search.fallback_facet_budget_ms / 1_000
        found = await list_facet.count(self._database, plan.criteria, seen, within_s=within_s)
        if found is None:
            response.missing_facets.append(list_facet.NAME)
            return
        lists, members = found
        nowhere = list_facet.on_none_of(seen, [one[0] for one in lists], members)
        missing, _, _ = await self._ask(lambda engine: engine.count(plan.criteria, nowhere), request.engine)
        response.facets[list_facet.NAME] = list_facet.present(wanted, lists, missing)

    async def count(self, entity: Entity, request: CountRequest, actor: Actor) -> CountResponse:
        """How many records fit, exactly."""
        started = perf_counter()
        reading = await self._read(entity, request, actor)
        total, engine, _ = await self._ask(
            lambda engine: engine.count(reading.criteria, reading.visibility), request.engine
        )
        took_ms = round((perf_counter() - started) * 1_000)
        return CountResponse(total_entries=total, engine=engine, took_ms=took_ms)

    async def check(self, entity: Entity, request: SearchRequest, actor: Actor) -> None:
        """Raise whatever a search of this request would be refused with."""
        self._plan(request, await self._read(entity, request, actor))

    async def selection(
        self, entity: Entity, request: CountRequest, actor: Actor, *, relaxed: bool = True
    ) -> Selection:
        """Everything that a search of these words finds, read as the search itself reads it.

        Unless `relaxed`, the text has its first reading only, whether or not anything fits it.
        """
        reading = await self._read(entity, request, actor)
        selected = Selection(reading.criteria, reading.visibility)
        if not relaxed:
            return selected
        async with self._database.transaction(actor, read_only=True) as session:
            for text in self._other_readings(request, reading):
                if not await is_empty(session, selected):
                    break
                selected = Selection(Criteria(entity, reading.criteria.clauses, text), reading.visibility)
        return selected

    async def terms(self) -> OpenTerms:
        """The open vocabularies, as old as they may be."""
        return await self._terms.current()

    async def suggest(self, field: str, prefix: str, actor: Actor, *, limit: int = 10) -> SuggestResponse:
        """Completions of what somebody types; raises `Invalid` for a field that has none."""
        terms = await self._terms.current()
        async with self._database.transaction(actor, read_only=True) as session:
            seen = await visibility.load(session, CountRequest(), "contacts", actor=actor, cache=self._hidden)
            return await suggest(session, field, prefix, limit=limit, seen=seen, terms=terms)

    async def _ping(self) -> None:
        if self._opensearch is not None:
            await self._opensearch.ping()

    async def _first_answer(
        self, entity: Entity, request: SearchRequest, actor: Actor, *, depth: int | None
    ) -> tuple[_Reading, Plan, EngineName | None, _Answer]:
        """The request read, and what the engine says to it.

        What somebody sees is nearly always what they saw a moment ago. So the engine is asked under that
        while the database is asked whether it still holds; an answer that it does not bear out is dropped.
        """
        guess = self._guess(entity, request, actor)
        if guess is None:
            reading = await self._read(entity, request, actor)
            plan, only = self._plan(request, reading, depth=depth)
            return reading, plan, only, await self._carry_out(plan, only, request.engine)
        clauses, echo, terms = await self._filters(request)
        reading = _Reading(Criteria(entity, tuple(clauses)), guess, terms, echo)
        plan, only = self._plan(request, reading, depth=depth)
        ahead = asyncio.create_task(self._carry_out(plan, only, request.engine))
        try:
            holds = await visibility.confirms(self._database, guess)
        except BaseException:
            await _drop(ahead)
            raise
        if holds:
            return reading, plan, only, await ahead
        await _drop(ahead)
        reading = await self._read(entity, request, actor)
        plan = replace(plan, visibility=reading.visibility)
        return reading, plan, only, await self._carry_out(plan, only, request.engine)

    def _guess(self, entity: Entity, request: SearchRequest, actor: Actor) -> Visibility | None:
        """What the user probably sees; None where the text must be read first, or PostgreSQL answers."""
        if request.q or request.engine == "postgres" or self.engine == "postgres":
            return None
        return self._hidden.guess(request, entity, actor)

    async def _read(self, entity: Entity, request: CountRequest, actor: Actor) -> _Reading:
        clauses, echo, terms = await self._filters(request)
        async with self._database.transaction(actor, read_only=True) as session:
            seen = await visibility.load(session, request, entity, actor=actor, cache=self._hidden)
            text = await understand(session, request.q, entity=entity, terms=terms)
        return _Reading(Criteria(entity, tuple(clauses), text), seen, terms, echo)

    async def _filters(self, request: CountRequest) -> tuple[list[Clause], dict[str, Any], OpenTerms]:
        """The filters under the vocabulary at hand, and under a fresh one before they are refused."""
        terms = await self._terms.current()
        try:
            return *read_filters(request, terms=terms), terms
        except Invalid:
            fresh = await self._terms.fresh()
            return *read_filters(request, terms=fresh), fresh

    def _plan(
        self, request: SearchRequest, reading: _Reading, *, depth: int | None = None
    ) -> tuple[Plan, EngineName | None]:
        """The plan, and the only engine that can carry it out where its cursor says so."""
        entity = reading.criteria.entity
        errors: list[dict[str, Any]] = []
        sort = _sort(entity, request.sort, errors, has_text=bool(reading.criteria.text))
        facets = _facets(entity, list_facet.others(request.facets), reading.terms, errors)
        if errors:
            raise Invalid(errors[0]["message"], errors=errors)
        place = None
        if request.cursor is not None:
            place = cursor.decode(
                request.cursor, entity=entity, request=request, secret=self._settings.auth.jwt_secret
            )
        given = place.given if place else 0
        if depth is not None and given >= depth:
            raise PlanLimit(
                f"The plan shows the first {depth:,} records of a search. Narrow it down.",
                limit=depth,
                of="search_depth",
            )
        plan = Plan(
            criteria=reading.criteria,
            visibility=reading.visibility,
            sort=sort,
            limit=request.limit if depth is None else min(request.limit, depth - given),
            after=place.after if place else None,
            given=given,
            exact_total=request.total == "exact",
            facets=facets,
            explain=request.explain,
        )
        return plan, place.engine if place else None

    @staticmethod
    def _other_readings(request: CountRequest, reading: _Reading) -> list[tuple[TextPart, ...]]:
        """When nothing fits the text as it was read: what may still find what is meant, in turn."""
        text = reading.criteria.text
        entity = reading.criteria.entity
        other = (relax(text), read_loosely(request.q, entity=entity, terms=reading.terms))
        return [each for each in dict.fromkeys(other) if each and each != text]

    async def _carry_out(self, plan: Plan, only: EngineName | None, wanted: EngineName | None) -> _Answer:
        return await self._ask(lambda engine: engine.search(plan), only or wanted, may_fall_back=only is None)

    async def _ask(
        self,
        question: Callable[[OpenSearchEngine | PostgresEngine], Awaitable[T]],
        wanted: EngineName | None,
        *,
        may_fall_back: bool = True,
    ) -> tuple[T, EngineName, str | None]:
        """The answer, the engine that gave it, and why it was not OpenSearch."""
        if wanted == "postgres":
            return await question(self._postgres), "postgres", "asked for"
        if self._opensearch is not None and self._breaker.closed:
            try:
                async with asyncio.timeout(self._budget_s):
                    answer = await question(self._opensearch)
            except TimeoutError:
                self._breaker.failed(f"no answer within {self._settings.search.time_budget_ms} ms")
            except EngineFailed as error:
                self._breaker.failed(str(error))
            else:
                self._breaker.succeeded()
                return answer, "opensearch", None
        if not may_fall_back:
            raise cursor.other_engine()
        return await question(self._postgres), "postgres", self.engine_reason or "OpenSearch failed"

    async def _present(
        self,
        entity: Entity,
        request: SearchRequest,
        reading: _Reading,
        plan: Plan,
        found: Found,
    ) -> SearchResponse:
        marks = present.Marks(frozenset(), frozenset(), frozenset())
        if found.documents:
            ids = [document["id"] for document in found.documents]
            marks = await present.read_marks(self._database, reading.visibility, ids)
        # What has left the catalogue since it was indexed is not shown for another moment.
        shown = [document for document in found.documents if document["id"] in marks.existing]
        explanation = Explanation(plan.criteria, reading.terms) if request.explain else None
        why = [explanation.reasons(document) if explanation else None for document in shown]
        counted = {
            name: present.facet(counts, FACETS[entity][name], reading.terms)
            for name, counts in found.facets.items()
        }
        page: dict[str, Any] = {
            "total_entries": found.total,
            "total_is_lower_bound": found.total_is_lower_bound,
            "facets": counted,
            "missing_facets": list(found.late_facets),
            "applied_filters": dict(reading.echo),
            "understood": [
                Understood(part=part.part, text=part.text, means=list(part.means))
                for part in reading.criteria.text
            ],
            "removed_by": _removed(found) if request.explain else None,
            "engine": "postgres",
            "took_ms": 0,
        }
        seen = reading.visibility
        if entity == "contacts":
            contacts: list[ContactHit] = [
                present.contact_hit(d, seen, marks, w) for d, w in zip(shown, why, strict=True)
            ]
            return ContactSearchResponse(results=contacts, **page)
        organizations: list[OrganizationHit] = [
            present.organization_hit(d, seen, marks, w) for d, w in zip(shown, why, strict=True)
        ]
        return OrganizationSearchResponse(results=organizations, **page)


async def _drop(task: asyncio.Task[_Answer]) -> None:
    """Stop a question whose answer nobody wants any more, whatever it was."""
    task.cancel()
    await asyncio.wait([task])
    if not task.cancelled():
        task.exception()


def _removed(found: Found) -> list[RemovedBy]:
    return [RemovedBy(path=f"filters.{path}", removes=removes) for path, removes in found.removed.items()]


def _sort(entity: Entity, name: str, errors: list[dict[str, Any]], *, has_text: bool) -> Sort | None:
    """The order asked for; None is by relevance of the text, which needs one."""
    if name == RELEVANCE:
        return None if has_text else SORTS[entity][RELEVANCE_WITHOUT_TEXT]
    if name not in SORTS[entity]:
        allowed = [RELEVANCE, *SORTS[entity]]
        near = nearest(name, allowed) or tuple(allowed)
        message = f"{name!r} is not an order of {entity}"
        errors.append({"path": "sort", "message": message, "allowed": list(near)})
        return None
    return SORTS[entity][name]


def _facets(
    entity: Entity, wanted: list[str | FacetRequest], terms: OpenTerms, errors: list[dict[str, Any]]
) -> tuple[FacetPlan, ...]:
    plans: dict[str, FacetPlan] = {}
    for position, each in enumerate(wanted):
        asked = FacetRequest(field=each, limit=_DEFAULT_FACET_LIMIT) if isinstance(each, str) else each
        facet = FACETS[entity].get(asked.field)
        if facet is None:
            near = nearest(asked.field, FACETS[entity]) or tuple(FACETS[entity])
            message = f"{asked.field[:80]!r} is not a facet of {entity}"
            errors.append({"path": f"facets[{position}]", "message": message, "allowed": list(near)})
            continue
        only = None
        if asked.prefix is not None:
            only = present.codes_beginning(facet.vocabulary, asked.prefix, terms, limit=_PREFIX_CODES)
        plans[facet.name] = FacetPlan(facet, asked.limit, only)
    return tuple(plans.values())
