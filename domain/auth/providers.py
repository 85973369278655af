"""Providers that vouch for people: any OpenID Connect issuer, and GitHub, which has a way of its own.

What a provider says counts when its ID token is signed by its key, for us, with our nonce, and now (OpenID
Connect Core, 3.1.3.7); an address counts when the provider says that it has verified it. What it sends is
bounded and may be anything: whatever is not as agreed is `ProviderRefused`, and never an error of ours.
"""

import asyncio
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlencode

import httpx
import jwt
import msgspec

from core.settings import BadSetting, SignInSettings
from core.text import is_storable
from domain.auth.errors import ProviderRefused, ValidationFailed

TIMEOUT_S: Final = 10.0
DISCOVERY_S: Final = 3_600.0
# A key that is not known is asked for again, but not by every forged token.
KEYS_AGAIN_S: Final = 30.0
LEEWAY_S: Final = 60
MAX_ANSWER_BYTES: Final = 262_144
_ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA")
# OpenID Connect Core, 2: at most 255 ASCII characters.
_SUBJECT: Final = re.compile(r"[\x21-\x7e]{1,255}")
_GITHUB: Final = "https://github.com"
_GITHUB_API: Final = "https://api.github.com"
_MICROSOFT: Final = "https://login.microsoftonline.com"
# Tenants of everybody: an address there is whatever its owner typed. The last is `consumers` by its id.
_OPEN_TENANTS: Final = frozenset(
    {"common", "organizations", "consumers", "9188040d-6c67-4c5b-b112-36a304b66dad"}
)
_ADDRESS: Final = re.compile(r"https?://[^/?#\s]+(/[^?#\s]*[^/?#\s])?")
# RFC 6750, 2.1: what may stand behind `Bearer`.
_TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/-]{1,8192}=*")
# In the issuer of what belongs to many tenants; the tenant's id takes its place.
_TEMPLATE: Final = "{tenantid}"


