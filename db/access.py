"""Who may do what, as a file says it and as PostgreSQL has it.

`access.toml` is the matrix of tables and views by role and command; this module reads it, reads the same
facts from the catalogue, and names every difference. Whoever is in neither has no right at all: a grant
to PUBLIC, to the app's own login or to a stranger is a difference, too.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import asyncpg

from db.findings import Finding
from db.roles import NAMES

FILE: Final = Path(__file__).with_name("access.toml")
SCHEMAS: Final = ("app", "public", "auth")
OWNER_POLICY: Final = "owner_all: all to owner using (true) check (true)"
SERVICE_POLICY: Final = "service: all to service_role using (true) check (true)"
_PRIVILEGE: Final = re.compile(r"(\w+)\s*(?:\(([^)]*)\))?")


@dataclass(frozen=True, slots=True)
class Relation:
    """What is granted on a table or view: role -> words like `delete` or `select(email)`; and its rules."""

    grants: Mapping[str, frozenset[str]] = field(default_factory=dict)
    policies: frozenset[str] = frozenset()
    triggers: frozenset[str] = frozenset()
    # None for a table; for a view, whether it reads with the rights of who asks or of who made it.
    runs_as: str | None = None


@dataclass(frozen=True, slots=True)
class Access:
    """The whole of it; keys are qualified names, for functions with their argument types."""

    relations: Mapping[str, Relation]
    functions: Mapping[str, frozenset[str]]
    sequences: Mapping[str, Mapping[str, frozenset[str]]]
    schemas: Mapping[str, frozenset[str]]


def expected(file: Path = FILE) -> Access:
    """Read the matrix."""
    said = tomllib.loads(file.read_text(encoding="utf-8"))
    relations = {
        f"{schema}.{name}": _relation(schema, row)
        for schema in ("app", "auth", "public")
        for name, row in said[schema].items()
    }
    return Access(
        relations=relations,
        functions={name: frozenset(roles) for name, roles in said["functions"].items()},
        sequences={
            name: {role: read_privileges(words) for role, words in row.items()}
            for name, row in said["sequences"].items()
        },
        schemas={name: frozenset(roles) for name, roles in said["schemas"].items()},
    )


def read_privileges(words: str) -> frozenset[str]:
    """`select (a, b), delete` as `select(a)`, `select(b)`, `delete`."""
    found: set[str] = set()
    for command, columns in _PRIVILEGE.findall(words):
        if columns:
            found |= {f"{command}({column.strip()})" for column in columns.split(",")}
        else:
            found.add(command)
    return frozenset(found)


def _relation(schema: str, row: Mapping[str, Any]) -> Relation:
    grants = {role: read_privileges(row[role]) for role in NAMES if row.get(role)}
    if schema == "public":
        return Relation(grants=grants, runs_as=row["runs_as"])
    policies = {OWNER_POLICY, *row.get("policies", ())}
    if "service_role" in grants:
        policies.add(SERVICE_POLICY)
    return Relation(grants=grants, policies=frozenset(policies), triggers=frozenset(row.get("triggers", ())))


async def actual(connection: asyncpg.Connection) -> Access:
    """Read the catalogue; the owner's own rights are left out."""
    relations = {
        row["name"]: Relation(
            grants=_grouped(await connection.fetch(_RELATION_GRANTS, row["oid"])),
            policies=frozenset([_policy(p) for p in await connection.fetch(_POLICIES, row["oid"])]),
            triggers=frozenset([t["tgname"] for t in await connection.fetch(_TRIGGERS, row["oid"])]),
            runs_as=row["runs_as"],
        )
        for row in await connection.fetch(_RELATIONS, list(SCHEMAS))
    }
    functions: dict[str, set[str]] = {}
    for row in await connection.fetch(_FUNCTIONS, list(SCHEMAS)):
        functions.setdefault(row["name"], set()).update([row["grantee"]] if row["grantee"] else [])
    sequences = {
        row["name"]: _grouped(await connection.fetch(_RELATION_GRANTS, row["oid"]))
        for row in await connection.fetch(_SEQUENCES, list(SCHEMAS))
    }
    schemas: dict[str, set[str]] = {}
    for row in await connection.fetch(_SCHEMAS, [*SCHEMAS, "extensions"]):
        schemas.setdefault(row["name"], set()).add(row["grantee"])
    return Access(
        relations=relations,
        # A function that nobody is granted is everybody's own business not to list.
        functions={name: frozenset(roles) for name, roles in functions.items() if roles},
        sequences={name: grants for name, grants in sequences.items() if grants},
        schemas={name: frozenset(roles) for name, roles in schemas.items()},
    )


