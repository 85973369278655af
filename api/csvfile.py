"""Tables for spreadsheets, in which no cell is ever a formula."""

import csv
import io
import re
from collections.abc import Iterable
from typing import Final

# A spreadsheet runs a cell that begins with one of these, also behind white space and in their full-width
# forms; an apostrophe in front makes it text. Tab and return begin one, too.
_FORMULA: Final = re.compile(r"^[\s\u00a0\u3000\ufeff]*[=+\-@\uff1d\uff0b\uff0d\uff20]|^[\t\r\n]")


def inert(cell: str) -> str:
    """The cell as text that no spreadsheet takes for a formula."""
    return f"'{cell}" if _FORMULA.match(cell) else cell


def rows(table: Iterable[Iterable[str]]) -> bytes:
    """Lines of CSV, every cell quoted."""
    written = io.StringIO()
    writer = csv.writer(written, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    for row in table:
        writer.writerow([inert(cell) for cell in row])
    return written.getvalue().encode("utf-8")
