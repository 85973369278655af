"""The validator against a laboratory of real servers: the properties of a validator that can be trusted."""

import asyncio
import resource
import time
from datetime import timedelta

import pytest

from core import clock
from core.settings import ValidatorSettings
from domain.validator.limits import LocalLimits
from domain.validator.resolver import Resolver
from domain.validator.validate import RETRY_AFTER, validate
from domain.validator.verdict import SUB_STATUSES, from_json
from tests.lab.servers import OK, UNKNOWN, MailServer


def says(verdict):
    return verdict.is_reachable, verdict.sub_status


async def test_a_known_mailbox_is_safe_and_an_unknown_one_invalid(lab):
    server = MailServer({"anna": OK})
    await lab.domain("corp-lab.com", server)
    validator = lab.validator()
    known = await validator.validate(" anna@CORP-lab.com ")
    assert says(known) == ("safe", None)
    assert (known.status, known.smtp.is_catch_all, known.smtp.is_deliverable) == ("valid", False, True)
    assert known.mx.records == ("mx0.corp-lab.com",)
    assert known.syntax.normalized_email == "anna@corp-lab.com"
    unknown = await validator.validate("nobody@corp-lab.com")
    assert says(unknown) == ("invalid", "mailbox_not_found")
    assert unknown.smtp_reply.code == 550
    assert unknown.smtp_reply.enhanced == "5.1.1"
    assert from_json(unknown.as_json()) == unknown
    await validator.aclose()
    assert all(session[-1] == "QUIT" for session in server.sessions)


async def test_usable_without_anything_kept(lab):
    await lab.domain("corp-lab.com", MailServer({"anna": OK}))
    assert says(await validate("anna@corp-lab.com", lab.settings)) == ("safe", None)


async def test_property_1_policy_is_no_proof(lab):
    server = MailServer({"a": "550 5.7.1 Delivery not authorized", "b": "554 5.7.1 Client host rejected"})
    await lab.domain("corp-lab.com", server)
    verdict = await lab.validator().validate("a@corp-lab.com")
    assert says(verdict) == ("unknown", "policy_rejected")
    blocked = await lab.validator().validate("b@corp-lab.com")
    assert says(blocked) == ("unknown", "ip_blocked")


async def test_property_3_greylisting_ends_in_the_truth(lab):
    seen: set[str] = set()

    def greylist(known):
        def answer(local, _):
            if local not in seen:
                seen.add(local)
                return "450 4.2.0 Greylisted, come back later"
            return known(local)

        return answer

    await lab.domain("grey-lab.com", MailServer(greylist(lambda name: OK if name == "anna" else UNKNOWN)))
    await lab.domain("all-lab.com", MailServer(greylist(lambda _: OK)))
    validator = lab.validator()
    addresses = ["anna@grey-lab.com", "nobody@grey-lab.com", "anna@all-lab.com"]
    first = [await validator.validate(address) for address in addresses]
    assert {says(verdict) for verdict in first} == {("unknown", "greylisted")}
    assert all(v.retry and v.retry_after - v.checked_at == RETRY_AFTER[0] for v in first)
    ends = []
    for address in addresses:
        for attempt in range(2, 6):
            verdict = await validator.validate(address, attempts=attempt)
            if not verdict.retry:
                break
        ends.append(says(verdict))
    assert ends == [("safe", None), ("invalid", "mailbox_not_found"), ("risky", "accept_all")]


async def test_after_the_last_attempt_unknown_is_for_good(lab):
    await lab.domain("grey-lab.com", MailServer(other="450 4.2.0 Greylisted"))
    validator = lab.validator()
    pauses = [(await validator.validate("a@grey-lab.com", attempts=n)).retry for n in range(1, 6)]
    assert pauses == [True, True, True, True, False]


@pytest.mark.parametrize("probe", ["451 4.3.0 later", "550 5.7.1 no", "CLOSE", "421 4.7.0 bye", "550 what"])
async def test_properties_4_and_5_an_inconclusive_probe_leaves_the_question_open(lab, probe):
    await lab.domain("corp-lab.com", MailServer({"anna": OK}, other=probe))
    verdict = await lab.validator().validate("anna@corp-lab.com")
    assert verdict.is_reachable == "unknown"
    assert verdict.smtp.is_catch_all is None
    assert verdict.retry


