"""What the handlers work with: one bundle per process, opened and closed with the app."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from opensearchpy import AsyncOpenSearch

from api.auth import Authenticator
from api.limits import Limiter
from core.settings import OpenSearchSettings, Settings
from db.sessions import Database
from search.engine import Searcher


@dataclass(frozen=True, slots=True)
class Services:
    """The parts a handler may use."""

    settings: Settings
    database: Database
    opensearch: AsyncOpenSearch | None
    searcher: Searcher
    authenticator: Authenticator
    limiter: Limiter


@asynccontextmanager
async def open_services(settings: Settings) -> AsyncIterator[Services]:
    """Build the bundle; nothing connects before it is used, so that the API starts beside dead parts."""
    database = Database(settings.database)
    opensearch = _opensearch_client(settings.opensearch)
    limiter = Limiter(settings)
    try:
        yield Services(
            settings=settings,
            database=database,
            opensearch=opensearch,
            searcher=Searcher(settings, database, opensearch),
            authenticator=Authenticator(settings.auth, database),
            limiter=limiter,
        )
    finally:
        await limiter.close()
        if opensearch is not None:
            await opensearch.close()
        await database.close()


def _opensearch_client(settings: OpenSearchSettings) -> AsyncOpenSearch | None:
    # Retries belong to the search engine's time budget, not to the client.
    return AsyncOpenSearch(settings.url, max_retries=0, http_compress=False) if settings.url else None
