"""COPY and what it must carry: every text, arrays, JSON; staging tables that leave no trace."""

import pytest

from db.sessions import SERVICE, driver_connection
from domain.imports import copytext, load
from domain.imports.shapes import CONTACTS, ORGANIZATIONS, SHAPES

TEXTS = [
    "plain",
    "a\\b",
    "tab\there",
    "line\nbreak\r",
    '"q"',
    "{b,c}",
    "NULL",
    "null",
    "\\N",
    "ü€😀",
    "",
    " ",
    "a,b",
]


async def test_every_text_comes_back_as_it_went(db):
    lines = [
        "\t".join((str(n), copytext.text(text), copytext.array([text, "x"]), copytext.json({"k": text})))
        + "\n"
        for n, text in enumerate(TEXTS)
    ]
    async with db.transaction(SERVICE) as session:
        connection = await driver_connection(session)
        columns = {"n": "int", "t": "text", "a": "text[]", "j": "jsonb"}
        await load._stage(connection, "pg_temp.probe", columns, lines)
        rows = await connection.fetch("SELECT t, a, j->>'k' AS k FROM pg_temp.probe ORDER BY n")
    assert [(row["t"], row["a"], row["k"]) for row in rows] == [(text, [text, "x"], text) for text in TEXTS]


async def test_no_value_is_null_and_bytes_are_bytes(db):
    line = copytext.line(
        [None, b"\x00\xff", 1.5, ()], [copytext.ENCODERS[k] for k in ("text", "bytea", "float8", "text[]")]
    )
    async with db.transaction(SERVICE) as session:
        connection = await driver_connection(session)
        columns = {"t": "text", "b": "bytea", "f": "float8", "a": "text[]"}
        await load._stage(connection, "pg_temp.probe", columns, [line + "\n"])
        assert dict(await connection.fetchrow("SELECT * FROM pg_temp.probe")) == {
            "t": None,
            "b": b"\x00\xff",
            "f": 1.5,
            "a": [],
        }


async def test_staging_twice_in_a_transaction_starts_afresh_and_leaves_nothing(db):
    async with db.transaction(SERVICE) as session:
        connection = await driver_connection(session)
        for rows in (3, 2):
            await load._stage(connection, "pg_temp.probe", {"n": "int"}, [f"{n}\n" for n in range(rows)])
            assert await connection.fetchval("SELECT count(*) FROM pg_temp.probe") == rows
    async with db.transaction(SERVICE) as session:
        connection = await driver_connection(session)
        assert await connection.fetchval("SELECT to_regclass('pg_temp.probe')") is None


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
async def test_the_shape_has_the_types_of_the_table(db, shape):
    async with db.transaction(SERVICE) as session:
        connection = await driver_connection(session)
        found = await connection.fetch(
            "SELECT attname, format_type(atttypid, NULL) AS kind FROM pg_attribute"
            " WHERE attrelid = $1::text::regclass AND attnum > 0",
            f"app.{shape.entity}",
        )
    kinds = {row["attname"]: row["kind"] for row in found}
    long = {"int": "integer", "float8": "double precision", "timestamptz": "timestamp with time zone"}
    assert {name: kinds[name] for name in shape.columns} == {
        name: long.get(kind, kind) for name, kind in shape.types.items()
    }


def test_every_column_belongs_to_one_field():
    for shape in (CONTACTS, ORGANIZATIONS):
        assert len(shape.columns) == len(set(shape.columns)) == sum(map(len, shape.fields.values()))
