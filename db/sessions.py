"""The app's way to the database: one transaction, as one actor.

Nothing runs outside `Database.transaction` and its short form `Database.fetch`, and nothing inside them runs
as anybody but their actor: every transaction, a repeated one included, begins with the actor's role and
claims. They are local to the transaction, so a pooled connection carries nothing over to its next user.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, Literal
from uuid import UUID

import asyncpg
from sqlalchemy import Connection, PoolProxiedConnection, event, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession, async_sessionmaker
from sqlalchemy.orm import Session, SessionTransaction

from core import clock
from core.ids import UserId
from core.logs import get_logger
from core.settings import BadSetting, DatabaseSettings
from db.connections import PooledConnection, make_engine

log = get_logger(__name__)

SEARCH_PATH: Final = "app, public, extensions"
_SETTINGS: Final = "leadfuel.settings"

Role = Literal["anon", "authenticated", "service_role", "auth_admin"]


@dataclass(frozen=True, slots=True)
class Actor:
    """On whose behalf a transaction runs. A service may act for a person and say so.

    `session_id` is that of the token that was shown, for `auth.standing()`; it gives no right.
    """

    role: Role
    user_id: UserId | None = None
    session_id: UUID | None = None

    def claims(self) -> str:
        """What `auth.uid()` and the policies read."""
        said: dict[str, str] = {"role": self.role}
        if self.user_id:
            said["sub"] = str(self.user_id)
        if self.session_id:
            said["session_id"] = str(self.session_id)
        return json.dumps(said)


ANON: Final = Actor("anon")
SERVICE: Final = Actor("service_role")
# Sees passwords, sessions and who there is; of the product nothing else.
SIGN_IN: Final = Actor("auth_admin")


def member(user_id: UserId, session_id: UUID | None = None) -> Actor:
    return Actor("authenticated", user_id, session_id)


class _ActingSession(Session):
    """A session whose transactions all begin in the same state; the listener below is bound to it."""


class Database:
    """A pool of connections of the app's own login, opened when first needed."""

    def __init__(self, settings: DatabaseSettings) -> None:
        if not settings.url:
            raise BadSetting("DATABASE_URL is not set.")
        self._statement_timeout_s = settings.statement_timeout_s
        self._engine = make_engine(settings.url, pool_size=settings.pool_size)
        # Shares the pool; a transaction of it begins with its isolation level, at no further cost.
        self._snapshots = self._engine.execution_options(isolation_level="REPEATABLE READ")
        self._endings: set[asyncio.Task[None]] = set()
        self._session = async_sessionmaker(
            sync_session_class=_ActingSession, expire_on_commit=False, autoflush=False
        )

    @asynccontextmanager
    async def transaction(
        self,
        actor: Actor,
        read_only: bool = False,  # noqa: FBT001, FBT002 - the word stands at every call
        *,
        snapshot: bool = False,
        statement_timeout_s: float | None = None,
    ) -> AsyncIterator[AsyncSession]:
        """One transaction as `actor`, committed on a clean exit and rolled back on any error.

        No connection is taken before the first statement. With `snapshot`, all statements see the
        database at one moment (REPEATABLE READ). A service's statements may take as long as they need
        unless `statement_timeout_s` says otherwise; everybody else's are ended after the configured time.
        """
        wanted = self._settings_of(actor, statement_timeout_s)
        if read_only:
            wanted["transaction_read_only"] = "on"
        engine = self._snapshots if snapshot else self._engine
        async with self._session(bind=engine, info={_SETTINGS: wanted}) as session, session.begin():
            yield session

    @asynccontextmanager
    async def bare(
        self, actor: Actor, *, read_only: bool, statement_timeout_s: float | None = None
    ) -> AsyncIterator[asyncpg.Connection]:
        """One transaction as `actor` on the driver's own connection, without a session, which costs more
        than a short statement: for what is asked many times a second.

        The same role, claims and limits as in `transaction`. Placeholders are PostgreSQL's own ($1, $2 …).
        """
        setting = _setting(self._settings_of(actor, statement_timeout_s))
        mode = "READ ONLY" if read_only else "READ WRITE"
        connection = await self._engine.connect()
        try:
            driver = _driver(await connection.get_raw_connection())
            await driver.execute(f"BEGIN {mode}; {setting}")
            yield driver
            if not read_only:
                await driver.execute("COMMIT")
        except BaseException as error:
            is_good = False
            try:
                is_good = await _rolled_back(connection, error)
            finally:
                if not is_good:
                    # Whatever state it is in, nobody else gets this connection.
                    await connection.invalidate()
                await connection.close()
            if isinstance(error, asyncpg.InterfaceError):
                raise ConnectionError(str(error)) from error
            raise
        if read_only:
            # Nothing can be lost any more, so nobody waits for the end of it.
            ending = asyncio.create_task(_end(connection, driver))
            self._endings.add(ending)
            ending.add_done_callback(self._endings.discard)
        else:
            await connection.close()

    async def fetch(self, actor: Actor, statement: str, *arguments: Any) -> list[asyncpg.Record]:
        """The rows of one reading statement, in a read-only transaction of its own as `actor`."""
        async with self.bare(actor, read_only=True) as driver:
            return await driver.fetch(statement, *arguments)

    def _settings_of(self, actor: Actor, statement_timeout_s: float | None) -> dict[str, str]:
        """What every transaction of an actor begins with."""
        limit_s = statement_timeout_s
        if limit_s is None:
            limit_s = 0.0 if actor.role == "service_role" else self._statement_timeout_s
        return {
            "role": actor.role,
            "request.jwt.claims": actor.claims(),
            "search_path": SEARCH_PATH,
            "statement_timeout": f"{round(limit_s * 1000)}ms",
            "TimeZone": "UTC",
            # Compiling costs more than the short statements of a request can win back.
            "jit": "off",
        }

    async def ping(self) -> None:
        """Raises when the database cannot be reached."""
        async with self._engine.connect() as connection:
            await connection.execute(text("SELECT 1"))

    async def close(self) -> None:
        await asyncio.gather(*self._endings, return_exceptions=True)
        await self._engine.dispose()


