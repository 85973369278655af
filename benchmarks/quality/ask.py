"""Two ways to put a search to LeadFuel: over HTTP with a token, or to the searcher in this process."""

from collections.abc import Mapping
from typing import Any, Protocol

import httpx
import msgspec

from core.errors import LeadFuelError
from core.settings import Settings
from db.sessions import SERVICE, Database
from search.engine import Searcher
from search.request import SearchRequest


class Refused(LeadFuelError):
    """The search was not answered, or not by the engine that was asked."""

    slug = "refused"
    title = "The search was refused"


class Asker(Protocol):
    async def ask(self, entity: str, body: Mapping[str, Any]) -> list[int]:
        """The ids of the hits, best first; raises `Refused`."""
        ...

    async def close(self) -> None: ...


class OverHttp:
    def __init__(self, url: str, token: str) -> None:
        self._client = httpx.AsyncClient(
            base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=httpx.Timeout(60)
        )

    async def ask(self, entity: str, body: Mapping[str, Any]) -> list[int]:
        response = await self._client.post(f"/v1/{entity}/search", json=dict(body))
        if response.status_code != httpx.codes.OK:
            raise Refused(f"{response.status_code}: {response.text[:300]}")
        answer = response.json()
        _check_engine(body, answer["engine"])
        return [hit["id"] for hit in answer["results"]]

    async def close(self) -> None:
        await self._client.aclose()


class InProcess:
    def __init__(self, settings: Settings) -> None:
        self._database = Database(settings.database)
        self._searcher = Searcher(settings, self._database)

    async def ask(self, entity: str, body: Mapping[str, Any]) -> list[int]:
        try:
            request = msgspec.convert(dict(body), SearchRequest)
            answer = await self._searcher.search(entity, request, SERVICE)  # type: ignore[arg-type]
        except (msgspec.ValidationError, LeadFuelError) as error:
            facts = getattr(error, "facts", {})
            raise Refused(f"{error} {facts or ''}") from error
        _check_engine(body, answer.engine)
        return [hit.id for hit in answer.results]

    async def close(self) -> None:
        await self._searcher.close()
        await self._database.close()


def _check_engine(body: Mapping[str, Any], engine: str) -> None:
    if body.get("engine") not in {None, engine}:
        raise Refused(f"answered by {engine}, not by {body['engine']}")
