"""Alerts of saved ICPs: watched or not, the feed of what has happened, and where else it is told."""

from datetime import datetime, time
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from api.operations import Call, Operation, Text, operation
from api.paging import AfterEvent
from api.routes.icps import IcpPath
from core.errors import Invalid, NotFound, PlanLimit
from db.sessions import SERVICE
from domain.alerts import delivery, feed, letters, subscriptions, watching
from domain.alerts.subscriptions import Subscription
from domain.alerts.watching import NotAlertable
from domain.icps import BrokenIcp, IcpRoleTooLow
from domain.paging import WrongCursor
from search.request import Form
from search.response import Answer
from search.visibility import UnknownList

KindName = Literal["entered", "left", "changed"]
Channel = Literal["email", "webhook"]
How = Literal["at_once", "daily", "weekly"]
Clock = Annotated[str, Meta(pattern="^([01][0-9]|2[0-3]):[0-5][0-9]$", examples=["08:00"])]
FieldName = Annotated[str, Meta(min_length=1, max_length=60, examples=["title"])]


class QuietHours(Form, frozen=True, rename={"from_": "from"}):
    """No mail in between; over midnight when it ends before it begins."""

    from_: Clock
    until: Clock


class DeliverySettings(Form, frozen=True):
    """Your own: where events go beyond the feed. Webhooks hear at once; a mail comes as `how` says.

    `at` and `weekday` (1 is Monday) are for daily and weekly mails, in the time zone `zone`. `at_most` mails
    a day are sent at once, and the rest is summed up in the next day's first.
    """

    where: Annotated[list[Channel], Meta(max_length=2)] = msgspec.field(default_factory=list)
    how: How = "at_once"
    at: Clock = "08:00"
    weekday: Annotated[int, Meta(ge=1, le=7)] = 1
    zone: Annotated[str, Meta(min_length=1, max_length=60, examples=["Europe/Berlin"])] = "UTC"
    quiet: QuietHours | None = None
    at_most: Annotated[int, Meta(ge=1, le=100)] | None = None


class AlertSettings(Form, frozen=True):
    """What is told, for everybody who sees the ICP, and how you want to hear of it yourself.

    `fields` are those whose changes are told; the usual ones when it is left out.
    """

    kinds: Annotated[list[KindName], Meta(min_length=1, max_length=3)] = msgspec.field(
        default_factory=lambda: ["entered", "left", "changed"]
    )
    fields: Annotated[list[FieldName], Meta(min_length=1, max_length=40)] | None = None
    delivery: DeliverySettings | None = None


class ReadMark(Form, frozen=True):
    event_id: Annotated[int, Meta(ge=1, le=2**62, description="The last event that has been read")]


class UnsubscribePath(Form, frozen=True):
    token: Annotated[str, Meta(min_length=1, max_length=200)]


class QuietAnswer(Answer, rename={"from_": "from"}):
    from_: str
    until: str


class AlertDeliveryAnswer(Answer):
    where: list[Channel]
    how: How
    at: str
    weekday: int
    zone: str
    quiet: QuietAnswer | None
    at_most: int | None


class AlertAnswer(Answer):
    """Who fitted at `baseline_at` is no news. `version` is the ICP's that is watched; an edit begins anew.

    `delivery` is your own.
    """

    on: bool
    kinds: list[KindName]
    fields: list[str]
    version: int | None
    baseline_at: datetime | None
    delivery: AlertDeliveryAnswer


class ChangeAnswer(Answer):
    """A watched field; null is nothing known."""

    field: str
    old: Any
    new: Any


class EventAnswer(Answer):
    """`reason` says why: it fits now, it has changed, or it was removed from the catalogue. `changes` are the
    fields that are watched, `reasons` the same in words, and for somebody new what makes them fit.
    """

    id: int
    icp_id: UUID
    version: int
    entity: Literal["contacts", "organizations"]
    record_id: int
    name: str | None
    title: str | None
    company: str | None
    kind: KindName
    reason: Literal["fits", "changed", "removed"]
    changes: list[ChangeAnswer]
    reasons: list[str]
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
    """Since when, what is told, and how you want to hear of it."""
    return await _answer(call, path.icp_id)


