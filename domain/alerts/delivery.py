"""Brings events to those who asked for more than the feed: to their webhooks at once, by mail as they chose.

How far somebody has been told is a place in the feed. For webhooks it moves in the transaction that queues
the deliveries. A mail is claimed under a lease, and what it will tell is fixed before it is sent: a mail
server that is down delays it, two processes send it once, and one that is killed between sending and writing
that down sends the same letter under the same Message-ID.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from core import clock
from core.errors import LeadFuelError, NotFound
from core.ids import UserId
from core.logs import get_logger
from core.settings import Settings
from db.sessions import SERVICE, Database, acting, member
from domain import icps, mail, webhooks
from domain.alerts import feed, letters
from domain.alerts.feed import Event, EventPage
from domain.alerts.subscriptions import COLUMNS, Subscription, next_day, next_digest, quiet_until
from domain.alerts.writing import subject
from domain.icps import Icp
from search.engine import Searcher

log = get_logger(__name__)

LEASE_S: Final = 120.0
AT_ONCE: Final = 20
_MOST_EVENTS: Final = 1_000
_FIRST_PAUSE: Final = timedelta(seconds=30)
_LONGEST_PAUSE: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Due:
    """A claimed mail: to whom, of which ICP, from where in the feed, and up to where if it was tried."""

    icp_id: UUID
    user_id: UserId
    address: str
    chosen: Subscription
    mailed_upto: int
    sending_upto: int | None
    failures: int
    mails_on: date | None
    mails_that_day: int
    claimed_by: UUID


async def to_webhooks(db: Database, searcher: Searcher) -> int:
    """Queue what webhooks are to hear; for how many people there was something."""
    async with db.transaction(SERVICE, read_only=True) as session:
        found = await session.execute(
            text("SELECT DISTINCT user_id FROM app.icp_subscriptions WHERE webhook_due LIMIT :limit"),
            {"limit": AT_ONCE},
        )
        users = [UserId(user_id) for user_id in found.scalars()]
    told = 0
    for user_id in users:
        async with db.transaction(SERVICE) as session:
            # All of one person in one go and by one process: so events keep their order over all ICPs.
            mine = await session.scalar(
                text("SELECT pg_try_advisory_xact_lock(hashtextextended(:key, 0))"),
                {"key": f"webhooks of {user_id}"},
            )
            if mine:
                await _announce(session, searcher, user_id)
                told += 1
    return told


async def _announce(session: AsyncSession, searcher: Searcher, user_id: UserId) -> None:
    rows = await session.execute(
        text(
            "SELECT icp_id, webhook_upto FROM app.icp_subscriptions WHERE webhook_due AND user_id = :user_id"
            " ORDER BY icp_id FOR UPDATE"
        ),
        {"user_id": user_id},
    )
    told_upto = {row.icp_id: row.webhook_upto for row in rows}
    seen = []
    for icp_id in list(told_upto):
        try:
            seen.append(await icps.get(session, user_id=user_id, icp_id=icp_id))
        except NotFound:
            del told_upto[icp_id]
            await _end(session, icp_id, user_id)
    if not seen:
        return
    position = min(told_upto.values())
    async with acting(session, member(user_id)):
        page = await _read(session, searcher, seen, user_id, position)
    events = [event for event in page.events if event.id > told_upto[event.icp_id]]
    await webhooks.announce_all(session, user_id=user_id, events=[_announced(event) for event in events])
    await session.execute(
        text(
            "UPDATE app.icp_subscriptions SET webhook_upto = greatest(webhook_upto, :upto),"
            " webhook_due = :more WHERE user_id = :user_id AND icp_id = ANY(:icps)"
        ),
        {
            "user_id": user_id,
            "icps": list(told_upto),
            "upto": page.upto,
            "more": page.upto > position,
        },
    )


def _announced(event: Event) -> tuple[webhooks.Kind, str, dict[str, Any], str]:
    kinds: dict[str, webhooks.Kind] = {
        "entered": "icp.entered",
        "left": "icp.left",
        "changed": "icp.changed",
    }
    payload = {
        "event_id": event.id,
        "icp_id": event.icp_id,
        "icp_name": event.icp_name,
        "icp_version": event.version,
        "entity": event.entity,
        "record_id": event.record_id,
        "name": event.name,
        "title": event.title,
        "company": event.company,
        "reason": event.reason,
        "changes": event.changes,
        "reasons": event.reasons,
        "created_at": event.created_at,
    }
    return kinds[event.kind], f"icp-event-{event.id}", payload, subject(event.entity, event.record_id)


async def by_mail(settings: Settings, db: Database, searcher: Searcher) -> int:
    """Send the mails that are due; how many were looked at."""
    due = await _claim(db)
    for one in due:
        await _mail(settings, db, searcher, one)
    return len(due)


async def unsubscribe(session: AsyncSession, *, icp_id: UUID, user_id: UserId) -> None:
    """End the mail of one ICP to one person, at once. Needs a session of the service role."""
    await session.execute(
        text(
            "UPDATE app.icp_subscriptions SET email = false, mail_due_at = NULL, sending_upto = NULL"
            " WHERE icp_id = :icp_id AND user_id = :user_id"
        ),
        {"icp_id": icp_id, "user_id": user_id},
    )


async def _claim(db: Database) -> list[Due]:
    mine = uuid.uuid4()
    async with db.transaction(SERVICE) as session:
        rows = await session.execute(
            text(
                f"""
                WITH due AS (
                    SELECT icp_id, user_id FROM app.icp_subscriptions
                    WHERE email AND mail_due_at <= app.now()
                      AND (claimed_until IS NULL OR claimed_until < clock_timestamp())
                    ORDER BY mail_due_at LIMIT :limit FOR UPDATE SKIP LOCKED
                )
                UPDATE app.icp_subscriptions s
                SET claimed_by = :mine, claimed_until = clock_timestamp() + make_interval(secs => :lease_s)
                FROM due JOIN app.users u ON u.id = due.user_id
                WHERE s.icp_id = due.icp_id AND s.user_id = due.user_id
                RETURNING s.icp_id, s.user_id, u.email::text AS address, {
                    ", ".join(f"s.{c}" for c in COLUMNS.split(", "))
                },
                          s.mailed_upto, s.sending_upto, s.failures, s.mails_on, s.mails_that_day
                """  # noqa: S608 - our own columns
            ),
            {"limit": AT_ONCE, "mine": mine, "lease_s": LEASE_S},
        )
        return [
            Due(
                icp_id=row.icp_id,
                user_id=UserId(row.user_id),
                address=row.address,
                chosen=Subscription(**{name: getattr(row, name) for name in COLUMNS.split(", ")}),
                mailed_upto=row.mailed_upto,
                sending_upto=row.sending_upto,
                failures=row.failures,
                mails_on=row.mails_on,
                mails_that_day=row.mails_that_day,
                claimed_by=mine,
            )
            for row in rows
        ]


async def _mail(settings: Settings, db: Database, searcher: Searcher, due: Due) -> None:
    """Send one mail, or say when it is time for it."""
    now = clock.now()
    if later := _later(due, now):
        await _postpone(db, due, later, failures=due.failures)
        return
    try:
        async with db.transaction(member(due.user_id), read_only=True) as session:
            icp = await icps.get(session, user_id=due.user_id, icp_id=due.icp_id)
            page = await _read(session, searcher, [icp], due.user_id, due.mailed_upto)
    except NotFound:
        async with db.transaction(SERVICE) as session:
            await _end(session, due.icp_id, due.user_id)
        return
    upto = page.upto if due.sending_upto is None else due.sending_upto
    events = [event for event in page.events if event.id <= upto]
    if events:
        if not await _fix(db, due, upto):
            return
        letter = letters.compose(
            settings, to=due.address, user_id=due.user_id, icp_id=due.icp_id, events=events, upto=upto
        )
        try:
            await mail.send(settings.mail, letter)
        except mail.MailNotSent as error:
            if not due.failures:
                log.warning("an alert waits for the mail server", **{"icp.id": str(due.icp_id)})
            log.debug("a mail was not sent", error=error.detail)
            pause = min(_FIRST_PAUSE * 2 ** min(due.failures, 10), _LONGEST_PAUSE)
            await _postpone(db, due, now + pause, failures=due.failures + 1)
            return
    await _settle(db, due, upto, sent=bool(events))


def _later(due: Due, now: datetime) -> datetime | None:
    """When to look again instead of sending now: after quiet hours, or tomorrow when today had its share.

    A letter that was fixed before is not held back by its own day's share.
    """
    if until := quiet_until(due.chosen, now):
        return until
    share = due.chosen.at_most
    today = now.astimezone(ZoneInfo(due.chosen.zone)).date()
    if due.chosen.how == "at_once" and share and due.mails_on == today and due.mails_that_day >= share:
        return next_day(due.chosen, now)
    return None


async def _read(
    session: AsyncSession, searcher: Searcher, seen: Sequence[Icp], user_id: UserId, position: int
) -> EventPage:
    """What the reader may see of these ICPs behind a position, in a session that is theirs.

    With a condition that cannot be applied any more (a list that is gone) nothing is told.
    """
    try:
        return await feed.beyond(
            session,
            searcher,
            actor=member(user_id),
            user_id=user_id,
            icps_read=seen,
            position=position,
            limit=_MOST_EVENTS,
        )
    except LeadFuelError as error:
        log.info("an alert cannot be told", **{"user.id": str(user_id), "error.slug": error.slug})
        return EventPage([], "", position)


async def _end(session: AsyncSession, icp_id: UUID, user_id: UserId) -> None:
    """Whoever does not see an ICP any more hears no more of it."""
    await session.execute(
        text("DELETE FROM app.icp_subscriptions WHERE icp_id = :icp_id AND user_id = :user_id"),
        {"icp_id": icp_id, "user_id": user_id},
    )


async def _fix(db: Database, due: Due, upto: int) -> bool:
    """Write down what the letter will tell; False when somebody else has taken the mail over."""
    async with db.transaction(SERVICE) as session:
        fixed = await session.execute(
            text(
                "UPDATE app.icp_subscriptions SET sending_upto = :upto WHERE icp_id = :icp_id"
                " AND user_id = :user_id AND claimed_by = :mine AND email RETURNING 1"
            ),
            {"icp_id": due.icp_id, "user_id": due.user_id, "mine": due.claimed_by, "upto": upto},
        )
        return fixed.one_or_none() is not None


async def _postpone(db: Database, due: Due, until: datetime, *, failures: int) -> None:
    async with db.transaction(SERVICE) as session:
        await session.execute(
            text(
                "UPDATE app.icp_subscriptions SET mail_due_at = :until, failures = :failures,"
                " claimed_until = NULL"
                " WHERE icp_id = :icp_id AND user_id = :user_id AND claimed_by = :mine"
            ),
            {
                "icp_id": due.icp_id,
                "user_id": due.user_id,
                "mine": due.claimed_by,
                "until": until,
                "failures": failures,
            },
        )


async def _settle(db: Database, due: Due, upto: int, *, sent: bool) -> None:
    """Move the place on. The row is locked first: an event written meanwhile is seen by what follows."""
    now = clock.now()
    today = now.astimezone(ZoneInfo(due.chosen.zone)).date()
    digest = None if due.chosen.how == "at_once" else next_digest(due.chosen, now)
    key = {"icp_id": due.icp_id, "user_id": due.user_id, "mine": due.claimed_by}
    async with db.transaction(SERVICE) as session:
        await session.execute(
            text(
                "SELECT 1 FROM app.icp_subscriptions"
                " WHERE icp_id = :icp_id AND user_id = :user_id AND claimed_by = :mine FOR UPDATE"
            ),
            key,
        )
        await session.execute(
            text(
                """
                UPDATE app.icp_subscriptions s
                SET mailed_upto = :upto, sending_upto = NULL, claimed_until = NULL, failures = 0,
                    mails_that_day = CASE WHEN s.mails_on = :today THEN s.mails_that_day ELSE 0 END
                                     + CASE WHEN :sent THEN 1 ELSE 0 END,
                    mails_on = :today,
                    mail_due_at = CASE
                        WHEN NOT s.email THEN NULL
                        WHEN CAST(:digest AS timestamptz) IS NOT NULL THEN :digest
                        WHEN :moved AND EXISTS (SELECT 1 FROM app.icp_events e
                                     WHERE e.icp_id = s.icp_id AND e.id > :upto) THEN app.now()
                        END
                WHERE s.icp_id = :icp_id AND s.user_id = :user_id AND s.claimed_by = :mine
                """
            ),
            key
            | {"upto": upto, "today": today, "sent": sent, "digest": digest, "moved": upto > due.mailed_upto},
        )
