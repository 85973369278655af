"""Where finished exports lie: a local folder, or whatever fsspec knows a URL for (S3 and its likes).

A file appears whole or not at all: it is written aside, under a name of its own, and put in its place when it
is complete. A crash in between leaves what the next attempt overwrites.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, BinaryIO, Final, Protocol
from uuid import UUID

from core.errors import LeadFuelError
from core.settings import Settings

_PIECE: Final = 1 << 20


class NoSuchExport(LeadFuelError):
    """The file is not there (any more): it has expired, or never was."""

    status = 404
    slug = "no-such-export"
    title = "There is no such file"


class Store(Protocol):
    """A place for files by name. All of it may block; the module's functions call it in threads."""

    def put(self, name: str, source: Path) -> None: ...

    def open(self, name: str) -> BinaryIO: ...

    def remove(self, name: str) -> None: ...


class FolderStore:
    """A folder of this machine, or one that all its processes share."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, name: str, source: Path) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        aside = self._folder / f".{name}.part"
        with source.open("rb") as read, aside.open("wb") as write:
            while piece := read.read(_PIECE):
                write.write(piece)
            write.flush()
            os.fsync(write.fileno())
        aside.replace(self._folder / name)

    def open(self, name: str) -> BinaryIO:
        return (self._folder / name).open("rb")

    def remove(self, name: str) -> None:
        (self._folder / name).unlink(missing_ok=True)


class RemoteStore:
    """Any file system of fsspec; an upload is complete or is not there, as object stores have it."""

    def __init__(self, url: str) -> None:
        import fsspec  # noqa: PLC0415 - only an installation that stores elsewhere loads it

        self._files, root = fsspec.core.url_to_fs(url)
        self._root = root.rstrip("/")

    def put(self, name: str, source: Path) -> None:
        self._files.put_file(str(source), f"{self._root}/{name}")

    def open(self, name: str) -> BinaryIO:
        opened: Any = self._files.open(f"{self._root}/{name}", "rb")
        return opened  # type: ignore[no-any-return]

    def remove(self, name: str) -> None:
        if self._files.exists(f"{self._root}/{name}"):
            self._files.rm_file(f"{self._root}/{name}")


def store_of(settings: Settings) -> Store:
    """The store that the settings name."""
    url = settings.exports.url
    if url and not url.startswith("file://"):
        return RemoteStore(url)
    return FolderStore(Path(url.removeprefix("file://")) if url else settings.stack.home / "exports")


def name_of(export_id: UUID, kind: str) -> str:
    """The file's name in the store: ours alone, nothing of it from a request."""
    return f"{export_id}.{kind}"


async def read(settings: Settings, name: str) -> AsyncIterator[bytes]:
    """The file in pieces; raises `NoSuchExport` before the first one."""
    try:
        file = await asyncio.to_thread(store_of(settings).open, name)
    except FileNotFoundError:
        raise NoSuchExport("The file is not there any more.") from None

    async def pieces() -> AsyncIterator[bytes]:
        try:
            while piece := await asyncio.to_thread(file.read, _PIECE):
                yield piece
        finally:
            await asyncio.to_thread(file.close)

    return pieces()
