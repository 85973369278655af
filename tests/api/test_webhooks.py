"""Webhooks over HTTP: whose they are, what is refused, and the log."""

from dataclasses import replace

import pytest

from core.settings import WebhookSettings
from domain.webhooks import sending
from tests.api.test_lists import NOBODY

PUBLIC = {"url": "https://93.184.215.14/hook", "kinds": ["icp.entered"]}


@pytest.fixture
async def hook(ann):
    answer = await ann("POST", "/v1/webhooks", json=PUBLIC)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_a_secret_is_shown_once(ann, hook):
    assert hook["secret"].startswith("whsec_")
    shown = (await ann("GET", f"/v1/webhooks/{hook['id']}")).json()
    assert "secret" not in shown
    assert (await ann("GET", "/v1/webhooks")).json()["results"] == [shown]
    rotated = await ann("POST", f"/v1/webhooks/{hook['id']}/secrets")
    assert rotated.status_code == 201
    assert rotated.json()["secret"] != hook["secret"]
    for _ in range(3):
        assert (await ann("POST", f"/v1/webhooks/{hook['id']}/secrets")).status_code == 201
    full = await ann("POST", f"/v1/webhooks/{hook['id']}/secrets")
    assert (full.status_code, full.json()["type"]) == (409, "/problems/too-many-webhooks")


async def test_changes_and_deletion(ann, hook):
    path = f"/v1/webhooks/{hook['id']}"
    changed = await ann("PATCH", path, json={"enabled": False, "kinds": ["icp.left", "icp.left"]})
    assert (changed.json()["enabled"], changed.json()["kinds"]) == (False, ["icp.left"])
    refused = await ann("PATCH", path, json={"url": "https://192.168.0.1/hook"})
    assert (refused.status_code, refused.json()["type"]) == (422, "/problems/bad-webhook-url")
    assert (await ann("DELETE", path)).status_code == 204
    assert (await ann("GET", path)).status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        PUBLIC | {"url": "https://localhost/hook"},
        PUBLIC | {"url": "http://93.184.215.14/hook"},
        PUBLIC | {"kinds": []},
        PUBLIC | {"kinds": ["icp.exploded"]},
        PUBLIC | {"secret": "mine"},
        {"kinds": ["icp.left"]},
    ],
)
async def test_what_cannot_be_a_webhook_is_said(ann, body):
    assert (await ann("POST", "/v1/webhooks", json=body)).status_code == 422


async def test_the_foreign_are_unknown(ann, bob, hook):
    delivery = (await ann("POST", f"/v1/webhooks/{hook['id']}/test")).json()["id"]
    for who, webhook in ((bob, hook["id"]), (ann, NOBODY)):
        path = f"/v1/webhooks/{webhook}"
        calls = [
            ("GET", path, {}),
            ("PATCH", path, {"json": {"enabled": False}}),
            ("DELETE", path, {}),
            ("POST", f"{path}/secrets", {}),
            ("POST", f"{path}/test", {}),
            ("GET", f"{path}/deliveries", {}),
            ("POST", f"{path}/deliveries/{delivery}/redeliver", {}),
        ]
        for method, target, options in calls:
            assert (await who(method, target, **options)).status_code == 404, (method, target)
    assert (await bob("GET", "/v1/webhooks")).json()["results"] == []
    assert (await ann("POST", f"/v1/webhooks/{hook['id']}/deliveries/{NOBODY}/redeliver")).status_code == 404


async def test_a_test_is_sent_and_stands_in_the_log(ann, hook, owner, db, receiver, settings):
    await owner.execute("UPDATE app.webhooks SET url = $1", receiver.url)
    path = f"/v1/webhooks/{hook['id']}"
    for _ in range(3):
        assert (await ann("POST", f"{path}/test")).status_code == 202
    reaching = replace(settings, webhooks=WebhookSettings(allowed_hosts=receiver.host))
    sender = sending.Sender(reaching, db)
    try:
        for due in await sending.claim(db, limit=10, per_webhook=2, busy=set()):
            await sender.deliver(due)
    finally:
        await sender.close()
    log = (await ann("GET", f"{path}/deliveries?limit=2")).json()
    assert [one["state"] for one in log["results"]] == ["pending", "delivered"]
    assert (log["results"][1]["last_status"], log["results"][1]["next_attempt_at"]) == (204, None)
    more = (await ann("GET", f"{path}/deliveries?cursor={log['cursor']}")).json()
    assert [one["kind"] for one in more["results"]] == ["webhook.test"]
    done = (await ann("GET", f"{path}/deliveries?state=delivered")).json()["results"]
    assert len(done) == 2
    again = await ann("POST", f"{path}/deliveries/{done[0]['id']}/redeliver")
    assert (again.status_code, again.json()["state"]) == (202, "pending")
    assert (await ann("GET", f"{path}/deliveries?cursor=x")).status_code == 422


async def test_there_is_an_end_to_webhooks(ann):
    for _ in range(20):
        assert (await ann("POST", "/v1/webhooks", json=PUBLIC)).status_code == 201
    assert (await ann("POST", "/v1/webhooks", json=PUBLIC)).status_code == 409
