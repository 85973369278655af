"""`leadfuel serve` for real: several processes that share their limits, answer at once, and end well."""

import asyncio
import contextlib
import signal
import socket
from dataclasses import replace

import httpx
import pytest

from cli.serve import PortTaken, _check_port, environment_of
from core.settings import Settings
from db.sessions import SERVICE, Database
from domain import accounts, tokens
from domain.signing.keyring import Keyring
from tests.fixtures.server import Server, serving


@pytest.fixture
async def token(settings, clean_database) -> str:
    database = Database(settings.database)
    async with database.transaction(SERVICE) as session:
        user = await accounts.find_or_create_user(session, email="ann@example.com")
    token = await tokens.mint(Keyring(settings.auth, database), user_id=user.id)
    await database.close()
    return token.text


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def test_several_processes_serve_one_limit_and_stop_gracefully(settings, token, port, tmp_path):
    limited = replace(settings, api=replace(settings.api, requests_per_minute=40))
    log = tmp_path / "log"
    async with serving(limited, port, log, "--processes", "2") as server:
        headers = {"Authorization": f"Bearer {token}"}
        async with httpx.AsyncClient(base_url=server.url, headers=headers) as client:
            await _until_two_work(server)
            # The login of the tables' owner is no business of theirs.
            assert limited.database.migration_url
            assert not any("MIGRATION_DATABASE_URL" in child.environ() for child in server.children())
            # New connections, so that both processes get their share.
            statuses = []
            for _ in range(6):
                async with httpx.AsyncClient(base_url=server.url, headers=headers) as other:
                    answers = await asyncio.gather(*(other.get("/v1/usage") for _ in range(20)))
                    statuses += [answer.status_code for answer in answers]
            # The minute may have turned once in between, never oftener.
            assert 40 <= statuses.count(200) <= 80
            assert set(statuses) == {200, 429}

            # 20 MB are refused with an answer, not with a broken connection.
            big = await client.post(
                "/v1/contacts/search", content=b" " * 20_000_000, headers={"Content-Type": "application/json"}
            )
            assert big.status_code == 413

            # So is a head without end, before it is kept and before anybody has said who they are.
            for begins, goes_on, ends in (
                (b"GET /v1/usage?", b"a" * 10_000, b""),
                (b"GET /v1/usage HTTP/1.1\r\nX-A: ", b"a" * 10_000, b""),
                (b"GET /v1/usage HTTP/1.1\r\n", b"X-A: " + b"a" * 9_993 + b"\r\n", b""),
                (b"GET /v1/usage HTTP/1.1\r\n", (b"X-A: " + b"a" * 93 + b"\r\n") * 1_200, b"\r\n"),
            ):
                said, sent = await _poured(port, begins, goes_on, ends)
                assert said.startswith(b"HTTP/1.1 400"), (begins, said)
                assert sent < 5_000_000
            large = {"X-A": "a" * 20_000}
            assert (await client.get("/health/live", headers=large)).status_code == 200

        # A process that dies is replaced.
        killed = server.children()[0]
        killed.kill()
        await _until_two_work(server, without=killed.pid)

        # A request that is on its way is answered after the stop was asked for.
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        body = b'{"q": ""}'
        head = (
            f"POST /v1/contacts/count HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        writer.write(head.encode() + body[:3])
        await writer.drain()
        await asyncio.sleep(0.3)
        children = server.children()
        server.process.send_signal(signal.SIGTERM)
        await asyncio.sleep(0.5)
        writer.write(body[3:])
        await writer.drain()
        assert (await asyncio.wait_for(reader.readline(), 10)).startswith(b"HTTP/1.1 200")
        writer.close()
        assert await asyncio.wait_for(server.process.wait(), 30) == 0
        assert not any(child.is_running() for child in children)
    text = log.read_text()
    assert "Traceback" not in text
    assert token not in text


async def _poured(port: int, begins: bytes, goes_on: bytes, ends: bytes) -> tuple[bytes, int]:
    """What is answered to a request whose middle comes again and again, and how much was taken of it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(begins)
    sent, answer = 0, asyncio.create_task(reader.read(1_000))
    with contextlib.suppress(ConnectionError):
        while not answer.done() and sent < 20_000_000:
            writer.write(goes_on + ends)
            sent += len(goes_on)
            await writer.drain()
            await asyncio.sleep(0.001)
    writer.close()
    return await asyncio.wait_for(answer, 10), sent


async def _until_two_work(server: Server, *, without: int = 0) -> None:
    for _ in range(300):
        if len([child for child in server.children() if child.pid != without]) >= 2:
            return
        await asyncio.sleep(0.1)
    pytest.fail("there are no two processes")


def test_a_taken_port_is_told_at_once(settings, port):
    with socket.create_server(("127.0.0.1", port)), pytest.raises(PortTaken, match=str(port)):
        _check_port(replace(settings.api, port=port))


def test_an_address_that_is_not_ours_is_told_at_once(settings, port):
    with pytest.raises(PortTaken):
        _check_port(replace(settings.api, host="192.0.2.1", port=port))


def test_settings_survive_the_environment(settings):
    assert Settings.from_env(environment_of(settings)) == settings
    assert Settings.from_env(environment_of(Settings())) == Settings()
