"""Where webhooks may go: public https addresses and what the operator names, at saving and at sending."""

import asyncio
import socket

import httpcore
import pytest

from domain.webhooks import network
from domain.webhooks.network import BadWebhookUrl, Checked

NONE = frozenset()


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/hook",
        "https://[::1]/hook",
        "https://10.1.2.3/hook",
        "https://169.254.169.254/latest/meta-data",
        "https://[::ffff:127.0.0.1]/hook",
        "https://[64:ff9b::7f00:1]/hook",
        "https://[2002:7f00:1::]/hook",
        "https://0.0.0.0/hook",
        "https://localhost/hook",
        "https://2130706433/hook",
        "https://0x7f.1/hook",
        "http://93.184.215.14/hook",
        "https://93.184.215.14:8443/hook",
        "https://user:secret@93.184.215.14/hook",
        "https://93.184.215.14/hook#part",
        "https://nowhere.invalid/hook",
        "ftp://93.184.215.14/hook",
        "https:///hook",
        "https://93.184.215.14:99999/hook",
        "https://exa mple.com/hook",
        "https://exämple.com/hook",
    ],
)
async def test_what_is_not_public_or_not_a_url_is_refused(url):
    with pytest.raises(BadWebhookUrl):
        await network.check_url(url, allowed=NONE)


async def test_public_numbers_and_named_hosts_are_taken():
    await network.check_url("https://93.184.215.14/hook", allowed=NONE)
    allowed = network.allowed_hosts("127.0.0.1:9000, Receiver.local:80")
    await network.check_url("http://127.0.0.1:9000/hook", allowed=allowed)
    await network.check_url("http://receiver.local/hook", allowed=allowed)
    for other in ("http://127.0.0.1:9001/", "https://127.0.0.1/", "http://127.0.0.1:90/"):
        with pytest.raises(BadWebhookUrl):
            await network.check_url(other, allowed=allowed)


@pytest.fixture
def answers(monkeypatch):
    """`answers(*numbers)` is what the one lookup of any name says; how often it was asked is in `.asked`."""

    class Names:
        asked = 0

        def __call__(self, *numbers):
            async def look_up(_loop, _host, port, **_):
                self.asked += 1
                return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (number, port)) for number in numbers]

            monkeypatch.setattr(asyncio.get_running_loop().__class__, "getaddrinfo", look_up, raising=False)

    return Names()


async def test_a_name_that_has_come_to_mean_a_private_number_is_not_connected_to(answers):
    answers("10.0.0.7")
    with pytest.raises(httpcore.ConnectError, match="not on the public network"):
        await Checked(NONE).connect_tcp("moved.example", 443)
    answers("93.184.215.14", "127.0.0.1")
    with pytest.raises(httpcore.ConnectError):
        await Checked(NONE).connect_tcp("both.example", 443)


async def test_the_connection_goes_to_the_number_that_was_checked(answers, monkeypatch):
    reached = []

    async def connect(_self, host, port, *_):
        reached.append((host, port))

    monkeypatch.setattr(httpcore.AnyIOBackend, "connect_tcp", connect)
    answers("93.184.215.14")
    await Checked(NONE).connect_tcp("hooks.example", 443)
    assert reached == [("93.184.215.14", 443)]
    assert answers.asked == 1
    with pytest.raises(httpcore.ConnectError):
        await Checked(NONE).connect_unix_socket("/run/any.sock")
