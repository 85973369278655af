"""Kept work under kill -9: alerts tell each change once and in order, lists and exports are whole.

The processes are real, and so are the mail server and the receiver of webhooks that they tell.
"""

import asyncio
import csv
import io
from collections import defaultdict
from contextlib import asynccontextmanager
from dataclasses import replace
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from api.app import create_app
from core.settings import OpenSearchSettings
from db.sessions import SERVICE
from domain import accounts, tokens
from domain.signing.keyring import Keyring
from search.titles import read_title
from tests.api.conftest import Person, running
from tests.chaos.test_drills import settled, until
from tests.indexer.world import add_contacts, add_organizations, execute

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(900)]

TITLES = ("VP Sales", "Head of Sales", "CTO", "Engineer")
SIZES = ((1, 10), (51, 200), (201, 500), (None, None))


@pytest.fixture
async def ann(plant):
    """Somebody with a large plan, asking an API in this process; the processes of `work` are beside it."""
    settings = replace(
        plant.settings,
        opensearch=OpenSearchSettings(url=""),
        api=replace(plant.settings.api, requests_per_minute=100_000),
    )
    async with plant.db.transaction(SERVICE) as session:
        user = await accounts.find_or_create_user(session, email=f"{uuid4().hex}@example.com")
        await session.execute(text("UPDATE app.users SET plan_id = 'team' WHERE id = :id"), {"id": user.id})
    async with running(create_app(settings)) as api:
        ring = Keyring(settings.auth, plant.db)
        yield Person(api, user, (await tokens.mint(ring, user_id=user.id)).text)


async def change_somebody(db, draw):
    """One transaction of changes as a day brings them."""
    async with db.transaction(SERVICE) as session:
        for _ in range(draw.randint(1, 4)):
            kind = draw.random()
            if kind < 0.6:
                await session.execute(
                    text(
                        "UPDATE contacts SET title = :title, title_normalized = :normalized,"
                        " seniority = :seniority"
                        " WHERE id = (SELECT id FROM contacts ORDER BY random() LIMIT 1)"
                    ),
                    {
                        "title": (title := draw.choice(TITLES)),
                        "normalized": read_title(title).normalized,
                        "seniority": draw.choice(["vp", "manager", None]),
                    },
                )
            elif kind < 0.8:
                low, high = draw.choice(SIZES)
                await session.execute(
                    text(
                        "UPDATE organizations SET employees_min = :low, employees_max = :high WHERE id ="
                        " (SELECT id FROM organizations ORDER BY random() LIMIT 1)"
                    ),
                    {"low": low, "high": high},
                )
            elif kind < 0.9:
                await session.execute(
                    text(
                        "UPDATE contacts SET organization_id ="
                        " (SELECT id FROM organizations ORDER BY random() LIMIT 1)"
                        " WHERE id = (SELECT id FROM contacts ORDER BY random() LIMIT 1)"
                    )
                )
            elif kind < 0.95:
                await session.execute(
                    text(
                        "DELETE FROM contacts WHERE id = (SELECT id FROM contacts ORDER BY random() LIMIT 1)"
                    )
                )
            else:
                await session.execute(
                    text(
                        "INSERT INTO contacts (full_name, title, seniority, organization_id)"
                        " SELECT 'New', 'CTO', 'vp', id FROM organizations ORDER BY random() LIMIT 1"
                    )
                )


@asynccontextmanager
async def changing(db, draw):
    stop = asyncio.Event()

    async def go_on():
        while not stop.is_set():
            try:
                await change_somebody(db, draw)
            except DBAPIError as error:
                # Two that wait for each other: one gives way, and has changed nothing.
                if "deadlock detected" not in str(error):
                    raise
            await asyncio.sleep(0.02)

    tasks = [asyncio.create_task(go_on()) for _ in range(2)]
    try:
        yield
    finally:
        stop.set()
        await asyncio.gather(*tasks)


