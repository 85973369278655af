"""`leadfuel work` as a process, for requests: what a caller did not wait for, and a closed port."""

import asyncio
import os
import subprocess
import sys
import time
from dataclasses import replace
from uuid import uuid4

import pytest
from redis.asyncio import Redis
from sqlalchemy import text

from db.sessions import SERVICE
from domain import accounts
from domain.credits import movements
from domain.emails import checks
from domain.validator.shared import open_validator
from domain.validator.validate import Validator
from tests.lab.laboratory import laboratory
from tests.lab.servers import OK, MailServer


@pytest.fixture
async def lab():
    async with laboratory() as made:
        yield made


@pytest.fixture
async def ann(db, clean_database, redis_url):
    redis = Redis.from_url(redis_url)
    await redis.flushdb()
    await redis.aclose()
    async with db.transaction(SERVICE) as session:
        user = await accounts.find_or_create_user(session, email=f"ann-{uuid4().hex[:8]}@example.com")
        await movements.grant(session, user_id=user.id, amount=50, reference="test", reason="a test")
    return user.id


@pytest.fixture
async def worker(settings, lab, tmp_path):
    started = []

    def start():
        log = tmp_path / "worker.log"
        with log.open("w") as stderr:
            started.append(
                subprocess.Popen(
                    [sys.executable, "-m", "cli.main", "work"],
                    env={
                        **os.environ,
                        "DATABASE_URL": settings.database.url,
                        "OPENSEARCH_URL": "",
                        "REDIS_URL": settings.redis.url,
                        "LEADFUEL_HOME": str(tmp_path),
                        "LEADFUEL_PRIVACY_KEY": settings.privacy.hash_key,
                        "LEADFUEL_MAIL_RESOLVER": lab.settings.resolver,
                        "LEADFUEL_SMTP_PORT": str(lab.settings.smtp_port),
                        "LEADFUEL_SMTP_ALLOWED_NETWORKS": lab.settings.allowed_networks,
                        "LEADFUEL_SMTP_HELO": lab.settings.helo,
                        "LEADFUEL_SMTP_CONNECT_TIMEOUT": "1",
                    },
                    stderr=stderr,
                )
            )
        return log

    yield start
    for process in started:
        process.terminate()
        await asyncio.to_thread(process.wait)


async def until(check):
    begun = time.monotonic()
    while not await check():
        assert time.monotonic() - begun < 30, "it did not happen in time"
        await asyncio.sleep(0.05)


async def test_the_worker_goes_on_where_the_caller_left(lab, worker, db, settings, ann):
    await lab.domain("gmail.com", MailServer())
    await lab.domain("slow-lab.com", MailServer({"anna": OK}, delay_s=0.1))
    hurried = replace(settings, validator=replace(lab.settings, caller_timeout_s=0.05))
    asked = await checks.check(
        db, hurried, Validator(hurried.validator), user_id=ann, email="anna@slow-lab.com"
    )
    assert asked.request.state == "waiting"
    log = worker()

    async def is_done():
        async with db.transaction(SERVICE) as session:
            return await session.scalar(
                text("SELECT state = 'done' AND credits = 1 FROM email_requests WHERE id = :id"),
                {"id": asked.request.id},
            )

    await until(is_done)
    assert "mail servers can be asked" in log.read_text()


async def test_a_closed_port_is_said_and_nobody_is_asked(lab, worker, db, settings, ann):
    lab.zone.add("gmail.com", A=["127.0.77.77"])
    server = MailServer({"anna": OK})
    await lab.domain("corp-lab.com", server)
    log = worker()

    async def is_said():
        return "no mail server can be asked" in log.read_text()

    await until(is_said)
    mine = replace(settings, validator=lab.settings)
    # Another process, that shares the memory.
    async with open_validator(mine) as validator:
        asked = await checks.check(db, mine, validator, user_id=ann, email="anna@corp-lab.com")
    assert (asked.verdict.is_reachable, asked.verdict.sub_status) == ("unknown", "connection_refused")
    assert (asked.request.state, asked.request.credits) == ("done", 0)
    assert server.connections == 0
