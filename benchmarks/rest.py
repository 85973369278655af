"""`/rest/v1` against the same SQL by bare asyncpg as the same role: what the face costs.

    python -m benchmarks.rest [--contacts 100000] [--rounds 1000] [--seconds 6] [--write]

Services of its own (no OpenSearch), a catalogue made by SQL, `leadfuel serve` with two processes. Both sides
ask in turns over one kept connection; then each alone over eight, for requests a second. The bare side begins
its transaction with the same role, claims and limits, in the same three round trips.
"""

import argparse
import asyncio
import os
import socket
import subprocess
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
import asyncpg

from api.faces.rest import statements
from api.faces.rest.asking import Asking
from api.faces.rest.catalogue import Catalogue
from api.faces.rest.plan import plan
from api.faces.rest.preferences import Preferences
from api.faces.rest.query import read_query
from api.faces.rest.reading import read_catalogue
from benchmarks.clients import percentile
from benchmarks.environment import ROOT, BenchmarkFailed, start, token_of
from core.ids import UserId
from core.settings import Settings, StackSettings
from db import migrate
from db.sessions import Database, member
from embedded import stack as stacks

HOME: Final = ROOT / ".leadfuel" / "bench-rest"
RESULTS: Final = Path(__file__).parent / "results" / "rest.md"
DATABASE: Final = "bench_rest"
CONNECTIONS: Final = 8
GOAL: Final = 2.0

# name -> query, and how its total is counted
QUESTIONS: Final[dict[str, tuple[str, Any]]] = {
    "a page with companies": ("select=id,title,organizations(name)&limit=25", None),
    "a page, filtered and ordered": (
        "select=id,title,organizations(name)&seniority=eq.vp&country=eq.DE&order=id&limit=25",
        None,
    ),
    "a filtered count": ("select=id&seniority=eq.vp&country=eq.DE&limit=1", "exact"),
}
_HEAD: Final = """# `/rest/v1` against bare SQL

Made by `python -m benchmarks.rest --write`.

- {now} UTC, revision {revision}
- {cores} cores shared by client, API (2 processes) and PostgreSQL; load average {load}
- {contacts} contacts, {organizations} organizations
- Times in ms over one kept connection each, in turns, {rounds} times. Answers a second over {connections}
  connections, each side alone for {seconds} s.
- Bare is the very statement that the face sends, by asyncpg as the same role with the same claims and limits,
  in a transaction of its own.

"""
_FILL: Final = (
    "ALTER TABLE app.organizations DISABLE TRIGGER USER",
    "ALTER TABLE app.contacts DISABLE TRIGGER USER",
    """
    INSERT INTO app.organizations (name, name_key, name_sort, domain, country)
    SELECT 'Company ' || n, 'company ' || n, 'company ' || n, 'company' || n || '.example',
           (ARRAY['DE', 'US', 'FR', 'GB'])[1 + n % 4]
    FROM generate_series(1, $1::int / 10) AS n
    """,
    """
    INSERT INTO app.contacts (organization_id, first_name, last_name, full_name, name_sort, name_search,
                              email, title, seniority, country)
    SELECT 1 + n % ($1::int / 10), 'First' || n, 'Last' || n, 'First' || n || ' Last' || n, 'last' || n,
           'first' || n, 'p' || n || '@company.example', 'VP of ' || n % 40,
           (ARRAY['vp', 'manager', 'director', 'entry', 'senior'])[1 + n % 5],
           (ARRAY['DE', 'US', 'FR', 'GB'])[1 + n % 4]
    FROM generate_series(1, $1::int) AS n
    """,
)


@dataclass(frozen=True, slots=True)
class Effort:
    """How often each side is asked in turns, and for how long alone."""

    rounds: int
    seconds: float


async def measure(environ: dict[str, str], effort: Effort) -> list[str]:
    settings = Settings.from_env(environ)
    user_id, token = await token_of(settings, "bench@example.com")
    database = Database(settings.database)
    try:
        catalogue = await read_catalogue(database)
    finally:
        await database.close()
    lines = [
        "| question | HTTP p50 | bare p50 | ratio | HTTP p99 | bare p99 | HTTP/s | bare/s | goal |  |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|---|",
    ]
    with served(environ) as url:
        await until_it_answers(url)
        for name, (query, count) in QUESTIONS.items():
            lines.append(
                await _compared(settings, url, token, user_id, catalogue, name, query, count, effort=effort)
            )
            print(lines[-1])
    return lines


