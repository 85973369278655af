"""INSERT, UPDATE and DELETE as one statement with the representation of what they changed."""

from dataclasses import dataclass, replace

from api.faces.rest import errors
from api.faces.rest.catalogue import ColumnOf, Relation
from api.faces.rest.fragments import Parameters, conditions_sql, definition, quoted, view
from api.faces.rest.payload import Payload
from api.faces.rest.plan import Node, columns_needed
from api.faces.rest.preferences import Preferences
from api.faces.rest.reads import Writer, rows_sql

SOURCE = "source"


@dataclass(frozen=True, slots=True)
class Change:
    """The CTEs of a change, `source` being the changed rows, and what its outcome is measured by."""

    ctes: str
    # How many rows were there before, where that makes a difference.
    existed: str = "NULL::bigint"


@dataclass(frozen=True, slots=True)
class Merge:
    """What becomes of rows that are there already: which columns tell, and whether they are overwritten."""

    keys: tuple[str, ...]
    overwrites: bool


def merge_of(
    relation: Relation, preferences: Preferences, on_conflict: tuple[str, ...] | None
) -> Merge | None:
    """How an insert meets rows that exist; None when that is an error."""
    if preferences.resolution is None:
        return None
    for name in on_conflict or ():
        if name not in relation.columns:
            raise errors.unknown_column(relation.name, name)
    keys = on_conflict or relation.primary_key
    return Merge(keys, preferences.resolution == "merge-duplicates") if keys else None


def insert_sql(
    node: Node, payload: Payload, merge: Merge | None, writer: Writer, *, fills_defaults: bool, returned: str
) -> Change:
    """`fills_defaults`: a key that a row lacks has the column's default instead of NULL."""
    relation = node.relation
    columns = [relation.columns[name] for name in payload.columns]
    if not columns:
        return _insert_defaults(relation, payload, returned)
    keys = [relation.columns[name] for name in merge.keys] if merge else []
    unsaid = [key for key in keys if key not in columns]
    rows = _rows(payload, columns, unsaid, writer.parameters, fills_defaults=fills_defaults)
    names = ", ".join(quoted(column.name) for column in columns)
    conflict, keeps = _on_conflict(columns, merge)
    ctes = (
        f"rows AS ({rows}), {'inserted' if keeps else SOURCE} AS ("
        f"INSERT INTO {view(relation.name)} AS {quoted(node.alias)} ({names}) SELECT {names} FROM rows"
        f"{conflict} RETURNING {returned})"
    )
    if merge is None or not merge.overwrites:
        return Change(ctes)
    here = quoted(node.alias)
    same = " AND ".join(f"rows.{quoted(key)} = {here}.{quoted(key)}" for key in merge.keys)
    there = f"FROM {view(relation.name)} AS {here} WHERE EXISTS (SELECT FROM rows WHERE {same})"
    if keeps:
        # Nothing but the key was said, so there is nothing to overwrite, and the row as it is answers.
        ctes += f", {SOURCE} AS (SELECT * FROM inserted UNION ALL SELECT {returned} {there})"
    return Change(ctes, f"(SELECT count(*) {there})")


def _on_conflict(columns: list[ColumnOf], merge: Merge | None) -> tuple[str, bool]:
    """The clause, and whether it leaves rows that should have been overwritten as they are."""
    if merge is None:
        return "", False
    target = ", ".join(quoted(key) for key in merge.keys)
    # What tells the rows apart is equal already, and few may change it.
    changed = [quoted(column.name) for column in columns if column.name not in merge.keys]
    if not merge.overwrites or not changed:
        return f" ON CONFLICT ({target}) DO NOTHING", merge.overwrites
    setting = ", ".join(f"{name} = EXCLUDED.{name}" for name in changed)
    return f" ON CONFLICT ({target}) DO UPDATE SET {setting}", False


def _rows(
    payload: Payload,
    columns: list[ColumnOf],
    unsaid: list[ColumnOf],
    parameters: Parameters,
    *,
    fills_defaults: bool,
) -> str:
    """The payload's rows with their types; the columns `unsaid` have their defaults."""
    body = parameters.text(payload.json)
    outputs = []
    for column in columns:
        name = quoted(column.name)
        value = f"_record.{name}"
        if fills_defaults and column.default is not None:
            key = parameters.text(column.name)
            value = f"CASE WHEN _item ? {key} THEN {value} ELSE {column.default} END"
        outputs.append(f"{value} AS {name}")
    outputs += [
        f"CAST({column.default or 'NULL'} AS {column.type}) AS {quoted(column.name)}" for column in unsaid
    ]
    return (
        f"SELECT {', '.join(outputs)} FROM jsonb_array_elements(CAST({body} AS jsonb)) AS _item"
        f" CROSS JOIN LATERAL jsonb_to_record(_item) AS _record ({definition(columns)})"
    )


def _insert_defaults(relation: Relation, payload: Payload, returned: str) -> Change:
    here = f"{view(relation.name)} AS {quoted(relation.name)}"
    if payload.rows == 0:
        return Change(f"{SOURCE} AS (SELECT {returned} FROM {here} WHERE FALSE)")
    if payload.rows > 1:
        raise errors.bad_body("Rows without any column can be written one at a time")
    return Change(f"{SOURCE} AS (INSERT INTO {here} DEFAULT VALUES RETURNING {returned})")


def update_sql(node: Node, payload: Payload, writer: Writer, *, returned: str) -> Change:
    relation, here = node.relation, quoted(node.alias)
    if payload.rows != 1:
        raise errors.bad_body("A change is one object")
    columns = [relation.columns[name] for name in payload.columns]
    if not columns:
        return Change(f"{SOURCE} AS (SELECT {returned} FROM {view(relation.name)} AS {here} WHERE FALSE)")
    where = _chosen(node, writer, "UPDATE")
    body = writer.parameters.text(payload.json)
    setting = ", ".join(f"{quoted(column.name)} = _new.{quoted(column.name)}" for column in columns)
    return Change(
        f"{SOURCE} AS (UPDATE {view(relation.name)} AS {here} SET {setting}"
        f" FROM jsonb_to_record(CAST({body} AS jsonb) -> 0) AS _new ({definition(columns)})"
        f" WHERE {where} RETURNING {returned})"
    )


def delete_sql(node: Node, writer: Writer, *, returned: str) -> Change:
    where = _chosen(node, writer, "DELETE")
    return Change(
        f"{SOURCE} AS (DELETE FROM {view(node.relation.name)} AS {quoted(node.alias)} WHERE {where}"
        f" RETURNING {returned})"
    )


def _chosen(node: Node, writer: Writer, verb: str) -> str:
    # Rows are chosen by their own columns; what is embedded shapes the answer alone.
    conditions = conditions_sql(replace(node, children=()), node.conditions, writer.parameters, {})
    if not conditions:
        raise errors.unfiltered(verb)
    return " AND ".join(conditions)


def returned_columns(node: Node, names: tuple[str, ...]) -> str:
    """RETURNING: what the representation is made of, and `names`; never nothing."""
    needed = dict.fromkeys([*columns_needed(node), *names])
    here = quoted(node.alias)
    return ", ".join(f"{here}.{quoted(name)}" for name in needed) or "1 AS _one"


def representation_sql(node: Node, writer: Writer) -> str:
    """The rows of the answer, from those that were changed."""
    return rows_sql(node, writer, source=SOURCE, is_written=True)
