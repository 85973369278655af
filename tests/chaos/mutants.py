"""A bug planted in each safeguard, and the test that turns red: `python -m tests.chaos.mutants feed`.

Works on a copy of the tree, one mutant after the other, and prints the table. A mutant that survives is a
safeguard nobody tests; the exit code is 1 then.
"""
# ruff: noqa: T201 - it prints a table

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.chaos.planted import Mutant, feed
from tests.chaos.planted import credits as credits_

ROOT = Path(__file__).resolve().parents[2]
AREAS = {"feed": feed, "credits": credits_}


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("area", choices=AREAS)
    arguments.add_argument("--only", help="mutants whose name contains this")
    given = arguments.parse_args()
    area = AREAS[given.area]
    chosen = [mutant for mutant in area.MUTANTS if not given.only or given.only in mutant.name]
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        copy = Path(folder) / "tree"
        ignored = shutil.ignore_patterns(".git", ".venv", ".leadfuel", ".*cache", "__pycache__")
        shutil.copytree(ROOT, copy, ignore=ignored)
        try:
            return _table(copy, chosen, area.TESTS)
        finally:
            _stack_down(copy)


def _table(copy: Path, chosen: list[Mutant], tests: Sequence[str]) -> int:
    sound = _first_failure(copy, sorted({test for mutant in chosen for test in mutant.tests or tests}))
    if sound is not None:
        print(f"without any mutant {sound} fails; mend that first")
        return 1
    survivors = 0
    width = max(len(mutant.name) for mutant in chosen)
    for mutant in chosen:
        file = copy / mutant.file
        text = file.read_text()
        if text.count(mutant.before) == 0:
            print(f"{mutant.name:{width}}  NOT PLANTED: its place is gone from {mutant.file}")
            survivors += 1
            continue
        file.write_text(text.replace(mutant.before, mutant.after))
        started = time.monotonic()
        try:
            red = _first_failure(copy, mutant.tests or tests)
        finally:
            file.write_text(text)
        survivors += red is None
        print(f"{mutant.name:{width}}  {red or 'SURVIVED'}  ({time.monotonic() - started:.0f} s)", flush=True)
    print(f"{len(chosen) - survivors} of {len(chosen)} mutants were caught")
    return 1 if survivors else 0


def _first_failure(copy: Path, tests: Sequence[str]) -> str | None:
    """The first of these tests that fails in the copy; None when all pass."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-n0", "-q", "-x", "-p", "no:randomly", "--timeout=60", *tests],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": str(copy), "LEADFUEL_TEST_KEEP_STACK": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 0:
        return None
    found = re.search(r"^(?:FAILED|ERROR) \S*?::(\S+)", done.stdout, re.MULTILINE)
    if found:
        return found.group(1)
    return f"pytest ended with {done.returncode}: {(done.stdout + done.stderr)[-300:]}"


def _stack_down(copy: Path) -> None:
    script = "from embedded import stack; from tests.fixtures.stack import HOME; stack.down(HOME)"
    subprocess.run(
        [sys.executable, "-c", script], cwd=copy, env={**os.environ, "PYTHONPATH": str(copy)}, check=False
    )


if __name__ == "__main__":
    sys.exit(main())
