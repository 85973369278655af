"""The parts of a query brought together as a tree: each relation with what is asked of it, and the way there.

Whatever does not exist or cannot be meant is refused here; what is left needs rendering only.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from api.faces.rest import errors, exposed
from api.faces.rest.catalogue import Catalogue, ColumnOf, Relation, Relationship
from api.faces.rest.query import Query
from api.faces.rest.syntax import (
    Column,
    Condition,
    Embed,
    EmbedPath,
    Field,
    Filter,
    Is,
    Logic,
    Order,
    Selected,
)
from search.vocabulary import nearest

# Every type that a column can be cast to: data types alone, none that looks names of the database up.
_CASTS: Final = frozenset(
    {
        "text", "varchar", "character varying", "char", "bpchar", "citext", "int2", "int4", "int8", "int",
        "integer", "smallint", "bigint", "float4", "float8", "real", "double precision", "numeric", "decimal",
        "bool", "boolean", "date", "time", "timetz", "timestamp", "timestamptz", "interval", "json", "jsonb",
        "uuid", "bytea", "time with time zone", "time without time zone", "timestamp with time zone",
        "timestamp without time zone",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Node:
    """A relation in a request: under which alias, what of it, and its embedded relations."""

    relation: Relation
    alias: str
    selected: Selected
    conditions: tuple[Condition, ...]
    orders: tuple[Order, ...]
    limit: int
    offset: int
    children: "tuple[Child, ...]"
    # Whether the plan of who asks says how far this is paged.
    is_bounded: bool = False

    def column(self, field: Field) -> ColumnOf:
        """The column of a field; PostgreSQL's own error when there is none."""
        found = self.relation.columns.get(field.name)
        if found is None:
            raise errors.unknown_column(self.alias, field.name)
        return found

    def child_of(self, name: str) -> "Child | None":
        """The embedded relation that goes by this name or alias."""
        return next((child for child in self.children if child.embed.name == name), None) or next(
            (child for child in self.children if child.embed.target == name), None
        )

    @property
    def counts(self) -> bool:
        """Whether `count` stands for the number of rows here and for no column."""
        return "count" not in self.relation.columns


@dataclass(frozen=True, slots=True)
class Child:
    """An embedded relation, as it was asked for, and how it hangs on its parent."""

    embed: Embed
    way: Relationship
    node: Node
    # Fields of it by which its parent is ordered.
    orders_parent: tuple[Field, ...] = ()


def plan(
    catalogue: Catalogue, relation: Relation, query: Query, *, max_rows: int, depth: int | None = None
) -> Node:
    """The tree of a query whose top is `relation`; raises `Refused`.

    With `depth`, no page of what searches are over reaches further.
    """
    asked = _Asked(query, max_rows, depth)
    return asked.node(catalogue, relation, relation.name, query.selected, (), way=None)


def reach(node: Node, rows: int) -> int:
    """How far an answer goes into what the plan bounds: by the `rows` of its top, by all it may embed."""
    here = node.offset + rows if node.is_bounded and rows else 0
    return max([here, *(reach(child.node, child.node.limit) for child in node.children)])


def is_bounded(node: Node) -> bool:
    """Whether the plan bounds anything in the tree."""
    return node.is_bounded or any(is_bounded(child.node) for child in node.children)


# The way to an embedded relation, each step by its place among what is selected.
_Places = tuple[int, ...]


class _Asked:
    """A query's parts by the places of the relations they belong to."""

    def __init__(self, query: Query, max_rows: int, depth: int | None) -> None:
        self._conditions: dict[_Places, tuple[Condition, ...]] = {}
        self._orders: dict[_Places, tuple[Order, ...]] = {}
        for path, conditions in query.conditions.items():
            places = _places(query.selected, path)
            self._conditions[places] = (*self._conditions.get(places, ()), *conditions)
        for path, orders in query.orders.items():
            self._orders.setdefault(_places(query.selected, path), orders)
        self._limits = {_places(query.selected, path): limit for path, limit in query.limits.items()}
        self._offsets = {_places(query.selected, path): offset for path, offset in query.offsets.items()}
        self._max_rows = max_rows
        self._depth = depth

    def node(
        self,
        catalogue: Catalogue,
        relation: Relation,
        alias: str,
        selected: Selected,
        places: _Places,
        *,
        way: Relationship | None,
    ) -> Node:
        children = []
        for place, embed in enumerate(selected):
            if not isinstance(embed, Embed):
                continue
            step = find_way(relation, embed)
            target = catalogue.relations[step.target]
            inner_alias = f"{target.name}_{len(places) + 1}"
            node = self.node(catalogue, target, inner_alias, embed.selected, (*places, place), way=step)
            children.append(Child(embed, step, node))
        bounded, offset = _is_bounded(relation, way), self._offsets.get(places, 0)
        made = Node(
            relation=relation,
            alias=alias,
            selected=selected,
            conditions=self._conditions.get(places, ()),
            orders=self._orders.get(places, ()),
            limit=self._limit(places, offset if bounded else None),
            offset=offset,
            children=tuple(children),
            is_bounded=bounded,
        )
        made = replace(made, children=tuple(_with_orders(made, child) for child in made.children))
        _check(made)
        return made

    def _limit(self, places: _Places, offset: int | None) -> int:
        """How many rows there may be; `offset` is where they begin, if the plan says how far they go."""
        limit = min(self._limits.get(places, self._max_rows), self._max_rows)
        if offset is None or self._depth is None:
            return limit
        if offset >= self._depth:
            raise errors.BeyondPlan(self._depth)
        return min(limit, self._depth - offset)


