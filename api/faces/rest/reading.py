"""The catalogue, read from `pg_catalog` when it is first needed, every minute while it is, and at once when
PostgreSQL no longer knows a name that the last reading had: so that a migration needs no restart.
"""

import asyncio
import time
from typing import Any, Final

from api.faces.rest import exposed
from api.faces.rest.catalogue import (
    Argument,
    Catalogue,
    ColumnOf,
    ForeignKey,
    Function,
    Relation,
    relationships,
)
from core.logs import get_logger
from db.sessions import SERVICE, Database

log = get_logger(__name__)

GOOD_FOR_S: Final = 60.0
# However often PostgreSQL misses a name, the catalogue is not read more often than this.
AT_LEAST_S: Final = 2.0


class CatalogueReader:
    """The catalogue as it was read last; one instance per process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: Catalogue | None = None
        self._read_at = 0.0
        self._lock = asyncio.Lock()
        self._renewal: asyncio.Task[None] | None = None

    async def get(self) -> Catalogue:
        """At once, unless it was never read: an older one is renewed behind the back of who asks."""
        if self._known is None:
            async with self._lock:
                if self._known is None:
                    await self._read()
            return await self.get()
        if time.monotonic() - self._read_at > GOOD_FOR_S:
            self._renew()
        return self._known

    def is_outdated(self) -> None:
        """Somebody met a name that is no longer there."""
        if time.monotonic() - self._read_at > AT_LEAST_S:
            self._renew()

    def _renew(self) -> None:
        if self._renewal is None or self._renewal.done():
            self._renewal = asyncio.create_task(self._read_again())

    async def _read_again(self) -> None:
        try:
            await self._read()
        except Exception:
            log.exception("the catalogue cannot be read again; the last reading goes on")
            self._read_at = time.monotonic()

    async def _read(self) -> None:
        self._known = await read_catalogue(self._database)
        self._read_at = time.monotonic()


async def read_catalogue(database: Database) -> Catalogue:
    """The exposed part of schema `public`."""
    names = list(exposed.RELATIONS)
    columns: dict[str, dict[str, ColumnOf]] = {}
    for row in await database.fetch(SERVICE, _COLUMNS, names):
        column = ColumnOf(row["name"], row["type"], row["default"])
        columns.setdefault(row["relation"], {})[column.name] = column
    primary_keys: dict[str, tuple[str, ...]] = {}
    keys: dict[str, tuple[tuple[str, ...], ...]] = {}
    foreign_keys: list[ForeignKey] = []
    for row in await database.fetch(SERVICE, _KEYS, names):
        relation, of_key = row["relation"], tuple(row["columns"])
        # A key counts where the view shows all of its columns.
        if not set(of_key) <= columns.get(relation, {}).keys():
            continue
        if row["kind"] == "f":
            if set(row["target_columns"]) <= columns.get(row["target"], {}).keys():
                foreign_keys.append(
                    ForeignKey(row["name"], relation, of_key, row["target"], tuple(row["target_columns"]))
                )
            continue
        keys[relation] = (*keys.get(relation, ()), of_key)
        if row["kind"] == "p":
            primary_keys[relation] = of_key
    ways = relationships(keys, primary_keys, tuple(foreign_keys))
    relations = {
        name: Relation(name, found, primary_keys.get(name, ()), ways.get(name, ()))
        for name, found in columns.items()
    }
    functions = {
        row["name"]: _function(row, relations)
        for row in await database.fetch(SERVICE, _FUNCTIONS, list(exposed.FUNCTIONS))
    }
    return Catalogue(relations, functions)


def _function(row: Any, relations: dict[str, Relation]) -> Function:
    arguments, outputs = [], {}
    for name, kind, mode in zip(row["names"], row["types"], row["modes"], strict=True):
        if mode == "i":
            arguments.append((name, kind))
        else:
            outputs[name] = ColumnOf(name, kind)
    first_default = len(arguments) - row["defaults"]
    returned = relations.get(row["returned_relation"] or "")
    if returned is None and outputs:
        returned = Relation(row["name"], outputs)
    return Function(
        name=row["name"],
        arguments=tuple(
            Argument(name, kind, place >= first_default) for place, (name, kind) in enumerate(arguments)
        ),
        returns_set=row["returns_set"],
        returns_void=row["returns_void"],
        rows=returned,
    )


_COLUMNS: Final = """
    SELECT shown.relname::text AS relation, a.attname::text AS name, format_type(a.atttypid, NULL) AS type,
           CASE WHEN of_base.attgenerated = '' THEN pg_get_expr(d.adbin, d.adrelid) END AS default
    FROM pg_class AS shown
    JOIN pg_attribute AS a ON a.attrelid = shown.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_class AS base
        ON base.relnamespace = 'app'::regnamespace AND base.relname = shown.relname AND base.relkind = 'r'
    LEFT JOIN pg_attribute AS of_base
        ON of_base.attrelid = base.oid AND of_base.attname = a.attname AND NOT of_base.attisdropped
    LEFT JOIN pg_attrdef AS d ON d.adrelid = base.oid AND d.adnum = of_base.attnum
    WHERE shown.relnamespace = 'public'::regnamespace AND shown.relkind = 'v'
      AND shown.relname = ANY ($1::text[])
    ORDER BY shown.relname, a.attnum
