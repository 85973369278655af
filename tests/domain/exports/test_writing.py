"""PostgreSQL makes cells inert by the same rule as Python does."""

import random

import pytest

from core import cells

PIECES = [
    *"=+-@＝＋－＠",
    " ",
    "\t",
    "\r",
    "\n",
    "\u00a0",
    "\u3000",
    "\ufeff",
    "\u2028",
    "\u2003",
    "\x1c",
    "a",
    "1",
    "é",
    "'",
    '"',
    ",",
]


@pytest.mark.parametrize("seed", range(3))
async def test_both_rules_agree(owner, seed):
    draw = random.Random(seed)
    texts = ["".join(draw.choices(PIECES, k=draw.randint(0, 6))) for _ in range(3_000)]
    rows = await owner.fetch(
        f"SELECT {cells.inert_sql('t')} FROM unnest($1::text[]) WITH ORDINALITY AS x (t, n) ORDER BY n", texts
    )
    different = [(text, row[0]) for text, row in zip(texts, rows, strict=True) if cells.inert(text) != row[0]]
    assert different == []


@pytest.mark.parametrize("seed", range(3))
async def test_a_row_with_a_cell_to_be_made_inert_is_always_suspicious(owner, seed):
    draw = random.Random(seed)
    columns = [["".join(draw.choices(PIECES, k=draw.randint(0, 3))) for _ in range(2_000)] for _ in range(3)]
    rows = await owner.fetch(
        f"SELECT {cells.suspicious_sql(['a', 'b', 'c'])}"
        " FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS x (a, b, c, n) ORDER BY n",
        *columns,
    )
    passed_over = [
        texts
        for texts, row in zip(zip(*columns, strict=True), rows, strict=True)
        if not row[0] and any(cells.inert(text) != text for text in texts)
    ]
    assert passed_over == []
    harmless = "SELECT {} FROM (VALUES ('x', '', 'y-z')) AS v (a, b, c)"
    assert not await owner.fetchval(harmless.format(cells.suspicious_sql(["a", "b", "c"])))
