"""The engine of every day: one `_msearch` of the page and one size-0 search per facet.

A lone aggregation in a search of its own is several times faster than the textbook form (post_filter with
filter aggregations), and exact. Hidden records come in as the bitmap of what is visible.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import orjson
from opensearchpy import AsyncOpenSearch
from opensearchpy.exceptions import ConnectionError, ConnectionTimeout, OpenSearchException  # noqa: A004
from opensearchpy.serializer import JSONSerializer
from pyroaring import BitMap

from core.settings import OpenSearchSettings
from search import documents, opensearch_query
from search.conditions import Criteria
from search.documents import MISSING, NO_ORGANIZATION
from search.fields import FIELDS
from search.plan import (
    TOTAL_CAP,
    After,
    EngineFailed,
    FacetCounts,
    FacetPlan,
    Found,
    Plan,
    explained_paths,
    facet_criteria,
)
from search.request import EngineName, Entity
from search.visibility import Visibility, encode

# A terms aggregation may answer with 65,535 buckets; companies are counted in portions below that.
_PORTION: Final = 40_000


class OrjsonSerializer(JSONSerializer):
    """Bodies are written by hand (ndjson) and read by orjson, half the time of the default."""

    def loads(self, s: Any) -> Any:
        return orjson.loads(s)


def connect(settings: OpenSearchSettings) -> AsyncOpenSearch:
    """A client for searching: no retries, for a second try would outlast the person's patience."""
    return AsyncOpenSearch(
        hosts=[settings.url],
        max_retries=0,
        retry_on_timeout=False,
        serializer=OrjsonSerializer(),
        http_compress=False,
        maxsize=32,
    )


