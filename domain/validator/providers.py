"""Whose servers a host belongs to: the group that limits are kept by, and what is known of its answers."""

from typing import Final

import tldextract

_extract = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None, fallback_to_snapshot=True)

_SUFFIXES: Final = {
    "google.com": "google",
    "googlemail.com": "google",
    "protection.outlook.com": "microsoft",
    "outlook.com": "microsoft",
    "mx.microsoft": "microsoft",
    "yahoodns.net": "yahoo",
    "pphosted.com": "proofpoint",
    "ppe-hosted.com": "proofpoint",
    "mimecast.com": "mimecast",
    "mimecast.co.za": "mimecast",
}
# Consumer domains that refuse unknown recipients at RCPT; a second recipient in a row is held against us.
HONEST_DOMAINS: Final = frozenset(
    {"gmail.com", "googlemail.com", "outlook.com", "hotmail.com", "live.com", "msn.com", "icloud.com"}
)
# They accept every recipient, or accept now and bounce later: an acceptance proves nothing.
ACCEPTING_DOMAINS: Final = frozenset({"mail.ru", "bk.ru", "inbox.ru", "list.ru", "aol.com", "ymail.com"})


def provider(host: str) -> str:
    """The provider whose servers take the mail, by the end of the host's name."""
    labels = host.lower().rstrip(".").split(".")
    for start in range(len(labels) - 1):
        found = _SUFFIXES.get(".".join(labels[start:]))
        if found is not None:
            return found
    return "other"


def group(host: str) -> str:
    """What shares limits: a known provider, else the registered domain of the host."""
    known = provider(host)
    if known != "other":
        return known
    return _extract(host).top_domain_under_public_suffix or ".".join(host.rsplit(".", 2)[-2:])


def accepts_everybody(domain: str, host: str) -> bool:
    return provider(host) == "yahoo" or domain in ACCEPTING_DOMAINS or domain.startswith("yahoo.")
