"""An address as text: what is one, in which spelling it is asked for, and what was probably meant.

The domain becomes lower-case ASCII (IDNA 2008); of the local part nothing is stripped or changed.
"""

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

import email_validator
import idna
from rapidfuzz.distance import DamerauLevenshtein

from domain.validator.verdict import Syntax

MAX_LENGTH: Final = 320
# Names that the DNS never resolves to somebody's mail. `.example` stays: documents and demos live there,
# and the DNS itself knows that it does not exist.
_SPECIAL: Final = frozenset(
    {
        "test",
        "invalid",
        "localhost",
        "local",
        "localdomain",
        "onion",
        "arpa",
        "internal",
        "lan",
        "home",
        "corp",
    }
)
_FREE_NAMES: Final = (
    "gmail.com", "googlemail.com", "yahoo.com", "hotmail.com", "outlook.com",
    "icloud.com", "aol.com",
    "gmx.de", "web.de", "live.com", "msn.com", "protonmail.com", "yandex.ru",
    "mail.ru", "hotmail.fr", "yahoo.fr",
)  # fmt: skip
_LABEL: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


class BadAddress(ValueError):
    """The text is no address that can be asked for; the message says why."""


@dataclass(frozen=True, slots=True)
class Address:
    """An address fit to be said to a mail server."""

    local: str
    domain: str
    domain_unicode: str

    @property
    def text(self) -> str:
        return f"{self.local}@{self.domain}"


def read_address(text: str) -> Address:
    """The address that a text is, but for blanks around it; raises `BadAddress`."""
    bare = text.strip(" \t")
    if any(unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"} for c in bare):
        raise BadAddress("holds control or invisible characters")
    if not bare:
        raise BadAddress("is empty")
    if len(bare) > MAX_LENGTH:
        raise BadAddress("is too long")
    local, at, domain = bare.rpartition("@")
    if not at or not local or not domain:
        raise BadAddress("is not of the form name@domain")
    host = read_host(domain)
    try:
        # The domain is read above by stricter rules; here a neutral one keeps special names out of the way.
        checked = email_validator.validate_email(
            f"{local}@neutral-domain.com",
            check_deliverability=False,
            allow_quoted_local=False,
            allow_smtputf8=True,
        )
    except email_validator.EmailNotValidError as error:
        raise BadAddress(_reason(error)) from None
    if len(checked.local_part.encode()) > 64 or len(checked.local_part.encode()) + len(host) > 253:
        raise BadAddress("is too long")
    return Address(checked.local_part, host, idna.decode(host))


def read_host(text: str) -> str:
    """A host name in lower-case ASCII that may have mail; raises `BadAddress`."""
    bare = text.strip().rstrip(".").lower()
    if bare.startswith("["):
        raise BadAddress("names a machine by its number, not a domain")
    try:
        host = idna.encode(bare, uts46=True, std3_rules=True).decode() if bare else ""
    except (idna.IDNAError, UnicodeError):
        raise BadAddress("has a domain that cannot be read") from None
    labels = host.split(".")
    if len(labels) < 2:
        raise BadAddress("has a domain of a single word")
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise BadAddress("has a domain that cannot be read")
    if labels[-1].isdigit() or labels[-1].startswith("0x"):
        raise BadAddress("names a machine by its number, not a domain")
    if labels[-1] in _SPECIAL:
        raise BadAddress(f"is under .{labels[-1]}, which has no mail on the public Internet")
    return host


def describe(address: Address) -> Syntax:
    """The section `syntax` of a verdict."""
    return Syntax(
        is_valid_syntax=True,
        username=address.local,
        domain=address.domain_unicode,
        domain_ascii=address.domain,
        normalized_email=address.text,
        suggestion=suggestion(address),
    )


def suggestion(address: Address) -> str | None:
    """What was probably meant, where the domain is one slip away from a great provider's."""
    if address.domain in _FREE_NAMES:
        return None
    near = [name for name in _FREE_NAMES if DamerauLevenshtein.distance(name, address.domain) == 1]
    return f"{address.local}@{near[0]}" if near and len(address.domain) > 6 else None


def cache_key(address: Address) -> str:
    """What spellings of one mailbox have in common; providers that ignore dots and tags are known."""
    local = address.local.lower()
    if address.domain in {"gmail.com", "googlemail.com"}:
        local = local.partition("+")[0].replace(".", "")
        return f"{local}@gmail.com"
    return f"{local}@{address.domain}"


def _reason(error: Exception) -> str:
    first = str(error).partition(". ")[0].rstrip(".")
    return f"is not an address: {first[0].lower()}{first[1:]}" if first else "is not an address"
