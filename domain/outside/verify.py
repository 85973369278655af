"""Tokens of other issuers, verified: the issuers, their keys, and one client to fetch them with."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from core.settings import AuthSettings
from domain.outside import issuers
from domain.outside.issuers import Issuer, Outsider
from domain.outside.keys import TIMEOUT_S, IssuerKeys


class Outsiders:
    """The issuers whose tokens are taken beside ours; one instance per process."""

    def __init__(self, settings: AuthSettings, client: httpx.AsyncClient) -> None:
        self._issuers = issuers.read(settings)
        self._keys = {name: IssuerKeys(issuer, client) for name, issuer in self._issuers.items()}

    def issuer_of(self, text: str) -> Issuer | None:
        """The issuer that a token claims, if it is one of ours to believe."""
        return issuers.issuer_of(text, self._issuers)

    async def verified(self, text: str, issuer: Issuer) -> Outsider:
        """Who the token is about; raises `BadToken`, or `IssuerSilent` when its keys cannot be had."""
        kid = issuers.kid_of(text, issuer)
        return issuers.verified(text, issuer, await self._keys[issuer.issuer].find(kid))


@asynccontextmanager
async def open_outsiders(settings: AuthSettings) -> AsyncIterator[Outsiders]:
    """Nothing is fetched before a token asks for it; raises `BadSetting`."""
    async with httpx.AsyncClient(timeout=TIMEOUT_S) as client:
        yield Outsiders(settings, client)
