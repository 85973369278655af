import asyncio
import json

import pytest
from click.testing import CliRunner

from cli import context
from cli.main import leadfuel


@pytest.fixture
async def run_cli(settings, monkeypatch, clean_database):
    monkeypatch.setattr(context, "load_settings", lambda: settings)

    async def run(*arguments: str):
        return await asyncio.to_thread(CliRunner().invoke, leadfuel, list(arguments))

    await run("token", "--email", "ann@example.com")
    return run


ANN = ("--email", "ann@example.com")


async def test_credits_are_given_once_under_a_key_and_shown(run_cli):
    give = ("credits", "grant", *ANN, "--amount", "7", "--reason", "Sorry", "--key", "k", "--json")
    for _ in range(2):
        result = await run_cli(*give)
        assert (result.exit_code, json.loads(result.output)) == (0, {"balance": 57})
    shown = json.loads((await run_cli("credits", "show", *ANN, "--json")).output)
    assert (shown["available"], shown["held"], shown["owed"], shown["frozen"]) == (57, 0, 0, False)
    assert [(line["credits"], line["reason"]) for line in shown["ledger"]] == [(7, "Sorry"), (50, None)]
    assert "Monthly credits of your plan" in (await run_cli("credits", "show", *ANN)).output


async def test_nobody_is_nobody(run_cli):
    result = await run_cli("credits", "show", "--email", "nobody@example.com")
    assert result.exit_code == 1


async def test_71_a_mismatch_is_found_named_and_stops_the_account(run_cli, owner):
    await run_cli("credits", "grant", *ANN, "--amount", "7", "--reason", "x")
    result = await run_cli("credits", "reconcile")
    assert (result.exit_code, result.output.strip()) == (0, "All books agree.")
    await owner.execute("UPDATE app.users SET credit_balance = credit_balance + 5")
    result = await run_cli("credits", "reconcile", "--json")
    assert result.exit_code == 1
    (difference,) = json.loads(result.output)
    assert (difference["check"], difference["expected"], difference["found"]) == ("balance", 57, 62)
    assert "Spending is stopped" in (await run_cli("credits", "show", *ANN)).output
    await owner.execute("UPDATE app.users SET credit_balance = credit_balance - 5")
    assert "may spend again" in (await run_cli("credits", "release", *ANN)).output
    assert (await run_cli("credits", "reconcile")).exit_code == 0
