import asyncio
import json

import pytest
from click.testing import CliRunner

from cli.db import db
from db import migrate


@pytest.fixture
def call(empty_database, monkeypatch):
    """Run `leadfuel db …` against an empty database, in a thread: a command has an event loop of its own."""
    monkeypatch.setenv("MIGRATION_DATABASE_URL", empty_database.migration_url)
    monkeypatch.setenv("DATABASE_URL", empty_database.url)

    def invoke(*words, code=0):
        result = CliRunner().invoke(db, words)
        assert result.exit_code == code, result.output
        return result.output

    return lambda *words, **options: asyncio.to_thread(invoke, *words, **options)


async def test_up_checked_and_down_again(call):
    assert "never been migrated" in await call("check", code=1)
    assert migrate.name_of(migrate.head()) in await call("migrate")
    assert "Nothing to do" in await call("migrate")
    assert await call("check") == "The database is as it should be.\n"
    assert json.loads(await call("check", "--json")) == []
    undone = json.loads(await call("rollback", "--yes", "--json"))
    assert undone["steps"] == [migrate.name_of(migrate.head())]
    found = json.loads(await call("check", "--json", code=1))
    assert "revision" in {finding["kind"] for finding in found}
    assert "the beginning" in await call("rollback", "--to", "base", "--yes")


async def test_a_rollback_asks_first(call):
    await call("migrate")
    assert "dropped with its data" in await call("rollback", code=1)
    assert "Nothing to do" in await call("migrate")


@pytest.mark.parametrize(
    "words", [("--help",), ("migrate", "--help"), ("rollback", "--help"), ("check", "--help")]
)
async def test_help_says_what_a_command_does(call, words):
    assert "Usage:" in await call(*words)
