"""How PostgreSQL is reached: one reading of the URL for the pool, the migrations and lone connections.

asyncpg itself reads the URL, so everything libpq would understand in one (`sslmode`, sockets, several
hosts) means the same here. One parameter is ours, under the name SQLAlchemy gives it:
`?prepared_statement_cache_size=0` is for a PgBouncer older than 1.21 in transaction mode, which loses
named prepared statements; statements then go unnamed, at one more parse each.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit

import asyncpg
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from core.errors import LeadFuelError
from core.settings import BadSetting

CACHE_PARAMETER: Final = "prepared_statement_cache_size"
STATEMENTS_CACHED: Final = 200
CONNECT_TIMEOUT_S: Final = 10.0


def read_url(url: str) -> tuple[str, int]:
    """The URL as asyncpg takes it, and how many prepared statements a connection may keep."""
    parts = urlsplit(url)
    query = parse_qsl(parts.query, keep_blank_values=True)
    sizes = [value for key, value in query if key == CACHE_PARAMETER]
    if not all(value.isdecimal() for value in sizes):
        raise BadSetting(f"{CACHE_PARAMETER} in a database URL must be a number.")
    kept = urlencode([(key, value) for key, value in query if key != CACHE_PARAMETER])
    # urlunsplit would drop the slashes of a URL that names no host.
    clean = f"postgresql://{parts.netloc}{parts.path}{'?' if kept else ''}{kept}"
    return clean, int(sizes[-1]) if sizes else STATEMENTS_CACHED


class PooledConnection(asyncpg.Connection):
    """A connection that says how its next transaction begins in the same message as BEGIN.

    `opening` is SQL that is said once. When it fails nobody knows as whom the transaction would go on, and
    the connection is closed.
    """

    __slots__ = ("opening",)

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.opening = ""

    async def execute(self, query: str, *arguments: Any, timeout: float | None = None) -> str:  # noqa: ASYNC109 - the driver's
        """As the driver's own, which begins transactions by it with `BEGIN …;`."""
        if not (self.opening and query.startswith("BEGIN") and query.endswith(";")):
            return str(await super().execute(query, *arguments, timeout=timeout))
        opening, self.opening = self.opening, ""
        try:
            return str(await super().execute(query + opening, timeout=timeout))
        except BaseException:  # cancelled, too: half begun, it would be somebody else's next
            self.terminate()
            raise


async def connect(
    url: str, *, search_path: str | None = None, kind: type[asyncpg.Connection] = asyncpg.Connection
) -> asyncpg.Connection:
    """One connection outside any pool, for migrations, checks and LISTEN. Close it."""
    dsn, cached = read_url(url)
    return await asyncpg.connect(
        dsn,
        timeout=CONNECT_TIMEOUT_S,
        statement_cache_size=cached,
        server_settings={"search_path": search_path} if search_path else None,
        connection_class=kind,
    )


def make_engine(url: str, *, pool_size: int = 0, search_path: str | None = None) -> AsyncEngine:
    """An engine with a pool of `pool_size` connections, or without a pool."""
    _, cached = read_url(url)

    async def creator(*_args: Any, **_options: Any) -> asyncpg.Connection:
        return await connect(url, search_path=search_path, kind=PooledConnection)

    pooled: dict[str, Any] = (
        # Waiting longer for a connection than a person waits for an answer helps nobody.
        {"pool_size": pool_size, "max_overflow": 0, "pool_timeout": 10, "pool_use_lifo": True}
        if pool_size
        else {"poolclass": NullPool}
    )
    engine = create_async_engine(
        "postgresql+asyncpg://",
        connect_args={"async_creator_fn": creator, "prepared_statement_cache_size": cached},
        **pooled,
    )
    event.listen(engine.sync_engine.pool, "checkout", _refuse_closed)
    return engine


@contextmanager
def explained(kind: type[LeadFuelError]) -> Iterator[None]:
    """For commands: turn what PostgreSQL or the network says into one sentence of that error."""
    try:
        yield
    except OSError as error:
        raise kind(f"PostgreSQL cannot be reached: {error}.") from error
    except asyncpg.PostgresError as error:
        raise kind(f"PostgreSQL refuses: {error}.") from error
    except DBAPIError as error:
        said = getattr(error.orig, "__cause__", None) or error.orig
        raise kind(f"PostgreSQL refuses, and nothing was changed: {said}.") from error


def _refuse_closed(connection: Any, _record: Any, _proxy: Any) -> None:
    """Replace a pooled connection that PostgreSQL has closed meanwhile; the others begin anew.

    asyncpg has noticed by itself, so this costs no round trip as a ping before each transaction would.
    """
    if connection.driver_connection.is_closed():
        raise DisconnectionError
    # Of a transaction that ended before its first statement.
    connection.driver_connection.opening = ""
