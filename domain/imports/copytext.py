"""Values as PostgreSQL's COPY reads them (text format): what the normalising process writes, once.

The encoding happens where the values are made, so that the process which talks to the database only
passes bytes on.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any, Final

import orjson

NULL: Final = "\\N"

_ESCAPES = str.maketrans(
    {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r", "\b": "\\b", "\f": "\\f", "\v": "\\v"}
)

Encoder = Callable[[Any], str]


def text(value: str) -> str:
    """A text cell; values are clean, so hardly any needs more than a look."""
    if value.isprintable():
        return value.replace("\\", "\\\\") if "\\" in value else value
    return value.translate(_ESCAPES)


def array(values: Iterable[str]) -> str:
    """A text[] cell."""
    return _array(values) if isinstance(values, tuple) else _fresh_array(values)


def _fresh_array(values: Iterable[str]) -> str:
    return text("{" + ",".join([_element(value) for value in values]) + "}")


# The terms of a title, its departments, the bands of a headcount: the same few tuples over and over.
_array = lru_cache(maxsize=8192)(_fresh_array)


def _element(value: str) -> str:
    if value.isalnum() and value.isascii() and (len(value) != 4 or value.lower() != "null"):
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def json(value: Any) -> str:
    return text(orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode())


def binary(value: bytes) -> str:
    return "\\\\x" + value.hex()


def plain(value: float | str) -> str:
    """A number, or a date in ISO form: nothing in it can need escaping."""
    return str(value)


# SQL type -> how a value that is not NULL is written.
ENCODERS: Final[dict[str, Encoder]] = {
    "text": text,
    "text[]": array,
    "jsonb": json,
    "bytea": binary,
    "int": plain,
    "bigint": plain,
    "float8": plain,
    "date": plain,
    "timestamptz": plain,
}


def line(values: Sequence[Any], encoders: Sequence[Encoder]) -> str:
    """The cells of one row, joined, without the line's end."""
    return "\t".join(
        [NULL if value is None else encode(value) for value, encode in zip(values, encoders, strict=True)]
    )