def differences(wanted: Access, found: Access) -> Iterable[Finding]:
    """Every deviation of the catalogue from the matrix, one by one."""
    for name in sorted(wanted.relations.keys() - found.relations.keys()):
        yield Finding("matrix", name, "is in the matrix and not in the database")
    for name in sorted(found.relations.keys() - wanted.relations.keys()):
        yield Finding("matrix", name, "has no row in the matrix (db/access.toml)")
    for name in sorted(wanted.relations.keys() & found.relations.keys()):
        yield from _relation_differences(name, wanted.relations[name], found.relations[name])
    for kind, one, other in (
        ("function", wanted.functions, found.functions),
        ("schema", wanted.schemas, found.schemas),
    ):
        for name in sorted(one.keys() | other.keys()):
            yield from _set_differences(
                kind, name, "role", one.get(name, frozenset()), other.get(name, frozenset())
            )
    for name in sorted(wanted.sequences.keys() | found.sequences.keys()):
        yield from _grant_differences(name, wanted.sequences.get(name, {}), found.sequences.get(name, {}))


def _relation_differences(name: str, wanted: Relation, found: Relation) -> Iterable[Finding]:
    yield from _grant_differences(name, wanted.grants, found.grants)
    yield from _set_differences("policy", name, "policy", wanted.policies, found.policies)
    yield from _set_differences("trigger", name, "trigger", wanted.triggers, found.triggers)
    if wanted.runs_as != found.runs_as:
        yield Finding(
            "view", name, f"should run as its {wanted.runs_as or 'table'}, runs as {found.runs_as or 'table'}"
        )


def _grant_differences(
    name: str, wanted: Mapping[str, frozenset[str]], found: Mapping[str, frozenset[str]]
) -> Iterable[Finding]:
    for role in sorted(wanted.keys() | found.keys()):
        yield from _set_differences(
            "grant", name, f"{role}'s", wanted.get(role, frozenset()), found.get(role, frozenset())
        )


def _set_differences(
    kind: str, name: str, what: str, wanted: frozenset[str], found: frozenset[str]
) -> Iterable[Finding]:
    for missing in sorted(wanted - found):
        yield Finding(kind, name, f"{what} {missing} is missing")
    for surplus in sorted(found - wanted):
        yield Finding(kind, name, f"{what} {surplus} is not in the matrix")


def _grouped(rows: Iterable[asyncpg.Record]) -> dict[str, frozenset[str]]:
    grants: dict[str, set[str]] = {}
    for row in rows:
        word = row["privilege"].lower()
        grants.setdefault(row["grantee"], set()).add(f"{word}({row['column']})" if row["column"] else word)
    return {role: frozenset(words) for role, words in grants.items()}


def _policy(row: asyncpg.Record) -> str:
    kind = "" if row["permissive"] else "restrictive "
    using = f" using {_bracketed(row['using'])}" if row["using"] else ""
    check = f" check {_bracketed(row['check'])}" if row["check"] else ""
    return f"{row['name']}: {kind}{row['command']} to {', '.join(row['roles'])}{using}{check}"


def _bracketed(expression: str) -> str:
    plain = " ".join(expression.split())
    return plain if plain.startswith("(") else f"({plain})"


