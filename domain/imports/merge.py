"""Staged rows into the catalogue: new records by plain INSERT, changed ones by UPDATE, all set-wise.

A source's word counts when it changes. Per source and key the values it last stated are kept; a field whose
stated value changed becomes the record's value, unless a person has set that field (source `manual`);
a value that is absent erases nothing; the values that lose stay in the statements. Who was matched is
decided before, by `people` and `companies`; nothing here uses ON CONFLICT, which would burn ids.
"""

import operator
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from typing import Any, Final

import asyncpg
import orjson

from domain.imports import copytext, load, record, rows
from domain.imports.shapes import CONTACTS, DERIVED, Shape

MANUAL: Final = "manual"
# A dry run from a source that nobody has named yet: it knows nothing and writes nothing.
NO_SOURCE: Final = -1
# A field that flips every day must not let its memory grow without end.
_MAX_SUPERSEDED: Final = 100
_NAME_PARTS: Final = ("first_name", "middle_name", "last_name")

AnyRow = rows.ContactRow | rows.OrganizationRow


@dataclass(slots=True)
class Known:
    """What the catalogue has under a source's key."""

    record_id: int
    digest: bytes | None


@dataclass(slots=True)
class New:
    """A row that makes a record."""

    row: AnyRow
    key: str
    employer_id: int | None = None
    # Where the row's own columns may not be taken as they are (a doubtful domain).
    cells: str | None = None
    record_id: int = 0


@dataclass(slots=True)
class Change:
    """A row about a record that is there: its source says something new, or speaks for the first time."""

    record_id: int
    key: str
    statement: bytes
    digest: bytes
    raw: dict[str, str]
    known: bool
    employer_id: int | None = None
    withheld: frozenset[str] = frozenset()
    # Fields that the row erases; only a person's edit does.
    erased: frozenset[str] = frozenset()


@dataclass(slots=True)
class _State:
    """A record while the changes of one batch are applied to it."""

    provenance: dict[str, int]
    names: dict[str, str | None]
    values: dict[str, Any] = field(default_factory=dict)
    organization_id: int | None = None


async def source_id(connection: asyncpg.Connection, name: str) -> int:
    """The id of a source; a new name becomes one."""
    found = await connection.fetchval("SELECT id FROM sources WHERE name = $1", name)
    if found is None:
        # Two imports may introduce the same source at once; one of them finds the other's row afterwards.
        await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", f"source:{name}")
        found = await connection.fetchval("SELECT id FROM sources WHERE name = $1", name)
    if found is None:
        found = await connection.fetchval("INSERT INTO sources (name) VALUES ($1) RETURNING id", name)
    return int(found)


async def known_keys(
    connection: asyncpg.Connection, shape: Shape, *, source: int, keys: Sequence[str]
) -> dict[str, Known]:
    """Those of the keys that the source has used, with the record and the digest of its statement."""
    found = await connection.fetch(
        f"SELECT source_key, {shape.record_column}, values_hash FROM {shape.sources}"  # noqa: S608 - from the shape
        " WHERE source_id = $1 AND source_key = ANY($2::text[])",
        source,
        keys,
    )
    return {key: Known(record_id, digest) for key, record_id, digest in found}


async def touch(
    connection: asyncpg.Connection, shape: Shape, *, source: int, keys: Sequence[str], today: date
) -> None:
    """Note that the source still says the same: once a day, and nowhere but in its own statement."""
    if keys:
        await connection.execute(
            f"UPDATE {shape.sources} SET last_seen = $3"  # noqa: S608 - from the shape
            " WHERE source_id = $1 AND source_key = ANY($2::text[]) AND last_seen < $3",
            source,
            keys,
            today,
        )


async def insert(
    connection: asyncpg.Connection, shape: Shape, news: Sequence[New], *, source: int, today: date
) -> None:
    """Make the records in the order of `news` and give each its id."""
    if not news:
        return
    await load.stage_new(connection, shape, (_new_line(shape, i, new) for i, new in enumerate(news)))
    created = await connection.fetch(_insert_sql(shape), source, today)
    for ordinal, record_id in created:
        news[ordinal].record_id = record_id


