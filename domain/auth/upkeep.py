"""What time itself ends: sessions that nobody uses, links and codes, sign-ups that were never confirmed."""

from typing import Final

from core.settings import Settings
from db.sessions import SIGN_IN, Database
from domain.auth import onetime, sessions, signup

AT_ONCE: Final = 1_000


async def forget_old(db: Database, settings: Settings) -> int:
    """Delete what is over, in small transactions; how many rows."""
    forgotten = 0
    while True:
        async with db.transaction(SIGN_IN) as session:
            some = (
                await sessions.forget_old(session, settings, limit=AT_ONCE)
                + await signup.forget_old(session, limit=AT_ONCE)
                + await onetime.forget_old(session, limit=AT_ONCE)
            )
        forgotten += some
        if not some:
            return forgotten
