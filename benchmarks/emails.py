"""Everything about addresses in one go, written to `results/emails.md`: `python -m benchmarks.emails`.

Each part is a program of its own and can be run by itself. With `--only` some parts are measured anew; the
others' sections stay as they are.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from benchmarks import finder, report
from benchmarks.environment import ROOT

RESULTS: Final = ROOT / "benchmarks" / "results" / "emails.md"
Found = dict[str, Any]

_CALLS: Final[dict[str, tuple[Sequence[str], ...]]] = {
    "finder": (("finder", "--ceiling", "1", "--json"),),
    "learning": (("learning", "--addresses", "1000000"),),
    "validator": (
        ("validator", "--at-once", "20"),
        ("validator", "--at-once", "50"),
        ("validator", "--groups", "10", "--at-once", "50"),
    ),
    "memory": (("validator", "--flat"),),
}
_SHORT: Final[dict[str, tuple[Sequence[str], ...]]] = {
    "finder": (("finder", "--companies", "400", "--ceiling", "8", "--contacts", "4000", "--json"),),
    "learning": (("learning", "--addresses", "20000"),),
    "validator": tuple((*call, "--domains", "200") for call in _CALLS["validator"]),
    "memory": (("validator", "--flat", "--addresses", "5000"),),
}


def _finder(found: list[Found]) -> list[str]:
    one = found[0]
    groups, answers = one["groups"], one["answers"]
    some, every = groups["1 and more"], groups["all"]
    honest = answers["tells its mailboxes apart"]
    gains = [
        (
            "the answers of an honest server, all, above the majority",
            honest["right_of_all"] - every["majority"],
        ),
        ("both confirmed, one known address and more", some["confirmed"] - some["majority confirmed"]),
        ("both confirmed, all", every["confirmed"] - every["majority confirmed"]),
        ("by the known addresses alone, one and more", some["first"] - some["majority"]),
        ("by the known addresses alone, all", every["first"] - every["majority"]),
    ]
    rows = [report.Row(name, (), 100 * gain, 20, False, " points") for name, gain in gains]
    rows += [
        report.Row("expected calibration error, known addresses alone", (), one["ece"], 0.05),
        *(
            report.Row(f"expected calibration error, the server {name}", (), row["ece"], 0.05)
            for name, row in answers.items()
        ),
        report.Row("candidates a second of one core", (), one["candidates_per_s"], 2_000, False),
    ]
    return [*finder.lines(one), "", *_goals(rows)]


def _learning(found: list[Found]) -> list[str]:
    one = found[0]
    told = """\
From {known_addresses:,} known addresses of {companies:,} companies, of which {read_addresses:,} of
{read_companies:,} companies were read: {reading_s:.1f} s of reading, {computing_s:.1f} s of one core for
learning, {peak_mib:.0f} MiB. A scan of the whole table takes {full_table_scan_s:.2f} s, and one scan is all
that grows with the catalogue.
""".format(**one)
    return [told, *_goals([report.Row("learning, in all", (), one["learning_s"], 60, unit=" s")])]


_VALIDATOR: Final = """\
Domains that know one mailbox and refuse the others. The laboratory is a process of its own; each answer of
its DNS and its mail servers comes after 50 ms. A check waits for nine answers (MX, A, greeting, EHLO, MAIL,
RCPT, RSET, MAIL, RCPT); nobody waits for that to QUIT, during which the connection still counts among those
of its provider. The bound is the lowest of what so many checks at once can do, of the two connections of each
provider, each taken for eight answers, and of the connections a minute. Pipelining would save three answers
and is not used: servers hold it against strangers.
"""


def _validator(found: list[Found]) -> list[str]:
    rows = [
        report.Row(
            f"{one['domains']:,} domains, {one['groups']:,} providers, {one['at_once']} at once",
            (
                f"{one['per_second']:.1f}",
                f"{one['bound_per_second']:.1f}",
                one["bound_by"],
                f"{one['work_ms_per_address']:.1f} ms",
            ),
            one["share_of_bound"],
            0.8,
            at_most=False,
        )
        for one in found
    ]
    columns = ["", "a second", "bound", "bound by", "work an address"]
    return [_VALIDATOR, *_goals(rows, columns, "share of the bound")]


def _memory(found: list[Found]) -> list[str]:
    one = found[0]
    tenths = one["resident_mib_by_tenth"]
    told = (
        f"{one['addresses']:,} addresses without a delay, 5,000 verdicts kept in the process."
        " MiB resident by tenths: "
        + ", ".join(f"{mib:.1f}" for mib in tenths)
        + f". {one['per_second']:,.0f} a second, {one['work_ms_per_address']:.1f} ms of a core each.\n"
    )
    grown = tenths[-1] - tenths[len(tenths) // 2]
    return [told, *_goals([report.Row("growth in the second half", (), grown, 1, unit=" MiB")])]


def _goals(rows: Sequence[report.Row], columns: Sequence[str] = ("",), figure: str = "figure") -> list[str]:
    heads = [*columns, figure, "goal", ""]
    return [
        f"| {' | '.join(heads)} |",
        f"|---|{'---:|' * (len(heads) - 2)}---|",
        *(row.line() for row in rows),
    ]


_PARTS: Final[dict[str, tuple[str, Callable[[list[Found]], list[str]]]]] = {
    "finder": ("The finder on the hidden market", _finder),
    "learning": ("Learning from the catalogue", _learning),
    "validator": ("The validator", _validator),
    "memory": ("Memory of the validator", _memory),
}


def _section(part: str, *, is_short: bool) -> str:
    """Measure one part, in processes of its own."""
    before, started, found = report.load_average(), time.monotonic(), []
    for module, *arguments in (_SHORT if is_short else _CALLS)[part]:
        print(f"benchmarks.{module} {' '.join(arguments)}", file=sys.stderr, flush=True)
        call = [sys.executable, "-m", f"benchmarks.{module}", *arguments]
        told = subprocess.run(call, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout
        found.append(json.loads(told))
    title, lines_of = _PARTS[part]
    when = (
        f"- {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, revision {report.revision()};"
        f" load average {before:.1f} before, {report.load_average():.1f} after;"
        f" {time.monotonic() - started:.0f} s."
    )
    return "\n".join([f"## {title}", "", *lines_of(found), "", when, ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", nargs="+", choices=tuple(_PARTS), default=tuple(_PARTS))
    parser.add_argument("--short", action="store_true", help="small sizes, printed and not written")
    args = parser.parse_args()
    head = (
        "# Finding and checking addresses\n\nMade by `make bench-emails` (`python -m benchmarks.emails`) with"
        f" Python {platform.python_version()} on {os.cpu_count()} cores.\n"
    )
    text = "\n".join([head, *(_section(part, is_short=args.short) for part in args.only)])
    if args.short:
        print(text)
        return
    earlier = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else ""
    RESULTS.write_text(report.beside(text, earlier) if earlier else text, encoding="utf-8")
    print(f"written to {RESULTS.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
