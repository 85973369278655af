import asyncio
import json
from dataclasses import replace
from datetime import timedelta

import pytest
from click.testing import CliRunner

from cli import context
from cli.main import leadfuel
from core import clock
from core.settings import BillingSettings
from db.sessions import SERVICE
from domain import accounts
from domain.billing import inbox
from domain.credits import movements
from tests.cloud.process import stripe_process

EVENT = {
    "id": "evt_1",
    "object": "event",
    "type": "invoice.paid",
    "created": 1_700_000_000,
    "livemode": True,
    "data": {"object": {"id": "in_1", "object": "invoice", "customer_email": "ann@example.com"}},
}


@pytest.fixture
async def billing(settings):
    async with stripe_process() as stripe:
        yield BillingSettings(stripe_key="sk_test_x", webhook_secrets="whsec_x", stripe_url=stripe.url)


@pytest.fixture
async def run_cli(settings, billing, monkeypatch, clean_database):
    monkeypatch.setattr(context, "load_settings", lambda: replace(settings, billing=billing))

    async def run(*arguments):
        return await asyncio.to_thread(CliRunner().invoke, leadfuel, ["billing", *arguments])

    return run


async def test_prices_are_checked_made_and_then_the_same(run_cli, owner):
    missing = await run_cli("sync", "--check")
    assert (missing.exit_code, "pack pack-100: missing" in missing.output) == (1, True)
    for outcome in ("made", "same"):
        done = await run_cli("sync", "--json")
        assert done.exit_code == 0, done.output
        assert {each["outcome"] for each in json.loads(done.output)} == {outcome}
    await owner.execute("UPDATE app.credit_packs SET price_cents = 2000 WHERE id = 'pack-100'")
    assert "pack pack-100: other amount" in (await run_cli("sync", "--check")).output
    assert "pack pack-100: made" in (await run_cli("sync")).output
    assert await owner.fetch(
        "SELECT amount_cents, is_active FROM app.billing_prices WHERE pack_id = 'pack-100' ORDER BY 1"
    ) == [(1_900, False), (2_000, True)]
    caught = await run_cli("catch-up", "--json")
    assert (caught.exit_code, json.loads(caught.output)) == (0, {"missed": 0})


async def test_payments_are_compared_and_what_differs_is_an_exit_code(run_cli, db, billing):
    agreed = await run_cli("reconcile")
    assert (agreed.exit_code, agreed.output.strip()) == (0, "All payments agree.")
    async with db.transaction(SERVICE) as session:
        ann = await accounts.find_or_create_user(session, email="ann@example.com")
        await movements.purchase(
            session, user_id=ann.id, credits_=5, amount_cents=90, reference="session:cs_1"
        )
    with clock.shifted(timedelta(days=1)):
        differing = await run_cli("reconcile", "--days", "2", "--json")
    # The alarm is said in the log before.
    (told,) = json.loads(differing.output.splitlines()[-1])
    assert differing.exit_code == 1
    assert (told["check"], told["user_id"], told["there"], told["here"]) == ("not-paid", str(ann.id), 0, 90)
    with clock.shifted(timedelta(days=1)):
        assert "granted here, not paid there: 0 there, 90 here" in (await run_cli("reconcile")).output
    shown = json.loads((await run_cli("inbox", "show", told["id"])).output)
    assert (shown["state"], shown["origin"]) == ("parked", "comparison")
    assert (await run_cli("reconcile", "--days", "0")).exit_code == 2


async def test_the_inbox_is_paged_to_its_end(run_cli, db, billing):
    async with db.transaction(SERVICE) as session:
        for number in range(5):
            await inbox.take_in(session, billing, EVENT | {"id": f"evt_{number}"})
    found, more = [], []
    while True:
        page = json.loads((await run_cli("inbox", "list", "--limit", "2", "--json", *more)).output)
        found += [event["id"] for event in page["events"]]
        if page["cursor"] is None:
            break
        more = ["--cursor", page["cursor"]]
    assert found == [f"evt_{number}" for number in (4, 3, 2, 1, 0)]
    assert "There are more: --cursor " in (await run_cli("inbox", "list", "--limit", "2")).output
    assert (await run_cli("inbox", "list", "--cursor", "nonsense")).exit_code == 1


async def test_the_inbox_is_listed_shown_retried_and_emptied(run_cli, db, billing):
    async with db.transaction(SERVICE) as session:
        await inbox.take_in(session, billing, EVENT)
        await inbox.count_refusal(session)
        await inbox.count_refusal(session)
    listed = json.loads((await run_cli("inbox", "list", "--state", "parked", "--json")).output)
    assert [(event["id"], event["reason"]) for event in listed["events"]] == [
        ("evt_1", "it moves real money")
    ]
    assert listed["counts"] == [{"type": "invoice.paid", "state": "parked", "count": 1}]
    assert listed["refused"] == 2
    assert "1 parked" in (await run_cli("inbox", "list")).output
    shown = await run_cli("inbox", "show", "evt_1")
    assert json.loads(shown.output)["payload"]["data"]["object"] == {"id": "in_1", "object": "invoice"}
    assert "waits" in (await run_cli("inbox", "retry", "evt_1")).output
    assert (await run_cli("inbox", "dismiss", "evt_1")).exit_code == 2
    laid = await run_cli("inbox", "dismiss", "evt_1", "--reason", "a test's")
    assert laid.exit_code == 0
    assert json.loads((await run_cli("inbox", "show", "evt_1")).output)["state"] == "dismissed"
    for command in ("show", "retry"):
        assert (await run_cli("inbox", command, "evt_none")).exit_code == 1
