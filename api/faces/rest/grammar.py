"""The texts of a query's parameters, read into the values of `syntax`.

One hand-written reader for PostgREST's URL grammar: it is small, it must say where it stumbled, and its depth
is bounded by counting instead of by the stack.
"""

import re
from collections.abc import Callable, Iterator
from typing import Final, Literal, TypeVar

from api.faces.rest import errors
from api.faces.rest.syntax import (
    MAX_COLUMNS,
    MAX_EMBED_DEPTH,
    MAX_LOGIC_DEPTH,
    MAX_NAME,
    MAX_ORDER_TERMS,
    MAX_PATH_STEPS,
    Column,
    Compare,
    Condition,
    Embed,
    EmbedPath,
    Field,
    Filter,
    Is,
    Logic,
    Matches,
    OneOf,
    Operation,
    Order,
    Quantifier,
    Selected,
    Step,
    Truth,
)

T = TypeVar("T")

COMPARISONS: Final = frozenset(
    {"eq", "neq", "gt", "gte", "lt", "lte", "like", "ilike", "match", "imatch", "isdistinct"}
    | {"cs", "cd", "ov", "sl", "sr", "nxr", "nxl", "adj"}
)
QUANTIFIED: Final = frozenset(["eq", "gt", "gte", "lt", "lte", "like", "ilike", "match", "imatch"])
SEARCHES: Final = frozenset(["fts", "plfts", "phfts", "wfts"])
AGGREGATES: Final = frozenset(["avg", "count", "max", "min", "sum"])
_JOINS: Final[tuple[Literal["and", "or"], ...]] = ("and", "or")
_TRUTHS: Final[dict[str, Truth]] = {
    "null": "null",
    "not_null": "not_null",
    "true": "true",
    "false": "false",
    "unknown": "unknown",
}
# A dash belongs to a name unless it begins an arrow; blanks do when something follows them.
_NAME: Final = re.compile(r"[\w $]+(?:-(?!>)[\w $]+)*")
_WORD: Final = re.compile(r"[\w $]+")
_INDEX: Final = re.compile(r"-?[0-9]{1,9}(?=->|::|[.,)]|$)")
_QUOTED: Final = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_UNQUOTED: Final = re.compile(r"[^,)]*")
_ARRAY: Final = re.compile(r"\{[^{}]*\}")
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)
_OPERATOR: Final = re.compile(r"([a-z]+)(?:\(([\w $]*)\))?\.")


class Reader:
    """A text and how far it has been read."""

    def __init__(self, text: str, what: str) -> None:
        self.text = text
        self.at = 0
        self._what = what

    def fail(self, problem: str, at: int | None = None) -> errors.Refused:
        return errors.bad_syntax(self._what, self.text, self.at if at is None else at, problem)

    @property
    def is_done(self) -> bool:
        return self.at >= len(self.text)

    def looks_at(self, token: str) -> bool:
        return self.text.startswith(token, self.at)

    def takes(self, token: str) -> bool:
        if self.looks_at(token):
            self.at += len(token)
            return True
        return False

    def expect(self, token: str) -> None:
        if not self.takes(token):
            raise self._unexpected(f'"{token}"')

    def match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        if (found := pattern.match(self.text, self.at)) is not None:
            self.at = found.end()
        return found

    def blanks(self) -> None:
        while self.at < len(self.text) and self.text[self.at] in " \t":
            self.at += 1

    def end(self) -> None:
        if not self.is_done:
            raise self._unexpected("end of input")

    def separated(self, read: Callable[[], T], *, limit: int) -> Iterator[T]:
        """Items with commas between them."""
        for number in range(1, limit + 2):
            if number > limit:
                raise self.fail(f"more than {limit} items")
            self.blanks()
            yield read()
            self.blanks()
            if not self.takes(","):
                return

    def name(self) -> str:
        """A name, bare or in double quotes."""
        start = self.at
        if (quoted := self.match(_QUOTED)) is not None:
            found = _ESCAPED.sub(r"\1", quoted[1])
        elif (bare := self.match(_NAME)) is not None:
            found = bare[0].strip()
        else:
            raise self._unexpected("field name (* or [a..z0..9_$])")
        if not found or len(found) > MAX_NAME:
            raise self.fail(f"a name has 1 to {MAX_NAME} characters", start)
        return found

    def path(self) -> tuple[Step, ...]:
        """The arrows behind a column's name."""
        steps: list[Step] = []
        while self.looks_at("->"):
            if len(steps) == MAX_PATH_STEPS:
                raise self.fail(f"more than {MAX_PATH_STEPS} arrows")
            as_text = self.takes("->>") or not self.takes("->")
            index = self.match(_INDEX)
            steps.append(Step(int(index[0]) if index else self.name(), as_text))
        return tuple(steps)

    def field(self) -> Field:
        self.blanks()
        name = self.name()
        found = Field(name, self.path())
        self.blanks()
        return found

    def _unexpected(self, expected: str) -> errors.Refused:
        here = f'"{self.text[self.at]}"' if self.at < len(self.text) else "end of input"
        return self.fail(f"unexpected {here} expecting {expected}")


