"""Everything that is paid at once, over HTTP, while API and worker are killed: afterwards the books agree.

Unlocks, checks and searches of addresses at mail servers of a laboratory, reports, and at Stripe's stand-in
purchases, refunds and disputes, of which it tells twice and in any order.
"""

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
import uuid

import httpx
import pytest
from sqlalchemy import text

from core.settings import Settings
from db.connections import connect
from db.sessions import SERVICE
from domain import accounts
from domain.billing import prices
from domain.billing.gateway import open_cloud
from domain.credits import movements, upkeep
from embedded import stack as stacks
from tests.cloud.process import stripe_process
from tests.cloud.store import SECRET, sign
from tests.lab.laboratory import laboratory
from tests.lab.servers import OK, MailServer

pytestmark = pytest.mark.chaos

USERS, CONTACTS = 4, 150
DOMAINS = ("acme.example", "globex.example")
# Whom mail reaches there: some of those asked for, so that holds are captured and voided.
REACHED = [*(f"p{n}" for n in range(0, 100, 2)), *(f"anna.keller{letter}" for letter in "abcd")]
# It goes on until so much has happened, for so long at the most; then callers give up what is under way, and
# what Stripe told must be heard within so many seconds.
KILLS, ANSWERS, SECONDS, HEARD_WITHIN_S = 8, 500, 150, 60


