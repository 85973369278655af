"""A shop for each test, in the shape of both eras of Stripe's API where a test asks for `eras`."""

import os
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


# Set it to a key of Stripe's test mode, and the gateway's contract runs against Stripe itself.
STRIPE_TEST_KEY = "STRIPE_TEST_KEY"


def pytest_terminal_summary(terminalreporter):
    if STRIPE_TEST_KEY not in os.environ:
        terminalreporter.section("NOT RUN against Stripe")
        terminalreporter.write_line(
            f"{STRIPE_TEST_KEY} is not set: the gateway's contract was held against our stand-in alone."
        )
