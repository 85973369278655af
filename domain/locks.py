"""The locks that let merges follow one another instead of making doubles or deadlocks.

Whoever writes many records of a kind holds its lock until the transaction ends. Who needs both takes
contacts first; nobody takes them the other way round.
"""

from typing import Final, Literal

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

# Any two numbers that no other advisory lock of the product uses.
_KEYS: Final = {"contacts": 0x4C46_0001, "organizations": 0x4C46_0002}


async def hold(session: AsyncSession, entity: Literal["contacts", "organizations"]) -> None:
    """Take the merge lock of a kind of record for the rest of the transaction."""
    await session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _KEYS[entity]})
