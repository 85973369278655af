"""An account, opened for writing: its row is locked until the transaction ends, entries are made in memory
and written by one statement, and the database's trigger moves everything that follows from them.

Whoever spends waits for the row, so two spenders never see the same credit; whatever is read behind the
lock is the newest. An account is up to date when it opens: holds and grants that have expired are gone.

Opening takes two statements and writing takes one: each is a message to PostgreSQL and an answer, and those
are what an unlock costs.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from core.errors import NotFound
from core.ids import ContactId, UserId
from core.prices import RevealField
from domain.credits.errors import OutOfCredits, SpendingFrozen

Kind = Literal[
    "granted",
    "purchased",
    "spent",
    "reserved",
    "captured",
    "voided",
    "expired",
    "refunded",
    "clawed_back",
    "restored",
    "repaid",
    "adjusted",
]
Source = Literal["plan", "rollover", "gift", "refund", "purchase"]

# What is spent first; within one priority what expires first, then what came first.
PRIORITIES: Final[Mapping[Source, int]] = {
    "rollover": 10,
    "plan": 20,
    "gift": 30,
    "refund": 40,
    "purchase": 50,
}


@dataclass(slots=True)
class Grant:
    """Credits that came in together, and how many of them are left."""

    id: int
    source: Source
    reference: str
    remaining: int
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the ledger, before or after it is written."""

    kind: Kind
    reference: str
    delta: int
    balance_after: int
    owed_delta: int = 0
    action: str | None = None
    contact_id: ContactId | None = None
    actor_id: UserId | None = None
    grants: Mapping[int, int] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Books:
    """One account under lock. Methods add entries; `write` puts them into the ledger."""

    user_id: UserId
    now: datetime
    created_at: datetime
    monthly_credits: int
    rollover_credits: int
    # Whether months are paid for, and so begin with an invoice instead of a day.
    is_subscribed: bool
    frozen_because: str | None
    balance: int
    owed: int
    grants: list[Grant]
    # Whether something was set aside for work that has not come to an end in its time.
    has_stale_holds: bool = False
    entries: list[Entry] = field(default_factory=list)

    def sort(self) -> None:
        """Put the grants in the order in which they are spent."""
        self.grants.sort(
            key=lambda grant: (
                PRIORITIES[grant.source],
                grant.expires_at.timestamp() if grant.expires_at else float("inf"),
                grant.id,
            )
        )

    def require(self, credits_: int) -> None:
        """Refuse to go on when this much cannot be spent."""
        if self.frozen_because is not None:
            raise SpendingFrozen("Spending from this account is stopped until its books have been looked at.")
        if self.balance < credits_:
            raise OutOfCredits(
                f"This costs {credits_} credits and you have {self.balance}.",
                balance=self.balance,
                needed=credits_,
            )

    def take(
        self, kind: Kind, reference: str, credits_: int, *, first: int | None = None, **about: Any
    ) -> Entry:
        """Take credits out of the grants, in the order in which they are spent; out of `first` before."""
        taken: dict[int, int] = {}
        left = credits_
        for grant in sorted(self.grants, key=lambda grant: grant.id != first):
            part = min(left, grant.remaining)
            if part:
                taken[grant.id] = -part
                left -= part
        if left:
            raise ValueError(f"{left} credits of {credits_} are in no grant")
        return self.add(kind, reference, -credits_, grants=taken, **about)

    def add(
        self,
        kind: Kind,
        reference: str,
        delta: int,
        *,
        grants: Mapping[int, int] | None = None,
        owed_delta: int = 0,
        **about: Any,
    ) -> Entry:
        """Add an entry and let the account in memory follow."""
        changes = dict(grants or {})
        for grant in self.grants:
            grant.remaining += changes.get(grant.id, 0)
        self.balance += delta
        self.owed += owed_delta
        entry = Entry(kind, reference, delta, self.balance, owed_delta, grants=changes, **about)
        self.entries.append(entry)
        return entry

    def repay(self, reference: str) -> None:
        """Pay a debt from what has just come in: whoever owes has nothing."""
        due = min(self.owed, self.balance)
        if due:
            self.take("repaid", reference, due, owed_delta=-due)


_LOCK: Final = text(
    """
    SELECT u.credit_balance, u.credits_owed, u.credits_frozen_because, u.created_at, p.monthly_credits,
           CAST(coalesce(p.features ->> 'rollover_credits', '0') AS integer) AS rollover_credits,
           EXISTS (SELECT FROM app.billing_subscriptions AS s
                   WHERE s.user_id = u.id AND s.status IN ('trialing', 'active', 'past_due'))
               AS is_subscribed,
           app.now() AS now
    FROM app.users AS u JOIN app.plans AS p ON p.id = u.plan_id
    WHERE u.id = :user_id FOR NO KEY UPDATE OF u
    """
)
# A statement of its own: the one that waits for the lock sees the rest as it was before.
_BEHIND_THE_LOCK: Final = text(
    """
    SELECT h.has_stale_holds, g.id, g.source, g.reference, g.remaining, g.expires_at
    FROM (SELECT EXISTS (SELECT FROM app.credit_holds
                         WHERE user_id = :user_id AND state = 'reserved' AND expires_at <= app.now())
                     AS has_stale_holds) AS h
    LEFT JOIN app.credit_grants AS g ON g.user_id = :user_id AND g.remaining > 0
    ORDER BY g.priority, g.expires_at NULLS LAST, g.id
    """
)


