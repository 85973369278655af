"""Brings a database to a revision and back. Only `leadfuel db` and the tests do this, as the owner.

Every run first makes sure of what a migration cannot own: the cluster's roles, which other databases
share, and the schema that holds alembic's own table. One run at a time per database.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection

from core.errors import LeadFuelError
from core.settings import DatabaseSettings
from db import roles
from db.connections import connect, explained, make_engine

MIGRATIONS = Path(__file__).parent / "migrations"
# The key of the advisory lock under which one migration runs at a time ("leadfuel", as a number).
LOCK_KEY = 0x6C656164_6675656C
LOCK_PAUSE_S = 0.2
OLDEST_SERVER = 16


class CannotMigrate(LeadFuelError):
    """The database cannot be brought to that revision."""

    slug = "cannot-migrate"
    title = "The database cannot be migrated"


@dataclass(frozen=True, slots=True)
class Outcome:
    """Where a database stood, where it stands, and the names of the steps between."""

    before: str | None
    after: str | None
    steps: tuple[str, ...]


def config() -> Config:
    """Alembic's configuration, which needs no file."""
    made = Config()
    made.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    made.set_main_option("path_separator", "os")
    made.set_main_option("file_template", "%%(year)d-%%(month).2d-%%(day).2d_%%(slug)s")
    made.set_main_option("timezone", "UTC")
    return made


def scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(config())


def head() -> str | None:
    """The revision that the code expects."""
    return scripts().get_current_head()


def name_of(revision: str) -> str:
    """The name of a revision's file, which is its date and its purpose."""
    return Path(scripts().get_revision(revision).path).stem


def write_migration(words: str) -> Path:
    """A new, empty migration from the template; returns its file."""
    made = command.revision(config(), message=words)
    if made is None or isinstance(made, list):
        raise CannotMigrate("The new migration has no single predecessor.")
    return Path(made.path)


async def migrate(settings: DatabaseSettings, *, target: str = "head") -> Outcome:
    """Go up to `target`; nothing to do is a success."""
    return await _run(settings, lambda made: command.upgrade(made, target))


async def rollback(settings: DatabaseSettings, *, target: str = "-1") -> Outcome:
    """Go down to `target`: a revision, `-n` steps, or `base`."""
    return await _run(settings, lambda made: command.downgrade(made, target))


async def current_revision(connection: asyncpg.Connection) -> str | None:
    """The revision a database is at; None when it has never been migrated."""
    if await connection.fetchval("SELECT to_regclass('app.alembic_version')") is None:
        return None
    revision: str | None = await connection.fetchval("SELECT version_num FROM app.alembic_version")
    return revision


async def _run(settings: DatabaseSettings, step: Callable[[Config], None]) -> Outcome:
    if not settings.migration_url:
        raise CannotMigrate("MIGRATION_DATABASE_URL is not set: only the tables' owner can migrate.")
    with explained(CannotMigrate):
        return await _migrated(settings, step)


async def _migrated(settings: DatabaseSettings, step: Callable[[Config], None]) -> Outcome:
    async with _locked(settings.migration_url) as connection:
        await roles.ensure(connection, app_login=roles.login_of(settings.url))
        await connection.execute("CREATE SCHEMA IF NOT EXISTS app")
        before = await current_revision(connection)
        engine = make_engine(settings.migration_url, search_path="app, public, extensions")
        try:
            async with engine.connect() as migrating:
                await migrating.run_sync(_call, step)
        finally:
            await engine.dispose()
        after = await current_revision(connection)
    return Outcome(before, after, _between(before, after))


def _call(connection: Connection, step: Callable[[Config], None]) -> None:
    made = config()
    made.attributes["connection"] = connection
    try:
        step(made)
    except CommandError as error:
        raise CannotMigrate(f"{error}.".replace("..", ".")) from error


@asynccontextmanager
async def _locked(url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await connect(url)
    try:
        if connection.get_server_version().major < OLDEST_SERVER:
            raise CannotMigrate(f"PostgreSQL {OLDEST_SERVER} or newer is needed.")
        # Asked again and again: a session that waits inside PostgreSQL holds a snapshot, and an index that
        # is built concurrently by whoever has the lock would wait for that snapshot for ever.
        while not await connection.fetchval("SELECT pg_try_advisory_lock($1)", LOCK_KEY):  # noqa: ASYNC110 - no event
            await asyncio.sleep(LOCK_PAUSE_S)
        yield connection
    finally:
        await connection.close()


def _between(before: str | None, after: str | None) -> tuple[str, ...]:
    order = [script.revision for script in reversed(list(scripts().walk_revisions()))]
    places = {revision: place + 1 for place, revision in enumerate(order)}
    low, high = places.get(before or "", 0), places.get(after or "", 0)
    passed = [name_of(revision) for revision in order[min(low, high) : max(low, high)]]
    return tuple(passed if high >= low else reversed(passed))
