"""A stack of its own for the drills, which kill its parts for real, and the table of what was done.

`CHAOS_SEED` repeats a run; the seed is printed with the table.
"""

import contextlib
import os
import random
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest
from redis.asyncio import Redis

from core.settings import Settings, StackSettings
from db import migrate
from db.sessions import Database
from embedded import stack as stacks
from embedded.state import PartName, StackState
from indexer.feed import Feed

SEED = int(os.environ.get("CHAOS_SEED") or random.SystemRandom().randrange(1 << 30))
_table: list[tuple[str, str, int, str, float]] = []


@dataclass
class Plant:
    """One installation: its services, and the processes of ours that run on it."""

    home: Path
    settings: Settings
    feed: Feed
    db: Database
    state: StackState
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, *words: str, **environment: str) -> subprocess.Popen[bytes]:
        """A process of the command line, `leadfuel work` for example; `environment` comes on top."""
        number = len(self.workers)
        with (self.home.parent / f"process-{number}.log").open("wb") as said:
            process = subprocess.Popen(
                [sys.executable, "-m", "cli.main", *words],
                env={
                    **os.environ,
                    **stacks.environment(self.state),
                    "LEADFUEL_HOME": str(self.home),
                    **environment,
                },
                stdout=said,
                stderr=said,
            )
        self.workers.append(process)
        return process

    def kill(self, part: PartName) -> None:
        """Kill -9 of a service and its children."""
        pid = (
            stacks.up(self.home, environ=_surroundings(), settings=self._stack(), parts=[part]).part(part).pid
        )
        assert pid is not None
        process = psutil.Process(pid)
        for each in [process, *process.children(recursive=True)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
        process.wait(10)

    def restart(self, part: PartName) -> None:
        self.state = stacks.up(self.home, environ=_surroundings(), settings=self._stack(), parts=[part])

    async def flush_redis(self) -> None:
        client = Redis.from_url(self.settings.redis.url)
        await client.flushall()
        await client.aclose()

    def stop_workers(self) -> None:
        for process in self.workers:
            if process.poll() is None:
                process.kill()
            process.wait()

    def _stack(self) -> StackSettings:
        return self.settings.stack


@dataclass
class Drill:
    """What a drill tells of itself for the table."""

    name: str
    draw: random.Random
    injected: str = ""
    times: int = 0

    def inject(self, what: str) -> None:
        self.times += 1
        if what not in self.injected:
            self.injected = f"{self.injected}, {what}".lstrip(", ")


@pytest.fixture(scope="session")
async def plant_once(tmp_path_factory) -> AsyncIterator[Plant]:
    home = tmp_path_factory.mktemp("chaos") / "home"
    wanted = StackSettings(home=home, opensearch_heap_mb=512, postgres_buffers_mb=128)
    state = stacks.up(home, environ=_surroundings(), settings=wanted)
    settings = Settings.from_env({**stacks.environment(state), "LEADFUEL_HOME": str(home)})
    await migrate.migrate(settings.database)
    db = Database(settings.database)
    feed = Feed.connect(settings, db)
    plant = Plant(home, settings, feed, db, state)
    yield plant
    plant.stop_workers()
    await feed.close()
    await db.close()
    stacks.down(home)


@pytest.fixture
async def plant(plant_once) -> AsyncIterator[Plant]:
    """The installation as a drill finds it: all parts up, no process of ours."""
    for part in ("postgres", "redis", "opensearch"):
        plant_once.restart(part)
    yield plant_once
    plant_once.stop_workers()


@pytest.fixture
def drill(request) -> Iterator[Drill]:
    made = Drill(request.node.name.removeprefix("test_"), random.Random(f"{SEED}-{request.node.name}"))
    started = time.monotonic()
    yield made
    report = getattr(request.node, "report_of_call", None)
    outcome = report.outcome if report else "error"
    _table.append((made.name, made.injected, made.times, outcome, time.monotonic() - started))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call) -> Any:
    report = yield
    if call.when == "call":
        item.report_of_call = report
    return report


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items) -> None:
    """Drills always run in the same order, for the seed is to repeat a run.

    Many records make each look at all of them slow, so drills with many are the last.
    """
    if all(item.path.parent == Path(__file__).parent for item in items):
        items.sort(key=lambda item: (item.path.stem == "test_many_records", item.path.stem, item.location[1]))


def pytest_terminal_summary(terminalreporter) -> None:
    if not _table:
        return
    terminalreporter.section(f"drills (CHAOS_SEED={SEED})")
    width = max(len(name) for name, *_ in _table)
    for name, injected, times, outcome, seconds in _table:
        terminalreporter.write_line(f"{name:{width}}  {outcome:7} {seconds:5.0f} s  {times:4} x {injected}")


def _surroundings() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.endswith("_URL")}
