"""The ways credits come and go. Each movement has a business key; done again, it is the first one's result.

All of them need a session of the service and lock the account until the transaction ends.
"""

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from core.errors import Invalid
from core.ids import ContactId, UserId
from core.prices import Action
from domain.credits import books
from domain.credits.books import Books, Entry
from domain.credits.errors import OutOfCredits
from domain.credits.months import open_account

MAX_AMOUNT = 1_000_000


class BadAmount(Invalid):
    """Credits are moved in whole numbers from 1 to 1,000,000."""

    slug = "bad-amount"
    title = "Not an amount of credits"


async def grant(
    session: AsyncSession,
    *,
    user_id: UserId,
    amount: int,
    reference: str,
    reason: str,
    actor_id: UserId | None = None,
    expires_at: datetime | None = None,
) -> Entry:
    """Give credits away; the reason stands in the ledger."""
    _check(amount)
    account = await open_account(session, user_id=user_id)
    done = await books.find(session, user_id=user_id, kind="granted", reference=reference)
    if done is not None:
        return done
    grant_id = await books.new_grant(
        session, account, source="gift", reference=reference, amount=amount, expires_at=expires_at
    )
    entry = account.add(
        "granted",
        reference,
        amount,
        grants={grant_id: amount},
        action="gift",
        actor_id=actor_id,
        details={"reason": reason},
    )
    return await _written(session, account, entry)


async def purchase(
    session: AsyncSession,
    *,
    user_id: UserId,
    credits_: int,
    amount_cents: int,
    reference: str,
    stripe_charge_id: str | None = None,
) -> Entry:
    """Credits that were paid for. They do not expire."""
    _check(credits_)
    account = await open_account(session, user_id=user_id)
    done = await books.find(session, user_id=user_id, kind="purchased", reference=reference)
    if done is not None:
        return done
    grant_id = await books.new_grant(
        session, account, source="purchase", reference=reference, amount=credits_
    )
    entry = account.add(
        "purchased",
        reference,
        credits_,
        grants={grant_id: credits_},
        details={"amount_cents": amount_cents, "stripe_charge_id": stripe_charge_id},
    )
    return await _written(session, account, entry)


async def spend(
    session: AsyncSession,
    *,
    user_id: UserId,
    amount: int,
    action: Action,
    reference: str,
    contact_id: ContactId | None = None,
) -> Entry:
    """Take credits for something that is there at once."""
    _check(amount)
    account = await open_account(session, user_id=user_id)
    done = await books.find(session, user_id=user_id, kind="spent", reference=reference)
    if done is not None:
        return done
    account.require(amount)
    entry = account.take("spent", reference, amount, action=action, contact_id=contact_id)
    await books.write(session, account)
    return entry


async def refund(session: AsyncSession, *, user_id: UserId, reference: str, reason: str) -> Entry | None:
    """Give back what the entry `reference` has cost, once; None when it has cost nothing.

    The credits come as a grant of their own that does not expire: the one they were taken from may have.
    """
    account = await open_account(session, user_id=user_id)
    done = await books.find(session, user_id=user_id, kind="refunded", reference=reference)
    if done is not None:
        return done
    spent = await books.find(session, user_id=user_id, kind="spent", reference=reference)
    captured = await books.find(session, user_id=user_id, kind="captured", reference=reference)
    cost = -spent.delta if spent else int(captured.details["credits"]) if captured else 0
    origin = spent or captured
    if origin is None or not cost:
        return None
    grant_id = await books.new_grant(
        session, account, source="refund", reference=f"refund:{reference}", amount=cost
    )
    entry = account.add(
        "refunded",
        reference,
        cost,
        grants={grant_id: cost},
        action="refund",
        contact_id=origin.contact_id,
        details={"reason": reason, "of": origin.action},
    )
    return await _written(session, account, entry)


async def claw_back(
    session: AsyncSession, *, user_id: UserId, payment: str, total: int, grant: str | None = None
) -> Entry | None:
    """Take back credits of a payment that was returned, up to a cumulative total; None when that is done.

    Refunds and disputes of one payment come in any order, in parts and more than once: what counts is the
    highest total so far. The credits of the payment's own `grant` go first. What has been spent already
    becomes a debt, which the next credits pay.
    """
    _check(total)
    account = await open_account(session, user_id=user_id)
    taken, times = await _taken(session, user_id=user_id, payment=payment)
    due = total - taken
    if due <= 0:
        return None
    now = min(due, account.balance)
    own = await session.scalar(
        text("SELECT id FROM app.credit_grants WHERE user_id = :user_id AND reference = :reference"),
        {"user_id": user_id, "reference": grant},
    )
    entry = account.take(
        "clawed_back",
        f"{payment}:{times + 1}",
        now,
        first=own,
        owed_delta=due - now,
        details={"payment": payment, "total": total},
    )
    await books.write(session, account)
    return entry


async def restore(session: AsyncSession, *, user_id: UserId, payment: str, down_to: int = 0) -> Entry | None:
    """Give back what was clawed back of a payment beyond `down_to`: a dispute is won, or a refund has failed.
    None when there is nothing to give.
    """
    account = await open_account(session, user_id=user_id)
    taken, times = await _taken(session, user_id=user_id, payment=payment)
    due = taken - down_to
    if due <= 0:
        return None
    reference = f"{payment}:{times + 1}"
    grant_id = await books.new_grant(
        session, account, source="purchase", reference=f"restored:{reference}", amount=due
    )
    entry = account.add("restored", reference, due, grants={grant_id: due}, details={"payment": payment})
    return await _written(session, account, entry)


async def adjust(
    session: AsyncSession, *, user_id: UserId, amount: int, reference: str, reason: str, actor_id: UserId
) -> Entry:
    """Take credits away by hand, as many as there are at the most; the reason stands in the ledger."""
    _check(amount)
    account = await open_account(session, user_id=user_id)
    done = await books.find(session, user_id=user_id, kind="adjusted", reference=reference)
    if done is not None:
        return done
    if account.balance < amount:
        raise OutOfCredits(
            f"The account has {account.balance} credits.", balance=account.balance, needed=amount
        )
    entry = account.take("adjusted", reference, amount, actor_id=actor_id, details={"reason": reason})
    await books.write(session, account)
    return entry


async def _taken(session: AsyncSession, *, user_id: UserId, payment: str) -> tuple[int, int]:
    """How many credits of a payment have been taken back, less those restored, and by how many entries."""
    found = await session.execute(
        text(
            """
            SELECT coalesce(sum(owed_delta - delta), 0), count(*) FROM app.credit_ledger
            WHERE user_id = :user_id AND kind IN ('clawed_back', 'restored')
              AND details ->> 'payment' = :payment
            """
        ),
        {"user_id": user_id, "payment": payment},
    )
    taken, times = found.one()
    return int(taken), int(times)


async def _written(session: AsyncSession, account: Books, entry: Entry) -> Entry:
    """Pay a debt from what has come in, then write."""
    account.repay(f"{entry.kind}:{entry.reference}")
    await books.write(session, account)
    return entry


def _check(amount: int) -> None:
    if not 1 <= amount <= MAX_AMOUNT:
        reason = f"Credits are moved in whole numbers from 1 to {MAX_AMOUNT:,}."
        raise BadAmount(reason, errors=[{"path": "amount", "message": reason}])
