"""What time does to accounts, and the comparison of the books: the worker's part, over many accounts."""

from core.ids import UserId
from core.logs import get_logger
from db.sessions import SERVICE, Database
from domain import alarms
from domain.credits import months, reconcile
from domain.credits.reconcile import Difference

log = get_logger(__name__)

AT_ONCE = 500


async def bring_up_to_date(db: Database) -> int:
    """Expire holds and grants whose time is over and grant new months; how many accounts.

    One transaction for each account, so that nobody who spends waits for more than their own.
    """
    brought = 0
    after: UserId | None = None
    while True:
        async with db.transaction(SERVICE, read_only=True) as session:
            accounts = await months.due(session, limit=AT_ONCE, after=after)
        for user_id in accounts:
            async with db.transaction(SERVICE) as session:
                await months.open_account(session, user_id=user_id)
        brought += len(accounts)
        if len(accounts) < AT_ONCE:
            return brought
        after = accounts[-1]


async def watch(db: Database) -> list[Difference]:
    """Compare all books, and say it loudly where they differ."""
    found = await compare(db)
    if found:
        async with db.transaction(SERVICE) as session:
            await alarms.ring(
                session,
                key="books",
                subject="the books of credits do not agree",
                paragraphs=[
                    "Spending is stopped for the accounts that differ:",
                    *(str(difference) for difference in found[:50]),
                    "Find out why, correct it by an entry, then `leadfuel credits release`.",
                ],
            )
    for difference in found:
        log.error(
            "the books do not agree: spending is stopped",
            **{"user.id": str(difference.user_id)},
            check=difference.check,
            expected=difference.expected,
            found=difference.found,
        )
    return found


async def compare(db: Database) -> list[Difference]:
    """Compare all books at one moment and stop the spending of accounts that differ."""
    async with db.transaction(SERVICE, read_only=True, snapshot=True) as session:
        found = await reconcile.differences(session)
    if found:
        async with db.transaction(SERVICE) as session:
            await reconcile.freeze(session, found)
    return found
