"""How well titles are read: accuracy against `data/titles.csv`, labelled by hand and not by the rules.

    python benchmarks/titles.py [--half tuned|held_out] [--misses] [FILE ...]

The half held_out was set aside when the labels were written; its misses are looked at only to report them.
A row counts for departments if the set is exactly the labelled one; "overlap" is the milder count of rows
that share one. The file may be another one with the columns title, seniority, departments (joined by ";").
"""

import argparse
import csv
import sys
import timeit
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from search import titles  # noqa: E402 - a script finds its project first

LABELS = ROOT / "benchmarks" / "data" / "titles.csv"


@dataclass
class Score:
    rows: int = 0
    seniority: int = 0
    departments: int = 0
    overlap: int = 0
    misses: list[str] = field(default_factory=list)


def score(labels: Iterable[dict[str, str]]) -> dict[str, Score]:
    """Scores by half, by where the titles come from, and by language."""
    scores: dict[str, Score] = defaultdict(Score)
    for label in labels:
        title = titles.read_title(label["title"])
        departments = set(filter(None, label["departments"].split(";")))
        right_rank = (title.seniority or "") == label["seniority"]
        right_departments = set(title.departments) == departments
        overlaps = right_departments or bool(departments & set(title.departments))
        half = label.get("half") or "all"
        origin, language = label.get("origin") or "", label.get("language") or ""
        for name in dict.fromkeys((half, f"{half} {origin}".strip(), f"{half} {origin} {language}".strip())):
            entry = scores[name]
            entry.rows += 1
            entry.seniority += right_rank
            entry.departments += right_departments
            entry.overlap += overlaps
            if name == half and not (right_rank and right_departments):
                entry.misses.append(
                    f"{label['title']!r}: {label['seniority']} {sorted(departments)}"
                    f" read as {title.seniority} {sorted(title.departments)}"
                )
    return scores


def speed(texts: list[str]) -> tuple[float, float]:
    """Microseconds to read a title for the first time (words known) and again."""
    titles._read.cache_clear()  # noqa: SLF001 - what an unseen title costs is the figure wanted
    first = timeit.timeit(lambda: [titles.read_title(text) for text in texts], number=1)
    again = timeit.timeit(lambda: [titles.read_title(text) for text in texts], number=20) / 20
    return first / len(texts) * 1e6, again / len(texts) * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="*", type=Path, default=[LABELS])
    parser.add_argument("--half", choices=["tuned", "held_out"])
    parser.add_argument("--misses", action="store_true")
    arguments = parser.parse_args()
    labels = []
    for path in arguments.files or [LABELS]:
        with path.open(encoding="utf-8", newline="") as file:
            labels += [row for row in csv.DictReader(file) if arguments.half in (None, row.get("half"))]
    scores = score(labels)
    print(f"{'titles':<24}{'rows':>6}{'seniority':>12}{'departments':>13}{'overlap':>10}")
    for name, entry in sorted(scores.items()):
        print(
            f"{name:<24}{entry.rows:>6}{entry.seniority / entry.rows:>12.1%}"
            f"{entry.departments / entry.rows:>13.1%}{entry.overlap / entry.rows:>10.1%}"
        )
    if arguments.misses:
        for name, entry in sorted(scores.items()):
            for miss in entry.misses:
                print(f"  {name}: {miss}")
    first, again = speed([row["title"] for row in labels])
    print(f"a new title takes {first:.0f} us, a known one {again:.2f} us")


if __name__ == "__main__":
    main()
