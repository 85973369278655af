"""A report of several runs: what was taken again takes the place of what was, the rest stays."""

from benchmarks.report import Table, beside, document


def _report(*titles, about):
    tables = [Table(title, about, ["what"], "figure") for title in titles]
    return document(about, tables, [])


def test_what_a_run_has_not_measured_stays_as_it_was():
    earlier = _report("An export", "Alerts", "Latency", about="before")
    both = beside(_report("Alerts", "Another", about="now"), earlier)
    assert [line for line in both.splitlines() if line.startswith("## ")] == [
        "## An export",
        "## Alerts",
        "## Latency",
        "## Another",
    ]
    sections = both.split("\n## ")
    assert ["now" in section for section in sections] == [True, False, True, False, True]
    assert beside(both, both) == both


def test_the_first_report_stands_alone():
    report = _report("Alerts", about="now")
    assert beside(report, "") == report