class Barrage:
    """The processes, and the callers who go on whatever happens."""

    def __init__(self, plant, stripe, lab, drill):
        self.plant, self.stripe, self.drill = plant, stripe, drill
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.environ = {
            **os.environ,
            **stacks.environment(plant.state),
            "LEADFUEL_HOME": str(plant.home),
            "STRIPE_API_KEY": "sk_test_drill",
            "STRIPE_WEBHOOK_SECRETS": SECRET,
            "STRIPE_API_URL": stripe.url,
            "LEADFUEL_REQUESTS_PER_MINUTE": "1000000",
            "LEADFUEL_SMTP_PORT": str(lab.settings.smtp_port),
            "LEADFUEL_MAIL_RESOLVER": lab.settings.resolver,
            "LEADFUEL_SMTP_ALLOWED_NETWORKS": lab.settings.allowed_networks,
            "LEADFUEL_SMTP_PER_MINUTE": "10000",
        }
        self.running = {}
        self.tokens, self.answers = [], {}
        self.over = False

    def start(self, name):
        words = ["serve", "--port", str(self.port), "--processes", "1"] if name == "serve" else ["work"]
        with (self.plant.home.parent / f"drill-{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "cli.main", *words], env=self.environ, stdout=log, stderr=log
            )
        self.plant.workers.append(process)
        self.running[name] = process

    async def kill_now_and_then(self, client):
        """Kill -9 of the API or the worker at a random moment, and start it anew."""
        while not self.over:
            await self.until_it_serves(client)
            await asyncio.sleep(self.drill.draw.uniform(0.5, 4))
            name = self.drill.draw.choice(["serve", "work"])
            self.running[name].kill()
            await asyncio.to_thread(self.running[name].wait)
            self.drill.inject(f"kill -9 of {name}")
            self.start(name)

    def has_seen_enough(self):
        return self.drill.times >= KILLS and sum(self.answers.values()) >= ANSWERS

    async def until_it_serves(self, client):
        while True:
            with contextlib.suppress(httpx.TransportError):
                if (await client.get("/health/live")).status_code == 200:
                    return
            await asyncio.sleep(0.1)

    async def call(self, client, method, path, token=None, **options):
        """One call, sent again under its key until it is answered for good; None if the run ends first."""
        headers = options.pop("headers", {}) | ({"Authorization": f"Bearer {token}"} if token else {})
        while not self.over:
            with contextlib.suppress(httpx.TransportError):
                answer = await client.request(method, path, headers=headers, **options)
                self.answers[answer.status_code] = self.answers.get(answer.status_code, 0) + 1
                if answer.status_code < 500 and "idempotency-key-in-use" not in answer.text:
                    return answer
            await asyncio.sleep(0.2)
        return None

    async def tell(self, client, event):
        """One word of Stripe, which is said until it is heard, however the run goes."""
        raw = json.dumps(event).encode()
        headers = {"stripe-signature": sign(raw)}
        while True:
            with contextlib.suppress(httpx.TransportError):
                answer = await client.post("/functions/v1/stripe-webhook", content=raw, headers=headers)
                self.answers[answer.status_code] = self.answers.get(answer.status_code, 0) + 1
                if answer.status_code < 300:
                    return
            await asyncio.sleep(0.2)

    async def spend(self, client, contacts):
        while not self.over:
            token, draw = self.drill.draw.choice(self.tokens), self.drill.draw
            headers = {"Idempotency-Key": uuid.uuid4().hex}
            kind = draw.random()
            if kind < 0.5:
                path, body = f"/v1/contacts/{draw.choice(contacts)}/unlock", {"fields": ["email"]}
            elif kind < 0.7:
                path, body = "/v1/unlocks", {"contact_ids": draw.sample(contacts, 20), "fields": ["email"]}
            elif kind < 0.8:
                path, body = "/v1/emails/validate", {"email": f"p{draw.randint(1, 99)}@acme.example"}
            elif kind < 0.93:
                sought = {"first_name": "Anna", "last_name": f"Keller{draw.choice('abcdefgh')}"}
                path, body = "/v1/emails/find", sought | {"domain": draw.choice(DOMAINS)}
            else:
                path, body = f"/v1/contacts/{draw.choice(contacts)}/report", {"outcome": "bounced"}
            await self.call(client, "POST", path, token, json=body, headers=headers)

    async def buy(self, client):
        """Buy, pay, return half of it, dispute some: and tell of each twice, in any order."""
        told = 0
        while not self.over:
            token = self.drill.draw.choice(self.tokens)
            page = await self.call(
                client, "POST", "/v1/billing/checkout", token, json={"pack": "pack-100"},
                headers={"Idempotency-Key": uuid.uuid4().hex},
            )  # fmt: skip
            if page is None or page.status_code != 201:
                continue
            session = page.json()["url"].rpartition("/")[2]
            await self.stripe.do("pay", session)
            charge = await self.stripe.do("charge_of", session)
            kind = self.drill.draw.random()
            if kind < 0.3:
                await self.stripe.do("refund", charge, self.drill.draw.choice([950, 1_900]))
            elif kind < 0.5:
                dispute = await self.stripe.do("dispute", charge)
                if self.drill.draw.random() < 0.5:
                    await self.stripe.do("close_dispute", dispute["id"], "won")
            events = await self.stripe.told()
            fresh, told = events[told:] * 2, len(events)
            self.drill.draw.shuffle(fresh)
            for event in fresh:
                await self.tell(client, event)


@pytest.mark.timeout(400)
async def test_38_a_barrage_of_all_that_is_paid_while_processes_are_killed(plant, drill):
    async with stripe_process() as stripe, laboratory() as lab:
        for domain in DOMAINS:
            await lab.domain(domain, MailServer(dict.fromkeys(REACHED, OK), delay_s=0.05))
        barrage = Barrage(plant, stripe, lab, drill)
        users, contacts = await _world(plant, barrage)
        for name in ("serve", "work"):
            barrage.start(name)
        lowest, looks = await _run(plant, barrage, contacts)
        drill.injected += f"; {sum(barrage.answers.values())} answers, {looks} looks at the balances"
        await _drain(plant, barrage)
        for process in barrage.running.values():
            process.kill()
            process.wait()
        assert lowest >= 0
        assert await upkeep.compare(plant.db) == []
        assert barrage.has_seen_enough(), (drill.times, barrage.answers)
        await _assert_stripe_and_books_agree(plant, stripe, users)


