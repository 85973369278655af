"""Tables of figures: each with its goal and whether it was met, and the state of the machine around it."""

import os
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import psutil

from benchmarks.environment import API_PROCESSES, ROOT, Sizes, Stack

_SECTION: Final = "\n## "


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a table; `goal` and `figure` are numbers to be compared, the rest is shown as it is."""

    name: str
    cells: Sequence[str]
    figure: float | None = None
    goal: float | None = None
    at_most: bool = True
    unit: str = ""

    @property
    def verdict(self) -> str:
        if self.goal is None or self.figure is None:
            return ""
        met = self.figure <= self.goal if self.at_most else self.figure >= self.goal
        return "met" if met else "**missed**"

    def line(self) -> str:
        figure = "" if self.figure is None else f"{_number(self.figure)}{self.unit}"
        sign = "≤" if self.at_most else "≥"
        goal = "" if self.goal is None else f"{sign} {_number(self.goal)}{self.unit}"
        return f"| {' | '.join([self.name, *self.cells, figure, goal, self.verdict])} |"


@dataclass
class Table:
    """One measurement."""

    title: str
    about: str
    columns: Sequence[str]
    figure: str
    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    load: tuple[float, float] = (0.0, 0.0)
    seconds: float = 0.0

    def markdown(self) -> str:
        headers = [*self.columns, self.figure, "goal", ""]
        lines = [
            f"## {self.title}",
            "",
            self.about,
            "",
            f"| {' | '.join(headers)} |",
            f"|---|{'---:|' * (len(headers) - 2)}---|",
            *(row.line() for row in self.rows),
            "",
            *(f"- {note}" for note in self.notes),
            f"- Load average {self.load[0]:.1f} before, {self.load[1]:.1f} after; {self.seconds:.0f} s.",
            "",
        ]
        return "\n".join(lines)

    @property
    def missed(self) -> list[Row]:
        return [row for row in self.rows if "missed" in row.verdict]


def load_average() -> float:
    return os.getloadavg()[0]


def machine(stack: Stack, sizes: Sizes) -> str:
    """Where and on what the figures were taken."""
    memory_gb = psutil.virtual_memory().total / 2**30
    versions = [
        f"Python {platform.python_version()}",
        f"PostgreSQL {stack.state.part('postgres').version}",
        f"OpenSearch {stack.state.part('opensearch').version}",
        f"Redis {stack.state.part('redis').version}",
    ]
    return "\n".join(
        [
            f"- {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, revision {revision()}",
            f"- {os.cpu_count()} cores ({_processor()}), {memory_gb:.0f} GB of memory, {platform.platform()}",
            f"- {', '.join(versions)}",
            f"- {sizes.contacts:,} contacts, {sizes.organizations:,} organizations, seed {sizes.seed}",
            f"- OpenSearch: {stack.heap_mb:,} MB of heap, one shard, no replica",
            f"- PostgreSQL: {stack.buffers_mb:,} MB of shared buffers, fsync on",
            f"- {API_PROCESSES} API processes and no worker; all of it and the client share the cores",
        ]
    )


def document(
    about: str,
    tables: Sequence[Table],
    notes: Sequence[str],
    *,
    title: str = "Speed and memory",
    by: str = "python -m benchmarks.run",
) -> str:
    """The whole report."""
    lines = [f"# {title}", "", f"Made by `{by}`.", "", about]
    lines += [f"- {note}" for note in notes]
    lines += ["", *(table.markdown() for table in tables)]
    return "\n".join(lines).rstrip() + "\n"


def taken(sizes: Sizes) -> str:
    """When, of what and on how much a figure was taken, for a report of several runs."""
    return f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, revision {revision()}, {sizes.contacts:,} contacts"


def beside(report: str, earlier: str) -> str:
    """A report together with the measurements of an earlier one that it has not taken again."""
    head, *new = report.rstrip().split(_SECTION)
    _, *old = earlier.rstrip().split(_SECTION)
    fresh = {_title(section): section for section in new}
    sections = [fresh.pop(_title(section), section) for section in old]
    return _SECTION.join([head, *(each.rstrip() + "\n" for each in (*sections, *fresh.values()))])


def _title(section: str) -> str:
    return section.partition("\n")[0]


def _processor() -> str:
    try:
        words = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in words.splitlines() if line.startswith("model name")]
    return names[0] if names else platform.machine()


def revision() -> str:
    try:
        return subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True, cwd=ROOT
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _number(value: float) -> str:
    if value >= 1_000:
        return f"{value:,.0f}"
    return f"{value:.2f}" if value < 100 else f"{value:.0f}"