async def lock(session: AsyncSession, *, user_id: UserId) -> Books:
    """Lock an account and read it as it stands, expired grants included."""
    row = (await session.execute(_LOCK, {"user_id": user_id})).one_or_none()
    if row is None:
        raise NotFound("There is no such user.")
    behind = (await session.execute(_BEHIND_THE_LOCK, {"user_id": user_id})).all()
    return Books(
        user_id=user_id,
        now=row.now,
        created_at=row.created_at,
        monthly_credits=row.monthly_credits,
        rollover_credits=row.rollover_credits,
        is_subscribed=row.is_subscribed,
        frozen_because=row.credits_frozen_because,
        balance=row.credit_balance,
        owed=row.credits_owed,
        grants=[
            Grant(each.id, each.source, each.reference, each.remaining, each.expires_at)
            for each in behind
            if each.id is not None
        ],
        has_stale_holds=behind[0].has_stale_holds,
    )


async def new_grant(
    session: AsyncSession,
    books: Books,
    *,
    source: Source,
    reference: str,
    amount: int,
    expires_at: datetime | None = None,
) -> int:
    """A grant without credits yet: the entry that names it brings them."""
    grant_id: int = (
        await session.execute(
            text(
                """
                INSERT INTO app.credit_grants (user_id, source, reference, amount, priority, expires_at)
                VALUES (:user_id, :source, :reference, :amount, :priority, :expires_at) RETURNING id
                """
            ),
            {
                "user_id": books.user_id,
                "source": source,
                "reference": reference,
                "amount": amount,
                "priority": PRIORITIES[source],
                "expires_at": expires_at,
            },
        )
    ).scalar_one()
    books.grants.append(Grant(grant_id, source, reference, 0, expires_at))
    books.sort()
    return grant_id


_WRITE: Final = """
    INSERT INTO app.credit_ledger (user_id, kind, reference, delta, balance_after, owed_delta, action,
                                   contact_id, actor_id, grants, details)
    SELECT :user_id, e.kind, e.reference, e.delta, e.balance_after, e.owed_delta, e.action,
           e.contact_id, e.actor_id, e.grants, e.details
    FROM ROWS FROM (
        jsonb_to_recordset(CAST(:entries AS jsonb)) AS (
            kind text, reference text, delta integer, balance_after integer, owed_delta integer,
            action text, contact_id integer, actor_id uuid, grants jsonb, details jsonb)
    ) WITH ORDINALITY AS e (kind, reference, delta, balance_after, owed_delta, action, contact_id,
                            actor_id, grants, details, place)
    ORDER BY e.place
"""
_WRITE_ALONE: Final = text(_WRITE)
# What was bought and what was paid for it, as one statement: both or neither, whatever else is done.
_OWN: Final = """
    WITH owned AS (
        INSERT INTO app.unlocks (user_id, contact_id, field)
        SELECT :user_id, bought.contact_id, bought.field
        FROM unnest(CAST(:contacts AS integer[]), CAST(:fields AS text[])) AS bought (contact_id, field)
    )
"""
_WRITE_WITH_UNLOCKS: Final = text(_OWN + _WRITE)


async def write(
    session: AsyncSession, books: Books, *, unlocks: Sequence[tuple[int, RevealField]] = ()
) -> None:
    """Write the entries that were added, in their order, and the fields that are the user's from now on."""
    if not books.entries and not unlocks:
        return
    rows = [
        {
            "kind": entry.kind,
            "reference": entry.reference,
            "delta": entry.delta,
            "balance_after": entry.balance_after,
            "owed_delta": entry.owed_delta,
            "action": entry.action,
            "contact_id": entry.contact_id,
            "actor_id": str(entry.actor_id) if entry.actor_id else None,
            "grants": {str(grant): change for grant, change in entry.grants.items()},
            "details": dict(entry.details),
        }
        for entry in books.entries
    ]
    values = {"user_id": books.user_id, "entries": json.dumps(rows)}
    if unlocks:
        bought = {"contacts": [ident for ident, _ in unlocks], "fields": [field for _, field in unlocks]}
        await session.execute(_WRITE_WITH_UNLOCKS, values | bought)
    else:
        await session.execute(_WRITE_ALONE, values)
    books.entries.clear()


async def find(session: AsyncSession, *, user_id: UserId, kind: Kind, reference: str) -> Entry | None:
    """The entry of this business key, when it has been written before."""
    found = await session.execute(
        text(
            """
            SELECT kind, reference, delta, balance_after, owed_delta, action, contact_id, actor_id, grants,
                   details
            FROM app.credit_ledger WHERE user_id = :user_id AND kind = :kind AND reference = :reference
            """
        ),
        {"user_id": user_id, "kind": kind, "reference": reference},
    )
    row = found.one_or_none()
    return None if row is None else _entry(row)


def _entry(row: Row[Any]) -> Entry:
    return Entry(
        kind=row.kind,
        reference=row.reference,
        delta=row.delta,
        balance_after=row.balance_after,
        owed_delta=row.owed_delta,
        action=row.action,
        contact_id=row.contact_id,
        actor_id=UserId(UUID(str(row.actor_id))) if row.actor_id else None,
        grants={int(grant): change for grant, change in row.grants.items()},
        details=row.details,
    )
