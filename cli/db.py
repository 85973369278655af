"""`leadfuel db`: the database's tables, brought up, brought down and looked over, as their owner."""

import json
import sys
from dataclasses import asdict

import click

from cli.context import load_settings, run
from db import check as checks
from db import migrate as migrations


@click.group()
def db() -> None:
    """Migrate the database and check it against what the code expects.

    Only these commands log in as the tables' owner (MIGRATION_DATABASE_URL).
    """


@db.command()
@click.option("--to", "target", default="head", show_default=True, help="Revision to go up to.")
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON.")
def migrate(*, target: str, as_json: bool) -> None:
    """Bring the database up to the newest revision; done already is done well."""
    outcome = run(migrations.migrate(load_settings().database, target=target))
    _show(outcome, as_json=as_json, verb="applied")


@db.command()
@click.option("--steps", type=click.IntRange(min=1), default=1, show_default=True, help="How many to undo.")
@click.option("--to", "target", help="Revision to go down to; `base` drops everything.")
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON.")
@click.option("--yes", is_flag=True, help="Do not ask. Undoing a step can drop what it has stored.")
def rollback(*, steps: int, target: str | None, as_json: bool, yes: bool) -> None:
    """Undo the last migration, or several; the data of a dropped table is gone."""
    if not yes:
        click.confirm("What these steps made is dropped with its data. Go on?", abort=True)
    outcome = run(migrations.rollback(load_settings().database, target=target or f"-{steps}"))
    _show(outcome, as_json=as_json, verb="undone")


@db.command()
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def check(*, as_json: bool) -> None:
    """Name whatever differs from what the code expects; exit code 1 if anything does.

    Migrations not applied, tables that differ from the models, invalid indexes, missing row-level security,
    every privilege and policy that is not in the access matrix, definer functions without a pinned path.
    """
    found = run(checks.check(load_settings().database))
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in found]))
    for finding in found if not as_json else ():
        click.echo(finding)
    if not found and not as_json:
        click.echo("The database is as it should be.")
    sys.exit(1 if found else 0)


@db.command()
@click.argument("words")
def revision(*, words: str) -> None:
    """Write an empty migration named after today and WORDS, from the template."""
    click.echo(migrations.write_migration(words))


def _show(outcome: migrations.Outcome, *, as_json: bool, verb: str) -> None:
    if as_json:
        click.echo(json.dumps(asdict(outcome)))
        return
    for step in outcome.steps:
        click.echo(f"{verb}  {step}")
    at = migrations.name_of(outcome.after) if outcome.after else "the beginning: no tables"
    click.echo(f"The database is at {at}." if outcome.steps else f"Nothing to do: the database is at {at}.")
