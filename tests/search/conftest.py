"""What the search tests share beyond the stack: a way to leave the database as they found it."""

from dataclasses import replace

import pytest

from tests.fixtures.database import empty


@pytest.fixture(scope="session")
def wipe(owner):
    """Empty every table but what the migrations offer."""

    async def wiped() -> None:
        await empty(owner)

    return wiped


@pytest.fixture(scope="session")
def patient(settings):
    """The settings with time for OpenSearch on a busy machine, where the test is not about time."""
    return replace(settings, search=replace(settings.search, time_budget_ms=20_000))
