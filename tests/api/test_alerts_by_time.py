"""Alerts of what time alone brings: who grows into an ICP, or out of it, while nothing is changed."""

from datetime import date, timedelta

import pytest
from sqlalchemy import text

from core import clock
from db.sessions import SERVICE
from tests.api.test_alerts import change, events, watch


@pytest.mark.parametrize("side", ["include", "exclude"])
async def test_time_alone_brings_people_in_and_out_once(ann, db, world, applied, evaluator, side):
    anna, bernd, *_ = world.contacts
    request = {"filters": {"contacts": {side: {"months_in_role": {"min": 1, "max": 2}}}}}
    began = clock.today() - timedelta(days=20)
    for contact in world.contacts:
        await change(db, contact, position_started_on=date(2001, 1, 1))
    await change(db, anna, position_started_on=began)
    icp = await watch(ann, db, request)
    await applied(*world.contacts)
    assert await events(ann, icp) == []
    with clock.shifted(timedelta(days=15)):
        await evaluator.evaluate()
        await evaluator.evaluate()
        # A change in flight over midnight is compared by the new day, and once.
        await change(db, bernd, position_started_on=began)
        await applied(bernd)
    first, second = ("entered", "left") if side == "include" else ("left", "entered")
    assert [one[:2] for one in await events(ann, icp)] == [(first, anna), (first, bernd)]
    with clock.shifted(timedelta(days=100)):
        await evaluator.evaluate()
    assert [one[:2] for one in await events(ann, icp)][2:] == [(second, anna), (second, bernd)]


@pytest.mark.parametrize("side", ["include", "exclude"])
@pytest.mark.parametrize(
    ("scope", "entity"),
    [("contacts", "contacts"), ("organizations", "contacts"), ("organizations", "organizations")],
)
async def test_what_was_refreshed_in_the_last_days_ages_by_itself(
    ann, db, world, applied, evaluator, scope, entity, side
):
    acme, globex = world.organizations[:2]
    people = {company: await people_of(db, company) for company in (acme, globex)}
    ages = {acme: 10, globex: 100}
    for company, days in ages.items():
        refreshed = clock.now() - timedelta(days=days)
        await change(db, company, table="organizations", last_refreshed_at=refreshed)
        for person in people[company]:
            await change(db, person, last_refreshed_at=refreshed)
    request = {"filters": {scope: {side: {"last_refreshed_within_days": 30}}}}
    icp = await watch(ann, db, request, entity=entity)
    await applied(*world.contacts)
    await applied(*world.organizations, entity="organizations")
    assert await events(ann, icp) == []
    aged = [acme] if entity == "organizations" else people[acme]
    left, entered = ("left", "changed"), ("entered", "fits")
    first, second = (left, entered) if side == "include" else (entered, left)
    with clock.shifted(timedelta(days=20)):
        await evaluator.evaluate()
    assert await events(ann, icp) == []
    with clock.shifted(timedelta(days=21)):
        await evaluator.evaluate()
        await evaluator.evaluate()
    assert await events(ann, icp) == [(first[0], one, first[1]) for one in aged]
    with clock.shifted(timedelta(days=22)):
        # Refreshed by a source, they are as new.
        await change(db, acme, table="organizations", last_refreshed_at=clock.now())
        for person in people[acme]:
            await change(db, person, last_refreshed_at=clock.now())
        await applied(*aged, entity=entity)
    assert (await events(ann, icp))[len(aged) :] == [(second[0], one, second[1]) for one in aged]


async def people_of(db, company):
    async with db.transaction(SERVICE) as session:
        found = await session.execute(
            text("SELECT id FROM app.contacts WHERE organization_id = :company ORDER BY id"),
            {"company": company},
        )
        return list(found.scalars())