@pytest.mark.parametrize("probe", ["552 5.2.2 over quota", "550 5.2.1 Mailbox disabled"])
async def test_property_5_flags_are_of_the_real_address(lab, probe):
    await lab.domain("corp-lab.com", MailServer({"anna": OK}, other=probe))
    verdict = await lab.validator().validate("anna@corp-lab.com")
    assert verdict.smtp.has_full_inbox is None
    assert verdict.smtp.is_disabled is None
    assert verdict.smtp.is_deliverable


async def test_property_6_a_null_mx_is_invalid_without_a_connection(lab):
    lab.zone.add("null-lab.com", MX=["0 ."], A=[await lab.host(MailServer({"anna": OK}))])
    assert says(await lab.validator().validate("anna@null-lab.com")) == ("invalid", "null_mx")
    assert lab.connections == 0


async def test_property_7_without_mx_the_domain_itself_is_asked(lab):
    lab.zone.add("bare-lab.com", A=[await lab.host(MailServer({"anna": OK}))])
    verdict = await lab.validator().validate("anna@bare-lab.com")
    assert says(verdict) == ("safe", None)
    assert verdict.mx.implicit


@pytest.mark.parametrize("rule", ["SERVFAIL", "REFUSED", "SILENT"])
async def test_property_8_a_failing_dns_is_unknown(lab, rule):
    lab.zone.rules["dark-lab.com"] = rule
    verdict = await lab.validator().validate("anna@dark-lab.com")
    assert says(verdict) == ("unknown", "dns_error")
    assert verdict.retry


async def test_a_domain_that_is_not_there_or_has_no_machine_is_invalid(lab):
    lab.zone.add("empty-lab.com", TXT=['"nothing here"'])
    lab.zone.add("gone-lab.com", MX=["10 mx.nowhere-lab.com."])
    validator = lab.validator()
    assert says(await validator.validate("a@missing-lab.com")) == ("invalid", "domain_not_found")
    assert says(await validator.validate("a@empty-lab.com")) == ("invalid", "no_mx")
    assert says(await validator.validate("a@gone-lab.com")) == ("invalid", "no_mx")


async def test_property_9_the_next_server_only_when_the_first_does_not_answer(lab):
    first, backup = MailServer({"anna": OK}), MailServer(other=OK)
    await lab.domain("two-lab.com", first, backup)
    assert says(await lab.validator().validate("nobody@two-lab.com")) == ("invalid", "mailbox_not_found")
    assert backup.connections == 0
    for greeting in ("421 4.3.2 later", "CLOSE"):
        first.greeting = greeting
        backup.rcpt, backup.other = {"anna": OK}, UNKNOWN
        assert says(await lab.validator().validate("anna@two-lab.com")) == ("safe", None)
    assert backup.connections == 2


async def test_the_preferred_server_refusing_connections_is_passed_over(lab):
    server = MailServer({"anna": OK})
    lab.zone.add("mx1.down-lab.com", A=["127.0.99.99"])
    lab.zone.add("mx2.down-lab.com", A=[await lab.host(server)])
    lab.zone.add("down-lab.com", MX=["20 mx2.down-lab.com.", "10 mx1.down-lab.com."])
    assert says(await lab.validator().validate("anna@down-lab.com")) == ("safe", None)


@pytest.mark.parametrize(
    "text",
    [
        "a@x.com\r\nRCPT TO:<b@x.com>", "a\n@corp-lab.com", "a\x00@corp-lab.com", "a@corp\x0b-lab.com",
        "a@[127.0.0.1]", "a@127.0.0.1", "a@2130706433", "a@0x7f.1", "a@localhost", "a@metadata.internal",
        "a@x.test", "@corp-lab.com", "a@", "a", "", "a" * 300 + "@corp-lab.com", "a@b@corp-lab.com",
        "a@corp-lab.com\u2028", "a\u200b@corp-lab.com", "a@-corp.com", "a b@corp-lab.com",
    ],
)  # fmt: skip
async def test_property_12_what_is_no_address_opens_no_connection(lab, text):
    await lab.domain("corp-lab.com", MailServer(other=OK))
    assert says(await lab.validator().validate(text)) == ("invalid", "invalid_syntax")
    assert lab.connections == 0
    assert not lab.zone.asked