def _new_line(shape: Shape, ordinal: int, new: New) -> str:
    employer = (
        f"{copytext.NULL if new.employer_id is None else new.employer_id}\t" if shape is CONTACTS else ""
    )
    cells = new.row.cells if new.cells is None else new.cells
    return f"{ordinal}\t{employer}{cells}\t{copytext.text(new.key)}\n"


@cache
def _insert_sql(shape: Shape) -> str:
    """Ids follow the ordinals: defaults are drawn while the sorted rows are inserted."""
    columns = ", ".join(shape.columns)
    taken = ", ".join(
        "coalesce(last_refreshed_at, app.now())" if column == "last_refreshed_at" else column
        for column in shape.columns
    )
    return f"""
        WITH made AS (
            INSERT INTO {shape.entity} ({columns}, provenance)
            SELECT {taken}, provenance FROM {shape.staged_new} ORDER BY ordinal
            RETURNING id
        ), numbered AS (
            SELECT id, row_number() OVER (ORDER BY id) - 1 AS ordinal FROM made
        ), said AS (
            INSERT INTO {shape.sources}
                   ({shape.record_column}, source_id, source_key, "values", raw, values_hash,
                    first_seen, last_seen)
            SELECT n.id, $1, s.source_key, s.statement, s.raw, s.digest, $2, $2
              FROM {shape.staged_new} s JOIN numbered n USING (ordinal)
        )
        SELECT ordinal, id FROM numbered
    """  # noqa: S608 - every name comes from the shape


async def apply(
    connection: asyncpg.Connection,
    shape: Shape,
    changes: Sequence[Change],
    *,
    source: int,
    manual: int | None,
    hash_key: bytes,
    today: date,
) -> set[int]:
    """Carry the changes into the records and the statements; the ids of the records that changed."""
    if not changes:
        return set()
    if source == NO_SOURCE:
        return {change.record_id for change in changes}
    states = await _states(connection, shape, {change.record_id for change in changes})
    memory = await _statements(connection, shape, source, [change.key for change in changes if change.known])
    lines = []
    for change in changes:
        statement = orjson.loads(change.statement)
        said = memory.get(change.key)
        before = said["values"] if said else {}
        # A person who says less than before means it; a file only has a column less.
        is_news = operator.ne if source == manual else _is_news
        news = {name: value for name, value in statement.items() if is_news(before.get(name), value)}
        state = states[change.record_id]
        _take(state, change, news, source=source, manual=manual, stated=statement)
        lines.append(_statement_line(change, news, before, said, today))
        # A later change of the same batch may speak under the same key.
        memory[change.key] = _remembered(change, news, before, said, today)
    updated = await _update(connection, shape, states, hash_key=hash_key)
    await load.stage_statements(connection, lines)
    await connection.execute(_say_again_sql(shape), source, today)
    await connection.execute(_say_first_sql(shape), source, today)
    return updated


def _is_news(before: Any, value: Any) -> bool:
    """Whether a value says more than "the same as before", or less: a country where a city was known."""
    if isinstance(before, dict) and isinstance(value, dict):
        return any(before.get(part) != said for part, said in value.items() if part != "text")
    return bool(before != value)


