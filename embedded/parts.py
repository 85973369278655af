"""The three services behind one shape, so that `embedded.stack` brings any of them up the same way.

A part knows how to prepare and start its process, how to ask whether it answers, which processes are
its own (strays of a killed command included) and how to stop them. It holds no state of its own.
"""

import functools
import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil

from core.settings import StackSettings
from embedded import folders, postgres_server, processes, redis_server
from embedded.opensearch import server as opensearch_server
from embedded.state import Part, PartName, Secrets, StackState


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every part needs to know to come up."""

    state: StackState
    settings: StackSettings
    environ: Mapping[str, str]
    durable: bool

    @property
    def home(self) -> Path:
        return Path(self.state.home)

    @property
    def secrets(self) -> Secrets:
        return self.state.secrets

    @property
    def cluster(self) -> str:
        """Return the name that this stack's PostgreSQL and OpenSearch bear."""
        return f"leadfuel-{self.state.id}"

    def log(self, name: PartName) -> Path:
        return self.home / "logs" / f"{name}.log"


class Service(ABC):
    name: PartName
    title: str
    variable: str  # the URL in the environment that stands in for this part
    is_required: bool = True
    ports: int = 1
    patience_s: float = 60  # for coming up

    def __init__(self, surroundings: Surroundings, report: Callable[[str], None]) -> None:
        self.around = surroundings
        self.report = report

    @abstractmethod
    def prepare(self) -> Part:
        """Make what has to be there before a start: programs, data. Returns what is known by then."""

    @abstractmethod
    def start(self, part: Part) -> psutil.Process: ...

    @abstractmethod
    def answers(self, part: Part) -> bool: ...

    @abstractmethod
    def is_ours(self, process: psutil.Process) -> bool:
        """Whether a process is this part of this stack; may raise psutil's errors."""

    @abstractmethod
    def urls(self, part: Part) -> dict[str, str]:
        """Return the environment variables by which the product finds this part."""

    def options(self) -> dict[str, Any]:
        """Return what the part is started with; a running part with other options is started anew."""
        return {}

    def settle(self, part: Part) -> None:  # noqa: B027 - most parts are ready when they answer
        """Wait for what is worth waiting for once the part answers."""

    def process(self, part: Part) -> psutil.Process | None:
        """Return the remembered process if it still runs."""
        return processes.find(part.pid, part.started, self.is_ours)

    def processes(self) -> list[psutil.Process]:
        """Return every process of this part, also those that nobody remembered."""
        return processes.marked(self.is_ours)

    def stop(self, running: list[psutil.Process]) -> None:
        processes.stop(running, number=signal.SIGTERM, patience_s=20)


class Postgres(Service):
    name: PartName = "postgres"
    title = "PostgreSQL"
    variable = "DATABASE_URL"

    @functools.cached_property
    def folder(self) -> Path:
        """Return where the data lies: where it was put, else where the server can reach it."""
        remembered = self.around.state.part(self.name).data
        if remembered is not None and (Path(remembered) / "PG_VERSION").exists():
            return Path(remembered)
        identity = processes.service_identity()
        return folders.server_folder(self.around.home, "postgres", identity) / "data"

    def prepare(self) -> Part:
        data = self.folder
        folders.make_server_folder(data.parent, processes.service_identity())
        if not (data / "PG_VERSION").exists():
            self.report("making the database")
            postgres_server.create(
                data,
                programs=self._programs(),
                secrets=self.around.secrets,
                durable=self.around.durable,
                identity=processes.service_identity(),
                environ=self.around.environ,
            )
        return Part(data=str(data), version=postgres_server.VERSION)

    def start(self, part: Part) -> psutil.Process:
        return postgres_server.start(
            self.folder,
            programs=self._programs(),
            port=part.known_port,
            configuration=postgres_server.Configuration(cluster=self.around.cluster, **part.options),
            identity=processes.service_identity(),
            environ=self.around.environ,
            log=self.around.log(self.name),
        )

    def answers(self, part: Part) -> bool:
        return postgres_server.answers(self.folder, part.known_port, programs=self._programs())

    def is_ours(self, process: psutil.Process) -> bool:
        return postgres_server.is_ours(process, self.folder, self.around.cluster)

    def options(self) -> dict[str, Any]:
        return {"buffers_mb": self.around.settings.postgres_buffers_mb, "durable": self.around.durable}

    def stop(self, running: list[psutil.Process]) -> None:
        # The postmaster first, it ends its children in good order; whoever is left was orphaned.
        pids = {process.pid for process in running}
        postgres_server.stop([process for process in running if process.ppid() not in pids])
        processes.stop(running, number=signal.SIGQUIT, patience_s=5)

    def urls(self, part: Part) -> dict[str, str]:
        secrets = self.around.secrets
        return {
            "DATABASE_URL": self._url(part, postgres_server.APP, secrets.app_password),
            "MIGRATION_DATABASE_URL": self._url(part, postgres_server.OWNER, secrets.owner_password),
        }

    def admin_url(self, part: Part) -> str:
        return self._url(part, postgres_server.ADMIN, self.around.secrets.admin_password)

    def client(self) -> tuple[Path, dict[str, str]]:
        """The client psql of the server's own version, and the environment it needs."""
        programs = self._programs()
        return programs / "bin" / "psql", dict(postgres_server.program_environ(programs, self.around.environ))

    def _url(self, part: Part, user: str, password: str) -> str:
        return f"postgresql://{user}:{password}@127.0.0.1:{part.port}/{postgres_server.DATABASE}"

    def _programs(self) -> Path:
        cache = folders.cache_folder(self.around.home, self.around.environ, processes.service_identity())
        return postgres_server.unpack(cache, self.around.environ)