def read_select(text: str) -> Selected:
    """The parameter `select`; an empty one asks for no column at all."""
    if not text.strip(" \t"):
        return ()
    reader = Reader(text, "select parameter")
    found = _selected(reader, depth=0)
    reader.end()
    return found


def _selected(reader: Reader, *, depth: int) -> Selected:
    if depth > MAX_EMBED_DEPTH:
        raise errors.too_much(f"Resources can be embedded {MAX_EMBED_DEPTH} deep.")
    # How many there are in all is counted when the tree stands; here the text's length bounds them.
    return tuple(reader.separated(lambda: _item(reader, depth=depth), limit=len(reader.text)))


def _item(reader: Reader, *, depth: int) -> Column | Embed:
    if reader.takes("*"):
        return Column(Field("*"))
    if reader.takes("..."):
        return _embed(reader, reader.name(), alias=None, is_spread=True, depth=depth)
    name = reader.name()
    alias = None
    if reader.looks_at(":") and not reader.looks_at("::"):
        reader.takes(":")
        alias, name = name, reader.name()
    if reader.looks_at("!") or reader.looks_at("("):
        if name in AGGREGATES and reader.looks_at("()"):
            raise errors.no_aggregates()
        return _embed(reader, name, alias=alias, is_spread=False, depth=depth)
    field = Field(name, reader.path())
    cast = None
    if reader.takes("::"):
        cast = _word(reader)
    if reader.takes("."):
        raise errors.no_aggregates() if _word(reader) in AGGREGATES else reader.fail("unknown aggregate")
    return Column(field, alias, cast)


def _word(reader: Reader) -> str:
    if (word := reader.match(_WORD)) is None:
        raise reader.fail("expecting letter or digit")
    return word[0].strip()


def _embed(reader: Reader, target: str, *, alias: str | None, is_spread: bool, depth: int) -> Embed:
    hint, is_inner = None, False
    for _ in range(2):
        if not reader.takes("!"):
            break
        if (word := reader.name()) in ("inner", "left"):
            is_inner = is_inner or word == "inner"
        else:
            hint = hint or word
    reader.expect("(")
    reader.blanks()
    inside: Selected = () if reader.looks_at(")") else _selected(reader, depth=depth + 1)
    reader.expect(")")
    return Embed(target, inside, alias, hint, is_inner, is_spread)


def read_filter(key: str, value: str) -> tuple[EmbedPath, Filter]:
    """A parameter like `organizations.name=eq.Acme`: whose column it is, and the condition."""
    path, field = read_tree_path(key)
    reader = Reader(value, "filter")
    is_negated, operation = _operation(reader, _rest)
    reader.end()
    return path, Filter(field, operation, is_negated)


def read_tree_path(key: str) -> tuple[EmbedPath, Field]:
    """`a.b.column->key`: the embedded relations on the way, and the field there."""
    reader = Reader(key, "tree path")
    names = [reader.name()]
    while reader.takes("."):
        names.append(reader.name())
        if len(names) > MAX_EMBED_DEPTH + 1:
            raise errors.too_much(f"Resources can be embedded {MAX_EMBED_DEPTH} deep.")
    path = reader.path()
    reader.end()
    return tuple(names[:-1]), Field(names[-1], path)


def read_logic(key: str, value: str) -> tuple[EmbedPath, Logic]:
    """A parameter like `not.or=(…)`, or `actors.and=(…)` for an embedded relation."""
    path, field = read_tree_path(key)
    words = [word for word in path if word != "not"]
    reader = Reader(value, "logic tree")
    conditions = _conditions(reader, depth=1)
    reader.end()
    word: Literal["and", "or"] = "and" if field.name == "and" else "or"
    return tuple(words), Logic(word, conditions, "not" in path)


def _conditions(reader: Reader, *, depth: int) -> tuple[Condition, ...]:
    if depth > MAX_LOGIC_DEPTH:
        raise errors.too_much(f"Conditions can be nested {MAX_LOGIC_DEPTH} deep.")
    reader.blanks()
    reader.expect("(")
    # As in `select`: counted when all of it is known.
    found = tuple(reader.separated(lambda: _condition(reader, depth=depth), limit=len(reader.text)))
    reader.expect(")")
    reader.blanks()
    return found