async def _world(plant, barrage):
    async with plant.db.transaction(SERVICE) as session:
        found = await session.scalars(
            text(
                "INSERT INTO app.contacts (first_name, email, email_hash) SELECT 'P' || n,"
                " 'p' || n || '@acme.example', convert_to(CAST(n AS text) || gen_random_uuid(), 'UTF8')"
                f" FROM generate_series(1, {CONTACTS}) AS n RETURNING id"
            )
        )
        contacts = list(found)
        users = []
        for n in range(USERS):
            user = await accounts.find_or_create_user(session, email=f"drill{n}@example.com")
            await movements.grant(session, user_id=user.id, amount=60, reference="drill", reason="x")
            users.append(user.id)
    for n in range(USERS):
        said = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "cli.main", "token", "--email", f"drill{n}@example.com", "--json"],
            env=barrage.environ,
            capture_output=True,
            check=True,
        )
        barrage.tokens.append(json.loads(said.stdout)["token"])
    return users, contacts


async def _run(plant, barrage, contacts):
    """The lowest balance that was ever seen, looked at every 20 ms, and how many looks there were."""
    billing = _billing(barrage)
    async with open_cloud(billing) as cloud:
        await prices.sync(plant.db, cloud, billing)
    owner = await connect(plant.settings.database.migration_url)
    lowest, looks = 10**9, 0
    limits = httpx.Limits(max_connections=40)
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{barrage.port}", timeout=20, limits=limits
    ) as client:
        callers = [asyncio.create_task(barrage.spend(client, contacts)) for _ in range(12)]
        callers += [asyncio.create_task(barrage.buy(client)) for _ in range(2)]
        killer = asyncio.create_task(barrage.kill_now_and_then(client))
        ends = asyncio.get_running_loop().time() + SECONDS
        while asyncio.get_running_loop().time() < ends and not barrage.has_seen_enough():
            lowest = min(lowest, await owner.fetchval("SELECT min(credit_balance) FROM app.users"))
            looks += 1
            await asyncio.sleep(0.02)
        barrage.over = True
        async with asyncio.timeout(HEARD_WITHIN_S):
            await asyncio.gather(*callers, killer)
    await owner.close()
    return lowest, looks


async def _drain(plant, barrage):
    """Wait until nothing of what was told waits any more; holds whose caller died run out."""
    for _ in range(240):
        async with plant.db.transaction(SERVICE) as session:
            waiting = await session.scalar(
                text("SELECT count(*) FROM app.billing_events WHERE state = 'waiting'")
            )
            # What was handed to a worker that died is handed over again after a pause; not so long here.
            await session.execute(
                text(
                    "UPDATE app.outbox SET dispatched_at = '-infinity'"
                    " WHERE job = 'billing.event' AND dispatched_at IS NOT NULL"
                )
            )
        if not waiting:
            break
        await asyncio.sleep(0.5)
    assert waiting == 0
    owner = await connect(plant.settings.database.migration_url)
    await owner.execute(
        "UPDATE app.credit_holds SET expires_at = now() - interval '1 s' WHERE state = 'reserved'"
    )
    await owner.close()
    await upkeep.bring_up_to_date(plant.db)


def _billing(barrage):
    return Settings.from_env(barrage.environ).billing


async def _assert_stripe_and_books_agree(plant, stripe, users):
    """What was paid there less what was returned is what was sold here."""
    sold = 0
    for event in await stripe.told("checkout.session.completed"):
        charge = await stripe.do("get", await stripe.do("charge_of", event["data"]["object"]["id"]))
        disputes = await stripe.do("disputes", charge["id"])
        held = sum(d["amount"] for d in disputes if d["status"] == "needs_response")
        returned = min(charge["amount"], charge["amount_refunded"] + held)
        sold += 100 - -(-100 * returned // charge["amount"])
    async with plant.db.transaction(SERVICE) as session:
        kept = await session.scalar(
            text(
                "SELECT coalesce(sum(delta - owed_delta), 0) FROM app.credit_ledger"
                " WHERE kind IN ('purchased', 'clawed_back', 'restored')"
            )
        )
    assert int(kept) == sold