_RELATIONS: Final = """
    SELECT relation.oid, relation.relnamespace::regnamespace || '.' || relation.relname AS name,
           CASE WHEN relation.relkind IN ('v', 'm') THEN
               CASE WHEN 'security_invoker=true' = ANY (relation.reloptions) THEN 'invoker' ELSE 'owner' END
           END AS runs_as
    FROM pg_class AS relation
    WHERE relation.relnamespace = ANY ($1::text[]::regnamespace[])
      AND relation.relkind IN ('r', 'p', 'v', 'm', 'f')
      AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass
                      AND objid = relation.oid AND deptype = 'e')
    ORDER BY 2
"""
_RELATION_GRANTS: Final = """
    SELECT granted.grantee, granted.privilege, granted.column
    FROM (
        SELECT acl.grantee AS oid, coalesce(role.rolname, 'public') AS grantee,
               acl.privilege_type AS privilege, NULL AS column, relation.relowner
        FROM pg_class AS relation, aclexplode(relation.relacl) AS acl
        LEFT JOIN pg_roles AS role ON role.oid = acl.grantee
        WHERE relation.oid = $1
        UNION ALL
        SELECT acl.grantee, coalesce(role.rolname, 'public'), acl.privilege_type, attribute.attname,
               relation.relowner
        FROM pg_class AS relation JOIN pg_attribute AS attribute ON attribute.attrelid = relation.oid,
             aclexplode(attribute.attacl) AS acl
        LEFT JOIN pg_roles AS role ON role.oid = acl.grantee
        WHERE relation.oid = $1
    ) AS granted
    WHERE granted.oid <> granted.relowner
"""
_POLICIES: Final = """
    SELECT policy.polname AS name, policy.polpermissive AS permissive,
           CASE policy.polcmd WHEN 'r' THEN 'select' WHEN 'a' THEN 'insert' WHEN 'w' THEN 'update'
                              WHEN 'd' THEN 'delete' ELSE 'all' END AS command,
           ARRAY(SELECT CASE WHEN grantee = 0 THEN 'public' WHEN grantee = relation.relowner THEN 'owner'
                             ELSE pg_get_userbyid(grantee) END
                 FROM unnest(policy.polroles) AS grantee ORDER BY 1)::text[] AS roles,
           pg_get_expr(policy.polqual, policy.polrelid) AS using,
           pg_get_expr(policy.polwithcheck, policy.polrelid) AS check
    FROM pg_policy AS policy JOIN pg_class AS relation ON relation.oid = policy.polrelid
    WHERE policy.polrelid = $1
"""
_TRIGGERS: Final = """
    SELECT tgname FROM pg_trigger WHERE tgrelid = $1 AND NOT tgisinternal AND tgenabled IN ('O', 'A')
"""
_FUNCTIONS: Final = """
    SELECT function.oid::regprocedure::text AS name,
           CASE WHEN acl.grantee <> function.proowner THEN coalesce(role.rolname, 'public') END AS grantee
    FROM pg_proc AS function
    CROSS JOIN aclexplode(coalesce(function.proacl, acldefault('f', function.proowner))) AS acl
    LEFT JOIN pg_roles AS role ON role.oid = acl.grantee
    WHERE function.pronamespace = ANY ($1::text[]::regnamespace[])
      AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_proc'::regclass
                      AND objid = function.oid AND deptype = 'e')
"""
_SEQUENCES: Final = """
    SELECT oid, relnamespace::regnamespace || '.' || relname AS name FROM pg_class
    WHERE relnamespace = ANY ($1::text[]::regnamespace[]) AND relkind = 'S' ORDER BY 2
"""
_SCHEMAS: Final = """
    SELECT schema.nspname AS name, coalesce(role.rolname, 'public')
           || CASE acl.privilege_type WHEN 'USAGE' THEN '' ELSE ' (' || lower(acl.privilege_type) || ')' END
           AS grantee
    FROM pg_namespace AS schema CROSS JOIN aclexplode(schema.nspacl) AS acl
    LEFT JOIN pg_roles AS role ON role.oid = acl.grantee
    WHERE schema.nspname = ANY ($1::text[]) AND acl.grantee <> schema.nspowner
      -- What PostgreSQL itself gives everybody on the schema `public` is to look names up in it.
      AND NOT (schema.nspname = 'public' AND acl.grantee = 0 AND acl.privilege_type = 'USAGE')
"""
