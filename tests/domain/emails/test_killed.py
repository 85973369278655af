"""kill -9 at the two worst moments: between hold and settling, and between the verdict and its log row."""

import asyncio
import os
import signal
import sys
from dataclasses import replace

import pytest
from redis.asyncio import Redis
from sqlalchemy import text

from core.settings import RedisSettings
from db.sessions import SERVICE
from domain.emails.working import Desk
from domain.validator.shared import open_validator
from tests.lab.servers import OK, UNKNOWN, MailServer

# What a process of the API does, and no more.
_CALLER = """
import asyncio, sys, uuid
from core.settings import Settings
from db.sessions import Database
from domain.emails import checks
from domain.validator.shared import open_validator

async def main():
    settings = Settings.from_env()
    async with open_validator(settings) as validator:
        await checks.check(Database(settings.database), settings, validator,
                           user_id=uuid.UUID(sys.argv[1]), email=sys.argv[2])
asyncio.run(main())
"""


@pytest.fixture
async def shared(office, settings, redis_url):
    """The office with the memory that all processes share."""
    redis = Redis.from_url(redis_url)
    await redis.flushdb()
    await redis.aclose()
    mine = replace(office.settings, redis=RedisSettings(url=redis_url))
    async with open_validator(mine) as validator:
        yield replace(office, settings=mine, validator=validator, desk=Desk(mine, office.db, validator))


async def call(shared, email):
    mail = shared.settings.validator
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        _CALLER,
        str(shared.user_id),
        email,
        env={
            **os.environ,
            "DATABASE_URL": shared.settings.database.url,
            "REDIS_URL": shared.settings.redis.url,
            "LEADFUEL_PRIVACY_KEY": shared.settings.privacy.hash_key,
            "LEADFUEL_MAIL_RESOLVER": mail.resolver,
            "LEADFUEL_SMTP_PORT": str(mail.smtp_port),
            "LEADFUEL_SMTP_ALLOWED_NETWORKS": mail.allowed_networks,
            "LEADFUEL_SMTP_HELO": mail.helo,
            "LEADFUEL_SMTP_PER_MINUTE": "1000",
        },
    )


async def until(check):
    async with asyncio.timeout(30):
        while not await check():  # noqa: ASYNC110 - another process does it
            await asyncio.sleep(0.02)


async def killed(process):
    process.send_signal(signal.SIGKILL)
    assert await process.wait() == -signal.SIGKILL


async def test_between_hold_and_settling(shared, lab):
    server = MailServer({"anna": None})
    await lab.domain("corp-lab.com", server)
    before = await shared.balance()
    process = await call(shared, "anna@corp-lab.com")

    async def is_talking():
        return any(line.startswith("RCPT") for line in server.lines)

    await until(is_talking)
    await killed(process)
    assert [hold.state for hold in await shared.holds()] == ["reserved"]
    server.rcpt = {"anna": OK}
    await shared.work()
    assert [request.state for request in await shared.requests()] == ["waiting"]  # still on lease
    await shared.rows("UPDATE email_requests SET leased_until = clock_timestamp() RETURNING 1")
    await shared.work()
    await assert_settled_once(shared, before)


async def test_between_verdict_and_log(shared, lab):
    server = MailServer({"anna": OK}, other=UNKNOWN, delay_s=0.15)
    await lab.domain("corp-lab.com", server)
    before = await shared.balance()
    # Whoever settles locks the account: here it waits for us, with the verdict in its hands.
    async with shared.db.transaction(SERVICE) as session:

        async def has_begun():
            return len(await shared.requests()) == 1

        async def waits():
            return await shared.one(
                "SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid)"
                " WHERE NOT l.granted AND a.datname = current_database()"
            )

        process = await call(shared, "anna@corp-lab.com")
        await until(has_begun)
        await session.execute(text("SELECT 1 FROM users WHERE id = :me FOR UPDATE"), {"me": shared.user_id})
        await until(waits)
        assert any(line.startswith("QUIT") for line in server.lines)
        await killed(process)
    assert await shared.logs() == []
    asked = server.connections
    await shared.rows("UPDATE email_requests SET leased_until = clock_timestamp() RETURNING 1")
    await shared.work()
    await assert_settled_once(shared, before)
    assert server.connections == asked  # the verdict was remembered


async def test_killed_by_the_end_of_its_work_it_is_not_done_again(shared, lab):
    server = MailServer({"anna": OK})
    await lab.domain("corp-lab.com", server)
    before = await shared.balance()
    process = await call(shared, "anna@corp-lab.com")
    assert await process.wait() == 0
    await shared.after(hours=1)
    await assert_settled_once(shared, before)


async def assert_settled_once(shared, before):
    [request] = await shared.requests()
    [log] = await shared.logs()
    assert (request.state, request.credits, request.log_id) == ("done", 1, log.id)
    assert log.smtp_result["is_reachable"] == "safe"
    assert [hold.state for hold in await shared.holds()] == ["captured"]
    assert await shared.balance() == before - 1
    assert await shared.books_agree()
