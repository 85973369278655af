"""The status as Prometheus reads it."""

from collections.abc import Iterator

from indexer.status import Status

_HELP = {
    "healthy": "1 when nothing about the index needs attention",
    "paused": "1 while an operator has paused the feed",
    "fanouts": "changed organizations whose contacts are not queued yet",
    "records": "records in PostgreSQL",
    "documents": "documents a search can see",
    "queued": "changes that wait",
    "oldest_seconds": "age of the oldest change that waits",
    "dead_letters": "documents the engine will not take",
    "rebuild_done": "records a running rebuild has scanned",
    "rebuild_total": "records a running rebuild has to scan",
    "verify_drift": "documents that differed at the last verify",
    "verify_age_seconds": "seconds since the last verify",
    "lag_seconds": "from commit to searchable",
    "heartbeat_age_seconds": "seconds since an indexer last reported",
    "documents_per_second": "documents the indexer sent lately",
    "conflicts_total": "documents the engine had newer already",
    "retried_total": "documents sent again",
    "busy_total": "answers of the engine that asked for patience",
}


def exposition(found: Status) -> str:
    """All figures in the text format, each family with its help and type."""
    families: dict[str, list[str]] = {}
    for name, labels, value in _samples(found):
        shown = ",".join(f'{label}="{text}"' for label, text in labels.items())
        families.setdefault(name, []).append(
            f"leadfuel_index_{name}{{{shown}}} {value:g}" if shown else f"leadfuel_index_{name} {value:g}"
        )
    lines = []
    for name, samples in families.items():
        kind = "counter" if name.endswith("_total") and name != "rebuild_total" else "gauge"
        lines += [
            f"# HELP leadfuel_index_{name} {_HELP[name]}",
            f"# TYPE leadfuel_index_{name} {kind}",
            *samples,
        ]
    return "\n".join(lines) + "\n"


def _samples(found: Status) -> Iterator[tuple[str, dict[str, str], float]]:
    yield "healthy", {}, float(found.healthy)
    yield "paused", {}, float(found.paused is not None)
    yield "fanouts", {}, found.fanouts
    for entity in found.entities:
        labels: dict[str, str] = {"entity": entity.entity}
        yield "records", labels, entity.records
        if entity.documents is not None:
            yield "documents", labels, entity.documents
        yield "queued", labels, entity.queued.rows
        yield "oldest_seconds", labels, entity.queued.oldest_age_s
        yield "dead_letters", labels, entity.dead_letters
        for kept in entity.indices:
            if kept.state == "building":
                yield "rebuild_done", labels, kept.rows_done
                yield "rebuild_total", labels, kept.rows_total
        if entity.last_verify is not None:
            yield "verify_drift", labels, entity.last_verify["drift"]
            yield "verify_age_seconds", labels, found.age_s(entity.last_verify)
    if found.heartbeat is not None:
        yield "heartbeat_age_seconds", {}, found.age_s(found.heartbeat)
        yield "documents_per_second", {}, found.heartbeat["documents_per_s"]
        for counter in ("conflicts", "retried", "busy"):
            yield f"{counter}_total", {}, found.heartbeat[counter]
        for name, lags in found.heartbeat["lag_ms"].items():
            for quantile in ("p50", "p99"):
                yield "lag_seconds", {"entity": name, "quantile": quantile}, lags[quantile] / 1000
