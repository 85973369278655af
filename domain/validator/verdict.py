"""What is said of an address: the words, the parts of a verdict, and how findings become one.

Nothing here knows sockets. Only what was proved may be called invalid; whatever was not learned is None.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, Literal

import msgspec

Reachable = Literal["safe", "risky", "invalid", "unknown"]
Status = Literal["valid", "invalid", "accept_all", "webmail", "disposable", "unknown"]

SUB_STATUSES: Final = frozenset(
    {
        "mailbox_not_found", "mailbox_disabled", "mailbox_full", "moved", "accept_all", "role_account",
        "disposable", "webmail", "greylisted", "rate_limited", "temporary_error", "soft_unknown_user",
        "system_full", "ip_blocked", "policy_rejected", "needs_rdns", "sender_rejected", "tls_required",
        "auth_required", "relay_denied", "routing_error", "protocol_error", "smtputf8_unsupported", "timeout",
        "connection_refused", "connection_dropped", "dns_error", "domain_not_found", "no_mx", "null_mx",
        "blocked_address", "invalid_syntax",
    }
)  # fmt: skip

# Probability in per cent that mail arrives, as far as the kind of finding tells.
_SCORES: Final = {
    "safe": 97,
    "role": 75,
    "accept_all": 60,
    "unknown": 50,
    "mailbox_full": 35,
    "disposable": 20,
}
_UNCERTAIN_INVALID: Final = 10


@dataclass(frozen=True, slots=True)
class Syntax:
    """The address as text."""

    is_valid_syntax: bool = False
    username: str = ""
    domain: str = ""
    domain_ascii: str = ""
    normalized_email: str | None = None
    suggestion: str | None = None


@dataclass(frozen=True, slots=True)
class Exchange:
    """What the DNS says of the domain's mail servers."""

    accepts_mail: bool | None = None
    records: tuple[str, ...] = ()
    implicit: bool = False
    provider: str = "other"


@dataclass(frozen=True, slots=True)
class Smtp:
    """What the mail server's replies to this very address say; None is not learned."""

    can_connect_smtp: bool | None = None
    is_deliverable: bool | None = None
    is_catch_all: bool | None = None
    has_full_inbox: bool | None = None
    is_disabled: bool | None = None


@dataclass(frozen=True, slots=True)
class SmtpReply:
    """The reply that decided, its text cut and without the address."""

    stage: str
    code: int
    enhanced: str | None
    text: str
    host: str


@dataclass(frozen=True, slots=True)
class Kind:
    """What the lists and the look of the address say."""

    is_disposable: bool = False
    is_role_account: bool = False
    is_b2c: bool = False
    is_gibberish: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The outcome of DNS and SMTP, before the lists are heard."""

    reachable: Reachable
    sub_status: str | None = None
    can_retry: bool = False
    is_uncertain: bool = False
    mx: Exchange = Exchange()
    smtp: Smtp = Smtp()
    reply: SmtpReply | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The whole answer for one address, in the shape in which it is stored."""

    input: str
    is_reachable: Reachable
    status: Status
    sub_status: str | None
    score: int
    retry: bool = False
    retry_after: datetime | None = None
    checked_at: datetime
    attempts: int = 1
    cached: bool = False
    syntax: Syntax = Syntax()
    mx: Exchange = Exchange()
    smtp: Smtp = Smtp()
    smtp_reply: SmtpReply | None = None
    misc: Kind = field(default_factory=Kind)

    def as_json(self) -> dict[str, Any]:
        """Plain values, times as ISO texts."""
        plain: dict[str, Any] = msgspec.to_builtins(self, builtin_types=(datetime,))
        plain["checked_at"] = self.checked_at.isoformat()
        plain["retry_after"] = self.retry_after.isoformat() if self.retry_after else None
        plain["mx"]["records"] = list(self.mx.records)
        return plain


def from_json(plain: dict[str, Any]) -> Verdict:
    """The verdict that `as_json` made plain."""
    parts = dict(plain)
    retry_after, reply = parts["retry_after"], parts["smtp_reply"]
    mx = {**parts["mx"], "records": tuple(parts["mx"]["records"])}
    return Verdict(
        **{
            **parts,
            "checked_at": datetime.fromisoformat(parts["checked_at"]),
            "retry_after": datetime.fromisoformat(retry_after) if retry_after else None,
            "syntax": Syntax(**parts["syntax"]),
            "mx": Exchange(**mx),
            "smtp": Smtp(**parts["smtp"]),
            "smtp_reply": SmtpReply(**reply) if reply else None,
            "misc": Kind(**parts["misc"]),
        }
    )


def decide(
    *, given: str, syntax: Syntax, kind: Kind, finding: Finding, at: datetime, attempts: int
) -> Verdict:
    """Weigh the finding and the lists: proved invalid first, then disposable, catch-all, full, role, safe."""
    reachable, status, sub_status, score = _weigh(kind, finding)
    return Verdict(
        input=given,
        is_reachable=reachable,
        status=status,
        sub_status=sub_status,
        score=score,
        retry=finding.can_retry and reachable == "unknown",
        checked_at=at,
        attempts=attempts,
        syntax=syntax,
        mx=finding.mx,
        smtp=finding.smtp,
        smtp_reply=finding.reply,
        misc=kind,
    )


def unfinished(given: str, *, at: datetime, again_at: datetime) -> Verdict:
    """What is said of an address as long as the talk about it goes on."""
    return Verdict(
        input=given,
        is_reachable="unknown",
        status="unknown",
        sub_status="timeout",
        score=_SCORES["unknown"],
        retry=True,
        retry_after=again_at,
        checked_at=at,
        attempts=0,
    )


def as_cached(verdict: Verdict, *, given: str) -> Verdict:
    """The same verdict for somebody who asks again."""
    return replace(verdict, input=given, cached=True)


def _weigh(kind: Kind, finding: Finding) -> tuple[Reachable, Status, str | None, int]:
    found = finding.sub_status
    if finding.reachable == "invalid":
        return "invalid", "invalid", found, _UNCERTAIN_INVALID if finding.is_uncertain else 0
    if kind.is_disposable:
        return "risky", "disposable", "disposable", _SCORES["disposable"]
    if finding.reachable == "safe":
        if kind.is_role_account:
            return "risky", "valid", "role_account", _SCORES["role"]
        status: Status = "webmail" if kind.is_b2c else "valid"
        return "safe", status, "webmail" if kind.is_b2c else None, _SCORES["safe"]
    status = "accept_all" if found == "accept_all" else "unknown"
    return finding.reachable, status, found, _SCORES.get(found or "", _SCORES["unknown"])