def _take(
    state: _State,
    change: Change,
    news: dict[str, Any],
    *,
    source: int,
    manual: int | None,
    stated: dict[str, Any],
) -> None:
    """Let the fields that count become the record's."""
    by_hand = source == manual
    # A source that speaks of one record under a second key (a second listing) only adds what is missing.
    adds_only = not change.known and not by_hand and source in state.provenance.values()
    taken = dict(news)
    if "email" in news and "email_status" not in stated:
        # What was known of another address says nothing of this one.
        taken |= {"email_status": None, "email_verified_at": None}
    taken |= dict.fromkeys(change.erased)
    for name, value in taken.items():
        owner = state.provenance.get(name)
        if name in change.withheld or (owner is not None and owner == manual and not by_hand):
            continue
        if adds_only and owner is not None:
            continue
        if name == "organization":
            if change.employer_id is None and name not in change.erased:
                continue
            state.organization_id = change.employer_id
        if name in _NAME_PARTS:
            state.names[name] = value
        state.values[name] = value
        if name in DERIVED:
            continue
        if value is None and not by_hand:
            state.provenance.pop(name, None)
        else:
            state.provenance[name] = source


def _remembered(
    change: Change, news: dict[str, Any], before: dict[str, Any], said: dict[str, Any] | None, today: date
) -> dict[str, Any]:
    """The statement with its memory: what held until today, and since when the present values hold."""
    day = today.isoformat()
    since = dict(said["since"]) if said else {}
    superseded = list(said["superseded"]) if said else []
    first_seen = said["first_seen"] if said else day
    gone = {name: before[name] for name in change.erased if name in before}
    for name in [*news, *gone]:
        if name in before:
            superseded.append(
                {"field": name, "value": before[name], "since": since.get(name, first_seen), "until": day}
            )
        if said and day != first_seen:
            since[name] = day
    values = {name: value for name, value in (before | news).items() if name not in change.erased}
    raw = (said["raw"] if said else {}) | change.raw
    return {
        "values": values,
        "raw": {name: text for name, text in raw.items() if name in change.raw or name not in news},
        "since": {name: value for name, value in since.items() if name in values},
        "superseded": superseded[-_MAX_SUPERSEDED:],
        "first_seen": first_seen,
    }


def _statement_line(
    change: Change, news: dict[str, Any], before: dict[str, Any], said: dict[str, Any] | None, today: date
) -> str:
    now = _remembered(change, news, before, said, today)
    cells = (
        str(change.record_id),
        copytext.text(change.key),
        *(copytext.json(now[part]) for part in ("values", "raw", "since", "superseded")),
        copytext.binary(change.digest),
    )
    return "\t".join(cells) + "\n"


async def _states(connection: asyncpg.Connection, shape: Shape, ids: Collection[int]) -> dict[int, _State]:
    names = ", ".join(_NAME_PARTS) if shape is CONTACTS else "NULL, NULL, NULL"
    found = await connection.fetch(
        f"SELECT id, provenance::text, {names} FROM {shape.entity}"  # noqa: S608 - from the shape
        " WHERE id = ANY($1::int[]) ORDER BY id FOR NO KEY UPDATE",
        sorted(ids),
    )
    return {
        row[0]: _State(orjson.loads(row[1]), dict(zip(_NAME_PARTS, row[2:5], strict=True))) for row in found
    }


async def _statements(
    connection: asyncpg.Connection, shape: Shape, source: int, keys: list[str]
) -> dict[str, dict[str, Any]]:
    if not keys:
        return {}
    found = await connection.fetch(
        f'SELECT source_key, "values"::text, raw::text, since::text, superseded::text, first_seen'  # noqa: S608
        f" FROM {shape.sources} WHERE source_id = $1 AND source_key = ANY($2::text[])",
        source,
        keys,
    )
    return {
        row[0]: {
            "values": orjson.loads(row[1]),
            "raw": orjson.loads(row[2]),
            "since": orjson.loads(row[3]),
            "superseded": orjson.loads(row[4]),
            "first_seen": row[5].isoformat(),
        }
        for row in found
    }


async def _update(
    connection: asyncpg.Connection, shape: Shape, states: dict[int, _State], *, hash_key: bytes
) -> set[int]:
    """Write the records whose fields changed, in the order of their ids."""
    lines = [
        _change_line(shape, record_id, state, hash_key)
        for record_id, state in sorted(states.items())
        if state.values
    ]
    if not lines:
        return set()
    await load.stage_changes(connection, shape, lines)
    return {row[0] for row in await connection.fetch(_update_sql(shape))}


