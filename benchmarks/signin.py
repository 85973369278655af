"""Signing in: whether its time tells who has an account, and whether it slows the searches of others.

    python -m benchmarks.signin [--guesses 400] [--seconds 5] [--contacts 100000] [--write]

Services of its own (no OpenSearch: PostgreSQL answers the searches, from the same cores), a catalogue made by
SQL, `leadfuel serve` with two processes and the product's own cost of a password.

Guesses: a wrong password for an address with an account and for one without, in turns over one kept
connection, in an order that is drawn for each pair. Searches: by one user over one connection, alone and
while 50 others sign in with the right password without a pause, in turns, a few seconds each.
"""

import argparse
import asyncio
import os
import random
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import erfc, sqrt
from pathlib import Path
from statistics import median
from typing import Any, Final

import aiohttp

from benchmarks import rest
from benchmarks.clients import percentile
from benchmarks.environment import ROOT, BenchmarkFailed, token_of
from core.settings import Settings
from db.sessions import SERVICE, SIGN_IN, Database
from domain import accounts
from domain.auth import people
from domain.auth.passwords import Hasher
from embedded import stack as stacks

RESULTS: Final = Path(__file__).parent / "results" / "signin.md"
PASSWORD: Final = "correct horse battery staple"
SIGNING_IN: Final = 50
ROUNDS: Final = 4
GOAL: Final = 2.0
SEED: Final = 20261126
_SIGN_IN: Final = "/auth/v1/token?grant_type=password"
_HEAD: Final = """# Signing in

Made by `make bench-signin`.

- {now} UTC, revision {revision}
- {cores} cores shared by client, API (2 processes), PostgreSQL and Redis; load average {load}
- {contacts} contacts; passwords cost what the product sets (19 MiB, 2 rounds, on half of the cores)

"""


@dataclass(frozen=True, slots=True)
class Separation:
    """How well two samples can be told apart by their sizes: the chance that one of the first is the larger,
    with its interval at 95 %, and the chance of being as far from a half when there is nothing to tell
    (Mann and Whitney's U, normal approximation).
    """

    chance: float
    low: float
    high: float
    p: float


def separation(first: Sequence[float], second: Sequence[float]) -> Separation:
    """Both need some dozens of values for the approximation to hold."""
    n, m = len(first), len(second)
    ranks = _ranks([*first, *second])
    u = sum(ranks[:n]) - n * (n + 1) / 2
    chance = u / (n * m)
    error = sqrt((n + m + 1) / (12 * n * m))
    return Separation(
        chance, chance - 1.96 * error, chance + 1.96 * error, erfc(abs(chance - 0.5) / error / sqrt(2))
    )


def _ranks(values: Sequence[float]) -> list[float]:
    """From 1; equal values share the mean of their ranks."""
    order = sorted(range(len(values)), key=values.__getitem__)
    ranks = [0.0] * len(values)
    start = 0
    while start < len(order):
        end = start
        while end + 1 < len(order) and values[order[end + 1]] == values[order[start]]:
            end += 1
        for position in order[start : end + 1]:
            ranks[position] = (start + end) / 2 + 1
        start = end + 1
    return ranks


@dataclass
class Searches:
    """Times of searches in ms, and the sign-ins meanwhile."""

    times: list[float] = field(default_factory=list)
    seconds: float = 0.0
    signed_in: int = 0


async def guessed(url: str, known: str, unknown: str, *, pairs: int) -> dict[str, list[float]]:
    """Times in ms of wrong guesses for either address, in turns."""
    times: dict[str, list[float]] = {known: [], unknown: []}
    draw = random.Random(SEED)
    async with aiohttp.ClientSession(url) as client:
        for turn in range(-10, pairs):
            for email in draw.sample([known, unknown], 2):
                started = time.perf_counter()
                await _sign_in(client, email, f"wrong guess {turn}", status=400)
                if turn >= 0:
                    times[email].append((time.perf_counter() - started) * 1_000)
    return times


async def searched(
    url: str, token: str, emails: Sequence[str], *, seconds: float
) -> tuple[Searches, Searches]:
    """Searches alone, and those beside sign-ins."""
    alone, beside = Searches(), Searches()
    async with (
        aiohttp.ClientSession(url, headers={"Authorization": f"Bearer {token}"}) as client,
        aiohttp.ClientSession(url, connector=aiohttp.TCPConnector(limit=len(emails))) as others,
    ):
        await _search_for(client, Searches(), seconds=1.0)
        for _ in range(ROUNDS):
            await _search_for(client, alone, seconds=seconds)
            storm = _Storm(beside)
            signing_in = [asyncio.create_task(_go_on(others, email, storm)) for email in emails]
            await asyncio.sleep(0.5)
            storm.is_measured = True
            await _search_for(client, beside, seconds=seconds)
            storm.is_measured, storm.goes_on = False, False
            # Those on their way are waited for: the next searches are alone.
            await asyncio.gather(*signing_in)
    return alone, beside


@dataclass
class _Storm:
    """Sign-ins that go on, and are counted while searches are."""

    into: Searches
    goes_on: bool = True
    is_measured: bool = False


async def _go_on(client: aiohttp.ClientSession, email: str, storm: _Storm) -> None:
    while storm.goes_on:
        await _sign_in(client, email, PASSWORD, status=200)
        storm.into.signed_in += storm.is_measured


