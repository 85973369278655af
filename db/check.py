"""What `leadfuel db check` looks for: whatever makes a database less safe or sound than the code believes.

The scheduled review of policies is this, run with an exit code. It reads the catalogue alone and changes
nothing.
"""

import re
import warnings
from collections.abc import AsyncIterator
from typing import Any, Final

import asyncpg
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection
from sqlalchemy.exc import SAWarning

from core.errors import LeadFuelError
from core.settings import DatabaseSettings
from db import access, indexed, migrate, roles
from db.connections import connect, explained, make_engine
from db.findings import Finding
from db.models import metadata

_COMPARISON: Final = re.compile(r"\(((?:new_row\.\w+,?\s*)+)\)\s+IS DISTINCT FROM")


class CannotCheck(LeadFuelError):
    """The database cannot be looked over."""

    slug = "cannot-check"
    title = "The database cannot be checked"


async def check(settings: DatabaseSettings) -> list[Finding]:
    """Everything that is wrong, in order; an empty list is a clean bill."""
    if not settings.migration_url:
        raise CannotCheck(
            "MIGRATION_DATABASE_URL is not set: only the tables' owner sees all there is to check."
        )
    with explained(CannotCheck):
        return await _checked(settings)


async def _checked(settings: DatabaseSettings) -> list[Finding]:
    connection = await connect(settings.migration_url, search_path="pg_catalog")
    try:
        revision = await migrate.current_revision(connection)
        if revision is None:
            return [Finding("revision", "database", "has never been migrated: run `leadfuel db migrate`")]
        found = [finding async for finding in _of_catalogue(connection, settings)]
        if revision != migrate.head():
            found.append(
                Finding("revision", "database", f"is at {revision}, the code expects {migrate.head()}")
            )
    finally:
        await connection.close()
    return sorted({*found, *await _drift(settings.migration_url)})


async def _of_catalogue(connection: asyncpg.Connection, settings: DatabaseSettings) -> AsyncIterator[Finding]:
    for kind, query in _QUERIES:
        for row in await connection.fetch(query, list(access.SCHEMAS)):
            yield Finding(kind, row["subject"], row["detail"])
    for row in await connection.fetch(_ROLES, list(roles.NAMES), roles.login_of(settings.url)):
        yield Finding("role", row["subject"], row["detail"])
    for finding in access.differences(access.expected(), await access.actual(connection)):
        yield finding
    for name, wanted in indexed.COMPARED.items():
        source = await connection.fetchval(
            "SELECT prosrc FROM pg_proc WHERE oid = to_regprocedure($1)", f"app.{name}()"
        )
        for finding in _compared(name, wanted, source or ""):
            yield finding


def _compared(name: str, wanted: tuple[frozenset[str], ...], source: str) -> list[Finding]:
    """Differences between the columns that a trigger compares and those that documents are made of."""
    seen = [frozenset(re.findall(r"new_row\.(\w+)", columns)) for columns in _COMPARISON.findall(source)]
    if len(seen) != len(wanted):
        return [
            Finding("feed", f"app.{name}", f"makes {len(seen)} comparisons, db/indexed.py has {len(wanted)}")
        ]
    return [
        Finding("feed", f"app.{name}", f"{'does not compare' if column in one else 'compares'} {column}")
        for one, other in zip(wanted, seen, strict=True)
        for column in sorted(one ^ other)
    ]


async def _drift(migration_url: str) -> list[Finding]:
    """Where the tables differ from the models, as alembic would write a migration for it."""
    # `app` must not be on the path: its tables would pass for those of no schema.
    engine = make_engine(migration_url, search_path="extensions, public, pg_temp")
    try:
        async with engine.connect() as connection:
            return [Finding("drift", *_described(d)) for d in await connection.run_sync(_compare)]
    finally:
        await engine.dispose()


def _compare(connection: Connection) -> list[Any]:
    context = MigrationContext.configure(
        connection,
        opts={
            "include_schemas": True,
            "include_name": lambda name, kind, _: kind != "schema" or name in {"app", "auth"},
            "version_table_schema": "app",
            "compare_type": True,
            "compare_server_default": True,
        },
    )
    with warnings.catch_warnings():
        # SQLAlchemy's own slip when it reads a check constraint that is NOT VALID.
        warnings.filterwarnings("ignore", "Can't validate argument 'dialect_options'", SAWarning)
        return list(compare_metadata(context, metadata))


def _described(difference: Any) -> tuple[str, str]:
    if isinstance(difference, list):  # changes of one column
        verb, schema, table, column = difference[0][:4]
        return f"{schema}.{table}.{column}", verb.replace("_", " ")
    verb, *_, thing = difference
    table = getattr(thing, "table", None)
    owner = f"{table.fullname}." if table is not None else ""
    return f"{owner}{getattr(thing, 'name', thing)}", verb.replace("_", " ")


