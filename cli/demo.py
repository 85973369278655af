"""`leadfuel demo`: an invented market through the ordinary import, or as three CSV files."""

import json
from pathlib import Path

import click
from rich.progress import Progress, TaskID

from cli import context
from domain.demo import generate


@click.command()
@click.option("--contacts", default=20_000, show_default=True, help="How many contacts.")
@click.option("--organizations", default=2_000, show_default=True, help="How many organizations.")
@click.option("--seed", default=1, show_default=True, help="Another seed, another market.")
@click.option(
    "--write",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="Write organizations.csv, contacts.csv and employment.csv into this folder.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the numbers of rows as JSON.")
def demo(*, contacts: int, organizations: int, seed: int, folder: Path, as_json: bool) -> None:
    """Invent a market of people and companies. The same seed gives the same market everywhere."""
    market = generate.market(seed=seed, organizations=organizations)
    with Progress(console=context.console(stderr=True), transient=True) as bar:
        tasks: dict[str, TaskID] = {
            "organizations": bar.add_task("organizations", total=organizations),
            "contacts": bar.add_task("contacts", total=contacts),
        }
        written = generate.write(
            folder,
            market,
            contacts=contacts,
            progress=lambda name, rows: bar.update(tasks[name], completed=rows),
        )
    if as_json:
        click.echo(json.dumps(written))
        return
    for name, rows in written.items():
        click.echo(f"{folder / name}.csv: {rows:,} rows")
