import pytest

from tests.lab.laboratory import laboratory


@pytest.fixture
async def lab():
    async with laboratory() as made:
        yield made
