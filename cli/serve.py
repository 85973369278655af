"""`leadfuel serve`: the API as a production would run it, in several processes with a graceful stop."""

import os
import socket
from dataclasses import fields, is_dataclass, replace
from typing import Any, Final

import click
import uvicorn

from api.wire import BoundedHttp
from cli import context
from core.errors import LeadFuelError
from core.settings import ApiSettings, Settings
from domain import tokens

# Requests in flight have this long to end after a stop is asked for.
GRACE_S: Final = 20
KEEP_ALIVE_S: Final = 75
BACKLOG: Final = 2048


class PortTaken(LeadFuelError):
    """Another program listens where the API was to listen."""

    slug = "port-taken"
    title = "The port is taken"


@click.command()
@click.option("--host", help="Address to listen on; by default LEADFUEL_HOST or 127.0.0.1.")
@click.option("--port", type=click.IntRange(1, 65_535), help="Port to listen on; by default PORT or 8080.")
@click.option(
    "--processes", type=click.IntRange(1, 128), help="Processes; by default LEADFUEL_API_PROCESSES or 2."
)
def serve(*, host: str | None, port: int | None, processes: int | None) -> None:
    """Serve the API until it is told to stop.

    SIGTERM or Ctrl-C stops it gracefully: no new connection is taken, requests in flight are answered, then
    every process ends. A process that dies is replaced.
    """
    settings = context.without_owner(context.require_database(context.load_settings()))
    tokens.check_secret(settings.auth)
    api = replace(
        settings.api,
        host=host or settings.api.host,
        port=port or settings.api.port,
        processes=processes or settings.api.processes,
    )
    _check_port(api)
    # The processes read their settings from the environment, as one started by hand would.
    os.environ.update(environment_of(replace(settings, api=api)))
    click.echo(f"LeadFuel answers on http://{api.host}:{api.port} ({api.processes} processes)", err=True)
    uvicorn.run("api.app:factory", **uvicorn_options(api))


def uvicorn_options(api: ApiSettings) -> dict[str, Any]:
    """How uvicorn runs the API, as keywords of `uvicorn.run`."""
    return {
        "factory": True,
        "host": api.host,
        "port": api.port,
        "workers": api.processes,
        "http": BoundedHttp,
        "ws": "none",
        "log_config": None,
        "access_log": False,  # api.edge writes its own line
        "server_header": False,
        # Whose word counts about the client's address is decided in the app, by LEADFUEL_TRUSTED_PROXIES.
        "proxy_headers": False,
        "timeout_keep_alive": KEEP_ALIVE_S,
        "timeout_graceful_shutdown": GRACE_S,
        "backlog": BACKLOG,
    }


def environment_of(settings: Settings) -> dict[str, str]:
    """The settings as the variables they would be read from; empty ones are left out."""
    variables: dict[str, str] = {}
    for concern in fields(settings):
        part = getattr(settings, concern.name)
        if not is_dataclass(part):
            continue
        for field in fields(part):
            value = getattr(part, field.name)
            if str(value) != "":
                variables[field.metadata["env"]] = str(value)
    return variables


def _check_port(api: ApiSettings) -> None:
    """Say at once, and once, what otherwise each process would say for itself."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            api.host, api.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise PortTaken(
            f"Cannot listen on {api.host}:{api.port} ({error.strerror or error}); choose another with --port."
        ) from None
