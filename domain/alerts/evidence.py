"""What events rest on, kept once per record and comparison, and what they say, found when they are read.

Thousands of ICPs tell of the same record, and most of what they tell is never read. So a comparison keeps
what had changed and the document that came to fit. Which of the changes matter to an ICP, and by what the
document fitted it, is put into words for the reader, by the reading that the ICP had in that version.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Final
from uuid import UUID

import msgspec
import orjson
from pyroaring import BitMap
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from core.errors import LeadFuelError
from db.sessions import SERVICE, acting
from domain.alerts import baseline, words
from domain.alerts.batches import Seen
from domain.alerts.differences import Differences
from domain.alerts.states import LETTERS, Change
from domain.icps import Icp
from search import stored
from search.conditions import Criteria
from search.criteria import OpenTerms
from search.days import as_of
from search.documents import UNSEARCHED
from search.engine import Searcher
from search.explain import Teller, grounds, teller
from search.request import Entity

_MOST_REASONS: Final = 6

# Changes, and reasons in words.
Told = tuple[list[Change], list[str]]


async def keep(
    session: AsyncSession,
    entity: Entity,
    seen: Seen,
    differences: Differences,
    terms: OpenTerms,
    *,
    token: int,
) -> None:
    """Keep what the events of a comparison rest on, one row per record for all ICPs that tell of it."""
    changed = differences.moved & BitMap(differences.changes)
    records = sorted(differences.entered | changed | BitMap(differences.own))
    if not records:
        return

    def own(record: int) -> str | None:
        found = differences.own.get(record)
        if found is None:
            return None
        told = {str(icp_id): _in_words(entity, changes, terms) for icp_id, changes in found.items()}
        return msgspec.json.encode(told).decode()

    def document(record: int) -> str | None:
        if record not in differences.entered:
            return None
        found = seen.documents[seen.place[record]]
        return orjson.dumps({name: value for name, value in found.items() if name not in UNSEARCHED}).decode()

    await session.execute(
        text(
            """
            INSERT INTO app.alert_evidence (position, entity, record_id, changes, document, own, created_at)
            SELECT :position, CAST(:letter AS "char"), s.record, s.changes, s.document, s.own,
                   (SELECT app.now())
            FROM unnest(CAST(:records AS integer[]), CAST(:changes AS text[]), CAST(:documents AS text[]),
                        CAST(:own AS text[])) AS s (record, changes, document, own)
            """
        ),
        {
            "position": token,
            "letter": LETTERS[entity],
            "records": records,
            "changes": [msgspec.json.encode(differences.changes.get(one, ())).decode() for one in records],
            "documents": [document(one) for one in records],
            "own": [own(one) for one in records],
        },
    )


async def told(
    session: AsyncSession, searcher: Searcher, by_id: Mapping[UUID, Icp], rows: Sequence[Row[Any]]
) -> dict[int, Told]:
    """What events say, by their ids: evidence is read for those alone who may read the event."""
    async with acting(session, SERVICE):
        evidence = await _evidence(session, by_id, rows)
        readings = await _readings(
            session, searcher, by_id, {(row.icp_id, row.version) for row in rows if row.kind == "e"}
        )
    telling = _Telling(readings, await searcher.terms())
    return {
        row.id: telling.told(
            by_id[row.icp_id].entity,
            row,
            evidence.get((row.position, by_id[row.icp_id].entity, row.record_id)),
        )
        for row in rows
    }


@dataclass(frozen=True, slots=True)
class _Evidence:
    changes: list[Change]
    document: dict[str, Any] | None
    own: dict[str, Told]


async def _evidence(
    session: AsyncSession, by_id: Mapping[UUID, Icp], rows: Sequence[Row[Any]]
) -> dict[tuple[int, Entity, int], _Evidence]:
    asked = sorted({(row.position, by_id[row.icp_id].entity, row.record_id) for row in rows})
    found = await session.execute(
        text(
            """
            SELECT e.position, n.place, e.changes, e.document, e.own
            FROM unnest(CAST(:positions AS bigint[]), CAST(:letters AS "char"[]), CAST(:records AS integer[]))
                 WITH ORDINALITY AS n (position, entity, record_id, place)
            JOIN app.alert_evidence e USING (position, entity, record_id)
            """
        ),
        {
            "positions": [position for position, _, _ in asked],
            "letters": [LETTERS[entity] for _, entity, _ in asked],
            "records": [record for _, _, record in asked],
        },
    )
    return {
        asked[row.place - 1]: _Evidence(
            changes=msgspec.json.decode(row.changes, type=list[Change]),
            document=orjson.loads(row.document) if row.document else None,
            own=msgspec.json.decode(row.own, type=dict[str, Told]) if row.own else {},
        )
        for row in found
    }


@dataclass(frozen=True, slots=True)
class _Reading:
    """What an ICP asked for in one version, and how that was read."""

    icp: Icp
    criteria: Criteria


async def _readings(
    session: AsyncSession,
    searcher: Searcher,
    by_id: Mapping[UUID, Icp],
    asked: set[tuple[UUID, int]],
) -> dict[tuple[UUID, int], _Reading]:
    """The readings of these versions; one that another release has written is read anew, if it can be."""
    rows = await session.execute(
        text(
            "SELECT v.icp_id, v.version, v.filters, v.criteria FROM app.icp_versions v"
            " JOIN unnest(CAST(:icps AS uuid[]), CAST(:versions AS integer[])) AS n (icp_id, version)"
            " USING (icp_id, version)"
        ),
        {"icps": [icp_id for icp_id, _ in asked], "versions": [version for _, version in asked]},
    )
    found = {}
    for row in rows:
        icp = replace(by_id[row.icp_id], filters=row.filters, version=row.version)
        try:
            criteria = stored.load(row.criteria or {})
        except stored.OtherShape:
            try:
                criteria = (await baseline.selected(searcher, icp)).criteria
            except LeadFuelError:
                continue
        found[row.icp_id, row.version] = _Reading(icp, criteria)
    return found


class _Telling:
    """Puts events into words; what explains one event of an ICP explains the next."""

    def __init__(self, readings: Mapping[tuple[UUID, int], _Reading], terms: OpenTerms) -> None:
        self._readings = readings
        self._terms = terms
        self._tellers: dict[tuple[UUID, int, date], list[Teller]] = {}

    def told(self, entity: Entity, row: Row[Any], seen: _Evidence | None) -> Told:
        """The changes and reasons of one event."""
        if row.kind == "r":
            return [], [words.REMOVED]
        changes, reasons = self._seen(entity, row, seen) if seen else ([], [])
        if row.kind == "l" and not changes:
            return [], [words.NO_LONGER]
        # All changes that somebody has asked for are told; of what explains the rest, the first.
        return changes, reasons if row.kind == "c" else reasons[:_MOST_REASONS]

    def _seen(self, entity: Entity, row: Row[Any], seen: _Evidence) -> Told:
        own = seen.own.get(str(row.icp_id))
        if own is not None:
            return own
        if row.kind == "e":
            return [], self._why(row, seen.document or {})
        changes = [one for one in seen.changes if row.kind == "l" or one.field in row.fields]
        return _in_words(entity, changes, self._terms)

    def _why(self, row: Row[Any], document: Mapping[str, Any]) -> list[str]:
        return [word for tell in self._tellers_of(row) if (word := tell(document))]

    def _tellers_of(self, row: Row[Any]) -> list[Teller]:
        """What explains why somebody fitted that version, on the day of the event."""
        key = (row.icp_id, row.version, row.created_at.date())
        known = self._tellers.get(key)
        if known is None:
            reading, known = self._readings.get(key[:2]), []
            if reading is not None:
                entity = reading.icp.entity
                criteria = as_of(reading.criteria, reading.icp.request().filters, key[2])
                known = [teller(ground, entity, self._terms) for _, ground in grounds(criteria)]
            self._tellers[key] = known
        return known


def _in_words(entity: Entity, changes: Sequence[Change], terms: OpenTerms) -> Told:
    return list(changes), [words.say(entity, change, terms) for change in changes]
