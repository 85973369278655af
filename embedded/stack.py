"""The embedded stack as a whole: `up`, `down`, `status`, and the environment it gives the product.

Parts come up side by side and each under a lock of its own, so that PostgreSQL and Redis are ready
while another thread or process still fetches OpenSearch's jars. Nothing here keeps state in memory:
what a killed command left behind is found by the next one.
"""

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from core.errors import LeadFuelError
from core.settings import StackSettings
from embedded import folders, processes
from embedded import state as states
from embedded.parts import SERVICES, Postgres, Service, Surroundings
from embedded.starter import Starter, is_locked, part_lock
from embedded.state import PARTS, Part, PartName, StackState

Report = Callable[[str], None]
# What `status` can say beyond what is remembered. crashed: it ran, and is gone or dumb. external: a URL
# in the environment stands in for it.
PresentCondition = Literal["stopped", "starting", "running", "unavailable", "crashed", "external"]


class StackFailed(LeadFuelError):
    """A part that the product cannot do without did not come up."""

    slug = "stack-failed"
    title = "The embedded stack did not come up"


@dataclass(frozen=True, slots=True)
class PartStatus:
    """A part as it is at this moment, not as it was remembered."""

    name: PartName
    title: str
    condition: PresentCondition
    url: str | None  # without its password
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
    if PostgreSQL or Redis is. `durable=False` is meant for tests: no fsync, and a Java that starts sooner
    and runs slower.
    """
    environ = os.environ if environ is None else environ
    home = folders.make_home(home)
    state = _take_possession(home)
    around = Surroundings(
        state=state, settings=settings or StackSettings(home=home), environ=environ, durable=durable
    )
    told = threading.Lock()

    def tell(line: str) -> None:
        with told:
            report(line)

    cancelled = threading.Event()
    starters = []
    for name in dict.fromkeys(parts):
        service = SERVICES[name](around, tell)
        if _outside_url(environ, service, state.part(name)) is None:
            starters.append(Starter(service, tell, cancelled))
        else:
            tell(f"{service.title}: left to {service.variable} of the environment")
    with ThreadPoolExecutor(len(SERVICES)) as pool:
        outcomes = [pool.submit(starter.up) for starter in starters]
        try:
            failures = [error for outcome in outcomes if (error := outcome.exception()) is not None]
        except BaseException:  # Ctrl-C: what is on its way is stopped, what runs goes on
            cancelled.set()
            raise
    for error in failures:
        raise error
    state = states.load_or_create(home)
    for starter in starters:
        part = state.part(starter.service.name)
        if part.condition == "unavailable" and starter.service.is_required:
            raise StackFailed(
                f"{starter.service.title} did not come up: {part.reason}", part=starter.service.name
            )
    return state


def down(home: Path, *, report: Report = lambda _: None) -> None:
    """Stop every part and every process that one of them left behind; returns when they have ended."""
    home = home.expanduser().absolute()
    state = states.load(home)
    if state is None:
        return
    around = _surroundings(state)

    def stop(name: PartName) -> None:
        service = SERVICES[name](around, report)
        with part_lock(home, service, lambda words: report(f"{service.title}: {words}")):
            begun = time.monotonic()
            running = service.processes()
            if running:
                service.stop(running)
                report(f"{service.title}: stopped ({time.monotonic() - begun:.1f} s)")
            part = states.load_or_create(home).part(name)
            if part.condition != "unavailable":
                part = replace(part, condition="stopped", reason=None)
            states.set_part(home, name, replace(part, pid=None, started=None))

    with ThreadPoolExecutor(len(SERVICES)) as pool:
        for outcome in [pool.submit(stop, name) for name in PARTS]:
            outcome.result()


def delete(home: Path) -> list[Path]:
    """Stop the stack and delete its data, logs and secrets; returns the folders that held them."""
    home = home.expanduser().absolute()
    state = states.load(home)
    if state is None:
        return []
    held = data_folders(state)
    down(home)
    for folder in held[1:]:
        shutil.rmtree(folder)
    # Only what is ours: a home may hold other things, another stack's home among them.
    for name in (*PARTS, "logs", "cache"):
        shutil.rmtree(home / name, ignore_errors=True)
    for path in (*(home / f"{name}.lock" for name in PARTS), *home.glob(f"{states.FILE_NAME}*")):
        path.unlink(missing_ok=True)
    if not any(home.iterdir()):
        home.rmdir()
    return held


def status(home: Path, *, environ: Mapping[str, str] | None = None) -> list[PartStatus]:
    """Say how each part is now; asks the parts themselves and starts nothing."""
    environ = os.environ if environ is None else environ
    home = home.expanduser().absolute()
    state = states.load(home) or StackState(home=str(home), id="", secrets=states.Secrets(*[""] * 6))
    around = _surroundings(state)
    found = []
    for name in PARTS:
        service, part = SERVICES[name](around, lambda _: None), state.part(name)
        outside = _outside_url(environ, service, part)
        condition: PresentCondition
        reason: str | None
        if outside is not None:
            condition, reason = "external", f"{service.variable} is set in the environment"
        else:
            condition, reason = _present_condition(service, part)
        runs = condition in {"running", "starting"}
        url = outside or (service.urls(part)[service.variable] if runs else None)
        found.append(
            PartStatus(
                name=name,
                title=service.title,
                condition=condition,
                url=_without_password(url) if url else None,
                pid=part.pid if runs else None,
                port=part.port if outside is None else None,
                version=part.version if outside is None else None,
                data=part.data if outside is None else None,
                log=str(around.log(name)),
                reason=reason,
            )
        )
    return found


def environment(state: StackState) -> dict[str, str]:
    """Return the variables by which the product finds this stack; parts that are not there are left out."""
    around = _surroundings(state)
    variables: dict[str, str] = {}
    for name in PARTS:
        part = state.part(name)
        if part.condition in {"running", "starting"} and part.port is not None:
            variables |= SERVICES[name](around, lambda _: None).urls(part)
    return variables | {
        "LEADFUEL_JWT_SECRET": state.secrets.jwt_secret,
        "LEADFUEL_PRIVACY_KEY": state.secrets.privacy_key,
    }


def admin_url(state: StackState) -> str:
    """Return the superuser's URL of the embedded PostgreSQL: for tests and `make psql` alone."""
    return Postgres(_surroundings(state), lambda _: None).admin_url(state.part("postgres"))


