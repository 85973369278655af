"""Rows for a job from a table of text, and a job's answers as a table."""

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from sqlalchemy import Row

from core.errors import Invalid
from core.text import fold
from domain.emails.requests import Kind
from domain.finder.evidence import Query

_DELIMITERS: Final = ",;\t"
# A heading, folded and without blanks -> the field it means.
_HEADINGS: Final = {
    "email": "email", "mail": "email", "emailaddress": "email", "address": "email",
    "firstname": "first_name", "givenname": "first_name", "first": "first_name",
    "middlename": "middle_name",
    "lastname": "last_name", "surname": "last_name", "familyname": "last_name", "last": "last_name",
    "domain": "domain", "website": "domain", "companydomain": "domain",
    "company": "company", "companyname": "company", "organization": "company",
    "contactid": "contact_id",
}  # fmt: skip
_NEEDED: Final[dict[Kind, frozenset[str]]] = {
    "validate": frozenset({"email"}),
    "find": frozenset({"contact_id", "last_name", "first_name"}),
}
Cell = Callable[[Row[Any]], Any]


def read(text: str, kind: Kind) -> list[str] | list[Query]:
    """The addresses or people of a CSV text with headings; raises `Invalid` when it is none."""
    lines = text.removeprefix("\ufeff")
    delimiter = max(_DELIMITERS, key=lines.partition("\n")[0].count)
    reader = csv.reader(io.StringIO(lines, newline=""), delimiter=delimiter, strict=True)
    try:
        headings = [_HEADINGS.get(fold(cell).replace(" ", "").replace("-", "")) for cell in next(reader, [])]
        rows = [dict(zip(headings, row, strict=False)) for row in reader if any(row)]
    except csv.Error as error:
        raise _wrong(f"Line {reader.line_num} cannot be read: {error}.") from None
    if not _NEEDED[kind] & set(headings):
        raise _wrong(f"No column is headed by one of: {', '.join(sorted(_NEEDED[kind]))}.")
    if kind == "validate":
        return [row.get("email", "") for row in rows]
    return [_query(row) for row in rows]


def _query(row: dict[str | None, str]) -> Query:
    given = {name: row.get(name, "").strip() for name in Query.__slots__}
    number = given.pop("contact_id")
    is_number = number.isascii() and number.isdigit() and 0 < int(number[:12]) < 2**31
    return Query(**given, contact_id=int(number) if is_number else None)  # type: ignore[arg-type]


def _wrong(message: str) -> Invalid:
    return Invalid(message, errors=[{"path": "csv", "message": message}])


def header(kind: Kind) -> list[str]:
    """The headings of a job's results."""
    return list(_COLUMNS[kind])


def lines(kind: Kind, rows: Sequence[Row[Any]]) -> Iterator[list[str]]:
    """The results as cells, which are texts."""
    for row in rows:
        yield [_text(cell(row)) for cell in _COLUMNS[kind].values()]


def _given(name: str) -> Cell:
    return lambda row: row.input.get(name)


def _verdict(*path: str) -> Cell:
    return lambda row: _at(row.verdict, path)


def _answer(*path: str) -> Cell:
    return lambda row: _at(row.answer, path)


def _at(value: Any, path: Sequence[str]) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


_ENDS: Final[dict[str, Cell]] = {
    "state": lambda row: row.state,
    "credits": lambda row: row.credits,
    "error": lambda row: row.error,
}
_COLUMNS: Final[dict[Kind, dict[str, Cell]]] = {
    "validate": {
        "row": lambda row: row.place,
        "email": _given("email"),
        "is_reachable": _verdict("is_reachable"),
        "status": _verdict("status"),
        "sub_status": _verdict("sub_status"),
        "score": _verdict("score"),
        "is_catch_all": _verdict("smtp", "is_catch_all"),
        "is_disposable": _verdict("misc", "is_disposable"),
        "is_role_account": _verdict("misc", "is_role_account"),
        "provider": _verdict("mx", "provider"),
        "suggestion": _verdict("syntax", "suggestion"),
        "checked_at": _verdict("checked_at"),
        **_ENDS,
    },
    "find": {
        "row": lambda row: row.place,
        "contact_id": _given("contact_id"),
        "first_name": _given("first_name"),
        "middle_name": _given("middle_name"),
        "last_name": _given("last_name"),
        "domain": _given("domain"),
        "company": _given("company"),
        "found": _answer("status"),
        "email": _answer("email"),
        "confidence": _answer("confidence"),
        "email_status": _answer("email_status"),
        "pattern": _answer("pattern"),
        **_ENDS,
    },
}