# Each takes the names of our schemas and returns `subject` and `detail` for what is wrong.
_QUERIES: Final = (
    (
        "row security",
        """
        SELECT oid::regclass::text AS subject,
               CASE WHEN NOT relrowsecurity THEN 'is not enabled'
                    ELSE 'is not forced on its owner' END AS detail
        FROM pg_class
        WHERE relnamespace = ANY ($1::text[]::regnamespace[]) AND relkind IN ('r', 'p')
          AND NOT (relrowsecurity AND relforcerowsecurity)
        """,
    ),
    (
        "exposed",
        """
        SELECT oid::regclass::text AS subject, 'is a table in the exposed schema public' AS detail
        FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'f', 'm')
          AND 'public' = ANY ($1::text[])
          AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass
                          AND objid = pg_class.oid AND deptype = 'e')
        """,
    ),
    (
        "index",
        """
        SELECT indexrelid::regclass::text AS subject,
               'is invalid: drop and rebuild it' AS detail
        FROM pg_index JOIN pg_class ON pg_class.oid = pg_index.indexrelid
        WHERE relnamespace = ANY ($1::text[]::regnamespace[])
          AND NOT (indisvalid AND indisready AND indislive)
        """,
    ),
    (
        "constraint",
        """
        SELECT conrelid::regclass || '.' || conname AS subject, 'has not been validated' AS detail
        FROM pg_constraint
        WHERE connamespace = ANY ($1::text[]::regnamespace[]) AND NOT convalidated
        """,
    ),
    (
        "function",
        """
        SELECT function.oid::regprocedure::text AS subject,
               'is SECURITY DEFINER without a pinned search_path' AS detail
        FROM pg_proc AS function
        WHERE pronamespace = ANY ($1::text[]::regnamespace[]) AND prosecdef
          AND NOT EXISTS (SELECT FROM unnest(proconfig) AS setting WHERE setting LIKE 'search_path=%')
          AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_proc'::regclass
                          AND objid = function.oid AND deptype = 'e')
        """,
    ),
    (
        "default privileges",
        """
        SELECT coalesce(defaclnamespace::regnamespace::text, 'every schema') AS subject,
               'gives ' || lower(acl.privilege_type) || ' on what ' || pg_get_userbyid(defaclrole)
               || ' will make to '
               || CASE acl.grantee WHEN 0 THEN 'public' ELSE pg_get_userbyid(acl.grantee) END
               AS detail
        FROM pg_default_acl, aclexplode(defaclacl) AS acl
        WHERE acl.grantee <> defaclrole
          AND (defaclnamespace = 0 OR defaclnamespace = ANY ($1::text[]::regnamespace[]))
        """,
    ),
    (
        "owner",
        """
        SELECT relation.oid::regclass::text AS subject, 'belongs to ' || pg_get_userbyid(relowner) AS detail
        FROM pg_class AS relation
        WHERE relnamespace = ANY ($1::text[]::regnamespace[]) AND relkind IN ('r', 'p', 'v', 'S')
          AND relowner <> (SELECT relowner FROM pg_class WHERE oid = 'app.alembic_version'::regclass)
          AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass
                          AND objid = relation.oid AND deptype = 'e')
        """,
    ),
    (
        "database",
        """
        SELECT current_database() AS subject, wrong AS detail
        FROM (VALUES
            (CASE WHEN has_database_privilege('authenticated', current_database(), 'TEMPORARY')
                  THEN 'lets authenticated make temporary tables and functions' END),
            (CASE WHEN NOT has_database_privilege('service_role', current_database(), 'TEMPORARY')
                  THEN 'does not let service_role make the temporary tables that imports need' END)
        ) AS rules (wrong)
        WHERE wrong IS NOT NULL AND 'app' = ANY ($1::text[])
        """,
    ),
)

# Takes the roles that statements run as, and the login of the app (NULL when it is not known).
_ROLES: Final = """
    SELECT role.rolname AS subject, wrong AS detail
    FROM pg_roles AS role
    CROSS JOIN (SELECT relowner AS oid FROM pg_class WHERE oid = 'app.alembic_version'::regclass) AS owner
    CROSS JOIN LATERAL (VALUES
        (CASE WHEN rolsuper THEN 'is a superuser' END),
        (CASE WHEN rolbypassrls THEN 'bypasses row-level security' END),
        (CASE WHEN rolcreaterole THEN 'may create roles' END),
        (CASE WHEN rolname = ANY ($1::text[]) AND rolcanlogin THEN 'can log in' END),
        (CASE WHEN pg_has_role(role.oid, owner.oid, 'MEMBER') THEN 'is a member of the tables'' owner' END),
        ((SELECT 'is a member of ' || string_agg(other.rolname, ', ' ORDER BY other.rolname)
         FROM pg_roles AS other
         WHERE role.rolname = ANY ($1::text[]) AND other.oid <> role.oid AND NOT role.rolsuper
           AND pg_has_role(role.oid, other.oid, 'MEMBER')
         HAVING count(*) > 0)),
        ((SELECT 'has the rights of ' || string_agg(other.rolname, ', ' ORDER BY other.rolname)
                || ' without taking the role'
         FROM pg_roles AS other
         WHERE role.rolname = $2 AND other.rolname = ANY ($1::text[]) AND NOT role.rolsuper
           AND pg_has_role(role.oid, other.oid, 'USAGE')
         HAVING count(*) > 0)),
        ((SELECT 'cannot take the role ' || string_agg(other.rolname, ', ' ORDER BY other.rolname)
         FROM pg_roles AS other
         WHERE role.rolname = $2 AND other.rolname = ANY ($1::text[])
           AND NOT pg_has_role(role.oid, other.oid, 'SET')
         HAVING count(*) > 0))
    ) AS rules (wrong)
    WHERE wrong IS NOT NULL AND (role.rolname = ANY ($1::text[]) OR role.rolname = $2)
    UNION ALL
    SELECT missing, 'does not exist' FROM unnest($1::text[] || $2::text) AS missing
    WHERE missing IS NOT NULL AND NOT EXISTS (SELECT FROM pg_roles WHERE rolname = missing)
    ORDER BY 1, 2
"""
