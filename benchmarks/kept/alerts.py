"""The whole of an alert against bare percolate calls for the same pairs of ICP and contact."""

import resource
import time
from dataclasses import dataclass
from typing import Final
from uuid import UUID, uuid4

import msgspec
import orjson
from opensearchpy import AsyncOpenSearch
from pyroaring import BitMap
from sqlalchemy import text

from benchmarks.draws import Draws, read
from benchmarks.environment import Bench, BenchmarkFailed
from benchmarks.kept.world import settle
from benchmarks.report import Row, Table
from core import clock
from core.ids import UserId
from db.sessions import SERVICE, Database
from domain.alerts import states
from domain.alerts.evaluation import AT_ONCE, Evaluator
from indexer import queue
from search import documents, matcher, opensearch_query, stored
from search.conditions import Criteria
from search.criteria import read_filters
from search.engine import Searcher
from search.matcher import Batch
from search.matcher import Table as Conditions
from search.request import CountRequest

PERCOLATED_AT_ONCE: Final = 500
SAMPLED_ICPS: Final = 20


@dataclass(frozen=True, slots=True)
class Saved:
    """A saved ICP: its id, its request, and how it was read."""

    id: UUID
    request: CountRequest
    criteria: Criteria


async def alerts(
    bench: Bench, db: Database, searcher: Searcher, user_id: UserId, icps: int, changed: int
) -> Table:
    """All of matching, comparing and writing against percolate calls alone, for the same pairs."""
    bench.say(f"alerts: {icps:,} ICPs")
    await settle(bench, db)
    saved = await _saved(bench, searcher, icps)
    ids, pages = await _watch(db, user_id, saved, bench)
    some = ids[:: max(1, len(ids) // changed)][:changed]
    await _shuffle(db, some)
    say = bench.say
    say("alerts: percolate")
    bare_s, bare_pairs = await _percolated(bench, db, saved, some)
    say("alerts: evaluate")
    evaluator = Evaluator(db, searcher)
    begun = time.perf_counter()
    await evaluator.evaluate()
    read_s = time.perf_counter() - begun
    async with db.transaction(SERVICE) as session:
        await queue.note_applied(session, "contacts", some, token=1)
    begun = time.perf_counter()
    while await evaluator.evaluate() >= AT_ONCE:
        pass
    whole_s = time.perf_counter() - begun
    async with db.transaction(SERVICE) as session:
        events = int(await session.scalar(text("SELECT sum(size) FROM icp_events")) or 0)
    match_s, pairs, more_s = await _matched(db, saved, some)
    await settle(bench, db)
    table = Table(
        f"Alerts of {icps:,} ICPs",
        f"{icps:,} watched ICPs and {changed:,} changed contacts: reading the records, matching, comparing"
        " with the state before, writing events, states and members, all committed; against bare `percolate`"
        f" calls of {PERCOLATED_AT_ONCE} documents for the same pairs, which do the matching alone.",
        ["what", "seconds", "ms per contact", "pairs"],
        "times faster than percolate",
    )

    def row(name: str, seconds: float, found: str, *, goal: float | None = None) -> Row:
        cells = [f"{seconds:.2f}", f"{seconds * 1000 / len(some):.3f}", found]
        return Row(name, cells, bare_s / seconds, goal, at_most=False)

    table.rows += [
        row("bare percolate", bare_s, f"{bare_pairs:,}"),
        row("the whole of an alert", whole_s, f"{events:,} events", goal=5.0),
        row("matching alone", match_s, f"{pairs:,}"),
        row(f"matching alone, {10 * icps:,} ICPs", more_s, f"{10 * pairs:,}"),
    ]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    table.notes += [
        f"{events / whole_s:,.0f} events a second; peak memory of the process {peak:,} MB",
        f"Reading all ICPs and their members into memory takes {read_s:.1f} s, once per process",
        f"The percolator finds {bare_pairs:,} pairs, the matcher {pairs:,}",
        "Events are those who came, who went, and who stayed and have another title",
        f"Members of {SAMPLED_ICPS} ICPs were compared with the search: {pages}",
    ]
    return table


async def _saved(bench: Bench, searcher: Searcher, number: int) -> list[Saved]:
    connection = await bench.stack.connect(bench.sizes.name)
    draws = Draws(await read(connection), 7)
    await connection.close()
    terms = await searcher.terms()
    saved = []
    for kind, share in (("narrow", number // 2), ("middle", number - number // 2)):
        for profile in draws.take(kind, share):  # type: ignore[arg-type]
            request = msgspec.convert({"filters": profile.filters, "hidden": "include"}, CountRequest)
            clauses, _ = read_filters(request, terms=terms)
            saved.append(Saved(uuid4(), request, Criteria("contacts", tuple(clauses))))
    return saved


async def _watch(db: Database, user_id: UserId, saved: list[Saved], bench: Bench) -> tuple[list[int], str]:
    """Baselines of all of them, by the matcher over the catalogue; some are compared with the search."""
    conditions = Conditions("contacts")
    compiled = [conditions.add(one.criteria) for one in saved]
    members = [BitMap() for _ in saved]
    async with db.transaction(SERVICE) as session:
        ids = list((await session.execute(text("SELECT id FROM contacts ORDER BY id"))).scalars())
    for start in range(0, len(ids), 5_000):
        part = ids[start : start + 5_000]
        async with db.transaction(SERVICE, read_only=True) as session:
            read_now = await documents.read(session, "contacts", part)
        there = sorted(read_now)
        batch = Batch(conditions, [read_now[one] for one in there])
        for place, each in enumerate(compiled):
            fit = batch.fitting(each)
            if fit:
                members[place].update(there[one] for one in matcher.places(fit))
    searcher = Searcher(bench.settings, db)
    wrong = 0
    for place in range(0, len(saved), max(1, len(saved) // SAMPLED_ICPS)):
        found = await searcher.count("contacts", saved[place].request, SERVICE)
        wrong += found.total_entries != len(members[place])
    await searcher.close()
    async with db.transaction(SERVICE) as session:
        await session.execute(
            text(
                "INSERT INTO icp_profiles (id, user_id, name, filters)"
                " SELECT i.id, :user, 'Bench', CAST(i.filters AS jsonb)"
                " FROM unnest(CAST(:ids AS uuid[]), CAST(:filters AS text[])) AS i (id, filters)"
            ),
            {
                "user": user_id,
                "ids": [one.id for one in saved],
                "filters": [msgspec.json.encode(one.request).decode() for one in saved],
            },
        )
    connection = await bench.stack.connect(bench.sizes.name)
    for start in range(0, len(saved), 500):
        await connection.executemany(
            "INSERT INTO app.icp_alerts (icp_id, user_id, version, kinds, fields, as_of, members)"
            " VALUES ($1, $2, 1, '{entered,left,changed}', '{title}', $3, $4)",
            [
                (
                    one.id,
                    user_id,
                    clock.today(),
                    bytes(members[start + place].serialize()),
                )
                for place, one in enumerate(saved[start : start + 500])
            ],
        )
    await connection.executemany(
        "UPDATE app.icp_versions SET criteria = $2 WHERE icp_id = $1",
        [(one.id, orjson.dumps(stored.dump(one.criteria)).decode()) for one in saved],
    )
    await connection.close()
    async with db.transaction(SERVICE) as session:
        now = states.select("contacts")
        await session.execute(
            text(f"INSERT INTO alert_states SELECT 'c', n.id, n.values FROM ({now}) n ON CONFLICT DO NOTHING")
        )
    return ids, "equal" if not wrong else f"{wrong} DIFFER"


async def _shuffle(db: Database, ids: list[int]) -> None:
    """Each of them gets the title of the next: what such a change moves in and out of ICPs is as in life."""
    async with db.transaction(SERVICE) as session:
        await session.execute(
            text(
                """
                WITH chosen AS (
                    SELECT id, title, title_normalized, title_terms, seniority, departments,
                           row_number() OVER (ORDER BY id) AS place, count(*) OVER () AS all_
                    FROM contacts WHERE id = ANY(CAST(:ids AS integer[])))
                UPDATE contacts c SET title = n.title, title_normalized = n.title_normalized,
                       title_terms = n.title_terms, seniority = n.seniority, departments = n.departments
                FROM chosen mine JOIN chosen n ON n.place = mine.place % mine.all_ + 1
                WHERE c.id = mine.id
                """
            ),
            {"ids": ids},
        )


async def _percolated(bench: Bench, db: Database, saved: list[Saved], ids: list[int]) -> tuple[float, int]:
    """Seconds of the percolate calls alone, and the pairs they found."""
    client = AsyncOpenSearch(hosts=[bench.settings.opensearch.url], timeout=300)
    name = f"{bench.prefix}percolator"
    body = documents.index_body("contacts")
    body["mappings"]["properties"]["query"] = {"type": "percolator"}
    # As many as there are may be found.
    most = max(10_000, len(saved))
    body["settings"]["index"] = {"number_of_shards": 1, "number_of_replicas": 0, "max_result_window": most}
    await client.indices.delete(index=name, params={"ignore_unavailable": "true"})
    await client.indices.create(index=name, body=body)
    for start in range(0, len(saved), 500):
        lines: list[bytes] = []
        for place, one in enumerate(saved[start : start + 500], start=start):
            query = opensearch_query.query(one.criteria, (), scored=False)
            lines.append(orjson.dumps({"index": {"_index": name, "_id": str(place)}}))
            lines.append(orjson.dumps({"query": query}))
        answer = await client.bulk(body=b"\n".join(lines).decode() + "\n")
        if answer["errors"]:
            raise BenchmarkFailed(str(answer)[:500])
    await client.indices.forcemerge(index=name, params={"max_num_segments": 1})
    await client.indices.refresh(index=name)
    seconds, pairs = 0.0, 0
    for start in range(0, len(ids), PERCOLATED_AT_ONCE):
        async with db.transaction(SERVICE, read_only=True) as session:
            read_now = await documents.read(session, "contacts", ids[start : start + PERCOLATED_AT_ONCE])
        asked = {
            "size": most,
            "_source": False,
            "query": {
                "constant_score": {
                    "filter": {"percolate": {"field": "query", "documents": list(read_now.values())}}
                }
            },
        }
        begun = time.perf_counter()
        found = await client.search(index=name, body=asked)
        seconds += time.perf_counter() - begun
        for hit in found["hits"]["hits"]:
            slots = hit["fields"]["_percolator_document_slot"]
            pairs += len(slots)
    await client.indices.delete(index=name)
    await client.close()
    return seconds, pairs


async def _matched(db: Database, saved: list[Saved], ids: list[int]) -> tuple[float, int, float]:
    """Seconds of matching alone, the pairs, and the seconds with ten times as many ICPs."""
    conditions = Conditions("contacts")
    compiled = [conditions.add(one.criteria) for one in saved]
    seconds, pairs, more_s = 0.0, 0, 0.0
    for start in range(0, len(ids), AT_ONCE):
        async with db.transaction(SERVICE, read_only=True) as session:
            read_now = await documents.read(session, "contacts", ids[start : start + AT_ONCE])
        begun = time.perf_counter()
        batch = Batch(conditions, list(read_now.values()))
        fits = [batch.fitting(each) for each in compiled]
        seconds += time.perf_counter() - begun
        pairs += sum(fit.bit_count() for fit in fits)
        begun = time.perf_counter()
        batch = Batch(conditions, list(read_now.values()))
        for _ in range(10):
            for each in compiled:
                batch.fitting(each)
        more_s += time.perf_counter() - begun
    return seconds, pairs, more_s
