"""What was done with the rights of an administrator, for administrators to read."""

from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

from msgspec import Meta

from api.operations import Call, Operation, operation
from api.routes.hidden import Page
from domain import audit
from domain.paging import WrongCursor
from search.response import Answer


class AuditQuery(Page, frozen=True):
    """Which entries; what is not given is not asked for."""

    actor_id: Annotated[UUID, Meta(description="Who did it")] | None = None
    action: Annotated[str, Meta(min_length=1, max_length=200, examples=["user.disabled"])] | None = None
    subject: (
        Annotated[str, Meta(min_length=1, max_length=200, description="To whom, as `user:` and the id")]
        | None
    ) = None
    since: Annotated[datetime, Meta(tz=True)] | None = None
    until: Annotated[datetime, Meta(tz=True)] | None = None


class AuditEntry(Answer):
    """`actor_id` is null for what was done at the machine itself, by a command."""

    id: int
    at: datetime
    actor_id: UUID | None
    action: str
    subject: str
    detail: dict[str, Any]


class AuditPage(Answer):
    results: list[AuditEntry]
    cursor: str | None


@operation(
    "GET",
    "/v1/admin/audit",
    tag="Administration",
    summary="The audit log",
    access="admin",
    session="service_read",
    errors=(WrongCursor,),
)
async def list_audit(call: Call, query: AuditQuery) -> AuditPage:
    """What administrators and operators have done, the newest first. Nobody can change an entry or take one
    away.
    """
    page = await audit.page(
        call.session,
        limit=query.limit,
        cursor=query.cursor,
        actor_id=query.actor_id,
        action=query.action,
        subject=query.subject,
        since=query.since,
        until=query.until,
    )
    results = [
        AuditEntry(
            id=entry.id,
            at=entry.at,
            actor_id=entry.actor_id,
            action=entry.action,
            subject=entry.subject,
            detail=entry.detail,
        )
        for entry in page.entries
    ]
    return AuditPage(results=results, cursor=page.cursor)


OPERATIONS: Final[list[Operation]] = [list_audit]
