"""The description and the server hold each other to their word, under all of schemathesis's checks.

The short form is a test like the others, the same every time: the examples and the edge cases of every
operation, and a few random and chained requests. `--fuzz` is the long form, many of them and always new.
What schemathesis judges by stands in schemathesis.toml.
"""

import asyncio
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from core.settings import OpenSearchSettings, StackSettings
from tests.fixtures.server import ROOT, serving

SHORT = ("--max-examples", "5", "--seed", "1", "--generation-deterministic")
LONG = ("--max-examples", "100", "--max-time", "900")


@pytest.mark.timeout(1_800)
@pytest.mark.usefixtures("world")
async def test_schemathesis_finds_nothing(settings, admin, a_free_port, tmp_path: Path, request):
    form = LONG if request.config.getoption("--fuzz") else SHORT
    served = replace(
        settings,
        opensearch=OpenSearchSettings(url=""),
        # Where no stack is remembered, so that none is used in place of what is left out.
        stack=StackSettings(home=tmp_path),
        api=replace(settings.api, requests_per_minute=100_000_000, log_level="WARNING"),
    )
    log = tmp_path / "log"
    async with serving(served, a_free_port, log, "--processes", "1") as server:
        process = await asyncio.create_subprocess_exec(
            str(Path(sys.executable).with_name("schemathesis")), "run", f"{server.url}/openapi.json",
            "--header", f"Authorization: Bearer {admin.token}",
            "--continue-on-failure", "--no-color", *form,
            cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        output, _ = await process.communicate()
    print(output.decode()[-20_000:])  # noqa: T201 - what a failure shows, and `make fuzz` always
    assert process.returncode == 0
    assert "Traceback" not in await asyncio.to_thread(log.read_text)
