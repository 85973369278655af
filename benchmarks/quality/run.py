"""Judge the search: nDCG@10 and capped recall@10 by kind of search, on each engine.

    python -m benchmarks.quality.run --contacts 20000 --organizations 2000 --seed 1 --draw-seed 42
    python -m benchmarks.quality.run … --url http://127.0.0.1:8080 --token "$(leadfuel token …)"

The demo data of that size and seed must have been imported (`leadfuel demo`) and indexed. Without --url the
searcher runs in this process. Records are matched by their keys in the demo files; the database is asked for
nothing else. `--misses 10` prints the worst searches of each engine.
"""

import argparse
import asyncio
import platform
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from sqlalchemy import text

from benchmarks.quality import judge, scores, world
from benchmarks.quality.ask import Asker, InProcess, OverHttp, Refused
from benchmarks.quality.judged import Judged
from cli import context
from core.settings import Settings
from db.sessions import SERVICE, Database
from domain.demo import generate

_SOURCES = {
    "contacts": ("contact_sources", "contact_id"),
    "organizations": ("organization_sources", "organization_id"),
}
_ENGINES = ("opensearch", "postgres")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one search went on one engine."""

    search: Judged
    engine: str
    ndcg: float
    recall: float
    took_ms: float
    refusal: str = ""


async def main() -> None:
    options = _options()
    settings = context.require_database(context.load_settings())
    known = world.build(seed=options.seed, contacts=options.contacts, organizations=options.organizations)
    searches = judge.draw(known, draw_seed=options.draw_seed)
    keys = await _keys(settings)
    asker: Asker = OverHttp(options.url, options.token) if options.url else InProcess(settings)
    try:
        outcomes = [
            await _judge(asker, search, engine, keys[search.entity])
            for engine in options.engines.split(",")
            for search in searches
        ]
    finally:
        await asker.close()
    report = _report(options, outcomes)
    print(report)
    if options.output:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text(report + "\n", encoding="utf-8")
    for engine in options.engines.split(","):
        _print_misses([one for one in outcomes if one.engine == engine], options.misses)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Judge the search on demo data.")
    parser.add_argument("--contacts", type=int, default=20_000)
    parser.add_argument("--organizations", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=1, help="seed of the demo data")
    parser.add_argument("--draw-seed", type=int, default=42, help="seed of the searches")
    parser.add_argument("--engines", default=",".join(_ENGINES))
    parser.add_argument("--url", help="base URL of the API; without it the searcher runs in this process")
    parser.add_argument("--token", default="", help="a token of an administrator")
    parser.add_argument("--misses", type=int, default=0, help="how many of the worst searches to print")
    parser.add_argument("--output", type=Path, help="where to store the table")
    return parser.parse_args()


async def _keys(settings: Settings) -> dict[str, dict[int, list[str]]]:
    """Record id -> its keys in the demo files, for contacts and organizations."""
    database = Database(settings.database)
    found: dict[str, dict[int, list[str]]] = {}
    try:
        for entity, (table, column) in _SOURCES.items():
            statement = text(
                f"SELECT {column}, source_key FROM app.{table} JOIN app.sources ON sources.id = source_id"
                " WHERE sources.name = :source"
            )
            by_id: dict[int, list[str]] = defaultdict(list)
            async with database.transaction(SERVICE, read_only=True) as session:
                for record_id, key in await session.execute(statement, {"source": generate.SOURCE}):
                    by_id[record_id].append(key)
            found[entity] = by_id
    finally:
        await database.close()
    return found


async def _judge(asker: Asker, search: Judged, engine: str, keys: Mapping[int, list[str]]) -> Outcome:
    started = perf_counter()
    try:
        ids = await asker.ask(search.entity, {**search.request(), "engine": engine})
    except Refused as refusal:
        return Outcome(search, engine, 0.0, 0.0, 0.0, refusal.detail)
    took_ms = (perf_counter() - started) * 1_000
    grades = _by_record(search.grades, keys)
    ranked = [str(record_id) for record_id in ids]
    return Outcome(search, engine, scores.ndcg(ranked, grades), scores.capped_recall(ranked, grades), took_ms)


def _by_record(grades: Mapping[str, int], keys: Mapping[int, list[str]]) -> dict[str, int]:
    """Grades by record: an import may have merged two rows of the files into one record."""
    records = {key: str(record_id) for record_id, its_keys in keys.items() for key in its_keys}
    found: dict[str, int] = {}
    for key, grade in grades.items():
        record = records.get(key, f"not imported: {key}")
        found[record] = max(grade, found.get(record, 0))
    return found


def _report(options: argparse.Namespace, outcomes: Sequence[Outcome]) -> str:
    engines = options.engines.split(",")
    by_kind: dict[str, dict[str, list[Outcome]]] = defaultdict(lambda: defaultdict(list))
    for one in outcomes:
        by_kind[one.search.kind][one.engine].append(one)
        by_kind["all"][one.engine].append(one)
    by_kind["all"] = by_kind.pop("all")
    number = len(by_kind["all"][engines[0]])
    about = (
        f"{number} judged searches (draw seed {options.draw_seed}) over demo data of seed {options.seed}:"
        f" {options.contacts:,} contacts, {options.organizations:,} organizations."
        f" Python {platform.python_version()}, {platform.machine()}."
    )
    lines = [
        "# Quality of search",
        "",
        about,
        "nDCG@10 with gain 2^grade - 1; recall@10 of grades 2 and 3, capped at 10.",
        "",
        "| kind | searches |" + "".join(f" {engine} nDCG@10 | recall@10 |" for engine in engines),
        "|---|---:|" + "---:|---:|" * len(engines),
    ]
    for kind, by_engine in by_kind.items():
        cells = "".join(
            f" {_mean(one.ndcg for one in by_engine[engine]):.3f} |"
            f" {_mean(one.recall for one in by_engine[engine]):.3f} |"
            for engine in engines
        )
        lines.append(f"| {kind} | {len(by_engine[engines[0]])} |{cells}")
    refused = [one for one in outcomes if one.refusal]
    if refused:
        lines += ["", f"{len(refused)} searches were refused and count 0."]
    return "\n".join(lines)


def _mean(values: Iterable[float]) -> float:
    numbers = list(values)
    return sum(numbers) / len(numbers) if numbers else 0.0


def _print_misses(outcomes: Sequence[Outcome], number: int) -> None:
    for one in sorted(outcomes, key=lambda one: one.ndcg)[:number]:
        search = one.search
        asked = search.q or search.filters
        print(
            f"{one.engine}: {one.ndcg:.2f} {one.recall:.2f} {search.kind}: {asked!r}"
            f" ({len(search.grades)} relevant) {one.refusal}"
        )


if __name__ == "__main__":
    asyncio.run(main())
