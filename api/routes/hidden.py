"""Hiding records, showing them again, and what is hidden now."""

from datetime import datetime
from typing import Annotated, Final, Literal

from msgspec import Meta

from api.operations import Call, Operation, operation
from api.paging import Cursor
from api.routes.records import ContactPath, OrganizationPath, RecordId
from core.errors import NotFound
from core.ids import ContactId, OrganizationId
from domain import hidden
from domain.paging import WrongCursor
from search.request import Form
from search.response import Answer


class Page(Form, frozen=True):
    """How far a list has been read."""

    limit: Annotated[int, Meta(ge=1, le=500, description="Records on a page")] = 100
    cursor: Cursor | None = None


class BulkRequest(Form, frozen=True):
    """Hide or show many records of one kind."""

    action: Literal["hide", "unhide"]
    entity: Literal["contacts", "organizations"]
    ids: Annotated[list[RecordId], Meta(min_length=1, max_length=hidden.MAX_BULK)]


class BulkAnswer(Answer):
    """`unknown` are ids that name no record; they stop nothing."""

    changed: int
    unchanged: int
    unknown: list[int]


class HiddenContact(Answer):
    id: int
    full_name: str | None
    title: str | None
    organization_id: int | None
    organization_name: str | None
    hidden_at: datetime


class HiddenContacts(Answer):
    results: list[HiddenContact]
    cursor: str | None


class HiddenOrganization(Answer):
    id: int
    name: str
    hidden_at: datetime


class HiddenOrganizations(Answer):
    results: list[HiddenOrganization]
    cursor: str | None


@operation(
    "PUT",
    "/v1/hidden/contacts/{contact_id}",
    tag="Hidden",
    summary="Hide a person",
    session="write",
    errors=(NotFound,),
)
async def hide_contact(call: Call, path: ContactPath) -> None:
    """From the next search on the person is gone from hits, totals, facets and suggestions of this user,
    and of nobody else. Hiding twice is hiding once.
    """
    await hidden.hide_contact(call.session, user_id=call.user_id, contact_id=ContactId(path.contact_id))


@operation(
    "DELETE", "/v1/hidden/contacts/{contact_id}", tag="Hidden", summary="Show a person again", session="write"
)
async def unhide_contact(call: Call, path: ContactPath) -> None:
    """Takes back the hiding of a person. One of a hidden company stays hidden with it."""
    await hidden.unhide_contact(call.session, user_id=call.user_id, contact_id=ContactId(path.contact_id))


@operation(
    "PUT",
    "/v1/hidden/organizations/{organization_id}",
    tag="Hidden",
    summary="Hide a company and its people",
    session="write",
)
async def hide_organization(call: Call, path: OrganizationPath) -> None:
    """From the next search on the company and all its people are gone for this user."""
    await hidden.hide_organization(
        call.session, user_id=call.user_id, organization_id=OrganizationId(path.organization_id)
    )


@operation(
    "DELETE",
    "/v1/hidden/organizations/{organization_id}",
    tag="Hidden",
    summary="Show a company again",
    session="write",
)
async def unhide_organization(call: Call, path: OrganizationPath) -> None:
    """Takes back the hiding of a company; people of it that were hidden themselves stay hidden."""
    await hidden.unhide_organization(
        call.session, user_id=call.user_id, organization_id=OrganizationId(path.organization_id)
    )


@operation(
    "POST",
    "/v1/hidden/bulk",
    tag="Hidden",
    summary="Hide or show many records",
    session="write",
    example={"action": "hide", "entity": "contacts", "ids": [17, 42, 4711]},
)
async def change_hidden(call: Call, body: BulkRequest) -> BulkAnswer:
    """Up to 10,000 records of one kind in one transaction: all of them, or none when it fails."""
    result = await hidden.change_many(
        call.session, body.action, body.entity, user_id=call.user_id, ids=body.ids
    )
    return BulkAnswer(changed=result.changed, unchanged=result.unchanged, unknown=result.unknown)


@operation(
    "GET",
    "/v1/hidden/contacts",
    tag="Hidden",
    summary="The people you have hidden",
    session="read",
    errors=(WrongCursor,),
)
async def list_hidden_contacts(call: Call, query: Page) -> HiddenContacts:
    """In pages, by descending id. People of hidden companies are not listed one by one."""
    page = await hidden.list_contacts(
        call.session, user_id=call.user_id, limit=query.limit, cursor=query.cursor
    )
    results = [
        HiddenContact(
            id=record.id,
            full_name=record.name,
            title=record.title,
            organization_id=record.organization_id,
            organization_name=record.organization_name,
            hidden_at=record.hidden_at,
        )
        for record in page.records
    ]
    return HiddenContacts(results=results, cursor=page.cursor)


@operation(
    "GET",
    "/v1/hidden/organizations",
    tag="Hidden",
    summary="The companies you have hidden",
    session="read",
    errors=(WrongCursor,),
)
async def list_hidden_organizations(call: Call, query: Page) -> HiddenOrganizations:
    """In pages, by descending id."""
    page = await hidden.list_organizations(
        call.session, user_id=call.user_id, limit=query.limit, cursor=query.cursor
    )
    results = [
        HiddenOrganization(id=record.id, name=record.name or "", hidden_at=record.hidden_at)
        for record in page.records
    ]
    return HiddenOrganizations(results=results, cursor=page.cursor)


OPERATIONS: Final[list[Operation]] = [
    hide_contact,
    unhide_contact,
    hide_organization,
    unhide_organization,
    change_hidden,
    list_hidden_contacts,
    list_hidden_organizations,
]
