"""`leadfuel jobs`: what waits in the outbox, what has failed, and what to do about it."""

import json
import uuid
from collections.abc import Awaitable, Callable
from typing import TypeVar

import click
from sqlalchemy.ext.asyncio import AsyncSession

from cli import context
from db.sessions import SERVICE, Database
from workers import outbox
from workers.outbox import Entry

T = TypeVar("T")

as_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
id_argument = click.argument("entry_id", metavar="ID", type=click.UUID)


@click.group()
def jobs() -> None:
    """Jobs that are not done: waiting, handed to a worker, or given up after their attempts."""


@jobs.command("list")
@click.option("--failed", is_flag=True, help="Only those that were given up.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True, help="At most.")
@as_json_option
def list_(*, failed: bool, limit: int, as_json: bool) -> None:
    """List them, the oldest first."""
    found = _in_transaction(lambda session: outbox.entries(session, failed=failed, limit=limit))
    if as_json:
        click.echo(json.dumps([_told(entry) for entry in found]))
        return
    if not found:
        click.echo("No job has failed." if failed else "All jobs are done.")
        return
    for entry in found:
        since = f"{entry.created_at:%Y-%m-%d %H:%M}"
        click.echo(f"{entry.id}  {since}  {entry.state:11}  {entry.job}  {entry.last_error or ''}".rstrip())


@jobs.command()
@id_argument
@as_json_option
def show(*, entry_id: uuid.UUID, as_json: bool) -> None:
    """Show one with its payload and its last error."""
    _print(_in_transaction(lambda session: outbox.get(session, entry_id=entry_id)), as_json=as_json)


@jobs.command()
@id_argument
@as_json_option
def retry(*, entry_id: uuid.UUID, as_json: bool) -> None:
    """Let one begin again, with all its attempts."""
    _print(_in_transaction(lambda session: outbox.retry(session, entry_id=entry_id)), as_json=as_json)


@jobs.command()
@id_argument
@as_json_option
def drop(*, entry_id: uuid.UUID, as_json: bool) -> None:
    """Take one out for good; whoever asked for it sees that it failed."""
    _print(_in_transaction(lambda session: outbox.drop(session, entry_id=entry_id)), as_json=as_json)


def _print(entry: Entry, *, as_json: bool) -> None:
    told = _told(entry)
    if as_json:
        click.echo(json.dumps(told))
        return
    for name, value in told.items():
        click.echo(f"{name}: {json.dumps(value) if isinstance(value, dict) else value}")


def _told(entry: Entry) -> dict[str, object]:
    return {
        "id": str(entry.id),
        "job": entry.job,
        "state": entry.state,
        "attempts": entry.attempts,
        "created_at": entry.created_at.isoformat(),
        "payload": entry.payload,
        "last_error": entry.last_error,
    }


def _in_transaction(work: Callable[[AsyncSession], Awaitable[T]]) -> T:
    async def run() -> T:
        db = Database(context.require_database(context.load_settings()).database)
        try:
            async with db.transaction(SERVICE) as session:
                return await work(session)
        finally:
            await db.close()

    return context.run(run())
