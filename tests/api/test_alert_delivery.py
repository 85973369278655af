"""Events beyond the feed: by mail as somebody chose, to webhooks at once, to nobody who may not see them."""

import asyncio
import re
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from core import clock
from core.settings import WebhookSettings
from db.sessions import SERVICE
from domain.alerts import delivery, letters
from domain.webhooks import sending
from tests.api.test_alerts import change, watch
from tests.api.test_icps import VPS
from tests.api.test_lists import add, make

AT_ONCE = {"where": ["email"]}


@pytest.fixture
def post(db, api_searcher, mailing):
    """`await post()` sends the mails that are due."""

    async def send(settings=mailing):
        return await delivery.by_mail(settings, db, api_searcher)

    return send


async def promote(db, applied, *contacts):
    for contact in contacts:
        await change(db, contact, seniority="vp", title="VP Sales")
    await applied(*contacts)


def shift_to(hour, *, days=0):
    """The clock at an hour of UTC, at least so many days ahead."""
    now = datetime.now(UTC)
    wanted = datetime.combine(now.date() + timedelta(days=days + 1), time(hour), tzinfo=UTC)
    return clock.shifted(wanted - now)


async def test_a_mail_names_the_people_and_the_reasons_once(ann, db, world, applied, post, mailbox):
    icp = await watch(ann, db, delivery=AT_ONCE)
    await change(db, world.contacts[0], title="Chief Revenue <Officer>")
    await promote(db, applied, world.contacts[0], world.contacts[1])
    await change(db, world.contacts[0], title="Chief Revenue <Officer>")
    await applied(world.contacts[0])
    await post()
    await post()
    (letter,) = mailbox.letters
    assert letter["X-Envelope-To"] == ann.user.email
    assert letter["Subject"] == "VPs: 1 fit now, 1 changed"
    said = mailbox.text()
    assert "Bernd Bauer, VP Sales, Acme GmbH – fits now: seniority VP" in said
    assert "Anna Müller, Chief Revenue <Officer>, Acme GmbH – has changed: title became" in said
    assert "1 Main Street, Berlin" in said
    assert "<b>Bernd Bauer, VP Sales, Acme GmbH</b> fits now" in mailbox.html()
    assert "<Officer>" not in mailbox.html()
    assert letter["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert (await ann("GET", f"/v1/icps/{icp}/events")).json()["results"][0]["name"] == "Bernd Bauer"


async def test_one_click_ends_it_and_a_look_does_not(ann, api, db, world, applied, post, mailbox):
    await watch(ann, db, delivery=AT_ONCE)
    await promote(db, applied, world.contacts[1])
    await post()
    url = re.search(r"<(http[^>]+)>", mailbox.letters[0]["List-Unsubscribe"])[1]
    path = url[url.index("/v1/") :]
    looked = await api.get(path)
    assert (looked.status_code, looked.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "<form method=post>" in looked.text
    await promote(db, applied, world.contacts[3])
    await post()
    assert len(mailbox.letters) == 2
    form = {"content-type": "application/x-www-form-urlencoded"}
    clicked = await api.post(path, content="List-Unsubscribe=One-Click", headers=form)
    assert clicked.status_code == 200
    await promote(db, applied, world.contacts[4])
    await post()
    assert len(mailbox.letters) == 2
    for forged in (path[:-2] + "AA", path[:-20], f"{path}AAAA", "/v1/alerts/unsubscribe/x"):
        for method in ("GET", "POST"):
            assert (await api.request(method, forged)).status_code == 404


async def test_a_mail_server_that_is_down_delays_and_never_doubles(
    ann,
    db,
    world,
    applied,
    post,
    mailbox,
    mailing,
):
    await watch(ann, db, delivery=AT_ONCE)
    mailbox.refuses = True
    await promote(db, applied, world.contacts[1])
    await post()
    await post()
    with clock.shifted(timedelta(hours=1)):
        await post()
    # What happens meanwhile is not part of the letter that waits, and comes in the next.
    await promote(db, applied, world.contacts[3])
    mailbox.refuses = False
    with clock.shifted(timedelta(hours=3)):
        await asyncio.gather(*(post() for _ in range(4)))
        await post()
        await post()
    assert [letter["Subject"] for letter in mailbox.letters] == ["VPs: 1 fit now"] * 2
    assert ["Bernd" in mailbox.text(0), "Dana" in mailbox.text(1)] == [True, True]


async def test_killed_after_sending_it_is_the_same_letter_again(
    ann,
    db,
    world,
    applied,
    post,
    mailbox,
    owner,
    monkeypatch,
):
    await watch(ann, db, delivery=AT_ONCE)
    await promote(db, applied, world.contacts[1])

    async def fall(*_, **__):
        raise ConnectionError("gone")

    monkeypatch.setattr(delivery, "_settle", fall)
    with pytest.raises(ConnectionError):
        await post()
    monkeypatch.undo()
    await promote(db, applied, world.contacts[3])
    await post()
    assert len(mailbox.letters) == 1, "the lease has not ended"
    await owner.execute("UPDATE app.icp_subscriptions SET claimed_until = clock_timestamp() - interval '1 s'")
    for _ in range(3):
        await post()
    ids = [letter["Message-ID"] for letter in mailbox.letters]
    assert len(ids) == 3
    assert ids[0] == ids[1] != ids[2]
    assert "Dana" not in mailbox.text(1)


async def test_a_digest_comes_at_its_time_and_once_with_two_schedulers(
    ann,
    db,
    world,
    applied,
    post,
    mailbox,
):
    hour = (datetime.now(UTC).hour + 2) % 24
    daily = {"where": ["email"], "how": "daily", "at": f"{hour:02}:00"}
    await watch(ann, db, delivery=daily)
    await promote(db, applied, world.contacts[1])
    await post()
    assert mailbox.letters == []
    with clock.shifted(timedelta(hours=3)):
        await asyncio.gather(*(post() for _ in range(5)))
        await post()
        assert len(mailbox.letters) == 1
    # Nothing has happened since, so nothing is sent.
    with clock.shifted(timedelta(hours=27)):
        await post()
    await promote(db, applied, world.contacts[3])
    with clock.shifted(timedelta(hours=51)):
        await post()
    assert len(mailbox.letters) == 2


async def test_quiet_hours_hold_mail_back(ann, db, world, applied, post, mailbox):
    quiet = {"where": ["email"], "quiet": {"from": "20:00", "until": "07:00"}}
    await watch(ann, db, delivery=quiet)
    with shift_to(21):
        await promote(db, applied, world.contacts[1])
        await post()
    with shift_to(6, days=1):
        await post()
    assert mailbox.letters == []
    with shift_to(8, days=1):
        await post()
    assert len(mailbox.letters) == 1


async def test_beyond_so_many_a_day_the_rest_is_summed_up(ann, db, world, applied, post, mailbox):
    await watch(ann, db, delivery={"where": ["email"], "at_most": 1})
    with shift_to(12):
        for contact in world.contacts[1:2] + world.contacts[3:5]:
            await promote(db, applied, contact)
            await post()
        assert len(mailbox.letters) == 1
    with shift_to(1, days=1):
        await post()
        await post()
    assert [letter["Subject"] for letter in mailbox.letters] == ["VPs: 1 fit now", "VPs: 2 fit now"]


async def test_what_is_hidden_and_what_was_before_is_not_sent(ann, db, world, applied, post, mailbox):
    icp = await watch(ann, db)
    await promote(db, applied, world.contacts[1])
    await ann("PUT", f"/v1/icps/{icp}/alerts/delivery", json=AT_ONCE)
    await ann("PUT", f"/v1/hidden/contacts/{world.contacts[3]}")
    await promote(db, applied, world.contacts[3])
    await post()
    assert mailbox.letters == []
    await ann("DELETE", f"/v1/hidden/contacts/{world.contacts[3]}")
    await promote(db, applied, world.contacts[4])
    await post()
    assert "Ed Eng" in mailbox.text()
    assert "Dana" not in mailbox.text()


async def test_what_happened_while_it_was_hidden_is_sent_to_nobody_later(
    ann, db, world, applied, post, mailbox, api_searcher, owner
):
    await watch(ann, db, delivery={"where": ["email", "webhook"]})
    hook = {"url": "https://93.184.215.14/hook", "kinds": ["icp.entered"]}
    assert (await ann("POST", "/v1/webhooks", json=hook)).status_code == 201
    await ann("PUT", f"/v1/hidden/organizations/{world.organizations[1]}")
    await promote(db, applied, world.contacts[3])
    await ann("DELETE", f"/v1/hidden/organizations/{world.organizations[1]}")
    assert await post() == 1
    await delivery.to_webhooks(db, api_searcher)
    assert mailbox.letters == []
    await promote(db, applied, world.contacts[1])
    assert await post() == 1
    await delivery.to_webhooks(db, api_searcher)
    assert [letter["Subject"] for letter in mailbox.letters] == ["VPs: 1 fit now"]
    queued = await owner.fetch("SELECT subject FROM app.webhook_deliveries")
    assert [row["subject"] for row in queued] == [f"contacts:{world.contacts[1]}"]


async def test_each_chooses_alone_and_who_lost_access_hears_nothing(
    ann,
    bob,
    db,
    world,
    applied,
    post,
    mailbox,
):
    icp = await watch(ann, db)
    share = f"/v1/icps/{icp}/members/{bob.user.email}"
    await ann("PUT", share, json={})
    assert (await bob("PUT", f"/v1/icps/{icp}/alerts/delivery", json=AT_ONCE)).status_code == 200
    assert (await ann("GET", f"/v1/icps/{icp}/alerts")).json()["delivery"]["where"] == []
    await promote(db, applied, world.contacts[1])
    await post()
    assert [letter["X-Envelope-To"] for letter in mailbox.letters] == [bob.user.email]
    await promote(db, applied, world.contacts[3])
    await ann("DELETE", share)
    await post()
    assert len(mailbox.letters) == 1
    await ann("PUT", share, json={})
    assert (await bob("GET", f"/v1/icps/{icp}/alerts")).json()["delivery"]["where"] == []


async def test_a_list_that_is_gone_tells_nothing_and_spins_nowhere(ann, db, world, applied, post, mailbox):
    kept = await make(ann)
    await add(ann, kept["id"], ids=world.contacts)
    icp = await watch(ann, db, VPS | {"in_lists": [kept["id"]]}, delivery={"where": ["email", "webhook"]})
    await promote(db, applied, world.contacts[1])
    assert (await ann("DELETE", f"/v1/lists/{kept['id']}")).status_code == 204
    assert await post() == 1
    assert await post() == 0
    assert mailbox.letters == []
    assert (await ann("GET", f"/v1/icps/{icp}/events")).status_code == 404


async def test_webhooks_hear_each_event_once_and_in_order(
    ann,
    db,
    world,
    applied,
    owner,
    api_searcher,
    receiver,
    settings,
):
    await watch(ann, db, delivery={"where": ["webhook"]})
    kinds = ["icp.entered", "icp.left", "icp.changed"]
    made = (
        await ann("POST", "/v1/webhooks", json={"url": "https://93.184.215.14/hook", "kinds": kinds})
    ).json()
    await owner.execute("UPDATE app.webhooks SET url = $1", receiver.url)
    bernd = world.contacts[1]
    for seniority in ("vp", "owner", "vp"):
        await change(db, bernd, seniority=seniority)
        await applied(bernd)
    await change(db, bernd, title="Somebody")
    await applied(bernd)
    await asyncio.gather(*(delivery.to_webhooks(db, api_searcher) for _ in range(3)))
    await delivery.to_webhooks(db, api_searcher)
    sender = sending.Sender(replace(settings, webhooks=WebhookSettings(allowed_hosts=receiver.host)), db)
    try:
        for _ in range(5):
            for due in await sending.claim(db, limit=9, per_webhook=9, busy=set()):
                await sender.deliver(due)
    finally:
        await sender.close()
    told = [one.data for one in receiver.received]
    assert [one["type"] for one in told] == ["icp.entered", "icp.left", "icp.entered", "icp.changed"]
    assert told[3]["data"]["changes"] == [{"field": "title", "old": "CTO", "new": "Somebody"}]
    assert told[3]["data"]["name"] == "Bernd Bauer"
    log = (await ann("GET", f"/v1/webhooks/{made['id']}/deliveries")).json()["results"]
    assert len({one["event_id"] for one in log}) == 4
    # The person is erased: the log keeps that something was sent, and not about whom.
    async with db.transaction(SERVICE) as session:
        await session.execute(text("DELETE FROM app.contacts WHERE id = :id"), {"id": bernd})
    await applied(bernd)
    log = (await ann("GET", f"/v1/webhooks/{made['id']}/deliveries")).json()["results"]
    assert "Bernd" not in str(log)
    assert "Somebody" not in str(log)


async def test_a_long_letter_counts_the_rest(mailing, ann, world, db, applied):
    icp = await watch(ann, db)
    await promote(db, applied, world.contacts[1])
    shown = (await ann("GET", f"/v1/icps/{icp}/events")).json()["results"][0]
    event = letters.Event(**(shown | {"icp_id": UUID(icp), "icp_name": "VPs"}))
    letter = letters.compose(
        mailing, to="a@b.example", user_id=ann.id, icp_id=event.icp_id, events=[event] * 60, upto=9
    )
    assert letter.subject == "VPs: 60 fit now"
    assert "And 10 more, in the feed." in letter.paragraphs
