"""The embedded stack as a whole: `up`, `down`, `status`, and the environment it gives the product.

Parts come up side by side and each under a lock of its own, so that PostgreSQL and Redis are ready
while another thread or process still fetches OpenSearch's jars. Nothing here keeps state in memory:
what a killed command left behind is found by the next one.
"""

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from filelock import FileLock, Timeout

from core.errors import LeadFuelError
from core.settings import StackSettings
from embedded import folders, processes
from embedded import state as states
from embedded.parts import SERVICES, Postgres, Service, Surroundings, with_ports
from embedded.state import PARTS, BrokenStack, Part, PartName, StackState

Report = Callable[[str], None]
_START_TRIES = 3
_LOCK_PATIENCE_S = 300


class StackFailed(LeadFuelError):
    """A part that the product cannot do without did not come up."""

    slug = "stack-failed"
    title = "The embedded stack did not come up"


@dataclass(frozen=True, slots=True)
class PartStatus:
    """A part as it is at this moment, not as it was remembered."""

    name: PartName
    title: str
    condition: states.Condition
    url: str | None
    pid: int | None
    port: int | None
    version: str | None
    data: str | None
    log: str
    reason: str | None


def up(
    home: Path,
    *,
    parts: Iterable[PartName] = PARTS,
    environ: Mapping[str, str] | None = None,
    settings: StackSettings | None = None,
    report: Report = lambda _: None,
    durable: bool = True,
) -> StackState:
    """Bring the parts up and return when each answers, stands aside for a URL, or cannot be had.

    Parts that answer are left alone. OpenSearch may be missing (its part says why); raises `StackFailed`
    if PostgreSQL or Redis is. `durable=False` trades safety for speed and is meant for tests.
    """
    wanted = list(dict.fromkeys(parts))
    environ = os.environ if environ is None else environ
    home = folders.make_home(home)
    remembered = states.load_or_create(home)
    around = Surroundings(
        home=home,
        secrets=remembered.secrets,
        settings=settings or StackSettings(home=home),
        environ=environ,
        durable=durable,
    )
    told = threading.Lock()

    def tell(line: str) -> None:
        with told:
            report(line)

    cancelled = threading.Event()
    with ThreadPoolExecutor(len(SERVICES)) as pool:
        pending = {
            name: pool.submit(_Raising(_service(name, around, tell), tell, cancelled).up) for name in wanted
        }
        try:
            failures = [error for one in pending.values() if (error := one.exception()) is not None]
        except BaseException:
            cancelled.set()
            raise
    for error in failures:
        raise error
    state = states.load_or_create(home)
    for name in wanted:
        part = state.part(name)
        if part.condition == "unavailable" and SERVICES[name].is_required:
            raise StackFailed(f"{SERVICES[name].title} did not come up: {part.reason}", part=name)
    return state


def down(home: Path, *, report: Report = lambda _: None) -> None:
    """Stop every part and every process that one of them left behind; returns when they have ended."""
    home = home.expanduser().absolute()
    state = states.load(home)
    if state is None:
        return
    around = _surroundings(home, state)

    def stop(name: PartName) -> None:
        service = _service(name, around, report)
        with _part_lock(home, name, report):
            running = service.processes()
            if running:
                begun = time.monotonic()
                service.stop(running)
                report(f"{service.title}: stopped ({time.monotonic() - begun:.1f} s)")
            loaded = states.load(home)
            part = loaded.part(name) if loaded else Part()
            if part.condition not in {"external", "unavailable"}:
                part = replace(part, condition="stopped", pid=None, started=None, reason=None)
            states.set_part(home, name, part)

    with ThreadPoolExecutor(len(SERVICES)) as pool:
        for outcome in [pool.submit(stop, name) for name in reversed(PARTS)]:
            outcome.result()


