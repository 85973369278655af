"""How long a change takes from its commit until a search finds it, measured all the time.

Every few seconds one record that nobody has changed is queued, and the index is asked until it answers
with a newer version. So the figure holds for the whole way, also when the system is idle; and when no
indexer runs the last beat grows old, which the status tells. Each indexer reports under its own number.
"""

import asyncio
import math
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from opensearchpy.exceptions import TransportError
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from core.logs import get_logger
from indexer import catalogue, control, indices, queue
from indexer.bulk import BulkSender
from indexer.feed import ENTITIES, Entity, Feed
from indexer.loop import rest

log = get_logger(__name__)

NAMES = "heartbeat:"
EVERY_S = 10.0
# What an indexer reported that has been silent for longer is forgotten; until then the status tells of it.
FORGOTTEN_AFTER_S = 3600.0
# An indexer that has not reported for so long is not there.
SILENT_S = 90.0
PATIENCE_S = 30.0
KEPT = 200
_LOOKS_EVERY_S = 0.02
_COUNTED = ("documents", "conflicts", "rejected", "retried", "busy")


@dataclass(slots=True)
class Heart:
    """Beats for one process, and keeps the last lags of each entity."""

    feed: Feed
    sender: BulkSender
    number: int = 0
    lags_s: dict[Entity, deque[float]] = field(
        default_factory=lambda: {entity: deque(maxlen=KEPT) for entity in ENTITIES}
    )
    _sent: int = 0
    _sent_at: float = field(default_factory=time.monotonic)

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            for entity in ENTITIES:
                await self.beat(entity, stop)
            await self._tell()
            await rest(stop, EVERY_S)

    async def beat(self, entity: Entity, stop: asyncio.Event) -> float | None:
        """Measure once; None when there is nothing to measure with."""
        found = await indices.inspect(self.feed, entity)
        async with self.feed.service(read_only=True) as session:
            ids = await catalogue.after(session, entity, 0, limit=1)
        if found.problem is not None or not ids or await control.is_paused(self.feed):
            return None
        before = await self._written(entity, ids[0])
        started = time.monotonic()
        async with self.feed.service() as session:
            await queue.enqueue(session, entity, ids)
        while not stop.is_set():
            lag = time.monotonic() - started
            if await self._version(entity, ids[0]) > before or lag > PATIENCE_S:
                self.lags_s[entity].append(lag)
                return lag
            # Looked at closely while that tells something; an engine that is down is not hammered.
            await rest(stop, max(_LOOKS_EVERY_S, lag / 10))
        return None

    async def _written(self, entity: Entity, record: int) -> int:
        """The version the engine has, whether searches see it yet or not; 0 when it has none."""
        answer = await self.feed.client.get(
            index=self.feed.alias(entity), id=str(record), params={"_source": "false", "ignore": 404}
        )
        return int(answer.get("_version", 0))

    async def _version(self, entity: Entity, record: int) -> int:
        """The version that searches see; 0 when they see none."""
        try:
            answer = await self.feed.client.search(
                index=self.feed.alias(entity),
                body={
                    "size": 1,
                    "_source": False,
                    "version": True,
                    "query": {"ids": {"values": [str(record)]}},
                },
            )
        except TransportError:
            return 0
        return max((int(hit["_version"]) for hit in answer["hits"]["hits"]), default=0)

    async def _tell(self) -> None:
        counters = self.sender.counters
        now = time.monotonic()
        per_second = (counters.documents - self._sent) / max(now - self._sent_at, 1e-6)
        self._sent, self._sent_at = counters.documents, now
        value = {
            "documents_per_s": round(per_second, 1),
            **{name: getattr(counters, name) for name in _COUNTED},
            "body_documents": self.sender.size,
            "lag_ms": {
                entity: {
                    "p50": round(quantile(list(lags), 0.5) * 1000),
                    "p99": round(quantile(list(lags), 0.99) * 1000),
                    "last": round(lags[-1] * 1000),
                }
                for entity, lags in self.lags_s.items()
                if lags
            },
        }
        async with self.feed.service() as session:
            await control.remember(session, f"{NAMES}{self.number}", value)
            await control.forget_old(session, NAMES, older_than_s=FORGOTTEN_AFTER_S)


async def together(session: AsyncSession) -> dict[str, Any] | None:
    """What all indexers have reported, as one: their work added up, the slowest lag, the youngest moment.

    None when none ever has.
    """
    beats = await control.recall_all(session, NAMES)
    if not beats:
        return None
    now = (await session.execute(text("SELECT clock_timestamp()"))).scalar_one()
    youngest = max(beats, key=lambda beat: beat["at"])
    alive = [beat for beat in beats if (now - beat["at"]).total_seconds() < SILENT_S] or [youngest]
    lags: dict[str, dict[str, int]] = {}
    for beat in alive:
        for entity, lag in beat["lag_ms"].items():
            before = lags.get(entity, {})
            lags[entity] = {name: max(value, before.get(name, 0)) for name, value in lag.items()}
    return {
        "indexers": sum((now - beat["at"]).total_seconds() < SILENT_S for beat in beats),
        "documents_per_s": round(sum(beat["documents_per_s"] for beat in alive), 1),
        "body_documents": min(beat["body_documents"] for beat in alive),
        "lag_ms": lags,
        "at": youngest["at"],
    } | {name: sum(beat[name] for beat in beats) for name in _COUNTED}


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that this share of all does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
