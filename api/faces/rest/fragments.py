"""Pieces of SQL: quoted names, parameters, fields, conditions and orders."""

from collections.abc import Sequence
from typing import Any, Final

from api.faces.rest.catalogue import ColumnOf
from api.faces.rest.plan import Node, null_test_of
from api.faces.rest.syntax import (
    Compare,
    Condition,
    Field,
    Filter,
    Is,
    Logic,
    Matches,
    OneOf,
    Order,
)

_OPERATORS: Final = {
    "eq": "=",
    "neq": "<>",
    "gt": ">",
    "gte": ">=",
    "lt": "<",
    "lte": "<=",
    "like": "LIKE",
    "ilike": "ILIKE",
    "match": "~",
    "imatch": "~*",
    "isdistinct": "IS DISTINCT FROM",
    "cs": "@>",
    "cd": "<@",
    "ov": "&&",
    "sl": "<<",
    "sr": ">>",
    "nxr": "&<",
    "nxl": "&>",
    "adj": "-|-",
}
_PATTERNS: Final = frozenset({"like", "ilike"})
_OF_TEXT: Final = frozenset({"like", "ilike", "match", "imatch"})
_TRUTHS: Final = {
    "null": "IS NULL",
    "not_null": "IS NOT NULL",
    "true": "IS TRUE",
    "false": "IS FALSE",
    "unknown": "IS UNKNOWN",
}
_QUERIES: Final = {
    "fts": "to_tsquery",
    "plfts": "plainto_tsquery",
    "phfts": "phraseto_tsquery",
    "wfts": "websearch_to_tsquery",
}


class Parameters:
    """The values of a statement, in the order of their placeholders."""

    def __init__(self) -> None:
        self.values: list[Any] = []

    def text(self, value: str) -> str:
        return self._add(value, "text")

    def number(self, value: int) -> str:
        return self._add(value, "bigint")

    def texts(self, values: Sequence[str]) -> str:
        return self._add(list(values), "text[]")

    def _add(self, value: Any, kind: str) -> str:
        self.values.append(value)
        return f"${len(self.values)}::{kind}"


def quoted(name: str) -> str:
    """An identifier, or a label that a client chose, as SQL takes it."""
    return '"' + name.replace('"', '""') + '"'


def view(name: str) -> str:
    return f"public.{quoted(name)}"


def field_sql(node: Node, field: Field, parameters: Parameters) -> tuple[str, str]:
    """A field as an expression, and its type."""
    column = node.column(field)
    expression = f"{quoted(node.alias)}.{quoted(column.name)}"
    if not field.path:
        return expression, column.type
    if not column.is_json:
        expression = f"to_jsonb({expression})"
    for step in field.path:
        arrow = "->>" if step.as_text else "->"
        if isinstance(step.key, int):
            expression = f"({expression} {arrow} {parameters.number(step.key)}::integer)"
        else:
            expression = f"({expression} {arrow} {parameters.text(step.key)})"
    return expression, "text" if field.path[-1].as_text else "jsonb"


def label_of(field: Field, alias: str | None) -> str:
    """What a field is called in the answer: its alias, the last key of its path, its column."""
    if alias is not None:
        return alias
    keys = [step.key for step in field.path if isinstance(step.key, str)]
    return keys[-1] if keys else field.name


def conditions_sql(
    node: Node, conditions: Sequence[Condition], parameters: Parameters, laterals: dict[int, str]
) -> list[str]:
    """Conditions that all must hold. `laterals` are the aliases of a node's children, by their place."""
    return [_condition(node, condition, parameters, laterals) for condition in conditions]


def _condition(node: Node, condition: Condition, parameters: Parameters, laterals: dict[int, str]) -> str:
    if isinstance(condition, Logic):
        word = f" {condition.word.upper()} "
        inner = word.join(_condition(node, one, parameters, laterals) for one in condition.conditions)
        return f"NOT ({inner})" if condition.is_negated else f"({inner})"
    child = null_test_of(node, condition)
    if child is not None:
        expression = f"({laterals[id(child)]}.j {_TRUTHS[condition.operation.value]})"  # type: ignore[union-attr]
    else:
        expression = _test(node, condition, parameters)
    return f"NOT {expression}" if condition.is_negated else expression


def _test(node: Node, condition: Filter, parameters: Parameters) -> str:
    field, kind = field_sql(node, condition.field, parameters)
    operation = condition.operation
    if isinstance(operation, Is):
        return f"({field} {_TRUTHS[operation.value]})"
    if isinstance(operation, OneOf):
        return f"({field} = ANY (CAST({parameters.texts(operation.values)} AS {kind}[])))"
    if isinstance(operation, Matches):
        return _search(field, kind, operation, parameters)
    return _comparison(field, kind, operation, parameters)


def _comparison(field: str, kind: str, operation: Compare, parameters: Parameters) -> str:
    operator = operation.operator
    value = operation.value.replace("*", "%") if operator in _PATTERNS else operation.value
    wanted = "text" if operator in _OF_TEXT else kind
    if operation.quantifier is not None:
        placeholder = parameters.text(value)
        quantifier = operation.quantifier.upper()
        return f"({field} {_OPERATORS[operator]} {quantifier} (CAST({placeholder} AS {wanted}[])))"
    return f"({field} {_OPERATORS[operator]} CAST({parameters.text(value)} AS {wanted}))"


def _search(field: str, kind: str, operation: Matches, parameters: Parameters) -> str:
    language = ""
    if operation.language is not None:
        language = f"CAST({parameters.text(operation.language)} AS regconfig), "
    document = field if kind == "tsvector" else f"to_tsvector({language}{field})"
    return f"({document} @@ {_QUERIES[operation.operator]}({language}{parameters.text(operation.value)}))"


def order_sql(
    node: Node, orders: Sequence[Order], parameters: Parameters, laterals: dict[int, str]
) -> list[str]:
    """The terms of ORDER BY."""
    terms = []
    for order in orders:
        if order.relation is None:
            expression, _ = field_sql(node, order.field, parameters)
        else:
            child = node.child_of(order.relation)
            if child is None:
                raise AssertionError("the plan has refused this")
            expression = f"{laterals[id(child)]}.o{child.orders_parent.index(order.field) + 1}"
        direction = " DESC" if order.is_descending else ""
        nulls = {None: "", True: " NULLS FIRST", False: " NULLS LAST"}[order.nulls_first]
        terms.append(f"{expression}{direction}{nulls}")
    return terms


def definition(columns: Sequence[ColumnOf]) -> str:
    """Columns as a function's record is defined by them."""
    return ", ".join(f"{quoted(column.name)} {column.type}" for column in columns)
