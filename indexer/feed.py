"""What every part of the indexer works with: the two ends of the feed and what a document is.

A `Feed` is built once and handed down. The source of documents is a value in it, so that a test (or a
benchmark) can feed something simpler than the real documents through the same machinery.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol, Self, get_args

from opensearchpy import AsyncOpenSearch
from sqlalchemy.ext.asyncio import AsyncSession

from core.errors import LeadFuelError
from core.settings import OpenSearchSettings, Settings
from db.sessions import SERVICE, Database
from search import documents
from search.request import Entity

__all__ = [
    "CATALOGUE",
    "ENTITIES",
    "ENTITY_OF",
    "LETTERS",
    "DocumentSource",
    "Entity",
    "Feed",
    "NoEngine",
    "ReadDocuments",
    "engine_client",
]

ENTITIES: tuple[Entity, ...] = get_args(Entity)

# How the queue names an entity: one byte in a table that sees every change.
LETTERS: Mapping[Entity, bytes] = {"contacts": b"c", "organizations": b"o"}
ENTITY_OF: Mapping[str, Entity] = {letter.decode(): entity for entity, letter in LETTERS.items()}


class NoEngine(LeadFuelError):
    """This installation does without OpenSearch: there is no index, and PostgreSQL answers every search."""

    status = 409
    slug = "no-engine"
    title = "There is no OpenSearch"

    def __init__(self) -> None:
        super().__init__(
            "There is no OpenSearch: set OPENSEARCH_URL or run `leadfuel stack up`. "
            "PostgreSQL answers searches."
        )


class ReadDocuments(Protocol):
    """Reads documents as JSON by id; who reads many pages keeps `employers` (see `documents.read_json`)."""

    async def __call__(
        self,
        session: AsyncSession,
        entity: Entity,
        ids: Sequence[int],
        *,
        employers: dict[int, documents.Employer] | None = None,
    ) -> dict[int, bytes]: ...


@dataclass(frozen=True, slots=True)
class DocumentSource:
    """Where documents come from, and the index they go into."""

    read: ReadDocuments
    index_body: Callable[[Entity], dict[str, Any]]
    schema_hash: Callable[[Entity], str]


CATALOGUE = DocumentSource(
    read=documents.read_json, index_body=documents.index_body, schema_hash=documents.schema_hash
)


@dataclass(frozen=True, slots=True)
class Feed:
    """The database, the engine, and how their indices are called and built."""

    db: Database
    client: AsyncOpenSearch
    database_url: str
    settings: OpenSearchSettings
    source: DocumentSource = field(default=CATALOGUE)

    @classmethod
    def connect(cls, settings: Settings, db: Database) -> Self:
        """A feed with a client of its own; `close()` it. Raises `NoEngine`."""
        if not settings.opensearch.url:
            raise NoEngine
        return cls(
            db=db,
            client=engine_client(settings.opensearch.url),
            database_url=settings.database.url,
            settings=settings.opensearch,
        )

    async def close(self) -> None:
        await self.client.close()

    @property
    def prefix(self) -> str:
        return self.settings.index_prefix

    def service(
        self, *, read_only: bool = False, snapshot: bool = False
    ) -> AbstractAsyncContextManager[AsyncSession]:
        """One transaction as the product itself: the feed sees every record and no user's rights."""
        return self.db.transaction(SERVICE, read_only=read_only, snapshot=snapshot)

    def alias(self, entity: Entity) -> str:
        """The name under which the live index is known, whatever its version."""
        return f"{self.prefix}{entity}"

    def search_alias(self, entity: Entity) -> str:
        """The name under which searches know the live index when it is of our version."""
        return documents.search_alias(self.alias(entity), self.source.schema_hash(entity))


def engine_client(url: str) -> AsyncOpenSearch:
    """A client without retries of its own: the indexer decides what is sent again, and when.

    It would log every failed request with its traceback; the feed says once what is wrong.
    """
    logging.getLogger("opensearch").setLevel(logging.ERROR)
    return AsyncOpenSearch(hosts=[url], max_retries=0, retry_on_timeout=False, timeout=30, maxsize=8)
