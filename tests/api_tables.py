"""The tables of docs/api.md that are made from the code: paths, and kinds of problems.

`python -m tests.api_tables --write` renews them; `tests/api/test_problem_docs.py` fails when they are stale.
"""

import importlib
import pkgutil
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from api.app import OPERATIONS
from api.operations import Operation
from core.errors import LeadFuelError

DOCUMENT: Final = Path(__file__).resolve().parents[1] / "docs" / "api.md"
PACKAGES: Final = ("core", "db", "search", "indexer", "domain", "api", "workers", "cli", "embedded")
# These run by themselves when they are imported, or need what is not installed everywhere.
_NOT_IMPORTED: Final = re.compile(r"^(db\.migrations|search\.data|embedded\.opensearch\.node)")
_AUDIENCE: Final = {"public": "everybody", "member": "members", "admin": "administrators"}


def kinds() -> list[type[LeadFuelError]]:
    """Every kind of problem that our own packages declare, by status and slug."""
    for package in map(importlib.import_module, PACKAGES):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not _NOT_IMPORTED.match(module.name):
                importlib.import_module(module.name)
    return sorted({*_ours(LeadFuelError)}, key=lambda kind: (kind.status, kind.slug))


def tables() -> dict[str, str]:
    """The tables by the name that marks their place in the document."""
    of_commands = [kind for kind in kinds() if _is_of_commands(kind)]
    return {
        "paths": _table(
            ("request", "for", "API key", "what"),
            ((f"`{op.method} {op.path}`", _AUDIENCE[op.access], _scope(op), op.summary) for op in OPERATIONS),
        ),
        "problems": _problems(kind for kind in kinds() if kind not in of_commands),
        "problems of commands": _problems(of_commands),
    }


def renewed(text: str) -> str:
    """The document with its tables as the code has them."""
    for name, table in tables().items():
        begin, end = f"<!-- table: {name} -->\n", f"<!-- end: {name} -->"
        head, _, rest = text.partition(begin)
        text = f"{head}{begin}{table}{end}{rest.partition(end)[2]}"
    return text


def _ours(kind: type[LeadFuelError]) -> Iterator[type[LeadFuelError]]:
    if kind.__module__.split(".")[0] in PACKAGES:
        yield kind
    for below in kind.__subclasses__():
        yield from _ours(below)


def _scope(op: Operation) -> str:
    """What an API key needs for it; `no` is what only people do."""
    if op.access == "public":
        return ""
    return "no" if op.scope == "person" else f"`{op.scope}`"


def _is_of_commands(kind: type[LeadFuelError]) -> bool:
    """Whether only who works at the machine meets it."""
    if any(kind in op.errors for op in OPERATIONS):
        return False
    package = kind.__module__.split(".")[0]
    if package in {"db", "indexer", "workers", "cli", "embedded"} or kind.__module__ == "core.settings":
        return True
    return package == "domain" and kind.status == LeadFuelError.status


def _problems(found: Iterator[type[LeadFuelError]] | list[type[LeadFuelError]]) -> str:
    rows = ((f"`{kind.slug}`", str(kind.status), " ".join((kind.__doc__ or "").split())) for kind in found)
    return _table(("slug", "status", "meaning"), rows)


def _table(head: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    if "--write" not in sys.argv:
        sys.exit(__doc__)
    DOCUMENT.write_text(renewed(DOCUMENT.read_text("utf-8")), "utf-8")