async def _compared(
    settings: Settings,
    url: str,
    token: str,
    user_id: UserId,
    catalogue: Catalogue,
    name: str,
    query: str,
    count: Any,
    *,
    effort: Effort,
) -> str:
    asking = Asking("array", "application/json", strips_nulls=False, preferences=Preferences(count=count))
    node = plan(
        catalogue, catalogue.relations["contacts"], read_query(query.encode(), is_call=False), max_rows=1000
    )
    statement = statements.read(node, asking, member(user_id), head_only=False, max_rows=1000)
    begin = _begin(settings, user_id)
    headers = {"Authorization": f"Bearer {token}"} | ({"Prefer": f"count={count}"} if count else {})
    connector = aiohttp.TCPConnector(limit=CONNECTIONS)
    pool = await asyncpg.create_pool(settings.database.url, min_size=CONNECTIONS, max_size=CONNECTIONS)

    async def bare(connection: asyncpg.Connection) -> None:
        await connection.execute(begin)
        await connection.fetchrow(statement.sql, *statement.values)
        await connection.execute("COMMIT")

    async with aiohttp.ClientSession(url, connector=connector, headers=headers) as client, pool:

        async def over_http(_: Any) -> None:
            async with client.get(f"/rest/v1/contacts?{query}") as answer:
                body = await answer.read()
                if answer.status not in (200, 206):
                    raise BenchmarkFailed(f"The API answered {answer.status}: {body[:300]!r}")

        one = await pool.acquire()
        for _ in range(effort.rounds // 5):
            await over_http(None)
            await bare(one)
        times: tuple[list[float], list[float]] = ([], [])
        for _ in range(effort.rounds):
            for side, ask in enumerate((over_http, bare)):
                started = time.perf_counter()
                await ask(one)
                times[side].append((time.perf_counter() - started) * 1_000)
        await pool.release(one)
        http_rate = await _rate(over_http, [None] * CONNECTIONS, seconds=effort.seconds)
        connections = [await pool.acquire() for _ in range(CONNECTIONS)]
        bare_rate = await _rate(bare, connections, seconds=effort.seconds)
        for connection in connections:
            await pool.release(connection)
    http, direct = times
    ratio = median(http) / median(direct)
    verdict = "met" if ratio <= GOAL else "**missed**"
    return (
        f"| {name} | {median(http):.2f} | {median(direct):.2f} | {ratio:.2f} | {percentile(http, 0.99):.2f} |"
        f" {percentile(direct, 0.99):.2f} | {http_rate:,.0f} | {bare_rate:,.0f} | ≤ {GOAL:.2f} | {verdict} |"
    )


async def _rate(ask: Callable[[Any], Awaitable[None]], askers: list[Any], *, seconds: float) -> float:
    """Answers a second, all askers at once."""
    done = 0
    deadline = time.perf_counter() + seconds

    async def go_on(asker: Any) -> None:
        nonlocal done
        while time.perf_counter() < deadline:
            await ask(asker)
            done += 1

    started = time.perf_counter()
    await asyncio.gather(*(go_on(asker) for asker in askers))
    return done / (time.perf_counter() - started)


def _begin(settings: Settings, user_id: UserId) -> str:
    wanted = {
        "role": "authenticated",
        "request.jwt.claims": member(user_id).claims(),
        "search_path": "app, public, extensions",
        "statement_timeout": f"{round(settings.rest.statement_timeout_s * 1000)}ms",
        "TimeZone": "UTC",
        "jit": "off",
    }
    return "BEGIN READ ONLY; SELECT " + ", ".join(
        f"set_config('{name}', '{value}', true)" for name, value in wanted.items()
    )


class served:  # noqa: N801 - used as a function
    """`leadfuel serve` for the length of the block; its address."""

    def __init__(self, environ: dict[str, str]) -> None:
        self._environ = environ

    def __enter__(self) -> str:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        log = (HOME / "serve.log").open("ab")
        self._process = start(["serve", "--port", str(port)], env=self._environ, stdout=log, stderr=log)
        log.close()
        return f"http://127.0.0.1:{port}"

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


async def until_it_answers(url: str) -> None:
    async with aiohttp.ClientSession(url) as client:
        for _ in range(300):
            with suppress(aiohttp.ClientError):
                async with client.get("/health/live") as answer:
                    if answer.status == 200:
                        return
            await asyncio.sleep(0.2)
    raise BenchmarkFailed("The API did not answer.")


async def prepare(contacts: int) -> dict[str, str]:
    """Services, a fresh database and the catalogue in it; the environment of all that follows."""
    settings = StackSettings(home=HOME, postgres_buffers_mb=256)
    clean = {name: value for name, value in os.environ.items() if not name.endswith("_URL")}
    state = stacks.up(HOME, parts=("postgres", "redis"), environ=clean, settings=settings, report=print)
    environ = clean | stacks.environment(state)
    admin = stacks.admin_url(state)
    connection = await asyncpg.connect(admin)
    await connection.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
    await connection.execute(f"CREATE DATABASE {DATABASE} OWNER leadfuel_owner")
    await connection.close()
    for name in ("DATABASE_URL", "MIGRATION_DATABASE_URL"):
        environ[name] = urlsplit(environ[name])._replace(path=f"/{DATABASE}").geturl()
    environ |= {
        "LEADFUEL_REQUESTS_PER_MINUTE": "100000000",
        "LEADFUEL_LOG_LEVEL": "WARNING",
        "PYTHONPATH": str(ROOT),
    }
    await migrate.migrate(Settings.from_env(environ).database)
    connection = await asyncpg.connect(urlsplit(admin)._replace(path=f"/{DATABASE}").geturl())
    for statement in _FILL:
        await connection.execute(statement, *([contacts] if "$1" in statement else []))
    await connection.execute("VACUUM ANALYZE")
    await connection.close()
    return environ


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--contacts", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=1_000, help="times that both sides are asked in turns")
    parser.add_argument("--seconds", type=float, default=6.0, help="that each side is asked alone")
    parser.add_argument("--write", action="store_true", help=f"write {RESULTS.name}")
    arguments = parser.parse_args()
    before = os.getloadavg()[0]
    try:
        environ = asyncio.run(prepare(arguments.contacts))
        lines = asyncio.run(measure(environ, Effort(arguments.rounds, arguments.seconds)))
    finally:
        stacks.down(HOME, report=print)
    revision = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.strip()
    after = os.getloadavg()[0]
    text = _HEAD.format(
        now=f"{datetime.now(UTC):%Y-%m-%d %H:%M}",
        revision=revision,
        cores=os.cpu_count(),
        load=f"{before:.1f} before, {after:.1f} after",
        contacts=f"{arguments.contacts:,}",
        organizations=f"{arguments.contacts // 10:,}",
        rounds=f"{arguments.rounds:,}",
        seconds=f"{arguments.seconds:.0f}",
        connections=CONNECTIONS,
    ) + "".join(f"{line}\n" for line in lines)
    print(text)
    if arguments.write:
        RESULTS.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
