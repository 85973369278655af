import asyncio
import json
from dataclasses import replace

import jwt
import pytest
from click.testing import CliRunner

from cli import context
from cli.main import leadfuel
from core.settings import Settings
from db.sessions import SERVICE, Database
from domain import audit, tokens
from domain.signing.keyring import Keyring


@pytest.fixture
def run_cli(settings, spare_database, monkeypatch):
    """The command line over a database whose keys nobody else needs."""
    apart = replace(settings, database=spare_database)
    monkeypatch.setattr(context, "load_settings", lambda: apart)

    async def run(*arguments: str, **options: str):
        return await asyncio.to_thread(CliRunner().invoke, leadfuel, ["keys", *arguments], **options)

    return run


@pytest.fixture
async def spare(spare_database):
    database = Database(spare_database)
    yield database
    await database.close()


async def test_the_client_keys_are_printed_and_good(run_cli, settings, spare):
    told = json.loads((await run_cli("list", "--json")).output)
    assert {(key["purpose"], key["algorithm"], key["state"]) for key in told["keys"]} >= {
        ("access", "ES256", "current"),
        ("client", "HS256", "current"),
    }
    ring = Keyring(settings.auth, spare)
    for role in ("anon", "service_role"):
        assert await tokens.read(ring, told[role]) == role
        assert jwt.decode(told[role], options={"verify_signature": False})["role"] == role
    printed = (await run_cli("list")).output
    assert told["anon"] in printed.replace("\n", "")


async def test_a_rotation_is_told_and_written_down(run_cli, spare):
    first = json.loads((await run_cli("rotate", "--json")).output)
    second = json.loads((await run_cli("rotate", "--json")).output)
    keys = json.loads((await run_cli("list", "--json")).output)["keys"]
    states = {key["kid"]: key["state"] for key in keys}
    assert (states[first["kid"]], states[second["kid"]]) == ("retired", "current")
    async with spare.transaction(SERVICE) as session:
        (entry, *_) = (await audit.page(session, limit=1)).entries
    assert (entry.action, entry.subject) == ("key.rotated", f"key:{second['kid']}")


async def test_ending_keys_at_once_is_asked_for(run_cli):
    kept = json.loads((await run_cli("rotate", "--json")).output)["kid"]
    assert (await run_cli("rotate", "--now", input="n\n")).exit_code == 1
    assert kept in {key["kid"] for key in json.loads((await run_cli("list", "--json")).output)["keys"]}
    assert (await run_cli("rotate", "--now", "--yes")).exit_code == 0
    states = {k["kid"]: k["state"] for k in json.loads((await run_cli("list", "--json")).output)["keys"]}
    assert states[kept] == "ended"


@pytest.mark.parametrize("arguments", [["rotate", "--purpose", "other"], ["nothing"], ["list", "extra"]])
async def test_wrong_usage_is_told(run_cli, arguments):
    assert (await run_cli(*arguments)).exit_code == 2


async def test_without_a_database_it_says_so(run_cli, monkeypatch):
    monkeypatch.setattr(context, "load_settings", Settings)
    assert isinstance((await run_cli("list")).exception, context.NoDatabase)