def _change_line(shape: Shape, record_id: int, state: _State, hash_key: bytes) -> str:
    fields = set(state.values)
    stated = {name: value for name, value in state.values.items() if value is not None}
    if fields & set(_NAME_PARTS):
        fields |= {"names", *_NAME_PARTS}
        stated |= {name: value for name, value in state.names.items() if value is not None}
    columns = record.COLUMNS[shape.entity](stated, hash_key=hash_key)
    employer = ""
    if shape is CONTACTS:
        employer = f"{copytext.NULL if state.organization_id is None else state.organization_id}\t"
    cells = rows.encode(shape, columns)
    provenance = copytext.json(state.provenance)
    return f"{record_id}\t{copytext.array(sorted(fields))}\t{employer}{cells}\t{provenance}\n"


@cache
def _update_sql(shape: Shape) -> str:
    """Every column of a field that changes; a record for which nothing differs is left alone."""
    new = {
        column: f"CASE WHEN '{shape.field_of[column]}' = ANY (s.fields) THEN s.{column} ELSE c.{column} END"
        for column in shape.columns
    }
    # What other files said beside the fields stays.
    new["enrichment"] = "c.enrichment || coalesce(s.enrichment, '{}')"
    compared = [column for column in shape.columns if column != "last_refreshed_at"]
    refreshed = "greatest(c.last_refreshed_at, coalesce(s.last_refreshed_at, app.now()))"
    sets = ", ".join(f"{column} = {new[column]}" for column in compared)
    return f"""
        UPDATE {shape.entity} c
           SET {sets}, provenance = s.provenance, updated_at = app.now(), last_refreshed_at = {refreshed}
          FROM {shape.staged_changes} s
         WHERE c.id = s.record_id
           AND ((s.last_refreshed_at > c.last_refreshed_at)
                OR ROW({", ".join(f"c.{column}" for column in compared)})
                   IS DISTINCT FROM ROW({", ".join(new[column] for column in compared)}))
        RETURNING c.id
    """  # noqa: S608 - every name comes from the shape


@cache
def _say_again_sql(shape: Shape) -> str:
    return f"""
        UPDATE {shape.sources} t
           SET "values" = s.statement, raw = s.raw, since = s.since, superseded = s.superseded,
               values_hash = s.digest, last_seen = $2, {shape.record_column} = s.record_id
          FROM pg_temp.staged_statements s
         WHERE t.source_id = $1 AND t.source_key = s.source_key
    """  # noqa: S608 - every name comes from the shape


@cache
def _say_first_sql(shape: Shape) -> str:
    return f"""
        INSERT INTO {shape.sources} ({shape.record_column}, source_id, source_key, "values", raw, since,
                                     superseded, values_hash, first_seen, last_seen)
        SELECT s.record_id, $1, s.source_key, s.statement, s.raw, s.since, s.superseded, s.digest, $2, $2
          FROM pg_temp.staged_statements s
         WHERE NOT EXISTS (SELECT FROM {shape.sources} t
                            WHERE t.source_id = $1 AND t.source_key = s.source_key)
    """  # noqa: S608 - every name comes from the shape


async def add_terms(connection: asyncpg.Connection, terms: Iterable[tuple[str, str, str]]) -> None:
    """Store the codes of industries, technologies and keywords that are new, each with its first spelling."""
    by_code = {(kind, code): name for kind, code, name in terms if code}
    if by_code:
        await connection.execute(
            """
            INSERT INTO vocabulary_terms (kind, code, display_name)
            SELECT * FROM unnest($1::text[], $2::text[], $3::text[]) AS n (kind, code, display_name)
             WHERE NOT EXISTS (SELECT FROM vocabulary_terms t WHERE t.kind = n.kind AND t.code = n.code)
            """,
            [kind for kind, _ in by_code],
            [code for _, code in by_code],
            list(by_code.values()),
        )