NOW = {
    "title": "SELECT c.id, c.title FROM contacts c",
    "company_employees": "SELECT c.id, CASE WHEN o.employees_min IS NOT NULL"
    " THEN ARRAY[o.employees_min, o.employees_max] END"
    " FROM contacts c LEFT JOIN organizations o ON o.id = c.organization_id",
    "company": "SELECT c.id, o.name FROM contacts c LEFT JOIN organizations o ON o.id = c.organization_id",
}
ICPS = {
    "vps": ({"contacts": {"include": {"seniorities": ["vp"]}}}, "c.seniority = 'vp'"),
    "at middling companies": (
        {"organizations": {"include": {"num_employees": {"min": 100, "max": 400}}}},
        "o.employees_min <= 400 AND o.employees_max >= 100",
    ),
    "no engineers": (
        {"contacts": {"exclude": {"titles": ["Engineer"], "include_similar_titles": False}}},
        "c.title IS DISTINCT FROM 'Engineer'",
    ),
}


async def fitting(db, where):
    return set(
        await execute(
            db,
            "SELECT c.id FROM contacts c LEFT JOIN organizations o ON o.id = c.organization_id"
            f" WHERE {where}",
        )
    )


async def present(db):
    async with db.transaction(SERVICE, read_only=True) as session:
        return {name: dict((await session.execute(text(sql))).all()) for name, sql in NOW.items()}


async def compared(db):
    """Everything has been applied, and all of it compared."""
    behind = await execute(
        db,
        "SELECT count(*) FROM applied WHERE seq > (SELECT coalesce(max(position), 0) FROM alert_position)",
    )
    return behind == [0]


async def all_events(ann, icp_id):
    found, cursor = [], ""
    while True:
        after = f"&after={cursor}" if cursor else ""
        page = (await ann("GET", f"/v1/icps/{icp_id}/events?limit=500{after}")).json()
        if not page["results"]:
            return found
        found, cursor = found + page["results"], page["cursor"]


def replay(events, members, before, now):
    """Follow the feed from the baseline: nobody enters twice, and what was new is what is old next time."""
    members = set(members)
    known = {(name, record): value for name, values in before.items() for record, value in values.items()}
    for event in events:
        record = event["record_id"]
        if event["kind"] == "entered":
            assert record not in members, event
            members.add(record)
            for name in before:
                known.pop((name, record), None)
        else:
            assert record in members, event
        # Who leaves is told with all that has changed, also in fields that nobody follows here.
        for change in [one for one in event["changes"] if one["field"] in before]:
            at = (change["field"], record)
            if at in known:
                assert known[at] == change["old"], event
            known[at] = change["new"]
            if change["field"] == "company":
                known.pop(("company_employees", record), None)
        if event["kind"] == "left":
            members.discard(record)
    for (name, record), value in known.items():
        if record in members:
            assert value == now[name][record], (name, record)
    return members


