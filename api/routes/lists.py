"""Lists: kept people and companies, shared with colleagues."""

from datetime import datetime
from typing import Annotated, Final, Literal, TypeVar
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from api.operations import Call, Operation, WithStatus, operation
from api.routes.hidden import Page
from api.routes.jobs import JobAnswer, answer_of
from api.routes.records import RecordId
from core.errors import Invalid, NotFound, PlanLimit
from core.ids import ListId
from domain import jobs
from domain.lists import keeping, records
from domain.lists.keeping import ListArchived, RoleTooLow
from domain.paging import WrongCursor
from domain.roles import Role
from search.request import CountRequest, Entity, Form
from search.response import Answer

A = TypeVar("A", bound=Answer)
Name = Annotated[str, Meta(min_length=1, max_length=200, pattern=r"\S", examples=["Prospects"])]
Description = Annotated[str, Meta(max_length=2000)]


class ListPath(Form, frozen=True):
    list_id: UUID

    @property
    def id(self) -> ListId:
        return ListId(self.list_id)


class NewList(Form, frozen=True):
    name: Name
    description: Description | None = None


class ListChanges(Form, frozen=True):
    """What is not given stays; `archived` puts a list away or brings it back."""

    name: Name | UnsetType = UNSET
    description: Description | UnsetType | None = UNSET
    archived: bool | UnsetType = UNSET


class ListsPage(Page, frozen=True):
    archived: Annotated[Literal["true", "false"], Meta(description="Those put away instead")] = "false"


class Choice(Form, frozen=True):
    """Which records: exactly one of the three."""

    ids: Annotated[list[RecordId], Meta(min_length=1, max_length=records.MAX_IDS)] | None = None
    from_list: UUID | None = None
    search: CountRequest | None = None


class ListAnswer(Answer):
    """`role` is yours; `contacts` and `organizations` are how many are on it."""

    id: UUID
    name: str
    description: str | None
    owner_id: UUID
    is_shared: bool
    role: Role
    contacts: int
    organizations: int
    created_at: datetime
    archived_at: datetime | None


class ListsAnswer(Answer):
    results: list[ListAnswer]
    cursor: str | None


class OutcomeAnswer(Answer):
    id: int
    outcome: Literal["already_there", "hidden", "unknown", "duplicate"]


class AddedAnswer(Answer):
    """`outcomes` names each id that was not simply added, with the reason. With a `job` (202) nothing is
    done yet: the job will tell.
    """

    added: int = 0
    already_there: int = 0
    hidden: int = 0
    unknown: int = 0
    duplicates: int = 0
    outcomes: list[OutcomeAnswer] = msgspec.field(default_factory=list)
    job: JobAnswer | None = None


class RemovedAnswer(Answer):
    """How many were on the list. With a `job` (202) nothing is done yet: the job will tell."""

    removed: int = 0
    job: JobAnswer | None = None


class ListedContact(Answer):
    """An address is null until you have unlocked it yourself, whoever else on the list has."""

    id: int
    full_name: str | None
    title: str | None
    organization_id: int | None
    organization_name: str | None
    email: str | None
    phone: str | None
    added_by: UUID | None
    added_at: datetime


class ListedContacts(Answer):
    results: list[ListedContact]
    cursor: str | None


class ListedOrganization(Answer):
    id: int
    name: str
    domain: str | None
    added_by: UUID | None
    added_at: datetime


class ListedOrganizations(Answer):
    results: list[ListedOrganization]
    cursor: str | None


def list_answer(found: keeping.List) -> ListAnswer:
    return msgspec.convert(found, ListAnswer, from_attributes=True)


@operation(
    "POST",
    "/v1/lists",
    tag="Lists",
    summary="Make a list",
    session="write",
    status=201,
    errors=(PlanLimit,),
    example={"name": "Prospects in Berlin"},
    links={"list_id": "$response.body#/id"},
)
async def create_list(call: Call, body: NewList) -> ListAnswer:
    """A list of your own. How many you can have is your plan's to say."""
    return list_answer(
        await keeping.create(
            call.session, user_id=call.user_id, name=body.name.strip(), description=body.description
        )
    )


