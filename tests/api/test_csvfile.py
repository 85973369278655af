import csv
import io

import pytest

from api import csvfile


@pytest.mark.parametrize(
    "cell",
    [
        "=1+1",
        "+49 30 123",
        "-1",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "\n=1",
        " =1",
        "\u00a0=1",
        "\ufeff=1",
        "＝1",
        "\t",
    ],
)
def test_a_cell_that_a_spreadsheet_would_run_is_text(cell):
    assert csvfile.inert(cell) == f"'{cell}"


@pytest.mark.parametrize("cell", ["", "Acme", "a=b", "'=1", "1+1", "Ähre", "😀"])
def test_any_other_cell_is_left_alone(cell):
    assert csvfile.inert(cell) == cell


def test_columns_stay_intact():
    table = [("a", 'say "hi"', "x;y,z"), ("=1", "two\r\nlines", -1)]
    read = list(csv.reader(io.StringIO(csvfile.rows(table).decode(), newline="")))
    assert read == [["a", 'say "hi"', "x;y,z"], ["'=1", "two\r\nlines", "-1"]]
