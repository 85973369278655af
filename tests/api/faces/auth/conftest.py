"""`/auth/v1` in this process, with mail that is really sent and counters that begin anew."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from redis.asyncio import Redis

from api.app import create_app
from tests.api.faces.auth.face import CHEAP, SITE, Face


@pytest.fixture
def open_face(mailing, clean_database, mailbox, run_outbox, run_app, redis_url):
    """`async with open_face(signup="closed") as face`: the face with other settings."""

    @asynccontextmanager
    async def opened(**chosen: Any) -> AsyncIterator[Face]:
        api = {key: chosen.pop(key) for key in ("trusted_proxies", "cors_origins") if key in chosen}
        settings = replace(
            mailing,
            sign_in=replace(mailing.sign_in, **(CHEAP | {"site_url": SITE} | chosen)),
            api=replace(mailing.api, public_url="http://api.test", **api),
        )
        redis = Redis.from_url(redis_url)
        await redis.flushdb()
        await redis.aclose()
        app = create_app(settings)
        async with run_app(app) as http:
            yield Face(http, mailbox, run_outbox, settings, app.state.services)

    return opened


@pytest.fixture
async def face(open_face) -> AsyncIterator[Face]:
    async with open_face() as opened:
        yield opened