async def _by_the_byte(reader, writer):
    """Replies of several lines, byte by byte, in an old encoding."""

    async def say(data):
        for byte in data:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0)

    await say(b"220-mx\r\n220 ready\r\n")
    while line := await reader.readline():
        verb = line[:4]
        if verb == b"RCPT":
            await say("550-5.1.1 Boîte\r\n550 5.1.1 inexistante\r\n".encode("latin-1"))
        else:
            await say(b"250-2.0.0 one\n250 2.0.0 two\r\n")


async def test_property_11_pieces_and_encodings_of_a_reply_change_nothing(lab):
    await lab.domain("slow-lab.com", MailServer(raw=_by_the_byte))
    verdict = await lab.validator().validate("anna@slow-lab.com")
    assert says(verdict) == ("invalid", "mailbox_not_found")
    assert verdict.smtp_reply.text == "5.1.1 Bo\ufffdte 5.1.1 inexistante"


async def _tarpit(reader, writer):
    writer.write(b"220-patience\r\n")
    while True:
        await asyncio.sleep(0.2)
        writer.write(b"220-wait\r\n")
        await writer.drain()


async def _endless(reader, writer):
    while True:
        writer.write(b"220-and on\r\n" * 1_000)
        await writer.drain()


async def _long_line(reader, writer):
    while True:
        writer.write(b"2" * 65_536)
        await writer.drain()


async def _garbage(reader, writer):
    writer.write(b"\xff\xfe\x00HTTP/1.1 400 Bad Request\r\n\r\n")
    await writer.drain()


async def _silent(reader, writer):
    await asyncio.sleep(30)


@pytest.mark.parametrize("raw", [_tarpit, _endless, _long_line, _garbage, _silent])
async def test_property_14_every_call_ends_in_time(lab, raw):
    await lab.domain("slow-lab.com", MailServer(raw=raw))
    started = time.monotonic()
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    verdict = await lab.validator(greeting_timeout_s=60.0, total_timeout_s=1.5).validate("a@slow-lab.com")
    assert time.monotonic() - started < 2.5
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb < 50_000
    assert verdict.is_reachable == "unknown"
    assert verdict.sub_status in {"timeout", "protocol_error"}


@pytest.mark.parametrize("stage", ["greeting", "ehlo", "mail", "rcpt"])
@pytest.mark.parametrize("reply, sub_status", [("CLOSE", "connection_dropped"), (None, "timeout")])
async def test_a_server_that_goes_away_or_falls_silent_proves_nothing(lab, stage, reply, sub_status):
    server = MailServer(other=OK)
    setattr(server, "other" if stage == "rcpt" else stage, reply)
    await lab.domain("odd-lab.com", server)
    verdict = await lab.validator(
        greeting_timeout_s=0.3, command_timeout_s=0.3, total_timeout_s=3.0
    ).validate("a@odd-lab.com")
    assert says(verdict) == ("unknown", sub_status)


async def test_property_15_connections_of_a_group_are_bounded(lab):
    server = MailServer({f"a{n}": OK for n in range(100)}, delay_s=0.005)
    await lab.domain("busy-lab.com", server)
    validator = lab.validator(total_timeout_s=30.0, connections_per_group=2)
    verdicts = await asyncio.gather(*(validator.validate(f"a{n}@busy-lab.com") for n in range(100)))
    assert {says(verdict) for verdict in verdicts} == {("safe", None)}
    assert server.most_open <= 2


async def test_a_hundred_calls_for_one_address_are_one_talk(lab):
    server = MailServer({"anna": OK})
    await lab.domain("corp-lab.com", server)
    validator = lab.validator()
    verdicts = await asyncio.gather(*(validator.validate("anna@corp-lab.com") for _ in range(100)))
    assert {says(verdict) for verdict in verdicts} == {("safe", None)}
    assert sum(not verdict.cached for verdict in verdicts) == 1
    assert server.connections == 1


