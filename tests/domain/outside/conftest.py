"""A local issuer: keys of its own behind a real web server that counts how often it is asked."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from core import clock


class LocalIssuer:
    """Signs tokens and hands out its public keys; `answer` replaces what it hands out."""

    def __init__(self) -> None:
        self.keys: dict[str, Any] = {}
        self.asked = 0
        self.status = 200
        self.answer: bytes | None = None
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.asked += 1
                self.send_response(issuer.status)
                self.send_header("Location", "http://127.0.0.1:9/")
                self.end_headers()
                self.wfile.write(issuer.answer if issuer.answer is not None else issuer.jwks())

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        ).start()
        self.name = f"http://127.0.0.1:{self._server.server_address[1]}"
        self.add("first")

    def add(self, kid: str, *, bits: int = 2_048) -> None:
        self.keys[kid] = rsa.generate_private_key(65_537, bits)

    def add_elliptic(self, kid: str) -> None:
        self.keys[kid] = ec.generate_private_key(ec.SECP256R1())

    def jwks(self) -> bytes:
        found = []
        for kid, key in self.keys.items():
            is_rsa = isinstance(key, rsa.RSAPrivateKey)
            kind = jwt.algorithms.RSAAlgorithm if is_rsa else jwt.algorithms.ECAlgorithm
            found.append(json.loads(kind.to_jwk(key.public_key())) | {"kid": kid, "use": "sig"})
        return json.dumps({"keys": found}).encode()

    def token(self, kid: str = "first", algorithm: str = "RS256", **changes: object) -> str:
        now = int(clock.now().timestamp())
        said = {"iss": self.name, "aud": "authenticated", "sub": "user_1", "iat": now, "exp": now + 60}
        said = {name: value for name, value in (said | changes).items() if value is not ...}
        return jwt.api_jws.encode(json.dumps(said).encode(), self.keys[kid], algorithm, {"kid": kid})

    def settings(self, **more: object) -> str:
        return json.dumps([{"issuer": self.name, "audience": "authenticated"} | more])

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def issuer() -> Iterator[LocalIssuer]:
    made = LocalIssuer()
    yield made
    made.close()
