"""Saved ICPs: searches with a name, versioned, run again, counted and shared."""

from datetime import datetime
from typing import Annotated, Any, Final, Literal, cast
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from api.operations import Call, Operation, operation
from api.routes.hidden import Page
from core.errors import NotFound, PlanLimit
from domain import icps
from domain.accounts import BadAddress
from domain.icps import BrokenIcp, IcpRoleTooLow, StaleVersion, TooManyMembers
from domain.paging import WrongCursor
from domain.roles import Role
from search.cursor import BadCursor
from search.request import MAX_LIMIT, FacetRequest, Form, SearchRequest, Value
from search.response import Answer, ContactHit, CountResponse, Facet, OrganizationHit, RemovedBy, Understood
from search.visibility import UnknownList

EntityName = Literal["contacts", "organizations"]
Name = Annotated[str, Meta(min_length=1, max_length=200, examples=["Heads of sales in Berlin"])]
Notes = Annotated[str, Meta(max_length=5_000)]
Tags = Annotated[list[Annotated[str, Meta(min_length=1, max_length=60)]], Meta(max_length=20)]
Address = Annotated[str, Meta(min_length=3, max_length=320, examples=["bob@example.com"])]


class IcpPath(Form, frozen=True):
    icp_id: UUID


class IcpMemberPath(IcpPath, frozen=True):
    email: Address


class IcpsPage(Page, frozen=True):
    tag: Annotated[str, Meta(min_length=1, max_length=60, description="Only those with this tag")] | None = (
        None
    )


class NewIcp(Form, frozen=True):
    """`request` is exactly what a search takes, but for a cursor."""

    name: Name
    entity: EntityName = "contacts"
    request: SearchRequest = SearchRequest()
    notes: Notes | None = None
    tags: Tags = msgspec.field(default_factory=list)


class IcpChanges(Form, frozen=True):
    """What is not given stays. With `version`, nothing is changed if the ICP is no longer at it."""

    name: Name | UnsetType = UNSET
    request: SearchRequest | UnsetType = UNSET
    notes: Notes | UnsetType | None = UNSET
    tags: Tags | UnsetType = UNSET
    version: Annotated[int, Meta(ge=1)] | None = None


class RunOptions(Form, frozen=True):
    """What a run may choose otherwise than the saved request; what is not given is as saved."""

    facets: Annotated[list[Value | FacetRequest], Meta(max_length=20)] | None = None
    sort: Annotated[str, Meta(max_length=40)] | None = None
    limit: Annotated[int, Meta(ge=1, le=MAX_LIMIT)] | None = None
    cursor: Annotated[str, Meta(max_length=4_000)] | None = None
    total: Literal["capped", "exact"] | None = None
    explain: bool | None = None


class CopyName(Form, frozen=True):
    name: Name | None = None


class NewIcpRole(Form, frozen=True):
    role: Role = "viewer"


class ProblemAnswer(Answer):
    path: str
    message: str


class IcpAnswer(Answer):
    """`request` is what is stored. `problems` (of one ICP, not in lists of them) are what the search would
    refuse by now: a value that no record has any more, a list that is gone.
    """

    id: UUID
    user_id: UUID
    name: str
    entity: EntityName
    request: dict[str, Any]
    notes: str | None
    tags: list[str]
    version: int
    role: Role
    created_at: datetime
    updated_at: datetime
    problems: list[ProblemAnswer] | None = None


class IcpsAnswer(Answer):
    results: list[IcpAnswer]
    cursor: str | None


class VersionAnswer(Answer):
    version: int
    request: dict[str, Any]
    changed_by: UUID | None
    created_at: datetime


class VersionsAnswer(Answer):
    results: list[VersionAnswer]


class IcpMemberAnswer(Answer):
    email: str
    role: Role
    created_at: datetime


class IcpMembersAnswer(Answer):
    results: list[IcpMemberAnswer]


class RunAnswer(Answer):
    """The answer of the search of the ICP's entity, and the version that was run."""

    results: list[dict[str, Any]]
    icp_version: int
    total_entries: int
    total_is_lower_bound: bool
    facets: dict[str, Facet]
    missing_facets: list[str]
    cursor: str | None
    applied_filters: dict[str, Any]
    understood: list[Understood]
    removed_by: list[RemovedBy] | None
    engine: Literal["opensearch", "postgres"]
    engine_reason: str | None
    took_ms: int


