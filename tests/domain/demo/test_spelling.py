"""What lists make of names."""

import pytest

from domain.demo import spelling
from domain.demo.draws import stream


@pytest.mark.parametrize(
    "name, umlauts, plain",
    [
        ("Müller", False, "Muller"),
        ("Müller", True, "Mueller"),
        ("Strauß", False, "Strauss"),
        ("Łukasz", False, "Lukasz"),
        ("Sørensen", False, "Sorensen"),
        ("García", True, "Garcia"),
        ("Smith", True, "Smith"),
    ],
)
def test_marks_are_dropped(name, umlauts, plain):
    assert spelling.unmarked(name, umlauts=umlauts) == plain


def test_an_address_has_letters_and_digits_only():
    assert spelling.ascii_name("O'Brien-Müller", umlauts=True) == "obrienmueller"


def test_a_slip_keeps_the_first_letter_and_changes_one_place():
    uniform = stream(1, 1)
    for name in ("Anderson", "Li", "Kowalski", "Anna", "Aaa"):
        for _ in range(200):
            wrong = spelling.mistyped(name, uniform)
            assert wrong[0] == name[0]
            assert wrong != name
            assert abs(len(wrong) - len(name)) <= 1