class Redis(Service):
    name: PartName = "redis"
    title = "Redis"
    variable = "REDIS_URL"

    @property
    def folder(self) -> Path:
        return self.around.home / "redis"

    def prepare(self) -> Part:
        return Part(data=str(self.folder / "data"), version=redis_server.VERSION)

    def start(self, part: Part) -> psutil.Process:
        return redis_server.start(
            self.folder,
            port=part.known_port,
            password=self.around.secrets.redis_password,
            durable=self.around.durable,
            environ=self.around.environ,
            log=self.around.log(self.name),
        )

    def answers(self, part: Part) -> bool:
        return redis_server.answers(part.known_port, self.around.secrets.redis_password)

    def is_ours(self, process: psutil.Process) -> bool:
        return redis_server.is_ours(process, self.folder)

    def urls(self, part: Part) -> dict[str, str]:
        return {"REDIS_URL": f"redis://:{self.around.secrets.redis_password}@127.0.0.1:{part.port}/0"}


class OpenSearch(Service):
    name: PartName = "opensearch"
    title = "OpenSearch"
    variable = "OPENSEARCH_URL"
    is_required = False
    ports = 2
    patience_s = 90

    @property
    def folder(self) -> Path:
        return self.around.home / "opensearch"

    def prepare(self) -> Part:
        self.folder.mkdir(parents=True, exist_ok=True)
        return Part(data=str(self.folder / "data"), version=opensearch_server.VERSION)

    def start(self, part: Part) -> psutil.Process:
        return opensearch_server.start(
            self.folder,
            cluster=self.around.cluster,
            http_port=part.known_port,
            transport_port=part.known_transport_port,
            **part.options,
            url=self.around.settings.maven_url,
            environ=self.around.environ,
            log=self.around.log(self.name),
            report=self.report,
        )

    def answers(self, part: Part) -> bool:
        return opensearch_server.health(part.known_port, self.around.cluster) is not None

    def settle(self, part: Part) -> None:
        """Give the indices of a former run some seconds to be read again."""
        deadline = time.monotonic() + 20
        while (
            opensearch_server.health(part.known_port, self.around.cluster) == "red"
            and time.monotonic() < deadline
        ):
            time.sleep(0.1)

    def is_ours(self, process: psutil.Process) -> bool:
        return opensearch_server.is_ours(process, self.folder)

    def options(self) -> dict[str, Any]:
        return {"heap_mb": self.around.settings.opensearch_heap_mb, "quick": not self.around.durable}

    def urls(self, part: Part) -> dict[str, str]:
        return {"OPENSEARCH_URL": f"http://127.0.0.1:{part.port}"}


SERVICES: dict[PartName, type[Service]] = {"postgres": Postgres, "redis": Redis, "opensearch": OpenSearch}


def with_ports(part: Part, ports: list[int]) -> Part:
    return replace(part, port=ports[0], transport_port=ports[1] if len(ports) > 1 else None)
