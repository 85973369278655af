"""Schemathesis against a running API, with all its checks: `python -m tests.api.fuzz` is the long form.

It makes a stack of its own beside any other (in .leadfuel/fuzz), a demo market in it, serves the API, lets
schemathesis loose on it as an administrator, and takes everything down again. Exit code 0: nothing found.
"""

import argparse
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HOME = ROOT / ".leadfuel" / "fuzz"
START_S = 60


def command(
    url: str, token: str, *, examples: int, seconds: int, seed: int | None, workers: int = 1
) -> list[str]:
    """The command line of schemathesis; what it judges by stands in schemathesis.toml."""
    chosen = [
        str(Path(sys.executable).with_name("schemathesis")), "run", f"{url}/openapi.json",
        "--header", f"Authorization: Bearer {token}",
        "--max-examples", str(examples), "--max-time", str(seconds), "--workers", str(workers),
        "--continue-on-failure", "--no-color",
    ]  # fmt: skip
    return chosen if seed is None else [*chosen, "--seed", str(seed)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=900, help="how long to go on")
    parser.add_argument("--examples", type=int, default=200, help="examples per operation and round")
    parser.add_argument("--seed", type=int, help="to repeat a run")
    arguments = parser.parse_args()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    os.environ |= {
        "LEADFUEL_HOME": str(HOME),
        "LEADFUEL_REQUESTS_PER_MINUTE": "100000000",
        "LEADFUEL_LOG_LEVEL": "ERROR",
    }
    for name in ("DATABASE_URL", "MIGRATION_DATABASE_URL", "REDIS_URL", "OPENSEARCH_URL"):
        os.environ.pop(name, None)
    server = None
    try:
        leadfuel("stack", "up", "--part", "postgres", "--part", "redis")
        leadfuel("db", "migrate")
        leadfuel("demo", "--contacts", "1000", "--organizations", "100")
        server = subprocess.Popen([*LEADFUEL, "serve", "--port", str(port), "--processes", "1"], cwd=ROOT)
        url = f"http://127.0.0.1:{port}"
        wait_for(url)
        token = leadfuel("token", "--email", "fuzz@example.com", "--admin", "--days", "2").strip()
        chosen = command(
            url, token, examples=arguments.examples, seconds=arguments.seconds, seed=arguments.seed
        )
        return subprocess.run(chosen, cwd=ROOT, check=False).returncode
    finally:
        if server is not None:
            server.terminate()
            server.wait()
        leadfuel("stack", "down")
        shutil.rmtree(HOME, ignore_errors=True)


LEADFUEL = [sys.executable, "-m", "cli.main"]


def leadfuel(*arguments: str) -> str:
    return subprocess.run(
        [*LEADFUEL, *arguments], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True
    ).stdout


def wait_for(url: str) -> None:
    for _ in range(START_S * 10):
        try:
            urllib.request.urlopen(f"{url}/health/live", timeout=5).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise TimeoutError(f"{url} does not answer")


if __name__ == "__main__":
    sys.exit(main())
