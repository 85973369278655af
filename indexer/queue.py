"""The queue of changed records, as the worker sees it.

Triggers only append to `search_dirty`, in the transaction of the change. A worker claims rows with a
lease, folds those of one record, and after the write deletes exactly the rows it claimed: a later change
is a later row, so nothing is compared and nothing is lost. Leases run by PostgreSQL's own clock.
"""

import secrets
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from indexer.feed import ENTITY_OF, LETTERS, Entity

# Direct edits come before what a renamed company's fan-out or a repair puts in.
DIRECT = 0
BULK = 10

# A version further ahead than this is not one that tokens will reach.
FARTHEST_VERSION = 1_000_000

# The id of no record: a row with it says that the whole table was truncated.
EVERYTHING = 0

# A living indexer holds an advisory lock of this number and its own. Its own is also the first 32 bits of its
# claims' ids; claims of nobody in particular wait for their lease.
INDEXERS = 0x1EADF0E2
NOBODY = 0

Key = tuple[Entity, int]


@dataclass(frozen=True, slots=True)
class Claim:
    """Rows that are this worker's until the lease ends: per record the rows it was queued by."""

    id: uuid.UUID
    rows: dict[Key, tuple[int, ...]]

    def ids(self, entity: Entity) -> list[int]:
        """The records of one entity, in order, without the mark of a truncation."""
        return sorted(record for name, record in self.rows if name == entity and record != EVERYTHING)

    def truncated(self) -> list[Entity]:
        return [entity for entity, record in self.rows if record == EVERYTHING]

    def sequence_numbers(self, keys: Iterable[Key]) -> list[int]:
        return [number for key in keys for number in self.rows[key]]


@dataclass(frozen=True, slots=True)
class Depth:
    """How much waits, and for how long the oldest of it has."""

    rows: int
    oldest_age_s: float


async def claim(
    session: AsyncSession, *, entities: Sequence[Entity], limit: int, lease_s: float, indexer: int = NOBODY
) -> Claim | None:
    """Take up to `limit` rows that nobody holds, the urgent and old ones first; None when there are none."""
    mine = uuid.UUID(int=indexer << 96 | secrets.randbits(96))
    found = await session.execute(
        text(
            """
            WITH free AS MATERIALIZED (
                SELECT seq FROM search_dirty
                WHERE entity = ANY(CAST(:letters AS "char"[]))
                  AND (claimed_until IS NULL OR claimed_until < clock_timestamp())
                ORDER BY priority, seq
                LIMIT :limit
                FOR UPDATE SKIP LOCKED
            )
            UPDATE search_dirty AS queued
            SET claimed_by = :mine, claimed_until = clock_timestamp() + make_interval(secs => :lease_s)
            FROM free WHERE queued.seq = free.seq
            RETURNING queued.seq, CAST(queued.entity AS text), queued.id
            """
        ),
        {
            "letters": [LETTERS[entity] for entity in entities],
            "limit": limit,
            "mine": mine,
            "lease_s": lease_s,
        },
    )
    folded: dict[Key, list[int]] = {}
    for number, letter, record in found:
        folded.setdefault((ENTITY_OF[letter], record), []).append(number)
    if not folded:
        return None
    return Claim(mine, {key: tuple(numbers) for key, numbers in folded.items()})


async def draw_token(session: AsyncSession) -> int:
    """The fencing token of a batch: drawn after the claim has committed and before the rows are read.

    Whoever claims later draws a higher one and reads a later snapshot; the engine keeps the higher.
    """
    return int((await session.execute(text("SELECT nextval('index_token')"))).scalar_one())


async def last_token(session: AsyncSession) -> int:
    """The highest token anybody has drawn."""
    return int((await session.execute(text("SELECT last_value FROM index_token"))).scalar_one())


async def outrun(session: AsyncSession, version: int, *, margin: int) -> bool:
    """Draw tokens until they are past a version by a margin; False when it is out of reach."""
    at = await draw_token(session)
    if version - at > FARTHEST_VERSION:
        return False
    await session.execute(
        text("SELECT max(nextval('index_token')) FROM generate_series(1, :count)"),
        {"count": max(0, version - at) + margin},
    )
    return True


