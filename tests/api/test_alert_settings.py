"""What an alert is given: who may turn it on, what it tells, and what is refused."""

import pytest

from tests.api.test_alerts import watch
from tests.api.test_icps import as_pro, save
from tests.api.test_lists import NOBODY


async def test_conditions_on_a_company_s_people_cannot_be_watched(ann, db, world):
    await as_pro(db, ann)
    filters = {"contacts": {"include": {"seniorities": ["vp"]}}}
    icp = await save(ann, {"filters": filters}, entity="organizations")
    answer = await ann("PUT", f"/v1/icps/{icp['id']}/alerts", json={})
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/not-alertable")


async def test_the_plan_the_role_and_the_foreign(ann, bob, db, world):
    icp = await save(ann)
    path = f"/v1/icps/{icp['id']}/alerts"
    assert (await ann("PUT", path, json={})).json()["facts"] == {"limit": 0, "of": "alerts", "plan": "free"}
    delivery = f"{path}/delivery"
    for target in (path, f"/v1/icps/{NOBODY}/alerts"):
        for method, options in (("GET", {}), ("PUT", {"json": {}}), ("DELETE", {})):
            assert (await bob(method, target, **options)).status_code == 404
        assert (await bob("PUT", f"{target}/delivery", json={})).status_code == 404
    assert (await bob("GET", f"/v1/icps/{icp['id']}/events")).status_code == 404
    assert (await bob("POST", f"/v1/icps/{icp['id']}/events/read", json={"event_id": 1})).status_code == 404
    await ann("PUT", f"/v1/icps/{icp['id']}/members/{bob.user.email}", json={"role": "viewer"})
    assert (await bob("PUT", path, json={})).status_code == 403
    assert (await bob("DELETE", path)).status_code == 403
    assert (await bob("PUT", delivery, json={})).status_code == 200


BAD = {
    "no kind": {"kinds": []},
    "a kind twice": {"kinds": ["entered", "entered"]},
    "an unknown kind": {"kinds": ["promoted"]},
    "an unknown field": {"fields": ["titel"]},
    "a company's field by its own name": {"fields": ["employees"]},
    "no field": {"fields": []},
    "an unknown zone": {"delivery": {"zone": "Europe/Berlim"}},
    "a zone like a path": {"delivery": {"zone": "../etc/passwd"}},
    "a time that is none": {"delivery": {"at": "24:00"}},
    "a weekday that is none": {"delivery": {"weekday": 8}},
    "quiet hours of no length": {"delivery": {"quiet": {"from": "08:00", "until": "08:00"}}},
    "quiet hours without an end": {"delivery": {"quiet": {"from": "08:00"}}},
    "a way twice": {"delivery": {"where": ["email", "email"]}},
    "an unknown way": {"delivery": {"where": ["pigeon"]}},
    "no mail a day": {"delivery": {"at_most": 0}},
    "an unknown how": {"delivery": {"how": "hourly"}},
}


@pytest.mark.parametrize("body", BAD.values(), ids=BAD)
async def test_settings_that_cannot_be_are_said(ann, db, world, body):
    await as_pro(db, ann)
    icp = await save(ann)
    answer = await ann("PUT", f"/v1/icps/{icp['id']}/alerts", json=body)
    assert (answer.status_code, bool(answer.json()["errors"])) == (422, True), answer.text
    assert (await ann("GET", f"/v1/icps/{icp['id']}/alerts")).json()["on"] is False


async def test_settings_come_back_as_they_were_given(ann, db, world):
    delivery = {
        "where": ["email", "webhook"],
        "how": "weekly",
        "at": "07:30",
        "weekday": 5,
        "zone": "America/New_York",
        "quiet": {"from": "20:00", "until": "07:00"},
        "at_most": 3,
    }
    icp = await watch(ann, db, kinds=["left"], fields=["company", "title", "title"], delivery=delivery)
    shown = (await ann("GET", f"/v1/icps/{icp}/alerts")).json()
    assert (shown["kinds"], shown["fields"], shown["delivery"]) == (["left"], ["company", "title"], delivery)
