"""`leadfuel stack`: a real PostgreSQL, Redis and OpenSearch as processes of this folder."""

import json
import os
import shlex
import sys
import time
from dataclasses import asdict
from pathlib import Path

import click
from rich.table import Table

from cli.context import console
from core.errors import LeadFuelError
from core.settings import Settings
from embedded import stack as stacks
from embedded import state as states
from embedded.state import PARTS, PartName

_STYLES = {
    "running": "green",
    "external": "green",
    "starting": "yellow",
    "stopped": "dim",
    "unavailable": "yellow",
    "crashed": "red",
}


class NoStack(LeadFuelError):
    """There is no embedded stack in this home."""

    slug = "no-stack"
    title = "There is no stack"


@click.group()
def stack() -> None:
    """The embedded PostgreSQL, Redis and OpenSearch of this folder.

    Their data, logs and passwords are in .leadfuel/ (LEADFUEL_HOME). A part whose URL is set in the
    environment (DATABASE_URL, REDIS_URL, OPENSEARCH_URL) is left to that URL.
    """


@stack.command()
@click.option("--json", "as_json", is_flag=True, help="Print the parts as JSON when all is done.")
@click.option(
    "--part",
    "parts",
    multiple=True,
    type=click.Choice(PARTS),
    help="Only this part; may be given several times.",
)
def up(*, as_json: bool, parts: tuple[PartName, ...]) -> None:
    """Start what does not run, and return when it answers.

    Parts that run are left alone, crashed ones are started again. Without OpenSearch (no registry to
    fetch it from, no room) the rest comes up all the same, and searches are answered by PostgreSQL.
    """
    settings = Settings.from_env().stack
    begun = time.monotonic()
    stacks.up(
        settings.home,
        parts=parts or PARTS,
        settings=settings,
        report=lambda line: click.echo(line, err=as_json),
    )
    if as_json:
        _print_json(settings.home)
    else:
        click.echo(f"The stack is up ({time.monotonic() - begun:.1f} s). `leadfuel stack status` shows it.")


@stack.command()
@click.option("--delete-data", is_flag=True, help="Delete all its data, logs and passwords, too.")
@click.option("--yes", is_flag=True, help="Do not ask before deleting.")
def down(*, delete_data: bool, yes: bool) -> None:
    """Stop every part; no process is left."""
    home = Settings.from_env().stack.home
    state = states.load(home)
    if state is None:
        click.echo(f"There is no stack in {home}.")
        return
    if not delete_data:
        stacks.down(home, report=click.echo)
        return
    if not yes:
        folders = ", ".join(map(str, stacks.data_folders(state)))
        click.confirm(f"Delete all data of the stack in {folders}?", abort=True)
    stacks.down(home, report=click.echo)
    for folder in stacks.delete(home):
        click.echo(f"{folder}: deleted")


@stack.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def status(*, as_json: bool) -> None:
    """Show how each part is at this moment."""
    home = Settings.from_env().stack.home
    if as_json:
        _print_json(home)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("part", "state", "port", "pid", "data"):
        table.add_column(column, overflow="fold")
    parts = stacks.status(home)
    for part in parts:
        style = _STYLES[part.condition]
        table.add_row(
            f"{part.title} {part.version or ''}".strip(),
            f"[{style}]{part.condition}[/{style}]",
            str(part.port or ""),
            str(part.pid or ""),
            part.data or "",
        )
    output = console()
    output.print(table)
    for part in parts:
        if part.reason:
            output.print(f"{part.title}: {part.reason}", markup=False, soft_wrap=True)
        if part.condition in {"unavailable", "crashed"} and Path(part.log).exists():
            output.print(f"  log: {part.log}", markup=False, soft_wrap=True)
    there = {part.name for part in parts if part.condition in {"running", "external"}}
    if "postgres" in there and "opensearch" not in there:
        output.print("Searches are answered by PostgreSQL while OpenSearch is away.")


@stack.command()
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object instead of shell lines.")
def env(*, as_json: bool) -> None:
    """Print the stack's URLs and secrets as `export` lines: eval "$(leadfuel stack env)"."""
    home = Settings.from_env().stack.home
    state = states.load(home)
    if state is None:
        raise NoStack(f"there is no stack in {home}: run `leadfuel stack up`.")
    variables = stacks.environment(state)
    if as_json:
        click.echo(json.dumps(variables, indent=2))
        return
    for part in stacks.status(home):
        if part.condition not in {"running", "starting"}:
            click.echo(f"# {part.title}: {part.condition}", err=True)
    for name, value in variables.items():
        click.echo(f"export {name}={shlex.quote(value)}")


@stack.command(context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def psql(*, arguments: tuple[str, ...]) -> None:
    """Open the embedded database in psql, as the tables' owner; ARGUMENTS are psql's own."""
    home = Settings.from_env().stack.home
    state = states.load(home)
    if state is None or not stacks.is_alive(state, "postgres"):
        raise NoStack(f"PostgreSQL does not run in {home}: run `leadfuel stack up`.")
    command, environ = stacks.psql(state)
    os.execve(command[0], [*command, *arguments], environ)  # noqa: S606 - becomes the program itself


def _print_json(home: Path) -> None:
    parts = stacks.status(home)
    healthy = all(
        part.condition in {"running", "external"}
        or (part.name == "opensearch" and part.condition == "unavailable")
        for part in parts
    )
    answer = {"home": str(home.absolute()), "healthy": healthy, "parts": [asdict(part) for part in parts]}
    json.dump(answer, sys.stdout, indent=2)
    sys.stdout.write("\n")
