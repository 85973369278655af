"""Rows read in processes of their own, while the merge of the rows before them runs.

A process is made afresh (never forked off a running loop) and told once how the table is to be read.
"""

import gc
import multiprocessing
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from threading import Thread
from typing import Any, Final, NamedTuple

from domain.imports.columns import ColumnPlan, Entity
from domain.imports.position_rows import PositionRow, position_row
from domain.imports.rows import (
    ContactRow,
    Context,
    OrganizationRow,
    RowRejected,
    contact_row,
    organization_row,
)

MAX_PROCESSES: Final = 3

AnyRow = ContactRow | OrganizationRow | PositionRow


@dataclass(frozen=True, slots=True)
class Reader:
    """How to read the rows of one table."""

    entity: Entity
    plan: ColumnPlan
    context: Context

    def read(self, record: Sequence[str]) -> AnyRow:
        """One record; raises `RowRejected`."""
        cells = self.plan.cells(record)
        if self.entity == "employment":
            return position_row(cells, self.context)
        extras = self.plan.extras(record) if self.plan.enrichment else {}
        read = contact_row if self.entity == "contacts" else organization_row
        return read(cells, self.context, extras)


class Batch(NamedTuple):
    """Rows with their places in the batch, and the places that hold no usable row."""

    rows: list[tuple[int, Any]]
    rejected: list[tuple[int, str]]


def read_batch(reader: Reader, records: Sequence[Sequence[str]]) -> Batch:
    batch = Batch([], [])
    for place, record in enumerate(records):
        try:
            batch.rows.append((place, reader.read(record)))
        except RowRejected as rejection:
            batch.rejected.append((place, str(rejection)))
    return batch


def processes_wanted() -> int:
    """One less than there are cores, for the merge needs one; at least one."""
    return max(1, min(MAX_PROCESSES, (os.cpu_count() or 2) - 1))


def make_pool(reader: Reader, *, processes: int) -> ProcessPoolExecutor:
    """Processes that read batches by `read_in_pool`."""
    return ProcessPoolExecutor(
        max_workers=processes,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_begin,
        initargs=(reader,),
    )


_reader: Reader | None = None


def _begin(reader: Reader) -> None:
    global _reader  # noqa: PLW0603 - the one thing a process of the pool knows
    _reader = reader
    Thread(target=_end_with_parent, daemon=True).start()
    # Rows hold no cycles; looking for some among so many objects would cost more than reading them.
    gc.freeze()
    gc.set_threshold(200_000, 50, 50)


def _end_with_parent() -> None:
    """A parent that is killed cannot end its processes, and they would wait for rows for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def read_in_pool(records: Sequence[Sequence[str]]) -> Batch:
    if _reader is None:
        raise RuntimeError("the pool was not begun with a reader")
    return read_batch(_reader, records)
