import asyncio
import json
import uuid

import pytest
from click.testing import CliRunner

from cli import context
from cli.main import leadfuel
from workers.relay import MAX_ATTEMPTS


@pytest.fixture
async def run_cli(settings, monkeypatch, clean_database):
    monkeypatch.setattr(context, "load_settings", lambda: settings)

    async def run(*arguments: str):
        return await asyncio.to_thread(CliRunner().invoke, leadfuel, ["jobs", *arguments])

    return run


@pytest.fixture
async def failed(owner, clean_database):
    """A user's job that has used up its attempts, and one that waits."""
    user = await owner.fetchval("INSERT INTO app.users (email) VALUES ('ann@example.com') RETURNING id")
    job = await owner.fetchval(
        "INSERT INTO app.jobs (user_id, kind) VALUES ($1, 'exports.run') RETURNING id", user
    )
    entry = await owner.fetchval(
        "UPDATE app.outbox SET attempts = $1, dispatched_at = now(), last_error = 'KaputtError: no'"
        " RETURNING id",
        MAX_ATTEMPTS,
    )
    await owner.execute("INSERT INTO app.outbox (job) VALUES ('lists.invite')")
    return str(entry), job


async def test_what_is_not_done_is_listed_and_shown(run_cli, failed):
    entry, job = failed
    listed = json.loads((await run_cli("list", "--json")).output)
    assert [(one["job"], one["state"]) for one in listed] == [
        ("exports.run", "failed"),
        ("lists.invite", "waiting"),
    ]
    assert [one["id"] for one in json.loads((await run_cli("list", "--failed", "--json")).output)] == [entry]
    shown = json.loads((await run_cli("show", entry, "--json")).output)
    assert (shown["payload"], shown["last_error"]) == ({"job_id": str(job)}, "KaputtError: no")
    assert "KaputtError" in (await run_cli("show", entry)).output
    assert "lists.invite" in (await run_cli("list")).output


async def test_a_retry_begins_anew_and_a_drop_is_told_to_its_owner(run_cli, failed, owner):
    entry, job = failed
    retried = json.loads((await run_cli("retry", entry, "--json")).output)
    assert (retried["state"], retried["attempts"], retried["last_error"]) == ("waiting", 0, None)
    assert (await run_cli("list", "--failed")).output.strip() == "No job has failed."
    assert (await run_cli("drop", entry)).exit_code == 0
    row = await owner.fetchrow("SELECT status, error FROM app.jobs WHERE id = $1", job)
    assert tuple(row) == ("failed", "Dropped by the operator.")
    assert (await run_cli("drop", entry)).exit_code == 1
    await owner.execute("DELETE FROM app.outbox")
    assert (await run_cli("list")).output.strip() == "All jobs are done."


async def test_what_is_not_there_and_what_is_no_id(run_cli):
    for verb in ("show", "retry", "drop"):
        assert (await run_cli(verb, str(uuid.uuid4()))).exit_code == 1
        assert (await run_cli(verb, "17")).exit_code == 2
    assert (await run_cli("list", "--limit", "0")).exit_code == 2
