from dataclasses import replace

import asyncpg
import pytest

from db import check, migrate
from db.access import Access, Relation, differences
from embedded.stack import admin_url

# What somebody does, what the check says of it, and how it is undone.
FAULTS = [
    (
        "ALTER TABLE app.lists DISABLE ROW LEVEL SECURITY",
        "row security: app.lists: is not enabled",
        "ALTER TABLE app.lists ENABLE ROW LEVEL SECURITY",
    ),
    (
        "ALTER TABLE app.lists NO FORCE ROW LEVEL SECURITY",
        "row security: app.lists: is not forced on its owner",
        "ALTER TABLE app.lists FORCE ROW LEVEL SECURITY",
    ),
    (
        "GRANT SELECT (email) ON app.contacts TO authenticated",
        "grant: app.contacts: authenticated's select(email) is not in the matrix",
        "REVOKE SELECT (email) ON app.contacts FROM authenticated",
    ),
    (
        "GRANT UPDATE (credit_balance) ON public.users TO authenticated",
        "grant: public.users: authenticated's update(credit_balance) is not in the matrix",
        "REVOKE UPDATE (credit_balance) ON public.users FROM authenticated",
    ),
    (
        "GRANT SELECT ON app.plans TO leadfuel_app",
        "grant: app.plans: leadfuel_app's select is not in the matrix",
        "REVOKE SELECT ON app.plans FROM leadfuel_app",
    ),
    (
        "GRANT TRUNCATE ON app.contacts TO PUBLIC",
        "grant: app.contacts: public's truncate is not in the matrix",
        "REVOKE TRUNCATE ON app.contacts FROM PUBLIC",
    ),
    (
        "REVOKE DELETE ON app.hidden_contacts FROM authenticated",
        "grant: app.hidden_contacts: authenticated's delete is missing",
        "GRANT DELETE ON app.hidden_contacts TO authenticated",
    ),
    (
        "ALTER POLICY own_rows ON app.unlocks USING (true)",
        "policy: app.unlocks: policy own_rows: select to authenticated using (true) is not in the matrix",
        "ALTER POLICY own_rows ON app.unlocks USING (user_id = (SELECT auth.uid()))",
    ),
    (
        "ALTER POLICY own_rows ON app.unlocks TO PUBLIC",
        "policy: app.unlocks: policy own_rows: select to public",
        "ALTER POLICY own_rows ON app.unlocks TO authenticated",
    ),
    (
        "ALTER VIEW public.lists SET (security_invoker = false)",
        "view: public.lists: should run as its invoker, runs as owner",
        "ALTER VIEW public.lists SET (security_invoker = true)",
    ),
    (
        "CREATE TABLE app.notes (id integer)",
        "matrix: app.notes: has no row in the matrix",
        "DROP TABLE app.notes",
    ),
    (
        "CREATE TABLE public.notes (id integer)",
        "exposed: public.notes: is a table in the exposed schema public",
        "DROP TABLE public.notes",
    ),
    (
        "ALTER FUNCTION app.my_list_ids(text) RESET search_path",
        "function: app.my_list_ids(text): is SECURITY DEFINER without a pinned search_path",
        "ALTER FUNCTION app.my_list_ids(text) SET search_path = pg_catalog, pg_temp",
    ),
    (
        "GRANT EXECUTE ON FUNCTION app.my_list_ids(text) TO PUBLIC",
        "function: app.my_list_ids(text): role public is not in the matrix",
        "REVOKE EXECUTE ON FUNCTION app.my_list_ids(text) FROM PUBLIC",
    ),
    (
        "GRANT CREATE ON SCHEMA app TO service_role",
        "schema: app: role service_role (create) is not in the matrix",
        "REVOKE CREATE ON SCHEMA app FROM service_role",
    ),
    (
        "GRANT SELECT ON SEQUENCE app.visibility_version TO authenticated",
        "grant: app.visibility_version: authenticated's select is not in the matrix",
        "REVOKE SELECT ON SEQUENCE app.visibility_version FROM authenticated",
    ),
    (
        "ALTER TABLE app.contacts DISABLE TRIGGER queue_contacts_on_insert",
        "trigger: app.contacts: trigger queue_contacts_on_insert is missing",
        "ALTER TABLE app.contacts ENABLE TRIGGER queue_contacts_on_insert",
    ),
    (
        "ALTER TABLE app.contacts ADD COLUMN shoe_size integer",
        "drift: app.contacts.shoe_size: remove column",
        "ALTER TABLE app.contacts DROP COLUMN shoe_size",
    ),
    (
        "DROP INDEX app.contacts_title_terms_idx",
        "drift: app.contacts.contacts_title_terms_idx: add index",
        "CREATE INDEX contacts_title_terms_idx ON app.contacts USING gin (title_terms)",
    ),
    (
        "ALTER TABLE app.lists ALTER COLUMN name DROP NOT NULL",
        "drift: app.lists.name: modify nullable",
        "ALTER TABLE app.lists ALTER COLUMN name SET NOT NULL",
    ),
    (
        "ALTER TABLE app.lists ADD CONSTRAINT late CHECK (name <> 'x') NOT VALID",
        "constraint: app.lists.late: has not been validated",
        "ALTER TABLE app.lists DROP CONSTRAINT late",
    ),
    (
        "ALTER DEFAULT PRIVILEGES IN SCHEMA app GRANT SELECT ON TABLES TO authenticated",
        "default privileges: app: gives select on what leadfuel_owner will make to authenticated",
        "ALTER DEFAULT PRIVILEGES IN SCHEMA app REVOKE SELECT ON TABLES FROM authenticated",
    ),
    (
        "UPDATE app.alembic_version SET version_num = '5b1d2c7e9a01'",
        "revision: database: is at 5b1d2c7e9a01",
        f"UPDATE app.alembic_version SET version_num = '{migrate.head()}'",
    ),
]


