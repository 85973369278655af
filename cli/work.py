"""`leadfuel work`: everything behind the API in one process."""

import asyncio

import click

from cli.context import load_settings, require_database, run, without_owner
from core import logs
from workers.main import work as work_until
from workers.supervise import stopped_by_signals


@click.command()
def work() -> None:
    """Keep the index up to date and run the jobs, until SIGTERM or Ctrl-C.

    Works with OpenSearch or Redis down, and catches up by itself. Several may run side by side.
    """
    settings = without_owner(require_database(load_settings()))
    logs.configure(level=settings.api.log_level)

    async def main() -> None:
        stop = asyncio.Event()
        with stopped_by_signals(stop):
            await work_until(settings, stop)

    run(main())
