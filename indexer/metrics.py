"""The status as Prometheus reads it."""

from collections.abc import Iterator
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from indexer.status import EntityStatus, Status

_GAUGES = {
    "healthy": "1 when nothing about the index needs attention",
    "engine_up": "1 when OpenSearch answers and is of a version we can use",
    "paused": "1 while an operator has paused the feed",
    "fanouts": "changed organizations whose contacts are not queued yet",
    "records": "records in PostgreSQL",
    "documents": "documents a search can see",
    "writable": "1 when the index is as the feed needs it",
    "queued": "changes that wait",
    "oldest_seconds": "age of the oldest change that waits",
    "dead_letters": "documents the engine will not take",
    "rebuild_running": "1 while a process builds a new index, 0 when one was interrupted",
    "rebuild_done": "records that the rebuild has scanned",
    "rebuild_records": "records that the rebuild has to scan",
    "rebuild_per_second": "records the rebuild scans in a second",
    "rebuild_left_seconds": "seconds until the rebuild has scanned all",
    "verify_drift": "documents that differed at the last verify",
    "verify_undecided": "documents the last verify could not judge, for they were being changed",
    "verify_age_seconds": "seconds since the last verify",
    "lag_seconds": "from commit to searchable, the last beats",
    "indexers": "indexers that have reported lately",
    "heartbeat_age_seconds": "seconds since an indexer last reported",
    "documents_per_second": "documents the indexers sent lately",
    "body_documents": "documents in one body at the most, the smallest of the indexers",
}
_COUNTERS = {
    "sent": "documents sent to the engine",
    "conflicts": "documents the engine had newer already",
    "rejected": "documents the engine refused for good",
    "retried": "documents sent again",
    "busy": "answers of the engine that asked for patience",
}

Sample = tuple[str, dict[str, str], float]


def exposition(found: Status) -> bytes:
    """All figures in the text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Figures(found))
    return generate_latest(registry)


class _Figures:
    """What the library collects: one status, every figure of it."""

    def __init__(self, found: Status) -> None:
        self._found = found

    def collect(self) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
        families: dict[str, GaugeMetricFamily | CounterMetricFamily] = {}
        for name, labels, value in _samples(self._found):
            if name not in families:
                kind, text = (
                    (CounterMetricFamily, _COUNTERS[name])
                    if name in _COUNTERS
                    else (GaugeMetricFamily, _GAUGES[name])
                )
                families[name] = kind(f"leadfuel_index_{name}", text, labels=list(labels))
            families[name].add_metric(list(labels.values()), value)
        yield from families.values()


def _samples(found: Status) -> Iterator[Sample]:
    yield "healthy", {}, float(found.healthy)
    yield "engine_up", {}, float(found.engine_problem is None)
    yield "paused", {}, float(found.paused is not None)
    yield "fanouts", {}, found.fanouts
    for entity in found.entities:
        labels: dict[str, str] = {"entity": entity.entity}
        for name, value in _of_entity(entity):
            yield name, labels, value
        if entity.last_verify is not None:
            yield "verify_age_seconds", labels, found.age_s(entity.last_verify)
    if found.heartbeat is not None:
        yield "heartbeat_age_seconds", {}, found.age_s(found.heartbeat)
        yield from _of_indexers(found.heartbeat)


def _of_entity(entity: EntityStatus) -> Iterator[tuple[str, float]]:
    yield "records", entity.records
    if entity.documents is not None:
        yield "documents", entity.documents
    yield "writable", float(entity.problem is None)
    yield "queued", entity.queued.rows
    yield "oldest_seconds", entity.queued.oldest_age_s
    yield "dead_letters", entity.dead_letters
    rebuilding = entity.rebuilding
    if rebuilding is not None:
        yield "rebuild_running", float(rebuilding.running)
        yield "rebuild_done", rebuilding.rows_done
        yield "rebuild_records", rebuilding.rows_total
        if rebuilding.seconds_left is not None:
            yield "rebuild_per_second", rebuilding.per_second or 0.0
            yield "rebuild_left_seconds", rebuilding.seconds_left
    if entity.last_verify is not None:
        yield "verify_drift", entity.last_verify["drift"]
        yield "verify_undecided", entity.last_verify["undecided"]


def _of_indexers(beat: dict[str, Any]) -> Iterator[Sample]:
    yield "indexers", {}, beat["indexers"]
    yield "documents_per_second", {}, beat["documents_per_s"]
    yield "body_documents", {}, beat["body_documents"]
    yield "sent", {}, beat["documents"]
    for counter in ("conflicts", "rejected", "retried", "busy"):
        yield counter, {}, beat[counter]
    for entity, lags in beat["lag_ms"].items():
        for quantile in ("p50", "p99"):
            yield "lag_seconds", {"entity": entity, "quantile": quantile}, lags[quantile] / 1000