def status(home: Path, *, environ: Mapping[str, str] | None = None) -> list[PartStatus]:
    """Say how each part is now; asks the parts themselves and starts nothing."""
    environ = os.environ if environ is None else environ
    home = home.expanduser().absolute()
    state = states.load(home)
    found = []
    for name in PARTS:
        part = state.part(name) if state else Part()
        service = _service(name, _surroundings(home, state), lambda _: None) if state else None
        outside = _outside_url(name, environ, service, part)
        condition, reason, url = part.condition, part.reason, None
        if outside is not None:
            condition, url = "external", outside
            reason = f"{SERVICES[name].variable} is set in the environment"
        elif condition == "external":
            condition, reason = "stopped", None
        elif service is not None and condition in {"running", "starting"}:
            url = service.urls(part)[service.variable]
            condition, reason = _present_condition(service, part)
        found.append(
            PartStatus(
                name=name,
                title=SERVICES[name].title,
                condition=condition,
                url=url,
                pid=part.pid if condition in {"running", "starting"} else None,
                port=part.port,
                version=part.version,
                data=part.data,
                log=str(home / "logs" / f"{name}.log"),
                reason=reason,
            )
        )
    return found


def environment(state: StackState) -> dict[str, str]:
    """Return the variables by which the product finds this stack; parts that are not there are left out."""
    around = _surroundings(Path(state.home), state)
    variables: dict[str, str] = {}
    for name in PARTS:
        part = state.part(name)
        if part.condition in {"running", "starting"} and part.port is not None:
            variables |= _service(name, around, lambda _: None).urls(part)
    return variables | {
        "LEADFUEL_JWT_SECRET": state.secrets.jwt_secret,
        "LEADFUEL_PRIVACY_KEY": state.secrets.privacy_key,
    }


def admin_url(state: StackState) -> str:
    """Return the superuser's URL of the embedded PostgreSQL: for tests and `make psql` alone."""
    around = _surroundings(Path(state.home), state)
    return Postgres(around, lambda _: None).admin_url(state.part("postgres"))


def postgres_alive(state: StackState) -> bool:
    """Whether the process of the embedded PostgreSQL is still there."""
    part = state.part("postgres")
    return processes.is_alive(part.pid, part.started)


def folders_of(state: StackState) -> list[Path]:
    """Return every folder that holds something of this stack (`make clean` removes them)."""
    home = Path(state.home)
    outside = folders.system_folder(home)
    return [home, *([outside] if outside.exists() else [])]


