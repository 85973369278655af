"""The course of a request, the same for checking and finding: begun, asked, settled or tried again.

Credits are set aside in the transaction that writes the request down, and captured or given back in the one
that writes the outcome into its log; between the two there is only talk, and whatever dies there is taken
up again from the row. Several requests for one subject pay once between them.
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Protocol
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from core.errors import LeadFuelError
from core.ids import ContactId, UserId
from core.prices import CREDITS, Action
from db.sessions import SERVICE, Database
from domain.credits import holds
from domain.credits.errors import HoldSettled, OutOfCredits
from domain.emails import requests
from domain.emails.requests import Kind, Request
from domain.validator.limits import Held

# All attempts of a request fit in; what nobody takes up again comes back by itself.
HOLD_LASTS: Final = timedelta(hours=12)
_LEASE_MARGIN_S: Final = 15.0
# The status of errors that say that somebody is not to be processed (RFC 7725).
FORBIDDEN: Final = 451


@dataclass(frozen=True, slots=True)
class Outcome:
    """What asking came to, for good or (`again_at`) for the time being."""

    answer: Any
    attempts: int
    is_worth_paying: bool
    again_at: datetime | None = None
    contact_id: ContactId | None = None


class Trade(Protocol):
    """What is particular to one kind of request."""

    @property
    def kind(self) -> Kind: ...

    @property
    def action(self) -> Action: ...

    async def at_hand(self, session: AsyncSession, request: Request) -> Outcome | None:
        """What can be said without asking anybody; raises what forbids to ask."""

    async def ask(self, request: Request) -> Outcome:
        """Talk to mail servers, with no transaction open; raises `Held` when it is not the time to."""

    async def was_paid(self, session: AsyncSession, request: Request, outcome: Outcome) -> bool:
        """Whether the user has paid for this very answer before."""

    async def log(self, session: AsyncSession, request: Request, outcome: Outcome) -> int:
        """Write the request's one row of the log, or bring it up to date; its id."""

    async def tell(self, session: AsyncSession, request: Request, outcome: Outcome) -> None:
        """Let the catalogue know what was learned."""

    async def announce(self, session: AsyncSession, request: Request, outcome: Outcome) -> None:
        """Tell the user's webhooks of an answer that came after the call had ended."""


async def at_once(
    db: Database,
    trade: Trade,
    *,
    user_id: UserId,
    given: dict[str, Any],
    subject: str,
    reference: UUID | None,
    within_s: float,
) -> Request:
    """Ask while the caller waits, `within_s` at the most; the worker goes on with what takes longer.

    The same `reference` is the same request, however far it has come.
    """
    async with db.transaction(SERVICE) as session:
        request, is_new = await requests.insert(
            session,
            request_id=reference,
            user_id=user_id,
            kind=trade.kind,
            given=given,
            subject=subject,
            lease_s=within_s + _LEASE_MARGIN_S,
        )
        if not is_new:
            return request
        request = await prepare(session, trade, request)
    if request.is_over:
        return request
    try:
        async with asyncio.timeout(within_s):
            outcome = await trade.ask(request)
    except TimeoutError:
        await requests.hand_over(db, request)
        return request
    except Held as held:
        await requests.put_off(db, request, seconds=held.wait_s)
        return request
    except LeadFuelError as error:
        await fail(db, request, error=error.detail, forgets=error.status == FORBIDDEN)
        raise
    except Exception:
        await fail(db, request, error="The request did not come to its end.")
        raise
    return await settle(db, trade, request, outcome)


async def prepare(session: AsyncSession, trade: Trade, request: Request) -> Request:
    """Answer from what is at hand, or set aside what asking will cost."""
    await requests.alone(session, request)
    outcome = await trade.at_hand(session, request)
    if outcome is not None:
        return await _settle(session, trade, request, outcome)
    if request.hold_id is not None or await requests.holds_of_subject(session, request):
        return request
    made = await _reserve(session, trade, request)
    return await requests.pay_by(session, request, hold_id=made.id)


