"""An account for its owner to read: what there is, and how it came about, in words."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from core.errors import NotFound
from core.ids import UserId
from domain import paging
from domain.credits.books import Kind

_CURSOR: Final = "credits.ledger"


@dataclass(frozen=True, slots=True)
class Expiry:
    """Credits that will be written off if they are not spent before."""

    at: datetime
    credits: int


@dataclass(frozen=True, slots=True)
class Summary:
    """What an account has at this moment."""

    available: int
    held: int
    owed: int
    next_expiry: Expiry | None
    is_frozen: bool
    plan_id: str
    monthly_credits: int


@dataclass(frozen=True, slots=True)
class Line:
    """A movement; `action` says what the credits were for, `reason` whatever was given as one."""

    id: int
    at: datetime
    kind: Kind
    action: str | None
    credits: int
    balance_after: int
    contact_id: int | None
    contact_name: str | None
    reason: str | None
    what: str


@dataclass(frozen=True, slots=True)
class Page:
    lines: list[Line]
    cursor: str | None


async def summary(session: AsyncSession, *, user_id: UserId) -> Summary:
    """What can be spent now: expired grants do not count, whether or not they have been written off."""
    found = await session.execute(
        text(
            """
            SELECT u.credits_owed AS owed, u.credits_frozen_at IS NOT NULL AS is_frozen, u.plan_id,
                   p.monthly_credits,
                   (SELECT coalesce(sum(remaining), 0) FROM app.credit_grants
                    WHERE user_id = u.id AND remaining > 0
                      AND (expires_at IS NULL OR expires_at > app.now())) AS available,
                   (SELECT coalesce(sum(credits), 0) FROM app.credit_holds
                    WHERE user_id = u.id AND state = 'reserved') AS held
            FROM app.users AS u JOIN app.plans AS p ON p.id = u.plan_id WHERE u.id = :user_id
            """
        ),
        {"user_id": user_id},
    )
    row = found.one_or_none()
    if row is None:
        raise NotFound("There is no such user.")
    expiring = await session.execute(
        text(
            """
            SELECT expires_at, sum(remaining) FROM app.credit_grants
            WHERE user_id = :user_id AND remaining > 0 AND expires_at > app.now()
            GROUP BY expires_at ORDER BY expires_at LIMIT 1
            """
        ),
        {"user_id": user_id},
    )
    first = expiring.one_or_none()
    return Summary(
        available=row.available,
        held=row.held,
        owed=row.owed,
        next_expiry=Expiry(first[0], first[1]) if first else None,
        is_frozen=row.is_frozen,
        plan_id=row.plan_id,
        monthly_credits=row.monthly_credits,
    )


async def ledger(
    session: AsyncSession,
    *,
    user_id: UserId,
    limit: int,
    cursor: str | None = None,
    kinds: Sequence[Kind] = (),
    action: str | None = None,
    contact_id: int | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Page:
    """Movements, the newest first. A page is found by an index, however long the ledger is and however rare
    what is asked for; only the far past of a busy account, asked for by `until` alone, is reached by way of
    what came after it.
    """
    before = paging.decode(_CURSOR, cursor, int) if cursor else None
    asked = {
        "id < :before": ("before", before),
        "kind = ANY(:kinds)": ("kinds", list(kinds) or None),
        "action = :action": ("action", action),
        "contact_id = :contact_id": ("contact_id", contact_id),
        "created_at >= :since": ("since", since),
        "created_at < :until": ("until", until),
    }
    # Only what is asked for stands in the statement, or a plan for all statements would have to suit each.
    given = {condition: pair for condition, pair in asked.items() if pair[1] is not None}
    found = await session.execute(
        text(
            f"""
            SELECT l.id, l.created_at, l.kind, l.action, l.delta, l.balance_after, l.contact_id,
                   c.full_name, l.details
            FROM (
                SELECT * FROM app.credit_ledger
                WHERE {" AND ".join(["user_id = :user_id", *given])}
                ORDER BY id DESC LIMIT :limit
            ) AS l
            LEFT JOIN app.contacts AS c ON c.id = l.contact_id
            ORDER BY l.id DESC
            """  # noqa: S608 - conditions of this function
        ),
        {"user_id": user_id, "limit": limit + 1, **dict(given.values())},
    )
    lines = [_line(row) for row in found]
    more = len(lines) > limit
    lines = lines[:limit]
    return Page(lines, paging.encode(_CURSOR, lines[-1].id) if more else None)


def _line(row: Row[Any]) -> Line:
    return Line(
        id=row.id,
        at=row.created_at,
        kind=row.kind,
        action=row.action,
        credits=row.delta,
        balance_after=row.balance_after,
        contact_id=row.contact_id,
        contact_name=row.full_name,
        reason=row.details.get("reason") or row.details.get("why"),
        what=_words(row),
    )


_FOR: Final = {
    "unlock_email": "the e-mail address of {whom}",
    "unlock_phone": "the phone number of {whom}",
    "email_finder": "finding the e-mail address of {whom}",
    "validate_email": "checking an e-mail address",
}


def _words(row: Row[Any]) -> str:
    """What happened, as one would say it."""
    whom = row.full_name or (f"contact {row.contact_id}" if row.contact_id else "somebody")
    thing = _FOR.get(row.details.get("of") or row.action or "", "credits").format(whom=whom)
    phrase = _PHRASES.get(f"{row.kind} {row.action}") or _PHRASES[row.kind]
    return phrase.format(
        thing=thing, credits=row.details.get("credits"), why=row.details.get("why", "not used")
    )


# By kind, and by action where that makes a difference.
_PHRASES: Final = {
    "granted": "Credits given to you",
    "granted plan": "Monthly credits of your plan",
    "granted rollover": "Credits carried over from last month",
    "spent": "Paid for {thing}",
    "spent unlock_email": "Unlocked {thing}",
    "spent unlock_phone": "Unlocked {thing}",
    "captured": "Paid {credits} reserved credits for {thing}",
    "voided": "Reserved credits returned: {why}",
    "purchased": "Bought credits",
    "reserved": "Reserved for {thing}",
    "expired": "Credits that have expired",
    "refunded": "Refunded: {thing}",
    "clawed_back": "Taken back: the payment was returned",
    "restored": "Given back: the payment stands",
    "repaid": "Paid off what was owed",
    "adjusted": "Corrected by an administrator",
}
