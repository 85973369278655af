"""Child processes that outlive the command which started them, and how to find and end them again.

A process is known by pid *and* start time, because a pid alone is used again. One that was never
remembered (its command was killed between the start and the note) is found by a mark that only this
stack's processes bear: a name or folder in their command line.
"""

import contextlib
import hashlib
import os
import pwd
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

PORTS = range(20_000, 30_000)  # below the ports that systems hand out to outgoing connections
_LOG_LIMIT_BYTES = 10_000_000
_TELLING = re.compile(r"error|fatal|panic|exception|denied|cannot", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Identity:
    """The user a service runs as, where that is not the caller."""

    uid: int
    gid: int


def service_identity() -> Identity | None:
    """Whom to become for a server that refuses root; None when the caller is an ordinary user."""
    if os.geteuid() != 0:
        return None
    entry = pwd.getpwnam("nobody")
    return Identity(entry.pw_uid, entry.pw_gid)


def as_user(identity: Identity | None) -> dict[str, object]:
    """Give the arguments that make `subprocess` step down to `identity`."""
    return {} if identity is None else {"user": identity.uid, "group": identity.gid, "extra_groups": []}


def start(
    command: Sequence[str | Path],
    *,
    folder: Path,
    log: Path,
    environ: Mapping[str, str],
    identity: Identity | None = None,
) -> psutil.Process:
    """Start `command` in a session of its own, its words going to `log`."""
    if log.exists() and log.stat().st_size > _LOG_LIMIT_BYTES:
        log.replace(log.with_suffix(".log.1"))
    with log.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603 - our own command line
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=folder,
            env=dict(environ),
            start_new_session=True,
            **as_user(identity),  # type: ignore[call-overload]
        )
    # It is meant to outlive us: without this word Popen warns of a process still running.
    process.returncode = 0
    return psutil.Process(process.pid)


def find(
    pid: int | None, started: float | None, is_ours: Callable[[psutil.Process], bool]
) -> psutil.Process | None:
    """Return the very process that was started as `pid` at `started`, if it still runs."""
    if pid is None or started is None:
        return None
    try:
        process = psutil.Process(pid)
        # A clock that was set moves every start time; the mark then tells.
        if abs(process.create_time() - started) > 1 and not is_ours(process):
            return None
    except (psutil.Error, OSError):
        return None
    return process if _runs(process) else None


def marked(is_ours: Callable[[psutil.Process], bool]) -> list[psutil.Process]:
    """Find the running processes that bear a mark, remembered or not."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if is_ours(process) and _runs(process):
                found.append(process)
    return found


def stop(
    processes: Iterable[psutil.Process], *, number: signal.Signals = signal.SIGTERM, patience_s: float = 20
) -> None:
    """Ask the processes to end; those that have not after `patience_s` are killed."""
    processes = [process for process in processes if _runs(process)]
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(number)
            process.resume()  # a stopped one would not notice
    for process in _wait(processes, patience_s):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    _wait(processes, 10)


def _wait(processes: Iterable[psutil.Process], patience_s: float) -> list[psutil.Process]:
    """Wait until all have ended; return those that have not."""
    deadline = time.monotonic() + patience_s
    left = list(processes)
    while (left := [process for process in left if _runs(process)]) and time.monotonic() < deadline:
        time.sleep(0.02)
    return left


def _runs(process: psutil.Process) -> bool:
    """Whether the process still does anything; one that ended as our own child is reaped."""
    try:
        if not process.is_running():
            return False
        if process.status() != psutil.STATUS_ZOMBIE:
            return True
    except psutil.Error:
        return False
    with contextlib.suppress(OSError):
        os.waitpid(process.pid, os.WNOHANG)
    return False


def free_port(key: str, *, avoid: Iterable[int] = ()) -> int:
    """Choose a port on which nobody listens; the same `key` begins its search at the same place."""
    taken = set(avoid)
    offset = int.from_bytes(hashlib.sha256(key.encode()).digest()[:4])
    for step in range(len(PORTS)):
        port = PORTS[(offset + step) % len(PORTS)]
        if port not in taken and is_free(port):
            return port
    raise OSError(f"no free port between {PORTS.start} and {PORTS.stop - 1}")


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            probe.listen(1)
        except OSError:
            return False
        return True


def last_words(log: Path, *, lines: int = 3) -> str:
    """Return the end of a log that tells most, for an error message."""
    try:
        text = log.read_bytes()[-8000:].decode("utf-8", "replace")
    except OSError:
        return "(no log)"
    kept = [line.strip() for line in text.splitlines() if line.strip()]
    telling = [line for line in kept if _TELLING.search(line)]
    return " | ".join((telling or kept)[-lines:]) or "(an empty log)"
