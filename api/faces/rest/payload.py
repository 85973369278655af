"""The body of a write: JSON objects, or a table in CSV, or a form; checked before the database sees it."""

import csv
import io
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from api import body as intake
from api.faces.rest import errors
from api.faces.rest.catalogue import Relation
from api.faces.rest.syntax import MAX_COLUMNS, MAX_PAYLOAD_ROWS

JSON = "application/json"
CSV = "text/csv"
FORM = "application/x-www-form-urlencoded"
# What clients call JSON when they ask for one object.
_JSONS = (JSON, "application/vnd.pgrst.object+json", "application/vnd.pgrst.array+json")


@dataclass(frozen=True, slots=True)
class Payload:
    """Rows to write: their columns, and a JSON array of objects in which keys may be missing."""

    columns: tuple[str, ...]
    rows: int
    json: str
    # The only row's values, where there is one.
    first: dict[str, Any]
    was_array: bool


def read_payload(raw: bytes, media_type: str, relation: Relation, columns: tuple[str, ...] | None) -> Payload:
    """The rows of a body; `columns` are those of the query, which all others give way to."""
    value = _decoded(raw, media_type)
    rows = value if isinstance(value, list) else [value]
    if not all(isinstance(row, dict) for row in rows):
        raise errors.bad_body("All items of the body must be objects")
    if len(rows) > MAX_PAYLOAD_ROWS:
        raise errors.too_much(f"A body has {MAX_PAYLOAD_ROWS:,} rows at the most.")
    names = columns
    if names is None:
        names = tuple(rows[0]) if rows else ()
        if any(row.keys() != rows[0].keys() for row in rows):
            raise errors.bad_body("All object keys must match")
    if len(names) > MAX_COLUMNS:
        raise errors.too_much(f"A row has {MAX_COLUMNS} columns at the most.")
    for name in names:
        if name not in relation.columns:
            raise errors.unknown_column_of_payload(relation.name, name)
    text = raw.decode() if isinstance(value, list) and media_type in _JSONS else None
    return Payload(
        columns=names,
        rows=len(rows),
        json=text if text is not None else msgspec.json.encode(rows).decode(),
        first=rows[0] if rows else {},
        was_array=isinstance(value, list),
    )


def read_arguments(raw: bytes, media_type: str) -> dict[str, Any]:
    """The arguments of a function: one object, and no body for none."""
    if not raw.strip():
        return {}
    value = _decoded(raw, media_type)
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, dict):
        raise errors.bad_body("The arguments of a function are one object")
    return value


def _decoded(raw: bytes, media_type: str) -> Any:
    # Nothing said about the type is JSON, as it is for PostgREST.
    if media_type in (*_JSONS, ""):
        return _json(raw)
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise errors.bad_body("The body is not UTF-8") from None
    if "\x00" in text:
        raise errors.unstorable()
    if media_type == CSV:
        return _table(text)
    if media_type == FORM:
        try:
            return dict(parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MAX_COLUMNS))
        except ValueError:
            raise errors.bad_body("The form cannot be read") from None
    raise errors.wrong_content_type(media_type[:100])


def _json(raw: bytes) -> Any:
    try:
        return intake.decode(raw, Any)
    except intake.WrongShape:
        raise errors.unstorable() from None
    except intake.BadJson:
        raise errors.bad_body() from None


def _table(text: str) -> list[dict[str, str | None]]:
    """Lines of values under a line of names; the word NULL is no value."""
    try:
        lines = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error:
        raise errors.bad_body("The CSV cannot be read") from None
    if not lines:
        raise errors.bad_body()
    head, *rows = lines
    if len(set(head)) != len(head):
        raise errors.bad_body("The CSV names a column twice")
    if any(len(row) != len(head) for row in rows if row):
        raise errors.bad_body("All lines must have same number of fields")
    return [
        {name: None if cell == "NULL" else cell for name, cell in zip(head, row, strict=True)}
        for row in rows
        if row
    ]
