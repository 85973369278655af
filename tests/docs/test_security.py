"""Every property in docs/security.md names tests, each of which is in the file that its link leads to."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LINE = re.compile(r"^\| (\d+) \| [^|]+ \| (.+) \|$", re.MULTILINE)
TEST = re.compile(r"\[`(test_\w+)`\]\(\.\./([\w/.]+)\)")


def test_each_numbered_property_has_its_tests():
    text = (ROOT / "docs" / "security.md").read_text()
    found = LINE.findall(text)
    assert [int(number) for number, _ in found] == list(range(39, 63))
    for number, tests in found:
        named = TEST.findall(tests)
        assert len(named) == tests.count("`test_"), number
        assert named, number
        for test, path in named:
            assert re.search(rf"def {test}\(", (ROOT / path).read_text()), (number, test)


def test_what_stands_beside_them_leads_to_files():
    text = (ROOT / "docs" / "security.md").read_text()
    named = re.findall(r"`(tests/[\w/]+\.py)`", text)
    assert len(named) > 5
    assert all((ROOT / path).exists() for path in named)
