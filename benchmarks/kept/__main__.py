"""Kept work, side by side with the bare thing: alerts, their latency, lists filled by a search, exports.

    python -m benchmarks.kept --contacts 100000 --icps 10000 --changed 10000 [--home DIR] [--output FILE]

The tables stand in benchmarks/results/kept.md; what a run does not measure stays there as an earlier one
left it, so that each can be taken alone, at its own size:

    python -m benchmarks.kept --only alerts
    python -m benchmarks.kept --only alerts --icps 100000 --changed 1000
    python -m benchmarks.kept --only lists,latency
    python -m benchmarks.kept --only exports --contacts 1000000

Uses the stack and the catalogue of `benchmarks.run` for that size. Saved ICPs are the searches of
`benchmarks.draws`, narrow and middling ones in turns, none of them twice.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from benchmarks import catalogue
from benchmarks.environment import Say, Sizes, running_stack, token_of
from benchmarks.kept.alerts import alerts
from benchmarks.kept.latency import latency
from benchmarks.kept.on_request import exported, lists
from benchmarks.kept.world import USER, clear, lift_limits
from benchmarks.report import Table, beside, document, load_average, machine, taken
from benchmarks.run import HOME, IMPORTED_CONTACTS
from core import logs
from db.sessions import Database
from search.engine import Searcher

RESULTS: Final = Path(__file__).resolve().parents[1] / "results" / "kept.md"
MEASUREMENTS: Final = ("lists", "exports", "alerts", "latency")


async def main(options: argparse.Namespace, say: Say) -> None:
    sizes = Sizes(
        options.contacts,
        options.organizations or max(1, options.contacts * 80 // 1_000),
        1,
        min(IMPORTED_CONTACTS, options.contacts),
    )
    with running_stack(options.home, keep=options.keep, say=say) as stack:
        bench, _ = await catalogue.prepare(stack, sizes, say)
        db = Database(bench.settings.database)
        searcher = Searcher(bench.settings, db)
        tables: list[Table] = []

        async def take(measurement: Awaitable[Table]) -> None:
            before, begun = load_average(), time.monotonic()
            table = await measurement
            table.load, table.seconds = (before, load_average()), time.monotonic() - begun
            table.notes.append(taken(sizes))
            tables.append(table)
            print(table.markdown(), flush=True)

        try:
            user_id, _ = await token_of(bench.settings, USER)
            await lift_limits(bench)
            await clear(db, user_id)
            measurements: dict[str, Callable[[], Awaitable[Table]]] = {
                "lists": lambda: lists(db, searcher, user_id),
                "exports": lambda: exported(bench, db, searcher, user_id),
                "alerts": lambda: alerts(bench, db, searcher, user_id, options.icps, options.changed),
                "latency": lambda: latency(bench, db, searcher, user_id),
            }
            for name in options.only.split(","):
                await take(measurements[name]())
        finally:
            await clear(db, user_id)
            await searcher.close()
            await db.close()
        report = document(
            machine(stack, sizes), tables, [], title="Kept work", by="python -m benchmarks.kept"
        )
        _store(options.output, report)


def _store(output: Path, report: str) -> None:
    """Beside what earlier runs have measured."""
    output.parent.mkdir(parents=True, exist_ok=True)
    if output.exists():
        report = beside(report, output.read_text(encoding="utf-8"))
    output.write_text(report, encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--contacts", type=int, default=100_000)
    parser.add_argument("--organizations", type=int)
    parser.add_argument("--icps", type=int, default=10_000)
    parser.add_argument("--changed", type=int, default=10_000)
    parser.add_argument("--home", type=Path, default=HOME)
    parser.add_argument("--only", default=",".join(MEASUREMENTS), help="some of them")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--output", type=Path, default=RESULTS, help="where to store the tables")
    given = parser.parse_args()
    if unknown := set(given.only.split(",")) - set(MEASUREMENTS):
        parser.error(f"no measurement is called {', '.join(sorted(unknown))}")
    logs.configure(level="WARNING")
    started = time.monotonic()

    def _say(line: str) -> None:
        print(f"{time.monotonic() - started:7.1f} s  {line}", file=sys.stderr, flush=True)

    asyncio.run(main(given, _say))
