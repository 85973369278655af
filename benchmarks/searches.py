"""ICP searches with six facets over HTTP against the same DSL bare, and what hidden records add to it."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from statistics import median
from typing import Any, Final

import msgspec
import orjson

from benchmarks.clients import FACETS, ApiClient, EngineClient, Side, Times, in_turns, joined
from benchmarks.draws import KINDS, Draws, Profile
from benchmarks.environment import Api, Bench, token_of
from benchmarks.report import Row, Table
from core.settings import Settings
from db.sessions import Database, member
from search.engine import Searcher
from search.request import SearchRequest

# Per kind: the 99th of a hundred is one request; the third of three hundred is a tail.
SEARCHES: Final = 300
HIDDEN_SEARCHES: Final = 120
WARM_UP: Final = 40
SEARCH_BUDGET_S: Final = 75.0
HIDDEN_BUDGET_S: Final = 50.0
# Of a million contacts.
HIDDEN: Final = (0, 10_000, 100_000)


@dataclass(frozen=True, slots=True)
class Question:
    """One search: as the API takes it and as the engine does."""

    request: bytes
    dsl: bytes


def request(filters: Mapping[str, Any], *, facets: bool) -> dict[str, Any]:
    return {"filters": filters, "facets": list(FACETS) if facets else [], "limit": 25}


class _Recorded(Exception):
    def __init__(self, body: str) -> None:
        super().__init__()
        self.body = body.encode()


class _Recorder:
    """Stands where the engine's client stands, and keeps what it would have sent."""

    async def msearch(self, *, body: str) -> Any:
        raise _Recorded(body)

    async def close(self) -> None:
        pass


class Renderer:
    """The product's own rendering of a request, nothing added and nothing left out.

    What the product sends is the fastest exact form that is known: one `_msearch` of the page with a capped
    total and, per facet, one search of size 0 with a lone aggregation and every selection but its own.
    """

    def __init__(self, settings: Settings, user_id: Any) -> None:
        self._database = Database(settings.database)
        self._searcher = Searcher(settings, self._database, _Recorder())  # type: ignore[arg-type]
        self._actor = member(user_id)

    async def close(self) -> None:
        await self._searcher.close()
        await self._database.close()

    async def dsl(self, body: bytes) -> bytes:
        try:
            await self._searcher.search(
                "contacts", msgspec.json.decode(body, type=SearchRequest), self._actor
            )
        except _Recorded as recorded:
            return recorded.body
        raise AssertionError("the search was answered without the engine")


async def search(bench: Bench, api: Api, draws: Draws) -> Table:
    """Over HTTP against bare, in turns, on profiles that were never asked before."""
    user_id, token = await token_of(bench.settings, "nobody-hidden@bench.example")
    table = Table(
        "ICP search with 6 facets",
        "Over HTTP (`POST /v1/contacts/search`, one client, kept connection) against the same DSL sent"
        " bare by aiohttp as one `_msearch`, in turns. Times in ms.",
        ["profiles", "searches", "HTTP p50", "bare p50", "HTTP p99", "bare p99", "pair by pair"],
        "ratio",
    )
    renderer = Renderer(bench.settings, user_id)
    every: list[Times] = []
    async with (
        ApiClient(api.url, token) as http,
        EngineClient(bench.settings.opensearch.url, bench.prefix) as engine,
    ):
        sides: list[Side[Question]] = [
            Side("http", lambda q: http.search(q.request)),
            Side("bare", lambda q: engine.msearch(q.dsl)),
        ]
        for kind in KINDS:
            profiles = draws.take(kind, SEARCHES)
            questions = [await _question(p, renderer) for p in profiles]
            warm_up = [await _question(p, renderer) for p in draws.take(kind, WARM_UP)]
            bench.say(f"search: {kind}, {SEARCHES} new profiles each way")
            times = await in_turns(
                sides, questions, forget=engine.forget, warm_up=warm_up, budget_s=SEARCH_BUDGET_S
            )
            every.append(times)
            matches = round(median(profile.matches for profile in profiles))
            table.rows += _compared(f"{kind} (at the median {matches:,} match)", times)
        table.rows += _compared("all", joined(every))
        table.notes += engines(http)
    await renderer.close()
    return table


async def _question(profile: Profile, renderer: Renderer) -> Question:
    body = orjson.dumps(request(profile.filters, facets=True))
    return Question(body, await renderer.dsl(body))


