"""One event of the inbox: what it is about is read again at Stripe, and our books are brought to that state.

An event is only a hint that something has changed. So it does not matter in which order events come, how
often, or in the shape of which version: the state that is read is never older than the event. Reading takes
its time and has no transaction open; bringing the books to it is one transaction with the event's own mark.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from core.logs import get_logger
from core.settings import BillingSettings
from db.sessions import SERVICE, Database
from domain.billing import customers, inbox, objects, payments, subscriptions
from domain.billing.cloud import Cloud, Missing
from domain.billing.handled import Ignore, Park
from domain.billing.inbox import HANDLED, Event
from domain.billing.objects import Json

log = get_logger(__name__)


async def handle(db: Database, cloud: Cloud, settings: BillingSettings, *, event_id: str) -> None:
    """Act upon an event that waits. What is not ours to act upon is ignored or parked; any other error is
    noted with the event, and the job is to be tried again.
    """
    async with db.transaction(SERVICE) as session:
        event, payload = await inbox.get(session, event_id=event_id)
        if event.state != "waiting":
            return
        await session.execute(
            text("UPDATE app.billing_events SET attempts = attempts + 1 WHERE id = :id"), {"id": event_id}
        )
    if event.type not in HANDLED:
        await _end(db, event_id, state="ignored", reason="nothing follows from it")
        return
    try:
        said: Json = payload["data"]["object"]
        found = await _read_again(db, cloud, event, said)
        async with db.transaction(SERVICE) as session:
            if not await _still_waits(session, event_id):
                return
            await _apply(session, settings, event, said, found)
            await inbox.settle(session, event_id=event_id, state="done")
    except Ignore as why:
        await _end(db, event_id, state="ignored", reason=str(why))
    except (Park, objects.Unreadable) as why:
        await _end(db, event_id, state="parked", reason=str(why))
    except Exception as error:
        async with db.transaction(SERVICE) as session:
            await session.execute(
                text("UPDATE app.billing_events SET reason = :reason WHERE id = :id AND state = 'waiting'"),
                {"id": event_id, "reason": f"{type(error).__name__}: {error}"[:500]},
            )
        raise


class Found:
    """What was read: the objects, and the moment before they were asked for."""

    def __init__(self, state: Json, read_at: datetime, disputes: tuple[Json, ...] = ()) -> None:
        self.state = state
        self.read_at = read_at
        self.disputes = disputes


async def _read_again(db: Database, cloud: Cloud, event: Event, said: Json) -> Found:
    """The present state of what an event is about; as it was told, when there is no such thing any more."""
    async with db.transaction(SERVICE, read_only=True) as session:
        read_at: datetime = (await session.execute(text("SELECT clock_timestamp()"))).scalar_one()
    kind = HANDLED[event.type]
    try:
        if kind == "session":
            return Found(await cloud.session(_named(said, "id")), read_at)
        if kind == "invoice":
            return Found(await cloud.invoice(_named(said, "id")), read_at)
        if kind == "subscription":
            return Found(await cloud.subscription(_named(said, "id")), read_at)
        if kind == "charge":
            charge_id = _named(said, "id" if said.get("object") == "charge" else "charge")
            disputes = await cloud.disputes(charge_id)
            return Found(await cloud.charge(charge_id), read_at, tuple(disputes))
    except Missing:
        if kind == "charge":
            raise Ignore("there is no such charge") from None
        log.info("an object is read from its event: there is none any more", **{"event.type": event.type})
    return Found(said, event.happened_at)


async def _apply(
    session: AsyncSession, settings: BillingSettings, event: Event, said: Json, found: Found
) -> None:
    kind = HANDLED[event.type]
    if found.state.get("livemode", settings.livemode) != settings.livemode:
        raise Park("it is of the other mode")
    if kind == "session":
        await payments.checkout(session, settings, objects.session(found.state), event=event.type)
    elif kind == "invoice":
        await payments.invoice(session, settings, objects.invoice(found.state))
    elif kind == "subscription":
        state = objects.subscription(found.state)
        await subscriptions.apply(session, settings, state, read_at=found.read_at)
    elif kind == "charge":
        disputes = [objects.dispute(each) for each in found.disputes]
        charge = objects.charge(found.state)
        await payments.returns(session, settings, charge, disputes, read_at=found.read_at)
    else:
        await customers.unlink(session, customer_id=_named(said, "id"))


async def _still_waits(session: AsyncSession, event_id: str) -> bool:
    """Hold the event's row, so that nobody else acts upon it meanwhile."""
    state = await session.scalar(
        text("SELECT state FROM app.billing_events WHERE id = :id FOR UPDATE"), {"id": event_id}
    )
    return bool(state == "waiting")


async def _end(db: Database, event_id: str, *, state: inbox.State, reason: str) -> None:
    async with db.transaction(SERVICE) as session:
        await inbox.settle(session, event_id=event_id, state=state, reason=reason)


def _named(said: Mapping[str, Any], name: str) -> str:
    found = objects.id_of(said.get(name))
    if found is None:
        raise Ignore(f"it names no {name}")
    return found
