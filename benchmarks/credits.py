"""Credits: unlocks over HTTP beside the same statements from pgbench, bulk, webhooks, and long ledgers.

    python -m benchmarks.credits [--seconds 10] [--ledger 2000000] [--only unlocks]

It brings a PostgreSQL and a Redis of its own and writes `benchmarks/results/credits.md`.
"""

import argparse
import asyncio
import contextlib
import hashlib
import hmac
import itertools
import json
import os
import platform
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median, quantiles
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
import asyncpg
import psutil

from core.ids import UserId
from core.settings import Settings, StackSettings
from db import migrate
from db.sessions import Database
from domain import tokens
from domain.signing.keyring import Keyring
from embedded import stack as stacks

ROOT: Final = Path(__file__).resolve().parents[1]
HOME: Final = ROOT / ".leadfuel" / "bench-credits"
RESULTS: Final = ROOT / "benchmarks" / "results" / "credits.md"
SECRET: Final = "whsec_bench"
CLIENTS: Final = 16
ACCOUNTS: Final = 200
CREDITS: Final = 1_000_000
PARTS: Final = ("unlocks", "bulk", "webhooks", "ledger")

# What an unlock sends to the database, statement by statement.
UNLOCK: Final = r"""
BEGIN;
SELECT set_config('role', 'service_role', true),
  set_config('request.jwt.claims', '{{"role": "service_role"}}', true),
  set_config('search_path', 'app, public, extensions', true),
  set_config('statement_timeout', '30000ms', true),
  set_config('TimeZone', 'UTC', true), set_config('jit', 'off', true);
SELECT nextval('app.bench_contacts') AS cid \gset
\set n {account}
SELECT id AS uid FROM app.bench_accounts WHERE n = :n \gset
SELECT u.credit_balance AS bal, u.credits_owed, u.credits_frozen_because, u.created_at, p.monthly_credits,
  coalesce(p.features ->> 'rollover_credits', '0')::integer AS r,
  EXISTS (SELECT FROM app.billing_subscriptions s WHERE s.user_id = u.id
          AND s.status IN ('trialing', 'active', 'past_due')) AS is_subscribed, app.now()
FROM app.users u JOIN app.plans p ON p.id = u.plan_id WHERE u.id = ':uid' FOR NO KEY UPDATE OF u \gset
SELECT h.has_stale_holds, g.id AS gid, g.source, g.reference, g.remaining, g.expires_at
FROM (SELECT EXISTS (SELECT FROM app.credit_holds WHERE user_id = ':uid' AND state = 'reserved'
                     AND expires_at <= app.now()) AS has_stale_holds) AS h
LEFT JOIN app.credit_grants AS g ON g.user_id = ':uid' AND g.remaining > 0
ORDER BY g.priority, g.expires_at NULLS LAST, g.id \gset
WITH paid AS MATERIALIZED (
  SELECT reference FROM app.credit_ledger WHERE user_id = ':uid' AND kind = 'spent'
    AND reference IN ('unlock:' || :cid || ':email', 'unlock:' || :cid || ':phone'))
SELECT c.id, c.email, c.phone,
  ARRAY(SELECT u.field FROM app.unlocks u WHERE u.user_id = ':uid' AND u.contact_id = c.id) AS owned,
  'unlock:' || c.id || ':email' IN (SELECT reference FROM paid) AS paid_email,
  'unlock:' || c.id || ':phone' IN (SELECT reference FROM paid) AS paid_phone,
  EXISTS (SELECT FROM app.suppressions s WHERE s.keyed_hash IN (c.email_hash, c.phone_hash, c.linkedin_hash)),
  EXISTS (SELECT FROM app.hidden_contacts h WHERE h.user_id = ':uid' AND h.contact_id = c.id)
  OR EXISTS (SELECT FROM app.hidden_companies h
             WHERE h.user_id = ':uid' AND h.organization_id = c.organization_id)
FROM app.contacts c WHERE c.id = ANY(ARRAY[:cid]) ORDER BY c.id FOR KEY SHARE OF c;
\set after :bal - 1
WITH owned AS (INSERT INTO app.unlocks (user_id, contact_id, field) VALUES (':uid', :cid, 'email'))
INSERT INTO app.credit_ledger (user_id, kind, reference, delta, balance_after, owed_delta, action, contact_id,
  grants, details)
VALUES (':uid', 'spent', 'unlock:' || :cid || ':email', -1, :after, 0, 'unlock_email', :cid,
  jsonb_build_object(:gid::text, -1), '{{}}');
COMMIT;
"""


