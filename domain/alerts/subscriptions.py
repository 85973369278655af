"""Where else events go than into the feed, for each person alone: mail or webhooks, how often, when not."""

import difflib
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from typing import Any, Final, Literal
from uuid import UUID
from zoneinfo import ZoneInfo, available_timezones

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from core import clock
from core.errors import Invalid
from core.ids import UserId
from domain import icps

How = Literal["at_once", "daily", "weekly"]
COLUMNS: Final = "email, webhook, how, at_time, weekday, zone, quiet_from, quiet_until, at_most"


@dataclass(frozen=True, slots=True)
class Subscription:
    """What somebody wants to hear of an ICP beyond the feed; `weekday` counts from Monday as 1.

    Between `quiet_from` and `quiet_until` no mail is sent, and no more than `at_most` in a day (at once).
    """

    email: bool = False
    webhook: bool = False
    how: How = "at_once"
    at_time: time = time(8)
    weekday: int = 1
    zone: str = "UTC"
    quiet_from: time | None = None
    quiet_until: time | None = None
    at_most: int | None = None


async def get(session: AsyncSession, *, user_id: UserId, icp_id: UUID) -> Subscription:
    """What somebody has chosen; nothing but the feed when they have not."""
    row = (
        await session.execute(
            text(f"SELECT {COLUMNS} FROM app.icp_subscriptions WHERE icp_id = :icp AND user_id = :me"),  # noqa: S608
            {"icp": icp_id, "me": user_id},
        )
    ).one_or_none()
    return Subscription() if row is None else Subscription(**row._mapping)  # noqa: SLF001


async def choose(
    session: AsyncSession, *, user_id: UserId, icp_id: UUID, chosen: Subscription
) -> Subscription:
    """Choose for oneself, whoever sees the ICP; what has happened so far is not sent.

    Needs a session of the service role. Raises `NotFound` and `Invalid`.
    """
    await icps.get(session, user_id=user_id, icp_id=icp_id)
    check(chosen)
    due = None if chosen.how == "at_once" or not chosen.email else next_digest(chosen, clock.now())
    values: dict[str, Any] = {name: getattr(chosen, name) for name in Subscription.__dataclass_fields__}
    sets = ", ".join(f"{name} = excluded.{name}" for name in values)
    await session.execute(
        text(
            f"""
            INSERT INTO app.icp_subscriptions AS s
                (icp_id, user_id, {COLUMNS}, mailed_upto, webhook_upto, mail_due_at)
            SELECT :icp, :me, {", ".join(f":{name}" for name in values)}, last.id, last.id, :due
            FROM (SELECT coalesce(max(id), 0) AS id FROM app.icp_events WHERE icp_id = :icp) last
            ON CONFLICT (icp_id, user_id) DO UPDATE SET {sets},
                mailed_upto = CASE WHEN s.email THEN s.mailed_upto ELSE excluded.mailed_upto END,
                webhook_upto = CASE WHEN s.webhook THEN s.webhook_upto ELSE excluded.webhook_upto END,
                sending_upto = CASE WHEN s.email AND excluded.email THEN s.sending_upto END,
                mail_due_at = CASE WHEN excluded.how <> 'at_once' OR NOT excluded.email
                    THEN excluded.mail_due_at ELSE coalesce(s.mail_due_at, app.now()) END
            """  # noqa: S608 - our own columns
        ),
        values | {"icp": icp_id, "me": user_id, "due": due},
    )
    return await get(session, user_id=user_id, icp_id=icp_id)


def check(chosen: Subscription) -> None:
    """Raise `Invalid` for a zone that is none, or quiet hours without an end."""
    if chosen.zone not in _zones():
        near = difflib.get_close_matches(chosen.zone, _zones(), n=3, cutoff=0.5)
        error = {"path": "zone", "message": f"{chosen.zone[:80]!r} is not a time zone", "allowed": near}
        raise Invalid("There is no such time zone.", errors=[error])
    if chosen.quiet_from is not None and chosen.quiet_from == chosen.quiet_until:
        message = "Quiet hours that end when they begin are none."
        raise Invalid(message, errors=[{"path": "quiet", "message": message}])


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def next_digest(chosen: Subscription, after: datetime) -> datetime:
    """The next moment of a daily or weekly mail; once a local day, whatever the clocks are turned by."""
    zone = ZoneInfo(chosen.zone)
    day = after.astimezone(zone).date()
    while True:
        if chosen.how == "daily" or day.isoweekday() == chosen.weekday:
            moment = datetime.combine(day, chosen.at_time, tzinfo=zone).astimezone(UTC)
            if moment > after:
                return moment
        day += timedelta(days=1)


def quiet_until(chosen: Subscription, now: datetime) -> datetime | None:
    """The end of the quiet hours that it is in; None when it is in none."""
    if chosen.quiet_from is None or chosen.quiet_until is None:
        return None
    zone = ZoneInfo(chosen.zone)
    local = now.astimezone(zone)
    at = local.time()
    begin, end = chosen.quiet_from, chosen.quiet_until
    inside = begin <= at < end if begin < end else (at >= begin or at < end)
    if not inside:
        return None
    day = local.date() if at < end else local.date() + timedelta(days=1)
    return max(datetime.combine(day, end, tzinfo=zone).astimezone(UTC), now + timedelta(seconds=1))


def next_day(chosen: Subscription, now: datetime) -> datetime:
    """The next local midnight."""
    zone = ZoneInfo(chosen.zone)
    day = now.astimezone(zone).date() + timedelta(days=1)
    return datetime.combine(day, time(), tzinfo=zone).astimezone(UTC)
