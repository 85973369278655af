"""What a plan gives every month, and how an account is brought up to date.

A month that is paid for begins with its invoice, which is its business key. Any other begins on the day of
the month on which the user signed up, or on the last day of a shorter month, at 00:00 UTC; so leap days and
daylight saving move nothing. Its grant has the month in its business key: however often and however late
this runs, there is one for a month.
"""

import calendar
from datetime import UTC, datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from core.ids import UserId
from domain.credits import books
from domain.credits.books import Books, Entry, Grant, Source


async def open_account(session: AsyncSession, *, user_id: UserId) -> Books:
    """Lock an account and bring it up to date."""
    account = await books.lock(session, user_id=user_id)
    await _return_stale_holds(session, account)
    await _renew(session, account)
    expire(account, because=account.now.isoformat())
    await books.write(session, account)
    return account


async def refresh(session: AsyncSession, *, user_id: UserId) -> None:
    """Bring an account up to date if time has something to do there; otherwise it is not even locked."""
    if await due(session, limit=1, only=user_id):
        await open_account(session, user_id=user_id)


def month_of(moment: datetime, *, anchor: datetime) -> tuple[datetime, datetime]:
    """The month a moment is in, of an account that began at `anchor`: its first instant and its end."""
    moment, anchor = moment.astimezone(UTC), anchor.astimezone(UTC)
    start = _start(moment.year, moment.month, anchor.day)
    if moment < start:
        year, month = _shifted(moment.year, moment.month, -1)
        return _start(year, month, anchor.day), start
    year, month = _shifted(moment.year, moment.month, 1)
    return start, _start(year, month, anchor.day)


async def due(
    session: AsyncSession, *, limit: int, after: UserId | None = None, only: UserId | None = None
) -> list[UserId]:
    """Accounts where time has something to do, by id: an expired hold or grant, or a month without grant."""
    found = await session.scalars(
        text(
            """
            SELECT u.id FROM app.users AS u JOIN app.plans AS p ON p.id = u.plan_id
            WHERE (CAST(:after AS uuid) IS NULL OR u.id > :after)
              AND (CAST(:only AS uuid) IS NULL OR u.id = :only)
              AND (EXISTS (SELECT FROM app.credit_grants AS g
                           WHERE g.user_id = u.id AND g.remaining > 0 AND g.expires_at <= app.now())
                OR EXISTS (SELECT FROM app.credit_holds AS h
                           WHERE h.user_id = u.id AND h.state = 'reserved' AND h.expires_at <= app.now())
                OR (p.monthly_credits > 0
                    AND NOT EXISTS (
                        SELECT FROM app.credit_grants AS g
                        WHERE g.user_id = u.id AND g.source = 'plan' AND g.expires_at > app.now())
                    AND NOT EXISTS (
                        SELECT FROM app.billing_subscriptions AS s
                        WHERE s.user_id = u.id AND s.status IN ('trialing', 'active', 'past_due'))))
            ORDER BY u.id LIMIT :limit
            """
        ),
        {"after": after, "only": only, "limit": limit},
    )
    return [UserId(user_id) for user_id in found]


async def paid_month(
    session: AsyncSession,
    *,
    user_id: UserId,
    credits_: int,
    rollover_credits: int,
    reference: str,
    ends_at: datetime,
    is_renewal: bool,
) -> Entry:
    """The credits of a month that was paid for; the same reference again is the same month.

    A renewal closes the month before, whose grants may still run, and carries over what the plan lets pass.
    """
    account = await open_account(session, user_id=user_id)
    done = await books.find(session, user_id=user_id, kind="granted", reference=reference)
    if done is not None:
        return done
    left = 0
    if is_renewal:
        for grant in account.grants:
            if grant.remaining and grant.source in {"plan", "rollover"}:
                left += grant.remaining
                _write_off(account, grant, because=reference)
    await _begin(
        session, account, reference=reference, amount=credits_, kept=min(left, rollover_credits), end=ends_at
    )
    entry = next(each for each in account.entries if each.reference == reference and each.kind == "granted")
    await books.write(session, account)
    return entry