async def test_alerts_are_told_once_and_in_order(plant, drill, ann, mailbox, receiver, monkeypatch):
    monkeypatch.setenv("SMTP_URL", mailbox.url)
    monkeypatch.setenv("WEBHOOK_ALLOWED_HOSTS", receiver.host)
    # Companies of other drills have the names of these: to move between two of one name is no change of it.
    await execute(plant.db, "DELETE FROM contacts")
    await execute(plant.db, "DELETE FROM organizations")
    for organization in await add_organizations(plant.db, 12):
        await add_contacts(plant.db, 15, organization=organization)
    plant.start("work")
    await until(lambda: settled(plant))
    settings = {
        "kinds": ["entered", "left", "changed"],
        "fields": ["title", "company_employees", "company"],
        "delivery": {"where": ["email", "webhook"]},
    }
    kinds = ["icp.entered", "icp.left", "icp.changed"]
    async with plant.db.transaction(SERVICE) as session:
        await session.execute(
            text("INSERT INTO webhooks (user_id, url, kinds) VALUES (:user, :url, :kinds)"),
            {"user": ann.id, "url": receiver.url, "kinds": kinds},
        )
        await session.execute(
            text("INSERT INTO webhook_secrets (webhook_id, secret) SELECT id, 'whsec_AAAA' FROM webhooks")
        )
    watched, before = {}, await present(plant.db)
    for name, (filters, where) in ICPS.items():
        made = (await ann("POST", "/v1/icps", json={"name": name, "request": {"filters": filters}})).json()
        assert (await ann("PUT", f"/v1/icps/{made['id']}/alerts", json=settings)).status_code == 200
        watched[made["id"]] = (await fitting(plant.db, where), where)
    async with changing(plant.db, drill.draw):
        for _ in range(8):
            plant.start("work")
            await asyncio.sleep(drill.draw.uniform(1.0, 4.0))
            # One of two goes, sometimes both.
            for worker in [one for one in plant.workers if one.poll() is None][: drill.draw.randint(1, 2)]:
                worker.kill()
                worker.wait()
                drill.inject("kill -9 of a worker under alerts")
    plant.start("work")
    await until(lambda: settled(plant), within_s=180)
    await until(lambda: compared(plant.db), within_s=60)
    now, told = await present(plant.db), 0
    for icp_id, (members, where) in watched.items():
        events = await all_events(ann, icp_id)
        assert {kind["kind"] for kind in events} == {"entered", "left", "changed"}
        assert replay(events, members, before, now) == await fitting(plant.db, where)
        told += len(events)

    async def sent():
        waiting = await execute(
            plant.db,
            "SELECT (SELECT count(*) FROM webhook_deliveries WHERE state = 'pending')"
            " + (SELECT count(*) FROM icp_subscriptions WHERE webhook_due OR mail_due_at IS NOT NULL)",
        )
        return waiting == [0]

    await until(sent, within_s=300)
    assert len({one.id for one in receiver.received}) == told
    order = defaultdict(list)
    for one in receiver.received:
        data = one.data["data"]
        if data["event_id"] not in order[data["record_id"]]:
            order[data["record_id"]].append(data["event_id"])
    assert all(ids == sorted(ids) for ids in order.values())
    letters = {letter["Message-ID"]: letter["Subject"] for letter in mailbox.letters}
    counted = sum(int(word) for subject in letters.values() for word in subject.split() if word.isdigit())
    assert counted == told


async def test_a_rebuild_alerts_nobody(plant, drill, ann):
    plant.start("work")
    await until(lambda: settled(plant))
    filters = {"contacts": {"include": {"seniorities": ["vp"]}}}
    made = (await ann("POST", "/v1/icps", json={"name": "VPs", "request": {"filters": filters}})).json()
    await ann("PUT", f"/v1/icps/{made['id']}/alerts", json={})
    process = plant.start("index", "rebuild", "--yes")
    assert await asyncio.to_thread(process.wait, 120) == 0
    drill.inject("a rebuild")
    await execute(plant.db, "UPDATE contacts SET last_refreshed_at = last_refreshed_at + interval '1 second'")
    await until(lambda: settled(plant), within_s=180)
    await until(lambda: compared(plant.db))
    assert await all_events(ann, made["id"]) == []


EVERYBODY = {"search": {}, "columns": ["id", "full_name"]}


async def over(ann, job_id):
    return (await ann("GET", f"/v1/jobs/{job_id}")).json()["status"] == "done"


async def kill_while_it_runs(plant, drill, ann, job_id, what):
    """Kill the worker once the job has begun, and let another one do it."""
    worker = plant.start("work")

    async def begun():
        return (await ann("GET", f"/v1/jobs/{job_id}")).json()["status"] != "waiting"

    await until(begun)
    await asyncio.sleep(drill.draw.uniform(0.0, 0.3))
    worker.kill()
    worker.wait()
    drill.inject(what)
    plant.start("work")
    await until(lambda: over(ann, job_id), within_s=240)


