"""`leadfuel demo`: an invented market through the ordinary import, or as three CSV files."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from cli import context
from core.settings import Settings
from db.sessions import Database
from domain.demo import generate
from domain.demo.load import expected_rows, load
from domain.demo.people import Market
from domain.imports.runs import Summary


@click.command()
@click.option("--contacts", default=20_000, show_default=True, help="How many contacts.")
@click.option("--organizations", default=2_000, show_default=True, help="How many organizations.")
@click.option("--seed", default=1, show_default=True, help="Another seed, another market.")
@click.option(
    "--write",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write organizations.csv, contacts.csv and employment.csv into this folder, and import nothing.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the counts as JSON.")
def demo(*, contacts: int, organizations: int, seed: int, folder: Path | None, as_json: bool) -> None:
    """Invent a market of people and companies, and import it as source `demo`.

    The same numbers and seed give the same market everywhere: a second call changes nothing. Every address
    ends in .example and every phone number is one that nobody has.
    """
    market = generate.market(seed=seed, organizations=organizations)
    if folder is not None:
        _write(folder, market, contacts=contacts, as_json=as_json)
        return
    settings = context.require_database(context.load_settings())
    summaries = context.run(_load(settings, market, contacts=contacts))
    if as_json:
        click.echo(json.dumps({name: summary.counts for name, summary in summaries.items()}))
        return
    for name, summary in summaries.items():
        click.echo(f"{name}: {_told(summary)}")


def _write(folder: Path, market: Market, *, contacts: int, as_json: bool) -> None:
    with _bars(market, contacts) as progress:
        written = generate.write(folder, market, contacts=contacts, progress=progress)
    if as_json:
        click.echo(json.dumps(written))
        return
    for name, rows in written.items():
        click.echo(f"{folder / name}.csv: {rows:,} rows")


async def _load(settings: Settings, market: Market, *, contacts: int) -> dict[str, Summary]:
    database = Database(settings.database)
    try:
        with _bars(market, contacts) as progress:
            return await load(database, settings.privacy, market, contacts=contacts, progress=progress)
    finally:
        await database.close()


@contextmanager
def _bars(market: Market, contacts: int) -> Iterator[Callable[[str, int], None]]:
    """A bar for each file, on stderr; gone when all is done."""
    columns = (TextColumn("{task.description:13}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=context.console(stderr=True), transient=True) as bar:
        tasks = {
            name: bar.add_task(name, total=rows) for name, rows in expected_rows(market, contacts).items()
        }
        yield lambda name, rows: bar.update(tasks[name], completed=rows)


def _told(summary: Summary) -> str:
    counts = [f"{number:,} {name.replace('_', ' ')}" for name, number in summary.counts.items() if number]
    rate = summary.counts["read"] / summary.elapsed_s if summary.elapsed_s else 0
    unchanged = "nothing changed; " if summary.changed_nothing else ""
    return f"{unchanged}{', '.join(counts)} in {summary.elapsed_s:.1f} s ({rate:,.0f} rows/s)"
