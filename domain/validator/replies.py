"""What a mail server's reply means: the class of its code first, then the enhanced code, then its words.

A refusal counts against a mailbox only when it speaks of the recipient and not of us (blocked, unlisted,
unauthenticated). Words are read without the address they echo, so that `disabled@` is not a disabled
mailbox. What no rule knows is never held against the mailbox.
"""

import re
from dataclasses import dataclass
from typing import Final, Literal

from domain.validator.phrases import FIRST, TEMPORARY, WORDS

Stage = Literal["banner", "ehlo", "mail", "rcpt"]
# accepted and refused are about the mailbox; the three last tell the dialogue what to try.
Outcome = Literal[
    "accepted", "forwarded", "uncertain", "refused", "full", "unknown", "no_mail", "helo", "tls", "sender"
]

MAX_TEXT: Final = 500
_ENHANCED: Final = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d]|\.\d)")
_ADDRESS_LIKE: Final = re.compile(r"[^\s<>\"'(),:;]+@[^\s<>\"'(),:;]+")
_REFUSALS: Final = frozenset(
    {
        "mailbox_not_found",
        "mailbox_disabled",
        "domain_not_found",
        "moved",
        "null_mx",
        "smtputf8_unsupported",
    }
)
# What is said of us or the way, not of the mailbox, and passes with time.
_PASSING: Final = frozenset({"ip_blocked", "rate_limited", "temporary_error", "system_full"})


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply as it came: its code and its lines, decoded with replacement."""

    code: int
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        return " ".join(line.strip() for line in self.lines if line.strip())

    @property
    def is_positive(self) -> bool:
        return 200 <= self.code < 400


@dataclass(frozen=True, slots=True)
class Reading:
    """A reply understood."""

    outcome: Outcome
    sub_status: str | None = None
    can_retry: bool = False
    # Whether another of the domain's servers may know better.
    asks_next_host: bool = False
    # Whether the words convinced against a code that is about policy.
    is_uncertain: bool = False

    @property
    def refuses_mailbox(self) -> bool:
        """Whether it tells an unknown mailbox from a known one, be it for now."""
        return self.outcome == "refused" or self.sub_status == "soft_unknown_user"


def enhanced_code(reply: Reply, address: str) -> str | None:
    """The first X.Y.Z in any line, of an address's digits none."""
    for line in reply.lines:
        found = _ENHANCED.search(masked(line[:MAX_TEXT], address))
        if found:
            return found[1]
    return None


def masked(text: str, address: str) -> str:
    """The text without the address and whatever else looks like one, for logs and for reading."""
    local, _, domain = address.partition("@")
    lower = text.lower()
    bare = _ADDRESS_LIKE.sub("<address>", text) if "@" in text else text
    # Most replies echo nothing, and a pattern of its own for each address costs more than the talk.
    if domain.lower() in lower:
        bare = re.sub(rf"(?i)(?<![\w.-]){re.escape(domain)}(?![\w-])", "<domain>", bare)
    if local.lower() in lower:
        word = re.escape(local)
        # The local part alone only where it is quoted or named: "user" in "user unknown" is a word.
        bare = re.sub(rf"(?i)([<\"'(\[]){word}([>\"')\]])", r"\1address\2", bare)
        bare = re.sub(rf"(?i)(:\s+){word}(?=\s|$|[.,;:])", r"\1<address>", bare)
    return bare[:MAX_TEXT]


def read(reply: Reply, *, stage: Stage, address: str) -> Reading:
    """Understand a reply to what was said at `stage` about `address`."""
    text = _normal(masked(" ".join(reply.lines)[: 4 * MAX_TEXT], address))
    enhanced = enhanced_code(reply, address)
    if stage == "rcpt":
        if reply.code in {250, 251, 252}:
            return Reading({250: "accepted", 251: "forwarded", 252: "uncertain"}[reply.code])  # type: ignore[arg-type]
        if reply.code // 100 == 5:
            return _refusal(reply.code, _subject(enhanced), text)
    if reply.code // 100 == 4:
        return _temporary(reply.code, _subject(enhanced), text)
    if reply.code // 100 != 5:
        return Reading("unknown", "protocol_error")
    return _before_recipient(reply.code, _subject(enhanced), text, stage)


def _normal(text: str) -> str:
    return re.sub(r"\s+", " ", text.casefold().replace("’", "'"))


def _subject(enhanced: str | None) -> str:
    """The enhanced code without its class, which the reply's own code tells better."""
    return enhanced.partition(".")[2] if enhanced else ""


def _said(text: str, table: tuple[tuple[str, re.Pattern[str]], ...]) -> str | None:
    return next((name for name, words in table if words.search(text)), None)


# ---- class 4: never final ----

_TEMPORARY_CODES: Final = {
    "3.1": "system_full",
    "5.3": "rate_limited",
    "2.1": "rate_limited",
    "1.1": "soft_unknown_user",
    "1.7": "sender_rejected",
    "1.8": "sender_rejected",
    "7.25": "needs_rdns",
    "7.500": "rate_limited",
}


