"""The one statement that a request becomes, for each kind of request."""

from dataclasses import dataclass, field
from typing import Any, Final

from api.faces.rest import errors
from api.faces.rest.asking import Asking
from api.faces.rest.catalogue import Function
from api.faces.rest.fragments import Parameters, quoted
from api.faces.rest.payload import Payload
from api.faces.rest.plan import Node, is_bounded
from api.faces.rest.reads import Writer, csv_body, json_body, number_sql, page_of, rows_sql
from api.faces.rest.syntax import Compare, Field, Filter
from api.faces.rest.writes import (
    SOURCE,
    Change,
    Merge,
    delete_sql,
    insert_sql,
    merge_of,
    representation_sql,
    returned_columns,
    update_sql,
)
from db.sessions import Actor
from domain.accounts import SEARCH_DEPTH

# Whether the person whose statement this is may still act: read by the statement itself, since a look before
# it would cost a transaction of its own. Nobody else has an account or a session that could be over.
_STANDING: Final = "(SELECT auth.standing()) AS standing"
_ALWAYS: Final = "'good' AS standing"
# How far the plan of that person shows what searches are over; NULL is to the end.
_DEPTH: Final = f"(SELECT {SEARCH_DEPTH} FROM app.users WHERE id = auth.uid()) AS depth"


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL with its values, answering one row; `planned` is what EXPLAIN tells the number of rows of."""

    sql: str
    values: list[Any]
    planned: str = ""
    planned_values: list[Any] = field(default_factory=list)


def standing_sql(actor: Actor) -> str:
    return _STANDING if actor.role == "authenticated" else _ALWAYS


def read(node: Node, asking: Asking, actor: Actor, *, head_only: bool, max_rows: int) -> Statement:
    """A page of rows, and their number where it is asked for."""
    writer = Writer()
    rows = page_of(number_sql(node, writer), node, writer) if head_only else rows_sql(node, writer)
    body = "NULL::text" if head_only else _body(asking)
    total = _total(node, asking, writer, max_rows=max_rows)
    asks_depth = actor.role == "authenticated" and is_bounded(node)
    depth = _DEPTH if asks_depth else "NULL::integer AS depth"
    outputs = f"count(*) AS page, {body} AS body, {total} AS total, {depth}, {standing_sql(actor)}"
    sql = f"SELECT {outputs} FROM ({rows}) AS _row"
    planned = _planned(node) if asking.preferences.count in ("planned", "estimated") else Statement("", [])
    return Statement(sql, writer.parameters.values, planned.sql, planned.values)


def _total(node: Node, asking: Asking, writer: Writer, *, max_rows: int, source: str | None = None) -> str:
    if asking.preferences.count not in ("exact", "estimated"):
        return "NULL::bigint"
    rows = number_sql(node, writer, source=source)
    if asking.preferences.count == "estimated":
        # One more than can be had: beyond it the planner's word is taken.
        rows += f" LIMIT {writer.parameters.number(max_rows + 1)}"
    return f"(SELECT count(*) FROM ({rows}) AS _all)"


def _planned(node: Node) -> Statement:
    writer = Writer()
    return Statement(f"EXPLAIN (FORMAT JSON) {number_sql(node, writer)}", writer.parameters.values)


def _body(asking: Asking) -> str:
    if asking.form == "csv":
        return csv_body()
    return json_body(is_singular=asking.form == "object", strips_nulls=asking.strips_nulls)


def insert(
    node: Node, payload: Payload, asking: Asking, actor: Actor, on_conflict: tuple[str, ...] | None
) -> tuple[Statement, bool]:
    """An insert, and whether it minds rows that exist already."""
    writer, preferences = Writer(), asking.preferences
    merge = merge_of(node.relation, preferences, on_conflict)
    wants_location = preferences.return_ == "headers-only"
    keys = node.relation.primary_key if wants_location else ()
    change = insert_sql(
        node,
        payload,
        merge,
        writer,
        fills_defaults=preferences.missing == "default",
        returned=_returned(node, asking, (*keys, *(merge.keys if merge else ()))),
    )
    return _change(node, change, asking, actor, writer, keys=keys), merge is not None


def put(node: Node, payload: Payload, asking: Asking, actor: Actor) -> Statement:
    """The one row that the filters name, written whether or not it is there."""
    relation, writer = node.relation, Writer()
    _check_put(node, payload)
    change = insert_sql(
        node,
        payload,
        Merge(relation.primary_key, overwrites=True),
        writer,
        fills_defaults=False,
        returned=_returned(node, asking, relation.primary_key),
    )
    return _change(node, change, asking, actor, writer)


def _check_put(node: Node, payload: Payload) -> None:
    """PUT names its row by the whole primary key, in the query and in the body alike."""
    said = {}
    for condition in node.conditions:
        match condition:
            case Filter(Field(name, ()), Compare("eq", value, None), False):
                said[name] = value
            case _:
                raise errors.bad_put_filters()
    if not said or set(said) != set(node.relation.primary_key) or len(said) != len(node.conditions):
        raise errors.bad_put_filters()
    if payload.rows != 1 or any(_spelled(payload.first.get(name)) != value for name, value in said.items()):
        raise errors.put_of_another_key()


def _spelled(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def update(node: Node, payload: Payload, asking: Asking, actor: Actor) -> Statement:
    writer = Writer()
    change = update_sql(node, payload, writer, returned=_returned(node, asking, ()))
    return _change(node, change, asking, actor, writer)


def delete(node: Node, asking: Asking, actor: Actor) -> Statement:
    writer = Writer()
    return _change(
        node, delete_sql(node, writer, returned=_returned(node, asking, ())), asking, actor, writer
    )


def _returned(node: Node, asking: Asking, names: tuple[str, ...]) -> str:
    """What RETURNING names: nothing that needs a right to read, unless there is something to show."""
    if asking.preferences.return_ == "representation":
        return returned_columns(node, names)
    if not names:
        return "1 AS _one"
    here = quoted(node.alias)
    return ", ".join(f"{here}.{quoted(name)}" for name in dict.fromkeys(names))


def _change(
    node: Node,
    change: Change,
    asking: Asking,
    actor: Actor,
    writer: Writer,
    *,
    keys: tuple[str, ...] = (),
) -> Statement:
    affected = f"(SELECT count(*) FROM {SOURCE}) AS affected"
    existed = f"{change.existed} AS existed"
    location = "NULL::text AS location"
    if keys:
        listed = ", ".join(f"first.{quoted(key)}::text" for key in keys)
        location = f"(SELECT json_build_array({listed})::text FROM {SOURCE} AS first LIMIT 1) AS location"
    if asking.preferences.return_ == "representation":
        rows = representation_sql(node, writer)
        answer = f"SELECT count(*) AS page, {_body(asking)} AS body"
        source = f"({rows}) AS _row"
    else:
        answer, source = "SELECT count(*) AS page, NULL::text AS body", f"{SOURCE} AS _row"
    sql = (
        f"WITH {change.ctes} {answer}, {affected}, {existed}, {location}, {standing_sql(actor)} FROM {source}"
    )
    return Statement(sql, writer.parameters.values)


def call(
    function: Function,
    from_: str,
    parameters: Parameters,
    node: Node | None,
    asking: Asking,
    actor: Actor,
    *,
    max_rows: int,
) -> Statement:
    """A call; `node` says what is wanted of the rows it returns, where it returns any."""
    if node is None:
        return Statement(_value(function, from_, actor), parameters.values)
    writer = Writer(parameters)
    source = "called"
    rows = rows_sql(node, writer, source=source)
    total = _total(node, asking, writer, max_rows=max_rows, source=source)
    body = _body(asking)
    if not function.returns_set and asking.form == "array":
        body = json_body(is_singular=True, strips_nulls=asking.strips_nulls)
    sql = (
        f"WITH {source} AS (SELECT _called.* FROM {from_}) SELECT count(*) AS page, {body} AS body,"
        f" {total} AS total, {standing_sql(actor)} FROM ({rows}) AS _row"
    )
    return Statement(sql, writer.parameters.values)


def _value(function: Function, from_: str, actor: Actor) -> str:
    """A call that returns a value or nothing; the value goes by the name of the call."""
    body = "coalesce(json_agg(_called) -> 0, 'null')::text"
    if function.returns_void:
        body = "NULL::text"
    elif function.returns_set:
        body = "coalesce(json_agg(_called), '[]')::text"
    outputs = f"count(*) AS page, {body} AS body, NULL::bigint AS total, {standing_sql(actor)}"
    return f"SELECT {outputs} FROM {from_}"
