"""A planned tree as one SELECT: each embedded relation is a lateral subquery whose rows become JSON."""

from dataclasses import dataclass, field
from typing import Final

from api.faces.rest.catalogue import Relationship
from api.faces.rest.fragments import (
    Parameters,
    conditions_sql,
    field_sql,
    label_of,
    order_sql,
    quoted,
    view,
)
from api.faces.rest.plan import Child, Node
from api.faces.rest.syntax import Column, Condition, Logic

# Rows of a composite's text without its parentheses: what PostgREST calls CSV.
_CSV_LINE: Final = "substring((_row.*)::text, 2, length((_row.*)::text) - 2)"


@dataclass(slots=True)
class Writer:
    """What a statement is made with: its parameters, and names for its subqueries that nobody else has."""

    parameters: Parameters = field(default_factory=Parameters)
    _used: int = 0

    def name(self) -> str:
        self._used += 1
        return f"e{self._used}"


@dataclass(frozen=True, slots=True)
class _Shape:
    """The outputs of a node with their labels, and the joins they come from. A star has no label."""

    outputs: tuple[tuple[str, str | None], ...]
    joins: str
    laterals: dict[int, str]

    def listed(self) -> str:
        return ", ".join(sql if label is None else f"{sql} AS {quoted(label)}" for sql, label in self.outputs)


def rows_sql(node: Node, writer: Writer, *, source: str | None = None, is_written: bool = False) -> str:
    """The rows that a node asks for. With `is_written` they are those of a change in the CTE `source`, which
    its conditions have chosen already.
    """
    shape = _shape(node, writer)
    conditions = [] if is_written else list(node.conditions)
    return (
        f"SELECT {shape.listed()} FROM {source or view(node.relation.name)} AS {quoted(node.alias)}"
        f"{shape.joins}{_where(node, conditions, [], writer, shape.laterals)}"
        f"{_order(node, writer, shape.laterals)}" + ("" if is_written else _page(node, writer))
    )


def number_sql(node: Node, writer: Writer, *, source: str | None = None) -> str:
    """One row for every row that a node would have without its limit."""
    joins, laterals = _tests(node, writer)
    return (
        f"SELECT 1 FROM {source or view(node.relation.name)} AS {quoted(node.alias)}"
        f"{joins}{_where(node, list(node.conditions), [], writer, laterals)}"
    )


def page_of(statement: str, node: Node, writer: Writer) -> str:
    """A statement of `number_sql` within the node's limits."""
    return statement + _page(node, writer)


def json_body(*, is_singular: bool, strips_nulls: bool) -> str:
    """The body, made of the rows of `_row`."""
    rows = "json_agg(json_strip_nulls(to_json(_row.*)))" if strips_nulls else "json_agg(_row.*)"
    return f"coalesce({rows} -> 0, 'null')::text" if is_singular else f"coalesce({rows}, '[]')::text"


def csv_body() -> str:
    return f"coalesce(string_agg({_CSV_LINE}, E'\\n'), '')"


def labels(node: Node) -> list[str]:
    """What the answer's columns are called, in their order: the head of CSV."""
    found: list[str] = []
    children = iter(node.children)
    for item in node.selected:
        if isinstance(item, Column):
            is_star = item.field.name == "*"
            found += node.relation.columns if is_star else [label_of(item.field, item.alias)]
            continue
        child = next(children)
        if child.embed.is_spread:
            found += labels(child.node)
        elif child.embed.selected:
            found.append(child.embed.name)
    return found


def _shape(node: Node, writer: Writer) -> _Shape:
    outputs: list[tuple[str, str | None]] = []
    joins: list[str] = []
    laterals: dict[int, str] = {}
    children = iter(node.children)
    for item in node.selected:
        if isinstance(item, Column):
            if item.field.name == "*":
                outputs.append((f"{quoted(node.alias)}.*", None))
            else:
                outputs.append((_column(node, item, writer), label_of(item.field, item.alias)))
            continue
        child = next(children)
        name = laterals[id(child)] = writer.name()
        inner, inner_labels = _lateral(child, node, writer)
        # A row that only matches when there is something; to-many subqueries always have one row.
        kind = "JOIN" if child.embed.is_inner else "LEFT JOIN"
        joins.append(f" {kind} LATERAL ({inner}) AS {name} ON {_on(child, name)}")
        if child.embed.is_spread:
            for place, label in enumerate(inner_labels, start=1):
                spread = f"{name}.s{place}"
                outputs.append((spread if child.way.is_to_one else f"coalesce({spread}, '[]')", label))
        elif child.embed.selected:
            output = f"{name}.j" if child.way.is_to_one else f"coalesce({name}.j, '[]')"
            outputs.append((output, child.embed.name))
    return _Shape(tuple(outputs), "".join(joins), laterals)


def _on(child: Child, name: str) -> str:
    return f"{name}.j IS NOT NULL" if child.embed.is_inner and not child.way.is_to_one else "TRUE"


def _column(node: Node, item: Column, writer: Writer) -> str:
    if item.field.name == "count" and node.counts and not item.field.path:
        expression = "count(*)"
    else:
        expression, _ = field_sql(node, item.field, writer.parameters)
    return f"CAST({expression} AS {item.cast})" if item.cast else expression