class Configuration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A provider as the settings have it."""

    client_id: str
    client_secret: str = ""
    issuer: str = ""
    tenant: str = "common"
    # Where GitHub or Microsoft is, when not at the public address: an Enterprise Server, a national cloud.
    url: str = ""
    scopes: str = ""
    # For an issuer of one's own, whose addresses are all its people's.
    trust_email: bool = False


@dataclass(frozen=True, slots=True)
class Profile:
    """Whom a provider vouches for."""

    provider: str
    subject: str
    email: str | None
    email_verified: bool
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Key:
    """A key, and the one issuer that it signs for where the provider says so, as Microsoft does."""

    key: jwt.PyJWK
    issuer: str | None


@dataclass(slots=True)
class _Discovered:
    """What an issuer says of itself, and its keys."""

    document: Mapping[str, Any] = field(default_factory=dict)
    keys: Mapping[str, _Key] = field(default_factory=dict)
    read_at: float = float("-inf")
    keys_read_at: float = float("-inf")


class Provider:
    """One provider; an instance per process, which remembers what it has learnt about the issuer."""

    def __init__(self, name: str, settings: Configuration, http: httpx.AsyncClient) -> None:
        self.name = name
        self._settings = settings
        self._http = http
        self._issuer = settings.issuer or _issuer(name, settings)
        self._known = _Discovered()
        self._reading = asyncio.Lock()

    async def authorization_url(
        self, *, callback: str, state: str, nonce: str, challenge: str, scopes: str, hint: Mapping[str, str]
    ) -> str:
        """Where the browser goes to sign in at the provider."""
        query = {
            **hint,
            "response_type": "code",
            "client_id": self._settings.client_id,
            "redirect_uri": callback,
            "scope": " ".join(dict.fromkeys(f"{self._scopes} {scopes}".split())),
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        if self._is_github:
            return f"{self._settings.url or _GITHUB}/login/oauth/authorize?{urlencode(query)}"
        base = str((await self._document())["authorization_endpoint"])
        return f"{base}{'&' if '?' in base else '?'}{urlencode(query)}"

    async def profile(self, *, code: str, callback: str, verifier: str, nonce: str) -> Profile:
        """Whom the provider vouches for by a code; raises `ProviderRefused`."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": callback,
            "client_id": self._settings.client_id,
            "client_secret": self._settings.client_secret,
            "code_verifier": verifier,
        }
        if self._is_github:
            where = f"{self._settings.url or _GITHUB}/login/oauth/access_token"
            # GitHub says with 200 that a code is no good.
            given = (await self._post(where, form)).get("access_token")
            if not isinstance(given, str) or not _TOKEN.fullmatch(given):
                raise ProviderRefused("The provider sent no access token")
            return await self._github_profile(given)
        answer = await self._post(str((await self._document())["token_endpoint"]), form)
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise ProviderRefused("The provider sent no ID token")
        given = answer.get("access_token")
        access_token = given if isinstance(given, str) and _TOKEN.fullmatch(given) else ""
        return await self.read_id_token(token, nonce=nonce, access_token=access_token)

    async def read_id_token(self, token: str, *, nonce: str | None, access_token: str = "") -> Profile:
        """Whom an ID token vouches for; raises `ProviderRefused`.

        Where it does not name the address, the provider is asked for it by the access token that came along.
        """
        claims = await self._verified(token)
        if "email" not in claims and access_token:
            claims = {**await self._told_besides(access_token, subject=claims["sub"]), **claims}
        if nonce is not None and claims.get("nonce") != nonce:
            raise ProviderRefused("The ID token is for another sign-in")
        verified = self._vouches(claims)
        return Profile(
            provider=self.name,
            subject=_subject(claims["sub"]),
            email=_text(claims.get("email")),
            email_verified=verified,
            data=_told(claims, verified=verified),
        )

    def _vouches(self, claims: Mapping[str, Any]) -> bool:
        """Whether the address in an ID token is known to be the person's own.

        Microsoft lets whoever runs a tenant write any address beside a person, and sends no `email_verified`:
        it counts when the domain is the tenant's (`xms_edov`), or, unless that is denied, in the one tenant
        that this installation is set up for.
        """
        if not self._is_microsoft:
            return _is_true(claims.get("email_verified")) or self._settings.trust_email
        if "xms_edov" in claims:
            return _is_true(claims["xms_edov"])
        return not self._is_of_many_tenants

    @property
    def _is_microsoft(self) -> bool:
        return self.name == "azure" and not self._settings.issuer

    @property
    def _is_of_many_tenants(self) -> bool:
        return self._is_microsoft and self._settings.tenant.casefold() in _OPEN_TENANTS

    @property
    def _is_github(self) -> bool:
        return self.name == "github" and not self._settings.issuer

    @property
    def _scopes(self) -> str:
        return self._settings.scopes or ("user:email" if self._is_github else "openid email profile")

    async def _verified(self, token: str) -> Mapping[str, Any]:
        try:
            header = jwt.get_unverified_header(token)
            key = await self._key(str(header.get("kid", "")))
            if header.get("alg") not in _ALGORITHMS:
                raise ProviderRefused("The ID token is signed in a way that is not accepted")
            claims: dict[str, Any] = jwt.decode(
                token,
                key.key.key,
                algorithms=[str(header["alg"])],
                audience=self._settings.client_id,
                leeway=LEEWAY_S,
                options={"require": ["iss", "sub", "aud", "exp", "iat"], "verify_iat": False},
            )
        except (jwt.PyJWTError, ValueError, TypeError) as error:
            raise ProviderRefused(f"The ID token cannot be verified ({type(error).__name__})") from None
        expected = (await self._document())["issuer"], key.issuer
        tenant = str(claims.get("tid", ""))
        if any(one is not None and claims["iss"] != one.replace(_TEMPLATE, tenant) for one in expected):
            raise ProviderRefused("The ID token comes from another issuer")
        if (
            isinstance(claims["aud"], list)
            and len(claims["aud"]) > 1
            and claims.get("azp") != self._settings.client_id
        ):
            raise ProviderRefused("The ID token is meant for another audience")
        return claims

    async def _told_besides(self, access_token: str, *, subject: Any) -> Mapping[str, Any]:
        """What the provider's UserInfo endpoint says of the same person (OpenID Connect Core, 5.3.2)."""
        url = (await self._document()).get("userinfo_endpoint")
        if not isinstance(url, str):
            return {}
        told = await self._get(url, {"Authorization": f"Bearer {access_token}"})
        return told if told.get("sub") == subject else {}

    async def _document(self) -> Mapping[str, Any]:
        async with self._reading:
            if time.monotonic() - self._known.read_at > DISCOVERY_S:
                url = f"{self._issuer.rstrip('/')}/.well-known/openid-configuration"
                document = await self._get(url)
                stated = document.get("issuer")
                if not isinstance(stated, str):
                    raise ProviderRefused("The provider does not say who it is")
                is_template = self._is_of_many_tenants and _TEMPLATE in stated
                if stated != self._issuer and not is_template:
                    raise ProviderRefused("The provider names another issuer than the settings")
                if not all(isinstance(document.get(name), str) for name in _ENDPOINTS):
                    raise ProviderRefused("The provider does not say where its endpoints are")
                self._known.document, self._known.read_at = document, time.monotonic()
            return self._known.document

    async def _key(self, kid: str) -> _Key:
        url = str((await self._document())["jwks_uri"])
        async with self._reading:
            is_known = kid in self._known.keys
            if not is_known and time.monotonic() - self._known.keys_read_at > KEYS_AGAIN_S:
                self._known.keys_read_at = time.monotonic()
                found = await self._get(url)
                self._known.keys = _keys(found)
            key = self._known.keys.get(kid)
        if key is None:
            raise ProviderRefused("The ID token is signed with a key that the provider does not name")
        return key

    async def _github_profile(self, token: str) -> Profile:
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/vnd.github+json"}
        # An Enterprise Server has its API below its own address.
        api = f"{self._settings.url}/api/v3" if self._settings.url else _GITHUB_API
        person = await self._get(f"{api}/user", headers)
        addresses = await self._get_list(f"{api}/user/emails", headers)
        # What the profile shows is what its owner chose to show; the primary address is who they are.
        primary = next((one for one in addresses if one.get("primary") is True), {})
        email, verified = _text(primary.get("email")), primary.get("verified") is True
        number = person.get("id")
        if not isinstance(number, int) or isinstance(number, bool):
            raise ProviderRefused("The provider does not say who that is")
        said = {
            "sub": str(number),
            "iss": api,
            "email": email,
            "name": person.get("name"),
            "picture": person.get("avatar_url"),
            "preferred_username": person.get("login"),
            "user_name": person.get("login"),
        }
        return Profile(self.name, str(number), email, verified, _told(said, verified=verified))

    async def _post(self, url: str, form: Mapping[str, str]) -> Mapping[str, Any]:
        return _object(await self._ask("POST", url, {"Accept": "application/json"}, form))

    async def _get(self, url: str, headers: Mapping[str, str] | None = None) -> Mapping[str, Any]:
        return _object(await self._ask("GET", url, headers or {}, None))

    async def _get_list(self, url: str, headers: Mapping[str, str]) -> list[dict[str, Any]]:
        found = await self._ask("GET", url, headers, None)
        return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []

    async def _ask(
        self, method: str, url: str, headers: Mapping[str, str], form: Mapping[str, str] | None
    ) -> Any:
        """What the provider answers; it is not believed to be small, JSON, or there at all."""
        try:
            async with self._http.stream(method, url, headers=dict(headers), data=form) as response:
                body = bytearray()
                async for part in response.aiter_bytes():
                    body += part
                    if len(body) > MAX_ANSWER_BYTES:
                        raise ProviderRefused("The provider's answer is too long")
        except httpx.HTTPError as error:
            raise ProviderRefused(f"The provider does not answer ({type(error).__name__})") from None
        if response.status_code != httpx.codes.OK:
            raise ProviderRefused(f"The provider answered with {response.status_code}")
        try:
            return msgspec.json.decode(bytes(body))
        except (msgspec.DecodeError, RecursionError):
            raise ProviderRefused("The provider's answer cannot be read") from None


