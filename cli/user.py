"""`leadfuel user`: accounts, for whoever runs the installation. Each change stands in the audit log."""

import json
from collections.abc import Awaitable, Callable
from typing import TypeVar, get_args
from uuid import uuid4

import click
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from cli import context
from core.ids import UserId
from core.settings import Settings
from db.sessions import SERVICE, Database
from domain import accounts, audit, users
from domain.accounts import Role
from domain.exports import keeping, store
from domain.outside import identities

T = TypeVar("T")

email_option = click.option("--email", required=True, help="Whose account.")
as_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def user() -> None:
    """Accounts: make, show, promote, disable, link and delete them."""


@user.command()
@email_option
@click.option("--admin", is_flag=True, help="Make an administrator.")
@as_json_option
def create(*, email: str, admin: bool, as_json: bool) -> None:
    """Make an account; one that is there already is left as it is, and exit code 1 says so."""

    async def make(session: AsyncSession) -> users.Account:
        user_id = await accounts.make(session, user_id=UserId(uuid4()), email=email)
        await audit.record(
            session, actor_id=None, action="user.created", subject=f"user:{user_id}", detail={}
        )
        return await users.change(session, actor_id=None, user_id=user_id, role="admin" if admin else None)

    async def make_new(session: AsyncSession) -> users.Account | None:
        there = await session.scalar(
            text("SELECT 1 FROM app.users WHERE email = CAST(:email AS citext)"),
            {"email": accounts.read_address(email)},
        )
        return None if there else await make(session)

    made = _in_transaction(make_new)
    if made is None:
        raise click.ClickException(f"{email} has an account already.")
    _tell(made, as_json=as_json)


@user.command()
@email_option
@as_json_option
def show(*, email: str, as_json: bool) -> None:
    """Show an account."""
    _tell(_with_account(email, _same), as_json=as_json)


@user.command()
@email_option
@click.option(
    "--role", type=click.Choice(get_args(Role)), default="admin", show_default=True, help="The new role."
)
@as_json_option
def promote(*, email: str, role: Role, as_json: bool) -> None:
    """Make somebody an administrator, or with --role member take it back."""

    async def give(session: AsyncSession, account: users.Account) -> users.Account:
        return await users.change(session, actor_id=None, user_id=account.id, role=role)

    _tell(_with_account(email, give), as_json=as_json)


@user.command()
@email_option
@click.option("--because", help="Why; it stands in the audit log.")
@click.option("--undo", is_flag=True, help="Enable the account again.")
@as_json_option
def disable(*, email: str, because: str | None, undo: bool, as_json: bool) -> None:
    """Shut an account: its next request is refused. Nothing is lost; --undo opens it again."""
    if not undo and not because:
        raise click.UsageError("Say --because.")

    async def shut(session: AsyncSession, account: users.Account) -> users.Account:
        if undo:
            return await users.enable(session, actor_id=None, user_id=account.id)
        return await users.disable(session, actor_id=None, user_id=account.id, because=because or "")

    _tell(_with_account(email, shut), as_json=as_json)


@user.command()
@email_option
@click.option("--yes", is_flag=True, help="Do not ask.")
@as_json_option
def delete(*, email: str, yes: bool, as_json: bool) -> None:
    """Erase an account with its lists, ICPs, unlocks, exports and keys. The books stay, under its bare id.

    Lists and ICPs that others share with it go, too: hand them over before.
    """
    account = _with_account(email, _same)
    if not yes:
        click.confirm(f"Erase the account {account.email} and all that is its own?", abort=True)
    settings = context.require_database(context.load_settings())

    async def erase(session: AsyncSession) -> tuple[dict[str, int], list[str]]:
        files = await keeping.files_of(session, user_id=account.id)
        return dict(await users.erase(session, actor_id=None, user_id=account.id)), files

    rows, files = _in_transaction(erase)
    kept = store.store_of(settings)
    for name in files:
        kept.remove(name)
    if as_json:
        click.echo(json.dumps({"user_id": str(account.id), "rows": rows, "files": len(files)}))
        return
    for name, count in rows.items():
        click.echo(f"{count:>6}  {name}")
    click.echo(f"The account {account.id} is erased; {len(files)} files went with it.")


@user.command()
@email_option
@click.option("--issuer", required=True, help="The issuer's name, as in its tokens (`iss`).")
@click.option("--subject", required=True, help="Who it is there (`sub`).")
@as_json_option
def link(*, email: str, issuer: str, subject: str, as_json: bool) -> None:
    """Let the tokens of another issuer speak for an account, an administrator's as well."""

    async def join(session: AsyncSession, account: users.Account) -> users.Account:
        await identities.link(session, user_id=account.id, issuer=issuer, subject=subject)
        return account

    _tell(_with_account(email, join), as_json=as_json)


def _tell(account: users.Account, *, as_json: bool) -> None:
    told = {
        "id": str(account.id),
        "email": account.email,
        "role": account.role,
        "plan": account.plan_id,
        "credit_balance": account.credit_balance,
        "created_at": account.created_at.isoformat(),
        "disabled_at": account.disabled_at.isoformat() if account.disabled_at else None,
        "disabled_because": account.disabled_because,
    }
    if as_json:
        click.echo(json.dumps(told))
        return
    for name, value in told.items():
        if value is not None:
            click.echo(f"{name.replace('_', ' '):<17} {value}")


async def _same(session: AsyncSession, account: users.Account) -> users.Account:  # noqa: ARG001
    return account


def _with_account(email: str, work: Callable[[AsyncSession, users.Account], Awaitable[T]]) -> T:
    async def run(session: AsyncSession) -> T:
        return await work(session, await users.find(session, email=email))

    return _in_transaction(run)


def _in_transaction(work: Callable[[AsyncSession], Awaitable[T]]) -> T:
    settings: Settings = context.require_database(context.load_settings())

    async def run() -> T:
        database = Database(settings.database)
        try:
            async with database.transaction(SERVICE) as session:
                return await work(session)
        finally:
            await database.close()

    return context.run(run())
