"""The API in this process, over the real services, and a small world to ask about."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

import httpx
import pytest
from litestar import Litestar
from sqlalchemy import text

from api.app import create_app
from core.ids import UserId
from core.settings import OpenSearchSettings, Settings
from db.sessions import SERVICE
from domain import accounts, tokens
from domain.alerts.evaluation import Evaluator
from indexer import queue
from search.engine import Searcher
from search.request import Entity


def pytest_addoption(parser):
    parser.addoption("--fuzz", action="store_true", help="run schemathesis for minutes, with a new seed")


@pytest.fixture(scope="session")
def api_settings(settings) -> Settings:
    """Searches are answered by PostgreSQL here: what the engines answer is tested in tests/search."""
    return replace(
        settings,
        opensearch=OpenSearchSettings(url=""),
        api=replace(settings.api, requests_per_minute=100_000),
    )


@pytest.fixture(scope="session")
async def app(api_settings) -> AsyncIterator[Litestar]:
    made = create_app(api_settings)
    async with running(made):
        yield made


@asynccontextmanager
async def running(app: Litestar) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the app while it lives; in a task, for a fixture ends in another than it began in."""
    started, stop = asyncio.Event(), asyncio.Event()

    async def live() -> None:
        async with app.lifespan():
            started.set()
            await stop.wait()

    life = asyncio.create_task(live())
    waiting = asyncio.create_task(started.wait())
    await asyncio.wait({life, waiting}, return_when=asyncio.FIRST_COMPLETED)
    if life.done():
        waiting.cancel()
        life.result()
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as client:
        yield client
    stop.set()
    await life


@pytest.fixture(scope="session")
def run_app():
    return running


@pytest.fixture(scope="session")
async def api(app) -> AsyncIterator[httpx.AsyncClient]:
    """A client without a token."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as client:
        yield client


@dataclass(frozen=True)
class Person:
    """A user with a token, who asks by `await ann("GET", "/v1/usage")`."""

    api: httpx.AsyncClient
    user: accounts.User
    token: str

    @property
    def id(self) -> UserId:
        return self.user.id

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    async def __call__(self, method: str, path: str, **options: Any) -> httpx.Response:
        headers = self.headers | options.pop("headers", {})
        return await self.api.request(method, path, headers=headers, **options)


@pytest.fixture
def make_person(api, db, ring, clean_database):
    async def make(name: str, *, admin: bool = False) -> Person:
        async with db.transaction(SERVICE) as session:
            user = await accounts.find_or_create_user(
                session, email=f"{name}-{uuid4().hex[:8]}@example.com", admin=admin
            )
        return Person(api, user, (await tokens.mint(ring, user_id=user.id)).text)

    return make


@pytest.fixture
async def ann(make_person) -> Person:
    return await make_person("ann")


@pytest.fixture
async def bob(make_person) -> Person:
    return await make_person("bob")


@pytest.fixture
async def admin(make_person) -> Person:
    return await make_person("root", admin=True)


_COMPANIES = """
    INSERT INTO app.organizations (name, name_key, name_sort, domain, country, industries)
    VALUES ('Acme GmbH', 'acme', 'acme gmbh', 'acme.example', 'DE', '{software}'),
           ('Globex Inc.', 'globex', 'globex inc', 'globex.example', 'US', '{retail}')
    RETURNING id
"""
_PEOPLE = """
    INSERT INTO app.contacts (organization_id, first_name, last_name, full_name, name_terms, name_sort,
        name_search, email, phone, title, title_normalized, title_terms, seniority, departments, country)
    VALUES
        (:acme, 'Anna', 'Müller', 'Anna Müller', '{anna,muller}', 'muller anna', 'anna muller',
         'anna@acme.example', '+493012345', 'VP Sales', 'vp sales', '{sales,vp}', 'vp', '{sales}', 'DE'),
        (:acme, 'Bernd', 'Bauer', 'Bernd Bauer', '{bauer,bernd}', 'bauer bernd', 'bernd bauer',
         NULL, NULL, 'CTO', 'cto', '{cto}', 'c_suite', '{engineering}', 'DE'),
        (:globex, 'Cleo', 'Clark', 'Cleo Clark', '{clark,cleo}', 'clark cleo', 'cleo clark',
         'cleo@globex.example', NULL, 'VP Sales', 'vp sales', '{sales,vp}', 'vp', '{sales}', 'US'),
        (:globex, 'Dana', 'Diaz', 'Dana Diaz', '{dana,diaz}', 'diaz dana', 'dana diaz',
         NULL, NULL, NULL, NULL, '{}', NULL, '{}', NULL),
        (NULL, 'Ed', 'Eng', 'Ed Eng', '{ed,eng}', 'eng ed', 'ed eng',
         NULL, NULL, NULL, NULL, '{}', NULL, '{}', NULL)
    RETURNING id
"""


@dataclass(frozen=True)
class World:
    """Two companies with five people; the last one works nowhere."""

    organizations: list[int]
    contacts: list[int]


@pytest.fixture
async def world(db, clean_database) -> World:
    async with db.transaction(SERVICE) as session:
        companies = await session.execute(text(_COMPANIES))
        organizations = list(companies.scalars())
        people = await session.execute(text(_PEOPLE), {"acme": organizations[0], "globex": organizations[1]})
        contacts = list(people.scalars())
    return World(organizations, contacts)


@pytest.fixture
async def api_searcher(api_settings, db) -> AsyncIterator[Searcher]:
    made = Searcher(api_settings, db)
    yield made
    await made.close()


@pytest.fixture
def evaluator(db, api_searcher) -> Evaluator:
    return Evaluator(db, api_searcher)


@pytest.fixture
def applied(db, evaluator):
    """`await applied(*ids)` is what the indexer says of them once it has; then alerts are compared."""
    token = iter(range(1, 1_000))

    async def apply(*ids: int, entity: Entity = "contacts", compare: bool = True) -> int:
        async with db.transaction(SERVICE) as session:
            await queue.note_applied(session, entity, ids, token=next(token))
        return await evaluator.evaluate() if compare else 0

    return apply


@pytest.fixture
def unique() -> str:
    return uuid4().hex


@pytest.fixture
def a_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