def _condition(reader: Reader, *, depth: int) -> Condition:
    start = reader.at
    is_negated = reader.takes("not.")
    for word in _JOINS:
        after = reader.at + len(word)
        if reader.looks_at(word) and reader.text[after:].lstrip(" \t").startswith("("):
            reader.at = after
            return Logic(word, _conditions(reader, depth=depth + 1), is_negated)
    reader.at = start
    field = reader.field()
    if not reader.takes("."):
        raise reader.fail('expecting field name, "and(", "or(" or delimiter (.)')
    is_negated, operation = _operation(reader, _value_in_logic)
    return Filter(field, operation, is_negated)


def _operation(reader: Reader, read_value: Callable[[Reader], str]) -> tuple[bool, Operation]:
    is_negated = reader.takes("not.")
    if reader.takes("in."):
        return is_negated, OneOf(_list(reader))
    start = reader.at
    if (said := reader.match(_OPERATOR)) is None:
        raise reader.fail("expecting operator (eq, gt, ...)")
    operator, argument = said[1], said[2]
    if operator == "is" and argument is None:
        return is_negated, Is(_truth(reader, read_value))
    if operator in SEARCHES and argument != "":
        return is_negated, Matches(operator, argument and argument.strip(), read_value(reader))
    if operator in COMPARISONS and argument is None:
        return is_negated, Compare(operator, read_value(reader))
    if operator in QUANTIFIED and argument in ("any", "all"):
        quantifier: Quantifier = "any" if argument == "any" else "all"
        return is_negated, Compare(operator, read_value(reader), quantifier)
    raise reader.fail(f"unknown single value operator {said[0].removesuffix('.')}", start)


def _truth(reader: Reader, read_value: Callable[[Reader], str]) -> Truth:
    start = reader.at
    truth = _TRUTHS.get(read_value(reader).strip(" \t").lower())
    if truth is None:
        raise reader.fail("expecting null, not_null or trilean value (unknown, true, false)", start)
    return truth


def _list(reader: Reader) -> tuple[str, ...]:
    reader.blanks()
    reader.expect("(")
    found = []
    while True:
        found.append(_element(reader))
        if not reader.takes(","):
            break
    reader.expect(")")
    reader.blanks()
    # `in.()` is the empty list; a list of one empty text cannot be told from it.
    return () if found == [""] else tuple(found)


def _element(reader: Reader) -> str:
    """A value up to the next comma or parenthesis, which quotes protect."""
    quoted = _QUOTED.match(reader.text, reader.at)
    if quoted is not None and reader.text[quoted.end() : quoted.end() + 1] in ("", ",", ")"):
        reader.at = quoted.end()
        return _ESCAPED.sub(r"\1", quoted[1])
    found = reader.match(_UNQUOTED)
    return found[0] if found else ""


def _rest(reader: Reader) -> str:
    """A lone filter's value is all that follows."""
    found, reader.at = reader.text[reader.at :], len(reader.text)
    return found


def _value_in_logic(reader: Reader) -> str:
    array = _ARRAY.match(reader.text, reader.at)
    if array is not None and not reader.looks_at('"'):
        reader.at = array.end()
        return array[0]
    return _element(reader)


def read_order(text: str) -> tuple[Order, ...]:
    """The parameter `order`."""
    reader = Reader(text, "order")
    found = tuple(reader.separated(lambda: _order_term(reader), limit=MAX_ORDER_TERMS))
    reader.end()
    return found


def _order_term(reader: Reader) -> Order:
    field, relation = reader.field(), None
    if not field.path and reader.takes("("):
        relation, field = field.name, reader.field()
        reader.expect(")")
    is_descending, nulls_first = False, None
    if reader.takes(".desc"):
        is_descending = True
    elif not reader.takes(".asc") and reader.looks_at(".") and not reader.looks_at(".nulls"):
        raise reader.fail('expecting "asc", "desc", "nullsfirst" or "nullslast"', reader.at + 1)
    if reader.takes(".nullsfirst"):
        nulls_first = True
    elif reader.takes(".nullslast"):
        nulls_first = False
    if not (reader.is_done or reader.looks_at(",") or reader.looks_at(" ")):
        raise reader.fail('expecting delimiter (.), "," or end of input')
    return Order(field, is_descending, nulls_first, relation)


def read_names(text: str, what: str) -> tuple[str, ...]:
    """The parameters `columns` and `on_conflict`: names, each once."""
    reader = Reader(text, what)
    found = tuple(dict.fromkeys(reader.separated(reader.name, limit=MAX_COLUMNS)))
    reader.end()
    return found