@operation(
    "POST",
    "/v1/icps",
    tag="ICPs",
    summary="Save a search",
    session="write",
    status=201,
    errors=(PlanLimit, UnknownList),
    example={
        "name": "VPs of sales",
        "request": {"filters": {"contacts": {"include": {"titles": ["VP Sales"]}}}},
    },
    links={"icp_id": "$response.body#/id"},
)
async def create_icp(call: Call, body: NewIcp) -> IcpAnswer:
    """It is checked as the search checks it. How many you can have is your plan's to say."""
    made = await icps.create(
        call.session,
        call.services.searcher,
        actor=call.actor,
        user_id=call.user_id,
        name=body.name,
        entity=body.entity,
        request=body.request,
        notes=body.notes,
        tags=body.tags,
    )
    return _answer(made)


@operation("GET", "/v1/icps", tag="ICPs", summary="Your saved ICPs", session="read", errors=(WrongCursor,))
async def list_icps(call: Call, query: IcpsPage) -> IcpsAnswer:
    """Your own and those shared with you, the latest first."""
    page = await icps.page(
        call.session, user_id=call.user_id, tag=query.tag, limit=query.limit, cursor=query.cursor
    )
    return IcpsAnswer(results=[_answer(icp) for icp in page.icps], cursor=page.cursor)


@operation("GET", "/v1/icps/{icp_id}", tag="ICPs", summary="One ICP", session="read", errors=(NotFound,))
async def show_icp(call: Call, path: IcpPath) -> IcpAnswer:
    """With what the search would refuse in it by now."""
    found = await icps.get(call.session, user_id=call.user_id, icp_id=path.icp_id)
    answer = _answer(found)
    problems = await icps.problems(call.services.searcher, found, call.actor)
    answer.problems = [ProblemAnswer(path=p["path"], message=p["message"]) for p in problems]
    return answer


@operation(
    "PATCH",
    "/v1/icps/{icp_id}",
    tag="ICPs",
    summary="Change an ICP",
    session="write",
    errors=(NotFound, IcpRoleTooLow, StaleVersion, UnknownList),
    example={"name": "VPs of sales in Berlin", "version": 1},
)
async def change_icp(call: Call, path: IcpPath, body: IcpChanges) -> IcpAnswer:
    """For editors. Another `request` makes a new version; the earlier ones are kept."""
    return _answer(
        await icps.change(
            call.session,
            call.services.searcher,
            actor=call.actor,
            user_id=call.user_id,
            icp_id=path.icp_id,
            name=body.name,
            request=body.request,
            notes=body.notes,
            tags=body.tags,
            version=body.version,
        )
    )


@operation(
    "DELETE",
    "/v1/icps/{icp_id}",
    tag="ICPs",
    summary="Delete an ICP",
    session="write",
    errors=(NotFound, IcpRoleTooLow),
)
async def delete_icp(call: Call, path: IcpPath) -> None:
    """With all its versions, for the one whose ICP it is."""
    await icps.delete(call.session, user_id=call.user_id, icp_id=path.icp_id)


@operation(
    "POST",
    "/v1/icps/{icp_id}/search",
    tag="ICPs",
    summary="Run an ICP",
    scope="read",
    session="read",
    errors=(NotFound, UnknownList, BadCursor, BrokenIcp, PlanLimit),
    example={"limit": 10},
)
async def run_icp(call: Call, path: IcpPath, body: RunOptions) -> RunAnswer:
    """The same answer as the search of its request: what you have hidden is not in it, whoever saved it, and
    pages go as deep as your plan allows.
    """
    found = await icps.get(call.session, user_id=call.user_id, icp_id=path.icp_id)
    chosen = {name: value for name, value in msgspec.structs.asdict(body).items() if value is not None}
    request = msgspec.structs.replace(found.request(), **chosen)
    answer = await call.services.searcher.search(
        found.entity, request, call.actor, depth=call.user.search_depth
    )
    hits = cast("list[ContactHit | OrganizationHit]", answer.results)
    return RunAnswer(
        results=[msgspec.to_builtins(hit) for hit in hits],
        icp_version=found.version,
        total_entries=answer.total_entries,
        total_is_lower_bound=answer.total_is_lower_bound,
        facets=answer.facets,
        missing_facets=answer.missing_facets,
        cursor=answer.cursor,
        applied_filters=answer.applied_filters,
        understood=answer.understood,
        removed_by=answer.removed_by,
        engine=answer.engine,
        engine_reason=answer.engine_reason,
        took_ms=answer.took_ms,
    )