@operation("GET", "/v1/lists", tag="Lists", summary="Your lists", session="read", errors=(WrongCursor,))
async def list_lists(call: Call, query: ListsPage) -> ListsAnswer:
    """Your own and those shared with you, the latest first."""
    page = await keeping.page(
        call.session,
        user_id=call.user_id,
        archived=query.archived == "true",
        limit=query.limit,
        cursor=query.cursor,
    )
    return ListsAnswer(results=[list_answer(found) for found in page.lists], cursor=page.cursor)


@operation("GET", "/v1/lists/{list_id}", tag="Lists", summary="One list", session="read", errors=(NotFound,))
async def show_list(call: Call, path: ListPath) -> ListAnswer:
    """A list of yours, or one that is shared with you; any other is 404."""
    return list_answer(await keeping.get(call.session, user_id=call.user_id, list_id=path.id))


@operation(
    "PATCH",
    "/v1/lists/{list_id}",
    tag="Lists",
    summary="Rename, describe or archive a list",
    session="write",
    errors=(NotFound, RoleTooLow),
    example={"name": "Prospects in Potsdam"},
)
async def change_list(call: Call, path: ListPath, body: ListChanges) -> ListAnswer:
    """For owners. An archived list can be read and exported, and takes nothing more."""
    return list_answer(
        await keeping.change(
            call.session,
            user_id=call.user_id,
            list_id=path.id,
            name=body.name,
            description=body.description,
            archived=body.archived,
        )
    )


@operation(
    "DELETE",
    "/v1/lists/{list_id}",
    tag="Lists",
    summary="Delete a list",
    session="write",
    errors=(NotFound, RoleTooLow),
)
async def delete_list(call: Call, path: ListPath) -> None:
    """For the one whose list it is. The people and companies stay in the catalogue."""
    await keeping.delete(call.session, user_id=call.user_id, list_id=path.id)


@operation(
    "GET",
    "/v1/lists/{list_id}/contacts",
    tag="Lists",
    summary="The people on a list",
    session="read",
    errors=(NotFound, WrongCursor),
)
async def list_list_contacts(call: Call, path: ListPath, query: Page) -> ListedContacts:
    """By descending id, without those you have hidden. A search with `in_lists` filters and counts them."""
    page = await records.page(
        call.session,
        "contacts",
        user_id=call.user_id,
        list_id=path.id,
        limit=query.limit,
        cursor=query.cursor,
    )
    results = [
        ListedContact(
            id=record.id,
            full_name=record.name,
            title=record.title,
            organization_id=record.organization_id,
            organization_name=record.organization_name,
            email=record.email,
            phone=record.phone,
            added_by=record.added_by,
            added_at=record.added_at,
        )
        for record in page.records
    ]
    return ListedContacts(results=results, cursor=page.cursor)


@operation(
    "GET",
    "/v1/lists/{list_id}/organizations",
    tag="Lists",
    summary="The companies on a list",
    session="read",
    errors=(NotFound, WrongCursor),
)
async def list_list_organizations(call: Call, path: ListPath, query: Page) -> ListedOrganizations:
    """By descending id, without those you have hidden."""
    page = await records.page(
        call.session,
        "organizations",
        user_id=call.user_id,
        list_id=path.id,
        limit=query.limit,
        cursor=query.cursor,
    )
    results = [
        ListedOrganization(
            id=record.id,
            name=record.name or "",
            domain=record.domain,
            added_by=record.added_by,
            added_at=record.added_at,
        )
        for record in page.records
    ]
    return ListedOrganizations(results=results, cursor=page.cursor)


_CHANGES = (NotFound, RoleTooLow, ListArchived)


@operation(
    "POST",
    "/v1/lists/{list_id}/contacts",
    tag="Lists",
    summary="Add people to a list",
    session="write",
    errors=_CHANGES,
    example={"ids": [17, 42, 4711]},
    other_statuses=(202,),
)
async def add_list_contacts(call: Call, path: ListPath, body: Choice) -> AddedAnswer:
    """By `ids`, from another list, or everything that a `search` finds: above 1,000 by a job, with 202.
    People you have hidden are not added.
    """
    return await _add(call, "contacts", path.id, body)


@operation(
    "POST",
    "/v1/lists/{list_id}/contacts/remove",
    tag="Lists",
    summary="Take people off a list",
    session="write",
    errors=_CHANGES,
    example={"ids": [17]},
    other_statuses=(202,),
)
async def remove_list_contacts(call: Call, path: ListPath, body: Choice) -> RemovedAnswer:
    """By `ids`, by what is on another list, or by a `search`."""
    return await _remove(call, "contacts", path.id, body)


