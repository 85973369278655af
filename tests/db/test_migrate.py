import asyncio
import json
import os
import re
import sys
from dataclasses import replace

import asyncpg
import pytest

from db import check, migrate
from db.roles import CannotPrepareRoles
from embedded import stack as stacks

FILES = sorted(migrate.MIGRATIONS.glob("versions/*.py"))


async def tables(settings):
    connection = await asyncpg.connect(settings.migration_url)
    try:
        rows = await connection.fetch(
            "SELECT relnamespace::regnamespace || '.' || relname FROM pg_class"
            " WHERE relnamespace::regnamespace::text IN ('app', 'public', 'auth')"
            "   AND relkind IN ('r', 'v', 'S') AND relname <> 'alembic_version'"
            " UNION ALL SELECT oid::regprocedure::text FROM pg_proc"
            " WHERE pronamespace::regnamespace::text IN ('app', 'public', 'auth')"
        )
        return {row[0] for row in rows}
    finally:
        await connection.close()


async def test_up_no_difference_down_and_up_again(empty_database):
    up = await migrate.migrate(empty_database)
    assert up.before is None
    assert up.after == migrate.head()
    assert len(up.steps) == len(FILES)
    assert await check.check(empty_database) == []
    there = await tables(empty_database)

    down = await migrate.rollback(empty_database, target="base")
    assert (down.after, down.steps) == (None, tuple(reversed(up.steps)))
    assert await tables(empty_database) == set()

    assert (await migrate.migrate(empty_database)).steps == up.steps
    assert await tables(empty_database) == there
    assert await check.check(empty_database) == []


async def test_every_step_can_be_undone_alone(empty_database):
    await migrate.migrate(empty_database)
    for name in [migrate.name_of(r.revision) for r in migrate.scripts().walk_revisions()]:
        assert (await migrate.rollback(empty_database)).steps == (name,)


async def test_to_migrate_twice_is_to_do_nothing(spare_database):
    outcome = await migrate.migrate(spare_database)
    assert outcome.before == outcome.after == migrate.head()
    assert outcome.steps == ()


async def test_databases_of_one_cluster_migrate_side_by_side(stack, empty_database, slot):
    admin = await asyncpg.connect(stacks.admin_url(stack))
    names = [f"test_{slot}_side_{number}" for number in range(2)]
    base = empty_database.migration_url.rpartition("/")[0]
    try:
        for name in names:
            await admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
            await admin.execute(f"CREATE DATABASE {name} OWNER leadfuel_owner")
        # One of them is migrated by two at once.
        urls = [f"{base}/{name}" for name in [*names, names[0]]]
        outcomes = await asyncio.gather(*(_migrate_elsewhere(url) for url in urls))
        assert {outcome["after"] for outcome in outcomes} == {migrate.head()}
        assert sorted(len(outcome["steps"]) for outcome in outcomes) == [0, len(FILES), len(FILES)]
    finally:
        for name in names:
            await admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        await admin.close()


async def test_an_unknown_revision_is_refused(spare_database):
    with pytest.raises(migrate.CannotMigrate, match="nowhere"):
        await migrate.migrate(spare_database, target="nowhere")


async def test_a_failed_step_leaves_nothing_behind(empty_database):
    connection = await asyncpg.connect(empty_database.migration_url)
    await connection.execute("CREATE SCHEMA app")
    await connection.execute("CREATE TABLE app.contacts (mine integer)")
    await connection.close()
    with pytest.raises(migrate.CannotMigrate, match="already exists"):
        await migrate.migrate(empty_database)
    assert await tables(empty_database) == {"app.contacts"}


async def test_a_database_that_cannot_be_reached_is_said_plainly(spare_database):
    with pytest.raises(migrate.CannotMigrate, match="cannot be reached"):
        await migrate.migrate(replace(spare_database, migration_url="postgresql://x@127.0.0.1:1/x"))
    with pytest.raises(migrate.CannotMigrate, match="MIGRATION_DATABASE_URL"):
        await migrate.migrate(replace(spare_database, migration_url=""))


@pytest.mark.parametrize(
    "login, words", [("nobody_known", "does not exist"), ("leadfuel_owner", "must not log in")]
)
async def test_the_app_must_have_a_login_of_its_own(spare_database, login, words):
    with pytest.raises(CannotPrepareRoles, match=words):
        await migrate.migrate(replace(spare_database, url=f"postgresql://{login}@127.0.0.1/x"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_each_migration_is_named_by_date_limits_itself_and_imports_no_model(file):
    assert re.fullmatch(r"\d{4}-\d\d-\d\d_[a-z0-9_]+", file.stem)
    source = file.read_text()
    if "CONCURRENTLY" in source:
        # Nobody waits for such a step, and a limit would leave half an index; what is left is dropped first.
        assert source.count("autocommit_block()") == 2
        made = source.count("CREATE INDEX CONCURRENTLY")
        assert source.count("DROP INDEX CONCURRENTLY IF EXISTS") == 2 * made > 0
    else:
        assert source.count("SET LOCAL lock_timeout") == source.count("SET LOCAL statement_timeout") == 2
    assert "db.models" not in source


def test_a_new_migration_follows_the_last_one():
    file = migrate.write_migration("add nothing at all")
    try:
        assert re.fullmatch(r"\d{4}-\d\d-\d\d_add_nothing_at_all.py", file.name)
        assert "SET LOCAL lock_timeout = '3s'" in file.read_text()
    finally:
        file.unlink()


async def _migrate_elsewhere(url):
    """In a process of its own, as two operators would."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "cli.main", "db", "migrate", "--json"),
        env=os.environ | {"MIGRATION_DATABASE_URL": url},
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    assert process.returncode == 0
    return json.loads(out)
