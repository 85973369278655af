import asyncio
import json
from datetime import timedelta

import pytest
from click.testing import CliRunner

from cli import context
from cli.main import leadfuel
from core.settings import Settings
from domain import tokens


@pytest.fixture
def run_cli(settings, monkeypatch, clean_database):
    """The command line over the tests' database; it makes its own event loop, so in a thread of its own."""
    monkeypatch.setattr(context, "load_settings", lambda: settings)

    async def run(*arguments: str):
        return await asyncio.to_thread(CliRunner().invoke, leadfuel, list(arguments))

    return run


async def test_a_token_is_printed_alone(run_cli, ring):
    result = await run_cli("token", "--email", "ann@example.com")
    assert result.exit_code == 0, result.output
    (line,) = result.output.splitlines()
    assert (await tokens.verify(ring, line)).said["iss"] == "leadfuel"


async def test_the_user_is_made_once_and_raised_when_asked(run_cli):
    first = json.loads((await run_cli("token", "--email", "ann@example.com", "--json")).output)
    again = json.loads((await run_cli("token", "--email", "Ann@example.com", "--admin", "--json")).output)
    assert (first["role"], again["role"]) == ("member", "admin")
    assert first["user_id"] == again["user_id"]
    assert set(first) == {"token", "expires_at", "user_id", "email", "role"}


async def test_a_printed_token_is_what_the_api_verifies(run_cli, ring):
    answer = json.loads((await run_cli("token", "--email", "ann@example.com", "--json")).output)
    claims = await tokens.verify(ring, answer["token"])
    assert str(claims.user_id) == answer["user_id"]
    assert claims.expires_at.isoformat() == answer["expires_at"]


async def test_days_say_how_long(run_cli, ring):
    token = (await run_cli("token", "--email", "ann@example.com", "--days", "30")).output.strip()
    claims = await tokens.verify(ring, token)
    assert claims.expires_at - claims.issued_at == timedelta(days=30)


@pytest.mark.parametrize(
    "arguments", [["--email", "nonsense"], [], ["--email", "a@example.com", "--days", "0"]]
)
async def test_what_cannot_be_is_refused(run_cli, arguments):
    result = await run_cli("token", *arguments)
    assert result.exit_code != 0
    assert not result.stdout.startswith("ey")


async def test_without_a_database_it_says_so(run_cli, monkeypatch):
    monkeypatch.setattr(context, "load_settings", Settings)
    result = await run_cli("token", "--email", "ann@example.com")
    assert isinstance(result.exception, context.NoDatabase)
