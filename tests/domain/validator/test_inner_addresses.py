"""Addresses inside a network are never connected to, whatever the DNS says (property 13)."""

import pytest

from core.settings import ValidatorSettings
from domain.validator.validate import Validator
from tests.domain.validator.test_validate import says
from tests.lab.servers import OK, MailServer

FORBIDDEN = {
    "A": ["127.0.0.1", "10.0.0.1", "172.16.3.4", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
          "224.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1"],
    "AAAA": ["::1", "::", "fe80::1", "fc00::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254",
             "2002:7f00:1::", "2002:a9fe:a9fe::", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1",
             "2001:0:1234::1", "2001:db8::1", "::127.0.0.1", "fec0::1"],
}  # fmt: skip


@pytest.mark.parametrize(
    "kind, number", [(kind, number) for kind, all_ in FORBIDDEN.items() for number in all_]
)
@pytest.mark.parametrize("way", ["mx", "implicit", "alias"])
async def test_property_13_no_inner_address_is_connected_to(lab, kind, number, way):
    connected = []

    class Watching:
        async def connect(self, address, *_, **__):
            connected.append(address)
            raise AssertionError

    target = {"mx": "mx.evil-lab.com", "implicit": "evil-lab.com", "alias": "deep.evil-lab.com"}[way]
    lab.zone.add(target, **{kind: [number]})
    if way == "mx":
        lab.zone.add("evil-lab.com", MX=["10 mx.evil-lab.com."])
    if way == "alias":
        lab.zone.add("evil-lab.com", MX=["10 a1.evil-lab.com."])
        lab.zone.add("a1.evil-lab.com", CNAME=["deep.evil-lab.com."])
    settings = ValidatorSettings(resolver=lab.settings.resolver, smtp_port=25, dns_timeout_s=0.6)
    verdict = await Validator(settings, network=Watching()).validate("a@evil-lab.com")
    assert says(verdict) == ("unknown", "blocked_address")
    assert connected == []


async def test_property_13_a_second_look_up_is_never_made(lab):
    server = MailServer({"anna": OK})
    good = await lab.host(server)
    answers = iter([[good]])
    lab.zone.add("mx.rebind-lab.com", A=lambda: next(answers, ["10.0.0.1"]))
    lab.zone.add("rebind-lab.com", MX=["10 mx.rebind-lab.com."])
    validator = lab.validator()
    for name in ("anna", "nobody"):
        await validator.validate(f"{name}@rebind-lab.com")
    assert lab.zone.asked["mx.rebind-lab.com", "A"] == 1
    assert server.connections == 2


async def test_property_13_through_a_chain_of_aliases(lab):
    for number in range(4):
        lab.zone.add(f"a{number}.evil-lab.com", CNAME=[f"a{number + 1}.evil-lab.com."])
    lab.zone.add("a4.evil-lab.com", A=["10.0.0.8"])
    lab.zone.add("evil-lab.com", MX=["10 a0.evil-lab.com."])
    assert says(await lab.validator().validate("a@evil-lab.com")) == ("unknown", "blocked_address")
    lab.zone.add("a4.evil-lab.com", CNAME=["a0.evil-lab.com."])
    del lab.zone.records["a4.evil-lab.com", "A"]
    assert says(await lab.validator().validate("a@evil-lab.com")) == ("unknown", "dns_error")


@pytest.mark.parametrize("host", ["127.0.0.1.", "2130706433.", "localhost.", "0x7f000001."])
async def test_property_13_a_number_for_a_name_is_looked_up_as_a_name(lab, host):
    server = MailServer(other=OK)
    await lab.host(server)
    lab.zone.add("evil-lab.com", MX=[f"10 {host}"])
    assert (await lab.validator().validate("a@evil-lab.com")).is_reachable != "safe"
    assert server.connections == 0


async def test_property_13_of_a_host_s_numbers_only_the_public_ones(lab):
    server = MailServer({"anna": OK})
    good = await lab.host(server)
    lab.zone.add("half-lab.com", A=["10.0.0.9", good, "192.168.0.1"])
    assert says(await lab.validator().validate("anna@half-lab.com")) == ("safe", None)