async def test_a_list_is_filled_once(plant, drill, ann):
    await execute(plant.db, "DELETE FROM contacts")
    people = await add_contacts(plant.db, 40_000)
    made = (await ann("POST", "/v1/lists", json={"name": "All"})).json()
    job = (await ann("POST", f"/v1/lists/{made['id']}/contacts", json={"search": {}})).json()["job"]
    await kill_while_it_runs(plant, drill, ann, job["id"], "kill -9 under a list that is filled")
    listed = await execute(
        plant.db, "SELECT contact_id FROM list_contacts WHERE list_id = :id ORDER BY 1", id=made["id"]
    )
    assert listed == sorted(people)
    result = (await ann("GET", f"/v1/jobs/{job['id']}")).json()["result"]
    assert result["added"] == len(people)


async def test_an_export_is_whole(plant, drill, ann):
    await execute(plant.db, "DELETE FROM contacts")
    people = await add_contacts(plant.db, 40_000)
    before = set((plant.home / "exports").rglob("*.csv"))
    export = (await ann("POST", "/v1/exports", json=EVERYBODY)).json()
    await kill_while_it_runs(plant, drill, ann, export["job_id"], "kill -9 under an export")
    assert await exported(ann, export) == sorted(people)
    assert len(set((plant.home / "exports").rglob("*.csv")) - before) == 1


async def exported(ann, export):
    """The ids in the file of an export, in order."""
    url = (await ann("GET", f"/v1/exports/{export['id']}")).json()["url"]
    answer = await ann.api.get(url)
    rows = list(csv.reader(io.StringIO(answer.content.decode(), newline="")))[1:]
    return sorted(int(row[0]) for row in rows)


async def test_kept_work_outlives_its_movers_and_its_database(plant, drill, ann):
    """Asked for while no process moves anything; begun an hour late; PostgreSQL killed and Redis emptied."""
    await execute(plant.db, "DELETE FROM contacts")
    people = await add_contacts(plant.db, 20_000)
    filters = {"contacts": {"include": {"seniorities": ["partner"]}}}
    icp = (await ann("POST", "/v1/icps", json={"name": "P", "request": {"filters": filters}})).json()["id"]
    assert (await ann("PUT", f"/v1/icps/{icp}/alerts", json={})).status_code == 200
    made = (await ann("POST", "/v1/lists", json={"name": "Late"})).json()["id"]
    filled = (await ann("POST", f"/v1/lists/{made}/contacts", json={"search": {}})).json()["job"]["id"]
    export = (await ann("POST", "/v1/exports", json=EVERYBODY)).json()
    partners = sorted(drill.draw.sample(people, 50))
    await execute(plant.db, "UPDATE contacts SET seniority = 'partner' WHERE id = ANY(:ids)", ids=partners)
    await execute(plant.db, "UPDATE outbox SET created_at = created_at - interval '1 hour'")
    drill.inject("an hour without a process that moves anything")
    for _ in range(2):
        plant.start("work")

    async def begun():
        asked = [(await ann("GET", f"/v1/jobs/{job}")).json() for job in (filled, export["job_id"])]
        return any(job["status"] != "waiting" for job in asked)

    await until(begun, within_s=60)
    await asyncio.to_thread(plant.kill, "postgres")
    drill.inject("kill -9 of PostgreSQL under jobs")
    await plant.flush_redis()
    drill.inject("FLUSHALL")
    await asyncio.to_thread(plant.restart, "postgres")
    await until(lambda: answering(plant.db), within_s=60)
    for job in (filled, export["job_id"]):
        await until(lambda job=job: over(ann, job), within_s=240)
    await until(lambda: settled(plant), within_s=180)
    await until(lambda: compared(plant.db), within_s=60)
    assert (await ann("GET", f"/v1/jobs/{filled}")).json()["result"]["added"] == len(people)
    listed = await execute(
        plant.db, "SELECT contact_id FROM list_contacts WHERE list_id = :id ORDER BY 1", id=made
    )
    assert listed == await exported(ann, export) == sorted(people)
    events = await all_events(ann, icp)
    assert sorted((one["kind"], one["record_id"]) for one in events) == [("entered", one) for one in partners]


async def answering(db):
    try:
        await execute(db, "SELECT 1")
    except (DBAPIError, OSError):
        return False
    return True
