"""Credits set aside for slow work: *reserved*, then *captured*, *voided* or *expired*, once.

A reserved credit has left the balance, so work that succeeds can always be paid; nobody talks to the
outside while an account is locked. Work that never comes back loses its hold by time.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from core.errors import NotFound
from core.ids import ContactId, UserId
from core.prices import Action
from domain.credits import books
from domain.credits.errors import HoldSettled
from domain.credits.months import give_back, open_account

State = Literal["reserved", "captured", "voided", "expired"]

_COLUMNS = "id, user_id, reference, action, credits, contact_id, state, expires_at"


@dataclass(frozen=True, slots=True)
class Hold:
    """Credits that wait for the outcome of some work."""

    id: UUID
    user_id: UserId
    reference: str
    action: str
    credits: int
    contact_id: ContactId | None
    state: State
    expires_at: datetime


async def reserve(
    session: AsyncSession,
    *,
    user_id: UserId,
    amount: int,
    action: Action,
    reference: str,
    lasts: timedelta,
    contact_id: ContactId | None = None,
) -> Hold:
    """Set credits aside; the same reference again is the same hold, whatever has become of it."""
    account = await open_account(session, user_id=user_id)
    found = await session.execute(
        text(f"SELECT {_COLUMNS} FROM app.credit_holds WHERE user_id = :user_id AND reference = :reference"),  # noqa: S608
        {"user_id": user_id, "reference": reference},
    )
    row = found.one_or_none()
    if row is not None:
        return _hold(row)
    account.require(amount)
    made = await session.execute(
        text(
            f"""
            INSERT INTO app.credit_holds (user_id, reference, action, credits, contact_id, expires_at)
            VALUES (:user_id, :reference, :action, :credits, :contact_id, :expires_at)
            RETURNING {_COLUMNS}
            """  # noqa: S608 - a constant list of columns
        ),
        {
            "user_id": user_id,
            "reference": reference,
            "action": action,
            "credits": amount,
            "contact_id": contact_id,
            "expires_at": account.now + lasts,
        },
    )
    account.take("reserved", reference, amount, action=action, contact_id=contact_id)
    await books.write(session, account)
    return _hold(made.one())


async def capture(session: AsyncSession, *, hold_id: UUID, contact_id: ContactId | None = None) -> Hold:
    """The work has succeeded: what was set aside is spent. `HoldSettled` when it was settled otherwise."""
    user_id = await _owner(session, hold_id=hold_id)
    account = await open_account(session, user_id=user_id)
    hold = await _settle(session, hold_id=hold_id, state="captured")
    account.add(
        "captured",
        hold.reference,
        0,
        action=hold.action,
        contact_id=contact_id or hold.contact_id,
        details={"credits": hold.credits},
    )
    await books.write(session, account)
    return hold


async def void(session: AsyncSession, *, hold_id: UUID, why: str) -> Hold:
    """The work has failed or found nothing: what was set aside comes back."""
    user_id = await _owner(session, hold_id=hold_id)
    account = await open_account(session, user_id=user_id)
    hold = await _settle(session, hold_id=hold_id, state="voided")
    await give_back(session, account, reference=hold.reference, why=why)
    await books.write(session, account)
    return hold


async def _owner(session: AsyncSession, *, hold_id: UUID) -> UserId:
    found = await session.execute(
        text("SELECT user_id FROM app.credit_holds WHERE id = :id"), {"id": hold_id}
    )
    user_id = found.scalar_one_or_none()
    if user_id is None:
        raise NotFound("There is no such hold.")
    return UserId(user_id)


async def _settle(session: AsyncSession, *, hold_id: UUID, state: State) -> Hold:
    found = await session.execute(
        text(
            f"""
            UPDATE app.credit_holds SET state = :state, settled_at = app.now()
            WHERE id = :id AND state = 'reserved' RETURNING {_COLUMNS}
            """  # noqa: S608 - a constant list of columns
        ),
        {"id": hold_id, "state": state},
    )
    row = found.one_or_none()
    if row is None:
        raise HoldSettled("This hold has been captured or voided, or has expired.")
    return _hold(row)


def _hold(row: Row[Any]) -> Hold:
    return Hold(
        id=row.id,
        user_id=row.user_id,
        reference=row.reference,
        action=row.action,
        credits=row.credits,
        contact_id=row.contact_id,
        state=row.state,
        expires_at=row.expires_at,
    )