async def acknowledge(session: AsyncSession, held: Claim, keys: Iterable[Key]) -> int:
    """Delete the claimed rows of these records, and no others; how many there still were."""
    deleted = await session.execute(
        text("DELETE FROM search_dirty WHERE seq = ANY(:numbers) AND claimed_by = :mine RETURNING 1"),
        {"numbers": held.sequence_numbers(keys), "mine": held.id},
    )
    return len(deleted.all())


async def note_applied(session: AsyncSession, entity: Entity, ids: Sequence[int], *, token: int) -> None:
    """Say which records the index now holds as they were at the token; saved searches go on from there."""
    if not ids:
        return
    await session.execute(
        text(
            """
            INSERT INTO applied (entity, id, token)
            SELECT CAST(:letter AS "char"), unnest(CAST(:ids AS integer[])), :token
            """
        ),
        {"letter": LETTERS[entity], "ids": list(ids), "token": token},
    )


async def forget_applied(session: AsyncSession, *, older_than_s: float, at_once: int = 50_000) -> int:
    """Delete what was applied long ago and is of no use to alerts any more; how many, at most `at_once`."""
    deleted = await session.execute(
        text(
            """
            DELETE FROM applied WHERE seq IN (
                SELECT seq FROM applied
                WHERE applied_at < clock_timestamp() - make_interval(secs => :older_than_s)
                  AND seq <= ALL (SELECT position FROM alert_position)
                ORDER BY seq LIMIT :at_once
            ) RETURNING 1
            """
        ),
        {"older_than_s": older_than_s, "at_once": at_once},
    )
    return len(deleted.all())


async def release(session: AsyncSession, held: Claim, keys: Iterable[Key], *, delay_s: float) -> None:
    """Give the rows of these records back, to be claimed again after a pause."""
    await session.execute(
        text(
            """
            UPDATE search_dirty SET claimed_until = clock_timestamp() + make_interval(secs => :delay_s)
            WHERE seq = ANY(:numbers) AND claimed_by = :mine
            """
        ),
        {"numbers": held.sequence_numbers(keys), "mine": held.id, "delay_s": delay_s},
    )


async def release_dead(session: AsyncSession) -> int:
    """Give back the rows of indexers that are no more, before their leases end; how many.

    That an indexer lives is what PostgreSQL says: a killed process, or a lost connection, holds no lock. One
    that was taken for dead by mistake only works in vain: its tokens are older than those of who takes over.
    """
    released = await session.execute(
        text(
            """
            WITH orphaned AS MATERIALIZED (
                SELECT seq FROM search_dirty
                WHERE claimed_until > clock_timestamp()
                  AND left(CAST(claimed_by AS text), 8) <> '00000000'
                  AND NOT EXISTS (
                      SELECT FROM pg_locks
                      WHERE locktype = 'advisory' AND objsubid = 2 AND classid = CAST(:indexers AS oid)
                        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
                        AND lpad(to_hex(CAST(objid AS bigint)), 8, '0') = left(CAST(claimed_by AS text), 8)
                  )
                FOR UPDATE SKIP LOCKED
            )
            UPDATE search_dirty AS queued SET claimed_until = clock_timestamp()
            FROM orphaned WHERE queued.seq = orphaned.seq
            RETURNING 1
            """
        ),
        {"indexers": INDEXERS},
    )
    return len(released.all())


async def enqueue(
    session: AsyncSession, entity: Entity, ids: Sequence[int], *, priority: int = DIRECT
) -> None:
    """Queue records as the triggers do."""
    if not ids:
        return
    await session.execute(
        text(
            """
            INSERT INTO search_dirty (entity, id, priority)
            SELECT CAST(:letter AS "char"), unnest(CAST(:ids AS integer[])), :priority
            """
        ),
        {"letter": LETTERS[entity], "ids": list(ids), "priority": priority},
    )
    await session.execute(text("SELECT pg_notify('search_dirty', '')"))


