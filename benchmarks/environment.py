"""A stack of the benchmarks' own, with a catalogue of a given size in it and an API on top.

It lives in a home of its own and is sized like a small server: a large heap, large shared buffers. What an
earlier run made is used again when the sizes agree. The worker never runs here: nothing but what is measured
asks anything of the machine.
"""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
import asyncpg
import psutil

from core.errors import LeadFuelError
from core.ids import UserId
from core.settings import Settings, StackSettings
from db import migrate
from db.sessions import SERVICE, Database
from domain import accounts, tokens
from domain.signing.keyring import Keyring
from embedded import stack as stacks
from embedded.state import StackState

ROOT: Final = Path(__file__).resolve().parents[1]
API_PROCESSES: Final = 2
_READY_WITHIN_S: Final = 90
_STOP_WITHIN_S: Final = 30
_URLS: Final = ("DATABASE_URL", "MIGRATION_DATABASE_URL", "OPENSEARCH_URL", "REDIS_URL")

Say = Callable[[str], None]


class BenchmarkFailed(LeadFuelError):
    """A measurement could not be taken; its figure would be worth nothing."""

    slug = "benchmark-failed"
    title = "The benchmark failed"


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured; the same numbers and seed make the same catalogue."""

    contacts: int
    organizations: int
    seed: int
    # So many contacts pass through the real import; the rest is cloned from them in the database.
    imported: int

    @property
    def name(self) -> str:
        return f"bench_{self.contacts}_{self.organizations}_{self.seed}_{self.imported}"

    def share(self, of_a_million: int) -> int:
        """A number that was meant for a million contacts, in proportion to what there is."""
        return max(1, of_a_million * self.contacts // 1_000_000)


@dataclass(frozen=True, slots=True)
class Stack:
    """The running services of the benchmarks."""

    state: StackState
    heap_mb: int
    buffers_mb: int

    @property
    def home(self) -> Path:
        return Path(self.state.home)

    def environ(self, database: str) -> dict[str, str]:
        """The product's environment on a database of its own, with indices of the same name."""
        environ = {name: value for name, value in os.environ.items() if not _is_ours(name)}
        made = stacks.environment(self.state)
        if "OPENSEARCH_URL" not in made:
            raise BenchmarkFailed(f"OpenSearch did not come up: {self.state.part('opensearch').reason}")
        for name in ("DATABASE_URL", "MIGRATION_DATABASE_URL"):
            made[name] = urlsplit(made[name])._replace(path=f"/{database}").geturl()
        return (
            environ
            | made
            | {
                "LEADFUEL_HOME": str(self.home),
                "PYTHONPATH": str(ROOT),
                "LEADFUEL_INDEX_PREFIX": f"{database}-",
                "LEADFUEL_API_PROCESSES": str(API_PROCESSES),
                "LEADFUEL_REQUESTS_PER_MINUTE": "100000000",
            }
        )

    def settings(self, database: str) -> Settings:
        return Settings.from_env(self.environ(database))

    async def connect(self, database: str = "postgres") -> asyncpg.Connection:
        """A connection as the superuser, who alone may COPY into tables under row-level security."""
        url = urlsplit(stacks.admin_url(self.state))._replace(path=f"/{database}").geturl()
        return await asyncpg.connect(url, server_settings={"search_path": "app, public, extensions"})

    async def fresh_database(self, name: str) -> Settings:
        """An empty database built by the migrations; one of that name is dropped first."""
        await self.drop_database(name)
        connection = await self.connect()
        try:
            await connection.execute(f"CREATE DATABASE {name} OWNER leadfuel_owner")
        finally:
            await connection.close()
        settings = self.settings(name)
        await migrate.migrate(settings.database)
        return settings

    async def drop_database(self, name: str) -> None:
        """Drop a database and the indices that were made from it."""
        connection = await self.connect()
        try:
            await connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        finally:
            await connection.close()
        url = self.settings(name).opensearch.url
        async with aiohttp.ClientSession(url) as client:
            async with client.get(f"/_cat/indices/{name}-*?format=json&h=index") as answer:
                found = await answer.json()
            for row in found if isinstance(found, list) else ():
                await (await client.delete(f"/{row['index']}")).read()

    async def databases(self) -> list[str]:
        connection = await self.connect()
        try:
            rows = await connection.fetch(r"SELECT datname FROM pg_database WHERE datname LIKE 'bench\_%'")
        finally:
            await connection.close()
        return [row[0] for row in rows]


