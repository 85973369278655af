"""What every command needs: the settings, an event loop that ends well, and a console."""

import asyncio
import os
import sys
from collections.abc import Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
from rich.console import Console

from core.errors import LeadFuelError
from core.settings import Settings

T = TypeVar("T")
_INTERRUPTED = 130  # what a shell says of a program that SIGINT ended


class NoDatabase(LeadFuelError):
    """The command needs PostgreSQL and was told of none."""

    slug = "no-database"
    title = "There is no database"


class Unreachable(LeadFuelError):
    """A service that the command needs does not answer, or turned it away."""

    slug = "unreachable"
    title = "A service cannot be reached"


def load_settings() -> Settings:
    """Read the settings: the environment first, then what the embedded stack of this folder remembers.

    Works without a stack; the URLs are then empty.
    """
    settings = Settings.from_env()
    remembered = _remembered(settings.stack.home)
    return Settings.from_env({**remembered, **{key: value for key, value in os.environ.items() if value}})


def require_database(settings: Settings) -> Settings:
    """Return the settings if they name a database that may be there; raises `NoDatabase`."""
    if settings.database.url:
        return settings
    raise NoDatabase("no database: set DATABASE_URL or run `leadfuel stack up`.")


def without_owner(settings: Settings) -> Settings:
    """The settings of a process that serves or works: without the login of the tables' owner.

    The owner may change everything and is for `leadfuel db` alone: a break into the API is no way to it.
    """
    os.environ.pop("MIGRATION_DATABASE_URL", None)
    return replace(settings, database=replace(settings.database, migration_url=""))


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a command's coroutine; Ctrl-C cancels it, lets it clean up, and exits with 130."""
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            return runner.run(main)
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
    except (OSError, asyncpg.PostgresError) as error:
        raise Unreachable(f"a service cannot be reached or refused: {error}") from error


def console(*, stderr: bool = False) -> Console:
    """Return a console for people; progress goes to stderr so that output can be piped."""
    return Console(stderr=stderr, highlight=False)


def _remembered(home: Path) -> dict[str, str]:
    from embedded import stack, state  # noqa: PLC0415 - only where there is a stack at all

    if not (home / state.FILE_NAME).exists():
        return {}
    remembered = state.load(home)
    if remembered is None:
        return {}
    variables = stack.environment(remembered)
    if not stack.is_alive(remembered, "postgres"):
        variables.pop("DATABASE_URL", None)
        variables.pop("MIGRATION_DATABASE_URL", None)
    return variables


def _loop_factory() -> Any:
    try:
        import uvloop  # noqa: PLC0415 - not to be had on every platform
    except ImportError:
        return None
    return uvloop.new_event_loop