@operation(
    "POST",
    "/v1/icps/{icp_id}/count",
    tag="ICPs",
    summary="Count what fits an ICP",
    scope="read",
    session="read",
    errors=(NotFound, UnknownList, BrokenIcp),
)
async def count_icp(call: Call, path: IcpPath) -> CountResponse:
    """How many fit, exactly; what you have hidden is not counted."""
    found = await icps.get(call.session, user_id=call.user_id, icp_id=path.icp_id)
    return await call.services.searcher.count(found.entity, found.request(), call.actor)


@operation(
    "POST",
    "/v1/icps/{icp_id}/duplicate",
    tag="ICPs",
    summary="Copy an ICP",
    session="write",
    status=201,
    errors=(NotFound, PlanLimit),
    example={"name": "The same in Vienna"},
)
async def duplicate_icp(call: Call, path: IcpPath, body: CopyName) -> IcpAnswer:
    """A copy of your own, also of one that is shared with you."""
    return _answer(
        await icps.duplicate(call.session, user_id=call.user_id, icp_id=path.icp_id, name=body.name)
    )


@operation(
    "GET",
    "/v1/icps/{icp_id}/versions",
    tag="ICPs",
    summary="Earlier versions of an ICP",
    session="read",
    errors=(NotFound,),
)
async def list_icp_versions(call: Call, path: IcpPath) -> VersionsAnswer:
    """Every request it has stood for, the latest first."""
    found = await icps.versions(call.session, user_id=call.user_id, icp_id=path.icp_id)
    results = [
        VersionAnswer(
            version=one.version, request=one.filters, changed_by=one.changed_by, created_at=one.created_at
        )
        for one in found
    ]
    return VersionsAnswer(results=results)


@operation(
    "GET",
    "/v1/icps/{icp_id}/members",
    tag="ICPs",
    summary="With whom an ICP is shared",
    session="read",
    errors=(NotFound,),
)
async def list_icp_members(call: Call, path: IcpPath) -> IcpMembersAnswer:
    """By address, whether or not there is an account."""
    found = await icps.people(call.session, user_id=call.user_id, icp_id=path.icp_id)
    return IcpMembersAnswer(results=[_member(one) for one in found])


@operation(
    "PUT",
    "/v1/icps/{icp_id}/members/{email}",
    tag="ICPs",
    summary="Share an ICP",
    session="write",
    errors=(NotFound, IcpRoleTooLow, BadAddress, TooManyMembers),
    example={"role": "editor"},
)
async def share_icp(call: Call, path: IcpMemberPath, body: NewIcpRole) -> IcpMemberAnswer:
    """For owners. Whoever has that address sees it from now on, or as soon as they have an account."""
    return _member(
        await icps.share(
            call.session, user_id=call.user_id, icp_id=path.icp_id, email=path.email, role=body.role
        )
    )


@operation(
    "DELETE",
    "/v1/icps/{icp_id}/members/{email}",
    tag="ICPs",
    summary="Stop sharing an ICP",
    session="write",
    errors=(NotFound, IcpRoleTooLow, BadAddress),
)
async def unshare_icp(call: Call, path: IcpMemberPath) -> None:
    """For owners, and for everybody with their own address."""
    await icps.unshare(
        call.session,
        user_id=call.user_id,
        own_email=call.user.email,
        icp_id=path.icp_id,
        email=path.email,
    )


def _answer(icp: icps.Icp) -> IcpAnswer:
    return IcpAnswer(
        id=icp.id,
        user_id=icp.user_id,
        name=icp.name,
        entity=icp.entity,
        request=icp.filters,
        notes=icp.notes,
        tags=icp.tags,
        version=icp.version,
        role=icp.role,
        created_at=icp.created_at,
        updated_at=icp.updated_at,
    )


def _member(member: icps.Member) -> IcpMemberAnswer:
    return IcpMemberAnswer(email=member.email, role=member.role, created_at=member.created_at)


OPERATIONS: Final[list[Operation]] = [
    create_icp,
    list_icps,
    show_icp,
    change_icp,
    delete_icp,
    run_icp,
    count_icp,
    duplicate_icp,
    list_icp_versions,
    list_icp_members,
    share_icp,
    unshare_icp,
]
