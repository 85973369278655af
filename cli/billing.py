"""`leadfuel billing`: prices at Stripe, and the inbox of what it tells."""

import json
import sys
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import TypeVar

import click
from rich.table import Table
from sqlalchemy.ext.asyncio import AsyncSession

from cli import context
from core.settings import Settings
from db.sessions import SERVICE, Database
from domain.billing import catching_up, comparing, prices
from domain.billing import inbox as events
from domain.billing.cloud import Cloud
from domain.billing.gateway import open_cloud

T = TypeVar("T")

as_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
STATES = ("waiting", "done", "ignored", "parked", "dismissed")


@click.group()
def billing() -> None:
    """Selling by Stripe: prices there, and what it has told."""


@billing.command()
@click.option("--check", is_flag=True, help="Make nothing; exit code 1 if something is missing.")
@as_json_option
def sync(*, check: bool, as_json: bool) -> None:
    """Make the products and prices of plans and packs at Stripe, or find those that are there."""

    async def compare(settings: Settings, db: Database, cloud: Cloud) -> list[prices.Synced]:
        return await prices.sync(db, cloud, settings.billing, check=check)

    done = _with_cloud(compare)
    if as_json:
        click.echo(json.dumps([asdict(each) for each in done]))
    else:
        for each in done:
            click.echo(f"{each.noun} {each.id}: {each.outcome}")
    sys.exit(0 if all(each.price_id for each in done) else 1)


@billing.command(name="catch-up")
@as_json_option
def catch_up(*, as_json: bool) -> None:
    """Ask Stripe for events that never arrived, of the last thirty days at the most."""

    async def ask(settings: Settings, db: Database, cloud: Cloud) -> int:
        return await catching_up.catch_up(db, cloud, settings.billing)

    missed = _with_cloud(ask)
    click.echo(json.dumps({"missed": missed}) if as_json else f"{missed} events had been missed.")


@billing.command()
@click.option("--days", type=click.IntRange(1, 366), default=7, show_default=True, help="How many days back.")
@as_json_option
def reconcile(*, days: int, as_json: bool) -> None:
    """Compare our payments with Stripe's own lists; exit code 1 if any differ.

    What differs is parked in the inbox, and whoever has more here than there may not spend until released.
    """

    async def compare(settings: Settings, db: Database, cloud: Cloud) -> list[comparing.Difference]:
        return await comparing.compare_last(db, cloud, settings.billing, days=days)

    found = _with_cloud(compare)
    if as_json:
        click.echo(json.dumps([asdict(each) | {"id": each.id} for each in found], default=str))
    else:
        for each in found:
            click.echo(str(each))
        click.echo(f"{len(found)} differences." if found else "All payments agree.")
    sys.exit(1 if found else 0)


@billing.group()
def inbox() -> None:
    """What Stripe has told: each event once, with what became of it."""


@inbox.command(name="list")
@click.option("--state", type=click.Choice(STATES), help="Only those in this state.")
@click.option("--limit", type=click.IntRange(1, 500), default=50, show_default=True, help="Events shown.")
@click.option("--cursor", help="Go on where a list has ended; it says how.")
@as_json_option
def list_(*, state: events.State | None, limit: int, cursor: str | None, as_json: bool) -> None:
    """List events, the latest first, and how many there are."""

    async def look(
        session: AsyncSession,
    ) -> tuple[events.Page, list[tuple[str, events.State, int]], int]:
        return (
            await events.page(session, state=state, limit=limit, cursor=cursor),
            await events.counts(session),
            await events.refusals(session),
        )

    page, counts, refused = _in_transaction(look)
    if as_json:
        told = {
            "events": [asdict(event) for event in page.events],
            "counts": [{"type": kind, "state": state_, "count": count} for kind, state_, count in counts],
            "refused": refused,
            "cursor": page.cursor,
        }
        click.echo(json.dumps(told, default=str))
        return
    table = Table("received", "event", "type", "state", "tries", "reason")
    for event in page.events:
        at = f"{event.received_at:%Y-%m-%d %H:%M:%S}"
        table.add_row(at, event.id, event.type, event.state, str(event.attempts), event.reason or "")
    context.console().print(table)
    if page.cursor:
        click.echo(f"There are more: --cursor {page.cursor}")
    total = {state_: sum(n for _, each, n in counts if each == state_) for state_ in STATES}
    click.echo(", ".join(f"{number} {name}" for name, number in total.items()) + f"; {refused} refused.")


@inbox.command()
@click.argument("event_id")
def show(*, event_id: str) -> None:
    """Print an event with all it told, as JSON; names, addresses and cards are never kept."""

    async def look(session: AsyncSession) -> dict[str, object]:
        event, payload = await events.get(session, event_id=event_id)
        return asdict(event) | {"payload": payload}

    click.echo(json.dumps(_in_transaction(look), default=str, indent=2))


@inbox.command()
@click.argument("event_id")
def retry(*, event_id: str) -> None:
    """Let an event be handled again; what it has brought already comes once."""

    async def again(session: AsyncSession) -> events.Event:
        return await events.retry(session, event_id=event_id)

    click.echo(f"{_in_transaction(again).id} waits to be handled.")


@inbox.command()
@click.argument("event_id")
@click.option("--reason", required=True, help="Why nothing is to follow from it.")
def dismiss(*, event_id: str, reason: str) -> None:
    """Lay a parked event aside."""

    async def lay_aside(session: AsyncSession) -> events.Event:
        return await events.dismiss(session, event_id=event_id, reason=reason)

    click.echo(f"{_in_transaction(lay_aside).id} is laid aside.")


def _in_transaction(work: Callable[[AsyncSession], Awaitable[T]]) -> T:
    async def run() -> T:
        db = Database(context.require_database(context.load_settings()).database)
        try:
            async with db.transaction(SERVICE) as session:
                return await work(session)
        finally:
            await db.close()

    return context.run(run())


def _with_cloud(work: Callable[[Settings, Database, Cloud], Awaitable[T]]) -> T:
    async def run() -> T:
        settings = context.require_database(context.load_settings())
        db = Database(settings.database)
        try:
            async with open_cloud(settings.billing) as cloud:
                return await work(settings, db, cloud)
        finally:
            await db.close()

    return context.run(run())
