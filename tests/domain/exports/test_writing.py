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
