"""Cells of tables for spreadsheets, made inert: none is ever run as a formula.

A spreadsheet runs a cell that begins with `=`, `+`, `-` or `@`, also behind white space, in their full-width
forms, and on a further line of the cell; an apostrophe in front makes it text. Tab and return begin one, too.
"""

import re
from typing import Final

BLANKS: Final = r"[\s\u00a0\u3000\ufeff]*"
STARTS: Final = r"[=+\-@\uff1d\uff0b\uff0d\uff20]"
_FORMULA: Final = re.compile(rf"^{BLANKS}{STARTS}|^[\t\r\n]|[\r\n]{BLANKS}{STARTS}")


def inert(cell: str) -> str:
    """The cell as text that no spreadsheet takes for a formula."""
    return f"'{cell}" if _FORMULA.search(cell) else cell


def inert_sql(expression: str) -> str:
    """The same rule over a text in PostgreSQL; its white space is spelt out, for PostgreSQL knows less."""
    blanks = r"[\s\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff\u001c-\u001f]*"
    pattern = rf"^{blanks}{STARTS}|^[\t\r\n]|[\r\n]{blanks}{STARTS}"
    return f"CASE WHEN {expression} ~ '{pattern}' THEN '''' || {expression} ELSE {expression} END"