async def _search_for(client: aiohttp.ClientSession, into: Searches, *, seconds: float) -> None:
    begun = time.perf_counter()
    number = 0
    while time.perf_counter() - begun < seconds:
        country = ("DE", "US", "FR", "GB")[number % 4]
        body = {"filters": {"contacts": {"include": {"countries": [country], "seniorities": ["vp"]}}}}
        started = time.perf_counter()
        async with client.post("/v1/contacts/search", json=body) as answer:
            said = await answer.read()
            if answer.status != 200:
                raise BenchmarkFailed(f"The search answered {answer.status}: {said[:300]!r}")
        into.times.append((time.perf_counter() - started) * 1_000)
        number += 1
    into.seconds += time.perf_counter() - begun


async def _sign_in(client: aiohttp.ClientSession, email: str, password: str, *, status: int) -> None:
    async with client.post(_SIGN_IN, json={"email": email, "password": password}) as answer:
        said = await answer.read()
        if answer.status != status:
            raise BenchmarkFailed(f"Signing in answered {answer.status}: {said[:300]!r}")


async def _people(settings: Settings, number: int) -> list[str]:
    """Accounts with the password; their addresses."""
    database = Database(settings.database)
    hashed = await Hasher(settings.sign_in).hash(PASSWORD)
    emails = [f"person{n:03}@bench.example" for n in range(number)]
    try:
        for email in emails:
            async with database.transaction(SERVICE) as session:
                user = await accounts.find_or_create_user(session, email=email)
            async with database.transaction(SIGN_IN) as session:
                await people.make(
                    session,
                    user_id=user.id,
                    email=email,
                    password_hash=hashed,
                    is_confirmed=True,
                    is_proven=True,
                )
    finally:
        await database.close()
    return emails


def told_of_guesses(known: Sequence[float], unknown: Sequence[float]) -> list[str]:
    """The table of guesses."""
    found = separation(known, unknown)
    verdict = "not told apart" if found.p > 0.01 else "**told apart**"
    between = f"{found.low:.1%} to {found.high:.1%} at 95 %; half of them is what chance gives"
    sentence = (
        f"The known address takes longer in {found.chance:.1%} of all pairs ({between}), p = {found.p:.2f}"
    )
    return [
        "## Does the time tell who has an account?",
        "",
        "| wrong password for | guesses | p50 ms | p90 ms | p99 ms |",
        "|---|---:|---:|---:|---:|",
        *(
            f"| {name} | {len(times)} | {median(times):.2f} | {percentile(list(times), 0.9):.2f} |"
            f" {percentile(list(times), 0.99):.2f} |"
            for name, times in (("an address with an account", known), ("an address without", unknown))
        ),
        "",
        f"{sentence} (Mann-Whitney): {verdict}.",
        f"The medians differ by {abs(median(known) - median(unknown)):.2f} ms.",
        "",
    ]


def told_of_searches(alone: Searches, beside: Searches) -> list[str]:
    """The table of searches."""
    ratio = percentile(beside.times, 0.99) / percentile(alone.times, 0.99)
    verdict = "met" if ratio <= GOAL else "**missed**"
    middle = median(beside.times) / median(alone.times)
    return [
        f"## Do {SIGNING_IN} who sign in slow a search?",
        "",
        "| searches | number | p50 ms | p99 ms | sign-ins a second |",
        "|---|---:|---:|---:|---:|",
        *(
            f"| {name} | {len(side.times)} | {median(side.times):.2f} | {percentile(side.times, 0.99):.2f} |"
            f" {side.signed_in / side.seconds:.1f} |"
            for name, side in (("alone", alone), (f"beside {SIGNING_IN} who sign in", beside))
        ),
        "",
        f"p99 beside to p99 alone: {ratio:.2f}; goal ≤ {GOAL:.2f}: {verdict}. p50: {middle:.2f}.",
        "",
    ]


async def measure(environ: dict[str, str], *, pairs: int, seconds: float) -> list[str]:
    settings = Settings.from_env(environ)
    _, token = await token_of(settings, "bench@example.com")
    emails = await _people(settings, SIGNING_IN)
    unknown = "nobody000@bench.example"
    with rest.served(environ) as url:
        await rest.until_it_answers(url)
        times = await guessed(url, emails[0], unknown, pairs=pairs)
        lines = told_of_guesses(times[emails[0]], times[unknown])
        print("\n".join(lines))
        searches = told_of_searches(*await searched(url, token, emails, seconds=seconds))
        print("\n".join(searches))
    return lines + searches


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--guesses", type=int, default=400, help="for each of the two addresses")
    parser.add_argument("--seconds", type=float, default=5.0, help="of searches at a time")
    parser.add_argument("--contacts", type=int, default=100_000)
    parser.add_argument("--write", action="store_true", help=f"write {RESULTS.name}")
    arguments = parser.parse_args()
    before = os.getloadavg()[0]
    try:
        environ: dict[str, Any] = asyncio.run(rest.prepare(arguments.contacts))
        environ |= {"LEADFUEL_SIGN_IN_ATTEMPTS": "100000000"}
        lines = asyncio.run(measure(environ, pairs=arguments.guesses, seconds=arguments.seconds))
    finally:
        stacks.down(rest.HOME, report=print)
    revision = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.strip()
    text = _HEAD.format(
        now=f"{datetime.now(UTC):%Y-%m-%d %H:%M}",
        revision=revision,
        cores=os.cpu_count(),
        load=f"{before:.1f} before, {os.getloadavg()[0]:.1f} after",
        contacts=f"{arguments.contacts:,}",
    ) + "\n".join(lines)
    if arguments.write:
        RESULTS.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
