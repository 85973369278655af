"""`leadfuel demo`: the market through the import or into files, and a second call that changes nothing."""

import asyncio
import json

import pytest
from click.testing import CliRunner

from cli import context
from cli.main import leadfuel

SMALL = ["demo", "--contacts", "300", "--organizations", "40", "--seed", "9"]


@pytest.fixture
def run_cli(settings, monkeypatch, clean_database):
    """The command line over the tests' database; it makes its own event loop, so in a thread of its own."""
    monkeypatch.setattr(context, "load_settings", lambda: settings)

    async def run(*arguments: str):
        return await asyncio.to_thread(CliRunner().invoke, leadfuel, list(arguments))

    return run


async def test_the_market_is_imported_and_a_second_call_changes_nothing(run_cli):
    first = json.loads((await run_cli(*SMALL, "--json")).stdout)
    assert first["organizations"]["created"] == 40
    assert first["contacts"]["created"] == 300
    assert first["employment"]["created"] == first["employment"]["read"] > 200
    again = json.loads((await run_cli(*SMALL, "--json")).stdout)
    for entity, counts in again.items():
        assert counts["unchanged"] == counts["read"] == first[entity]["read"]
        assert not counts["created"] + counts["updated"] + counts["rejected"]


async def test_it_says_what_was_done(run_cli):
    result = await run_cli(*SMALL)
    assert result.exit_code == 0, result.output
    assert "contacts: 300 read, 300 created in " in result.stdout
    assert "contacts: nothing changed; " in (await run_cli(*SMALL)).stdout


def test_the_files_are_written_without_a_database(tmp_path):
    folder = tmp_path / "files"
    result = CliRunner().invoke(leadfuel, [*SMALL, "--write", str(folder)])
    assert result.exit_code == 0, result.output
    assert {path.name for path in folder.iterdir()} == {"organizations.csv", "contacts.csv", "employment.csv"}
    assert f"{folder / 'contacts'}.csv: 300 rows" in result.stdout
    counts = json.loads(CliRunner().invoke(leadfuel, [*SMALL, "--write", str(folder), "--json"]).stdout)
    assert counts["organizations"] == 40


def test_a_market_of_nobody_is_refused():
    result = CliRunner().invoke(leadfuel, ["demo", "--organizations", "0"])
    assert result.exit_code == 1
    assert "between 1 and" in str(result.exception)