_ENDPOINTS: Final = ("authorization_endpoint", "token_endpoint", "jwks_uri")


def read_providers(settings: SignInSettings, http: httpx.AsyncClient) -> Mapping[str, Provider]:
    """The providers of the settings; raises `BadSetting`."""
    if not settings.providers:
        return {}
    try:
        read = msgspec.json.decode(settings.providers, type=dict[str, Configuration])
    except msgspec.DecodeError as error:
        raise BadSetting(f"LEADFUEL_SIGN_IN_PROVIDERS cannot be read: {error}.") from None
    for name, one in read.items():
        if not one.issuer and name not in {"google", "github", "azure"}:
            raise BadSetting(f"LEADFUEL_SIGN_IN_PROVIDERS: {name} needs its issuer.")
        if one.url and (name not in {"github", "azure"} or one.issuer or not _ADDRESS.fullmatch(one.url)):
            raise BadSetting(f"LEADFUEL_SIGN_IN_PROVIDERS: {name} cannot have the url {one.url!r}.")
    return {name: Provider(name, one, http) for name, one in read.items()}


def find(providers: Mapping[str, Provider], name: str) -> Provider:
    """The provider of a name; raises `ValidationFailed` in the clients' words."""
    if name not in providers:
        raise ValidationFailed("Unsupported provider: provider is not enabled")
    return providers[name]


