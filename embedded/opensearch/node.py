"""The child process in which an OpenSearch node runs: `python -m embedded.opensearch.node SETTINGS.json`.

The node is built from Java's own classes through JPype. Its modules are named one by one, so that a
missing one is an error at start, and its ports are exactly those it was told.
"""

import json
import signal
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jpype

# The module class of each jar that the node loads.
MODULES = (
    "org.opensearch.transport.Netty4ModulePlugin",
    "org.opensearch.analysis.common.CommonAnalysisModulePlugin",
    "org.opensearch.percolator.PercolatorModulePlugin",
    "org.opensearch.index.reindex.ReindexModulePlugin",
    "org.opensearch.painless.PainlessModulePlugin",
    "org.opensearch.index.mapper.MapperExtrasModulePlugin",
    "org.opensearch.join.ParentJoinModulePlugin",
    "org.opensearch.search.aggregations.matrix.MatrixAggregationModulePlugin",
)


def main(path: Path) -> None:
    plan: dict[str, Any] = json.loads(path.read_text())
    ended = threading.Event()
    jpype.startJVM(
        plan["jvm"],
        *plan["flags"],
        classpath=plan["class_path"],
        convertStrings=False,
        interrupt=False,
    )
    node = _start_node(plan["settings"], Path(plan["config"]))
    # Only now: the JVM sets handlers of its own when it starts.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    while not ended.wait(1):  # a bare wait() would not let Python's signal handler run
        pass
    node.close()
    jpype.shutdownJVM()


def _start_node(settings: Mapping[str, str], config: Path) -> Any:
    java = jpype.JClass
    builder = java("org.opensearch.common.settings.Settings").builder()
    for key, value in settings.items():
        builder.put(key, value)
    environment = java("org.opensearch.env.Environment")(
        builder.build(), java("java.nio.file.Path").of(str(config))
    )
    plugin_info = java("org.opensearch.plugins.PluginInfo")
    version = java("org.opensearch.Version").CURRENT
    modules = java("java.util.ArrayList")()
    for name in MODULES:
        java(name)  # fails here, by name, where a jar is missing
        modules.add(
            plugin_info(
                name.rpartition(".")[2],
                "part of the embedded node",
                str(version),
                version,
                "21",
                name,
                java("java.util.Collections").emptyList(),
                False,
            )
        )
    node_class = java("org.opensearch.node.Node").class_
    constructor = next(
        candidate
        for candidate in node_class.getDeclaredConstructors()
        if [str(kind.getName()) for kind in candidate.getParameterTypes()]
        == ["org.opensearch.env.Environment", "java.util.Collection", "boolean"]
    )
    constructor.setAccessible(True)
    # Not by initial settings: they are in the environment already.
    node = constructor.newInstance(environment, modules, java("java.lang.Boolean").TRUE)
    node.start()
    return node


if __name__ == "__main__":
    main(Path(sys.argv[1]))