async def _renew(session: AsyncSession, account: Books) -> None:
    """Grant this month's credits if they have not been, and carry over what the plan lets pass."""
    if not account.monthly_credits or account.is_subscribed:
        return
    start, end = month_of(account.now, anchor=account.created_at)
    reference = f"month:{start:%Y-%m-%d}"
    if any(grant.source == "plan" and grant.reference == reference for grant in account.grants):
        return
    # It may have been, and be used up.
    if await books.find(session, user_id=account.user_id, kind="granted", reference=reference):
        return
    left = sum(
        grant.remaining
        for grant in account.grants
        if grant.source in {"plan", "rollover"} and grant.expires_at and grant.expires_at <= account.now
    )
    expire(account, because=reference)
    kept = min(left, account.rollover_credits)
    await _begin(session, account, reference=reference, amount=account.monthly_credits, kept=kept, end=end)


async def _begin(
    session: AsyncSession, account: Books, *, reference: str, amount: int, kept: int, end: datetime
) -> None:
    """A month's own grant, and the one of what is carried over."""
    parts: tuple[tuple[Source, str, int], ...] = (
        ("rollover", f"rollover:{reference}", kept),
        ("plan", reference, amount),
    )
    for source, name, credits_ in parts:
        if credits_:
            grant_id = await books.new_grant(
                session, account, source=source, reference=name, amount=credits_, expires_at=end
            )
            account.add("granted", name, credits_, grants={grant_id: credits_}, action=source)
    account.repay(reference)


def expire(account: Books, *, because: str) -> None:
    """Write off what is left of grants whose time is over. It can happen to a grant more than once, for a
    voided hold brings credits back to where they came from; so the occasion is part of the key.
    """
    for grant in account.grants:
        if grant.remaining and grant.expires_at and grant.expires_at <= account.now:
            _write_off(account, grant, because=because)


def _write_off(account: Books, grant: Grant, *, because: str) -> None:
    reference = f"grant:{grant.id}:{because}"
    account.add("expired", reference, -grant.remaining, grants={grant.id: -grant.remaining})


async def _return_stale_holds(session: AsyncSession, account: Books) -> None:
    """Give back what was set aside for work that has not come to an end in its time."""
    if not account.has_stale_holds:
        return
    stale = await session.execute(
        text(
            """
            UPDATE app.credit_holds SET state = 'expired', settled_at = app.now()
            WHERE user_id = :user_id AND state = 'reserved' AND expires_at <= app.now()
            RETURNING reference
            """
        ),
        {"user_id": account.user_id},
    )
    for reference in sorted(stale.scalars()):
        await give_back(session, account, reference=reference, why="expired")


async def give_back(session: AsyncSession, account: Books, *, reference: str, why: str) -> None:
    """Return the credits of a hold to the grants they were taken from."""
    reserved = await books.find(session, user_id=account.user_id, kind="reserved", reference=reference)
    if reserved is None:
        raise LookupError("a hold without its entry in the ledger")
    held = {grant.id for grant in account.grants}
    missing = [grant for grant in reserved.grants if grant not in held]
    if missing:
        found = await session.execute(
            text(
                "SELECT id, source, reference, remaining, expires_at FROM app.credit_grants"
                " WHERE id = ANY(:ids)"
            ),
            {"ids": missing},
        )
        account.grants += [books.Grant(*row) for row in found]
        account.sort()
    account.add(
        "voided",
        reference,
        -reserved.delta,
        grants={grant: -taken for grant, taken in reserved.grants.items()},
        action=reserved.action,
        contact_id=reserved.contact_id,
        details={"why": why},
    )
    account.repay(f"voided:{reference}")
    expire(account, because=f"voided:{reference}")


def _start(year: int, month: int, day: int) -> datetime:
    last = calendar.monthrange(year, month)[1]
    return datetime(year, month, min(day, last), tzinfo=UTC)


def _shifted(year: int, month: int, months: int) -> tuple[int, int]:
    number = year * 12 + month - 1 + months
    return number // 12, number % 12 + 1
