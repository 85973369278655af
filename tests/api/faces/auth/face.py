"""`/auth/v1` as a test speaks to it, and the mail that it causes."""

import base64
import hashlib
import re
import secrets
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from uuid import uuid4

import httpx

from core.settings import Settings

PASSWORD = "correct horse battery"
INVALID = (400, "validation_failed")
SITE = "https://front.example"
# So cheap that a test may hash as often as it likes.
CHEAP = {
    "hash_memory_kib": 64,
    "hash_rounds": 1,
    "mail_every_s": 0,
    "mails_per_hour": 100_000,
    "attempts": 100_000,
}


@dataclass
class Face:
    """A client of the face, and whoever reads the mail."""

    http: httpx.AsyncClient
    mailbox: Any
    run_outbox: Any
    settings: Settings
    services: Any

    async def __call__(
        self, method: str, path: str, token: str | None = None, **options: Any
    ) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        headers |= options.pop("headers", {})
        return await self.http.request(method, f"/auth/v1{path}", headers=headers, **options)

    async def mail(self) -> list[Any]:
        """Do the jobs that wait; the letters that were sent by them."""
        before = len(self.mailbox.letters)
        await self.run_outbox(self.settings)
        return self.mailbox.letters[before:]

    def link(self, number: int = -1) -> str:
        """The path and query of the link in a letter."""
        url = re.search(r"http\S+/auth/v1(/verify\S+)", self.mailbox.text(number))
        assert url is not None, self.mailbox.text(number)
        return url[1]

    def code(self, number: int = -1) -> str:
        found = re.search(r"\b(\d{6})\b", self.mailbox.text(number))
        assert found is not None
        return found[1]

    async def person(self, email: str | None = None, **more: Any) -> dict[str, Any]:
        """Somebody who has signed up and confirmed the address: their session."""
        email = email or f"{uuid4().hex}@example.com"
        answer = await self("POST", "/signup", json={"email": email, "password": PASSWORD, **more})
        assert answer.status_code == 200, answer.text
        await self.mail()
        answer = await self("POST", "/verify", json={"type": "signup", "email": email, "token": self.code()})
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def service_key(self) -> str:
        return await self.services.keyring.client_key("service_role")

    async def anon_key(self) -> str:
        return await self.services.keyring.client_key("anon")

    async def sign_in(self, email: str, password: str = PASSWORD) -> httpx.Response:
        return await self("POST", "/token?grant_type=password", json={"email": email, "password": password})

    async def refresh(self, token: str) -> httpx.Response:
        return await self("POST", "/token?grant_type=refresh_token", json={"refresh_token": token})


def code_of(answer: httpx.Response) -> tuple[int, str]:
    """Status and code of an error, which has the shape that all the clients read."""
    body = answer.json()
    assert isinstance(body["code"], str)
    assert body["message"] == body["msg"]
    assert body["code"] == body["error_code"] == answer.headers["x-sb-error-code"]
    assert answer.headers["x-supabase-api-version"] == "2024-01-01"
    return answer.status_code, body["code"]


def fragment_of(answer: httpx.Response) -> dict[str, str]:
    assert answer.status_code == 303, answer.text
    return dict(parse_qsl(urlsplit(answer.headers["location"]).fragment))


def query_of(answer: httpx.Response) -> dict[str, str]:
    assert answer.status_code in {302, 303}, answer.text
    return dict(parse_qsl(urlsplit(answer.headers["location"]).query))


def pkce() -> tuple[str, dict[str, str]]:
    """A verifier and what is sent of it."""
    verifier = secrets.token_urlsafe(32)
    digest = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    return verifier, {"code_challenge": digest, "code_challenge_method": "s256"}
