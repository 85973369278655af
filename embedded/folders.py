"""Where the embedded services keep their data and programs, and who can reach it.

A server that steps down from root must be able to walk to its data: every parent folder has to be
traversable for it. Where one is not (a clone below a 0700 folder), the data lies in a system folder
that is named after the home, and `stack status` says where.
"""

import hashlib
import os
import stat
from collections.abc import Mapping
from pathlib import Path

from core.errors import LeadFuelError
from embedded.processes import Identity

SYSTEM_DATA = Path("/var/lib/leadfuel")
SYSTEM_CACHE = Path("/var/cache/leadfuel")


class NoFolder(LeadFuelError):
    """A folder for the embedded services cannot be made or written."""

    slug = "no-folder"
    title = "A folder cannot be used"


def make_home(home: Path) -> Path:
    """Make the stack's home and its folder of logs; raises `NoFolder`."""
    home = home.expanduser().absolute()
    try:
        home.mkdir(parents=True, exist_ok=True)
        (home / "logs").mkdir(exist_ok=True)
    except OSError as error:
        raise NoFolder(
            f"{home} cannot be made ({error.strerror}): set LEADFUEL_HOME to a folder you may write.",
            path=str(home),
        ) from error
    if not os.access(home, os.W_OK | os.X_OK):
        raise NoFolder(f"{home} cannot be written: set LEADFUEL_HOME to one that can.", path=str(home))
    return home


def server_folder(home: Path, name: str, identity: Identity | None) -> Path:
    """Choose where a server that runs as `identity` has its data; makes nothing."""
    if identity is None or is_reachable(home, identity):
        return home / name
    return system_folder(home) / name


def make_server_folder(folder: Path, identity: Identity | None) -> None:
    """Make the folder and give it to the server's user; raises `NoFolder`."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if identity is not None:
            os.chown(folder, identity.uid, identity.gid)
    except OSError as error:
        raise NoFolder(f"{folder} cannot be made: {error.strerror}.", path=str(folder)) from error
    if identity is not None and not is_reachable(folder, identity):
        raise NoFolder(
            f"{folder} holds the data, but a folder above it is now closed to the user `nobody`, as whom "
            "PostgreSQL runs when root starts it. Open it (chmod o+x) or move the project.",
            path=str(folder),
        )


def follow_move(old: Path, new: Path, identity: Identity | None) -> None:
    """Take the data outside of a home along when the home was moved (not when it was copied)."""
    outside = system_folder(old)
    if identity is None or old.exists() or not outside.exists() or system_folder(new).exists():
        return
    outside.rename(system_folder(new))


def is_reachable(folder: Path, identity: Identity) -> bool:
    """Whether `identity` may walk down to `folder`, as far as that exists."""
    real = Path(os.path.realpath(folder))
    for step in (real, *real.parents):
        try:
            status = step.stat()
        except FileNotFoundError:
            continue
        if status.st_uid == identity.uid:
            allowed = status.st_mode & stat.S_IXUSR
        elif status.st_gid == identity.gid:
            allowed = status.st_mode & stat.S_IXGRP
        else:
            allowed = status.st_mode & stat.S_IXOTH
        if not allowed:
            return False
    return True


def cache_folder(home: Path, environ: Mapping[str, str], identity: Identity | None) -> Path:
    """Choose a folder for unpacked programs, shared by all stacks of this user where that is possible."""
    if identity is not None:
        candidates = [SYSTEM_CACHE, home / "cache"]
    else:
        user_cache = environ.get("XDG_CACHE_HOME") or Path(environ.get("HOME", "/nonexistent")) / ".cache"
        candidates = [Path(user_cache) / "leadfuel", home / "cache"]
    for folder in candidates:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if (
            folder.stat().st_uid == os.geteuid()
            and os.access(folder, os.W_OK | os.X_OK)
            and (identity is None or is_reachable(folder, identity))
        ):
            return folder
    raise NoFolder(f"none of {', '.join(map(str, candidates))} can be used for unpacked programs.")


def system_folder(home: Path) -> Path:
    """Return the folder outside of `home` that may hold its data."""
    digest = hashlib.sha256(os.fsencode(os.path.realpath(home))).hexdigest()[:12]
    return SYSTEM_DATA / f"{home.parent.name or 'root'}-{digest}"
