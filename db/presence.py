"""That this process lives, as PostgreSQL sees it.

A process holds a number under an advisory lock, on a connection of its own: when it is killed the operating
system closes the connection, and the lock is gone at once. What bears the number of a process that is no
more need not wait for a lease. The lease remains, for a host that vanishes without a word, and for work
whose end could not be written down.
"""

import asyncio
import secrets
from typing import Final

import asyncpg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from core.logs import get_logger
from db import connections

log = get_logger(__name__)

# Living processes hold an advisory lock of this number and their own.
PROCESSES: Final = 0x1EADF0E3


class Presence:
    """This process' number, held from when it is first asked for."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._number = _draw()
        self._connection: asyncpg.Connection | None = None
        self._opening = asyncio.Lock()

    async def number(self) -> int | None:
        """The number others know this process by; None while it cannot be held, and leases alone count.

        A lost connection is replaced. The number stays, unless PostgreSQL has not noticed the loss yet.
        """
        async with self._opening:
            if self._connection is None or self._connection.is_closed():
                try:
                    self._connection = await self._held()
                except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                    log.warning("this process cannot show that it lives; leases alone count", exc_info=True)
                    return None
            return self._number

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.close(timeout=2)

    async def _held(self) -> asyncpg.Connection:
        connection = await connections.connect(self._url)
        while not await connection.fetchval("SELECT pg_try_advisory_lock($1, $2)", PROCESSES, self._number):
            self._number = _draw()
        return connection


async def is_alive(session: AsyncSession, number: int) -> bool:
    """Whether the process of this number lives."""
    found = await session.scalar(
        text(
            """
            SELECT EXISTS (
                SELECT FROM pg_locks
                WHERE locktype = 'advisory' AND objsubid = 2 AND granted
                  AND classid = CAST(:processes AS oid) AND objid = CAST(:number AS oid)
                  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
            )
            """
        ),
        {"processes": PROCESSES, "number": number},
    )
    return bool(found)


def _draw() -> int:
    return secrets.randbelow(2**31 - 1) + 1
