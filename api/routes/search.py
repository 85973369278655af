"""Searching: pages, facets and counts of contacts and organizations."""

from typing import Any, Final, cast

from api.auth import NotAllowed
from api.operations import Call, Operation, operation
from core.errors import PlanLimit
from search.cursor import BadCursor
from search.request import CountRequest, SearchRequest
from search.response import ContactSearchResponse, CountResponse, OrganizationSearchResponse
from search.visibility import UnknownList

_ICP: Final[dict[str, Any]] = {
    "contacts": {
        "include": {"titles": ["VP Sales"], "seniorities": ["vp", "director"], "countries": ["DE", "AT"]}
    },
    "organizations": {
        "include": {"num_employees": {"min": 50, "max": 1000}, "headcount_bands": ["51-200"]},
        "exclude": {"countries": ["CH"]},
    },
}


@operation(
    "POST",
    "/v1/contacts/search",
    tag="Search",
    summary="Search people",
    scope="read",
    errors=(BadCursor, UnknownList, NotAllowed, PlanLimit),
    example={"filters": _ICP, "facets": ["seniorities", "industries", "countries"], "limit": 25},
    links={"contact_id": "$response.body#/results/0/id"},
)
async def search_contacts(call: Call, body: SearchRequest) -> ContactSearchResponse:
    """People who fit an ICP, in pages, with exact counts beside the filters and without what you have
    hidden. `engine` says which engine answered: when OpenSearch does not, PostgreSQL does. Pages go as deep
    as the plan allows (`search_depth` of its limits); the cursor beyond that is answered with 402.
    """
    _check_engine(call, body)
    answer = await call.services.searcher.search("contacts", body, call.actor, depth=call.user.search_depth)
    return cast("ContactSearchResponse", answer)


@operation(
    "POST",
    "/v1/contacts/count",
    tag="Search",
    summary="Count people",
    scope="read",
    errors=(UnknownList, NotAllowed),
    example={"filters": _ICP},
)
async def count_contacts(call: Call, body: CountRequest) -> CountResponse:
    """How many people fit, exactly; what you have hidden is not counted."""
    _check_engine(call, body)
    return await call.services.searcher.count("contacts", body, call.actor)


@operation(
    "POST",
    "/v1/organizations/search",
    tag="Search",
    summary="Search companies",
    scope="read",
    errors=(BadCursor, UnknownList, NotAllowed, PlanLimit),
    example={
        "q": "semiconductors",
        "filters": {"organizations": {"include": {"locations": ["Texas"]}}},
        "facets": ["industries", "headcount_bands"],
    },
    links={"organization_id": "$response.body#/results/0/id"},
)
async def search_organizations(call: Call, body: SearchRequest) -> OrganizationSearchResponse:
    """Companies that fit. Filters on contacts mean: at least one visible person there fits them all. Pages go
    as deep as the plan allows, as those of people do.
    """
    _check_engine(call, body)
    answer = await call.services.searcher.search(
        "organizations", body, call.actor, depth=call.user.search_depth
    )
    return cast("OrganizationSearchResponse", answer)


@operation(
    "POST",
    "/v1/organizations/count",
    tag="Search",
    summary="Count companies",
    scope="read",
    errors=(UnknownList, NotAllowed),
    example={"filters": _ICP},
)
async def count_organizations(call: Call, body: CountRequest) -> CountResponse:
    """How many companies fit, exactly; what you have hidden is not counted."""
    _check_engine(call, body)
    return await call.services.searcher.count("organizations", body, call.actor)


def _check_engine(call: Call, request: CountRequest) -> None:
    """Naming the engine is for administrators who compare them: anybody else could load the slower one."""
    if request.engine is not None and call.user.role != "admin":
        raise NotAllowed("Only an administrator may choose the engine.")


OPERATIONS: Final[list[Operation]] = [
    search_contacts,
    count_contacts,
    search_organizations,
    count_organizations,
]