async def test_property_16_one_probe_serves_a_domain(lab):
    server = MailServer(other=OK)
    await lab.domain("all-lab.com", server)
    validator = lab.validator(total_timeout_s=20.0)
    names = [f"name{n}" for n in range(6)]
    verdicts = await asyncio.gather(*(validator.validate(f"{name}@all-lab.com") for name in names))
    assert {says(verdict) for verdict in verdicts} == {("risky", "accept_all")}
    asked = [line for line in server.lines if line.startswith("RCPT")]
    assert len([line for line in asked if not any(f"<{name}@" in line for name in names)]) <= 2


@pytest.mark.parametrize("address", ["info@corp-lab.com", "anna@mailinator.com", "anna@sub.mailinator.com"])
async def test_property_17_role_and_disposable_addresses(lab, address):
    domain = address.partition("@")[2]
    server = MailServer({"info": OK, "anna": OK})
    await lab.domain(domain, server)
    accepted = await lab.validator().validate(address)
    assert accepted.is_reachable == "risky"
    server.rcpt = {}
    refused = await lab.validator().validate(address)
    assert says(refused) == ("invalid", "mailbox_not_found")


async def test_tls_is_used_where_it_is_demanded(lab):
    await lab.domain("tls-lab.com", MailServer({"anna": OK}, tls="required"))
    assert says(await lab.validator().validate("anna@tls-lab.com")) == ("safe", None)
    assert says(await lab.validator().validate("nobody@tls-lab.com")) == ("invalid", "mailbox_not_found")


async def test_tls_is_used_where_it_is_offered_and_wished_for(lab):
    server = MailServer({"anna": OK}, tls="offered")
    await lab.domain("tls-lab.com", server)
    assert says(await lab.validator(tls="offered").validate("anna@tls-lab.com")) == ("safe", None)
    assert "STARTTLS" in server.lines


@pytest.mark.parametrize("tls, sub_status", [("broken", "tls_required"), ("injected", "protocol_error")])
async def test_broken_tls_and_words_before_it_prove_nothing(lab, tls, sub_status):
    await lab.domain("tls-lab.com", MailServer({"anna": OK}, tls=tls))
    assert says(await lab.validator().validate("anna@tls-lab.com")) == ("unknown", sub_status)


async def test_helo_where_ehlo_is_unknown(lab):
    server = MailServer({"anna": OK}, ehlo="502 5.5.1 command not implemented")
    await lab.domain("old-lab.com", server)
    assert says(await lab.validator().validate("anna@old-lab.com")) == ("safe", None)
    assert "HELO probe.leadfuel.example" in server.lines


async def test_the_configured_sender_where_the_empty_one_is_refused(lab):
    server = MailServer(
        {"anna": OK}, mail=lambda line: "550 5.7.1 Null sender not accepted" if "<>" in line else "250 ok"
    )
    await lab.domain("picky-lab.com", server)
    assert says(await lab.validator().validate("anna@picky-lab.com")) == ("safe", None)
    assert "MAIL FROM:<check@leadfuel.example>" in server.lines
    nobody = await lab.validator(sender="").validate("anna@picky-lab.com")
    assert says(nobody) == ("unknown", "sender_rejected")


async def test_a_probe_goes_over_a_new_connection_when_the_old_one_was_closed(lab):
    server = MailServer({"anna": OK}, closes_after_rcpt=True)
    await lab.domain("shy-lab.com", server)
    assert says(await lab.validator().validate("anna@shy-lab.com")) == ("safe", None)
    assert server.connections == 2


async def test_a_host_that_takes_no_mail_at_all(lab):
    await lab.domain("never-lab.com", MailServer(greeting="521 5.3.2 host does not accept mail"))
    assert says(await lab.validator().validate("a@never-lab.com")) == ("invalid", "no_mx")
    await lab.domain(
        "half-lab.com", MailServer(greeting="521 5.3.2 no mail"), MailServer(greeting="421 4.3.2 later")
    )
    assert says(await lab.validator().validate("a@half-lab.com")) == ("unknown", "rate_limited")