class OpenSearchEngine:
    """Answers plans from the indices behind the aliases of contacts and organizations as we read them."""

    name: EngineName = "opensearch"

    def __init__(self, client: AsyncOpenSearch, index_prefix: str) -> None:
        self._client = client
        self._aliases = {
            entity: documents.search_alias(f"{index_prefix}{entity}", documents.schema_hash(entity))
            for entity in FIELDS
        }

    async def search(self, plan: Plan) -> Found:
        """Raises `EngineFailed` when any part of the answer is missing or not whole."""
        scope = await self._scope(plan.criteria, plan.visibility)
        searches = [_page(plan, scope), *([_total(plan.criteria, scope)] if plan.exact_total else [])]
        searches += [_facet(plan.criteria, facet, scope) for facet in plan.facets]
        paths = explained_paths(plan.criteria) if plan.explain else ()
        if plan.explain:
            searches.append(_total(plan.criteria, scope))
            searches += [_total(c, s) for c, s in [await self._without(plan, path) for path in paths]]
        answers = iter(await self._msearch(plan.entity, searches))
        page = next(answers)
        total = page["hits"].get("total")
        if plan.exact_total:
            total = next(answers)["hits"]["total"]
        counts = {f.facet.name: _read_facet(f, next(answers)) for f in plan.facets}
        removed: dict[str, int | None] = {}
        if plan.explain:
            kept = next(answers)["hits"]["total"]["value"]
            removed = {path: next(answers)["hits"]["total"]["value"] - kept for path in paths}
        return _found(
            plan,
            page["hits"]["hits"],
            total,
            facets=await self._complete(plan, scope, counts),
            removed=removed,
        )

    async def count(self, criteria: Criteria, visibility: Visibility) -> int:
        scope = await self._scope(criteria, visibility)
        answer = (await self._msearch(criteria.entity, [_total(criteria, scope)]))[0]
        return int(answer["hits"]["total"]["value"])

    async def ping(self) -> None:
        """Both aliases answer a search; raises `EngineFailed` otherwise."""
        everything = {"size": 0, "query": opensearch_query.MATCH_ALL, "track_total_hits": False}
        await self._msearch("contacts", [everything])
        await self._msearch("organizations", [everything])

    async def _without(self, plan: Plan, path: str) -> tuple[Criteria, list[dict[str, Any]]]:
        criteria = plan.criteria.without(path)
        return criteria, await self._scope(criteria, plan.visibility)

    async def _scope(self, criteria: Criteria, visibility: Visibility) -> list[dict[str, Any]]:
        """The filters of visibility and, in a search for organizations, of the people they must have."""
        filters = visibility.opensearch_filters()
        people = tuple(c for c in criteria.clauses if c.scope == "contacts")
        if criteria.entity == "organizations" and people:
            ids = await self._employers(Criteria("contacts", people), visibility)
            filters.append({"terms": {"id": [encode(ids)], "value_type": "bitmap"}})
        return filters

    async def _employers(self, people: Criteria, visibility: Visibility) -> BitMap:
        """The companies at which at least one visible person meets the criteria."""
        query = opensearch_query.query(people, visibility.opensearch_filters("contacts"), scored=False)
        portions = visibility.highest_organization // _PORTION + 1
        searches = [
            {
                "size": 0,
                "track_total_hits": False,
                "query": query,
                "aggs": {
                    "values": {
                        "terms": {
                            "field": "organization_id",
                            "size": 65_000,
                            **(
                                {"include": {"partition": portion, "num_partitions": portions}}
                                if portions > 1
                                else {}
                            ),
                        }
                    }
                },
            }
            for portion in range(portions)
        ]
        ids = BitMap()
        for answer in await self._msearch("contacts", searches):
            ids.update(int(bucket["key"]) for bucket in answer["aggregations"]["values"]["buckets"])
        ids.discard(NO_ORGANIZATION)
        return ids

    async def _complete(
        self, plan: Plan, scope: list[dict[str, Any]], counts: dict[str, FacetCounts]
    ) -> dict[str, FacetCounts]:
        """Count the records without a value where they were too few to be among the buckets."""
        unsure = [f for f in plan.facets if counts[f.facet.name].missing < 0]
        if not unsure:
            return counts
        searches = []
        for f in unsure:
            query = _query(facet_criteria(plan.criteria, f.facet), scope, scored=False)
            none = {"term": {f.facet.field.path(plan.entity): MISSING}}
            searches.append(
                {"size": 0, "track_total_hits": True, "query": {"bool": {"filter": [query, none]}}}
            )
        for f, answer in zip(unsure, await self._msearch(plan.entity, searches), strict=True):
            missing = int(answer["hits"]["total"]["value"])
            before = counts[f.facet.name]
            counts[f.facet.name] = FacetCounts(before.values, before.other - missing, missing)
        return counts

    async def _msearch(self, entity: Entity, searches: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        header = orjson.dumps({"index": self._aliases[entity]})
        body = b"".join(b"%b\n%b\n" % (header, orjson.dumps(search)) for search in searches)
        try:
            answer = await self._client.msearch(body=body.decode())
        except OpenSearchException as error:
            raise EngineFailed(_reason(error)) from error
        answers: list[dict[str, Any]] = answer["responses"]
        for each in answers:
            if "error" in each:
                raise EngineFailed(str(each["error"].get("type", each["error"])))
            if each["timed_out"] or each["_shards"]["failed"]:
                raise EngineFailed("not every shard answered")
        return answers


def _reason(error: OpenSearchException) -> str:
    """What happened, in words that any user may read: no host, port or path of this installation."""
    if isinstance(error, ConnectionTimeout):
        return "OpenSearch did not answer in time"
    if isinstance(error, ConnectionError):
        return "OpenSearch cannot be reached"
    kind = getattr(error, "error", None)
    return kind if isinstance(kind, str) and kind.isidentifier() else type(error).__name__


def _query(criteria: Criteria, scope: Iterable[dict[str, Any]], *, scored: bool) -> dict[str, Any]:
    if criteria.entity == "organizations":
        own = tuple(c for c in criteria.clauses if c.scope == "organizations")
        criteria = Criteria("organizations", own, criteria.text)
    return opensearch_query.query(criteria, scope, scored=scored)


def _total(criteria: Criteria, scope: list[dict[str, Any]]) -> dict[str, Any]:
    return {"size": 0, "track_total_hits": True, "query": _query(criteria, scope, scored=False)}


def _page(plan: Plan, scope: list[dict[str, Any]]) -> dict[str, Any]:
    """The page, one record longer than asked for, so that the answer knows whether there is more."""
    by_text = plan.sort is None
    scope = list(scope)
    body: dict[str, Any] = {
        "size": plan.limit + 1,
        "track_total_hits": False if plan.exact_total else TOTAL_CAP,
    }
    after = plan.after
    if plan.sort is None:
        body["sort"] = [{"_score": "desc"}, {"last_refreshed_at": "desc"}, {"id": "asc"}]
        if after is not None:
            body["search_after"] = [after.key, after.refreshed, after.id]
    else:
        path = plan.sort.field.path(plan.entity)
        order = "desc" if plan.sort.descending else "asc"
        body["sort"] = [{path: {"order": order, "missing": "_last"}}, {"id": "asc"}]
        if after is not None and after.key is not None:
            body["search_after"] = [after.key, after.id]
        elif after is not None:
            # The rest has no key: what remains is ordered by id alone.
            scope.append({"bool": {"must_not": [{"exists": {"field": path}}]}})
            body["sort"] = [{"id": "asc"}]
            body["search_after"] = [after.id]
    body["query"] = _query(plan.criteria, scope, scored=by_text)
    return body


def _facet(criteria: Criteria, plan: FacetPlan, scope: list[dict[str, Any]]) -> dict[str, Any]:
    terms: dict[str, Any] = {
        "field": plan.facet.field.path(criteria.entity),
        "size": plan.limit + 1,
        "order": [{"_count": "desc"}, {"_key": "asc"}],
    }
    if plan.only is not None:
        terms["include"] = [*plan.only, MISSING]
    return {
        "size": 0,
        "track_total_hits": False,
        "query": _query(facet_criteria(criteria, plan.facet), scope, scored=False),
        "aggs": {"values": {"terms": terms}},
    }


def _read_facet(plan: FacetPlan, answer: Mapping[str, Any]) -> FacetCounts:
    """The counts of a facet; `missing` is -1 when it was not among the buckets and may not be nought."""
    found = answer["aggregations"]["values"]
    counts = [(str(b.get("key_as_string", b["key"])), int(b["doc_count"])) for b in found["buckets"]]
    missing = next((count for value, count in counts if value == MISSING), None)
    values = [(value, count) for value, count in counts if value != MISSING]
    other = int(found["sum_other_doc_count"]) + sum(count for _, count in values[plan.limit :])
    if missing is None:
        missing = -1 if other and plan.facet.field.kind == "keyword" else 0
    return FacetCounts(tuple(values[: plan.limit]), other, missing)


def _found(
    plan: Plan,
    hits: list[dict[str, Any]],
    total: Mapping[str, Any] | None,
    *,
    facets: Mapping[str, FacetCounts],
    removed: Mapping[str, int | None],
) -> Found:
    if total is None:
        raise EngineFailed("no total in the answer")
    page = hits[: plan.limit]
    return Found(
        documents=tuple(hit["_source"] for hit in page),
        ends=tuple(_end(plan, hit) for hit in page),
        more=len(hits) > plan.limit,
        total=int(total["value"]),
        total_is_lower_bound=total["relation"] == "gte",
        facets=facets,
        removed=removed,
    )


def _end(plan: Plan, hit: Mapping[str, Any]) -> After:
    source = hit["_source"]
    if plan.sort is None:
        return After(hit["sort"][0], source["id"], source["last_refreshed_at"])
    return After(source.get(plan.sort.field.path(plan.entity)), source["id"])
