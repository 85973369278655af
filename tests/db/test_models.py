import re

import pytest
from sqlalchemy import Text

from db.models import metadata
from search import vocabulary


@pytest.mark.parametrize(
    "table, column, codes",
    [
        ("contacts", "seniority", vocabulary.SENIORITIES),
        ("contacts", "email_status", vocabulary.EMAIL_STATUSES),
        ("organizations", "funding_stage", vocabulary.FUNDING_STAGES),
    ],
)
async def test_the_database_knows_the_same_words_as_the_search(owner, table, column, codes):
    rule = await owner.fetchval(
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = $1", f"{table}_{column}_check"
    )
    assert set(re.findall(r"'([^']+)'", rule)) == set(codes)


@pytest.mark.parametrize("table", metadata.sorted_tables, ids=lambda table: table.name)
async def test_each_reference_to_a_record_can_be_followed_backwards(owner, table):
    """Without an index on it, a deleted record would scan the whole table that refers to it."""
    leading = {
        row["column"]
        for row in await owner.fetch(
            "SELECT attname AS column FROM pg_index JOIN pg_attribute"
            " ON attrelid = indrelid AND attnum = indkey[0] WHERE indrelid = $1::text::regclass",
            table.fullname,
        )
    }
    # A plan and a source are never deleted.
    kept = {"plans", "sources"}
    refer = {key.parent.name for key in table.foreign_keys if key.column.table.name not in kept}
    assert refer <= leading


async def test_ids_of_records_are_32_bits_wide_and_do_not_begin_anew(owner):
    for table in ("contacts", "organizations"):
        row = await owner.fetchrow(
            "SELECT data_type::text, cycle FROM pg_sequences WHERE sequencename = $1", f"{table}_id_seq"
        )
        assert tuple(row) == ("integer", False)


def test_every_column_that_names_a_person_is_marked():
    tell_tale = re.compile(r"(^|_)(email|phone|linkedin|first_name|last_name|full_name)(_|$)")
    # Flags and states say nothing of an address but that there is one.
    harmless = {"has_email", "has_phone", "email_status", "email_verified_at", "linkedin_url"}
    for table in metadata.sorted_tables:
        for column in table.columns:
            if (
                isinstance(column.type, Text)
                and tell_tale.search(column.name)
                and column.name not in harmless
            ):
                if table.name == "organizations":
                    continue
                assert "pii" in column.info, f"{table.name}.{column.name}"


async def test_the_plans_to_begin_with(owner):
    rows = await owner.fetch("SELECT id, monthly_credits, price_cents FROM app.plans ORDER BY price_cents")
    assert [row["id"] for row in rows] == ["free", "pro", "team"]
    assert [row["monthly_credits"] for row in rows] == sorted(row["monthly_credits"] for row in rows)