def _compared(name: str, times: Times) -> list[Row]:
    cells = [
        f"{len(times.by_side['http'])}",
        f"{times.p50('http'):.1f}",
        f"{times.p50('bare'):.1f}",
        f"{times.p99('http'):.1f}",
        f"{times.p99('bare'):.1f}",
        f"{times.pairs('http', 'bare'):.2f}",
    ]
    blank = [""] * len(cells)
    return [
        Row(f"{name}, p50", cells, times.ratio("http", "bare", 0.5), 1.5),
        Row(f"{name}, p99", blank, times.ratio("http", "bare", 0.99), 1.5),
    ]


async def hidden(bench: Bench, api: Api, draws: Draws) -> Table:
    """The same searches by users who have hidden nothing, some and many records."""
    sizes = [bench.sizes.share(size) if size else 0 for size in HIDDEN]
    bench.say(f"hidden: {', '.join(f'{size:,}' for size in sizes)} contacts")
    tokens = {f"{size:,}": await hide(bench, size) for size in sizes}
    table = Table(
        "Hidden records",
        "Users who have hidden contacts against one who has hidden none, over HTTP, in turns. Times in ms at"
        " the median.",
        ["search", "searches", "none hidden", "some hidden", "pair by pair"],
        "ratio",
    )
    async with _as_users(api, tokens) as clients:
        engine = EngineClient(bench.settings.opensearch.url, bench.prefix)
        async with engine:
            sides = [Side(name, client.search) for name, client in clients.items()]
            for facets, goal in ((False, 1.2), (True, 1.6)):
                what = "page with 6 facets" if facets else "page"
                every: list[Times] = []
                for kind in KINDS:
                    bench.say(f"hidden: {what}, {kind}")
                    questions, warm_up = (
                        [orjson.dumps(request(p.filters, facets=facets)) for p in draws.take(kind, number)]
                        for number in (HIDDEN_SEARCHES, WARM_UP // 2)
                    )
                    times = await in_turns(
                        sides, questions, forget=engine.forget, warm_up=warm_up, budget_s=HIDDEN_BUDGET_S
                    )
                    every.append(times)
                    table.rows += _against_none(f"{what}, {kind}", times, list(tokens), goal)
                table.rows += _against_none(f"{what}, all", joined(every), list(tokens), goal)
        for client in clients.values():
            table.notes += engines(client)
    table.notes = list(dict.fromkeys(table.notes))
    return table


def _against_none(name: str, times: Times, sizes: Sequence[str], goal: float) -> list[Row]:
    none, *some = sizes
    return [
        Row(
            f"{name}, {size} hidden",
            [
                f"{len(times.by_side[size])}",
                f"{times.p50(none):.1f}",
                f"{times.p50(size):.1f}",
                f"{times.pairs(size, none):.2f}",
            ],
            times.ratio(size, none, 0.5),
            goal,
        )
        for size in some
    ]


async def hide(bench: Bench, number: int, *, name: str = "") -> str:
    """The token of a user who has hidden so many contacts, spread over the whole catalogue."""
    user_id, token = await token_of(bench.settings, f"hides-{number}{name}@bench.example")
    connection = await bench.stack.connect(bench.sizes.name)
    try:
        there = await connection.fetchval("SELECT count(*) FROM hidden_contacts WHERE user_id = $1", user_id)
        if there != number:
            await connection.execute("DELETE FROM hidden_contacts WHERE user_id = $1", user_id)
            await connection.execute(
                "INSERT INTO hidden_contacts (user_id, contact_id)"
                " SELECT $1, id FROM contacts ORDER BY md5(id::text || $2) LIMIT $3",
                user_id,
                name,
                number,
                timeout=120,
            )
            await connection.execute("ANALYZE hidden_contacts")
    finally:
        await connection.close()
    return token


@asynccontextmanager
async def _as_users(api: Api, tokens: dict[str, str]) -> AsyncIterator[dict[str, ApiClient]]:
    async with AsyncExitStack() as stack:
        yield {
            name: await stack.enter_async_context(ApiClient(api.url, token)) for name, token in tokens.items()
        }


def engines(client: ApiClient) -> list[str]:
    """Said only when PostgreSQL stepped in unasked: the times are then those of two engines."""
    late = client.answers.reasons
    if not late:
        return []
    reasons = "; ".join(f"{reason} ({number})" for reason, number in late.items())
    return [f"PostgreSQL stepped in for {sum(late.values())} of {client.answers.number} answers: {reasons}"]
