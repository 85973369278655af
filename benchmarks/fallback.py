"""The same searches on PostgreSQL, the engine for bad days: page and capped total, then facets in time."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

import orjson

from benchmarks.clients import FACETS, ApiClient, EngineClient, Side, in_turns
from benchmarks.draws import KINDS, Draws
from benchmarks.environment import Api, Bench, token_of
from benchmarks.report import Row, Table
from benchmarks.searches import engines, request

PAGES: Final = 60
FACETED: Final = 12
PAGE_BUDGET_S: Final = 40.0
FACET_BUDGET_S: Final = 50.0
_ENGINES: Final = ("opensearch", "postgres")


async def postgres(bench: Bench, api: Api, draws: Draws) -> Table:
    """Page and capped total on either engine, in turns; then with facets, of which some may be late."""
    _, token = await token_of(bench.settings, "chooses-the-engine@bench.example", admin=True)
    budget_ms = bench.settings.search.fallback_facet_budget_ms
    table = Table(
        "PostgreSQL as the engine",
        "The same searches over HTTP with `engine: postgres` and `engine: opensearch`, in turns. Times in ms."
        f" Facets have {budget_ms:,} ms on PostgreSQL; what was not counted by then is named as late.",
        ["search", "searches", "OpenSearch p50", "PostgreSQL p50", "PostgreSQL p99", "late facets"],
        "ratio",
    )
    bare = EngineClient(bench.settings.opensearch.url, bench.prefix)
    async with ApiClient(api.url, token) as http, bare:
        for facets in (False, True):
            for kind in KINDS:
                what = "page with 6 facets" if facets else "page and capped total"
                bench.say(f"postgres: {what}, {kind}")
                bodies, warm_up = (
                    [request(profile.filters, facets=facets) for profile in draws.take(kind, number)]
                    for number in (FACETED if facets else PAGES, 4)
                )
                late: dict[str, int] = {}
                http.answers.missing_facets = late
                times = await in_turns(
                    [Side(engine, _asking(http, engine)) for engine in _ENGINES],
                    bodies,
                    forget=bare.forget,
                    warm_up=() if facets else warm_up,
                    budget_s=FACET_BUDGET_S if facets else PAGE_BUDGET_S,
                )
                number = len(times.by_side["postgres"])
                table.rows.append(
                    Row(
                        f"{what}, {kind}",
                        [
                            str(number),
                            f"{times.p50('opensearch'):.1f}",
                            f"{times.p50('postgres'):.1f}",
                            f"{times.p99('postgres'):.1f}",
                            _late(late, number) if facets else "",
                        ],
                        times.ratio("postgres", "opensearch", 0.5),
                        None if facets else 5.0,
                    )
                )
        table.notes += engines(http)
    return table


def _asking(http: ApiClient, engine: str) -> Callable[[dict[str, Any]], Awaitable[Any]]:
    async def ask(body: dict[str, Any]) -> Any:
        return await http.search(orjson.dumps(body | {"engine": engine}))

    return ask


def _late(late: dict[str, int], number: int) -> str:
    """By name, how often of all."""
    if not late:
        return "none"
    return ", ".join(f"{name} {late[name]}/{number}" for name in FACETS if name in late)