@operation(
    "POST",
    "/v1/lists/{list_id}/organizations",
    tag="Lists",
    summary="Add companies to a list",
    session="write",
    errors=_CHANGES,
    example={"ids": [3, 5]},
    other_statuses=(202,),
)
async def add_list_organizations(call: Call, path: ListPath, body: Choice) -> AddedAnswer:
    """As with people. Their people are not added with them."""
    return await _add(call, "organizations", path.id, body)


@operation(
    "POST",
    "/v1/lists/{list_id}/organizations/remove",
    tag="Lists",
    summary="Take companies off a list",
    session="write",
    errors=_CHANGES,
    example={"ids": [3]},
    other_statuses=(202,),
)
async def remove_list_organizations(call: Call, path: ListPath, body: Choice) -> RemovedAnswer:
    """By `ids`, by what is on another list, or by a `search`."""
    return await _remove(call, "organizations", path.id, body)


async def _add(call: Call, entity: Entity, list_id: ListId, body: Choice) -> AddedAnswer:
    _check_choice(body)
    if body.ids is not None:
        added = await records.add_ids(
            call.session, entity, user_id=call.user_id, list_id=list_id, ids=body.ids
        )
        return _added(added)
    if body.from_list is not None:
        source = ListId(body.from_list)
        return _added(
            await records.add_from_list(
                call.session, entity, user_id=call.user_id, list_id=list_id, source=source
            )
        )
    changed = await _by_search(call, entity, "add", list_id, body)
    if isinstance(changed, jobs.Job):
        return _accepted(AddedAnswer(job=answer_of(changed)))
    if isinstance(changed, records.Removed):
        raise TypeError("an addition removes nothing")
    return _added(changed)


async def _remove(call: Call, entity: Entity, list_id: ListId, body: Choice) -> RemovedAnswer:
    _check_choice(body)
    if body.ids is not None:
        gone = await records.remove_ids(
            call.session, entity, user_id=call.user_id, list_id=list_id, ids=body.ids
        )
        return RemovedAnswer(removed=gone.removed)
    if body.from_list is not None:
        source = ListId(body.from_list)
        gone = await records.remove_from_list(
            call.session, entity, user_id=call.user_id, list_id=list_id, source=source
        )
        return RemovedAnswer(removed=gone.removed)
    changed = await _by_search(call, entity, "remove", list_id, body)
    if isinstance(changed, jobs.Job):
        return _accepted(RemovedAnswer(job=answer_of(changed)))
    if isinstance(changed, records.Added):
        raise TypeError("a removal adds nothing")
    return RemovedAnswer(removed=changed.removed)


async def _by_search(
    call: Call, entity: Entity, action: records.Action, list_id: ListId, body: Choice
) -> records.Added | records.Removed | jobs.Job:
    return await records.change_by_search(
        call.session,
        call.services.searcher,
        entity,
        action,
        actor=call.actor,
        user_id=call.user_id,
        list_id=list_id,
        request=body.search or CountRequest(),
    )


def _check_choice(body: Choice) -> None:
    given = [name for name in ("ids", "from_list", "search") if getattr(body, name) is not None]
    if len(given) != 1:
        message = "Give exactly one of ids, from_list and search."
        raise Invalid(message, errors=[{"path": ", ".join(given), "message": message}])


def _added(added: records.Added) -> AddedAnswer:
    return AddedAnswer(
        added=added.added,
        already_there=added.already_there,
        hidden=added.hidden,
        unknown=added.unknown,
        duplicates=added.duplicates,
        outcomes=[
            OutcomeAnswer(id=record, outcome=outcome)
            for record, outcome in added.outcomes
            if outcome != "added"
        ],
    )


def _accepted(answer: A) -> A:
    """The same answer under the status that says: later."""
    return WithStatus(content=answer, status=202)  # type: ignore[return-value]


OPERATIONS: Final[list[Operation]] = [
    create_list,
    list_lists,
    show_list,
    change_list,
    delete_list,
    list_list_contacts,
    list_list_organizations,
    add_list_contacts,
    remove_list_contacts,
    add_list_organizations,
    remove_list_organizations,
]
