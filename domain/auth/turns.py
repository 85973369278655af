"""Turns at heavy computing, over all processes of a machine: half of its cores are left to everybody else.

A low priority alone is not enough: where services are in groups of their own (containers, systemd, sessions
with autogroups) it counts only among their own threads, and a search waits behind hashes in PostgreSQL and in
the API by turns. A turn is a lock on a file, which the kernel takes back from whoever dies.
"""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def taken() -> Iterator[None]:
    """Compute in the block, once it is this thread's turn. It blocks, so it is for threads that may wait.

    Where no turns can be kept (no folder to write to, locks that the file system does not know) there are
    none, and the computing goes on.
    """
    descriptor = _take()
    try:
        yield
    finally:
        if descriptor is not None:
            # Closing it gives the turn back.
            os.close(descriptor)


def places() -> tuple[Path, ...]:
    """The files that stand for turns, one for every two cores."""
    folder = Path(tempfile.gettempdir())
    return tuple(folder / f"leadfuel-{os.getuid()}-turn-{n}" for n in range(max(1, _cores() // 2)))


def _take() -> int | None:
    """The first turn that is free; else this process waits at a place of its own."""
    every = places()
    mine = os.getpid() % len(every)
    for place in (*every[mine:], *every[:mine]):
        if (descriptor := _locked(place, fcntl.LOCK_EX | fcntl.LOCK_NB)) is not None:
            return descriptor
    return _locked(every[mine], fcntl.LOCK_EX)


def _locked(place: Path, how: int) -> int | None:
    with suppress(OSError):
        # Somebody else's file or link under this name is not followed and not opened.
        descriptor = os.open(place, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, how)
        except OSError:
            os.close(descriptor)
            return None
        return descriptor
    return None


def _cores() -> int:
    """Those that this process may use, where the system tells them."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1
