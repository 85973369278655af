"""What a stack remembers between two commands: `stack.json` in its home, readable by its owner alone.

One part never writes another's words: every change reads the file, replaces one part and writes it
anew under a short lock, so that the parts can come up side by side, in several processes.
"""

import os
import secrets
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import msgspec
from filelock import FileLock, Timeout

from core.errors import LeadFuelError

PartName = Literal["postgres", "redis", "opensearch"]
PARTS: tuple[PartName, ...] = ("postgres", "redis", "opensearch")

# stopped: not running, and not asked to. starting: a command is bringing it up. running: it was seen
# answering. unavailable: it could not be had here, `reason` says why.
Condition = Literal["stopped", "starting", "running", "unavailable"]

FILE_NAME = "stack.json"
VERSION = 1
_LOCK_TIMEOUT_S = 10


class BrokenStack(LeadFuelError):
    """The remembered state of the embedded stack cannot be used."""

    slug = "broken-stack"
    title = "The embedded stack's state is broken"


@dataclass(frozen=True, slots=True)
class Part:
    """One service: where it is, how it is, and what it needs to be found again."""

    condition: Condition = "stopped"
    pid: int | None = None
    started: float | None = None  # the process's own start time: a pid alone may be used again
    port: int | None = None
    transport_port: int | None = None  # OpenSearch's second port
    data: str | None = None
    version: str | None = None
    reason: str | None = None
    options: dict[str, Any] = field(default_factory=dict)  # what it was started with (heap, fsync)

    @property
    def known_port(self) -> int:
        return _known(self.port)

    @property
    def known_transport_port(self) -> int:
        return _known(self.transport_port)


@dataclass(frozen=True, slots=True)
class Secrets:
    """Made once per stack and never printed but by `stack env`."""

    admin_password: str
    owner_password: str
    app_password: str
    redis_password: str
    jwt_secret: str
    privacy_key: str


@dataclass(frozen=True, slots=True)
class StackState:
    home: str
    id: str  # no other stack has it; the processes bear it in their names
    secrets: Secrets
    version: int = VERSION
    created: float = 0.0
    parts: dict[str, Part] = field(default_factory=dict)

    def part(self, name: PartName) -> Part:
        return self.parts.get(name, Part())


def load(home: Path) -> StackState | None:
    """Read what `home` remembers, None where there is nothing; raises `BrokenStack`."""
    home = home.absolute()
    state = _read(home)
    return state if state is None or state.home == str(home) else _moved(state, home)


def former_home(home: Path) -> Path | None:
    """Return where the folder was when it was last used, if it was moved or copied since."""
    state = _read(home)
    return None if state is None or state.home == str(home) else Path(state.home)


def load_or_create(home: Path) -> StackState:
    """Read the state of `home`; a home that has none gets one, with fresh secrets."""
    with _locked(home):
        state = load(home)
        if state is None:
            state = StackState(
                home=str(home), id=secrets.token_hex(4), secrets=_fresh_secrets(), created=time.time()
            )
            _save(home, state)
        elif former_home(home) is not None:
            _save(home, state)
        return state


def set_part(home: Path, name: PartName, part: Part) -> StackState:
    """Replace the words about one part and return the whole."""
    with _locked(home):
        state = load(home)
        if state is None:
            raise BrokenStack(f"{home / FILE_NAME} has disappeared.", path=str(home / FILE_NAME))
        state = replace(state, parts={**state.parts, name: part})
        _save(home, state)
        return state


def _read(home: Path) -> StackState | None:
    path = home / FILE_NAME
    try:
        raw = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise BrokenStack(f"{path} cannot be read: {error.strerror}.", path=str(path)) from error
    try:
        state = msgspec.json.decode(raw, type=StackState)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BrokenStack(
            f"{path} is damaged ({error}). It holds the passwords of the data beside it: restore it from a "
            "backup, or remove the whole folder to begin anew (that loses the data).",
            path=str(path),
        ) from error
    if state.version != VERSION:
        raise BrokenStack(
            f"{path} was written by another version of LeadFuel ({state.version}, this one knows {VERSION}).",
            path=str(path),
        )
    return state


def _moved(state: StackState, home: Path) -> StackState:
    """Return the state of a folder that was moved or copied: nothing of it runs here.

    A copy takes a name of its own, for the original may be running.
    """
    parts = {
        name: replace(part, condition="stopped", pid=None, started=None, reason=None, data=None, options={})
        for name, part in state.parts.items()
    }
    return replace(state, home=str(home), id=secrets.token_hex(4), parts=parts)


def _known(port: int | None) -> int:
    if port is None:
        raise BrokenStack(f"{FILE_NAME} names no port for a part that has been started.")
    return port


def _fresh_secrets() -> Secrets:
    return Secrets(*(secrets.token_hex(24) for _ in range(6)))


def _save(home: Path, state: StackState) -> None:
    """Write beside and rename, so that the file is always whole; raises `BrokenStack`."""
    data = msgspec.json.format(msgspec.json.encode(state), indent=2)
    temporary = None
    try:
        handle, temporary = tempfile.mkstemp(dir=home, prefix=f".{FILE_NAME}.")  # born with mode 0600
        with os.fdopen(handle, "wb") as file:
            file.write(data + b"\n")
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(home / FILE_NAME)
    except OSError as error:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
        raise BrokenStack(
            f"{home / FILE_NAME} cannot be written: {error.strerror}.", path=str(home / FILE_NAME)
        ) from error


@contextmanager
def _locked(home: Path) -> Iterator[None]:
    try:
        with FileLock(home / f"{FILE_NAME}.lock", timeout=_LOCK_TIMEOUT_S, mode=0o600):
            yield
    except Timeout:
        raise BrokenStack(f"{home / FILE_NAME} is held by another command; try again.") from None