def _issuer(name: str, settings: Configuration) -> str:
    if name == "azure":
        return f"{settings.url or _MICROSOFT}/{settings.tenant}/v2.0"
    return "https://accounts.google.com"


def _object(found: Any) -> Mapping[str, Any]:
    if not isinstance(found, dict):
        raise ProviderRefused("The provider's answer cannot be read")
    return found


def _told(claims: Mapping[str, Any], *, verified: bool) -> dict[str, Any]:
    """What is kept of a provider's word: short texts under the names that the clients know."""
    named = {
        "sub": claims["sub"],
        "provider_id": claims["sub"],
        "iss": claims.get("iss"),
        "email": claims.get("email"),
        "name": claims.get("name"),
        "full_name": claims.get("name"),
        "avatar_url": claims.get("picture"),
        "picture": claims.get("picture"),
        "preferred_username": claims.get("preferred_username"),
        "user_name": claims.get("user_name"),
    }
    kept = {key: value for key, value in named.items() if _text(value) is not None}
    return {**kept, "email_verified": verified, "phone_verified": False}


def _keys(found: Mapping[str, Any]) -> dict[str, _Key]:
    """The keys of a set by their names, those that can sign alone; what cannot be read is no key."""
    listed = found.get("keys")
    keys = {}
    for one in listed if isinstance(listed, list) else []:
        try:
            key = jwt.PyJWK.from_dict(one)
        except (jwt.PyJWTError, ValueError, TypeError, AttributeError):
            continue
        if one.get("use", "sig") != "sig":
            continue
        issuer = one.get("issuer")
        keys[key.key_id or ""] = _Key(key, issuer if isinstance(issuer, str) else None)
    return keys


def _subject(said: Any) -> str:
    if not isinstance(said, str) or not _SUBJECT.fullmatch(said):
        raise ProviderRefused("The provider does not say who that is")
    return said


def _text(said: Any) -> str | None:
    """A short text that can be stored, or nothing."""
    return said if isinstance(said, str) and len(said) <= 500 and is_storable(said) else None


def _is_true(said: Any) -> bool:
    """As JSON has it, or as those write it who make texts of everything."""
    return said is True or (isinstance(said, str | int) and str(said).casefold() in {"true", "1"})
