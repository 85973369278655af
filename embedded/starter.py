"""Brings one part up: leaves it alone if it is well, clears away what is left of it, starts it, waits.

Every step is written down before the next is taken, so that whoever comes after a killed command finds
either a part that can be used or one that can be started again.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from filelock import FileLock, Timeout

from core.errors import LeadFuelError
from embedded import processes
from embedded import state as states
from embedded.parts import Service, with_ports
from embedded.state import BrokenStack, Part

_TRIES = 3
_PAUSE_S = 0.05
_HANGING_AFTER_S = 10
_LOCK_PATIENCE_S = 300


class DidNotStart(LeadFuelError):
    """A part's process was started and did not come to answer."""

    slug = "did-not-start"
    title = "A service did not start"


class Interrupted(LeadFuelError):
    """The command was interrupted while the part came up."""

    slug = "interrupted"
    title = "Interrupted"


class Starter:
    def __init__(self, service: Service, report: Callable[[str], None], cancelled: threading.Event) -> None:
        self.service = service
        self.home = service.around.home
        self.cancelled = cancelled
        self._report = report
        service.report = self.report

    def report(self, words: str) -> None:
        self._report(f"{self.service.title}: {words}")

    def up(self) -> None:
        """Bring the part up; where it cannot be had, its state says so."""
        begun = time.monotonic()
        with part_lock(self.home, self.service, self.report):
            part = self._remembered()
            if self._is_well(part):
                self.report(f"runs already, port {part.port}")
                return
            try:
                part = self._start(part)
            except Interrupted:
                self._remember(replace(self._remembered(), condition="stopped", pid=None, started=None))
                raise
            except (LeadFuelError, OSError) as error:
                reason = error.detail if isinstance(error, LeadFuelError) else str(error)
                part = replace(self._remembered(), condition="unavailable", reason=reason)
                self._remember(replace(part, pid=None, started=None))
                self.report(f"unavailable: {reason}")
                return
            self.report(f"ready on port {part.port} ({time.monotonic() - begun:.1f} s)")

    def _is_well(self, part: Part) -> bool:
        """Whether the remembered process is there, as wanted, and answers (perhaps after a while)."""
        if self.service.process(part) is None:
            if part.condition in {"running", "starting"}:
                self.report("its process is gone, starting it again")
            return False
        if part.options != self.service.options():
            self.report("starting it again with other settings")
            return False
        patience_s = self.service.patience_s if part.condition == "starting" else _HANGING_AFTER_S
        if self._comes_up(part, patience_s):
            if part.condition != "running":
                self._remember(replace(part, condition="running", reason=None))
            return True
        self.report("it does not answer, starting it again")
        return False

    def _start(self, part: Part) -> Part:
        left = self.service.processes()
        if left:
            self.service.stop(left)
        part = self._with_free_ports(part)
        part = replace(part, condition="starting", pid=None, started=None, reason=None)
        part = self._remember(replace(part, options=self.service.options()))
        prepared = self.service.prepare()
        part = self._remember(replace(part, data=prepared.data, version=prepared.version))
        for _ in range(_TRIES):
            process = self.service.start(part)
            part = self._remember(replace(part, pid=process.pid, started=process.create_time()))
            if self._comes_up(part, self.service.patience_s):
                self.service.settle(part)
                return self._remember(replace(part, condition="running"))
            self.service.stop(self.service.processes())
            if all(processes.is_free(port) for port in _ports(part)):
                break  # it was not the ports: another try would end the same
            part = self._with_free_ports(part)
        words = processes.last_words(self.service.around.log(self.service.name))
        raise DidNotStart(f"it did not come up; its log ends with: {words}")

    def _comes_up(self, part: Part, patience_s: float) -> bool:
        deadline = time.monotonic() + patience_s
        while self.service.process(part) is not None:
            if self.service.answers(part):
                return True
            if time.monotonic() > deadline:
                break
            if self.cancelled.wait(_PAUSE_S):
                self.service.stop(self.service.processes())
                raise Interrupted("it was interrupted")
        return False

    def _with_free_ports(self, part: Part) -> Part:
        """Keep the remembered ports where they are free; else choose others, and say so."""
        state = states.load(self.home)
        others = {port for one in (state.parts.values() if state else ()) for port in _ports(one)}
        kept = _ports(part)
        chosen: list[int] = []
        for index in range(self.service.ports):
            old = kept[index] if index < len(kept) else None
            if old is not None and processes.is_free(old):
                chosen.append(old)
                continue
            key = f"{self.home}-{self.service.name}-{index}"
            chosen.append(processes.free_port(key, avoid={*others, *chosen}))
            if old is not None:
                self.report(f"port {old} is taken by another program, taking {chosen[-1]} instead")
        return with_ports(part, chosen)

    def _remembered(self) -> Part:
        state = states.load(self.home)
        return state.part(self.service.name) if state else Part()

    def _remember(self, part: Part) -> Part:
        states.set_part(self.home, self.service.name, part)
        return part


def _ports(part: Part) -> list[int]:
    return [port for port in (part.port, part.transport_port) if port is not None]


@contextmanager
def part_lock(home: Path, service: Service, report: Callable[[str], None]) -> Iterator[None]:
    """Let one command at a time start or stop this part; a second one waits and says so."""
    lock = FileLock(_lock_path(home, service))
    try:
        lock.acquire(timeout=0.2)
    except Timeout:
        report("another command is at it, waiting")
        try:
            lock.acquire(timeout=_LOCK_PATIENCE_S)
        except Timeout:
            raise BrokenStack(f"{lock.lock_file} has been held for {_LOCK_PATIENCE_S} s.") from None
    try:
        yield
    finally:
        lock.release()


def is_locked(home: Path, service: Service) -> bool:
    """Whether a command is starting or stopping this part at the moment."""
    lock = FileLock(_lock_path(home, service))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    lock.release()
    return False


def _lock_path(home: Path, service: Service) -> Path:
    return home / f"{service.name}.lock"
