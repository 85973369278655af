"""The catalogue that searches run over: demo data through the ordinary import, cloned up to size, indexed.

A million contacts take the import longer than all the measurements together. So a part is imported for
real, and the rest is made of it by set-wise SQL: a clone is an imported person with a new id, under the name
of another person and at the company of a third in the same country, with dates of its own.
"""

import time
from collections.abc import Callable
from typing import Any, Final

import asyncpg
import orjson

from benchmarks.environment import Bench, BenchmarkFailed, Say, Sizes, Stack
from core.settings import Settings
from db import migrate
from db.sessions import Database
from domain.demo import generate
from domain.demo.load import load
from indexer import catalogue, indices, rebuild
from indexer.feed import ENTITIES, Entity, Feed
from search.documents import schema_hash

_TELL_EVERY_S: Final = 10.0
# What is remembered beside the data, in the database's own comment.
_MARK: Final = "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = $1"


async def prepare(stack: Stack, sizes: Sizes, say: Say) -> tuple[Bench, dict[str, Any]]:
    """The catalogue of these sizes and its index; what an earlier run made is used again."""
    settings = stack.settings(sizes.name)
    made = await _reusable(stack, settings, sizes, say)
    if made is None:
        for name in await stack.databases():
            await stack.drop_database(name)
        settings = await stack.fresh_database(sizes.name)
        made = await _fill(stack, settings, sizes, say)
        await _set_mark(stack, sizes.name, made)
    await _index(settings, made, say)
    await _set_mark(stack, sizes.name, made)
    return Bench(stack, sizes, settings, say), made


async def _reusable(stack: Stack, settings: Settings, sizes: Sizes, say: Say) -> dict[str, Any] | None:
    """What is known of an earlier run's catalogue, brought to the present revision; None if there is none."""
    made = await _mark(stack, sizes.name)
    if made is None:
        return None
    try:
        await migrate.migrate(settings.database)
    except migrate.CannotMigrate as error:
        say(f"the catalogue of an earlier run cannot be used: {error}")
        return None
    say(f"using the catalogue of an earlier run, {sizes.name}")
    return made


async def _mark(stack: Stack, name: str) -> dict[str, Any] | None:
    connection = await stack.connect()
    try:
        found = await connection.fetchval(_MARK, name)
    finally:
        await connection.close()
    return orjson.loads(found) if found else None


async def _set_mark(stack: Stack, name: str, made: dict[str, Any]) -> None:
    connection = await stack.connect()
    try:
        literal = orjson.dumps(made).decode().replace("'", "''")
        await connection.execute(f"COMMENT ON DATABASE {name} IS '{literal}'")
    finally:
        await connection.close()


async def _fill(stack: Stack, settings: Settings, sizes: Sizes, say: Say) -> dict[str, Any]:
    imported = min(sizes.imported, sizes.contacts)
    say(f"importing {sizes.organizations:,} organizations and {imported:,} contacts")
    market = generate.market(seed=sizes.seed, organizations=sizes.organizations)
    database = Database(settings.database)
    try:
        summaries = await load(
            database, settings.privacy, market, contacts=imported, progress=told_now_and_then(say)
        )
    finally:
        await database.close()
    made: dict[str, Any] = {}
    for name, summary in summaries.items():
        made[f"{name}_per_s"] = round(summary.counts["read"] / summary.elapsed_s)
        say(f"{name}: {summary.counts['read']:,} rows, {made[f'{name}_per_s']:,} a second")
    connection = await stack.connect(sizes.name)
    try:
        made["cloned"] = await _clone(connection, sizes, say)
        say("gathering statistics")
        await connection.execute("VACUUM (ANALYZE)")
    finally:
        await connection.close()
    return made


def told_now_and_then(say: Say) -> Callable[[str, int], None]:
    """A progress that says a line every ten seconds."""
    last = time.monotonic()

    def tell(name: str, rows: int) -> None:
        nonlocal last
        if time.monotonic() - last > _TELL_EVERY_S:
            last = time.monotonic()
            say(f"{name}: {rows:,} rows")

    return tell


async def _clone(connection: asyncpg.Connection, sizes: Sizes, say: Say) -> int:
    """Bring the contacts up to the number wanted; returns how many were made."""
    there = await connection.fetchval("SELECT count(*) FROM contacts")
    wanted = sizes.contacts - there
    if wanted <= 0 or sizes.imported >= sizes.contacts:
        return 0
    if not there:
        raise BenchmarkFailed("There is nobody to clone: nothing was imported.")
    say(f"cloning {wanted:,} contacts from the {there:,} imported ones")
    # A replica fires no triggers: the index is built from the tables afterwards.
    await connection.execute(
        "SET session_replication_role = replica; SET maintenance_work_mem = '1GB'; SET work_mem = '256MB'"
    )
    indexes = await _drop_indexes(connection, ("contacts", "employment_history"))
    await connection.execute(_BASE)
    first = await connection.fetchval("SELECT max(id) + 1 FROM contacts")
    made, generation = 0, 0
    while made < wanted:
        generation += 1
        numbers = {"generation": generation, "first": first + made, "wanted": wanted - made}
        status = await connection.execute(_CLONES.format(**numbers), timeout=600)
        await connection.execute(_CLONED_POSITIONS.format(**numbers), timeout=600)
        made += int(status.rpartition(" ")[2])
        say(f"cloned {made:,}")
    await connection.execute("SELECT setval('contacts_id_seq', (SELECT max(id) FROM contacts))")
    say("building the indexes of the tables")
    for definition in indexes:
        await connection.execute(definition, timeout=600)
    await connection.execute("RESET session_replication_role; DROP TABLE base")
    return made


