"""`leadfuel credits`: look into an account, give credits, and compare the books."""

import json
import sys
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import TypeVar
from uuid import uuid4

import click
from rich.table import Table
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from cli import context
from core.errors import NotFound
from core.ids import UserId
from db.sessions import SERVICE, Database
from domain import accounts, audit, reports
from domain.credits import months, movements, reconcile, statement, upkeep

T = TypeVar("T")

as_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
email_option = click.option("--email", required=True, help="Whose account.")


@click.group(name="credits")
def credits_() -> None:
    """Accounts of credits: what there is, what became of it, and whether the books agree."""


@credits_.command()
@email_option
@click.option("--limit", type=click.IntRange(1, 500), default=20, show_default=True, help="Movements shown.")
@as_json_option
def show(*, email: str, limit: int, as_json: bool) -> None:
    """Show an account and its last movements."""

    async def look(session: AsyncSession) -> tuple[statement.Summary, statement.Page]:
        user_id = await _user(session, email)
        await months.refresh(session, user_id=user_id)
        summary = await statement.summary(session, user_id=user_id)
        return summary, await statement.ledger(session, user_id=user_id, limit=limit)

    summary, page = _in_transaction(look)
    if as_json:
        lines = [
            {
                "at": line.at.isoformat(),
                "kind": line.kind,
                "what": line.what,
                "credits": line.credits,
                "balance_after": line.balance_after,
                "reason": line.reason,
            }
            for line in page.lines
        ]
        told = {"available": summary.available, "held": summary.held, "owed": summary.owed}
        click.echo(json.dumps(told | {"frozen": summary.is_frozen, "ledger": lines}))
        return
    held = f", {summary.held} held" if summary.held else ""
    owed = f", {summary.owed} owed" if summary.owed else ""
    click.echo(f"{summary.available} credits to spend{held}{owed} (plan {summary.plan_id}).")
    if summary.is_frozen:
        click.echo("Spending is stopped: see `leadfuel credits reconcile`.")
    table = Table("at", "what", "credits", "balance", "reason")
    for line in page.lines:
        at = f"{line.at:%Y-%m-%d %H:%M}"
        table.add_row(at, line.what, f"{line.credits:+}", str(line.balance_after), line.reason or "")
    context.console().print(table)


@credits_.command()
@email_option
@click.option("--amount", type=click.IntRange(1, movements.MAX_AMOUNT), required=True, help="How many.")
@click.option("--reason", required=True, help="Why; it stands in the ledger for the user to read.")
@click.option("--key", help="A word of your own: the same again gives nothing twice.")
@as_json_option
def grant(*, email: str, amount: int, reason: str, key: str | None, as_json: bool) -> None:
    """Give credits to a user."""

    async def give(session: AsyncSession) -> int:
        user_id = await _user(session, email)
        entry = await movements.grant(
            session,
            user_id=user_id,
            amount=amount,
            reference=f"operator:{key or uuid4()}",
            reason=reason,
        )
        await audit.record(
            session,
            actor_id=None,
            action="credits.granted",
            subject=f"user:{user_id}",
            detail={"amount": amount, "reference": entry.reference},
        )
        return entry.balance_after

    balance = _in_transaction(give)
    click.echo(json.dumps({"balance": balance}) if as_json else f"The balance is {balance} now.")


@credits_.command(name="reconcile")
@as_json_option
def compare(*, as_json: bool) -> None:
    """Compare all books; exit code 1 if any differ. Accounts that do may not spend until released."""
    found = _with_database(upkeep.compare)
    if as_json:
        click.echo(
            json.dumps(
                [
                    {
                        "user_id": str(each.user_id),
                        "check": each.check,
                        "expected": each.expected,
                        "found": each.found,
                    }
                    for each in found
                ]
            )
        )
    else:
        for each in found:
            click.echo(str(each))
        click.echo(f"{len(found)} differences." if found else "All books agree.")
    sys.exit(1 if found else 0)


@credits_.command()
@email_option
def release(*, email: str) -> None:
    """Let an account spend again that the comparison has stopped."""

    async def let_go(session: AsyncSession) -> bool:
        user_id = await _user(session, email)
        released = await reconcile.release(session, user_id=user_id)
        if released:
            await audit.record(
                session, actor_id=None, action="credits.released", subject=f"user:{user_id}", detail={}
            )
        return released

    click.echo("The account may spend again." if _in_transaction(let_go) else "It was not stopped.")


@credits_.command()
@as_json_option
def bounces(*, as_json: bool) -> None:
    """What users have reported of addresses, by the source that an address came from."""
    found = _in_transaction(reports.by_source)
    if as_json:
        click.echo(json.dumps([asdict(each) for each in found]))
        return
    table = Table("source", "addresses", "bounced", "replied", "credits given back")
    for each in found:
        table.add_row(
            each.source, str(each.addresses), str(each.bounced), str(each.replied), str(each.refunded)
        )
    context.console().print(table)


async def _user(session: AsyncSession, email: str) -> UserId:
    found = await session.execute(
        text("SELECT id FROM app.users WHERE email = :email"), {"email": accounts.read_address(email)}
    )
    user_id = found.scalar_one_or_none()
    if user_id is None:
        raise NotFound(f"There is no user {email}.")
    return UserId(user_id)


def _in_transaction(work: Callable[[AsyncSession], Awaitable[T]]) -> T:
    async def run(database: Database) -> T:
        async with database.transaction(SERVICE) as session:
            return await work(session)

    return _with_database(run)


def _with_database(work: Callable[[Database], Awaitable[T]]) -> T:
    settings = context.require_database(context.load_settings())

    async def run() -> T:
        database = Database(settings.database)
        try:
            return await work(database)
        finally:
            await database.close()

    return context.run(run())
