"""Whether the API's memory is flat: what its processes hold after the first searches and after many more."""

import asyncio
import time
from collections.abc import Iterator
from itertools import cycle
from typing import Final

import orjson
import psutil

from benchmarks.clients import ApiClient
from benchmarks.draws import Draws
from benchmarks.environment import Api, Bench, BenchmarkFailed
from benchmarks.report import Row, Table
from benchmarks.searches import hide, request

FIRST: Final = 1_000
LAST: Final = 10_000
BUDGET_S: Final = 420.0
# Requests at once; a fresh connection now and then lets every process have its share.
_AT_ONCE: Final = 4
_PER_CONNECTION: Final = 50
# Of a million contacts, hidden by the users who take turns.
_HIDDEN: Final = (0, 0, 1_000, 10_000, 30_000, 100_000)


async def memory(bench: Bench, api: Api, draws: Draws) -> Table:
    """Resident size per process at the 1,000th and the 10,000th search."""
    table = Table(
        "Memory of the API",
        f"Resident size of each API process between the {FIRST:,}th and the {LAST:,}th search: new profiles,"
        " half of them with 6 facets, by users who have hidden from none to a tenth of the contacts,"
        f" {_AT_ONCE} at a time.",
        ["process", "searches", "before, MB", "after, MB"],
        "growth",
    )
    users = [
        await hide(bench, bench.sizes.share(number) if number else 0, name=f"-{place}")
        for place, number in enumerate(_HIDDEN)
    ]
    tokens = cycle(users)
    bodies = _bodies(draws)
    deadline = time.monotonic() + BUDGET_S
    processes = api.processes()
    done = 0
    sizes: list[list[float]] = []
    for until in (FIRST, LAST):
        while done < until and time.monotonic() < deadline:
            number = min(_AT_ONCE * _PER_CONNECTION, until - done)
            await _some(api, tokens, [next(bodies) for _ in range(number)])
            done += number
            if done % 1_000 == 0:
                bench.say(f"memory: {done:,} searches, {_shown(processes)} MB")
        sizes.append([_resident_mb(process) for process in processes])
    for place, process in enumerate(processes):
        before, after = (size[place] for size in sizes)
        table.rows.append(
            Row(
                f"API process {place + 1}",
                [f"{done:,}", f"{before:.1f}", f"{after:.1f}"],
                (after / before - 1) * 100,
                5.0,
                unit=" %",
            )
        )
        if not process.is_running():
            raise BenchmarkFailed("An API process has ended while it was measured.")
    if done < LAST:
        table.notes.append(f"The time was up after {done:,} searches.")
    return table


def _bodies(draws: Draws) -> Iterator[bytes]:
    for number, filters in enumerate(draws.any()):
        yield orjson.dumps(request(filters, facets=number % 2 == 0))


async def _some(api: Api, tokens: Iterator[str], bodies: list[bytes]) -> None:
    """A share of the bodies for each of the connections, every one as another user."""

    async def one(place: int, token: str) -> None:
        async with ApiClient(api.url, token) as client:
            for body in bodies[place::_AT_ONCE]:
                await client.search(body)

    await asyncio.gather(*(one(place, next(tokens)) for place in range(_AT_ONCE)))


def _resident_mb(process: psutil.Process) -> float:
    return float(process.memory_info().rss) / 2**20


def _shown(processes: list[psutil.Process]) -> str:
    return " and ".join(f"{_resident_mb(process):.0f}" for process in processes)