def _lateral(child: Child, parent: Node, writer: Writer) -> tuple[str, list[str]]:
    """The subquery of an embedded relation: `j` is its JSON or that it is there, `s…` what it spreads, `o…`
    what its parent is ordered by.
    """
    node = child.node
    shape = _shape(node, writer)
    rest = _rest(child, parent, writer, shape)
    orders = [
        f"{field_sql(node, ordered, writer.parameters)[0]} AS o{place}"
        for place, ordered in enumerate(child.orders_parent, start=1)
    ]
    if child.embed.is_spread:
        return _spread(child, shape, rest, orders)
    if child.way.is_to_one and orders:
        made = f"(SELECT row_to_json(_made.*) FROM (SELECT {shape.listed()}) AS _made) AS j"
        return f"SELECT {', '.join([made, *orders])} {rest}", []
    rows = f"SELECT {shape.listed()} {rest}"
    made = "row_to_json" if child.way.is_to_one else "json_agg"
    return f"SELECT {made}(_made.*) AS j FROM ({rows}) AS _made", []


def _spread(child: Child, shape: _Shape, rest: str, orders: list[str]) -> tuple[str, list[str]]:
    node, outputs = child.node, list[tuple[str, str]]()
    for sql, label in shape.outputs:
        if label is None:
            alias = quoted(node.alias)
            outputs += [(f"{alias}.{quoted(name)}", name) for name in node.relation.columns]
        else:
            outputs.append((sql, label))
    spread = [f"{sql} AS s{place}" for place, (sql, _) in enumerate(outputs, start=1)]
    found = [label for _, label in outputs]
    if child.way.is_to_one:
        return f"SELECT {', '.join(['TRUE AS j', *spread, *orders])} {rest}", found
    gathered = [f"json_agg(_made.s{place}) AS s{place}" for place in range(1, len(spread) + 1)]
    there = "CASE WHEN count(*) > 0 THEN TRUE END AS j"
    return f"SELECT {', '.join([there, *gathered])} FROM (SELECT {', '.join(spread)} {rest}) AS _made", found


def _rest(child: Child, parent: Node, writer: Writer, shape: _Shape) -> str:
    """FROM and what follows, for an embedded relation."""
    node, way = child.node, child.way
    page = "" if way.is_to_one else _order(node, writer, shape.laterals) + _page(node, writer)
    where = _where(node, list(node.conditions), _meets(way, parent, node), writer, shape.laterals)
    return f"FROM {_from(way, node)}{shape.joins}{where}{page}"


def _from(way: Relationship, node: Node) -> str:
    target = f"{view(node.relation.name)} AS {quoted(node.alias)}"
    if way.junction is None:
        return target
    junction = quoted(_junction_alias(node))
    alias = quoted(node.alias)
    meets = " AND ".join(
        f"{junction}.{quoted(of_junction)} = {alias}.{quoted(of_target)}"
        for of_junction, of_target in zip(way.junction_far, way.far, strict=True)
    )
    return f"{view(way.junction)} AS {junction} JOIN {target} ON {meets}"


def _junction_alias(node: Node) -> str:
    return f"{node.alias}_by"


def _meets(way: Relationship, parent: Node, node: Node) -> list[str]:
    """Where an embedded relation's rows meet their parent's."""
    origin = quoted(parent.alias)
    here = quoted(node.alias if way.junction is None else _junction_alias(node))
    far = way.far if way.junction is None else way.junction_near
    return [
        f"{here}.{quoted(far_column)} = {origin}.{quoted(near_column)}"
        for far_column, near_column in zip(far, way.near, strict=True)
    ]


def _tests(node: Node, writer: Writer) -> tuple[str, dict[int, str]]:
    """Of the embedded relations only whether they are there, and only of those on which rows depend."""
    joins, laterals = "", {}
    for child in node.children:
        if not (child.embed.is_inner or _is_tested(node, child)):
            continue
        inner, way = child.node, child.way
        inner_joins, inner_laterals = _tests(inner, writer)
        name = laterals[id(child)] = writer.name()
        conditions = _where(inner, list(inner.conditions), _meets(way, node, inner), writer, inner_laterals)
        one = "" if way.is_to_one else f" LIMIT {min(inner.limit, 1)}"
        if inner.offset and not way.is_to_one:
            one += f" OFFSET {writer.parameters.number(inner.offset)}"
        kind = "JOIN" if child.embed.is_inner else "LEFT JOIN"
        joins += (
            f" {kind} LATERAL (SELECT TRUE AS j FROM {_from(way, inner)}{inner_joins}{conditions}{one})"
            f" AS {name} ON TRUE"
        )
    return joins, laterals


def _is_tested(node: Node, child: Child) -> bool:
    def tests(condition: Condition) -> bool:
        if isinstance(condition, Logic):
            return any(tests(inner) for inner in condition.conditions)
        return not condition.field.path and node.child_of(condition.field.name) is child

    return any(tests(condition) for condition in node.conditions)


def _where(
    node: Node,
    conditions: list[Condition],
    meets: list[str],
    writer: Writer,
    laterals: dict[int, str],
) -> str:
    all_of = [*meets, *conditions_sql(node, conditions, writer.parameters, laterals)]
    return f" WHERE {' AND '.join(all_of)}" if all_of else ""


def _order(node: Node, writer: Writer, laterals: dict[int, str]) -> str:
    terms = order_sql(node, node.orders, writer.parameters, laterals)
    return f" ORDER BY {', '.join(terms)}" if terms else ""


def _page(node: Node, writer: Writer) -> str:
    offset = f" OFFSET {writer.parameters.number(node.offset)}" if node.offset else ""
    return f" LIMIT {writer.parameters.number(node.limit)}{offset}"
