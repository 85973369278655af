"""What Stripe tells: verified, kept once under its own id, and left for a job.

Nothing is done while Stripe waits for its answer. What has nothing to do with us is kept and counted; what
should not be (test events in a live installation, marks that contradict, amounts that are not ours) is
parked until a person has looked at it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any, Final, Literal, TypeGuard

import msgspec
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from core.errors import LeadFuelError, NotFound
from core.logs import get_logger
from core.settings import BillingSettings
from domain import alarms, paging
from domain.billing.objects import id_of, without_personal

log = get_logger(__name__)

JOB: Final = "billing.event"
State = Literal["waiting", "done", "ignored", "parked", "dismissed"]
Origin = Literal["webhook", "catch_up", "comparison"]
_LIST: Final = "billing.events"

# What is acted upon, by the kind of object that is read again.
HANDLED: Final[Mapping[str, str]] = {
    "checkout.session.completed": "session",
    "checkout.session.async_payment_succeeded": "session",
    "checkout.session.async_payment_failed": "session",
    "checkout.session.expired": "session",
    "invoice.paid": "invoice",
    # Older versions send only this one; with both, the invoice is the key.
    "invoice.payment_succeeded": "invoice",
    "invoice.payment_failed": "invoice",
    "invoice.payment_action_required": "invoice",
    "customer.subscription.created": "subscription",
    "customer.subscription.updated": "subscription",
    "customer.subscription.deleted": "subscription",
    "customer.subscription.paused": "subscription",
    "customer.subscription.resumed": "subscription",
    "charge.refunded": "charge",
    "charge.refund.updated": "charge",
    "refund.created": "charge",
    "refund.updated": "charge",
    "refund.failed": "charge",
    "charge.dispute.created": "charge",
    "charge.dispute.updated": "charge",
    "charge.dispute.closed": "charge",
    "charge.dispute.funds_withdrawn": "charge",
    "charge.dispute.funds_reinstated": "charge",
    "customer.deleted": "customer",
}


class BadEvent(LeadFuelError):
    """The delivery is signed and is no event."""

    status = 400
    slug = "bad-event"
    title = "Not an event"


@dataclass(frozen=True, slots=True)
class Event:
    """An event as it lies in the inbox."""

    id: str
    type: str
    object_id: str | None
    api_version: str | None
    livemode: bool
    happened_at: datetime
    origin: Origin
    state: State
    reason: str | None
    attempts: int
    received_at: datetime
    settled_at: datetime | None


@dataclass(frozen=True, slots=True)
class Page:
    events: list[Event]
    cursor: str | None


_COLUMNS: Final = (
    "id, type, object_id, api_version, livemode, happened_at, origin, state, reason, attempts, received_at,"
    " settled_at"
)


def read(raw: bytes) -> dict[str, Any]:
    """The body of a delivery as an event; raises `BadEvent`."""
    try:
        event = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadEvent("The body is not JSON.") from None
    if not isinstance(event, dict):
        raise BadEvent("The body is no event.")
    return event


async def take_in(
    session: AsyncSession,
    settings: BillingSettings,
    event: Mapping[str, Any],
    *,
    origin: Origin = "webhook",
) -> bool:
    """Keep an event and ask for its job; whether it is new. Raises `BadEvent`."""
    try:
        found = _parts(event)
    except RecursionError:
        raise BadEvent("The event is nested too deeply.") from None
    state, reason = "waiting", None
    if found["type"] not in HANDLED:
        state, reason = "ignored", "nothing follows from it"
    if not _object_of(event):
        state, reason = "ignored", "it tells only that something happened"
    elif state == "waiting" and found["livemode"] != settings.livemode:
        state, reason = "parked", "it is a test's" if settings.livemode else "it moves real money"
    new = await session.scalar(
        text(
            """
            INSERT INTO app.billing_events
                (id, type, object_id, api_version, livemode, happened_at, payload, origin, state, reason,
                 settled_at)
            VALUES (:id, :type, :object_id, :api_version, :livemode, :happened_at, CAST(:payload AS jsonb),
                    :origin, :state, :reason, CASE WHEN :state <> 'waiting' THEN app.now() END)
            ON CONFLICT (id) DO NOTHING RETURNING true
            """
        ),
        found | {"origin": origin, "state": state, "reason": reason},
    )
    if not new:
        return False
    await _note_version(session, found["api_version"])
    if state == "waiting":
        await _ask(session, event_id=found["id"])
    if state == "parked":
        await _tell(session, event_id=found["id"], kind=found["type"], reason=str(reason))
    return True


async def park(
    session: AsyncSession, *, event_id: str, kind: str, about: Mapping[str, str], livemode: bool, reason: str
) -> bool:
    """Park what no event has told of, under an event's type, so that a retry reads its object again.

    Whether it is news: what somebody has yet to look at, or has laid aside, is not said twice.
    """
    return bool(
        await session.scalar(
            text(
                """
                INSERT INTO app.billing_events AS e
                    (id, type, object_id, livemode, happened_at, payload, origin, state, reason, settled_at)
                SELECT :id, :type, :object_id, :livemode, app.now(), CAST(:payload AS jsonb), 'comparison',
                       'parked', :reason, app.now()
                WHERE NOT EXISTS (SELECT FROM app.billing_events
                                  WHERE state = 'parked' AND object_id = :object_id AND id <> :id)
                ON CONFLICT (id) DO UPDATE
                SET state = 'parked', reason = excluded.reason, settled_at = app.now()
                WHERE e.state IN ('done', 'ignored')
                RETURNING true
                """
            ),
            {
                "id": event_id,
                "type": kind,
                "object_id": about["id"],
                "livemode": livemode,
                "payload": json.dumps({"data": {"object": dict(about)}}),
                "reason": reason,
            },
        )
    )


async def settle(session: AsyncSession, *, event_id: str, state: State, reason: str | None = None) -> None:
    """Say what became of an event; a parked one is told of."""
    kind = await session.scalar(
        text(
            """
            UPDATE app.billing_events SET state = :state, reason = :reason, settled_at = app.now()
            WHERE id = :id AND state = 'waiting' RETURNING type
            """
        ),
        {"id": event_id, "state": state, "reason": reason},
    )
    if kind and state == "parked":
        await _tell(session, event_id=event_id, kind=kind, reason=reason or "")


async def get(session: AsyncSession, *, event_id: str) -> tuple[Event, dict[str, Any]]:
    """An event and what it told; raises `NotFound`."""
    found = await session.execute(
        text(f"SELECT {_COLUMNS}, payload FROM app.billing_events WHERE id = :id"),  # noqa: S608
        {"id": event_id},
    )
    row = found.one_or_none()
    if row is None:
        raise NotFound(f"There is no event {event_id!r}.")
    return _event(row), row.payload


async def page(
    session: AsyncSession, *, state: State | None = None, limit: int = 50, cursor: str | None = None
) -> Page:
    """Events, the latest first."""
    rows, following = await paging.latest_first(
        session,
        f"""
        SELECT {_COLUMNS}, received_at AS created_at FROM app.billing_events
        WHERE CAST(:state AS text) IS NULL OR state = :state
        """,  # noqa: S608 - a constant list of columns
        {"state": state},
        name=_LIST,
        limit=limit,
        cursor=cursor,
        id_type="text",
    )
    return Page([_event(row) for row in rows], following)


async def counts(session: AsyncSession) -> list[tuple[str, State, int]]:
    """How many events there are of each type and state."""
    found = await session.execute(
        text("SELECT type, state, count(*) FROM app.billing_events GROUP BY 1, 2 ORDER BY 1, 2")
    )
    return [(row[0], row[1], row[2]) for row in found]


async def retry(session: AsyncSession, *, event_id: str) -> Event:
    """Let an event be handled again, whatever became of it: doing it twice is doing it once."""
    event, _ = await get(session, event_id=event_id)
    await session.execute(
        text(
            "UPDATE app.billing_events SET state = 'waiting', settled_at = NULL, reason = NULL WHERE id = :id"
        ),
        {"id": event_id},
    )
    await _ask(session, event_id=event_id)
    return event


async def dismiss(session: AsyncSession, *, event_id: str, reason: str) -> Event:
    """Lay a parked or waiting event aside; it is kept, with the reason."""
    event, _ = await get(session, event_id=event_id)
    await session.execute(
        text(
            """
            UPDATE app.billing_events SET state = 'dismissed', settled_at = app.now(), reason = :reason
            WHERE id = :id AND state IN ('parked', 'waiting')
            """
        ),
        {"id": event_id, "reason": reason},
    )
    return event


async def ask_again(session: AsyncSession) -> int:
    """Ask for the jobs of events that wait and have lost theirs; how many."""
    found = await session.scalars(
        text(
            """
            SELECT e.id FROM app.billing_events AS e
            WHERE e.state = 'waiting' AND e.received_at < app.now() - interval '10 minutes'
              AND NOT EXISTS (SELECT FROM app.outbox AS o
                              WHERE o.job = :job AND o.payload ->> 'event_id' = e.id)
            ORDER BY e.received_at LIMIT 1000
            """
        ),
        {"job": JOB},
    )
    lost = list(found)
    for event_id in lost:
        await _ask(session, event_id=event_id)
    return len(lost)


async def count_refusal(session: AsyncSession) -> None:
    """Count a delivery that was refused. Nobody waits to be counted: what comes at once counts as one."""
    counted = await session.scalar(
        text(
            """
            UPDATE app.billing_cursors SET count = count + 1, at = app.now()
            WHERE name = (SELECT name FROM app.billing_cursors WHERE name = 'refused'
                          FOR UPDATE SKIP LOCKED)
            RETURNING count
            """
        )
    )
    if counted is None:
        await session.execute(
            text("INSERT INTO app.billing_cursors (name, count) VALUES ('refused', 1) ON CONFLICT DO NOTHING")
        )


async def refusals(session: AsyncSession) -> int:
    """How many deliveries were refused."""
    return await session.scalar(text("SELECT count FROM app.billing_cursors WHERE name = 'refused'")) or 0


def _event(row: Row[Any]) -> Event:
    return Event(**{each.name: getattr(row, each.name) for each in fields(Event)})


def _parts(event: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of an event's row."""
    identity, kind, created = event.get("id"), event.get("type"), event.get("created")
    if isinstance(created, str):  # the newer events write it as RFC 3339 has it
        try:
            moment: datetime | None = datetime.fromisoformat(created)
        except ValueError:
            moment = None
    else:
        moment = datetime.fromtimestamp(created, UTC) if _is_moment(created) else None
    version = event.get("api_version")
    if (
        event.get("object") not in {"event", "v2.core.event"}
        or not _is_name(identity)
        or not _is_name(kind)
        or moment is None
        or moment.tzinfo is None
    ):
        raise BadEvent("The body is no event.")
    return {
        "id": identity,
        "type": kind,
        "object_id": id_of(_object_of(event)),
        "api_version": version if _is_name(version) else None,
        "livemode": event.get("livemode") is True,
        "happened_at": moment,
        "payload": json.dumps(without_personal(dict(event))),
    }


