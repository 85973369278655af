"""Events that never arrived: Stripe's own list of them, put into the same inbox."""

from datetime import timedelta
from typing import Final

from sqlalchemy import text

from core import clock
from core.settings import BillingSettings
from db.sessions import SERVICE, Database
from domain.billing import inbox
from domain.billing.cloud import Cloud

# Stripe keeps them so long.
FURTHEST: Final = timedelta(days=30)
# An event can be listed later than its time says.
OVERLAP: Final = timedelta(hours=6)
AT_ONCE: Final = 100


async def catch_up(db: Database, cloud: Cloud, settings: BillingSettings) -> int:
    """Take in what has happened since the last time; how many events were news."""
    begun = clock.now()
    async with db.transaction(SERVICE, read_only=True) as session:
        last = await session.scalar(text("SELECT at FROM app.billing_cursors WHERE name = 'caught_up'"))
    since = max(begun - FURTHEST, last - OVERLAP) if last else begun - FURTHEST
    # The oldest first, as they happened.
    missed = [event async for event in cloud.events(since)][::-1]
    new = 0
    for start in range(0, len(missed), AT_ONCE):
        async with db.transaction(SERVICE) as session:
            for event in missed[start : start + AT_ONCE]:
                new += await inbox.take_in(session, settings, event, origin="catch_up")
    async with db.transaction(SERVICE) as session:
        await session.execute(
            text(
                """
                INSERT INTO app.billing_cursors (name, at) VALUES ('caught_up', :at)
                ON CONFLICT (name) DO UPDATE SET at = excluded.at
                """
            ),
            {"at": begun},
        )
        await inbox.ask_again(session)
        # What is settled is kept for as long as somebody may ask.
        await session.execute(
            text(
                "DELETE FROM app.billing_events WHERE state IN ('done', 'ignored', 'dismissed')"
                " AND settled_at < app.now() - interval '400 days'"
            )
        )
        # After a day Stripe has forgotten the key of a change, and whoever still wants it asks anew.
        await session.execute(
            text(
                "UPDATE app.plan_changes SET state = 'dropped', settled_at = app.now()"
                " WHERE state = 'asked' AND kind = 'upgrade' AND created_at < app.now() - interval '1 day'"
            )
        )
    return new