@asynccontextmanager
async def acting(session: AsyncSession, actor: Actor) -> AsyncIterator[None]:
    """Inside the session's transaction, be somebody else for the length of the block.

    For the one act that two roles do together: signing up makes how somebody signs in, which is
    `auth_admin`'s, and the person, who is the product's. An error leaves the roles to the rollback.
    """
    was = session.info[_SETTINGS]
    session.info[_SETTINGS] = was | {"role": actor.role, "request.jwt.claims": actor.claims()}
    try:
        await _take(session, actor.role, actor.claims())
        yield
    finally:
        session.info[_SETTINGS] = was
    await _take(session, was["role"], was["request.jwt.claims"])


async def _take(session: AsyncSession, role: str, claims: str) -> None:
    await session.execute(
        text("SELECT set_config('role', :role, true), set_config('request.jwt.claims', :claims, true)"),
        {"role": role, "claims": claims},
    )


async def driver_connection(session: AsyncSession) -> asyncpg.Connection:
    """The asyncpg connection under a session, inside the same transaction: for COPY and cursors."""
    connection = await session.connection()
    driver = _driver(await connection.get_raw_connection())
    if isinstance(driver, PooledConnection) and driver.opening:
        # Nothing was sent yet, not even BEGIN.
        await session.execute(text("SELECT"))
    return driver


def _driver(raw: PoolProxiedConnection) -> asyncpg.Connection:
    driver = raw.driver_connection
    if not isinstance(driver, asyncpg.Connection):
        raise TypeError("the connection is not asyncpg's")
    return driver


async def _end(connection: AsyncConnection, driver: asyncpg.Connection) -> None:
    """End a transaction that has only read, and give its connection back."""
    try:
        await driver.execute("COMMIT")
    except BaseException as error:
        await connection.invalidate()
        if not isinstance(error, Exception):
            raise
        log.warning("a connection broke off after it had answered", exc_info=True)
    finally:
        await connection.close()


async def _rolled_back(connection: AsyncConnection, error: BaseException) -> bool:
    """Whether a failed transaction could be ended in order, so that its connection is as good as before.

    After a cancellation or an error of the driver's own nothing is known, and nothing is waited for.
    """
    if not isinstance(error, Exception) or isinstance(error, asyncpg.InterfaceError | OSError):
        return False
    try:
        await _driver(await connection.get_raw_connection()).execute("ROLLBACK")
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
        return False
    return True


def _setting(wanted: dict[str, str]) -> str:
    """The statement that sets these for the transaction."""
    calls = (f"set_config('{name}', {_literal(value)}, true)" for name, value in _with_clock(wanted).items())
    return f"SELECT {', '.join(calls)}"


def _literal(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _with_clock(wanted: dict[str, str]) -> dict[str, str]:
    """The settings, and the product's clock where it is not the real time's."""
    offset = clock.offset()
    return wanted | {"app.clock_offset": f"{offset.total_seconds()} seconds"} if offset else wanted


@event.listens_for(_ActingSession, "after_begin")
def _begin_as_actor(session: Session, transaction: SessionTransaction, connection: Connection) -> None:
    """Set everything with BEGIN, which is sent before the first statement; a savepoint is inside a
    transaction that has it already.
    """
    if transaction.nested:
        return
    driver = connection.connection.driver_connection
    if not isinstance(driver, PooledConnection):
        raise TypeError("the connection is none of ours, and would run as nobody in particular")
    driver.opening = _setting(session.info[_SETTINGS])
