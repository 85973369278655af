"""The table of replies, row by row, and what must not change a reading."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.validator.replies import Reply, enhanced_code, masked, read

ADDRESS = "anna.keller@corp-lab.com"


def reading(stage, code, *lines, address=ADDRESS):
    return read(Reply(code, lines), stage=stage, address=address)


# number, stage, code, lines, outcome, sub-status
TABLE = [
    (1, "rcpt", 250, "2.1.5 Ok", "accepted", None),
    (4, "rcpt", 251, "2.1.5 User not local; will forward", "forwarded", None),
    (5, "rcpt", 252, "2.5.2 Cannot VRFY user, but will accept", "uncertain", None),
    (6, "rcpt", 550, "5.1.1 User unknown", "refused", "mailbox_not_found"),
    (
        6,
        "rcpt",
        550,
        "5.1.1 The email account that you tried to reach does not exist. Please try\n5.1.1 double-checking",
        "refused",
        "mailbox_not_found",
    ),
    (7, "rcpt", 550, "5.1.10 RESOLVER.ADR.RecipientNotFound; not found", "refused", "mailbox_not_found"),
    (8, "rcpt", 550, "5.1.0 Address rejected.", "refused", "mailbox_not_found"),
    (9, "rcpt", 550, "5.1.2 Bad destination system: host unknown", "refused", "domain_not_found"),
    (10, "rcpt", 553, "5.1.3 Recipient address syntax rejected", "refused", "mailbox_not_found"),
    (11, "rcpt", 551, "5.1.6 User not local; please try <a.b@x.com>", "refused", "moved"),
    (12, "rcpt", 556, "5.1.10 Recipient address has null MX", "refused", "null_mx"),
    (
        13,
        "rcpt",
        550,
        "5.4.1 Recipient address rejected: Access denied. AS(201806281)",
        "refused",
        "mailbox_not_found",
    ),
    (14, "rcpt", 550, "No such user here", "refused", "mailbox_not_found"),
    (14, "rcpt", 550, "Unknown user", "refused", "mailbox_not_found"),
    (14, "rcpt", 550, "Recipient not found", "refused", "mailbox_not_found"),
    (15, "rcpt", 550, "Unrouteable address", "refused", "mailbox_not_found"),
    (
        16,
        "rcpt",
        550,
        "5.5.0 Requested action not taken: mailbox unavailable (S2017062302)",
        "refused",
        "mailbox_not_found",
    ),
    (
        17,
        "rcpt",
        554,
        "delivery error: dd This user doesn't have a yahoo.com account",
        "refused",
        "mailbox_not_found",
    ),
    (
        18,
        "rcpt",
        550,
        "5.1.1 Email address could not be found, or was misspelled (G8)",
        "refused",
        "mailbox_not_found",
    ),
    (19, "rcpt", 550, "5.1.1 Utilisateur inconnu", "refused", "mailbox_not_found"),
    (19, "rcpt", 550, "5.1.1 Bo\ufffdte inexistante", "refused", "mailbox_not_found"),
    (19, "rcpt", 550, "Empfänger unbekannt", "refused", "mailbox_not_found"),
    (19, "rcpt", 550, "Usuario desconocido", "refused", "mailbox_not_found"),
    (20, "rcpt", 550, "5.2.1 Mailbox disabled, not accepting messages", "refused", "mailbox_disabled"),
    (21, "rcpt", 550, "5.2.1 The email account is inactive", "refused", "mailbox_disabled"),
    (
        22,
        "rcpt",
        554,
        "delivery error: This account has been disabled or discontinued [#102]",
        "refused",
        "mailbox_disabled",
    ),
    (23, "rcpt", 552, "5.2.2 over quota", "full", "mailbox_full"),
    (24, "rcpt", 452, "4.2.2 The email account is over quota", "full", "mailbox_full"),
    (25, "rcpt", 550, "5.2.2 Mailbox full", "full", "mailbox_full"),
    (26, "rcpt", 552, "exceeded storage allocation, mailbox full", "full", "mailbox_full"),
    (27, "rcpt", 452, "4.3.1 Insufficient system storage", "unknown", "system_full"),
    (28, "rcpt", 552, "5.3.4 Message size exceeds fixed limit", "unknown", "system_full"),
    (28, "rcpt", 552, "5.2.3 Message size exceeds fixed limit", "unknown", "system_full"),
    (29, "rcpt", 452, "4.5.3 Too many recipients", "unknown", "rate_limited"),
    (30, "rcpt", 450, "4.2.0 Greylisted, see http://postgrey", "unknown", "greylisted"),
    (31, "rcpt", 451, "4.7.1 Greylisting in action, please come back later", "unknown", "greylisted"),
    (32, "rcpt", 451, "4.3.0 Temporary lookup failure", "unknown", "temporary_error"),
    (32, "rcpt", 451, "4.3.2 Temporary lookup failure", "unknown", "temporary_error"),
    (33, "rcpt", 450, "4.2.1 The user is receiving mail at a rate that", "unknown", "rate_limited"),
    (34, "rcpt", 450, "4.1.1 User unknown", "unknown", "soft_unknown_user"),
    (35, "rcpt", 421, "4.7.0 Try again later, closing connection", "unknown", "rate_limited"),
    (35, "banner", 421, "4.3.2 Try again later", "unknown", "rate_limited"),
    (
        36,
        "banner",
        421,
        "4.7.0 [TSS04] temporarily deferred due to user complaints",
        "unknown",
        "rate_limited",
    ),
    (36, "mail", 421, "4.7.0 [TSS04] temporarily deferred due to user complaints", "unknown", "rate_limited"),
    (37, "rcpt", 451, "4.7.500 Server busy", "unknown", "rate_limited"),
    (38, "rcpt", 451, "4.7.650 IP temporarily rate limited due to reputation", "unknown", "ip_blocked"),
    (39, "rcpt", 450, "4.7.25 cannot find your hostname", "unknown", "needs_rdns"),
    (39, "rcpt", 550, "5.7.25 cannot find your reverse hostname", "unknown", "needs_rdns"),
    (40, "rcpt", 550, "5.7.1 Client host [192.0.2.1] blocked using Spamhaus", "unknown", "ip_blocked"),
    (41, "rcpt", 554, "5.7.1 Client host rejected: Access denied", "unknown", "ip_blocked"),
    (42, "rcpt", 550, "5.7.606 Access denied, banned sending IP", "unknown", "ip_blocked"),
    (
        43,
        "rcpt",
        550,
        "5.7.1 Recipient address rejected: your IP is on a block list",
        "unknown",
        "ip_blocked",
    ),
    (44, "banner", 554, "5.7.1 rejected due to the sending MTA's poor reputation", "unknown", "ip_blocked"),
    (45, "rcpt", 550, "5.7.1 Delivery not authorized, message refused", "unknown", "policy_rejected"),
    (46, "rcpt", 550, "5.7.133 SenderNotAuthenticatedForGroup", "unknown", "policy_rejected"),
    (46, "rcpt", 550, "5.7.124 SenderNotInAllowedList", "unknown", "policy_rejected"),
    (47, "rcpt", 550, "5.7.23 SPF validation failed", "unknown", "policy_rejected"),
    (47, "rcpt", 550, "5.7.26 DMARC violation", "unknown", "policy_rejected"),
    (48, "rcpt", 550, "5.7.1 No such user here", "refused", "mailbox_not_found"),
    (49, "rcpt", 550, "Administrative prohibition", "unknown", "policy_rejected"),
    (50, "rcpt", 554, "5.7.1 Relay access denied", "unknown", "relay_denied"),
    (50, "rcpt", 554, "5.7.1 relaying denied", "unknown", "relay_denied"),
    (
        51,
        "rcpt",
        553,
        "sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)",
        "unknown",
        "relay_denied",
    ),
    (52, "rcpt", 450, "4.1.8 Sender address rejected: Domain not found", "unknown", "sender_rejected"),
    (52, "rcpt", 550, "5.1.8 Sender address rejected: Domain not found", "unknown", "sender_rejected"),
    (52, "rcpt", 550, "5.1.7 Sender address rejected", "unknown", "sender_rejected"),
    (53, "rcpt", 550, "Sender verify failed", "unknown", "sender_rejected"),
    (54, "mail", 550, "5.7.1 Null sender not accepted", "sender", "sender_rejected"),
    (54, "mail", 553, "5.7.1 Null sender not accepted", "sender", "sender_rejected"),
    (
        55,
        "rcpt",
        504,
        "5.5.2 Helo command rejected: need fully-qualified hostname",
        "unknown",
        "protocol_error",
    ),
    (
        55,
        "ehlo",
        501,
        "5.5.2 Helo command rejected: need fully-qualified hostname",
        "unknown",
        "protocol_error",
    ),
    (56, "mail", 530, "5.7.0 Must issue a STARTTLS command first", "tls", "tls_required"),
    (57, "rcpt", 530, "5.7.57 Client was not authenticated", "unknown", "auth_required"),
    (57, "mail", 535, "authentication required", "unknown", "auth_required"),
    (58, "rcpt", 503, "5.5.1 need MAIL command", "unknown", "protocol_error"),
    (59, "ehlo", 502, "5.5.1 command not implemented", "helo", "protocol_error"),
    (59, "ehlo", 500, "5.5.1 command not implemented", "helo", "protocol_error"),
    (60, "rcpt", 554, "5.4.14 mail loop", "unknown", "routing_error"),
    (60, "rcpt", 554, "5.4.6 hop count exceeded", "unknown", "routing_error"),
    (61, "rcpt", 550, "5.6.7 Address requires SMTPUTF8", "refused", "smtputf8_unsupported"),
    (61, "rcpt", 553, "5.6.7 Address requires SMTPUTF8", "refused", "smtputf8_unsupported"),
    (62, "banner", 521, "5.3.2 host does not accept mail", "no_mail", "no_mx"),
    (66, "rcpt", 550, "Computer says no", "unknown", "policy_rejected"),
    (66, "rcpt", 554, "5.7.999 whatever", "unknown", "policy_rejected"),
    # 5.7.x dressed as 5.1.1: the words are about us.
    (0, "rcpt", 550, "5.1.1 Your IP has been blocked by our blocklist", "unknown", "ip_blocked"),
    (0, "rcpt", 550, "5.1.1 Sender verify failed", "unknown", "sender_rejected"),
]


@pytest.mark.parametrize("row, stage, code, text, outcome, sub_status", TABLE)
def test_every_row_of_the_table(row, stage, code, text, outcome, sub_status):
    found = reading(stage, code, *text.split("\n"))
    assert (found.outcome, found.sub_status) == (outcome, sub_status)


def test_a_refusal_in_spite_of_a_policy_code_counts_less():
    assert reading("rcpt", 550, "5.7.1 No such user here").is_uncertain
    assert not reading("rcpt", 550, "5.1.1 No such user here").is_uncertain


@pytest.mark.parametrize("row, stage, code, text, outcome, sub_status", TABLE)
@pytest.mark.parametrize(
    "local", ["disabled", "blocked", "quota.full", "no.such.user", "spamhaus", "5.1.1", "a"]
)
def test_words_in_the_address_change_nothing(row, stage, code, text, outcome, sub_status, local):
    address = f"{local}@blocked-greylist.com"
    echoed = [f"{line} <{address}>: {address} [{address}]" for line in text.split("\n")]
    found = reading(stage, code, *echoed, address=address)
    assert (found.outcome, found.sub_status) == (outcome, sub_status)


@pytest.mark.parametrize("row, stage, code, text, outcome, sub_status", TABLE)
def test_layout_and_case_change_nothing(row, stage, code, text, outcome, sub_status):
    upper = text.upper().split("\n")
    enhanced, _, rest = text.partition(" ")
    words = (
        [enhanced, *rest.split(" ")] if enhanced_code(Reply(code, (enhanced,)), ADDRESS) else text.split(" ")
    )
    for lines in (upper, words, [*text.split("\n"), "\ufffd\ufffd see our page"]):
        found = reading(stage, code, *lines)
        assert (found.outcome, found.sub_status) == (outcome, sub_status), lines


@given(st.integers(400, 499), st.text(max_size=200), st.sampled_from(["banner", "ehlo", "mail", "rcpt"]))
def test_no_temporary_reply_is_final(code, text, stage):
    assert reading(stage, code, text).outcome in {"unknown", "full"}


@given(st.integers(500, 599), st.text(max_size=200), st.sampled_from(["ehlo", "mail"]))
def test_nothing_said_before_the_recipient_is_about_the_mailbox(code, text, stage):
    assert reading(stage, code, text).outcome in {"unknown", "helo", "tls", "sender"}


@given(st.sampled_from([550, 554]), st.integers(0, 999), st.text(alphabet="abcdef ghi", max_size=40))
def test_policy_without_clear_words_never_refuses(code, detail, text):
    assert reading("rcpt", code, f"5.7.{detail} {text}").outcome != "refused"


def test_numbers_of_machines_are_no_enhanced_codes():
    assert enhanced_code(Reply(550, ("host 5.1.1.9 says", "5.7.1 no")), ADDRESS) == "5.7.1"
    assert enhanced_code(Reply(550, ("(#5.1.1)",)), ADDRESS) == "5.1.1"


def test_kept_texts_are_masked_and_short():
    text = masked(f"no {ADDRESS} <anna.keller> at corp-lab.com " + "x" * 9_000, ADDRESS)
    assert "anna" not in text
    assert "corp-lab" not in text
    assert len(text) <= 500