async def _drop_indexes(connection: asyncpg.Connection, tables: tuple[str, ...]) -> list[str]:
    """Drop the indexes that no constraint needs; returns what makes them again."""
    rows = await connection.fetch(
        """
        SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index
         WHERE indrelid = ANY($1::regclass[])
           AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
        """,
        list(tables),
    )
    for name, _ in rows:
        await connection.execute(f"DROP INDEX {name}")
    return [definition for _, definition in rows]


# Everybody imported, numbered within their country in a random order that is the same every time.
_BASE: Final = """
    CREATE TEMP TABLE base AS
    SELECT c.*, row_number() OVER (ORDER BY id) - 1 AS place,
           row_number() OVER by_country - 1 AS seat, count(*) OVER (PARTITION BY country) AS seats
      FROM contacts c
    WINDOW by_country AS (PARTITION BY country ORDER BY md5(id::text));
    CREATE UNIQUE INDEX ON base (country, seat) NULLS NOT DISTINCT;
    ANALYZE base
"""
# The company is a neighbour's, the name another's, so that every clone is a new combination.
_VARIED: Final = {
    "organization_id": "firm.organization_id",
    "first_name": "name.first_name",
    "middle_name": "name.middle_name",
    "last_name": "name.last_name",
    "full_name": "name.full_name",
    "name_terms": "name.name_terms",
    "name_sort": "name.name_sort",
    "name_search": "name.name_search",
    "email": "'{generation}.' || who.email",
    "phone": "who.phone",
    "linkedin_url": "who.linkedin_url || '-{generation}'",
    "email_hash": "NULL::bytea",
    "phone_hash": "NULL::bytea",
    "linkedin_hash": "NULL::bytea",
    "last_refreshed_at": "who.last_refreshed_at"
    " - make_interval(hours => ((who.place * 7 + {generation} * 131) % 4000)::int)",
    "position_started_on": "who.position_started_on - ((who.place * 3 + {generation} * 17) % 200)::int",
}
_KEPT: Final = (
    *("title", "title_normalized", "title_terms", "seniority", "departments"),
    *("country", "region", "city", "city_name", "location_raw", "latitude", "longitude"),
    *("email_status", "email_verified_at", "enrichment", "provenance"),
)
_CLONES: Final = f"""
    INSERT INTO contacts (id, {", ".join([*_VARIED, *_KEPT])}) OVERRIDING SYSTEM VALUE
    SELECT {{first}} + who.place, {", ".join([*_VARIED.values(), *(f"who.{name}" for name in _KEPT)])}
      FROM base who
      JOIN base firm ON firm.country IS NOT DISTINCT FROM who.country
                    AND firm.seat = (who.seat + {{generation}} * 31) % who.seats
      JOIN base name ON name.country IS NOT DISTINCT FROM who.country
                    AND name.seat = (who.seat + {{generation}} * 57 + 11) % who.seats
     WHERE who.place < {{wanted}}
"""
_CLONED_POSITIONS: Final = """
    INSERT INTO employment_history (contact_id, organization_id, company, company_key, title,
                                    title_normalized, title_terms, start_date, end_date, is_past, source_id)
    SELECT {first} + who.place, e.organization_id, e.company, e.company_key, e.title, e.title_normalized,
           e.title_terms, e.start_date - {generation}, e.end_date - {generation}, e.is_past, e.source_id
      FROM base who JOIN employment_history e ON e.contact_id = who.id
     WHERE who.place < {wanted}
"""


async def _index(settings: Settings, made: dict[str, Any], say: Say) -> None:
    """Build the indices that are missing or of another version of the documents."""
    database = Database(settings.database)
    feed = Feed.connect(settings, database)
    try:
        for entity in ENTITIES:
            if await _is_indexed(feed, entity):
                continue
            async with feed.service() as session:
                unfinished = await rebuild.interrupted(session, entity)
            if unfinished is not None:
                await rebuild.abort(feed, entity)
            say(f"building the index of {entity}")
            done = await rebuild.rebuild(feed, entity, report=_rebuilding(say))
            made[f"{entity}_indexed_per_s"] = round(done.documents / done.seconds)
            say(f"indexed {done.documents:,} {entity}, {made[f'{entity}_indexed_per_s']:,} a second")
            await rebuild.drop_orphans(feed, entity, kept_for_s=0)
    finally:
        await feed.close()
        await database.close()


async def _is_indexed(feed: Feed, entity: Entity) -> bool:
    """Whether the live index is of this version and holds every record."""
    async with feed.service(read_only=True) as session:
        known = await indices.rows(session, entity)
        expected = await catalogue.count(session, entity)
    live = [index for index in known if index.state == "live" and index.schema_hash == schema_hash(entity)]
    if not live or not await indices.exists(feed, live[0].name):
        return False
    return int((await feed.client.count(index=live[0].name))["count"]) == expected


def _rebuilding(say: Say) -> rebuild.Report:
    last = time.monotonic()

    def report(progress: rebuild.Progress) -> None:
        nonlocal last
        if time.monotonic() - last > _TELL_EVERY_S:
            last = time.monotonic()
            say(f"indexed {progress.done:,} of {progress.total:,} {progress.entity}")

    return report