async def test_addresses_beyond_ascii(lab):
    await lab.domain("plain-lab.com", MailServer(other=OK))
    await lab.domain("xn--bcher-lab-q9a.com", MailServer({"anna": OK}))
    verdict = await lab.validator().validate("jürgen@plain-lab.com")
    assert says(verdict) == ("unknown", "smtputf8_unsupported")
    idn = await lab.validator().validate("anna@BÜCHER-lab.com")
    assert says(idn) == ("safe", None)
    assert idn.syntax.domain_ascii == "xn--bcher-lab-q9a.com"


async def test_a_block_opens_the_breaker_for_the_whole_group(lab):
    server = MailServer(greeting="554 5.7.1 rejected due to poor reputation")
    await lab.domain("block-lab.com", server)
    validator = lab.validator()
    assert says(await validator.validate("a@block-lab.com")) == ("unknown", "ip_blocked")
    later = await validator.validate("b@block-lab.com")
    assert says(later) == ("unknown", "ip_blocked")
    assert later.retry_after - later.checked_at > timedelta(minutes=29)
    assert server.connections == 1


DAY = timedelta(days=1)


@pytest.mark.parametrize(
    "rcpt, other, reachable, lifetime",
    [
        (OK, UNKNOWN, "safe", 30 * DAY),
        (UNKNOWN, UNKNOWN, "invalid", 14 * DAY),
        (OK, OK, "risky", 7 * DAY),
        ("450 4.2.0 Greylisted", OK, "unknown", timedelta(minutes=15)),
        ("550 5.7.1 Delivery not authorized", OK, "unknown", DAY),
    ],
)
async def test_verdicts_are_kept_for_their_time(lab, rcpt, other, reachable, lifetime):
    await lab.domain("corp-lab.com", MailServer({"anna": rcpt}, other=other))
    validator = lab.validator()
    first = await validator.validate("anna@corp-lab.com")
    assert (first.is_reachable, first.cached) == (reachable, False)
    with clock.shifted(lifetime - timedelta(minutes=1)):
        assert (await validator.validate("Anna@corp-lab.com")).cached
    with clock.shifted(lifetime + timedelta(minutes=1)):
        assert not (await validator.validate("anna@corp-lab.com")).cached


async def test_that_a_domain_takes_every_name_is_remembered_for_a_week(lab):
    server = MailServer(other=OK)
    await lab.domain("corp-lab.com", server)
    validator = lab.validator()
    asked = []
    for days in (0, 6, 8):
        with clock.shifted(days * DAY):
            await validator.validate(f"anna{days}@corp-lab.com")
        asked.append(sum(line.startswith("RCPT") for line in server.lines))
    assert asked == [2, 3, 5]


@pytest.mark.parametrize("told_s, kept_s", [(5, 300), (3_600, 3_600), (700_000, 86_400)])
async def test_routes_are_kept_as_long_as_the_dns_says_within_bounds(lab, told_s, kept_s):
    await lab.domain("corp-lab.com", MailServer({"anna": OK}))
    lab.zone.ttl_s = told_s
    route = await Resolver(lab.settings).route("corp-lab.com")
    assert route.ttl_s == kept_s


async def test_without_a_port_nothing_is_proved(lab):
    server = MailServer(other=UNKNOWN)
    await lab.domain("corp-lab.com", server)
    verdict = await lab.validator(smtp_port=0).validate("anna@corp-lab.com")
    assert verdict.is_reachable == "unknown"
    assert server.connections == 0


async def test_every_sub_status_is_of_the_vocabulary(lab):
    await lab.domain("corp-lab.com", MailServer({"anna": OK}))
    verdict = await lab.validator().validate("anna@corp-lab.com")
    assert verdict.sub_status is None or verdict.sub_status in SUB_STATUSES


async def test_a_complaint_halves_the_pace():
    limits = LocalLimits(ValidatorSettings(per_minute=60, connections_per_group=100))
    for n in range(60):
        assert await limits.take("g", str(n)) == 0
    pause = await limits.take("g", "x")
    await limits.slow_down("g")
    assert await limits.take("g", "x") == pytest.approx(2 * pause, rel=0.1)
