"""The roles every statement runs as. They belong to the cluster, so several databases share them.

`anon`, `authenticated` and `service_role` bear the names that the ecosystem's tools expect. Nobody can
log in as one of them: the app logs in as a role of its own, which has no privilege at all and inherits
none, and takes one of these for the length of a transaction. `auth_admin` alone reaches passwords and
sessions; no token makes anybody take it.
"""

import asyncio
from typing import Final
from urllib.parse import unquote, urlsplit

import asyncpg

from core.errors import LeadFuelError

NAMES: Final = ("anon", "authenticated", "service_role", "auth_admin")
DEFAULT_LOGIN: Final = "leadfuel_app"
# Two databases of one cluster may be migrated side by side, and roles are shared between them.
ATTEMPTS: Final = 10


class CannotPrepareRoles(LeadFuelError):
    """The owner may not create or hand out the roles that the product needs."""

    slug = "cannot-prepare-roles"
    title = "The database roles cannot be prepared"


def login_of(url: str) -> str | None:
    """The login in a database URL; None when it names none."""
    name = urlsplit(url).username if url else None
    return unquote(name) if name else None


async def ensure(connection: asyncpg.Connection, *, app_login: str | None) -> None:
    """Create the roles that are missing and let the app's login take them; never drops or alters one."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            async with connection.transaction():
                await _create(connection)
                await _grant(connection, app_login)
                await _allow_temporary_tables(connection)
        except (
            asyncpg.DuplicateObjectError,
            asyncpg.UniqueViolationError,
            asyncpg.InternalServerError,  # "tuple concurrently updated"
        ):
            if attempt == ATTEMPTS:
                raise
            await asyncio.sleep(0.05 * attempt)
        except asyncpg.InsufficientPrivilegeError as error:
            raise CannotPrepareRoles(
                "The owner's login cannot create or grant the roles "
                f"{', '.join(NAMES)} ({error}). "
                "Give it CREATEROLE, or create and grant them as an administrator."
            ) from error
        else:
            return


async def _create(connection: asyncpg.Connection) -> None:
    rows = await connection.fetch("SELECT rolname FROM pg_roles WHERE rolname = ANY($1::text[])", list(NAMES))
    for name in set(NAMES) - {row["rolname"] for row in rows}:
        await connection.execute(f"CREATE ROLE {name} NOLOGIN NOINHERIT")


async def _grant(connection: asyncpg.Connection, app_login: str | None) -> None:
    login = app_login or DEFAULT_LOGIN
    if not await connection.fetchval("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)", login):
        if app_login is None:
            return
        raise CannotPrepareRoles(
            f"The login {app_login!r} of DATABASE_URL does not exist. Create it as an administrator: "
            f"CREATE ROLE {_quoted(app_login)} LOGIN NOINHERIT PASSWORD '…'."
        )
    if await connection.fetchval(
        "SELECT rolsuper OR rolname = current_user FROM pg_roles WHERE rolname = $1", login
    ):
        raise CannotPrepareRoles(
            f"DATABASE_URL must not log in as {login!r}: row-level security would not hold the app. "
            "Give it a login that owns nothing and is no superuser."
        )
    for name in NAMES:
        if not await connection.fetchval("SELECT pg_has_role($1::name, $2::name, 'SET')", login, name):
            await connection.execute(f"GRANT {name} TO {_quoted(login)} WITH INHERIT FALSE, SET TRUE")


async def _allow_temporary_tables(connection: asyncpg.Connection) -> None:
    """Loads are staged in temporary tables: the service may make them, nobody else.

    A copy of a database does not inherit this, so it is seen to at every run.
    """
    name = await connection.fetchval("SELECT current_database()")
    owns = "SELECT pg_has_role(datdba, 'USAGE') FROM pg_database WHERE datname = current_database()"
    if await connection.fetchval(owns):
        await connection.execute(f"REVOKE TEMPORARY ON DATABASE {_quoted(name)} FROM PUBLIC")
        await connection.execute(f"GRANT TEMPORARY ON DATABASE {_quoted(name)} TO service_role")
    elif not await connection.fetchval(
        "SELECT has_database_privilege('service_role', $1, 'TEMPORARY')", name
    ):
        raise CannotPrepareRoles(
            "Imports need temporary tables, and this login does not own the database. As its owner: "
            f"GRANT TEMPORARY ON DATABASE {_quoted(name)} TO service_role."
        )


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
