"""A shop for each test, in the shape of both eras of Stripe's API where a test asks for `eras`."""

from dataclasses import replace

import pytest

from core.settings import BillingSettings
from tests.cloud.store import SECRET
from tests.domain.billing.world import open_shop

BILLING = BillingSettings(stripe_key="sk_test_tests", webhook_secrets=SECRET, mark="here")


@pytest.fixture
def shop_settings(settings):
    return replace(settings, billing=BILLING)


@pytest.fixture
async def no_months(owner, clean_database):
    """A free plan that gives nothing, so that every credit was paid for."""
    await owner.execute("UPDATE app.plans SET monthly_credits = 0 WHERE id = 'free'")


@pytest.fixture
async def shop(db, shop_settings, no_months):
    made = await open_shop(db, shop_settings)
    yield made
    await made.assert_books_agree()


@pytest.fixture(params=["basil", "acacia"])
async def shop_of_each_era(request, db, shop_settings, no_months):
    made = await open_shop(db, shop_settings, era=request.param)
    yield made
    await made.assert_books_agree()
