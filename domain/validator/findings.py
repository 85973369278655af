"""From what the DNS and the servers said to what it means for the address: the rules, without sockets."""

from dataclasses import replace

from domain.validator.dialogue import Heard
from domain.validator.replies import Reading, enhanced_code, masked
from domain.validator.resolver import Host, Route
from domain.validator.syntax import Address
from domain.validator.verdict import Exchange, Finding, Smtp, SmtpReply


def from_dns(route: Route, mx: Exchange) -> Finding:
    """A route that leads nowhere."""
    return Finding(
        reachable="invalid" if route.is_proved else "unknown",
        sub_status=route.problem,
        can_retry=route.problem == "dns_error",
        mx=mx,
    )


def catch_all(probe: Reading) -> bool | None:
    """What the answer to a made-up name says: it takes all, it tells them apart, or nothing."""
    if probe.outcome in {"accepted", "forwarded"}:
        return True
    return False if probe.refuses_mailbox else None


def from_smtp(
    heard: Heard, address: Address, *, host: Host, mx: Exchange, is_catch_all: bool | None, accepts_all: bool
) -> Finding:
    """What a server's answer says of the address, given whether the domain takes every name."""
    reading = heard.reading
    smtp = Smtp(can_connect_smtp=heard.has_connected, is_catch_all=is_catch_all)
    base = Finding(
        reachable="unknown",
        sub_status=reading.sub_status,
        mx=mx,
        smtp=smtp,
        reply=_kept(heard, address, host),
    )
    match reading.outcome:
        case "accepted" | "forwarded":
            return _accepted(base, heard.probe, accepts_all=accepts_all)
        case "uncertain":
            return replace(base, reachable="risky", sub_status=None)
        case "full":
            smtp = replace(smtp, has_full_inbox=True, is_deliverable=False)
            return replace(base, reachable="risky", smtp=smtp)
        case "refused":
            disabled = True if reading.sub_status == "mailbox_disabled" else None
            smtp = replace(smtp, is_deliverable=False, is_disabled=disabled)
            return replace(base, reachable="invalid", smtp=smtp, is_uncertain=reading.is_uncertain)
        case "no_mail":
            return replace(base, reachable="invalid", mx=replace(mx, accepts_mail=False))
        case _:
            return replace(base, can_retry=reading.can_retry)


def _accepted(base: Finding, probe: Reading | None, *, accepts_all: bool) -> Finding:
    accepted = replace(base, smtp=replace(base.smtp, is_deliverable=True))
    if base.smtp.is_catch_all or accepts_all:
        return replace(accepted, reachable="risky", sub_status="accept_all")
    if base.smtp.is_catch_all is False:
        return replace(accepted, reachable="safe", sub_status=None)
    why = probe.sub_status if probe is not None else None
    return replace(accepted, sub_status=why or "temporary_error", can_retry=True)


def _kept(heard: Heard, address: Address, host: Host) -> SmtpReply | None:
    if heard.reply is None or heard.stage is None:
        return None
    return SmtpReply(
        stage=heard.stage,
        code=heard.reply.code,
        enhanced=enhanced_code(heard.reply, address.text),
        text=masked(heard.reply.text[:2_000], address.text),
        host=host.name,
    )
