"""A plan without monthly credits, so that a test knows every credit there is."""

import pytest


@pytest.fixture(scope="module")
async def a_plan_of_nothing(owner):
    await owner.execute(
        "INSERT INTO app.plans (id, name, monthly_credits, price_cents) VALUES ('nothing', 'Nothing', 0, 0)"
    )
    yield "nothing"
    await owner.execute("DELETE FROM app.plans WHERE id = 'nothing'")