"""
# Of the tables that the views of the same name are made of.
_KEYS: Final = """
    SELECT base.relname::text AS relation, con.conname::text AS name, con.contype::text AS kind,
           array(SELECT a.attname::text FROM unnest(con.conkey) WITH ORDINALITY AS k (number, place)
                 JOIN pg_attribute AS a ON a.attrelid = con.conrelid AND a.attnum = k.number
                 ORDER BY k.place) AS columns,
           target.relname::text AS target,
           array(SELECT a.attname::text FROM unnest(con.confkey) WITH ORDINALITY AS k (number, place)
                 JOIN pg_attribute AS a ON a.attrelid = con.confrelid AND a.attnum = k.number
                 ORDER BY k.place) AS target_columns
    FROM pg_constraint AS con
    JOIN pg_class AS base ON base.oid = con.conrelid
    LEFT JOIN pg_class AS target ON target.oid = con.confrelid
    WHERE base.relnamespace = 'app'::regnamespace AND base.relname = ANY ($1::text[])
      AND con.contype IN ('p', 'u', 'f')
      AND (target.oid IS NULL OR target.relnamespace = 'app'::regnamespace)
      AND EXISTS (SELECT FROM pg_rewrite AS rule
                  JOIN pg_class AS shown ON shown.oid = rule.ev_class
                  JOIN pg_depend AS needs ON needs.classid = 'pg_rewrite'::regclass
                       AND needs.objid = rule.oid AND needs.refobjid = base.oid
                  WHERE shown.relnamespace = 'public'::regnamespace AND shown.relname = base.relname)
    ORDER BY base.relname, con.conname
"""
_FUNCTIONS: Final = """
    SELECT f.proname::text AS name, f.proretset AS returns_set,
           f.prorettype = 'void'::regtype AS returns_void, f.pronargdefaults AS defaults,
           coalesce(f.proargnames, '{}') AS names,
           array(SELECT format_type(t, NULL)
                 FROM unnest(coalesce(f.proallargtypes, f.proargtypes::oid[])) WITH ORDINALITY AS a (t, place)
                 ORDER BY place) AS types,
           coalesce(f.proargmodes::text[],
                    array_fill('i'::text, ARRAY[coalesce(array_length(f.proargnames, 1), 0)])) AS modes,
           returned.relname::text AS returned_relation
    FROM pg_proc AS f
    LEFT JOIN pg_type AS kind ON kind.oid = f.prorettype
    LEFT JOIN pg_class AS returned
        ON returned.oid = kind.typrelid AND returned.relnamespace = 'public'::regnamespace
    WHERE f.pronamespace = 'public'::regnamespace AND f.proname = ANY ($1::text[])
"""
