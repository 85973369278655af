"""How much of a result is asked for and was given: `Range`, `Content-Range` and their status."""

import re
from dataclasses import dataclass, replace
from typing import Final

from api.faces.rest import errors
from api.faces.rest.query import MAX_OFFSET, Query

_RANGE: Final = re.compile(r"\s*(?:items\s*=\s*)?([0-9]{1,18})\s*-\s*([0-9]{1,18})?\s*")


def with_range(query: Query, header: str | None) -> Query:
    """The query within the rows that the header asks for; a header that is none is passed over."""
    match = _RANGE.fullmatch(header or "")
    if match is None:
        return query
    first = min(int(match[1]), MAX_OFFSET)
    offset = query.offsets.get((), 0)
    limit = query.limits.get(())
    if match[2] is not None:
        last = min(int(match[2]), MAX_OFFSET)
        if last < first:
            raise errors.bad_range(
                "The lower boundary must be lower than or equal to the upper boundary in the Range header."
            )
        limit = last - first + 1 if limit is None else min(limit, last - first + 1)
    limits = query.limits if limit is None else {**query.limits, (): limit}
    return replace(query, limits=limits, offsets={**query.offsets, (): max(offset, first)})


@dataclass(frozen=True, slots=True)
class Extent:
    """The rows of an answer among all there are; `total` is None where nobody counted."""

    offset: int
    rows: int
    total: int | None

    @property
    def status(self) -> int:
        if self.total is None:
            return 200
        if self.offset > self.total:
            return 416
        return 206 if self.rows < self.total else 200

    @property
    def header(self) -> str:
        total = "*" if self.total is None else str(self.total)
        if self.rows == 0 or self.total == 0:
            return f"*/{total}"
        return f"{self.offset}-{self.offset + self.rows - 1}/{total}"

    def check(self) -> None:
        if self.status == 416:
            raise errors.bad_range(
                f"An offset of {self.offset} was requested, but there are only {self.total} rows."
            )
