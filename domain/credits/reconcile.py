"""Whether the books agree: what each account has, against what its entries add up to.

Nothing is repaired. Every difference is named, the account may not spend until somebody has looked at it
and released it, and the log has an error for whoever watches.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from core.ids import UserId


@dataclass(frozen=True, slots=True, order=True)
class Difference:
    """One thing that does not add up."""

    user_id: UserId
    check: str
    expected: int
    found: int

    def __str__(self) -> str:
        return f"{self.user_id}: {_CHECKS[self.check][0]}: {self.expected} by the ledger, {self.found} there"


async def differences(session: AsyncSession, *, user_id: UserId | None = None) -> list[Difference]:
    """Every difference, of all accounts or one. Run it in a snapshot, or in a transaction alone."""
    found: list[Difference] = []
    for name, (_, query) in _CHECKS.items():
        rows = await session.execute(
            text(
                f"""
                SELECT user_id, CAST(expected AS bigint), CAST(found AS bigint) FROM ({query}) AS checked
                WHERE expected IS DISTINCT FROM found
                  AND (CAST(:user_id AS uuid) IS NULL OR user_id = :user_id)
                """  # noqa: S608 - the queries of this file
            ),
            {"user_id": user_id},
        )
        found += [Difference(UserId(row[0]), name, row[1] or 0, row[2] or 0) for row in rows]
    return sorted(found)


async def freeze(session: AsyncSession, found: Sequence[Difference]) -> list[UserId]:
    """Stop the spending of the accounts where something was found; those newly stopped."""
    reasons: dict[UserId, list[str]] = {}
    for difference in found:
        reasons.setdefault(difference.user_id, []).append(difference.check)
    return [
        user_id
        for user_id, checks in sorted(reasons.items())
        if await stop(
            session,
            user_id=user_id,
            because=f"the books do not agree: {', '.join(sorted(set(checks)))}",
        )
    ]


async def stop(session: AsyncSession, *, user_id: UserId, because: str) -> bool:
    """Let an account spend nothing until it is released; whether it could before."""
    row = await session.execute(
        text(
            """
            UPDATE app.users SET credits_frozen_at = app.now(), credits_frozen_because = :because
            WHERE id = :user_id AND credits_frozen_at IS NULL RETURNING id
            """
        ),
        {"user_id": user_id, "because": because},
    )
    return row.first() is not None


async def release(session: AsyncSession, *, user_id: UserId) -> bool:
    """Let an account spend again; whether it was stopped."""
    row = await session.execute(
        text(
            """
            UPDATE app.users SET credits_frozen_at = NULL, credits_frozen_because = NULL
            WHERE id = :user_id AND credits_frozen_at IS NOT NULL RETURNING id
            """
        ),
        {"user_id": user_id},
    )
    return row.first() is not None


# Check -> what it compares, and the query: user_id, what the ledger says, what is there.
_CHECKS: Final[dict[str, tuple[str, str]]] = {
    "balance": (
        "the balance",
        """
        SELECT u.id AS user_id, coalesce(sum(l.delta), 0) AS expected, u.credit_balance AS found
        FROM app.users AS u LEFT JOIN app.credit_ledger AS l ON l.user_id = u.id GROUP BY u.id
        """,
    ),
    "debt": (
        "the debt",
        """
        SELECT u.id AS user_id, coalesce(sum(l.owed_delta), 0) AS expected, u.credits_owed AS found
        FROM app.users AS u LEFT JOIN app.credit_ledger AS l ON l.user_id = u.id GROUP BY u.id
        """,
    ),
    "chain": (
        "a balance after an entry",
        """
        SELECT user_id, sum(delta) OVER (PARTITION BY user_id ORDER BY id) AS expected, balance_after AS found
        FROM app.credit_ledger
        """,
    ),
    "grants": (
        "what is left of the grants",
        """
        SELECT g.user_id, coalesce(moved.total, 0) AS expected, g.remaining AS found
        FROM app.credit_grants AS g
        LEFT JOIN (
            SELECT l.user_id, CAST(part.key AS bigint) AS id, sum(CAST(part.value AS integer)) AS total
            FROM app.credit_ledger AS l CROSS JOIN LATERAL jsonb_each_text(l.grants) AS part
            GROUP BY 1, 2
        ) AS moved ON moved.id = g.id AND moved.user_id = g.user_id
        """,
    ),
    "holds": (
        "the open holds",
        """
        SELECT u.id AS user_id, coalesce(l.total, 0) AS expected, coalesce(h.total, 0) AS found
        FROM app.users AS u
        LEFT JOIN (
            SELECT user_id, sum(CASE kind WHEN 'captured' THEN -CAST(details ->> 'credits' AS integer)
                                          ELSE -delta END) AS total
            FROM app.credit_ledger WHERE kind IN ('reserved', 'voided', 'captured') GROUP BY 1
        ) AS l ON l.user_id = u.id
        LEFT JOIN (
            SELECT user_id, sum(credits) AS total
            FROM app.credit_holds WHERE state = 'reserved' GROUP BY 1
        ) AS h ON h.user_id = u.id
        """,
    ),
    "transactions": (
        "the credits used in `transactions`",
        """
        SELECT u.id AS user_id, coalesce(l.total, 0) AS expected, coalesce(t.total, 0) AS found
        FROM app.users AS u
        LEFT JOIN (
            SELECT user_id, sum(CASE kind WHEN 'captured' THEN CAST(details ->> 'credits' AS integer)
                                          ELSE -delta END) AS total
            FROM app.credit_ledger WHERE kind IN ('spent', 'captured', 'refunded') GROUP BY 1
        ) AS l ON l.user_id = u.id
        LEFT JOIN (
            SELECT user_id, sum(credits_used) AS total FROM app.transactions GROUP BY 1
        ) AS t ON t.user_id = u.id
        """,
    ),
    "purchases": (
        "the credits added in `credit_purchases`",
        """
        SELECT u.id AS user_id, coalesce(l.total, 0) AS expected, coalesce(p.total, 0) AS found
        FROM app.users AS u
        LEFT JOIN (
            SELECT user_id, sum(delta) AS total FROM app.credit_ledger WHERE kind = 'purchased' GROUP BY 1
        ) AS l ON l.user_id = u.id
        LEFT JOIN (
            SELECT user_id, sum(credits_added) AS total FROM app.credit_purchases GROUP BY 1
        ) AS p ON p.user_id = u.id
        """,
    ),
    "unlocks": (
        "unlocks that were paid for",
        """
        SELECT u.user_id, count(*) FILTER (WHERE EXISTS (
                   SELECT FROM app.credit_ledger AS l
                   WHERE l.user_id = u.user_id AND l.kind IN ('spent', 'captured')
                     AND l.contact_id = u.contact_id
                     AND l.action IN ('unlock_' || u.field, 'email_finder'))) AS expected,
               count(*) AS found
        FROM app.unlocks AS u GROUP BY 1
        """,
    ),
}
