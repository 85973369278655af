import pytest

from core.cells import inert


@pytest.mark.parametrize(
    "cell",
    [
        "=1+1",
        "+49 30 1",
        "-1",
        "@SUM(A1)",
        "\t=1",
        "\r",
        " =1",
        "\u00a0=1",
        "\ufeff@x",
        "＝1",
        "two\n=1",
        "x\r\n +1",
    ],
)
def test_what_a_spreadsheet_would_run_becomes_text(cell):
    assert inert(cell) == f"'{cell}"


@pytest.mark.parametrize("cell", ["", "Acme", "a=b", "'=1", "1+1", "Ähre", "two\nlines", "a-b\nc"])
def test_anything_else_stays(cell):
    assert inert(cell) == cell
