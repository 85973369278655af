"""`leadfuel import`: files of companies, people and their past positions into the catalogue."""

import csv
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final, TextIO

import click
from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.table import Table

from cli import context
from core.errors import LeadFuelError
from core.settings import Settings
from db.sessions import Database
from domain.imports import runs
from domain.imports.columns import Entity
from domain.imports.mapping_file import Overrides, read_mapping
from domain.imports.outcome import Reject
from domain.imports.runs import Progress, Summary

_LINE_EVERY_S: Final = 5.0
REJECT_COLUMNS: Final = ("line", "column", "kind", "reason", "original")


class CannotWrite(LeadFuelError):
    """The file for the rejects cannot be written."""

    slug = "cannot-write"
    title = "A file cannot be written"


@click.group("import")
def import_() -> None:
    """Import organizations, contacts or employment history from CSV or TSV, plain or .gz ("-" reads stdin).

    Columns are matched to fields by name. The same file again changes nothing: rows are known by the file's
    own ids, else by domain, e-mail address or LinkedIn URL.
    """


def _command(entity: Entity, words: str) -> click.Command:
    """The command of one kind of record; all take the same options."""

    @click.command(entity, help=words)
    @click.argument("file", type=click.Path(allow_dash=True))
    @click.option("--source", help="Where the file comes from (default: its name without ending).")
    @click.option(
        "--mapping", type=click.Path(dir_okay=False), help="A TOML file that says which column is what."
    )
    @click.option("--delimiter", help="What stands between the cells (default: detected).")
    @click.option("--encoding", help="How the text is encoded (default: detected).")
    @click.option("--companies-source", help="The source whose ids the column of company ids holds.")
    @click.option("--contacts-source", help="The source whose ids the column of contact ids holds.")
    @click.option("--dry-run", is_flag=True, help="Count and show the first rows; write nothing.")
    @click.option(
        "--rejects",
        type=click.Path(dir_okay=False, path_type=Path),
        help="Write what was dropped or rejected into this CSV file.",
    )
    @click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
    @click.option("--quiet", is_flag=True, help="Show no progress.")
    def command(
        *,
        file: str,
        mapping: str | None,
        source: str | None,
        rejects: Path | None,
        as_json: bool,
        quiet: bool,
        **options: Any,
    ) -> None:
        settings = context.require_database(context.load_settings())
        wanted = runs.Options(
            entity=entity,
            source=source or _stem(file),
            overrides=read_mapping(mapping) if mapping else Overrides(),
            **options,
        )
        summary = context.run(_import(settings, file, wanted, rejects=rejects, quiet=quiet or as_json))
        if as_json:
            click.echo(json.dumps(as_dict(summary), ensure_ascii=False))
        else:
            _show(summary, rejects)

    return command


import_.add_command(_command("organizations", "Import companies."))
import_.add_command(_command("contacts", "Import people; companies they name are linked, or made."))
import_.add_command(_command("employment", "Import past and present positions of people already imported."))


async def _import(
    settings: Settings, file: str, options: runs.Options, *, rejects: Path | None, quiet: bool
) -> Summary:
    database = Database(settings.database)
    try:
        with ExitStack() as stack:
            sink = stack.enter_context(_rejects_file(rejects)) if rejects else None
            progress = None if quiet else stack.enter_context(_progress())
            return await runs.run_import(
                database, settings.privacy, file, options, rejects=sink, progress=progress
            )
    finally:
        await database.close()


def _stem(file: str) -> str:
    """The source that a file is, unless somebody says otherwise: its name without endings."""
    return "stdin" if file == "-" else Path(file).name.partition(".")[0] or Path(file).name


@contextmanager
def _rejects_file(path: Path) -> Iterator[Callable[[Sequence[Reject]], None]]:
    """A CSV file with a line for every value or row that was not taken."""
    try:
        file = path.open("w", encoding="utf-8", newline="")
    except OSError as error:
        raise CannotWrite(f"{path} cannot be written: {error.strerror or error}.") from None
    with file:
        writer = csv.writer(file)
        writer.writerow(REJECT_COLUMNS)

        def write(rejects: Sequence[Reject]) -> None:
            writer.writerows(
                (r.line, r.column or "", "row" if r.is_row else "value", r.sentence, r.original)
                for r in rejects
            )

        yield write


@contextmanager
def _progress() -> Iterator[Callable[[Progress], None]]:
    """A bar on a terminal, else a line every few seconds."""
    console = context.console(stderr=True)
    if not console.is_terminal:
        yield _lines(sys.stderr)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task("reading", total=None)
        yield lambda now: bar.update(
            task,
            completed=now.rows,
            total=now.total,
            description=f"{now.rows:,} rows, {now.rows_per_s:,.0f} rows/s",
        )


def _lines(stream: TextIO) -> Callable[[Progress], None]:
    last = time.monotonic()

    def tell(now: Progress) -> None:
        nonlocal last
        if time.monotonic() - last < _LINE_EVERY_S:
            return
        last = time.monotonic()
        of_total = f" of about {now.total:,}" if now.total else ""
        left = "" if now.left_s is None else f", {now.left_s:,.0f} s left"
        print(f"{now.rows:,} rows{of_total}, {now.rows_per_s:,.0f} rows/s{left}", file=stream, flush=True)

    return tell


def as_dict(summary: Summary) -> dict[str, Any]:
    """The summary for a program."""
    return {
        "entity": summary.entity,
        "source": summary.source,
        "dry_run": summary.dry_run,
        "table": summary.table,
        "mapped": summary.mapped,
        "kept": summary.kept,
        "counts": summary.counts,
        "changed_nothing": summary.changed_nothing,
        "notes": summary.notes,
        "sample": summary.sample,
        "elapsed_s": round(summary.elapsed_s, 3),
    }


def _show(summary: Summary, rejects: Path | None) -> None:
    console = context.console()
    console.print(f"{summary.table}; source {summary.source!r}", markup=False)
    mapped = ", ".join(f"{header} → {name}" for header, name in summary.mapped.items())
    console.print(f"Columns: {mapped}", markup=False)
    if summary.kept:
        console.print(f"Kept beside the fields: {', '.join(summary.kept)}", markup=False)
    if summary.dry_run:
        console.print(_first_rows(summary))
    for note in summary.notes:
        console.print(note, markup=False)
    counts = summary.counts
    told = [f"{counts['read']:,} read"]
    told += [f"{n:,} {name.replace('_', ' ')}" for name, n in counts.items() if n and name != "read"]
    rate = counts["read"] / summary.elapsed_s if summary.elapsed_s else 0.0
    console.print(
        f"{', '.join(told)} in {summary.elapsed_s:.1f} s ({rate:,.0f} rows/s)", markup=False, soft_wrap=True
    )
    if summary.dry_run:
        console.print("Nothing was written: this was a dry run.")
    elif summary.changed_nothing:
        console.print("Nothing changed.")
    if rejects and (counts["rejected"] or counts["values_dropped"] or counts["values_in_doubt"]):
        console.print(f"What was dropped, rejected or in doubt is in {rejects}.", markup=False)


def _first_rows(summary: Summary) -> Table:
    """The first rows as they were understood: a line for each field, a column for each row."""
    table = Table("field", *(f"row {number}" for number in range(1, len(summary.sample) + 1)))
    for name in dict.fromkeys(name for row in summary.sample for name in row):
        table.add_row(name, *(row.get(name, "")[:40] for row in summary.sample))
    return table
