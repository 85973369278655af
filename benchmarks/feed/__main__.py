"""All measurements of the index feed in one run: `make bench-feed`, or

    python -m benchmarks.feed [--contacts 200000] [--only build,steady] [--seconds 120] [--home DIR]

Starts a stack of its own, fills it (an earlier run's catalogue of the same sizes is used again), measures,
prints a table per measurement as it comes, stores all of them in benchmarks/results/feed.md when none was
left out, and stops what it started. With `--output benchmarks/results/feed.md` those that were left out stay
there as an earlier run left them.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Final

from benchmarks import catalogue
from benchmarks.environment import Bench, Say, Sizes, Stack, running_stack
from benchmarks.feed.checked import checked
from benchmarks.feed.copied import copied
from benchmarks.feed.flat import flat
from benchmarks.feed.peer import peers
from benchmarks.feed.renamed import renamed
from benchmarks.feed.steady import steady
from benchmarks.report import Table, beside, document, load_average, machine, taken
from core import logs
from core.errors import LeadFuelError

RESULTS: Final = Path(__file__).resolve().parents[1] / "results" / "feed.md"
HOME: Final = Path(".leadfuel") / "benchmark"


def main() -> None:
    logs.configure(level="WARNING")
    begun = time.monotonic()

    def say(line: str) -> None:
        print(f"{time.monotonic() - begun:7.1f} s  {line}", file=sys.stderr, flush=True)

    parser = argparse.ArgumentParser(prog="python -m benchmarks.feed", description="Measure the index feed.")
    parser.add_argument("--contacts", type=int, default=200_000)
    parser.add_argument("--organizations", type=int, help="by default 80 for every 1,000 contacts")
    parser.add_argument(
        "--imported", type=int, default=50_000, help="contacts of the real import; the rest is cloned"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3, help="rounds of the full build")
    parser.add_argument("--seconds", type=float, default=120.0, help="how long the memory is watched")
    parser.add_argument("--only", help="some of build,verify,copy,rename,steady,memory")
    parser.add_argument("--home", type=Path, default=HOME, help="folder of the benchmarks' own stack")
    parser.add_argument("--output", type=Path, help="where to store the tables")
    options = parser.parse_args()
    measurements: Mapping[str, Callable[[Bench], Awaitable[Table]]] = {
        "steady": steady,
        "rename": renamed,
        "verify": checked,
        "memory": lambda bench: flat(bench, seconds=options.seconds),
        "copy": copied,
        "build": lambda bench: peers(bench, rounds=options.rounds),
    }
    chosen = options.only.split(",") if options.only else list(measurements)
    if unknown := set(chosen) - set(measurements):
        parser.error(f"no measurement is called {', '.join(sorted(unknown))}")
    sizes = Sizes(
        options.contacts,
        options.organizations or max(1, options.contacts * 80 // 1_000),
        options.seed,
        min(options.imported, options.contacts),
    )
    try:
        # pgsync reads a logical slot; for all alike, so that they are compared on the same server.
        with running_stack(options.home, keep=False, say=say) as stack:
            asyncio.run(_set_logical_wal(stack))
        with running_stack(options.home, keep=False, say=say) as stack:
            tables, report = asyncio.run(
                _measure(stack, sizes, {name: measurements[name] for name in chosen}, say)
            )
    except LeadFuelError as error:
        sys.exit(f"{error.title}: {error}")
    output = options.output or (RESULTS if len(chosen) == len(measurements) else None)
    if output:
        output.parent.mkdir(parents=True, exist_ok=True)
        if output.exists():
            report = beside(report, output.read_text(encoding="utf-8"))
        output.write_text(report, encoding="utf-8")
        say(f"stored in {output}")
    missed = [f"{table.title}: {row.name}" for table in tables for row in table.missed]
    say(f"{len(missed)} goals missed" + "".join(f"\n             {each}" for each in missed))


async def _set_logical_wal(stack: Stack) -> None:
    connection = await stack.connect()
    try:
        await connection.execute("ALTER SYSTEM SET wal_level = 'logical'")
    finally:
        await connection.close()


async def _measure(
    stack: Stack, sizes: Sizes, measurements: Mapping[str, Callable[[Bench], Awaitable[Table]]], say: Say
) -> tuple[list[Table], str]:
    bench, _ = await catalogue.prepare(stack, sizes, say)
    tables: list[Table] = []
    for name, measurement in measurements.items():
        say(f"measuring: {name}")
        before, begun = load_average(), time.monotonic()
        table = await measurement(bench)
        table.load, table.seconds = (before, load_average()), time.monotonic() - begun
        table.notes.append(taken(sizes))
        tables.append(table)
        print(table.markdown(), flush=True)
    return tables, document(
        machine(stack, sizes),
        tables,
        ["PostgreSQL runs with `wal_level = logical`"],
        title="The index feed",
        by="python -m benchmarks.feed",
    )


if __name__ == "__main__":
    main()
