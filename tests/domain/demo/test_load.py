"""The demo market in the database: complete, linked, and without a value that the import could not read."""

import io

from sqlalchemy import text

from db.sessions import SERVICE
from domain.demo import generate
from domain.demo.load import Pieces, expected_rows, load


async def counted(db, sql: str) -> int:
    async with db.transaction(SERVICE, read_only=True) as session:
        return int((await session.execute(text(sql))).scalar_one())


async def test_every_row_is_taken_and_linked(db, settings, clean_database):
    market = generate.market(seed=3, organizations=60)
    people = list(generate.people(market, 500))
    steps = []
    summaries = await load(
        db, settings.privacy, market, contacts=500, progress=lambda name, rows: steps.append((name, rows))
    )
    for summary in summaries.values():
        assert summary.counts["created"] == summary.counts["read"]
        assert (
            not summary.counts["rejected"]
            + summary.counts["values_dropped"]
            + summary.counts["values_in_doubt"]
        )
        assert not summary.kept
    assert steps[-1][0] == "employment"
    linked = await counted(db, "SELECT count(*) FROM contacts WHERE organization_id IS NOT NULL")
    assert linked == sum(person.seat is not None for person in people)
    assert await counted(db, "SELECT count(*) FROM organizations") == 60
    positions = await counted(db, "SELECT count(*) FROM employment_history")
    assert positions == sum(len(person.history) for person in people)
    assert await counted(db, "SELECT count(*) FROM contacts WHERE country IS NOT NULL") == sum(
        bool(person.country) for person in people
    )


def test_the_bars_know_how_long_the_files_are():
    market = generate.market(seed=3, organizations=500)
    expected = expected_rows(market, 20_000)
    assert (expected["organizations"], expected["contacts"]) == (500, 20_000)
    positions = sum(len(person.history) for person in generate.people(market, 20_000))
    assert abs(expected["employment"] / positions - 1) < 0.05


def test_pieces_read_as_one_file():
    pieces = [b"abc", b"", b"defgh", b"i"]
    assert io.BufferedReader(Pieces(iter(pieces)), buffer_size=2).read() == b"abcdefghi"
    assert io.BufferedReader(Pieces(iter([]))).read() == b""