@dataclass(frozen=True, slots=True)
class Bench:
    """What a measurement is taken on: the stack, and the catalogue that searches run over."""

    stack: Stack
    sizes: Sizes
    settings: Settings
    say: Say

    @property
    def prefix(self) -> str:
        return self.settings.opensearch.index_prefix


@contextmanager
def running_stack(home: Path, *, keep: bool, say: Say) -> Iterator[Stack]:
    """The services, up for the length of the block and stopped after it unless they are to be kept."""
    memory_mb = psutil.virtual_memory().total // 2**20
    heap_mb = max(1_024, min(4_096, memory_mb // 5))
    buffers_mb = max(256, min(2_048, memory_mb // 8))
    settings = StackSettings(home=home, opensearch_heap_mb=heap_mb, postgres_buffers_mb=buffers_mb)
    environ = {name: value for name, value in os.environ.items() if name not in _URLS}
    state = stacks.up(home, environ=environ, settings=settings, report=say)
    try:
        yield Stack(state, heap_mb, buffers_mb)
    finally:
        if not keep:
            stacks.down(home, report=say)


@asynccontextmanager
async def serving(bench: Bench) -> AsyncIterator["Api"]:
    """`leadfuel serve` with two processes, for the length of the block."""
    port = _free_port()
    log = (bench.stack.home / "logs" / "serve.log").open("ab")
    process = start(
        ["serve", "--port", str(port)],
        env=bench.stack.environ(bench.sizes.name),
        stdout=log,
        stderr=log,
        start_new_session=True,
    )
    log.close()
    try:
        api = Api(f"http://127.0.0.1:{port}", process.pid)
        await _wait_until_ready(api, process)
        yield api
    finally:
        process.terminate()
        try:
            process.wait(_STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@dataclass(frozen=True, slots=True)
class Api:
    """A running API."""

    url: str
    pid: int

    def processes(self) -> list[psutil.Process]:
        """The processes that answer requests: not the one that watches over them."""
        children = psutil.Process(self.pid).children(recursive=True)
        return [child for child in children if any("spawn_main" in word for word in child.cmdline())]


def start(arguments: Sequence[str], **options: Any) -> "subprocess.Popen[bytes]":
    """`leadfuel` with these arguments, as a process of its own."""
    command = [sys.executable, "-m", "cli.main", *arguments]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, cwd=ROOT, **options)


async def token_of(settings: Settings, email: str, *, admin: bool = False) -> tuple[UserId, str]:
    """A user of that address, made where there is none, and a token of theirs."""
    database = Database(settings.database)
    try:
        async with database.transaction(SERVICE) as session:
            user = await accounts.find_or_create_user(session, email=email, admin=admin)
        return user.id, (await tokens.mint(Keyring(settings.auth, database), user_id=user.id)).text
    finally:
        await database.close()


async def _wait_until_ready(api: Api, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + _READY_WITHIN_S
    async with aiohttp.ClientSession(api.url) as client:
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise BenchmarkFailed(f"`leadfuel serve` ended with code {process.returncode}.")
            with suppress(aiohttp.ClientError):
                async with client.get("/health/live") as answer:
                    if answer.status == 200 and len(api.processes()) >= API_PROCESSES:
                        return
            await asyncio.sleep(0.2)
    raise BenchmarkFailed(f"The API did not answer within {_READY_WITHIN_S} s.")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _is_ours(name: str) -> bool:
    """A variable that would make the measured product another one than the default."""
    return name.startswith("LEADFUEL_") or name in (*_URLS, "PORT")