def psql(state: StackState) -> tuple[list[str], dict[str, str]]:
    """The command that opens the stack's database as the tables' owner, and its environment."""
    around = _surroundings(state)
    program, environ = Postgres(around, lambda _: None).client()
    return [str(program), environment(state)["MIGRATION_DATABASE_URL"]], environ


def is_alive(state: StackState, name: PartName) -> bool:
    """Whether the part's process is still there (it may not answer yet)."""
    return SERVICES[name](_surroundings(state), lambda _: None).process(state.part(name)) is not None


def data_folders(state: StackState) -> list[Path]:
    """Return every folder that holds something of this stack, its home first."""
    outside = folders.system_folder(Path(state.home))
    return [Path(state.home), *([outside] if outside.exists() else [])]


def _take_possession(home: Path) -> StackState:
    """Read or make the state; a home that was moved takes along the data that lies outside of it."""
    old = states.former_home(home)
    if old is not None:
        folders.follow_move(old, home, processes.service_identity())
    return states.load_or_create(home)


def _surroundings(state: StackState) -> Surroundings:
    """Return surroundings to look at a stack with; they start nothing."""
    return Surroundings(
        state=state, settings=StackSettings(home=Path(state.home)), environ=os.environ, durable=True
    )


def _outside_url(environ: Mapping[str, str], service: Service, part: Part) -> str | None:
    """Return the URL that stands in for the part; the part's own (from `stack env`) does not count."""
    url = environ.get(service.variable)
    if not url or (part.port is not None and url == service.urls(part)[service.variable]):
        return None
    return url


def _present_condition(service: Service, part: Part) -> tuple[PresentCondition, str | None]:
    if part.condition in {"stopped", "unavailable"}:
        return part.condition, part.reason
    if service.process(part) is None:
        if part.condition == "starting" and is_locked(service.around.home, service):
            return "starting", "a command is bringing it up"
        return "crashed", "its process is gone: `leadfuel stack up` starts it again"
    if service.answers(part):
        return "running", None
    if part.condition == "starting":
        return "starting", None
    return "crashed", "its process does not answer: `leadfuel stack up` starts it again"


def _without_password(url: str) -> str:
    before, at, after = url.rpartition("@")
    scheme, colon, login = before.partition("://")
    return f"{scheme}{colon}{login.partition(':')[0]}{at}{after}"
