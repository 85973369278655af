"""The jars of the node: exactly those of `jgo.lock.toml`, each verified by its sha256.

They lie in the user's Maven repository (`~/.m2/repository`, or `M2_REPO`), so that every clone and
every other tool shares them. The lock file names all of them, hence nothing is resolved here: a
hundred files are fetched over a few kept connections, which takes a second where resolving took thirty.
"""

import errno
import hashlib
import os
import sys
import tempfile
import threading
import time
import tomllib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from core.errors import LeadFuelError

SPECIFICATION = Path(__file__).with_name("jgo.toml")
LOCK = Path(__file__).with_name("jgo.lock.toml")
_CONNECTIONS = 8
_TIMEOUT_S = (5, 20)  # to connect, and between two packets
_REPORT_EVERY_S = 5
_TRIES = 3


class JarsUnavailable(LeadFuelError):
    """The node's jars are not here and cannot be fetched."""

    slug = "jars-unavailable"
    title = "OpenSearch's jars cannot be had"


@dataclass(frozen=True, slots=True)
class Jar:
    path: str  # below a Maven repository, with forward slashes
    sha256: str


def locked_jars(lock: Path = LOCK) -> list[Jar]:
    """Read which jars the node consists of, in the order of its class path."""
    with lock.open("rb") as file:
        content = tomllib.load(file)
    jars = []
    for entry in content["dependencies"]:
        group = entry["groupId"].replace(".", "/")
        name, version = entry["artifactId"], entry["version"]
        classifier = f"-{entry['classifier']}" if "classifier" in entry else ""
        jars.append(Jar(f"{group}/{name}/{version}/{name}-{version}{classifier}.jar", entry["sha256"]))
    return jars


def class_path(
    *,
    fallback: Path,
    environ: Mapping[str, str],
    url: str,
    report: Callable[[str], None] = lambda _: None,
    lock: Path = LOCK,
) -> list[Path]:
    """Return the verified jars, fetching what is missing; raises `JarsUnavailable`.

    `fallback` is a folder for them where the user's Maven repository cannot be written. `url` names the
    repository to fetch from; empty means the one jgo is configured for, else Maven Central.
    """
    repository = _repository(environ, fallback)
    jars = locked_jars(lock)
    with ThreadPoolExecutor(_CONNECTIONS) as pool:
        good = list(pool.map(lambda jar: _is_good(repository / jar.path, jar), jars))
    missing = [jar for jar, is_good in zip(jars, good, strict=True) if not is_good]
    if missing:
        report(f"fetching {len(missing)} of {len(jars)} jars")
        _fetch(missing, repository, [url] if url else _configured_urls(), report)
    return [repository / jar.path for jar in jars]


def _repository(environ: Mapping[str, str], fallback: Path) -> Path:
    named = environ.get("M2_REPO")
    if named:
        return Path(named).expanduser()
    usual = Path(environ.get("HOME", "/nonexistent")) / ".m2" / "repository"
    try:
        usual.mkdir(parents=True, exist_ok=True)
    except OSError:
        return fallback
    return usual if os.access(usual, os.W_OK | os.X_OK) else fallback


def _is_good(path: Path, jar: Jar) -> bool:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == jar.sha256
    except OSError:
        return False


def _configured_urls() -> list[str]:
    from jgo.config import GlobalSettings  # noqa: PLC0415 - a third of a second, needed only when fetching
    from jgo.constants import MAVEN_CENTRAL_URL  # noqa: PLC0415 - see above

    return list(GlobalSettings.load().repositories.values()) or [str(MAVEN_CENTRAL_URL)]


def _fetch(jars: Sequence[Jar], repository: Path, urls: Sequence[str], report: Callable[[str], None]) -> None:
    failed = threading.Event()
    sessions = threading.local()

    def fetch(jar: Jar) -> None:
        if failed.is_set():
            return
        try:
            _store(jar, _download(jar, urls, sessions), repository)
        except BaseException:
            failed.set()
            raise

    with ThreadPoolExecutor(_CONNECTIONS) as pool:
        told = time.monotonic()
        for number, outcome in enumerate([pool.submit(fetch, jar) for jar in jars], start=1):
            outcome.result()
            if time.monotonic() - told > _REPORT_EVERY_S:
                told = time.monotonic()
                report(f"fetched {number} of {len(jars)} jars")


def _download(jar: Jar, urls: Sequence[str], sessions: threading.local) -> bytes:
    import requests  # noqa: PLC0415 - a tenth of a second, needed only when fetching

    session = getattr(sessions, "session", None)
    if session is None:
        session = sessions.session = requests.Session()
    reason = "no repository is configured"
    for base in urls:
        for _ in range(_TRIES):
            try:
                response = session.get(f"{base.rstrip('/')}/{jar.path}", timeout=_TIMEOUT_S)
            except requests.ConnectTimeout:
                reason = f"{base} cannot be reached (no answer)"
                break
            except requests.ConnectionError:
                reason = f"{base} cannot be reached"
                continue
            except requests.RequestException as error:
                reason = f"{base} did not answer properly ({type(error).__name__})"
                continue
            if response.status_code == HTTPStatus.OK:
                content: bytes = response.content
                if hashlib.sha256(content).hexdigest() == jar.sha256:
                    return content
                reason = f"{base} sent a {jar.path} whose sha256 is not the locked one"
                break
            reason = f"{base} answered {response.status_code} for {jar.path}"
            if response.status_code < HTTPStatus.INTERNAL_SERVER_ERROR:
                break
    raise JarsUnavailable(f"the jars are not on this machine, and {reason}")


def _store(jar: Jar, content: bytes, repository: Path) -> None:
    """Write beside and rename, so that a half-written jar never bears its name."""
    target = repository / jar.path
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=target.parent, prefix=".fetch-", delete=False) as file:
            temporary = Path(file.name)
            try:
                file.write(content)
                file.flush()
                temporary.chmod(0o644)
                temporary.replace(target)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
    except OSError as error:
        what = "the disk is full" if error.errno in {errno.ENOSPC, errno.EDQUOT} else error.strerror
        raise JarsUnavailable(f"{target.parent} cannot be written: {what}") from error


def write_lock() -> int:
    """Resolve `jgo.toml` anew and write the lock file; returns the number of jars. For maintainers."""
    from jgo.env import EnvironmentBuilder, EnvironmentSpec  # noqa: PLC0415 - for maintainers only
    from jgo.maven import MavenContext  # noqa: PLC0415 - see above

    lock = EnvironmentBuilder(context=MavenContext()).resolve_lockfile(EnvironmentSpec.load(SPECIFICATION))
    lock.save(LOCK)
    return len(lock.dependencies)


if __name__ == "__main__":
    sys.stdout.write(f"{write_lock()} jars locked\n")
