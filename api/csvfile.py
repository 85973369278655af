"""Tables for spreadsheets, in which no cell is ever a formula."""

import csv
import io
from collections.abc import Iterable

from core.cells import inert


def rows(table: Iterable[Iterable[str | int]]) -> bytes:
    """Lines of CSV, every cell quoted. A number is left as it is, so that it can be added up."""
    written = io.StringIO()
    writer = csv.writer(written, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    for row in table:
        writer.writerow([inert(cell) if isinstance(cell, str) else cell for cell in row])
    return written.getvalue().encode("utf-8")
