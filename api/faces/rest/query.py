"""A query string as one value: what is selected, which rows, in which order, how many of them.

Some names are reserved (`select`, `order`, `limit`, `offset`, `columns`, `on_conflict`, `and`, `or`), with
the name of an embedded relation before them where that has a meaning; everything else is a filter, or an
argument of the function that is called.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl, urlencode

from api.faces.rest import errors, grammar
from api.faces.rest.syntax import (
    ALL,
    MAX_EMBEDS,
    MAX_FILTERS,
    MAX_PARAMETERS,
    MAX_SELECTED,
    MAX_URL_BYTES,
    Column,
    Condition,
    Embed,
    EmbedPath,
    Filter,
    Logic,
    Order,
    Selected,
)

# Clients may send their key as a parameter; it is read where the request is admitted.
_PASSED_OVER: Final = frozenset({"apikey"})
_WORDS: Final = frozenset({"not", "is", "in"})
MAX_OFFSET: Final = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Query:
    """What the parameters say; parts of embedded relations by the path to them, () being the top."""

    selected: Selected = ALL
    conditions: dict[EmbedPath, tuple[Condition, ...]] = field(default_factory=dict)
    orders: dict[EmbedPath, tuple[Order, ...]] = field(default_factory=dict)
    limits: dict[EmbedPath, int] = field(default_factory=dict)
    offsets: dict[EmbedPath, int] = field(default_factory=dict)
    columns: tuple[str, ...] | None = None
    on_conflict: tuple[str, ...] | None = None
    # Parameters that are no filters: a function's arguments.
    arguments: tuple[tuple[str, str], ...] = ()
    canonical: str = ""


def read_query(raw: bytes, *, is_call: bool) -> Query:
    """Read a raw query string; raises `Refused`."""
    if len(raw) > MAX_URL_BYTES:
        raise errors.url_too_long(MAX_URL_BYTES)
    pairs = [pair for pair in _pairs(raw) if pair[0] not in _PASSED_OVER]
    conditions: dict[EmbedPath, list[Condition]] = {}
    orders: dict[EmbedPath, tuple[Order, ...]] = {}
    ranges: dict[str, dict[EmbedPath, int]] = {"limit": {}, "offset": {}}
    single: dict[str, str] = {}
    arguments: list[tuple[str, str]] = []
    for key, value in pairs:
        last = key.rpartition(".")[2]
        if key in ("select", "columns", "on_conflict"):
            single.setdefault(key, value)
        elif last == "order":
            # Of several for one relation the first counts, as with PostgREST.
            orders.setdefault(_path(key), grammar.read_order(value) if value.strip() else ())
        elif last in ranges:
            ranges[last][_path(key)] = _number(last, value)
        elif last in ("and", "or"):
            path, logic = grammar.read_logic(key, value)
            conditions.setdefault(path, []).append(logic)
        elif is_call and "." not in key and not _has_operator(value):
            arguments.append((key, value))
        else:
            path, condition = grammar.read_filter(key, value)
            conditions.setdefault(path, []).append(condition)
    selected = grammar.read_select(single["select"]) if "select" in single else ALL
    _measure(selected, conditions)
    return Query(
        selected=selected,
        conditions={path: tuple(found) for path, found in conditions.items()},
        orders=orders,
        limits=ranges["limit"],
        offsets=ranges["offset"],
        columns=_names(single, "columns"),
        on_conflict=_names(single, "on_conflict"),
        arguments=tuple(arguments),
        canonical=urlencode(sorted(pairs, key=lambda pair: pair[0])),
    )


def _pairs(raw: bytes) -> list[tuple[str, str]]:
    try:
        pairs = parse_qsl(
            raw.decode("latin-1"), keep_blank_values=True, errors="strict", max_num_fields=MAX_PARAMETERS
        )
    except UnicodeDecodeError:
        raise errors.too_much("The query is not UTF-8.") from None
    except ValueError:
        raise errors.too_much(f"A query has {MAX_PARAMETERS} parameters at the most.") from None
    if any("\x00" in key or "\x00" in value for key, value in pairs):
        raise errors.unstorable()
    return pairs


def _path(key: str) -> EmbedPath:
    return grammar.read_tree_path(key)[0]


def _number(word: str, value: str) -> int:
    text = value.strip()
    if not text.removeprefix("-").isascii() or not text.removeprefix("-").isdecimal():
        raise errors.bad_syntax(f"{word} parameter", value, 0, "expecting a whole number")
    if text.startswith("-") and text.strip("-0"):
        raise errors.bad_range("Limit should be greater than or equal to zero.")
    return min(int(text[:18]), MAX_OFFSET)


def _names(single: dict[str, str], key: str) -> tuple[str, ...] | None:
    return grammar.read_names(single[key], f"{key} parameter") if single.get(key) else None


def _has_operator(value: str) -> bool:
    """Whether a function's parameter is a filter on its result instead."""
    word = value.split(".", 1)[0]
    if "." in value and word in _WORDS:
        return True
    return ("." in value and word.partition("(")[0] in grammar.COMPARISONS | grammar.SEARCHES) or (
        "(" in value and value.partition("(")[0] in grammar.SEARCHES
    )


def _measure(selected: Selected, conditions: dict[EmbedPath, list[Condition]]) -> None:
    columns, embeds = _count_selected(selected)
    if columns + embeds > MAX_SELECTED:
        raise errors.too_much(f"A request selects {MAX_SELECTED} columns at the most.")
    if embeds > MAX_EMBEDS:
        raise errors.too_much(f"A request embeds {MAX_EMBEDS} resources at the most.")
    if sum(_count(found) for found in conditions.values()) > MAX_FILTERS:
        raise errors.too_much(f"A request has {MAX_FILTERS} filters at the most.")


def _count_selected(selected: Selected) -> tuple[int, int]:
    columns = sum(isinstance(item, Column) for item in selected)
    embeds = len(selected) - columns
    for item in selected:
        if isinstance(item, Embed):
            inner_columns, inner_embeds = _count_selected(item.selected)
            columns, embeds = columns + inner_columns, embeds + inner_embeds
    return columns, embeds


def _count(conditions: Sequence[Filter | Logic]) -> int:
    return sum(
        1 if isinstance(condition, Filter) else _count(condition.conditions) for condition in conditions
    )
