"""Every reply of the table once more, said by a real server at the stage it belongs to."""

import pytest

from tests.domain.validator.test_replies import TABLE
from tests.lab.servers import OK, MailServer

REACHABLE = {
    "accepted": "safe", "forwarded": "safe", "uncertain": "risky", "full": "risky", "refused": "invalid",
    "unknown": "unknown", "no_mail": "invalid", "helo": "safe", "tls": "unknown", "sender": "safe",
}  # fmt: skip


def _lines(code, text):
    parts = text.split("\n")
    return "\n".join([f"{code}-{part}" for part in parts[:-1]] + [f"{code} {parts[-1]}"])


@pytest.mark.parametrize("row, stage, code, text, outcome, sub_status", TABLE)
async def test_every_row_at_its_stage(lab, row, stage, code, text, outcome, sub_status):
    reply = _lines(code, text)
    server = MailServer({"anna": reply if stage == "rcpt" else OK})
    if stage == "mail":
        server.mail = lambda line: reply if "<>" in line or outcome != "sender" else "250 ok"
    elif stage == "banner":
        server.greeting = reply
    elif stage == "ehlo":
        server.ehlo = reply
    await lab.domain("row-lab.com", server)
    verdict = await lab.validator().validate("anna@row-lab.com")
    assert verdict.is_reachable == REACHABLE[outcome]
    if verdict.is_reachable != "safe":
        assert verdict.sub_status == sub_status
        assert verdict.smtp_reply.code == code


async def test_rows_2_and_3_are_decided_by_the_probe(lab):
    await lab.domain("all-lab.com", MailServer(other=OK))
    verdict = await lab.validator().validate("anna@all-lab.com")
    assert (verdict.is_reachable, verdict.status, verdict.smtp.is_catch_all) == ("risky", "accept_all", True)
    await lab.domain("half-lab.com", MailServer({"anna": OK}, other="451 4.3.0 later"))
    verdict = await lab.validator().validate("anna@half-lab.com")
    assert (verdict.is_reachable, verdict.retry, verdict.smtp.is_catch_all) == ("unknown", True, None)
