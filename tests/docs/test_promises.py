"""Every promise in docs/credits.md has its test, by its number, in the file that the table names."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LINE = re.compile(r"^\| (\d+) \| .+ \| \[`(test_\w+)`\]\(\.\./(.+)\) \|$", re.MULTILINE)


def test_each_numbered_promise_has_a_test_of_its_number():
    found = LINE.findall((ROOT / "docs" / "credits.md").read_text())
    assert [int(number) for number, _, _ in found] == [*range(1, 39), 71, 72]
    for number, test, path in found:
        assert f"def {test}(" in (ROOT / path).read_text(), test
        assert f"{int(number):02}" in test.split("test_")[1].split("_what")[0], (number, test)
