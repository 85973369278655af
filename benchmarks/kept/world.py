"""What the measurements share: a plan without limits, an empty desk, an index that is up to date."""

from typing import Final

from sqlalchemy import text

from benchmarks.environment import Bench
from core.ids import UserId
from db.sessions import SERVICE, Database
from domain.alerts import baseline
from indexer import drain
from indexer.bulk import BulkSender
from indexer.feed import Feed

USER: Final = "keeps-much@bench.example"


async def lift_limits(bench: Bench) -> None:
    """Let the plan of the benchmarks' own database allow what is measured."""
    connection = await bench.stack.connect(bench.sizes.name)
    await connection.execute(
        "UPDATE app.plans SET features = jsonb_set(features, '{limits}',"
        " (features -> 'limits') - '{icps,alerts,lists,export_rows}'::text[])"
        " WHERE features ? 'limits'"
    )
    await connection.close()


async def clear(db: Database, user_id: UserId) -> None:
    async with db.transaction(SERVICE) as session:
        await session.execute(text("UPDATE users SET plan_id = 'team' WHERE id = :id"), {"id": user_id})
        for table in ("icp_profiles", "jobs"):
            await session.execute(
                text(f"DELETE FROM {table} WHERE user_id = :id"),
                {"id": user_id},
            )
        await session.execute(text("DELETE FROM lists WHERE owner_id = :id"), {"id": user_id})
        await session.execute(text("DELETE FROM alert_states"))
        await session.execute(text("DELETE FROM applied"))
        await session.execute(text("DELETE FROM outbox"))
        await baseline.position(session)


async def settle(bench: Bench, db: Database) -> None:
    """Bring the index up to what the database says."""
    feed = Feed.connect(bench.settings, db)
    try:
        await drain.drain(feed, BulkSender(feed.client))
    finally:
        await feed.close()