class _Raising:
    """Brings one part up."""

    def __init__(self, service: Service, report: Report, cancelled: threading.Event) -> None:
        self.service = service
        self.home = service.around.home
        self.name = service.name
        self._tell = report
        service.report = self.report
        self.cancelled = cancelled

    def report(self, words: str) -> None:
        self._tell(f"{self.service.title}: {words}")

    def up(self) -> None:
        begun = time.monotonic()
        with _part_lock(self.home, self.name, self.report):
            part = self._remembered()
            outside = _outside_url(self.name, self.service.around.environ, self.service, part)
            if outside is not None:
                self.report(f"left to {self.service.variable} of the environment")
                self._remember(replace(part, condition="external", reason=None))
                return
            if self._is_well(part):
                self.report(f"runs already, port {part.port}")
                return
            try:
                part = self._raise(part)
            except (LeadFuelError, OSError) as error:
                reason = error.detail if isinstance(error, LeadFuelError) else str(error)
                part = replace(
                    self._remembered(), condition="unavailable", reason=reason, pid=None, started=None
                )
                self._remember(part)
                self.report(f"unavailable: {reason}")
                return
            self.report(f"ready on port {part.port} ({time.monotonic() - begun:.1f} s)")

    def _is_well(self, part: Part) -> bool:
        """Whether the remembered process is there, as wanted, and answers (perhaps after a while)."""
        process = processes.find(part.pid, part.started)
        if process is None or part.port is None:
            return False
        if part.options != self.service.options():
            self.report("started anew, for other settings")
            return False
        deadline = time.monotonic() + (self.service.patience_s if part.condition == "starting" else 5)
        while processes.is_alive(part.pid, part.started):
            if self.service.answers(part):
                if part.condition != "running":
                    self._remember(replace(part, condition="running", reason=None))
                return True
            if time.monotonic() > deadline:
                break
            self._pause()
        return False

    def _raise(self, part: Part) -> Part:
        if part.condition in {"running", "starting"}:
            self.report("was not in order, starting it again")
        left = self.service.processes()
        if left:
            self.service.stop(left)
        part = self._with_free_ports(replace(part, options=self.service.options(), reason=None))
        part = self._remember(replace(part, condition="starting", pid=None, started=None))
        prepared = self.service.prepare()
        part = replace(part, data=prepared.data, version=prepared.version)
        for attempt in range(1, _START_TRIES + 1):
            process = self.service.start(part)
            part = self._remember(replace(part, pid=process.pid, started=process.create_time()))
            if self._comes_up(part):
                self.service.settle(part)
                return self._remember(replace(part, condition="running"))
            self.service.stop(self.service.processes())
            if attempt < _START_TRIES and not self._ports_free(part):
                part = self._with_free_ports(part)
                continue
            break
        words = processes.last_words(self.service.around.log(self.name))
        raise StackFailed(f"it did not come up; its log ends with: {words}")

    def _comes_up(self, part: Part) -> bool:
        deadline = time.monotonic() + self.service.patience_s
        while time.monotonic() < deadline:
            if not processes.is_alive(part.pid, part.started):
                return False
            if self.service.answers(part):
                return True
            self._pause()
        return False

    def _pause(self) -> None:
        if self.cancelled.wait(0.05):
            self.service.stop(self.service.processes())
            raise StackFailed("it was interrupted")

    def _with_free_ports(self, part: Part) -> Part:
        """Keep the remembered ports where they are free; else choose others, and say so."""
        state = states.load(self.home)
        avoid = {port for one in (state.parts.values() if state else ()) for port in _ports(one)}
        kept = _ports(part)
        chosen: list[int] = []
        for index in range(self.service.ports):
            old = kept[index] if index < len(kept) else None
            if old is not None and processes.is_free(old):
                chosen.append(old)
                continue
            key = f"{folders.digest(self.home)}-{self.name}-{index}"
            chosen.append(processes.free_port(key, avoid={*avoid, *chosen}))
            if old is not None:
                self.report(f"port {old} is taken by another program, port {chosen[-1]} instead")
        return with_ports(part, chosen)

    def _ports_free(self, part: Part) -> bool:
        return all(processes.is_free(port) for port in _ports(part))

    def _remembered(self) -> Part:
        state = states.load(self.home)
        return state.part(self.name) if state else Part()

    def _remember(self, part: Part) -> Part:
        states.set_part(self.home, self.name, part)
        return part


def _ports(part: Part) -> list[int]:
    return [port for port in (part.port, part.transport_port) if port is not None]


def _surroundings(home: Path, state: StackState) -> Surroundings:
    return Surroundings(
        home=home,
        secrets=state.secrets,
        settings=StackSettings(home=home),
        environ=os.environ,
        durable=True,
    )


def _service(name: PartName, around: Surroundings, report: Report) -> Service:
    return SERVICES[name](around, report)


def _outside_url(
    name: PartName, environ: Mapping[str, str], service: Service | None, part: Part
) -> str | None:
    """Return the URL that stands in for the part; the part's own (from `stack env`) does not count."""
    url = environ.get(SERVICES[name].variable)
    if not url:
        return None
    if service is not None and part.port is not None and url == service.urls(part)[service.variable]:
        return None
    return url


def _present_condition(service: Service, part: Part) -> tuple[states.Condition, str | None]:
    if not processes.is_alive(part.pid, part.started):
        if (
            part.condition == "starting"
            and part.pid is None
            and _is_locked(service.around.home, service.name)
        ):
            return "starting", "a command is bringing it up"
        return "crashed", "its process is gone: `leadfuel stack up` starts it again"
    if service.answers(part):
        return "running", None
    if part.condition == "starting":
        return "starting", None
    return "crashed", "its process does not answer: `leadfuel stack up` starts it again"


def _is_locked(home: Path, name: PartName) -> bool:
    lock = FileLock(_lock_path(home, name))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    lock.release()
    return False


def _lock_path(home: Path, name: PartName) -> Path:
    return home / f"{name}.lock"


@contextmanager
def _part_lock(home: Path, name: PartName, report: Report) -> Iterator[None]:
    """Let one command at a time start or stop this part; a second one waits and says so."""
    lock = FileLock(_lock_path(home, name), thread_local=False)
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
