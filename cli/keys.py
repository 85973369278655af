"""`leadfuel keys`: the keys that tokens are signed with."""

import json
from collections.abc import Awaitable, Callable
from typing import TypeVar, get_args

import click
from rich.table import Table

from cli import context
from db.sessions import SERVICE, Database
from domain import audit, tokens
from domain.signing import keys as signing
from domain.signing.keyring import ClientRole, Keyring

T = TypeVar("T")

as_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def keys() -> None:
    """The keys that tokens are signed with, and the anon and service keys of the front end's clients."""


@keys.command(name="list")
@as_json_option
def list_(*, as_json: bool) -> None:
    """Show the signing keys and print the anon and the service key.

    The service key may read and write everything: it belongs in no browser.
    """

    async def look(database: Database, ring: Keyring) -> tuple[list[signing.KeyLine], dict[str, str]]:
        clients = {role: await ring.client_key(role) for role in get_args(ClientRole)}
        await ring.current("access")
        async with database.transaction(SERVICE, read_only=True) as session:
            return await signing.lines(session, ring.settings), clients

    lines, clients = _with_ring(look)
    if as_json:
        described = [
            {
                "kid": line.kid,
                "purpose": line.purpose,
                "algorithm": line.algorithm,
                "state": line.state,
                "created_at": line.created_at.isoformat(),
                "ends_at": line.ends_at.isoformat() if line.ends_at else None,
                "opens": line.opens,
            }
            for line in lines
        ]
        click.echo(json.dumps({"keys": described} | clients))
        return
    table = Table("kid", "purpose", "algorithm", "state", "made", "verifies until")
    for line in lines:
        state = line.state if line.opens else f"{line.state}, sealed with another secret"
        until = f"{line.ends_at:%Y-%m-%d %H:%M}" if line.ends_at else ""
        table.add_row(
            line.kid, line.purpose, line.algorithm, state, f"{line.created_at:%Y-%m-%d %H:%M}", until
        )
    context.console().print(table)
    for role, key in clients.items():
        click.echo(f"{role}: {key}")


@keys.command()
@click.option(
    "--purpose",
    type=click.Choice(get_args(signing.Purpose)),
    default="access",
    show_default=True,
    help="`access` signs people's tokens, `client` the anon and the service key.",
)
@click.option("--now", "at_once", is_flag=True, help="End the old keys, and all they have signed, at once.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@as_json_option
def rotate(*, purpose: signing.Purpose, at_once: bool, yes: bool, as_json: bool) -> None:
    """Make a new key and let the old one verify until what it has signed has ended.

    With --now everything that it has signed ends within seconds: for a key that somebody else may have.
    """
    if at_once and not yes:
        what = "everybody is signed out" if purpose == "access" else "front ends need the new keys at once"
        click.confirm(f"End the old keys now? Then {what}.", abort=True)

    async def make(database: Database, ring: Keyring) -> str:
        async with database.transaction(SERVICE) as session:
            kid = await signing.rotate(session, ring.settings, purpose=purpose, at_once=at_once)
            await audit.record(
                session,
                actor_id=None,
                action="key.rotated",
                subject=f"key:{kid}",
                detail={"purpose": purpose, "at_once": at_once},
            )
        return kid

    kid = _with_ring(make)
    click.echo(json.dumps({"kid": kid, "purpose": purpose}) if as_json else f"{kid} signs now.")


def _with_ring(work: Callable[[Database, Keyring], Awaitable[T]]) -> T:
    settings = context.require_database(context.load_settings())
    tokens.check_secret(settings.auth)

    async def run() -> T:
        database = Database(settings.database)
        try:
            return await work(database, Keyring(settings.auth, database))
        finally:
            await database.close()

    return context.run(run())