def _temporary(code: int, subject: str, text: str) -> Reading:
    if code == 421:
        said = _said(text, TEMPORARY)
        name = said if said in {"ip_blocked", "greylisted", "needs_rdns"} else "rate_limited"
        return Reading("unknown", name, can_retry=True, asks_next_host=name != "ip_blocked")
    if subject == "2.2":
        return Reading("full", "mailbox_full")
    if _is_banned(subject):
        return Reading("unknown", "ip_blocked", can_retry=True)
    name = _TEMPORARY_CODES.get(subject) or _said(text, TEMPORARY) or "temporary_error"
    if name == "mailbox_full":
        return Reading("full", name)
    return Reading("unknown", name, can_retry=True)


# ---- class 5 in answer to the recipient ----

_SUBJECTS: Final = {
    "1.1": "mailbox_not_found",
    "1.10": "mailbox_not_found",
    "1.2": "domain_not_found",
    "1.3": "mailbox_not_found",
    "1.6": "moved",
    "1.7": "sender_rejected",
    "1.8": "sender_rejected",
    "2.1": "mailbox_disabled",
    "2.2": "mailbox_full",
    "2.3": "system_full",
    "3.1": "system_full",
    "3.4": "system_full",
    "4.6": "routing_error",
    "4.14": "routing_error",
    "5.1": "protocol_error",
    "5.2": "protocol_error",
    "5.3": "rate_limited",
    "5.4": "protocol_error",
    "6.7": "smtputf8_unsupported",
    "7.23": "policy_rejected",
    "7.25": "needs_rdns",
    "7.26": "policy_rejected",
    "7.57": "auth_required",
    "7.124": "policy_rejected",
    "7.133": "policy_rejected",
}
_CODES: Final = {
    501: "protocol_error",
    503: "protocol_error",
    504: "protocol_error",
    530: "auth_required",
    535: "auth_required",
    551: "moved",
    552: "system_full",
    556: "null_mx",
}


def _refusal(code: int, subject: str, text: str) -> Reading:
    if code == 556 or "null mx" in text:
        return Reading("refused", "null_mx")
    about_us = _said(text, FIRST)
    if about_us == "tls_required":
        return Reading("tls", about_us)
    if about_us is not None:
        return _known(about_us)
    return _by_subject(code, subject, text) or _by_words(code, subject, text)


def _by_subject(code: int, subject: str, text: str) -> Reading | None:
    name: str | None
    if subject == "1.0":
        name = "sender_rejected" if "sender" in text else "mailbox_not_found"
    elif subject == "4.1":
        is_edge = "recipient address rejected" in text and "access denied" in text
        name = "mailbox_not_found" if is_edge else "routing_error"
    elif subject == "5.0":
        is_missing = "mailbox unavailable" in text or _said(text, WORDS) == "mailbox_not_found"
        name = "mailbox_not_found" if is_missing else "protocol_error"
    elif _is_banned(subject):
        name = "ip_blocked"
    elif subject.startswith("7.") and subject not in _SUBJECTS:
        said = _said(text, WORDS)
        if said in _REFUSALS and code != 554:
            return Reading("refused", said, is_uncertain=True)
        name = "policy_rejected"
    else:
        name = _SUBJECTS.get(subject) or ("routing_error" if subject.startswith("4.") else None)
    return _known(name) if name else None


def _is_banned(subject: str) -> bool:
    """5.7.6xx, by which Microsoft refuses the sending machine."""
    return subject.startswith("7.6") and len(subject) == 5


def _by_words(code: int, subject: str, text: str) -> Reading:
    said = _said(text, WORDS)
    if said is not None and not subject:
        return _known(said)
    return _known(
        _CODES.get(code, said if said in {"mailbox_full", "system_full"} else None) or "policy_rejected"
    )


def _known(name: str) -> Reading:
    if name in _REFUSALS:
        return Reading("refused", name)
    if name == "mailbox_full":
        return Reading("full", name)
    return Reading("unknown", name, can_retry=name in _PASSING)


# ---- class 5 before any recipient was named: nothing of it is about the mailbox ----


def _before_recipient(code: int, subject: str, text: str, stage: Stage) -> Reading:
    if stage == "banner" and (code == 521 or subject == "3.2"):
        return Reading("no_mail", "no_mx", asks_next_host=True)
    if stage == "ehlo" and code in {500, 501, 502} and "helo" not in text.replace("ehlo", ""):
        return Reading("helo", "protocol_error")
    about_us = _said(text, FIRST)
    if about_us == "tls_required" or (stage == "mail" and code == 530 and subject == "7.0"):
        return Reading("tls", "tls_required")
    if stage == "mail" and (about_us == "sender_rejected" or subject in {"1.7", "1.8"} or "sender" in text):
        return Reading("sender", "sender_rejected")
    if about_us is not None:
        return _known(about_us)
    name = _SUBJECTS.get(subject) or _CODES.get(code) or "policy_rejected"
    if _is_banned(subject):
        name = "ip_blocked"
    reading = _known(name)
    return reading if reading.outcome == "unknown" else Reading("unknown", "policy_rejected")
