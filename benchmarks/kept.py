"""Kept work, side by side with the bare thing: alerts, their latency, lists filled by a search, exports.

    python -m benchmarks.kept --contacts 100000 --icps 10000 --changed 10000 [--home DIR] [--output FILE]

Uses the stack and the catalogue of `benchmarks.run` for that size. Saved ICPs are the searches of
`benchmarks.draws`, narrow and middling ones in turns, none of them twice.
"""

import argparse
import asyncio
import resource
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import msgspec
import orjson
from opensearchpy import AsyncOpenSearch
from pyroaring import BitMap
from sqlalchemy import text

from benchmarks import catalogue
from benchmarks.draws import Draws, read
from benchmarks.environment import Bench, BenchmarkFailed, Sizes, running_stack, token_of
from benchmarks.report import Row, Table, document, load_average, machine
from benchmarks.run import HOME, IMPORTED_CONTACTS
from core import clock, logs
from core.ids import UserId
from db.sessions import SERVICE, Database, member
from domain import jobs
from domain.alerts import baseline, states, watching
from domain.alerts.evaluation import AT_ONCE, Evaluator
from domain.exports import keeping as exports
from domain.lists import records
from indexer import drain, loop, queue
from indexer.bulk import BulkSender
from indexer.feed import Feed
from indexer.heartbeat import quantile
from search import documents, matcher, opensearch_query, stored
from search.conditions import Criteria
from search.criteria import read_filters
from search.engine import Searcher
from search.matcher import Batch
from search.matcher import Table as Conditions
from search.request import CountRequest

RESULTS: Final = Path(__file__).parent / "results" / "kept.md"
USER: Final = "keeps-much@bench.example"
PERCOLATED_AT_ONCE: Final = 500
SAMPLED_ICPS: Final = 20


@dataclass(frozen=True, slots=True)
class Saved:
    """A saved ICP: its id, its request, and how it was read."""

    id: UUID
    request: CountRequest
    criteria: Criteria


