"""Who asks this face in its tests, and the world they ask about."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
import pytest

from core.ids import UserId
from domain import tokens
from tests.api.faces.rest.world import ANN, BOB, TABLES, write_world


@dataclass(frozen=True)
class Asker:
    """Somebody who asks: `await ask.ann("GET", "/contacts?select=id")`."""

    api: httpx.AsyncClient
    token: str | None

    async def __call__(self, method: str, path: str, **options: Any) -> httpx.Response:
        headers = dict(options.pop("headers", {}))
        if self.token is not None:
            headers.setdefault("Authorization", f"Bearer {self.token}")
        return await self.api.request(method, f"/rest/v1{path}", headers=headers, **options)


@dataclass(frozen=True)
class Askers:
    ann: Asker
    bob: Asker
    anon: Asker
    service: Asker
    nobody: Asker


@pytest.fixture(scope="module")
async def rest_world(owner) -> AsyncIterator[None]:
    """The world, for a module whose tests leave it as it is."""
    await owner.execute("ALTER TABLE app.credit_ledger DISABLE TRIGGER keep_on_truncate")
    await write_world(owner)
    yield
    await owner.execute(f"TRUNCATE {TABLES} CASCADE")
    await owner.execute("TRUNCATE app.search_dirty")
    await owner.execute("ALTER TABLE app.credit_ledger ENABLE TRIGGER keep_on_truncate")


@pytest.fixture(scope="module")
async def ask(api, ring, rest_world) -> Askers:
    """Two members, the two client keys, and somebody without any."""

    async def signed_in(user: UUID) -> Asker:
        return Asker(api, (await tokens.mint(ring, user_id=UserId(user))).text)

    return Askers(
        ann=await signed_in(ANN),
        bob=await signed_in(BOB),
        anon=Asker(api, await ring.client_key("anon")),
        service=Asker(api, await ring.client_key("service_role")),
        nobody=Asker(api, None),
    )
