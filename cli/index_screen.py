"""How `leadfuel index` shows itself to people."""

from collections.abc import Callable
from typing import Any

from rich.console import Console, Group
from rich.markup import escape
from rich.table import Table

from indexer.status import EntityStatus, Status
from indexer.verify import Verified

SHOWN = 100


def screen(found: Status) -> Group:
    """The whole status on one screen; a pause is shouted."""
    lines: list[Any] = []
    if found.paused is not None:
        reason = f": {escape(found.paused['reason'])}" if found.paused.get("reason") else ""
        lines.append(
            f"[bold white on red] PAUSED [/] since {found.paused['at']:%Y-%m-%d %H:%M}{reason}. "
            "`leadfuel index resume` ends it."
        )
    if found.engine_problem:
        lines.append(f"[red]{escape(found.engine_problem)}[/]")
    else:
        lines.append(f"OpenSearch {found.engine}")
    table = Table("", *(entity.entity for entity in found.entities), box=None, pad_edge=False)
    for name, show in _ROWS:
        table.add_row(name, *(show(entity) for entity in found.entities))
    lines.append(table)
    lines.append(_indexer(found))
    if found.fanouts:
        lines.append(f"{found.fanouts:,} changed organizations wait for their contacts to be queued.")
    lines.extend(
        f"[red]{entity.entity}: {escape(entity.problem)}[/] {escape(entity.advice or '')}"
        for entity in found.entities
        if entity.problem
    )
    lines.append("[green]healthy[/]" if found.healthy else "[red]needs attention[/]")
    return Group(*lines)


def _indexer(found: Status) -> str:
    beat = found.heartbeat
    if beat is None:
        return "No indexer has reported yet; `leadfuel work` is one."
    if found.silent:
        return f"[red]No indexer has reported for {found.age_s(beat):,.0f} s.[/] `leadfuel work` is one."
    lags = ", ".join(
        f"{entity} p50 {lag['p50']} ms, p99 {lag['p99']} ms" for entity, lag in beat["lag_ms"].items()
    )
    return (
        f"{beat['indexers']} indexing: {beat['documents_per_s']:,} documents/s, "
        f"bodies of {beat['body_documents']:,}, {beat['retried']:,} sent again, "
        f"{beat['conflicts']:,} were newer there\n"
        f"from commit to searchable: {lags or 'not measured yet'}"
    )


def _documents(entity: EntityStatus) -> str:
    return "?" if entity.documents is None else f"{entity.documents:,}"


def _building(entity: EntityStatus) -> str:
    found = entity.rebuilding
    if found is None:
        return "-"
    share = found.rows_done / found.rows_total if found.rows_total else 0
    said = f"{found.index}: {found.rows_done:,} of {found.rows_total:,} ({share:.0%})"
    if not found.running:
        return f"{said}, interrupted"
    left = f", {found.seconds_left:,.0f} s left" if found.seconds_left is not None else ""
    return f"{said}, {found.per_second or 0:,.0f}/s{left}"


def _verified_at(entity: EntityStatus) -> str:
    last = entity.last_verify
    if last is None:
        return "never"
    return f"{last['at']:%Y-%m-%d %H:%M}, {last['drift']:,} differed"


_ROWS: tuple[tuple[str, Callable[[EntityStatus], str]], ...] = (
    ("index", lambda entity: entity.index or "none"),
    ("records in PostgreSQL", lambda entity: f"{entity.records:,}"),
    ("documents in OpenSearch", _documents),
    ("queued changes", lambda entity: f"{entity.queued.rows:,}"),
    ("oldest waits", lambda entity: f"{entity.queued.oldest_age_s:.1f} s"),
    ("dead letters", lambda entity: f"{entity.dead_letters:,}"),
    ("being built", _building),
    ("last verify", _verified_at),
)


def print_verified(out: Console, found: Verified) -> None:
    """What a verify saw, with the documents that differ."""
    if not found.drift:
        how = "documents" if found.full else "hashes"
        out.print(
            f"{found.entity}: {found.records:,} records, {found.documents:,} documents, "
            f"{found.ranges:,} ranges, all {how} agree ({found.seconds:.1f} s)."
        )
    else:
        out.print(f"{found.entity}: {len(found.drift):,} documents differ ({found.seconds:.1f} s):")
        for each in found.drift[:SHOWN]:
            out.print(f"  {each.kind} {each.entity} {each.id}")
        if len(found.drift) > SHOWN:
            out.print(f"  … and {len(found.drift) - SHOWN:,} more; --json lists all")
    if found.undecided:
        out.print(f"  {found.undecided:,} could not be judged, because changes of them are under way.")
