"""What the search tests share beyond the stack: a way to leave the database as they found it."""

from dataclasses import replace

import pytest

from db.models import metadata


@pytest.fixture(scope="session")
def wipe(owner):
    """Empty every table but the plans."""

    async def empty() -> None:
        tables = ", ".join(
            table.fullname
            for table in metadata.sorted_tables
            if table.schema == "app" and table.name != "plans"
        )
        await owner.execute(f"TRUNCATE {tables} CASCADE")
        await owner.execute("TRUNCATE app.search_dirty")

    return empty


@pytest.fixture(scope="session")
def patient(settings):
    """The settings with time for OpenSearch on a busy machine, where the test is not about time."""
    return replace(settings, search=replace(settings.search, time_budget_ms=20_000))
