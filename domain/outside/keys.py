"""The public keys of other issuers: fetched when first needed, kept, and fetched anew for a name not known.

However many tokens come with invented names of keys, an issuer is asked once in half a minute at the most;
and while it does not answer, the keys it gave before go on for a day.
"""

import asyncio
import time
from typing import Final

import httpx
import jwt
import msgspec

from core.errors import LeadFuelError
from core.logs import get_logger
from domain.outside.issuers import Issuer
from domain.tokens import BadToken

log = get_logger(__name__)

FLOOR_S: Final = 30.0
FRESH_S: Final = 3_600.0
KEPT_S: Final = 86_400.0
TIMEOUT_S: Final = 5.0
MAX_BYTES: Final = 262_144
_MIN_RSA_BITS: Final = 2_048
_KINDS: Final = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}


class IssuerSilent(LeadFuelError):
    """The issuer of the bearer token does not hand out its keys at the moment. Ask again in a while."""

    status = 503
    slug = "issuer-silent"
    title = "The token's issuer does not answer"


class IssuerKeys:
    """The keys of one issuer; one instance per process."""

    def __init__(self, issuer: Issuer, client: httpx.AsyncClient) -> None:
        self._issuer = issuer
        self._client = client
        self._keys: dict[str, jwt.PyJWK] = {}
        self._asked_at = float("-inf")
        self._given_at = float("-inf")
        self._asking = asyncio.Lock()

    async def find(self, kid: str) -> jwt.PyJWK:
        """The key of this name; raises `BadToken` when there is none, `IssuerSilent` when nobody says."""
        now = time.monotonic()
        if kid not in self._keys or now - self._given_at > FRESH_S:
            await self._ask()
        if time.monotonic() - self._given_at > KEPT_S:
            raise IssuerSilent("The issuer of this token does not hand out its keys.", retry_after_s=30)
        if kid not in self._keys:
            raise BadToken("The bearer token is signed with a key that its issuer does not have.")
        return self._keys[kid]

    async def _ask(self) -> None:
        async with self._asking:
            if time.monotonic() - self._asked_at < FLOOR_S:
                return
            self._asked_at = time.monotonic()
            try:
                self._keys = _usable(await self._fetched(), self._issuer)
            except (httpx.HTTPError, msgspec.MsgspecError, TooMuch) as error:
                log.warning(
                    "an issuer does not hand out its keys",
                    **{"issuer.name": self._issuer.issuer, "error.kind": type(error).__name__},
                )
            else:
                self._given_at = time.monotonic()

    async def _fetched(self) -> bytes:
        async with (
            asyncio.timeout(TIMEOUT_S),
            self._client.stream("GET", self._issuer.keys_url, follow_redirects=False) as answer,
        ):
            answer.raise_for_status()
            if answer.is_redirect:
                raise httpx.HTTPStatusError("redirected", request=answer.request, response=answer)
            content = b""
            async for piece in answer.aiter_bytes():
                content += piece
                if len(content) > MAX_BYTES:
                    raise TooMuch
        return content


class TooMuch(Exception):
    """More than any set of keys has."""


class _Set(msgspec.Struct):
    keys: list[dict[str, object]]


def _usable(content: bytes, issuer: Issuer) -> dict[str, jwt.PyJWK]:
    """The keys that fit the issuer's one algorithm; others it may have for other purposes."""
    found = {}
    for jwk in msgspec.json.decode(content, type=_Set).keys:
        kid = jwk.get("kid")
        if (
            not isinstance(kid, str)
            or jwk.get("kty") != _KINDS[issuer.algorithm[:2]]
            or jwk.get("use", "sig") != "sig"
            or jwk.get("alg", issuer.algorithm) != issuer.algorithm
        ):
            continue
        try:
            key = jwt.PyJWK(jwk, algorithm=issuer.algorithm)
        except (jwt.PyJWTError, ValueError, TypeError, KeyError):
            continue
        if jwk["kty"] != "RSA" or key.key.key_size >= _MIN_RSA_BITS:
            found[kid] = key
    return found
