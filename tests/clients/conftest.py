"""A server as in production, for clients that nobody has changed; its mail is sent by the test."""

import re
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import httpx
import pytest

from core.settings import MailSettings, OpenSearchSettings, Settings
from db.sessions import Database
from domain.signing.keyring import Keyring
from tests.fixtures.server import serving

SITE = "https://front.example"


@dataclass(frozen=True)
class Live:
    """Where the server is, and the keys that clients are set up with."""

    url: str
    anon_key: str
    service_key: str
    settings: Settings


@pytest.fixture(scope="module")
async def live(settings, tmp_path_factory) -> AsyncIterator[Live]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    chosen = replace(
        settings,
        opensearch=OpenSearchSettings(url=""),
        api=replace(settings.api, public_url=f"http://127.0.0.1:{port}", requests_per_minute=100_000),
        sign_in=replace(
            settings.sign_in,
            site_url=SITE,
            hash_memory_kib=64,
            hash_rounds=1,
            mail_every_s=0,
            mails_per_hour=100_000,
            attempts=100_000,
        ),
    )
    database = Database(chosen.database)
    ring = Keyring(chosen.auth, database)
    anon, service = await ring.client_key("anon"), await ring.client_key("service_role")
    await database.close()
    log = tmp_path_factory.mktemp("live") / "server.log"
    async with serving(chosen, port, log, "--processes", "1") as server:
        yield Live(server.url, anon, service, chosen)


@dataclass(frozen=True)
class Post:
    """What the server's mail says once it is sent."""

    mailbox: Any
    run_outbox: Any
    settings: Settings

    async def letter(self) -> str:
        """The text of the letter that waits to be sent."""
        await self.run_outbox(self.settings)
        return self.mailbox.text()

    async def code(self) -> str:
        found = re.search(r"\b(\d{6})\b", await self.letter())
        assert found is not None
        return found[1]

    async def link(self) -> str:
        found = re.search(r"http\S+/auth/v1/verify\S+", await self.letter())
        assert found is not None
        return found[0]

    async def followed(self) -> str:
        """Where a browser that follows the link arrives."""
        async with httpx.AsyncClient() as browser:
            answer = await browser.get(await self.link())
        assert answer.status_code == 303
        return answer.headers["location"]


@pytest.fixture
def post(live, mailbox, run_outbox, clean_database) -> Post:
    mail = MailSettings(smtp_url=mailbox.url, sender="LeadFuel <us@leadfuel.test>")
    return Post(mailbox, run_outbox, replace(live.settings, mail=mail))
