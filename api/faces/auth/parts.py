"""What the endpoints of `/auth/v1` work with, beside what all handlers have."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx

from api.faces.auth.throttle import Throttle
from core.settings import Settings
from domain.auth.passwords import Hasher
from domain.auth.providers import TIMEOUT_S, Provider, read_providers


@dataclass(frozen=True, slots=True)
class SignInParts:
    """One bundle per process."""

    hasher: Hasher
    throttle: Throttle
    providers: Mapping[str, Provider]


@asynccontextmanager
async def open_parts(settings: Settings) -> AsyncIterator[SignInParts]:
    """Open the bundle; nothing connects before it is used."""
    hasher, throttle = Hasher(settings.sign_in), Throttle(settings)
    # A provider is where the settings say; whoever sends us elsewhere is not followed.
    async with httpx.AsyncClient(timeout=TIMEOUT_S, follow_redirects=False) as http:
        try:
            yield SignInParts(hasher, throttle, read_providers(settings.sign_in, http))
        finally:
            hasher.close()
            await throttle.close()