@operation(
    "PUT",
    "/v1/icps/{icp_id}/alerts",
    tag="Alerts",
    summary="Watch an ICP",
    session="service",
    errors=(NotFound, IcpRoleTooLow, NotAlertable, BrokenIcp, PlanLimit),
    example={
        "kinds": ["entered", "changed"],
        "fields": ["title", "company"],
        "delivery": {"where": ["email"], "how": "daily", "at": "08:30", "zone": "Europe/Berlin"},
    },
)
async def turn_alerts_on(call: Call, path: IcpPath, body: AlertSettings) -> AlertAnswer:
    """For editors. Whoever fits now is no news; an ICP that is watched already goes on, under these settings.
    Conditions on the people of companies cannot be watched (422).
    """
    if len(set(body.kinds)) < len(body.kinds):
        message = "A kind is named twice."
        raise Invalid(message, errors=[{"path": "kinds", "message": message}])
    await watching.turn_on(
        call.session,
        call.services.searcher,
        user_id=call.user_id,
        icp_id=path.icp_id,
        kinds=body.kinds,
        fields=body.fields,
    )
    if body.delivery is not None:
        await _choose(call, path.icp_id, body.delivery, "delivery.")
    return await _answer(call, path.icp_id)


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
    await watching.turn_off(call.session, user_id=call.user_id, icp_id=path.icp_id)


@operation(
    "PUT",
    "/v1/icps/{icp_id}/alerts/delivery",
    tag="Alerts",
    summary="How you want to hear of an ICP",
    session="service",
    errors=(NotFound,),
    example={"where": ["email", "webhook"], "quiet": {"from": "20:00", "until": "07:00"}, "at_most": 5},
)
async def choose_delivery(call: Call, path: IcpPath, body: DeliverySettings) -> AlertAnswer:
    """For yourself alone, whatever your role. What has happened so far is not sent."""
    await _choose(call, path.icp_id, body, "")
    return await _answer(call, path.icp_id)


@operation(
    "GET",
    "/v1/icps/{icp_id}/events",
    tag="Alerts",
    summary="Who came to fit an ICP, who left, and what has changed",
    session="read",
    errors=(NotFound, WrongCursor, BrokenIcp, UnknownList),
)
async def list_events(call: Call, path: IcpPath, query: AfterEvent) -> EventsAnswer:
    """In order, for 90 days, and the same again from the same cursor, without what you have hidden.
    Whoever joins a shared ICP reads its whole feed; how far is each person's own.
    """
    page = await feed.of_icp(
        call.session,
        call.services.searcher,
        actor=call.actor,
        user_id=call.user_id,
        icp_id=path.icp_id,
        limit=query.limit,
        after=query.after,
    )
    return _events(page)


@operation(
    "GET",
    "/v1/events",
    tag="Alerts",
    summary="The events of all your ICPs",
    session="read",
    errors=(WrongCursor,),
)
async def list_all_events(call: Call, query: AfterEvent) -> EventsAnswer:
    """In one order, as of each of them."""
    page = await feed.of_all(
        call.session,
        call.services.searcher,
        actor=call.actor,
        user_id=call.user_id,
        limit=query.limit,
        after=query.after,
    )
    return _events(page)


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
    await feed.mark_read(call.session, user_id=call.user_id, icp_id=path.icp_id, upto=body.event_id)


@operation(
    "POST",
    "/v1/events/read",
    tag="Alerts",
    summary="Mark the events of all your ICPs as read",
    session="write",
    example={"event_id": 17},
)
async def mark_all_events_read(call: Call, body: ReadMark) -> None:
    """All up to this one, for yourself alone."""
    await feed.mark_all_read(call.session, user_id=call.user_id, upto=body.event_id)