@pytest.fixture(scope="module")
async def spoiled(spare_database):
    """A database that every test spoils and mends again."""
    assert await check.check(spare_database) == []
    yield spare_database
    assert await check.check(spare_database) == []


@pytest.mark.parametrize("fault, said, cure", FAULTS, ids=[fault[:60] for fault, *_ in FAULTS])
async def test_each_fault_is_named(spoiled, fault, said, cure):
    connection = await asyncpg.connect(spoiled.migration_url)
    try:
        await connection.execute(fault)
        found = [str(finding) for finding in await check.check(spoiled)]
    finally:
        await connection.execute(cure)
        await connection.close()
    assert any(finding.startswith(said) for finding in found), found


async def test_an_index_that_a_failed_build_left_is_named(spoiled):
    connection = await asyncpg.connect(spoiled.migration_url)
    try:
        await connection.execute("INSERT INTO app.sources (name) VALUES ('a'), ('b')")
        with pytest.raises(asyncpg.UniqueViolationError):
            await connection.execute("CREATE UNIQUE INDEX CONCURRENTLY broken_idx ON app.sources ((1))")
        found = [str(finding) for finding in await check.check(spoiled)]
        assert "index: app.broken_idx: is invalid: drop and rebuild it" in found
    finally:
        await connection.execute("DROP INDEX IF EXISTS app.broken_idx")
        await connection.execute("DELETE FROM app.sources")
        await connection.close()


async def test_a_trigger_that_forgets_a_column_is_named(spoiled):
    connection = await asyncpg.connect(spoiled.migration_url)
    name = "queue_updated_contacts"
    definition = await connection.fetchval("SELECT pg_get_functiondef(to_regprocedure($1))", f"app.{name}()")
    try:
        forgetful = definition.replace("new_row.seniority, ", "").replace("old_row.seniority, ", "")
        assert forgetful != definition
        await connection.execute(forgetful)
        found = [str(finding) for finding in await check.check(spoiled)]
        assert found == [f"feed: app.{name}: does not compare seniority"]
    finally:
        await connection.execute(definition)
        await connection.close()


async def test_an_app_that_logs_in_as_too_much_is_named(spoiled, stack):
    for url, words in (
        (admin_url(stack), "is a superuser"),
        (spoiled.migration_url, "is a member of the tables' owner"),
        ("postgresql://nobody_known@127.0.0.1/x", "does not exist"),
    ):
        found = [str(f) for f in await check.check(replace(spoiled, url=url))]
        assert any(finding.startswith("role: ") and words in finding for finding in found), found


@pytest.mark.parametrize(
    "url, words", [("", "MIGRATION_DATABASE_URL"), ("postgresql://x@127.0.0.1:1/x", "cannot be reached")]
)
async def test_a_database_that_cannot_be_seen_is_no_clean_bill(spoiled, url, words):
    with pytest.raises(check.CannotCheck, match=words):
        await check.check(replace(spoiled, migration_url=url))


async def test_a_database_that_was_never_migrated_is_named(empty_database):
    found = await check.check(empty_database)
    assert [finding.kind for finding in found] == ["revision"]


def test_a_table_without_its_row_and_a_row_without_its_table_are_differences():
    here = Access(relations={"app.a": Relation()}, functions={}, sequences={}, schemas={})
    there = Access(relations={"app.b": Relation()}, functions={}, sequences={}, schemas={})
    assert [str(finding) for finding in differences(here, there)] == [
        "matrix: app.a: is in the matrix and not in the database",
        "matrix: app.b: has no row in the matrix (db/access.toml)",
    ]
