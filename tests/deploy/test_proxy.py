"""The Caddyfile, by a real Caddy: it ends TLS, and nobody behind it believes a client's own word."""

import json
import os
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Final

import httpx
import pytest

from embedded.processes import free_port

ROOT: Final = Path(__file__).resolve().parents[2]
CADDYFILE: Final = ROOT / "docker" / "Caddyfile"
CADDY: Final = Path(sys.executable).parent / "caddy"


class _Echo(BaseHTTPRequestHandler):
    """An upstream that answers with the headers it was sent."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = json.dumps({name.lower(): value for name, value in self.headers.items()}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Server", "upstream")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def caddy(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([CADDY, *words], capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture(scope="module")
def proxy(tmp_path_factory) -> Iterator[dict[str, str]]:
    home = tmp_path_factory.mktemp("caddy")
    upstream = ThreadingHTTPServer(("127.0.0.1", 0), _Echo)
    Thread(target=upstream.serve_forever, daemon=True).start()
    ports: list[int] = []
    for name in ("http", "https", "mail", "health"):
        ports.append(free_port(f"{home}/{name}", avoid=ports))
    http, https, mail, health = ports
    with (home / "log").open("w") as log:
        process = subprocess.Popen(
            [CADDY, "run", "--config", CADDYFILE, "--adapter", "caddyfile"],
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(home),
                "XDG_DATA_HOME": str(home / "data"),
                "XDG_CONFIG_HOME": str(home / "config"),
                "LEADFUEL_API": f"127.0.0.1:{upstream.server_port}",
                "LEADFUEL_MAIL": f"127.0.0.1:{upstream.server_port}",
                "LEADFUEL_INNER_HTTP_PORT": str(http),
                "LEADFUEL_INNER_HTTPS_PORT": str(https),
                "LEADFUEL_INNER_MAIL_PORT": str(mail),
                "LEADFUEL_INNER_HEALTH_PORT": str(health),
            },
            stdout=subprocess.DEVNULL,
            stderr=log,
        )
    root = home / "data" / "caddy" / "pki" / "authorities" / "local" / "root.crt"
    try:
        _wait(f"http://127.0.0.1:{health}/", process, home / "log")
        _wait(f"https://localhost:{https}/", process, home / "log", root=root)
        yield {
            "https": f"https://localhost:{https}",
            "http": f"http://localhost:{http}",
            "mail": f"http://127.0.0.1:{mail}",
            "root": str(root),
        }
    finally:
        process.terminate()
        process.wait(timeout=20)
        upstream.shutdown()
        upstream.server_close()


def _wait(url: str, process: subprocess.Popen[bytes], log: Path, *, root: Path | None = None) -> None:
    """Until the address answers; its certificate is made after the server has begun to listen."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        try:
            trusted = True if root is None else ssl.create_default_context(cafile=root)
            if httpx.get(url, verify=trusted).status_code == 200:
                return
        except (httpx.TransportError, FileNotFoundError, ssl.SSLError):
            time.sleep(0.1)
    pytest.fail(f"Caddy did not start: {log.read_text()[-2000:]}")


def client(proxy: dict[str, str]) -> httpx.Client:
    return httpx.Client(base_url=proxy["https"], verify=ssl.create_default_context(cafile=proxy["root"]))


def test_is_valid_and_formatted():
    told = caddy("validate", "--config", CADDYFILE, "--adapter", "caddyfile")
    assert told.returncode == 0, told.stderr
    assert '"level":"warn"' not in told.stderr
    assert caddy("fmt", CADDYFILE).stdout == CADDYFILE.read_text()


def test_tls_ends_here(proxy):
    with client(proxy) as trusting:
        answer = trusting.get("/v1/filters")
    assert answer.status_code == 200
    assert answer.json()["x-forwarded-proto"] == "https"
    assert answer.headers["strict-transport-security"] == "max-age=31536000"
    assert "server" not in answer.headers
    assert "via" not in answer.headers


def test_plain_http_is_sent_to_https(proxy):
    answer = httpx.get(f"{proxy['http']}/v1/filters")
    assert answer.status_code == 308
    assert answer.headers["location"].startswith("https://localhost")


def test_what_a_client_says_of_its_address_is_replaced(proxy):
    with client(proxy) as trusting:
        said = {
            "X-Forwarded-For": "203.0.113.9",
            "X-Forwarded-Proto": "http",
            "X-Forwarded-Host": "evil.example",
        }
        seen = trusting.get("/", headers=said).json()
    assert seen["x-forwarded-for"] in {"127.0.0.1", "::1"}
    assert seen["x-forwarded-proto"] == "https"
    assert "evil" not in seen["x-forwarded-host"]


def test_another_host_name_is_not_served(proxy):
    with pytest.raises(httpx.ConnectError):
        httpx.get(proxy["https"].replace("localhost", "127.0.0.1"), verify=False)


def test_the_mail_catcher_has_a_door_of_its_own(proxy):
    assert httpx.get(proxy["mail"]).status_code == 200
