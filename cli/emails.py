"""`leadfuel emails`: check and find addresses, learn patterns, look after lists and our own standing."""

import json
import sys
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from cli import context
from core.errors import Invalid
from core.ids import ContactId
from core.settings import Settings
from db.sessions import SERVICE, Database
from domain.emails import outcomes
from domain.finder import evidence, find, store
from domain.finder.learning import Figures
from domain.finder.model import Model
from domain.validator import lists as list_module
from domain.validator import selfcheck as checks
from domain.validator.shared import open_validator
from domain.validator.verdict import Verdict

as_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def emails() -> None:
    """Find and check work addresses. No mail is ever sent."""


@emails.command()
@click.argument("addresses", nargs=-1, required=True)
@as_json_option
def validate(*, addresses: tuple[str, ...], as_json: bool) -> None:
    """Tell whether mail to ADDRESSES would arrive; needs neither database nor worker."""
    settings = context.load_settings()
    verdicts = context.run(_validate(settings, addresses))
    if as_json:
        click.echo(json.dumps([verdict.as_json() for verdict in verdicts], indent=1))
        return
    table = Table("address", "reachable", "status", "why", "score", "reply")
    for verdict in verdicts:
        reply = verdict.smtp_reply
        table.add_row(
            verdict.input,
            verdict.is_reachable,
            verdict.status,
            verdict.sub_status or "",
            str(verdict.score),
            f"{reply.code} {reply.text}"[:60] if reply else "",
        )
    context.console().print(table)


@emails.command(name="find")
@click.option("--contact", type=click.IntRange(1), help="A contact of the catalogue.")
@click.option("--first", default="", help="First name.")
@click.option("--middle", default="", help="Middle name.")
@click.option("--last", default="", help="Last name.")
@click.option("--domain", default="", help="The company's domain.")
@click.option("--company", default="", help="The company's name, where the domain is not known.")
@click.option("--no-smtp", is_flag=True, help="Ask no mail server; answer by the known addresses alone.")
@as_json_option
def find_(
    *,
    contact: int | None,
    first: str,
    middle: str,
    last: str,
    domain: str,
    company: str,
    no_smtp: bool,
    as_json: bool,
) -> None:
    """Predict a person's address and prove it where that is possible."""
    settings = context.require_database(context.load_settings())
    query = evidence.Query(
        contact_id=ContactId(contact) if contact else None,
        first_name=first,
        middle_name=middle,
        last_name=last,
        domain=domain,
        company=company,
    )
    answer = context.run(_find(settings, query, asks=not no_smtp))
    if as_json:
        click.echo(json.dumps(answer.as_json(), indent=1))
    else:
        said = (
            f"{answer.email}  ({answer.score} %, {answer.email_status})" if answer.email else "nothing found"
        )
        click.echo(said)
        for reason in answer.reasons:
            click.echo(f"  {reason}")
    if answer.email is None:
        sys.exit(1)


@emails.command()
@click.option("--companies", type=click.IntRange(1), default=store.MAX_COMPANIES, show_default=True)
@click.option("--changed", is_flag=True, help="Only from companies that have changed since the last time.")
@as_json_option
def learn(*, companies: int, changed: bool, as_json: bool) -> None:
    """Learn the patterns of addresses from the catalogue, and say how good they are.

    The worker learns what has changed every day, and everything anew every month.
    """
    settings = context.require_database(context.load_settings())

    async def run() -> tuple[Model, Figures] | None:
        database = Database(settings.database)
        try:
            return await store.learn(
                database,
                settings.validator,
                limit=companies,
                only_changed=changed,
                live=outcomes.live_figures,
            )
        finally:
            await database.close()

    learned = context.run(run())
    if learned is None:
        click.echo("nothing has changed since the last version", err=True)
    told = [] if learned is None else [(learned[0].version, "", learned[1].as_json())]
    _print_figures(told, as_json=as_json)


@emails.command()
@click.option("--held-back", is_flag=True, help="Hold addresses of today's catalogue back and look for them.")
@as_json_option
def accuracy(*, held_back: bool, as_json: bool) -> None:
    """Show how good answers are: by what users report, and each learned version on addresses held back.

    With --held-back nothing is looked up that was learned: known addresses are sought, one at a time, by what
    all other companies teach and a few colleagues show, beside two simple rules. It takes minutes.
    """
    settings = context.require_database(context.load_settings())
    if held_back:
        _print_held_back(context.run(_held_back(settings)), as_json=as_json)
        return

    async def run() -> tuple[dict[str, Any], list[tuple[int, str, dict[str, Any]]]]:
        database = Database(settings.database)
        try:
            async with database.transaction(SERVICE, read_only=True) as session:
                live = await outcomes.live_figures(session)
                kept = await store.history(session)
        finally:
            await database.close()
        return live, [(version, at.isoformat(timespec="minutes"), figures) for version, at, figures in kept]

    live, versions = context.run(run())
    if as_json:
        click.echo(json.dumps({"live": live, "versions": _plain(versions)}, indent=1))
        return
    _print_live(live)
    _print_figures(versions, as_json=False)


