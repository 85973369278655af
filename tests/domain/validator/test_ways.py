"""The ways to a mail server: through a proxy, from an address of ours, over IPv6 where there is no other."""

import asyncio
import socket
from ipaddress import ip_address

import pytest

from domain.validator.validate import Validator
from domain.validator.wire import Sockets
from tests.lab.proxy import Socks
from tests.lab.servers import OK, MailServer


@pytest.fixture
async def proxy():
    made = Socks()
    server = await made.start()
    yield made
    server.close()


async def test_a_proxy_is_given_a_number_and_never_a_name(lab, proxy):
    await lab.domain("corp-lab.com", MailServer({"anna": OK}))
    validator = lab.validator(proxy=f"socks5://127.0.0.1:{proxy.port}")
    assert (await validator.validate("anna@corp-lab.com")).is_reachable == "safe"
    [(kind, host, port)] = proxy.asked
    assert (kind, port) == (1, lab.settings.smtp_port)
    assert ip_address(host).is_loopback


async def test_a_proxy_is_not_asked_for_what_may_not_be_connected_to(lab, proxy):
    lab.zone.add("evil-lab.com", A=["169.254.169.254"])
    validator = lab.validator(proxy=f"socks5://127.0.0.1:{proxy.port}")
    assert (await validator.validate("a@evil-lab.com")).sub_status == "blocked_address"
    assert proxy.asked == []


async def test_a_host_that_the_proxy_cannot_reach_proves_nothing(lab, proxy):
    lab.zone.add("down-lab.com", A=["127.0.99.99"])
    verdict = await lab.validator(proxy=f"socks5://127.0.0.1:{proxy.port}").validate("a@down-lab.com")
    assert (verdict.is_reachable, verdict.sub_status) == ("unknown", "connection_refused")
    assert len(proxy.asked) == 1


async def test_a_proxy_that_is_not_there_proves_nothing(lab):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        await lab.domain("corp-lab.com", MailServer({"anna": OK}))
        proxy = f"socks5://127.0.0.1:{taken.getsockname()[1]}"
        verdict = await lab.validator(proxy=proxy).validate("anna@corp-lab.com")
    assert (verdict.is_reachable, verdict.sub_status) == ("unknown", "connection_refused")


async def test_a_domain_always_sees_the_same_address_of_ours_and_domains_share_them(lab):
    servers = {}
    for number in range(8):
        servers[number] = MailServer({"anna": OK}, closes_after_rcpt=True)
        await lab.domain(f"d{number}-lab.com", servers[number])
    for _ in range(2):
        validator = lab.validator(sources="127.0.0.5, 127.0.0.6")
        for number in servers:
            assert (await validator.validate(f"anna@d{number}-lab.com")).is_reachable == "safe"
    assert all(len(server.peers) == 4 and len(set(server.peers)) == 1 for server in servers.values())
    assert {peer for server in servers.values() for peer in server.peers} == {"127.0.0.5", "127.0.0.6"}


class Mapped(Sockets):
    """Leads an IPv6 number to a server on IPv4, for machines without IPv6."""

    def __init__(self, settings, ways):
        super().__init__(settings)
        self.ways, self.connected = ways, []

    async def connect(self, address, port, *, source, timeout_s):
        self.connected.append((str(address), source))
        there = self.ways.get(str(address), str(address))
        return await super().connect(ip_address(there), port, source=None, timeout_s=timeout_s)


async def test_over_ipv6_where_there_is_no_other_way(lab):
    server = MailServer({"anna": OK})
    four = await lab.host(server)
    lab.zone.add("mx.six-lab.com", AAAA=["2600::25"])
    lab.zone.add("six-lab.com", MX=["10 mx.six-lab.com."])
    network = Mapped(lab.settings, {"2600::25": four})
    settings = lab.validator(sources="127.0.0.5,2600::5")._settings
    verdict = await Validator(settings, network=network).validate("anna@six-lab.com")
    assert verdict.is_reachable == "safe"
    assert network.connected == [("2600::25", "2600::5")]


async def test_ipv4_first_where_a_host_has_both(lab):
    server = MailServer({"anna": OK})
    four = await lab.host(server)
    lab.zone.add("mx.both-lab.com", A=[four], AAAA=["2600::25"])
    lab.zone.add("both-lab.com", MX=["10 mx.both-lab.com."])
    network = Mapped(lab.settings, {})
    assert (
        await Validator(lab.settings, network=network).validate("anna@both-lab.com")
    ).is_reachable == "safe"
    assert network.connected == [(four, None)]


async def test_a_real_ipv6_socket(lab):
    if not socket.has_ipv6 or not _has_loopback():
        return  # no ::1 on this machine: the mapped way above stands for it
    server = MailServer({"anna": OK})
    lab.servers.append(server)
    lab.running.append(await asyncio.start_server(server.serve, "::1", lab.settings.smtp_port))
    lab.zone.add("six-lab.com", AAAA=["::1"])
    verdict = await lab.validator(allowed_networks="::1/128").validate("anna@six-lab.com")
    assert verdict.is_reachable == "safe"


def _has_loopback():
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True