async def main(options: argparse.Namespace, say: Any) -> None:
    sizes = Sizes(
        options.contacts,
        options.organizations or max(1, options.contacts * 80 // 1_000),
        1,
        min(IMPORTED_CONTACTS, options.contacts),
    )
    with running_stack(options.home, keep=options.keep, say=say) as stack:
        bench, _ = await catalogue.prepare(stack, sizes, say)
        db = Database(bench.settings.database)
        searcher = Searcher(bench.settings, db)
        tables: list[Table] = []

        async def take(measurement: Any) -> None:
            before, begun = load_average(), time.monotonic()
            table = await measurement
            table.load, table.seconds = (before, load_average()), time.monotonic() - begun
            tables.append(table)
            print(table.markdown(), flush=True)

        try:
            user_id, _ = await token_of(bench.settings, USER)
            await _lift_limits(bench)
            await _clear(db, user_id)
            measurements = {
                "lists": lambda: lists(db, searcher, user_id),
                "exports": lambda: exported(bench, db, searcher, user_id),
                "alerts": lambda: alerts(bench, db, searcher, user_id, options.icps, options.changed),
                "latency": lambda: latency(bench, db, searcher, user_id),
            }
            for name in options.only.split(","):
                await take(measurements[name]())
        finally:
            await _clear(db, user_id)
            await searcher.close()
            await db.close()
        if options.output:
            options.output.parent.mkdir(parents=True, exist_ok=True)
            report = document(
                machine(stack, sizes), tables, [], title="Kept work", by="python -m benchmarks.kept"
            )
            options.output.write_text(report, encoding="utf-8")


async def _lift_limits(bench: Bench) -> None:
    """Let the plan of the benchmarks' own database allow what is measured."""
    connection = await bench.stack.connect(bench.sizes.name)
    await connection.execute(
        "UPDATE app.plans SET features = jsonb_set(features, '{limits}',"
        " (features -> 'limits') - '{icps,alerts,lists,export_rows}'::text[])"
        " WHERE features ? 'limits'"
    )
    await connection.close()


async def _clear(db: Database, user_id: UserId) -> None:
    async with db.transaction(SERVICE) as session:
        await session.execute(text("UPDATE users SET plan_id = 'team' WHERE id = :id"), {"id": user_id})
        for table in ("icp_profiles", "jobs"):
            await session.execute(
                text(f"DELETE FROM {table} WHERE user_id = :id"),
                {"id": user_id},
            )
        await session.execute(text("DELETE FROM lists WHERE owner_id = :id"), {"id": user_id})
        await session.execute(text("DELETE FROM alert_states"))
        await session.execute(text("DELETE FROM applied"))
        await session.execute(text("DELETE FROM outbox"))
        await baseline.position(session)


async def alerts(
    bench: Bench, db: Database, searcher: Searcher, user_id: UserId, icps: int, changed: int
) -> Table:
    """All of matching, comparing and writing against percolate calls alone, for the same pairs."""
    bench.say(f"alerts: {icps:,} ICPs")
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
        await session.execute(text("DELETE FROM search_dirty"))
        await session.execute(text("DELETE FROM company_fanout"))
        await queue.note_applied(session, "contacts", some, token=1)
    begun = time.perf_counter()
    while await evaluator.evaluate() >= AT_ONCE:
        pass
    whole_s = time.perf_counter() - begun
    async with db.transaction(SERVICE) as session:
        events = int(await session.scalar(text("SELECT count(*) FROM icp_events")) or 0)
    match_s, pairs, more_s = await _matched(db, saved, some)
    table = Table(
        "Alerts",
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
        f"Members of {SAMPLED_ICPS} ICPs were compared with PostgreSQL's search: {pages}",
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
            "INSERT INTO app.icp_alerts (icp_id, user_id, version, kinds, fields, criteria, as_of, members)"
            " VALUES ($1, $2, 1, '{entered,left,changed}', '{title}', $3, $4, $5)",
            [
                (
                    one.id,
                    user_id,
                    orjson.dumps(stored.dump(one.criteria)).decode(),
                    clock.today(),
                    bytes(members[start + place].serialize()),
                )
                for place, one in enumerate(saved[start : start + 500])
            ],
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
    body["settings"]["index"] = {"number_of_shards": 1, "number_of_replicas": 0}
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
            "size": 10_000,
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


async def latency(bench: Bench, db: Database, searcher: Searcher, user_id: UserId) -> Table:
    """From the commit of a change to its event in the feed, under a hundred changes a second."""
    bench.say("latency: 100 changes/s")
    request = msgspec.convert(
        {"filters": {"contacts": {"include": {"seniorities": ["vp"]}}}, "hidden": "include"}, CountRequest
    )
    async with db.transaction(SERVICE) as session:
        icp = await session.scalar(
            text(
                "INSERT INTO icp_profiles (user_id, name, filters) VALUES (:user, 'Latency',"
                " CAST(:filters AS jsonb)) RETURNING id"
            ),
            {"user": user_id, "filters": msgspec.json.encode(request).decode()},
        )
        ids = list((await session.execute(text("SELECT id FROM contacts ORDER BY id LIMIT 20000"))).scalars())
        await watching.turn_on(session, searcher, user_id=user_id, icp_id=icp, kinds=["entered", "left"])
    everybody = CountRequest(hidden="include")
    async with db.transaction(SERVICE) as session:
        whole = await session.scalar(
            text(
                "INSERT INTO icp_profiles (user_id, name, filters) VALUES (:user, 'All', CAST(:f AS jsonb))"
                " RETURNING id"
            ),
            {"user": user_id, "f": msgspec.json.encode(everybody).decode()},
        )
        await session.execute(text("DELETE FROM alert_states"))
    async with db.transaction(SERVICE) as session:
        begun = time.perf_counter()
        await watching.turn_on(session, searcher, user_id=user_id, icp_id=whole, kinds=["left"])
    baseline_s = time.perf_counter() - begun
    feed = Feed.connect(bench.settings, db)
    await drain.drain(feed, BulkSender(feed.client))
    stop, evaluator = asyncio.Event(), Evaluator(db, searcher)
    waker = loop.Waker(feed.database_url, [loop.CHANNEL])

    async def compare() -> None:
        while not stop.is_set():
            if await evaluator.evaluate() < AT_ONCE:
                await loop.rest(stop, 0.5)

    running = [
        asyncio.create_task(waker.run(stop)),
        asyncio.create_task(loop.Indexer(feed, waker).run(stop)),
        asyncio.create_task(compare()),
    ]
    committed: dict[int, float] = {}
    begun = time.monotonic()
    for number, record in enumerate(ids[: 100 * 20]):
        wait = begun + number / 100 - time.monotonic()
        if wait > 0:
            await asyncio.sleep(wait)
        async with feed.service() as session:
            await session.execute(
                text(
                    "UPDATE contacts SET seniority = CASE WHEN seniority = 'vp' THEN 'manager' ELSE 'vp' END"
                    " WHERE id = :id"
                ),
                {"id": record},
            )
        async with feed.service(read_only=True) as session:
            at = await session.scalar(text("SELECT extract(epoch FROM clock_timestamp())"))
        committed[record] = float(at)
    await asyncio.sleep(5)
    stop.set()
    await asyncio.gather(*running)
    lags = []
    async with db.transaction(SERVICE, read_only=True) as session:
        rows = await session.execute(
            text(
                "SELECT record_id, extract(epoch FROM created_at) AS at FROM icp_events WHERE icp_id = :icp"
            ),
            {"icp": icp},
        )
        lags = [float(row.at) - committed[row.record_id] for row in rows if row.record_id in committed]
    await feed.close()
    p50, p99 = quantile(lags, 0.5), quantile(lags, 0.99)
    table = Table(
        "Latency of alerts",
        "From the commit of a change to the transaction of its event, in seconds, under 100 changes a second;"
        f" the index is refreshed every {bench.settings.opensearch.refresh_interval_ms} ms.",
        ["load", "samples", "p50"],
        "p99",
    )
    goal = bench.settings.opensearch.refresh_interval_ms / 1000 + 2
    table.rows.append(Row("100 changes/s", [f"{len(lags):,}", f"{p50:.2f}"], p99, goal))
    table.notes.append(
        f"An ICP that all {bench.sizes.contacts:,} contacts fit is turned on in {baseline_s:.1f} s, their"
        f" states included; {len(committed) - len(lags)} events are missing"
    )
    async with db.transaction(SERVICE) as session:
        await session.execute(text("DELETE FROM icp_profiles WHERE user_id = :id"), {"id": user_id})
    return table


async def lists(db: Database, searcher: Searcher, user_id: UserId) -> Table:
    """What a search finds, added to a list by the job, against the bare statement."""
    async with db.transaction(SERVICE) as session:
        made = [
            await session.scalar(
                text("INSERT INTO lists (owner_id, name) VALUES (:user, :name) RETURNING id"),
                {"user": user_id, "name": name},
            )
            for name in ("by the job", "bare")
        ]
    arguments = {"action": "add", "list_id": made[0], "entity": "contacts", "search": {}}
    async with db.transaction(member(user_id)) as session:
        job = await jobs.start(session, kind="lists.change", arguments=arguments)
    begun_job = await jobs.begin(db, job_id=job.id)
    if begun_job is None:
        raise BenchmarkFailed("The list's job has not begun.")
    begun = time.perf_counter()
    await records.run(db, searcher, job=begun_job)
    ours_s = time.perf_counter() - begun
    async with db.transaction(member(user_id)) as session:
        begun = time.perf_counter()
        result: Any = await session.execute(
            text(
                "INSERT INTO list_contacts (list_id, contact_id, added_by)"
                " SELECT :list, id, :user FROM contacts"
            ),
            {"list": made[1], "user": user_id},
        )
        count = result.rowcount
    bare_s = time.perf_counter() - begun
    table = Table(
        "A list filled by a search",
        "All contacts, added by the job (hidden ones left out, each outcome counted) against one"
        " INSERT … SELECT as the same user.",
        ["what", "contacts", "job, s", "bare, s"],
        "share of the bare rate",
    )
    table.rows.append(
        Row("contacts", [f"{count:,}", f"{ours_s:.2f}", f"{bare_s:.2f}"], bare_s / ours_s, 0.3, at_most=False)
    )
    return table


async def exported(bench: Bench, db: Database, searcher: Searcher, user_id: UserId) -> Table:
    """All contacts as CSV, against COPY of the same columns."""
    wanted = exports.Wanted(
        "contacts",
        exports.Source(search=CountRequest()),
        ["id", "first_name", "last_name", "title", "organization_name", "country"],
        "csv",
    )
    actor = member(user_id)
    async with db.transaction(actor) as session:
        made = await exports.create(session, searcher, wanted, actor=actor, user_id=user_id)
    job = await jobs.begin(db, job_id=made.job_id)
    if job is None:
        raise BenchmarkFailed("The export's job has not begun.")
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with tempfile.TemporaryDirectory() as folder:
        settings = replace(bench.settings, exports=replace(bench.settings.exports, url=folder))
        begun = time.perf_counter()
        await exports.run(settings, db, searcher, job=job)
        ours_s = time.perf_counter() - begun
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory
        connection = await bench.stack.connect(bench.sizes.name)
        begun = time.perf_counter()
        await connection.copy_from_query(
            "SELECT c.id, c.first_name, c.last_name, c.title, o.name, c.country FROM app.contacts c"
            " LEFT JOIN app.organizations o ON o.id = c.organization_id ORDER BY c.id",
            output=Path(folder) / "copy.csv",
            format="csv",
            header=True,
            force_quote=True,
        )
        bare_s = time.perf_counter() - begun
        await connection.close()
    async with db.transaction(actor, read_only=True) as session:
        rows = (await exports.get(session, export_id=made.id)).row_count or 0
    table = Table(
        "An export",
        "All contacts as CSV by the job, cells made inert and names of companies looked up, against COPY of"
        " the same columns into a file.",
        ["what", "rows", "job, s", "COPY, s"],
        "share of COPY's rate",
    )
    cells = [f"{rows:,}", f"{ours_s:.2f}", f"{bare_s:.2f}"]
    table.rows.append(Row("contacts", cells, bare_s / ours_s, 0.3, at_most=False))
    table.notes.append(f"Peak memory grew by {grown // 1024} MB")
    return table


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--contacts", type=int, default=100_000)
    parser.add_argument("--organizations", type=int)
    parser.add_argument("--icps", type=int, default=10_000)
    parser.add_argument("--changed", type=int, default=10_000)
    parser.add_argument("--home", type=Path, default=HOME)
    parser.add_argument("--only", default="lists,exports,alerts,latency")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--output", type=Path, default=RESULTS)
    given = parser.parse_args()
    logs.configure(level="WARNING")
    started = time.monotonic()

    def _say(line: str) -> None:
        print(f"{time.monotonic() - started:7.1f} s  {line}", file=sys.stderr, flush=True)

    asyncio.run(main(given, _say))