def _object_of(event: Mapping[str, Any]) -> Mapping[str, Any]:
    """What an event is about; nothing in the newer kind, which only names it."""
    data = event.get("data")
    found = data.get("object") if isinstance(data, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _is_moment(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**33


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 255 and value.isprintable()


async def _note_version(session: AsyncSession, version: str | None) -> None:
    """Say it when events begin to come in another version: their shape is the webhook endpoint's."""
    before = await session.scalar(
        text(
            "SELECT api_version FROM app.billing_events WHERE api_version IS NOT NULL"
            " ORDER BY received_at DESC, id DESC OFFSET 1 LIMIT 1"
        )
    )
    if version and before and version != before:
        log.warning("events come in another version", **{"event.version": version, "event.before": before})


async def _ask(session: AsyncSession, *, event_id: str) -> None:
    await session.execute(
        text("INSERT INTO app.outbox (job, payload) VALUES (:job, CAST(:payload AS jsonb))"),
        {"job": JOB, "payload": json.dumps({"event_id": event_id})},
    )
    await session.execute(text("SELECT pg_notify('outbox', '')"))


async def _tell(session: AsyncSession, *, event_id: str, kind: str, reason: str) -> None:
    await alarms.ring(
        session,
        key=f"billing.event:{event_id}",
        subject="an event of Stripe's was parked",
        paragraphs=[
            f"The event {event_id} ({kind}) was not acted upon: {reason}.",
            f"See `leadfuel billing inbox show {event_id}`, then retry or dismiss it.",
        ],
    )