@emails.command()
@as_json_option
def selfcheck(*, as_json: bool) -> None:
    """Look whether mail servers can be asked from here, and whether they would answer."""
    settings = context.load_settings()
    found = context.run(checks.check(settings.validator))
    if as_json:
        click.echo(
            json.dumps([{"name": c.name, "is_good": c.is_good, "detail": c.detail} for c in found], indent=1)
        )
    else:
        marks = {True: "ok", False: "NO", None: "?"}
        table = Table("", "check", "detail")
        for one in found:
            table.add_row(marks[one.is_good], one.name, one.detail)
        context.console().print(table)
    if any(one.is_good is False for one in found):
        sys.exit(1)


@emails.command()
@click.option("--add", type=click.Choice(list_module.NAMES), help="Extend this list by a file.")
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@as_json_option
def lists(*, add: list_module.Name | None, file: Path | None, as_json: bool) -> None:
    """Show the lists of disposable, free and role addresses, or extend one by FILE."""
    settings = context.load_settings().validator
    if (add is None) != (file is None):
        raise click.UsageError("--add and FILE go together.")
    if add is not None and file is not None:
        if not settings.lists_folder:
            raise Invalid("LEADFUEL_MAIL_LISTS is not set; the lists have no folder to grow in.")
        new = list_module.extend(Path(settings.lists_folder), add, file.read_text("utf-8"))
        click.echo(f"{new} new entries in {add}", err=True)
    loaded = list_module.load(settings.lists_folder)
    sizes = {name: len(getattr(loaded, name)) for name in list_module.NAMES}
    if as_json:
        click.echo(json.dumps(sizes))
    else:
        for name, size in sizes.items():
            click.echo(f"{name:12}{size:8,}")


async def _validate(settings: Settings, addresses: tuple[str, ...]) -> list[Verdict]:
    async with open_validator(settings) as validator:
        return [await validator.validate(address) for address in addresses]


async def _find(settings: Settings, query: evidence.Query, *, asks: bool) -> find.Answer:
    database = Database(settings.database)
    try:
        async with database.transaction(SERVICE, read_only=True) as session:
            case = await evidence.gather(
                session, query, user_id=None, privacy=settings.privacy, settings=settings.validator
            )
            model = await store.newest(session)
        async with open_validator(settings) as validator:
            return await find.find(case, model, validator.validate if asks else None)
    finally:
        await database.close()


async def _held_back(settings: Settings) -> Figures:
    database = Database(settings.database)
    try:
        return await store.held_back(database, settings.validator)
    finally:
        await database.close()


def _print_held_back(found: Figures, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(found.as_json(), indent=1))
        return
    if not found.trials:
        click.echo("The catalogue knows no address to hold back.")
        return
    click.echo(
        f"{found.trials} addresses held back: Brier {found.brier:.3f}, ECE {found.ece:.3f},"
        f" {found.covered:.1%} at 80 % or more"
    )
    table = Table("", "addresses", "first right", "in three", "majority", "first.last")
    every = {
        "trials": float(found.trials),
        "accuracy_at_1": found.accuracy_at_1,
        "accuracy_at_3": found.accuracy_at_3,
        **found.baselines,
    }
    groups = {f"{name} known": row for name, row in found.by_samples.items()} | found.by_class
    for name, row in ({"all": every} | groups).items():
        shares = (row[each] for each in ("accuracy_at_1", "accuracy_at_3", "majority", "first_last"))
        table.add_row(name, f"{row['trials']:.0f}", *(f"{share:.3f}" for share in shares))
    context.console().print(table)


def _print_figures(versions: list[tuple[int, str, dict[str, Any]]], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(_plain(versions), indent=1))
        return
    table = Table(
        "version", "learned", "trials", "first right", "in three", "Brier", "ECE", "at 80 % or more"
    )
    for version, at, figures in versions:
        shares = (figures[name] for name in ("accuracy_at_1", "accuracy_at_3", "brier", "ece", "covered"))
        table.add_row(str(version), at, str(figures["trials"]), *(f"{share:.3f}" for share in shares))
    context.console().print(table)


def _plain(versions: list[tuple[int, str, dict[str, Any]]]) -> list[dict[str, Any]]:
    return [{"version": version, "learned_at": at, **figures} for version, at, figures in versions]


def _print_live(live: dict[str, Any]) -> None:
    """What users have reported: the reliability of confidence, then shares that arrived by group."""
    if not live["reports"]:
        click.echo("Nobody has reported yet what became of an address (POST /v1/emails/report).")
        return
    click.echo(
        f"{live['reports']} reports; of {live['searches']} found addresses {live['arrived']:.1%} arrived,"
        f" Brier {live['brier']:.3f}, ECE {live['ece']:.3f}"
    )
    table = Table("", "reports", "said", "arrived")
    for row in live["reliability"]:
        said, right = f"{row['confidence']:.3f}", f"{row['right']:.3f}"
        table.add_row(f"confidence from {row['from']:.1f}", f"{row['count']:.0f}", said, right)
    for name in ("by_source", "by_pattern", "by_verdict"):
        for group, row in live[name].items():
            table.add_row(f"{name[3:]}: {group}", f"{row['reports']:.0f}", "", f"{row['arrived']:.3f}")
    context.console().print(table)
