"""Whether our own standing is told as it is: port, names, SPF and block lists."""

from dataclasses import replace

import pytest

from domain.validator.selfcheck import BLOCK_LISTS, check, port_is_open
from tests.lab.servers import OK, MailServer

OURS = "8.8.4.4"


@pytest.fixture
async def standing(lab):
    """A machine that has everything as it should be."""
    await lab.domain("gmail.com", MailServer())
    lab.zone.add("probe.leadfuel.example", A=[OURS])
    lab.zone.add("4.4.8.8.in-addr.arpa", PTR=["probe.leadfuel.example."])
    await lab.domain("leadfuel.example", MailServer())
    lab.zone.add("leadfuel.example", TXT=['"v=spf1 ip4:8.8.4.4 -all"'])
    return lab


async def told(lab, **settings):
    found = await check(replace(lab.settings, dns_timeout_s=0.5, **settings), ("gmail.com",))
    return {one.name: one.is_good for one in found}


async def test_all_is_well(standing):
    found = await told(standing)
    assert found.pop(f"port {standing.settings.smtp_port}")
    assert found == {
        "host name": True,
        "reverse name": True,
        **dict.fromkeys(BLOCK_LISTS, True),
        "sender": True,
        "SPF": True,
    }


async def test_what_is_amiss_is_named(standing):
    standing.zone.add("4.4.8.8.in-addr.arpa", PTR=["dynamic.provider.example."])
    standing.zone.add("leadfuel.example", TXT=['"nothing of that kind"'], MX=["0 ."])
    standing.zone.add(f"4.4.8.8.{BLOCK_LISTS[0]}", A=["127.0.0.4"])
    standing.zone.add(f"4.4.8.8.{BLOCK_LISTS[1]}", A=["127.255.255.254"])
    standing.zone.rules[f"4.4.8.8.{BLOCK_LISTS[2]}"] = "SERVFAIL"
    found = await told(standing)
    assert found["reverse name"] is False
    assert [found[zone] for zone in BLOCK_LISTS] == [False, None, None]
    assert (found["sender"], found["SPF"]) == (False, False)


async def test_each_of_our_addresses_is_looked_at(standing):
    standing.zone.add("probe.leadfuel.example", A=[OURS])
    found = await check(replace(standing.settings, sources=f"{OURS},9.9.9.9"), ("gmail.com",))
    assert [one.is_good for one in found if one.name == "address"] == [True, False]
    assert [one.is_good for one in found if one.name == "reverse name"] == [True, False]


async def _accepts_and_says_nothing(reader, writer):
    await reader.read()


@pytest.mark.parametrize(
    "server, is_open", [(MailServer({"a": OK}), True), (MailServer(raw=_accepts_and_says_nothing), False)]
)
async def test_a_port_is_open_when_somebody_greets(lab, server, is_open):
    await lab.domain("gmail.com", server)
    settings = replace(lab.settings, command_timeout_s=0.3)
    assert (await port_is_open(settings, ("gmail.com",))).is_good is is_open


async def test_a_closed_port_and_a_dead_resolver_are_told_apart(lab):
    lab.zone.add("gmail.com", A=["127.0.77.77"])
    assert (await port_is_open(lab.settings, ("gmail.com",))).is_good is False
    assert (await port_is_open(lab.settings, ("outlook.com",))).is_good is None
    assert (await port_is_open(replace(lab.settings, smtp_port=0))).is_good is False
