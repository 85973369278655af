"""The description and the server hold each other to their word: the short form of `tests.api.fuzz`."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from core.settings import OpenSearchSettings
from tests.api.fuzz import ROOT, command
from tests.fixtures.server import serving


@pytest.mark.timeout(400)
@pytest.mark.usefixtures("world")
async def test_schemathesis_finds_nothing(settings, admin, a_free_port, tmp_path: Path):
    served = replace(
        settings,
        opensearch=OpenSearchSettings(url=""),
        api=replace(settings.api, requests_per_minute=100_000_000, log_level="WARNING"),
    )
    log = tmp_path / "log"
    async with serving(served, a_free_port, log, "--processes", "1") as server:
        chosen = command(server.url, admin.token, examples=3, seconds=45, seed=1)
        process = await asyncio.create_subprocess_exec(
            *chosen, cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()[-20_000:]
    assert "Traceback" not in await asyncio.to_thread(log.read_text)
