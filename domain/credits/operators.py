"""Credits that administrators give and take by hand: with a reason, in the audit log, and not without end."""

from uuid import UUID, uuid4

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from core.errors import LeadFuelError
from core.ids import UserId
from domain import audit
from domain.credits import books, movements
from domain.credits.books import Entry
from domain.credits.movements import BadAmount


class DailyLimit(LeadFuelError):
    """An administrator has moved as many credits in 24 hours as this installation lets one move."""

    status = 409
    slug = "daily-limit"
    title = "Enough credits for a day"


async def change(
    session: AsyncSession,
    *,
    limit: int,
    actor_id: UserId,
    user_id: UserId,
    credits_: int,
    reason: str,
    reference: UUID | None = None,
) -> Entry:
    """Give credits, or take them when they are less than 0. Raises `DailyLimit` and `OutOfCredits`."""
    if credits_ == 0:
        message = "0 credits are nothing to give or take."
        raise BadAmount(message, errors=[{"path": "credits", "message": message}])
    # One of an administrator's deeds at a time, so that two cannot share what is left of the day.
    await session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"), {"name": f"credits by {actor_id}"}
    )
    moved = await session.scalar(
        text(
            """
            SELECT coalesce(sum(abs(delta)), 0) FROM app.credit_ledger
            WHERE actor_id = :actor AND kind IN ('granted', 'adjusted')
              AND created_at > app.now() - interval '24 hours'
            """
        ),
        {"actor": actor_id},
    )
    if int(moved or 0) + abs(credits_) > limit:
        raise DailyLimit(
            f"{moved} credits were moved in 24 hours; {limit} are allowed.",
            moved=int(moved or 0),
            limit=limit,
        )
    key = f"admin:{reference or uuid4()}"
    if credits_ > 0:
        done = await books.find(session, user_id=user_id, kind="granted", reference=key)
        entry = done or await movements.grant(
            session, user_id=user_id, amount=credits_, reference=key, reason=reason, actor_id=actor_id
        )
    else:
        done = await books.find(session, user_id=user_id, kind="adjusted", reference=key)
        entry = done or await movements.adjust(
            session, user_id=user_id, amount=-credits_, reference=key, reason=reason, actor_id=actor_id
        )
    if done is None:
        await audit.record(
            session,
            actor_id=actor_id,
            action="credits.given" if credits_ > 0 else "credits.taken",
            subject=f"user:{user_id}",
            detail={"credits": credits_, "reason": reason},
        )
    return entry
