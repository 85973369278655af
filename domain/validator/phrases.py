"""The words by which mail servers say what they mean, as patterns over lower-case text without addresses."""

import re
from typing import Final

Table = tuple[tuple[str, re.Pattern[str]], ...]


def _table(*rows: tuple[str, str]) -> Table:
    return tuple((name, re.compile(pattern)) for name, pattern in rows)


_BLOCKED: Final = (
    r"\bblock(?:ed)? ?-?list|\bblack ?-?list|\bdeny ?-?list|spamhaus|spamcop|barracudacentral|\bsorbs\b"
    r"|uceprotect|\bdnsbl|\brbls?\b|reputation|banned|client host (?:\S+ )?(?:rejected|blocked)"
    r"|(?:\bip\b|host|client|connection|message|sender|server|network|service|you|mail)\b.{0,50}\bblocked\b"
    r"|\bblocked\b.{0,20}\b(?:using|by|due|for|because)\b"
)
_RDNS: Final = r"reverse (?:hostname|dns|lookup)|\bptr\b|\brdns\b|cannot find your (?:reverse )?host ?name"
_SENDER: Final = (
    r"sender verif\w+|sender(?:'s)? address|sender (?:rejected|denied|refused|domain|unknown)|invalid sender"
    r"|null sender|unknown sender|callout|empty (?:sender|envelope)|mail from (?:is )?(?:rejected|not)"
)

# What is about us or about the way. It outweighs a code that says "no such mailbox".
FIRST: Final = _table(
    (
        "tls_required",
        r"\bmust (?:first )?(?:issue|use) a? ?(?:starttls|tls)|starttls (?:is )?(?:required|first)",
    ),
    ("needs_rdns", _RDNS),
    ("sender_rejected", _SENDER),
    (
        "relay_denied",
        r"\brelay(?:ing)?\b.{0,30}\b(?:denied|prohibited|not|refused)|unable to relay|rcpthosts|relaying",
    ),
    ("ip_blocked", _BLOCKED),
    (
        "auth_required",
        r"\bauthenticat(?:ion required|e first)|not authenticated|auth(?:entication)? (?:is )?required",
    ),
    (
        "protocol_error",
        r"\bhelo\b.{0,30}(?:rejected|invalid|refused)|fully[- ]qualified|need (?:mail|rcpt) command",
    ),
    ("routing_error", r"mail loop|hop count|too many hops|routing loop"),
    ("policy_rejected", r"\b(?:spf|dmarc|dkim)\b|administrative(?:ly)? prohibit"),
)

_THING: Final = r"(?:user|recipient|mailbox|account|address|inbox|person|customer|alias|addressee)"

_FULL: Final = (
    r"over ?quota|quota (?:is )?exceed|exceed\w* .{0,20}quota|(?:mail|in)box (?:is )?full|exceed\w* storage"
    r"|storage allocation|(?:mail|in)box .{0,20}(?:exceed|size limit)|boîte .{0,10}pleine"
    r"|postfach .{0,10}voll|buzón .{0,10}lleno"
)
_DISABLED: Final = (
    rf"{_THING}.{{0,60}}\b(?:disabled|inactive|suspended|discontinued|deactivated|expired|closed)\b"
    rf"|\b(?:disabled|inactive|suspended|deactivated)\b {_THING}"
)
_NOT_FOUND: Final = (
    rf"\bno such {_THING}|unknown (?:local )?{_THING}|{_THING} (?:is )?unknown"
    rf"|\bno {_THING} (?:here|by that name)"
    rf"|{_THING}.{{0,40}}\b(?:not found|could not be found|does(?:n't| not) exist|not exist|no longer exists)"
    rf"|{_THING}.{{0,20}}\bdoes(?:n't| not) have an? .{{0,40}}account|invalid {_THING}"
    rf"|not a (?:valid|known) {_THING}|un-?routeable address|\bnot our {_THING}|recipientnotfound"
    rf"|{_THING} .{{0,20}}syntax rejected|{_THING} not (?:known|listed|valid)|misspelled"
    r"|utilisateur inconnu|destinataire (?:inconnu|inexistant)|boîte .{0,20}inexistante|adresse inconnue"
    r"|(?:benutzer|empfänger|postfach|adresse) .{0,20}(?:unbekannt|existiert nicht|nicht gefunden)"
    r"|(?:usuario|destinatario|buzón) .{0,10}(?:desconocido|no existe|inexistente)"
    r"|(?:utente|casella) .{0,10}(?:sconosciut|inesistente|non esiste)"
    r"|(?:usuário|destinatário) .{0,10}(?:desconhecido|inexistente|não existe)"
    r"|пользователь не найден|用户不存在|存在しません"
)
_NO_DOMAIN: Final = (
    r"bad destination system|(?:host|domain) (?:is )?(?:unknown|not found)|unknown (?:host|domain)"
)

# What is about the mailbox, or about the host's room.
WORDS: Final = _table(
    ("mailbox_full", _FULL),
    ("system_full", r"message size|insufficient (?:system )?storage|too large|disk (?:is )?full"),
    ("rate_limited", r"too many (?:recipients|connections|messages)|rate limit"),
    ("mailbox_disabled", _DISABLED),
    ("smtputf8_unsupported", r"smtputf8"),
    ("domain_not_found", _NO_DOMAIN),
    ("mailbox_not_found", _NOT_FOUND),
)

# Of class 4, where the codes do not tell.
TEMPORARY: Final = _table(
    ("greylisted", r"gr[ea]y-?\s?list|postgrey|come back (?:later|in)"),
    ("needs_rdns", _RDNS),
    ("ip_blocked", _BLOCKED),
    ("sender_rejected", _SENDER),
    ("mailbox_full", r"over ?quota|quota exceeded|mailbox (?:is )?full"),
    ("system_full", r"insufficient (?:system )?storage"),
    ("rate_limited", r"too many|rate ?limit|throttl|server (?:is )?busy|receiving mail at a rate"),
    ("soft_unknown_user", r"user (?:is )?unknown|unknown (?:user|recipient)|no such (?:user|recipient)"),
)
