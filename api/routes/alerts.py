"""Alerts of saved ICPs: watched or not, and the feed of who has come to fit and who no longer does."""

from datetime import datetime
from typing import Annotated, Final, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from api.operations import Call, Operation, operation
from api.routes.icps import IcpPath
from core.errors import Invalid, NotFound
from domain import alerts
from domain.alerts import NotAlertable
from domain.icps import BrokenIcp, IcpRoleTooLow
from domain.paging import MAX_CURSOR_LENGTH, BadCursor
from domain.plans import PlanLimit
from search.request import Form
from search.response import Answer
from search.visibility import UnknownList

KindName = Literal["entered", "left"]


class AlertSettings(Form, frozen=True):
    """What is told."""

    kinds: Annotated[list[KindName], Meta(min_length=1, max_length=2)] = msgspec.field(
        default_factory=lambda: ["entered", "left"]
    )


class AfterEvent(Form, frozen=True):
    """How far the feed has been read."""

    limit: Annotated[int, Meta(ge=1, le=500, description="Events on a page")] = 100
    after: (
        Annotated[
            str, Meta(min_length=1, max_length=MAX_CURSOR_LENGTH, description="`cursor` of the page before")
        ]
        | None
    ) = None


class ReadMark(Form, frozen=True):
    event_id: Annotated[int, Meta(ge=1, le=2**62, description="The last event that has been read")]


class AlertAnswer(Answer):
    """Who fitted at `baseline_at` is no news. `version` is the ICP's that is watched; an edit begins anew."""

    on: bool
    kinds: list[KindName]
    version: int | None
    baseline_at: datetime | None


class EventAnswer(Answer):
    """`reason` says why: it fits now, it has changed, or it was removed from the catalogue."""

    id: int
    icp_id: UUID
    version: int
    entity: Literal["contacts", "organizations"]
    record_id: int
    name: str | None
    kind: KindName
    reason: Literal["fits", "changed", "removed"]
    created_at: datetime
    read: bool


class EventsAnswer(Answer):
    """`cursor` is there on the last page, too: with it the feed goes on when there is more."""

    results: list[EventAnswer]
    cursor: str


@operation(
    "GET",
    "/v1/icps/{icp_id}/alerts",
    tag="Alerts",
    summary="Is an ICP watched?",
    session="read",
    errors=(NotFound,),
)
async def show_alerts(call: Call, path: IcpPath) -> AlertAnswer:
    """Since when, and what is told."""
    return _answer(await alerts.get(call.session, user_id=call.user_id, icp_id=path.icp_id))


@operation(
    "PUT",
    "/v1/icps/{icp_id}/alerts",
    tag="Alerts",
    summary="Watch an ICP",
    session="service",
    errors=(NotFound, IcpRoleTooLow, NotAlertable, BrokenIcp, PlanLimit),
    example={"kinds": ["entered"]},
)
async def turn_alerts_on(call: Call, path: IcpPath, body: AlertSettings) -> AlertAnswer:
    """For editors. Whoever fits now is no news, and turning it on again begins anew. Months in role, and
    conditions on the people of companies, cannot be watched (422).
    """
    if len(set(body.kinds)) < len(body.kinds):
        message = "A kind is named twice."
        raise Invalid(message, errors=[{"path": "kinds", "message": message}])
    found = await alerts.turn_on(
        call.session, call.services.searcher, user_id=call.user_id, icp_id=path.icp_id, kinds=body.kinds
    )
    return _answer(found)


@operation(
    "DELETE",
    "/v1/icps/{icp_id}/alerts",
    tag="Alerts",
    summary="Watch an ICP no more",
    session="service",
    errors=(NotFound, IcpRoleTooLow),
)
async def turn_alerts_off(call: Call, path: IcpPath) -> None:
    """For editors. The events so far stay for their 90 days."""
    await alerts.turn_off(call.session, user_id=call.user_id, icp_id=path.icp_id)


@operation(
    "GET",
    "/v1/icps/{icp_id}/events",
    tag="Alerts",
    summary="Who came to fit an ICP, and who left",
    session="read",
    errors=(NotFound, BadCursor, BrokenIcp, UnknownList),
)
async def list_events(call: Call, path: IcpPath, query: AfterEvent) -> EventsAnswer:
    """In order, for 90 days, and the same again from the same cursor, without what you have hidden.
    Whoever joins a shared ICP reads its whole feed; how far is each person's own.
    """
    page = await alerts.feed(
        call.session,
        call.services.searcher,
        actor=call.actor,
        user_id=call.user_id,
        icp_id=path.icp_id,
        limit=query.limit,
        after=query.after,
    )
    results = [msgspec.convert(msgspec.to_builtins(event), EventAnswer) for event in page.events]
    return EventsAnswer(results=results, cursor=page.cursor)


@operation(
    "POST",
    "/v1/icps/{icp_id}/events/read",
    tag="Alerts",
    summary="Mark events as read",
    session="write",
    errors=(NotFound,),
    example={"event_id": 17},
)
async def mark_events_read(call: Call, path: IcpPath, body: ReadMark) -> None:
    """All up to this one, for yourself alone; it never goes back."""
    await alerts.mark_read(call.session, user_id=call.user_id, icp_id=path.icp_id, upto=body.event_id)


def _answer(found: alerts.Alert | None) -> AlertAnswer:
    if found is None:
        return AlertAnswer(on=False, kinds=[], version=None, baseline_at=None)
    return AlertAnswer(on=True, kinds=found.kinds, version=found.version, baseline_at=found.baseline_at)


OPERATIONS: Final[list[Operation]] = [
    show_alerts,
    turn_alerts_on,
    turn_alerts_off,
    list_events,
    mark_events_read,
]
