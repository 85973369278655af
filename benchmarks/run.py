"""All benchmarks of speed and memory in one run: `make bench`, or

    python -m benchmarks.run --contacts 1000000 [--organizations 80000] [--only search,hidden] [--home DIR]

Starts a stack of its own, fills it (an earlier run's catalogue of the same sizes is used again), measures,
prints a table per measurement as it comes, stores all of them in benchmarks/results/speed.md when none was
left out, and stops what it started. A million contacts take about twenty-five minutes on two cores.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import orjson

from benchmarks import catalogue, rebuild
from benchmarks.clients import ApiClient
from benchmarks.draws import Draws, read
from benchmarks.environment import Api, Bench, Say, Sizes, Stack, running_stack, serving, token_of
from benchmarks.fallback import postgres
from benchmarks.imports import IMPORTED, imports
from benchmarks.memory import memory
from benchmarks.report import Row, Table, document, load_average, machine
from benchmarks.searches import hidden, request, search
from core import logs
from core.errors import LeadFuelError

RESULTS: Final = Path(__file__).parent / "results" / "speed.md"
HOME: Final = Path(".leadfuel") / "benchmark"
MEASUREMENTS: Final = ("search", "hidden", "postgres", "memory", "import", "rebuild")
_ON_THE_API: Final = {"search": search, "hidden": hidden, "postgres": postgres, "memory": memory}
# By the import itself; the rest is cloned from them, see `benchmarks.catalogue`.
IMPORTED_CONTACTS: Final = 100_000
REBUILD_ROUNDS: Final = 3
# A virtual machine that was just started is several times slower than the same one a minute later.
_WARM_UP: Final = 400


def main() -> None:
    options = _options()
    logs.configure(level="WARNING")
    begun = time.monotonic()

    def say(line: str) -> None:
        print(f"{time.monotonic() - begun:7.1f} s  {line}", file=sys.stderr, flush=True)

    sizes = Sizes(
        options.contacts,
        options.organizations or max(1, options.contacts * 80 // 1_000),
        options.seed,
        min(options.imported, options.contacts),
    )
    try:
        with running_stack(options.home, keep=options.keep, say=say) as stack:
            tables, report = asyncio.run(_measure(stack, sizes, options, say))
    except LeadFuelError as error:
        sys.exit(f"{error.title}: {error}")
    if options.output:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text(report, encoding="utf-8")
        say(f"stored in {options.output}")
    missed = [f"{table.title}: {row.name}" for table in tables for row in table.missed]
    say(f"{len(missed)} goals missed" + "".join(f"\n             {each}" for each in missed))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description="Measure speed and memory.")
    parser.add_argument("--contacts", type=int, default=1_000_000)
    parser.add_argument("--organizations", type=int, help="by default 80 for every 1,000 contacts")
    parser.add_argument("--only", help=f"some of {','.join(MEASUREMENTS)}")
    parser.add_argument("--home", type=Path, default=HOME, help="folder of the benchmarks' own stack")
    parser.add_argument("--seed", type=int, default=1, help="seed of the demo data and of the searches")
    parser.add_argument(
        "--imported",
        type=int,
        default=IMPORTED_CONTACTS,
        help="contacts that pass through the real import; the rest is cloned from them",
    )
    parser.add_argument("--import-rows", type=int, default=200_000, help="contacts of the import's figure")
    parser.add_argument("--keep", action="store_true", help="leave the stack running")
    parser.add_argument("--output", type=Path, help="where to store the tables")
    options = parser.parse_args()
    options.only = options.only.split(",") if options.only else list(MEASUREMENTS)
    if unknown := set(options.only) - set(MEASUREMENTS):
        parser.error(f"no measurement is called {', '.join(sorted(unknown))}")
    if options.output is None and set(options.only) == set(MEASUREMENTS):
        options.output = RESULTS
    return options


async def _measure(
    stack: Stack, sizes: Sizes, options: argparse.Namespace, say: Say
) -> tuple[list[Table], str]:
    tables: list[Table] = []
    notes: list[str] = []

    async def take(measurement: Callable[[], Awaitable[Table]]) -> None:
        before, begun = load_average(), time.monotonic()
        table = await measurement()
        table.load, table.seconds = (before, load_average()), time.monotonic() - begun
        tables.append(table)
        print(table.markdown(), flush=True)

    on_the_api = [name for name in _ON_THE_API if name in options.only]
    if on_the_api:
        bench, made = await catalogue.prepare(stack, sizes, say)
        notes += _how_it_was_made(sizes, made)
        say("reading the catalogue for the draws")
        connection = await stack.connect(sizes.name)
        draws = Draws(await read(connection), sizes.seed)
        await connection.close()
        async with serving(bench) as api:
            await _warm_up(bench, api, draws)
            for name in on_the_api:
                await take(lambda name=name: _ON_THE_API[name](bench, api, draws))  # type: ignore[misc]
        del draws
    if "import" in options.only or "rebuild" in options.only:
        await take(lambda: imports(stack, sizes, say, rows=options.import_rows))
    if "rebuild" in options.only:
        await take(lambda: _rebuild(stack, say))
    await stack.drop_database(IMPORTED)
    return tables, document(machine(stack, sizes), tables, notes)


def _how_it_was_made(sizes: Sizes, made: dict[str, int]) -> list[str]:
    rates = ", ".join(
        f"{name} {made[f'{name}_per_s']:,} rows/s" for name in ("organizations", "contacts", "employment")
    )
    notes = [f"The catalogue was imported for real up to {sizes.imported:,} contacts ({rates})"]
    if made.get("cloned"):
        notes[0] += (
            f"; the other {made['cloned']:,} were cloned from them by SQL with other names, companies and"
            " dates, to save the time of their import"
        )
    indexed = made.get("contacts_indexed_per_s")
    if indexed:
        notes.append(f"Its index was rebuilt from the tables at {indexed:,} documents/s")
    return notes


async def _warm_up(bench: Bench, api: Api, draws: Draws) -> None:
    """Let the engine compile what it runs, and every API process open its connections."""
    bench.say(f"warming up with {_WARM_UP} searches")
    _, token = await token_of(bench.settings, "nobody-hidden@bench.example")
    profiles = draws.any()

    async def some(number: int) -> None:
        async with ApiClient(api.url, token) as client:
            for _ in range(number):
                await client.search(orjson.dumps(request(next(profiles), facets=True)))

    for _ in range(_WARM_UP // 40):
        await asyncio.gather(*(some(10) for _ in range(4)))


async def _rebuild(stack: Stack, say: Say) -> Table:
    say(f"rebuild: {REBUILD_ROUNDS} rounds")
    table = Table(
        "Rebuild of the index",
        "Documents a second of a rebuild (read, built, sent, compared, put behind the alias) against a bare"
        " `_bulk` of the same documents made ready before, by turns; over the database of the import's"
        " figure. Both with the same sender, the product's own.",
        ["entity", "documents", "bytes each", "rebuild, docs/s", "`_bulk`, docs/s"],
        "ratio",
    )
    found = await rebuild.measure(stack.settings(IMPORTED), "contacts", REBUILD_ROUNDS)
    cells = [
        f"{found.documents:,}",
        f"{found.bytes_each:,.0f}",
        f"{found.medians['rebuild']:,.0f}",
        f"{found.medians['bare _bulk']:,.0f}",
    ]
    table.rows.append(Row("contacts", cells, found.ratio, 0.8, at_most=False))
    for name, rates in found.rates.items():
        table.notes.append(f"{name}: {', '.join(f'{rate:,.0f}' for rate in rates)}")
    return table


if __name__ == "__main__":
    main()
