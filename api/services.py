"""What the handlers work with: one bundle per process, opened and closed with the app."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from opensearchpy import AsyncOpenSearch

from api.auth import Authenticator
from api.faces.auth.parts import SignInParts, open_parts
from api.faces.rest.reading import CatalogueReader
from api.limits import Limiter
from core.settings import Settings
from db.presence import Presence
from db.sessions import Database
from domain.billing.cloud import Cloud
from domain.billing.gateway import open_cloud
from domain.outside.verify import Outsiders, open_outsiders
from domain.signing.keyring import Keyring
from domain.validator.shared import open_validator
from domain.validator.validate import Validator
from indexer.feed import Feed, NoEngine
from search.engine import Searcher
from search.opensearch import connect


@dataclass(frozen=True, slots=True)
class Services:
    """The parts a handler may use."""

    settings: Settings
    database: Database
    # By which others see that this process lives.
    presence: Presence
    # The searcher's own client, here for the health check.
    opensearch: AsyncOpenSearch | None
    searcher: Searcher
    # The index feed, for its operators; None in an installation without OpenSearch.
    feed_or_none: Feed | None
    keyring: Keyring
    outsiders: Outsiders
    authenticator: Authenticator
    limiter: Limiter
    sign_in: SignInParts
    validator: Validator
    cloud: Cloud
    # What `/rest/v1` can be asked for.
    catalogue: CatalogueReader

    @property
    def feed(self) -> Feed:
        if self.feed_or_none is None:
            raise NoEngine
        return self.feed_or_none


@asynccontextmanager
async def open_services(settings: Settings) -> AsyncIterator[Services]:
    """Build the bundle; nothing connects before it is used, so that the API starts beside dead parts."""
    database = Database(settings.database)
    presence = Presence(settings.database.url)
    opensearch = connect(settings.opensearch) if settings.opensearch.url else None
    searcher = Searcher(settings, database, opensearch)
    feed = Feed.connect(settings, database) if settings.opensearch.url else None
    limiter = Limiter(settings)
    keyring = Keyring(settings.auth, database)
    try:
        async with (
            open_validator(settings) as validator,
            open_cloud(settings.billing) as cloud,
            open_outsiders(settings.auth) as outsiders,
            open_parts(settings) as sign_in,
        ):
            yield Services(
                settings=settings,
                database=database,
                presence=presence,
                opensearch=opensearch,
                searcher=searcher,
                feed_or_none=feed,
                keyring=keyring,
                outsiders=outsiders,
                authenticator=Authenticator(keyring, outsiders, database),
                limiter=limiter,
                sign_in=sign_in,
                validator=validator,
                cloud=cloud,
                catalogue=CatalogueReader(database),
            )
    finally:
        await limiter.close()
        await searcher.close()
        if feed is not None:
            await feed.close()
        await presence.close()
        await database.close()