@operation(
    "GET",
    "/v1/alerts/unsubscribe/{token}",
    tag="Alerts",
    summary="A page that asks whether to end the mail",
    access="public",
    media_type="text/html",
    errors=(NotFound,),
)
async def ask_to_unsubscribe(call: Call, path: UnsubscribePath) -> str:
    """What a person sees who follows the link of a mail. Nothing is changed by looking at it."""
    letters.read_token(call.services.settings, path.token)
    page = (
        "<!doctype html><title>Alerts</title><form method=post>"
        "<p>No more mail about this ICP?</p><button>No more mail</button></form>"
    )
    return Text(content=page, media_type="text/html")  # type: ignore[return-value]


@operation(
    "POST",
    "/v1/alerts/unsubscribe/{token}",
    tag="Alerts",
    summary="End the mail of an ICP with one click",
    access="public",
    media_type="text/html",
    errors=(NotFound,),
)
async def unsubscribe(call: Call, path: UnsubscribePath) -> str:
    """One-click as in RFC 8058: the token of the mail is enough, and whatever the body says is not read."""
    icp_id, user_id = letters.read_token(call.services.settings, path.token)
    async with call.services.database.transaction(SERVICE) as session:
        await delivery.unsubscribe(session, icp_id=icp_id, user_id=user_id)
    page = "<!doctype html><title>Alerts</title><p>There will be no more mail about this ICP.</p>"
    return Text(content=page, media_type="text/html")  # type: ignore[return-value]


async def _choose(call: Call, icp_id: UUID, wanted: DeliverySettings, at: str) -> None:
    if len(set(wanted.where)) < len(wanted.where):
        message = "A way is named twice."
        raise Invalid(message, errors=[{"path": f"{at}where", "message": message}])
    quiet = wanted.quiet
    chosen = Subscription(
        email="email" in wanted.where,
        webhook="webhook" in wanted.where,
        how=wanted.how,
        at_time=time.fromisoformat(wanted.at),
        weekday=wanted.weekday,
        zone=wanted.zone,
        quiet_from=time.fromisoformat(quiet.from_) if quiet else None,
        quiet_until=time.fromisoformat(quiet.until) if quiet else None,
        at_most=wanted.at_most,
    )
    await subscriptions.choose(call.session, user_id=call.user_id, icp_id=icp_id, chosen=chosen)


async def _answer(call: Call, icp_id: UUID) -> AlertAnswer:
    found = await watching.get(call.session, user_id=call.user_id, icp_id=icp_id)
    chosen = await subscriptions.get(call.session, user_id=call.user_id, icp_id=icp_id)
    where: list[Channel] = [*(["email"] if chosen.email else []), *(["webhook"] if chosen.webhook else [])]  # type: ignore[list-item]
    quiet = None
    if chosen.quiet_from is not None and chosen.quiet_until is not None:
        quiet = QuietAnswer(from_=f"{chosen.quiet_from:%H:%M}", until=f"{chosen.quiet_until:%H:%M}")
    return AlertAnswer(
        on=found is not None,
        kinds=found.kinds if found else [],
        fields=found.fields if found else [],
        version=found.version if found else None,
        baseline_at=found.baseline_at if found else None,
        delivery=AlertDeliveryAnswer(
            where=where,
            how=chosen.how,
            at=f"{chosen.at_time:%H:%M}",
            weekday=chosen.weekday,
            zone=chosen.zone,
            quiet=quiet,
            at_most=chosen.at_most,
        ),
    )


def _events(page: feed.EventPage) -> EventsAnswer:
    results = [
        EventAnswer(**{name: getattr(event, name) for name in EventAnswer.__struct_fields__})
        for event in page.events
    ]
    return EventsAnswer(results=results, cursor=page.cursor)


OPERATIONS: Final[list[Operation]] = [
    show_alerts,
    turn_alerts_on,
    turn_alerts_off,
    choose_delivery,
    list_events,
    list_all_events,
    mark_events_read,
    mark_all_events_read,
    ask_to_unsubscribe,
    unsubscribe,
]
