"""Requests over HTTP and bare ones to the engine, timed in turns.

Every question is put once by each side, never twice by one, and the caches are emptied between the rounds:
in each round a question is some side's own. So all sides are asked the same, nobody profits from another's
warm cache, and since the sides take turns request by request, what else the machine does hits them alike.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from types import TracebackType
from typing import Any, Final, Generic, Self, TypeVar

import aiohttp
import orjson

from benchmarks.environment import BenchmarkFailed

Q = TypeVar("Q")
_TIMEOUT: Final = aiohttp.ClientTimeout(total=30)
_JSON: Final = {"Content-Type": "application/json"}
_NDJSON: Final = {"Content-Type": "application/x-ndjson"}

FACETS: Final = ("seniorities", "departments", "countries", "industries", "headcount_bands", "technologies")


@dataclass
class Answers:
    """What the API's answers said of themselves."""

    number: int = 0
    # Why PostgreSQL answered where it was not asked to.
    reasons: dict[str, int] = field(default_factory=dict)
    missing_facets: dict[str, int] = field(default_factory=dict)

    def note(self, answer: Mapping[str, Any]) -> None:
        self.number += 1
        reason = answer.get("engine_reason")
        if reason and reason != "asked for":
            self.reasons[reason] = self.reasons.get(reason, 0) + 1
        for name in answer["missing_facets"]:
            self.missing_facets[name] = self.missing_facets.get(name, 0) + 1


class ApiClient:
    """Searches as one user over one kept connection."""

    def __init__(self, url: str, token: str, *, connections: int = 1) -> None:
        self._client = aiohttp.ClientSession(
            url,
            connector=aiohttp.TCPConnector(limit=connections),
            timeout=_TIMEOUT,
            headers={"Authorization": f"Bearer {token}", **_JSON},
        )
        self.answers = Answers()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.close()

    async def search(self, body: bytes) -> dict[str, Any]:
        async with self._client.post("/v1/contacts/search", data=body) as answer:
            raw = await answer.read()
            if answer.status != 200:
                raise BenchmarkFailed(f"The API answered {answer.status}: {raw[:300]!r}")
        found: dict[str, Any] = orjson.loads(raw)
        self.answers.note(found)
        return found


class EngineClient:
    """Bare `_msearch` requests, sent and read by aiohttp, the fastest client there is for it."""

    def __init__(self, url: str, prefix: str) -> None:
        self._client = aiohttp.ClientSession(
            url, connector=aiohttp.TCPConnector(limit=1), timeout=_TIMEOUT, headers=_NDJSON
        )
        self._prefix = prefix

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.close()

    async def msearch(self, body: bytes) -> dict[str, Any]:
        async with self._client.post("/_msearch", data=body) as answer:
            raw = await answer.read()
        found: dict[str, Any] = orjson.loads(raw)
        failed = [each["error"] for each in found.get("responses", ()) if "error" in each]
        if answer.status != 200 or failed:
            raise BenchmarkFailed(f"OpenSearch answered {answer.status}: {(failed or raw[:300])!r}")
        return found

    async def forget(self) -> None:
        """Empty the caches of filters and of whole answers; global ordinals stay, they are no answers."""
        path = f"/{self._prefix}contacts/_cache/clear?query=true&request=true"
        async with self._client.post(path) as answer:
            await answer.read()


@dataclass(frozen=True)
class Side(Generic[Q]):
    """One of those that are compared."""

    name: str
    ask: Callable[[Q], Awaitable[Any]]


@dataclass(frozen=True)
class Times:
    """Milliseconds by side, in the order of the questions: the same place is the same question."""

    by_side: Mapping[str, Sequence[float]]

    def p50(self, side: str) -> float:
        return median(self.by_side[side])

    def p99(self, side: str) -> float:
        return percentile(self.by_side[side], 0.99)

    def ratio(self, side: str, to: str, share: float) -> float:
        return percentile(self.by_side[side], share) / percentile(self.by_side[to], share)

    def pairs(self, side: str, to: str) -> float:
        """The median over the questions of how much longer one side took than the other."""
        return median(a / b for a, b in zip(self.by_side[side], self.by_side[to], strict=True))


def percentile(values: Sequence[float], share: float) -> float:
    """Between the two nearest ranks, in proportion."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def joined(several: Sequence[Times]) -> Times:
    """The questions of all of them as if they had been one measurement."""
    names = several[0].by_side
    return Times({name: [t for each in several for t in each.by_side[name]] for name in names})


async def in_turns(
    sides: Sequence[Side[Q]],
    questions: Sequence[Q],
    *,
    forget: Callable[[], Awaitable[None]],
    warm_up: Sequence[Q] = (),
    budget_s: float,
) -> Times:
    """Let every side answer every question; ends with fewer questions when the time is up.

    In round r the side s answers the questions whose number, counted on by r, falls to s. Round 0 decides
    how many fit into its part of the time; the others ask the same ones.
    """
    number = len(sides)
    groups = len(questions) // number
    times: dict[str, list[float]] = {side.name: [0.0] * groups * number for side in sides}
    for turn in range(number):
        await forget()
        for question in warm_up:
            for side in sides:
                await side.ask(question)
        # The questions of the warm-up are others, but their caches are not to grow into the measurement.
        await forget()
        deadline = time.perf_counter() + budget_s / number
        for group in range(groups):
            if turn == 0 and group >= 2 and time.perf_counter() > deadline:
                groups = group
                break
            for step in range(number):
                place = (step + group) % number
                at = group * number + (place + turn) % number
                started = time.perf_counter()
                await sides[place].ask(questions[at])
                times[sides[place].name][at] = (time.perf_counter() - started) * 1_000
            await asyncio.sleep(0)
    return Times({name: taken[: groups * number] for name, taken in times.items()})
