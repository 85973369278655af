"""The table of promises names tests that there are."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_every_promise_has_its_tests():
    text = (ROOT / "docs" / "emails.md").read_text()
    files = {
        letter: (ROOT / path).read_text()
        for letter, path in re.findall(r"`([A-Z])`(?: is)?\s`([\w/.]+)`", text)
    }
    rows = [line for line in text.splitlines() if re.match(r"\| \d+ \|", line)]
    assert [int(re.findall(r"\d+", row)[0]) for row in rows] == list(range(1, 21))
    for row in rows:
        named = re.findall(r"([A-Z]) `(\w+)`", row.rpartition(" | ")[2])
        assert named or "test_" in row
        for letter, test in named:
            assert f"def {test}(" in files[letter], test