def _is_bounded(relation: Relation, way: Relationship | None) -> bool:
    """What somebody keeps in a list or has unlocked is theirs to page to the end, whatever it consists of."""
    if relation.name not in exposed.PAGED_BY_PLAN or way is None:
        return relation.name in exposed.PAGED_BY_PLAN
    return way.junction is None and not way.is_to_one and way.origin in exposed.PAGED_BY_PLAN


def _places(selected: Selected, path: EmbedPath) -> _Places:
    """Where the relation stands that a path of names and aliases leads to."""
    places = []
    for name in path:
        embeds = [(place, item) for place, item in enumerate(selected) if isinstance(item, Embed)]
        found = [(place, e) for place, e in embeds if e.name == name] or [
            (place, e) for place, e in embeds if e.target == name
        ]
        if not found:
            raise errors.not_embedded(name)
        places.append(found[0][0])
        selected = found[0][1].selected
    return tuple(places)


def find_way(relation: Relation, embed: Embed) -> Relationship:
    """The one relationship that is meant; an error when it is none, or more than one."""
    found = [way for way in relation.relationships if _is_meant(way, embed)]
    if len(found) == 1:
        return found[0]
    if not found:
        known = sorted({way.target for way in relation.relationships})
        suggestion = None if embed.target in known else _near(embed.target, known)
        raise errors.no_relationship(relation.name, embed.target, embed.hint, suggestion)
    raise errors.ambiguous_relationship(
        relation.name,
        embed.target,
        [way.described() for way in found],
        [f"{way.target}!{way.junction or way.constraint}" for way in found],
    )


def _is_meant(way: Relationship, embed: Embed) -> bool:
    target, hint, direct = embed.target, embed.hint, way.junction is None
    if hint is not None:
        return target == way.target and (
            (direct and hint == way.constraint)
            or (direct and len(way.near) == 1 and hint in (way.near[0], way.far[0]))
            or hint == way.junction
        )
    if way.origin == way.target:
        # One key, two directions: the table's name means its children, the key or its column the parent.
        if target == way.target:
            return way.cardinality == "one-to-many"
        return way.cardinality == "many-to-one" and target in (way.constraint, *way.near[:1])
    if target == way.target or (direct and target == way.constraint):
        return True
    return direct and way.is_to_one and len(way.near) == 1 and target == way.near[0]


def _near(name: str, known: list[str]) -> str | None:
    found = nearest(name[:80], known)
    return found[0] if found else None


def _with_orders(node: Node, child: Child) -> Child:
    fields = []
    for order in node.orders:
        if order.relation is not None and node.child_of(order.relation) is child:
            if not child.way.is_to_one:
                raise errors.order_not_to_one(node.relation.name, order.relation)
            child.node.column(order.field)
            fields.append(order.field)
    return replace(child, orders_parent=tuple(dict.fromkeys(fields))) if fields else child


def _check(node: Node) -> None:
    """Every name that a node mentions exists."""
    for item in node.selected:
        if isinstance(item, Column):
            is_all = item.field.name == "*"
            is_count = item.field.name == "count" and node.counts and not item.field.path
            if not (is_all or is_count):
                node.column(item.field)
            if item.cast is not None:
                check_cast(item.cast)
    for order in node.orders:
        if order.relation is None:
            node.column(order.field)
        elif node.child_of(order.relation) is None:
            raise errors.not_embedded(order.relation)
    for condition in node.conditions:
        _check_condition(node, condition)


def _check_condition(node: Node, condition: Condition) -> None:
    if isinstance(condition, Logic):
        for inner in condition.conditions:
            _check_condition(node, inner)
    elif null_test_of(node, condition) is None:
        node.column(condition.field)


def null_test_of(node: Node, condition: Filter) -> Child | None:
    """The embedded relation that a filter like `organizations=is.null` speaks of."""
    child = None if condition.field.path else node.child_of(condition.field.name)
    if child is None:
        return None
    if not (isinstance(condition.operation, Is) and condition.operation.value in ("null", "not_null")):
        raise errors.only_null_of_embed(condition.field.name)
    return child


def check_cast(name: str) -> None:
    if name.lower() not in _CASTS:
        raise errors.unknown_type(name)


def columns_needed(node: Node) -> Mapping[str, ColumnOf]:
    """The columns of a written relation that its representation is made of."""
    if any(isinstance(item, Column) and item.field.name == "*" for item in node.selected):
        return node.relation.columns
    names = {item.field.name for item in node.selected if isinstance(item, Column)}
    names |= {order.field.name for order in node.orders if order.relation is None}
    for child in node.children:
        names |= set(child.way.near)
    return {name: column for name, column in node.relation.columns.items() if name in names}
