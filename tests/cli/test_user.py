import asyncio
import json

import pytest
from click.testing import CliRunner
from sqlalchemy import text

from cli import context
from cli.main import leadfuel
from core.settings import Settings
from db.sessions import SERVICE
from domain import audit
from domain.exports import store


@pytest.fixture
def run_cli(settings, monkeypatch, clean_database):
    monkeypatch.setattr(context, "load_settings", lambda: settings)

    async def run(*arguments: str, **options: str):
        return await asyncio.to_thread(CliRunner().invoke, leadfuel, ["user", *arguments], **options)

    return run


async def told(run_cli, *arguments):
    result = await run_cli(*arguments, "--email", "ann@example.com", "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.output)


async def test_an_account_from_its_making_to_its_end(run_cli, db):
    made = await told(run_cli, "create")
    assert (made["email"], made["role"]) == ("ann@example.com", "member")
    assert (await run_cli("create", "--email", "Ann@example.com")).exit_code == 1
    assert await told(run_cli, "show") == made
    assert (await told(run_cli, "promote"))["role"] == "admin"
    await run_cli("create", "--email", "root@example.com", "--admin")
    assert (await told(run_cli, "promote", "--role", "member"))["role"] == "member"
    assert (await told(run_cli, "disable", "--because", "left"))["disabled_because"] == "left"
    assert (await told(run_cli, "disable", "--undo"))["disabled_at"] is None
    assert (await told(run_cli, "delete", "--yes"))["user_id"] == made["id"]
    assert (await run_cli("show", "--email", "ann@example.com")).exit_code == 1
    async with db.transaction(SERVICE) as session:
        entries = (await audit.page(session, limit=20, subject=f"user:{made['id']}")).entries
    assert [entry.action for entry in reversed(entries)] == [
        "user.created",
        "user.role_changed",
        "user.role_changed",
        "user.disabled",
        "user.enabled",
        "user.erased",
    ]
    assert {entry.actor_id for entry in entries} == {None}


async def test_deletion_is_asked_for(run_cli):
    await told(run_cli, "create")
    result = await run_cli("delete", "--email", "ann@example.com", input="n\n")
    assert result.exit_code == 1
    assert "Erase the account ann@example.com" in result.output
    assert (await told(run_cli, "show"))["email"] == "ann@example.com"


async def test_files_of_exports_go_with_their_owner(run_cli, db, settings, tmp_path):
    user = await told(run_cli, "create")
    async with db.transaction(SERVICE) as session:
        export = await session.scalar(
            text(
                """
                WITH job AS (INSERT INTO app.jobs (user_id, kind) VALUES (:user, 'exports.run') RETURNING id)
                INSERT INTO app.exports (user_id, job_id, entity, source, columns, format, filename)
                SELECT :user, id, 'contacts', '{}', '{}', 'csv', 'x.csv' FROM job RETURNING id
                """
            ),
            {"user": user["id"]},
        )
    kept = store.store_of(settings)
    name = store.name_of(export, "csv")
    source = tmp_path / "an-export"
    source.write_text("a,b\n")
    kept.put(name, source)
    assert (await told(run_cli, "delete", "--yes"))["files"] == 1
    with pytest.raises(store.NoSuchExport):
        await store.read(settings, name)


@pytest.mark.parametrize(
    "arguments",
    [
        ["create"],
        ["disable", "--email", "ann@example.com"],
        ["promote", "--email", "a@example.com", "--role", "x"],
    ],
)
async def test_wrong_usage_is_told(run_cli, arguments):
    assert (await run_cli(*arguments)).exit_code == 2


async def test_an_address_that_is_none_or_nobodys_is_refused(run_cli, monkeypatch):
    assert (await run_cli("create", "--email", "nonsense")).exit_code == 1
    assert (await run_cli("show", "--email", "nobody@example.com")).exit_code == 1
    monkeypatch.setattr(context, "load_settings", Settings)
    assert isinstance((await run_cli("show", "--email", "a@b.test")).exception, context.NoDatabase)
