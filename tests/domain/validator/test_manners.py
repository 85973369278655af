"""Manners: how the validator talks to servers, takes its leave, and what becomes of servers that change."""

import asyncio
import time
from datetime import timedelta

from core import clock
from domain.validator import dialogue
from domain.validator.validate import validate
from tests.lab.servers import OK, UNKNOWN, MailServer


def says(verdict):
    return verdict.is_reachable, verdict.sub_status


async def test_nobody_waits_for_a_goodbye_but_its_place_is_taken_until_it_is_said(lab, monkeypatch):
    monkeypatch.setattr(dialogue, "_QUIT_TIMEOUT_S", 8.0)
    said = asyncio.Event()

    async def slow_to_part(_reader, _writer):
        await said.wait()

    server = MailServer({"anna": OK, "bert": OK}, goodbye=slow_to_part)
    await lab.domain("corp-lab.com", server)
    validator = lab.validator(connections_per_group=1, command_timeout_s=8.0)
    started = time.monotonic()
    assert says(await validator.validate("anna@corp-lab.com")) == ("safe", None)
    assert time.monotonic() - started < 5
    assert server.now_open == 1
    asyncio.get_running_loop().call_later(0.15, said.set)
    assert says(await validator.validate("bert@corp-lab.com")) == ("safe", None)
    assert server.most_open == 1
    await validator.aclose()
    assert [session[-1] for session in server.sessions] == ["QUIT", "QUIT"]


async def test_by_itself_it_leaves_no_connection_behind(lab):
    server = MailServer({"anna": OK}, delay_s=0.02)
    await lab.domain("corp-lab.com", server)
    await validate("anna@corp-lab.com", lab.settings)
    assert server.lines[-1] == "QUIT"
    assert server.now_open == 0


async def test_the_number_of_a_host_is_asked_for_once_and_that_of_ipv6_only_without_another(lab):
    address = await lab.host(MailServer({"anna": OK}))
    lab.zone.add("mx.host-lab.net", A=[address], AAAA=["2001:db8::1"])
    for name in ("one-lab.com", "two-lab.com"):
        lab.zone.add(name, MX=["10 mx.host-lab.net."])
    validator = lab.validator()
    for name in ("one-lab.com", "two-lab.com"):
        assert says(await validator.validate(f"anna@{name}")) == ("safe", None)
    assert lab.zone.asked["mx.host-lab.net", "A"] == 1
    assert lab.zone.asked["mx.host-lab.net", "AAAA"] == 0


async def test_not_a_word_before_the_server_has_answered(lab):
    early = []

    async def suspicious(reader, writer):
        for answer in (
            "220 mx",
            "250-mx\r\n250 PIPELINING",
            *["250 ok"] * 2,
            *["250 ok"] * 2,
            "550 5.1.1 no",
            "221 bye",
        ):
            try:
                early.append(await asyncio.wait_for(reader.read(1), 0.03))
            except TimeoutError:
                writer.write(f"{answer}\r\n".encode())
            else:
                return
            await reader.readline()

    await lab.domain("corp-lab.com", MailServer(raw=suspicious))
    validator = lab.validator()
    assert says(await validator.validate("anna@corp-lab.com")) == ("safe", None)
    await validator.aclose()
    assert early == []


async def test_a_domain_that_takes_all_names_only_by_day(lab):
    server = MailServer({"anna": OK, "bert": OK}, other=OK)
    await lab.domain("day-lab.com", server)
    validator = lab.validator()
    assert says(await validator.validate("anna@day-lab.com")) == ("risky", "accept_all")
    server.other = UNKNOWN
    # What it did lately is held against an acceptance, and against a refusal nothing is.
    assert says(await validator.validate("bert@day-lab.com")) == ("risky", "accept_all")
    assert says(await validator.validate("nobody@day-lab.com")) == ("invalid", "mailbox_not_found")
    with clock.shifted(timedelta(days=8)):
        assert says(await validator.validate("bert@day-lab.com")) == ("safe", None)


async def test_a_mailbox_that_is_accepted_first_and_refused_later(lab):
    heard = []

    def once(local, _):
        heard.append(local)
        return OK if local == "anna" and heard.count("anna") == 1 else UNKNOWN

    await lab.domain("fickle-lab.com", MailServer(once))
    validator = lab.validator()
    assert says(await validator.validate("anna@fickle-lab.com")) == ("safe", None)
    assert heard.count("anna") == 1
    with clock.shifted(timedelta(days=31)):
        assert says(await validator.validate("anna@fickle-lab.com")) == ("invalid", "mailbox_not_found")
