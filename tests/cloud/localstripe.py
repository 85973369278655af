"""localstripe, another's imitation of Stripe, as a process of its own.

It is under the GPL, so it is never imported and no dependency of ours: uv runs it in an environment that it
keeps for it. What it can and cannot play is said in docs/credits.md.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).resolve().parents[2]
PIN = "localstripe==1.15.10"
# The first time it is fetched.
START_S = 60


@dataclass
class LocalStripe:
    """A running one; `post` and `get` are its HTTP, which knows more than today's SDK asks for."""

    url: str

    async def post(self, path, **form):
        return await self._ask("POST", path, data=form)

    async def get(self, path):
        return await self._ask("GET", path)

    async def deliver_to(self, url, *, name, secret):
        """Send every event from now on, a second after it has happened."""
        await self._ask("POST", f"/_config/webhooks/{name}", data={"url": url, "secret": secret})

    async def _ask(self, method, path, **how):
        async with httpx.AsyncClient(base_url=self.url, auth=("sk_test_x", ""), timeout=10) as client:
            answer = await client.request(method, path, **how)
        answer.raise_for_status()
        return answer.json() if answer.content else None


@pytest.fixture(scope="session")
def localstripe(tmp_path_factory):
    log = tmp_path_factory.mktemp("localstripe") / "log"
    uv = shutil.which("uv") or str(ROOT / ".leadfuel" / "tools" / "bin" / "uv")
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    command = [uv, "tool", "run", "--python", sys.executable, "--from", PIN, "localstripe"]
    surroundings = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    with log.open("wb") as written:
        process = subprocess.Popen(
            [*command, "--from-scratch", "--port", str(port)],
            env=surroundings, stdout=written, stderr=written, start_new_session=True,
        )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_until_it_answers(process, url, log)
        yield LocalStripe(url)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait_until_it_answers(process, url, log):
    ends = time.monotonic() + START_S
    while process.poll() is None and time.monotonic() < ends:
        with contextlib.suppress(httpx.TransportError):
            httpx.get(f"{url}/v1/customers")
            return
        time.sleep(0.05)
    pytest.fail(f"localstripe does not start:\n{log.read_text()}")
