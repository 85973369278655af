"""GitHub and Microsoft as far as signing in goes: a real server that checks what they check, and can lie.

GitHub's is OAuth 2 with an API for the person and the addresses; it says with 200 that a code is no good.
Microsoft's is OpenID Connect for many tenants: one document with a template for the issuer, keys that may
name the issuer they sign for, and addresses that any tenant may write beside its people.
"""

import asyncio
import base64
import hashlib
import json
import secrets
import socket
import time
from contextlib import asynccontextmanager
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import jwt
import uvicorn
from cryptography.hazmat.primitives.asymmetric import rsa

SECRET = "known-to-both"
TENANT = "72f988bf-86f1-41af-91ab-2d7cd011db47"
STRANGERS = "11111111-2222-3333-4444-555555555555"


@cache
def _key() -> rsa.RSAPrivateKey:
    """The provider's own; to make one takes a while."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


class StandIn:
    """One person at a time signs in, at once. What is said of that person is set by the test."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.key = _key()
        self.codes: dict[str, dict[str, str]] = {}
        self.asked: list[str] = []
        # GitHub
        self.person: Any = {"id": 583231, "login": "octocat", "name": "Octo Cat", "email": None}
        self.addresses: Any = [{"email": "ann@example.com", "primary": True, "verified": True}]
        # Microsoft
        self.claims: dict[str, Any] = {}
        self.tenant = TENANT
        self.stated_issuer: Any = None
        self.key_issuer: str | None = None
        self.signs_with: Any = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = b""
        while (event := await receive())["type"] == "http.request":
            body += event["body"]
            if not event.get("more_body"):
                break
        query = dict(parse_qsl(scope["query_string"].decode()))
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        self.asked.append(scope["path"])
        status, answer, more = self.answer(
            scope["path"], query, dict(parse_qsl(body.decode())), headers.get("authorization", "")
        )
        raw = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        named = [(b"content-type", b"application/json"), *((k.encode(), v.encode()) for k, v in more.items())]
        await send({"type": "http.response.start", "status": status, "headers": named})
        await send({"type": "http.response.body", "body": raw})

    def answer(
        self, path: str, query: dict[str, str], form: dict[str, str], bearer: str
    ) -> tuple[int, Any, dict[str, str]]:
        match path.strip("/").split("/"):
            case [*_, "authorize"]:
                code = secrets.token_urlsafe(9)
                self.codes[code] = query
                back = urlencode({"code": code, "state": query["state"]})
                return 302, {}, {"location": f"{query['redirect_uri']}?{back}"}
            case ["login", "oauth", "access_token"]:
                asked = self.redeemed(form)
                if asked is None:
                    return 200, {"error": "bad_verification_code"}, {}
                return 200, {"access_token": "gho_token", "scope": asked["scope"], "token_type": "bearer"}, {}
            case ["api", "v3", *what] if bearer != "Bearer gho_token":
                return 401, {"message": "Bad credentials", "what": what}, {}
            case ["api", "v3", "user"]:
                return 200, self.person, {}
            case ["api", "v3", "user", "emails"]:
                return 200, self.addresses, {}
            case [tenant, "v2.0", ".well-known", "openid-configuration"]:
                return 200, self.document(tenant), {}
            case [_, "discovery", "v2.0", "keys"]:
                return 200, {"keys": [self.public_key()]}, {}
            case [_, "oauth2", "v2.0", "token"]:
                asked = self.redeemed(form)
                if asked is None:
                    return 400, {"error": "invalid_grant"}, {}
                return (
                    200,
                    {"id_token": self.id_token(asked), "access_token": "t", "token_type": "Bearer"},
                    {},
                )
        return 404, {"message": "Not Found"}, {}

    def redeemed(self, form: dict[str, str]) -> dict[str, str] | None:
        """What was asked with a code, if it is good, once, for who asks (RFC 6749 and 7636)."""
        asked = self.codes.pop(form.get("code", ""), None)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        good = (
            asked is not None
            and form["client_secret"] == SECRET
            and form["client_id"] == asked["client_id"]
            and form["redirect_uri"] == asked["redirect_uri"]
            and base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == asked["code_challenge"]
        )
        return asked if good else None

    def document(self, tenant: str) -> dict[str, Any]:
        of_many = tenant in {"common", "organizations", "consumers"}
        named = "{tenantid}" if of_many else tenant
        return {
            "issuer": self.stated_issuer or f"{self.url}/{named}/v2.0",
            "authorization_endpoint": f"{self.url}/{tenant}/oauth2/v2.0/authorize",
            "token_endpoint": f"{self.url}/{tenant}/oauth2/v2.0/token",
            "jwks_uri": f"{self.url}/{tenant}/discovery/v2.0/keys",
        }

    def public_key(self) -> dict[str, Any]:
        key = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key()))
        return key | {"kid": "one", "use": "sig"} | ({"issuer": self.key_issuer} if self.key_issuer else {})

    def id_token(self, asked: dict[str, str]) -> str:
        now = int(time.time())
        claims = {
            "iss": f"{self.url}/{self.tenant}/v2.0",
            "aud": asked["client_id"],
            "sub": "AAAAAAAAAAAAAAAAAAAAAIkzqFVrSaSaFHy782bbtaQ",
            "tid": self.tenant,
            "iat": now,
            "exp": now + 3600,
            "nonce": asked.get("nonce"),
            "name": "Ann Example",
            "preferred_username": "ann@example.com",
            **self.claims,
        }
        return jwt.encode(claims, self.signs_with or self.key, algorithm="RS256", headers={"kid": "one"})


@asynccontextmanager
async def standing_in() -> Any:
    """The server, on a port of its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    made = StandIn(f"http://127.0.0.1:{port}")
    config = uvicorn.Config(made, port=port, lifespan="off", log_config=None, ws="none")
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn tells nobody when it is ready
        await asyncio.sleep(0.01)
    yield made
    server.should_exit = True
    await task


def query_in(url: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(url).query))