async def settle(
    db: Database, trade: Trade, request: Request, outcome: Outcome, *, is_late: bool = False
) -> Request:
    """Write the outcome down and pay for it, all in one transaction; the request as it then is.

    With `is_late` the caller has gone, and the user's webhooks are told.
    """
    try:
        async with db.transaction(SERVICE) as session:
            await requests.alone(session, request)
            mine = await requests.hold(session, request)
            if mine is None:
                return await requests.get(session, user_id=request.user_id, request_id=request.id)
            settled = await _settle(session, trade, mine, outcome)
            # The rows of a job are looked at together; nobody wants a letter for each.
            if is_late and settled.state == "done" and settled.job_id is None:
                await trade.announce(session, settled, outcome)
            return settled
    except OutOfCredits as error:
        await fail(db, request, error=error.detail)
        raise


async def fail(db: Database, request: Request, *, error: str, forgets: bool = False) -> None:
    """End a request that cannot be answered; it costs nothing. `forgets`: nor is kept whom it was about."""
    async with db.transaction(SERVICE) as session:
        mine = await requests.hold(session, request)
        if mine is not None:
            await give_back(session, mine.hold_id, why=error)
            await requests.close(session, mine, state="failed", error=error)
            if forgets:
                await requests.blot(session, mine)


async def give_back(session: AsyncSession, hold_id: UUID | None, *, why: str) -> None:
    """Void a hold, unless it was settled or has expired."""
    if hold_id is None:
        return
    try:
        await holds.void(session, hold_id=hold_id, why=why)
    except HoldSettled:
        return


async def _settle(session: AsyncSession, trade: Trade, request: Request, outcome: Outcome) -> Request:
    is_off = request.job_id is not None and await _is_cancelled(session, request.job_id)
    if outcome.again_at is not None and not is_off:
        log_id = await trade.log(session, request, outcome)
        return await requests.wait(
            session, request, until=outcome.again_at, attempts=outcome.attempts, log_id=log_id
        )
    paid = 0
    if not outcome.is_worth_paying:
        await give_back(session, request.hold_id, why="nothing learned")
    elif await trade.was_paid(session, request, outcome):
        await give_back(session, request.hold_id, why="paid before")
    else:
        paid = await _pay(session, trade, request, outcome)
    await trade.tell(session, request, outcome)
    log_id = await trade.log(session, request, outcome)
    return await requests.close(
        session,
        request,
        state="cancelled" if outcome.again_at is not None else "done",
        attempts=outcome.attempts,
        log_id=log_id,
        credits_paid=paid,
    )


async def _pay(session: AsyncSession, trade: Trade, request: Request, outcome: Outcome) -> int:
    """Capture what was set aside for the subject, by this request or another; else set it aside now."""
    for hold_id in await requests.holds_of_subject(session, request):
        try:
            captured = await holds.capture(session, hold_id=hold_id, contact_id=outcome.contact_id)
        except HoldSettled:
            continue
        if hold_id != request.hold_id:
            await give_back(session, request.hold_id, why="paid by another request")
        return captured.credits
    made = await _reserve(session, trade, request)
    await requests.pay_by(session, request, hold_id=made.id)
    await holds.capture(session, hold_id=made.id, contact_id=outcome.contact_id)
    return made.credits


async def _reserve(session: AsyncSession, trade: Trade, request: Request) -> holds.Hold:
    """A hold; its reference is a new one when an earlier hold of the request has expired."""
    return await holds.reserve(
        session,
        user_id=request.user_id,
        amount=CREDITS[trade.action],
        action=trade.action,
        reference=f"{trade.kind}:{request.id}" + (f":{request.hold_id}" if request.hold_id else ""),
        lasts=HOLD_LASTS,
    )


async def _is_cancelled(session: AsyncSession, job_id: UUID) -> bool:
    return bool(
        await session.scalar(
            text("SELECT cancelled_at IS NOT NULL FROM email_jobs WHERE id = :id"), {"id": job_id}
        )
    )
