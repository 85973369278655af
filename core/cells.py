"""Cells of tables for spreadsheets, made inert: none is ever run as a formula.

A spreadsheet runs a cell that begins with `=`, `+`, `-` or `@`, also behind white space, in their full-width
forms, and on a further line of the cell; an apostrophe in front makes it text. Tab and return begin one, too.
"""

import re
from collections.abc import Sequence
from typing import Final

BLANKS: Final = r"[\s\u00a0\u3000\ufeff]*"
STARTS: Final = r"[=+\-@\uff1d\uff0b\uff0d\uff20]"
_FORMULA: Final = re.compile(rf"^{BLANKS}{STARTS}|^[\t\r\n]|[\r\n]{BLANKS}{STARTS}")


def inert(cell: str) -> str:
    """The cell as text that no spreadsheet takes for a formula."""
    return f"'{cell}" if _FORMULA.search(cell) else cell


# White space as PostgreSQL has it to be spelt out.
_SQL_BLANKS: Final = r"[\s\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff\u001c-\u001f]*"
_SQL_FORMULA: Final = rf"^{_SQL_BLANKS}{STARTS}|^[\t\r\n]|[\r\n]{_SQL_BLANKS}{STARTS}"


def inert_sql(expression: str) -> str:
    """The same rule over a text in PostgreSQL."""
    return f"CASE WHEN {expression} ~ '{_SQL_FORMULA}' THEN '''' || {expression} ELSE {expression} END"


def suspicious_sql(expressions: Sequence[str]) -> str:
    """Whether any of these texts may have to be made inert: one look at all, and sometimes a false alarm.

    They are put on lines of their own, where the rule finds their beginnings.
    """
    lines = ", ".join(f"nullif({expression}, '')" for expression in expressions)
    return rf"(E'\n' || concat_ws(E'\n', {lines})) ~ '[\r\n]{_SQL_BLANKS}{STARTS}|[\r\n][\t\r\n]'"