class Bench:
    """A database with accounts and contacts, and an API on it."""

    def __init__(self, environ: dict[str, str], admin: asyncpg.Connection) -> None:
        self.environ, self.admin = environ, admin
        self.url = ""
        # The processes whose CPU is counted: ours that answer, and PostgreSQL's.
        self.roots: dict[str, psutil.Process] = {}
        self.tokens: list[str] = []
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        print(line, flush=True)
        self.lines.append(line)

    async def fill(self, contacts: int) -> None:
        """Accounts that can pay for everything, and contacts with an address each."""
        await self.admin.execute(
            f"""
            SET search_path = app, public, extensions;
            UPDATE plans SET monthly_credits = 0;
            INSERT INTO contacts (first_name, email)
            SELECT 'P' || n, 'p' || n || '@acme.example' FROM generate_series(1, {contacts}) AS n;
            CREATE TABLE bench_accounts (n integer PRIMARY KEY, id uuid NOT NULL);
            INSERT INTO bench_accounts SELECT n, gen_random_uuid() FROM generate_series(0, {ACCOUNTS}) AS n;
            INSERT INTO users (id, email) SELECT id, 'bench' || n || '@example.com' FROM bench_accounts;
            INSERT INTO credit_grants (user_id, source, reference, amount, priority)
            SELECT id, 'gift', 'bench', {CREDITS}, 30 FROM bench_accounts;
            INSERT INTO credit_ledger (user_id, kind, reference, delta, balance_after, grants)
            SELECT g.user_id, 'granted', 'bench', {CREDITS}, {CREDITS},
                   jsonb_build_object(g.id::text, {CREDITS})
            FROM credit_grants AS g;
            CREATE SEQUENCE bench_contacts;
            GRANT USAGE ON SEQUENCE bench_contacts TO PUBLIC;
            GRANT SELECT ON bench_accounts TO PUBLIC;
            ANALYZE;
            """
        )
        settings = Settings.from_env(self.environ)
        database = Database(settings.database)
        ring = Keyring(settings.auth, database)
        accounts = await self.admin.fetch(
            "SELECT id FROM bench_accounts WHERE n <= 20 OR n = $1 ORDER BY n", ACCOUNTS
        )
        for row in accounts:
            self.tokens.append((await tokens.mint(ring, user_id=UserId(row["id"]))).text)
        await database.close()

    def cpu_s(self, name: str) -> float:
        """Seconds of CPU that a process and its children have used, those that have ended included."""
        root = self.roots[name]
        ended = root.cpu_times()
        used = ended.children_user + ended.children_system
        for process in [root, *root.children(recursive=True)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                used += times.user + times.system
        return used

    async def next_contacts(self, number: int) -> list[int]:
        query = "SELECT nextval('app.bench_contacts') FROM generate_series(1, $1)"
        found = await self.admin.fetch(query, number)
        return [row[0] for row in found]


async def _hammer(bench: Bench, seconds: float, send: Any) -> tuple[float, list[float]]:
    """Calls a second, and how long each took, with so many clients at once."""
    took: list[float] = []
    ends = time.perf_counter() + seconds

    async def client(session: aiohttp.ClientSession, number: int) -> None:
        while time.perf_counter() < ends:
            started = time.perf_counter()
            await send(session, number)
            took.append(time.perf_counter() - started)

    connector = aiohttp.TCPConnector(limit=CLIENTS)
    async with aiohttp.ClientSession(bench.url, connector=connector) as session:
        started = time.perf_counter()
        await asyncio.gather(*(client(session, n) for n in range(CLIENTS)))
        return len(took) / (time.perf_counter() - started), took


async def unlocks(bench: Bench, seconds: float, *, hot: bool) -> tuple[float, dict[str, float]]:
    """Unlocks a second over HTTP, of one account or of many, and ms of CPU of each by whose it was."""
    ids = iter(await bench.next_contacts(8_000))

    async def send(session: aiohttp.ClientSession, number: int) -> None:
        token = bench.tokens[0 if hot else 1 + number]
        async with session.post(
            f"/v1/contacts/{next(ids)}/unlock",
            json={"fields": ["email"]},
            headers={"Authorization": f"Bearer {token}"},
        ) as answer:
            if answer.status != 200:
                raise RuntimeError(await answer.text())
            await answer.read()

    before = {name: bench.cpu_s(name) for name in bench.roots} | {"the client": time.process_time()}
    rate, took = await _hammer(bench, seconds, send)
    after = {name: bench.cpu_s(name) for name in bench.roots} | {"the client": time.process_time()}
    return rate, {name: (after[name] - before[name]) / len(took) * 1_000 for name in after}


def pgbench(bench: Bench, seconds: float, *, hot: bool) -> tuple[float, float]:
    """The same statements a second, sent by pgbench, and ms of CPU that PostgreSQL spent on each."""
    program = next(Path("/").glob("var/cache/leadfuel/postgresql-*/bin/pgbench"), None) or next(
        Path.home().glob(".cache/leadfuel/postgresql-*/bin/pgbench"), Path("pgbench")
    )
    account = "0" if hot else f"random(1, {CLIENTS})"
    with tempfile.NamedTemporaryFile("w", suffix=".sql", delete=False) as script:
        script.write(UNLOCK.format(account=account))
    Path(script.name).chmod(0o644)
    url = urlsplit(bench.environ["DATABASE_URL"])
    before = bench.cpu_s("PostgreSQL")
    said = subprocess.run(
        [
            str(program), "--no-vacuum", "--client", str(CLIENTS), "--jobs", "2", "--time", str(int(seconds)),
            "--protocol", "simple", "--file", script.name,
            "--host", str(url.hostname), "--port", str(url.port), "--username", str(url.username),
            url.path[1:],
        ],
        env=os.environ | {"PGPASSWORD": str(url.password)},
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    if said.returncode:
        raise RuntimeError(said.stderr[-2_000:])
    told = re.search(r"actually processed: (\d+).*^tps = ([\d.]+)", said.stdout, re.DOTALL | re.MULTILINE)
    if told is None:
        raise RuntimeError(said.stdout[-2_000:])
    return float(told[2]), (bench.cpu_s("PostgreSQL") - before) / int(told[1]) * 1_000


async def bulk(bench: Bench) -> tuple[float, float]:
    """Seconds for one contact, and for a thousand in one call; medians of eleven."""
    async with aiohttp.ClientSession(bench.url) as session:
        found = []
        for number in (1, 1_000):
            took = []
            for _ in range(11):
                body = {"contact_ids": await bench.next_contacts(number), "fields": ["email"]}
                started = time.perf_counter()
                async with session.post(
                    "/v1/unlocks", json=body, headers={"Authorization": f"Bearer {bench.tokens[2]}"}
                ) as answer:
                    assert answer.status == 200, await answer.text()
                    await answer.read()
                took.append(time.perf_counter() - started)
            found.append(median(took))
    return found[0], found[1]


async def webhooks(bench: Bench, seconds: float) -> tuple[float, float]:
    """Deliveries a second and the 99th percentile in ms: verified, stored, and a job asked for."""
    numbers = itertools.count()

    async def send(session: aiohttp.ClientSession, _: int) -> None:
        event = {
            "id": f"evt_{next(numbers)}",
            "object": "event",
            "type": "invoice.paid",
            "created": int(time.time()),
            "livemode": False,
            "data": {"object": {"id": "in_1", "object": "invoice", "note": "x" * 3_000}},
        }
        raw, at = json.dumps(event).encode(), int(time.time())
        mac = hmac.new(SECRET.encode(), f"{at}.".encode() + raw, hashlib.sha256).hexdigest()
        async with session.post(
            "/functions/v1/stripe-webhook", data=raw, headers={"stripe-signature": f"t={at},v1={mac}"}
        ) as answer:
            assert answer.status == 200, await answer.text()
            await answer.read()

    rate, took = await _hammer(bench, seconds, send)
    return rate, quantiles(took, n=100)[98] * 1_000


# Entries as the product writes them, a million in seconds: what the triggers would check and follow holds by
# construction (the balance ends where it began, the grant is used up), so they need not do it for each row.
LONG_LEDGER: Final = """
    BEGIN;
    SET LOCAL session_replication_role = replica;
    SET LOCAL work_mem = '256MB';
    CREATE TEMPORARY TABLE account ON COMMIT DROP AS
    SELECT u.id, u.credit_balance AS balance
    FROM app.users AS u JOIN app.bench_accounts AS a USING (id) WHERE a.n = {account};
    CREATE TEMPORARY TABLE bought ON COMMIT DROP AS
    WITH made AS (
        INSERT INTO app.credit_grants (user_id, source, reference, amount, remaining, priority)
        SELECT id, 'purchase', 'long', {rows}, 0, 50 FROM account RETURNING id
    )
    SELECT id FROM made;
    INSERT INTO app.credit_ledger (user_id, kind, reference, delta, balance_after, grants)
    SELECT account.id, 'granted', 'long', {rows}, balance + {rows},
           jsonb_build_object(CAST(bought.id AS text), {rows})
    FROM account, bought;
    INSERT INTO app.credit_ledger
        (user_id, kind, reference, delta, balance_after, action, contact_id, grants, created_at)
    SELECT account.id, 'spent', 'unlock:' || n || ':email', -1, balance + {rows} - n, 'unlock_email',
           1 + n % 80000, jsonb_build_object(CAST(bought.id AS text), -1),
           app.now() + (n - {rows}) * interval '1 second'
    FROM account, bought, generate_series(1, {rows}) AS n ORDER BY n;
    COMMIT;
"""


async def ledger(bench: Bench, rows: int) -> tuple[float, float]:
    """Median ms of a page of a ledger of 10,000 entries, and of one of `rows`."""
    found = []
    for account, number in ((20, 10_000), (ACCOUNTS, rows)):
        started = time.perf_counter()
        await bench.admin.execute(LONG_LEDGER.format(account=account, rows=number))
        print(f"{number:,} entries were written in {time.perf_counter() - started:.0f} s", flush=True)
    await bench.admin.execute("VACUUM ANALYZE app.credit_ledger")
    async with aiohttp.ClientSession(bench.url) as session:
        for token in (-2, -1):
            took, cursor = [], ""
            for _ in range(60):
                started = time.perf_counter()
                async with session.get(
                    f"/v1/credits/ledger?limit=100{cursor}",
                    headers={"Authorization": f"Bearer {bench.tokens[token]}"},
                ) as answer:
                    assert answer.status == 200, await answer.text()
                    page = await answer.json()
                took.append(time.perf_counter() - started)
                cursor = f"&cursor={page['cursor']}"
            found.append(median(took) * 1_000)
    return found[0], found[1]


@contextlib.asynccontextmanager
async def opened() -> Any:
    """Services, a fresh database, and an API of two processes."""
    wanted = StackSettings(home=HOME, postgres_buffers_mb=256)
    surroundings = {name: value for name, value in os.environ.items() if not name.endswith("_URL")}
    state = stacks.up(HOME, environ=surroundings, settings=wanted, parts=["postgres", "redis"])
    environ = surroundings | stacks.environment(state) | {"LEADFUEL_HOME": str(HOME), "PYTHONPATH": str(ROOT)}
    environ |= {
        "STRIPE_API_KEY": "sk_test_bench",
        "STRIPE_WEBHOOK_SECRETS": SECRET,
        "STRIPE_API_URL": "http://127.0.0.1:9",
        "LEADFUEL_REQUESTS_PER_MINUTE": "100000000",
        "LEADFUEL_LOG_LEVEL": "WARNING",
        "LEADFUEL_API_PROCESSES": "2",
        "LEADFUEL_JWT_SECRET": "the-benchmark-signs-with-this-and-nobody-else",
    }
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = Settings.from_env(environ)
    await migrate.migrate(settings.database)
    admin = await asyncpg.connect(
        urlsplit(stacks.admin_url(state))._replace(path=urlsplit(settings.database.url).path).geturl()
    )
    bench = Bench(environ, admin)
    bench.url = f"http://127.0.0.1:{port}"
    api = await asyncio.to_thread(
        subprocess.Popen,
        [sys.executable, "-m", "cli.main", "serve", "--port", str(port)],
        env=environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    postmaster = psutil.Process(await admin.fetchval("SELECT pg_backend_pid()")).ppid()
    bench.roots = {"the API": psutil.Process(api.pid), "PostgreSQL": psutil.Process(postmaster)}
    try:
        async with aiohttp.ClientSession() as session:
            for _ in range(300):
                with contextlib.suppress(aiohttp.ClientError):
                    async with session.get(f"{bench.url}/health/live") as answer:
                        if answer.status == 200:
                            break
                await asyncio.sleep(0.2)
        yield bench
    finally:
        api.terminate()
        api.wait(30)
        await admin.close()
        stacks.down(HOME)
        stacks.delete(HOME)


async def measure_unlocks(bench: Bench, seconds: float) -> None:
    for hot, what in ((True, "one account"), (False, f"{CLIENTS} accounts")):
        # In turns, so that whatever else the machine does hits both.
        ours, theirs, used, spent = [], [], [], []
        for _ in range(3):
            rate, cpu_ms = await unlocks(bench, seconds, hot=hot)
            ours.append(rate)
            used.append(cpu_ms)
            rate, postgres_ms = await asyncio.to_thread(pgbench, bench, seconds, hot=hot)
            theirs.append(rate)
            spent.append(postgres_ms)
        mine, its = median(ours), median(theirs)
        bench.say(
            f"| unlocks a second, {what} | {mine:.0f} | {its:.0f} by pgbench | {mine / its:.2f} | >= 0.3 |"
        )
        shares = ", ".join(f"{name} {median(each[name] for each in used):.1f}" for name in used[0])
        bench.say(f"| ms of CPU an unlock, {what} | {shares} | PostgreSQL {median(spent):.1f} | | |")


async def measure_bulk(bench: Bench) -> None:
    one, thousand = await bulk(bench)
    bench.say(
        f"| bulk unlock of 1,000 | {thousand * 1_000:.0f} ms | {one * 1_000:.1f} ms for one |"
        f" {thousand / one:.0f} | <= 30 |"
    )


async def measure_webhooks(bench: Bench, seconds: float) -> None:
    rate, p99 = await webhooks(bench, seconds)
    bench.say(f"| webhook deliveries a second | {rate:.0f} | p99 {p99:.0f} ms | | |")


async def measure_ledger(bench: Bench, rows: int) -> None:
    short, long_ = await ledger(bench, rows)
    bench.say(
        f"| page of a ledger of {rows:,} | {long_:.1f} ms | {short:.1f} ms of 10,000 |"
        f" {long_ / short:.2f} | <= 1.3 |"
    )


async def main(parts: Sequence[str], seconds: float, rows: int) -> None:
    async with opened() as bench:
        bench.say("# Credits: what it costs\n")
        bench.say(
            f"{time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores, {platform.machine()}, "
            f"{psutil.virtual_memory().total >> 30} GiB; PostgreSQL 18 with fsync, two API processes and the "
            f"clients on the same machine, {CLIENTS} clients, {seconds:.0f} s each. Load from elsewhere: "
            f"{os.getloadavg()[0]:.1f}.\n"
        )
        await bench.fill(80_000)
        bench.say("| measured | here | beside it | ratio | goal |\n|---|---|---|---|---|")
        if "unlocks" in parts:
            await measure_unlocks(bench, seconds)
        if "bulk" in parts:
            await measure_bulk(bench)
        if "webhooks" in parts:
            await measure_webhooks(bench, seconds)
        if "ledger" in parts:
            await measure_ledger(bench, rows)
        if set(parts) == set(PARTS):
            RESULTS.write_text("\n".join(bench.lines) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--ledger", type=int, default=2_000_000, help="entries of the long ledger")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="write nothing down")
    arguments = parser.parse_args()
    asyncio.run(main(arguments.only, arguments.seconds, arguments.ledger))