async def forget(session: AsyncSession, entity: Entity) -> None:
    """Delete the free rows of an entity without looking at them: a scan that begins later makes up for it.

    For the index, that is. Saved searches that are watched have still to hear of the changes, and after a
    TRUNCATE of whomever they have seen.
    """
    await session.execute(
        text(
            """
            WITH gone AS (
                DELETE FROM search_dirty WHERE seq IN (
                    SELECT seq FROM search_dirty
                    WHERE entity = CAST(:letter AS "char")
                      AND (claimed_until IS NULL OR claimed_until < clock_timestamp())
                    FOR UPDATE SKIP LOCKED
                ) RETURNING id
            )
            INSERT INTO applied (entity, id, token)
            SELECT CAST(:letter AS "char"), news.id, CAST(:token AS bigint)
            FROM (SELECT id FROM gone WHERE id <> :everything
                  UNION
                  SELECT record_id FROM alert_states
                  WHERE entity = CAST(:letter AS "char")
                    AND EXISTS (SELECT FROM gone WHERE id = :everything)) AS news
            WHERE EXISTS (SELECT FROM alert_position)
            """
        ),
        {"letter": LETTERS[entity], "token": await draw_token(session), "everything": EVERYTHING},
    )


async def compact(session: AsyncSession, *, at_once: int = 200_000) -> int:
    """Fold free rows of the same record into one, for up to `at_once` records; how many rows fell away.

    Only rows that this transaction has locked are folded. Had the row that stays been claimed already,
    its holder might have read the record before the folded change was committed.

    Rows are found again by their numbers, which have an index, never by their records: the table's statistics
    are mostly those of an empty queue, and a plan made from them would read all of it once per record.
    """
    deleted = await session.execute(
        text(
            """
            WITH repeated AS (
                SELECT array_agg(seq) AS numbers FROM search_dirty
                WHERE claimed_until IS NULL OR claimed_until < clock_timestamp()
                GROUP BY entity, id HAVING count(*) > 1
                LIMIT :at_once
            ), held AS MATERIALIZED (
                SELECT queued.seq, queued.entity, queued.id, queued.priority
                FROM search_dirty AS queued
                WHERE queued.seq IN (SELECT unnest(numbers) FROM repeated)
                  AND (queued.claimed_until IS NULL OR queued.claimed_until < clock_timestamp())
                FOR UPDATE OF queued SKIP LOCKED
            ), ranked AS (
                SELECT seq, row_number() OVER (PARTITION BY entity, id ORDER BY priority, seq) AS place
                FROM held
            )
            DELETE FROM search_dirty AS queued USING ranked
            WHERE queued.seq = ranked.seq AND ranked.place > 1
            RETURNING 1
            """
        ),
        {"at_once": at_once},
    )
    return len(deleted.all())


async def depth(session: AsyncSession, entity: Entity) -> Depth:
    found = await session.execute(
        text(
            """
            SELECT count(*),
                   coalesce(extract(epoch FROM clock_timestamp() - min(queued_at)), 0)
            FROM search_dirty WHERE entity = CAST(:letter AS "char")
            """
        ),
        {"letter": LETTERS[entity]},
    )
    rows, age = found.one()
    return Depth(rows=int(rows), oldest_age_s=max(0.0, float(age)))


async def queued_among(session: AsyncSession, entity: Entity, ids: Sequence[int]) -> set[int]:
    """Which of these records are waiting, whoever holds their rows."""
    found = await session.execute(
        text(
            """
            SELECT DISTINCT id FROM search_dirty
            WHERE entity = CAST(:letter AS "char") AND id = ANY(CAST(:ids AS integer[]))
            """
        ),
        {"letter": LETTERS[entity], "ids": list(ids)},
    )
    return set(found.scalars())


async def newest(session: AsyncSession) -> int:
    """The number of the youngest row that can be seen; 0 for an empty queue."""
    found = await session.execute(text("SELECT coalesce(max(seq), 0) FROM search_dirty"))
    return int(found.scalar_one())


async def waiting_up_to(session: AsyncSession, entities: Sequence[Entity], number: int) -> int:
    """How many rows up to this number are still there."""
    found = await session.execute(
        text(
            """
            SELECT count(*) FROM search_dirty
            WHERE entity = ANY(CAST(:letters AS "char"[])) AND seq <= :number
            """
        ),
        {"letters": [LETTERS[entity] for entity in entities], "number": number},
    )
    return int(found.scalar_one())
