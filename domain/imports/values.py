"""Readers of single values: text from a file becomes the one form that is stored, or a `ValueProblem`.

A reader is given text that is not blank (`is_blank` says what is). It never guesses at what a person
could not read, and it never looks anything up outside of the process.
"""

import re
from functools import lru_cache
from typing import Any, Literal
from urllib.parse import unquote

import email_validator
import idna
import phonenumbers
import tldextract
from phonenumbers.phonemetadata import PhoneMetadata

from core.text import clean
from domain.imports.dates import DateHabit, date_doubt, date_habit, is_open_end, read_date, read_datetime
from domain.imports.numbers import (
    NumberHabit,
    number_doubt,
    number_habit,
    read_coordinate,
    read_currency,
    read_headcount,
    read_money,
    read_number,
    read_year,
)
from domain.imports.problems import ValueProblem

__all__ = [
    "DateHabit",
    "NumberHabit",
    "ValueProblem",
    "date_doubt",
    "date_habit",
    "email_key",
    "is_blank",
    "is_open_end",
    "number_doubt",
    "number_habit",
    "read_bool",
    "read_coordinate",
    "read_currency",
    "read_date",
    "read_datetime",
    "read_domain",
    "read_email",
    "read_headcount",
    "read_linkedin_url",
    "read_list",
    "read_money",
    "read_name",
    "read_number",
    "read_phone",
    "read_website",
    "read_year",
]

# What files write where there is nothing. "None" and "Null" are surnames, so names have a shorter list.
_NO_NAME = frozenset(
    {"n/a", "#n/a", "-", "--", "---", "–", "—", ".", "?", "??", "(null)", "(none)", "(blank)", "<null>"}
)
_NO_VALUE = "na n.a. n.a nan null none nil unknown undefined k.a. s/o #value! #ref! #name? #null!"
_NOTHING = _NO_NAME.union(
    _NO_VALUE.split(),
    (
        "0000-00-00",
        "1900-01-00",
        "not available",
        "not applicable",
        "keine angabe",
        "n / a",
        "(not set)",
        "not set",
    ),
)


def is_blank(text: str, *, name: bool = False) -> bool:
    """Whether a cell says nothing: empty, or a stand-in such as "n/a"; a name has fewer stand-ins."""
    bare = text.strip()
    return not bare or (len(bare) < 16 and bare.lower() in (_NO_NAME if name else _NOTHING))


# ---- names and lists ----


def read_name(text: str) -> str:
    """A name as it is written, in NFC, without control characters or wrapping quotes.

    Capitals stay: "MCDONALD" is not known to be "McDonald", and search ignores the case anyway.
    """
    name = clean(text)
    if len(name) > 1 and name[0] == name[-1] and name[0] in "\"'":
        name = name[1:-1].strip()
    if not any(c.isalnum() for c in name):
        raise ValueProblem("holds no letter")
    return name


_SEPARATORS = re.compile(r"\s*[;|\n]\s*")


@lru_cache(maxsize=8192)
def _split(text: str, separator: str | None) -> tuple[str, ...]:
    pieces = text.split(separator) if separator else _SEPARATORS.split(text)
    cleaned = (clean(piece) for piece in pieces)
    return tuple(dict.fromkeys(piece for piece in cleaned if not is_blank(piece)))


def read_list(text: str, separator: str | None = None) -> list[str]:
    """The items of a cell, split at `;`, `|` and line ends (or at `separator` alone), each once.

    JSON and PostgreSQL arrays (`["a", "b"]`, `{a,b}`) are lists, too.
    """
    bare = text.strip()
    if len(bare) > 1 and bare[0] + bare[-1] in {"[]", "{}"}:
        inner = bare[1:-1]
        pieces = re.findall(r'\s*"((?:[^"\\]|\\.)*)"\s*|([^,]+)', inner)
        items = (clean((quoted or plain).replace('\\"', '"').strip(" '")) for quoted, plain in pieces)
        return list(dict.fromkeys(item for item in items if not is_blank(item)))
    return list(_split(bare, separator))


_YES = "true t yes y 1 ja j wahr oui o vrai si sí s verdadero x on ✓ checked"
_NO = "false f no n 0 nein falsch non faux falso off unchecked"
_TRUE, _FALSE = frozenset(_YES.split()), frozenset(_NO.split())


def read_bool(text: str) -> bool:
    word = text.strip().lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise ValueProblem("is neither yes nor no")


# ---- e-mail ----

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_PLAIN_EMAIL = re.compile(
    rf"({_ATOM}(?:\.{_ATOM})*)@((?:{_LABEL}\.)+[A-Za-z][A-Za-z0-9-]{{0,61}}[A-Za-z0-9])"
)
_NAMED_EMAIL = re.compile(r"^[^<>]*<([^<>]+)>$")


@lru_cache(maxsize=1024)
def read_email(text: str) -> str:
    """An address by its syntax alone, its domain in lower-case ASCII; "Anna <anna@acme.com>" is one, too."""
    plain = _PLAIN_EMAIL.fullmatch(text)
    if plain is None or "xn--" in text:
        return _unusual_email(text)
    local, domain = plain[1], plain[2]
    if len(local) > 64 or len(text) > 254:
        raise ValueProblem("is too long for an e-mail address")
    return f"{local}@{domain.lower()}"


def email_key(email: str) -> str:
    """What two spellings of one address have in common: nobody tells them apart by capitals."""
    return email.lower()


_REMARK = re.compile(r"\s*\([^()]*\)$")  # "anna@acme.com (work)"


def _unusual_email(text: str) -> str:
    bare = _REMARK.sub("", clean(text)).strip(" '\"\t,;.")
    several = [part for part in re.split(r"[\s;,|/]+", bare) if part]
    if len(several) > 1 and all(_PLAIN_EMAIL.fullmatch(part) for part in several):
        return read_email(several[0])
    named = _NAMED_EMAIL.match(bare)
    bare = (named[1] if named else bare).strip()
    if bare[:7].lower() == "mailto:":
        bare = unquote(bare[7:].partition("?")[0]).strip()
    local, at, domain = bare.rpartition("@")
    if not at or not local or not domain or "@" in local.strip('"'):
        raise ValueProblem("is not an e-mail address")
    host = _ascii_host(domain.rstrip("."))
    if host is None or not _HOST.fullmatch(host):
        raise ValueProblem("is not an e-mail address: its domain cannot be read")
    if _PLAIN_EMAIL.fullmatch(f"{local}@{host}") and len(local) <= 64 and len(local) + len(host) < 254:
        return f"{local}@{host}"
    try:
        # The domain is checked above; this one is only there so that names kept for documents pass, too.
        checked = email_validator.validate_email(
            f"{local}@neutral-domain.com", check_deliverability=False, allow_quoted_local=True
        )
    except email_validator.EmailNotValidError:
        raise ValueProblem("is not an e-mail address") from None
    return f"{checked.local_part}@{host}"


# ---- domains and web sites ----

_extract = tldextract.TLDExtract(
    suffix_list_urls=(), cache_dir=None, fallback_to_snapshot=True, include_psl_private_domains=True
)
_extract_public = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None, fallback_to_snapshot=True)
# RFC 2606 and 6761: no one can own these, so lists that are made up use them.
_RESERVED = frozenset({"example", "test", "invalid", "localhost"})
_HOST = re.compile(rf"(?:{_LABEL}\.)+{_LABEL}")
_URL = re.compile(
    r"^(?:(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*):)?/{0,3}(?:(?P<user>[^/@\s]*)@)?(?P<host>[^/:?#\s\\]+)"
    r"(?::(?P<port>\d{1,5}))?(?P<rest>[/?#]\S*)?$"
)


@lru_cache(maxsize=16_384)
def read_domain(text: str) -> str:
    """The registrable domain of a host, web or e-mail address: "https://www.acme.co.uk/x" -> "acme.co.uk".

    A site on a shared host keeps its own name ("acme.github.io"); names in other scripts become "xn--…".
    """
    host = _host_of(text)
    for extract in (_extract, _extract_public):
        found = extract(host)
        if found.suffix and found.domain:
            return f"{found.domain}.{found.suffix}"
    labels = host.split(".")
    if labels[-1] in _RESERVED and len(labels) > 1:
        return ".".join(labels[-2:])
    if _extract_public(host).suffix == host:
        raise ValueProblem("is a public suffix, not a domain of its own")
    raise ValueProblem(f"ends in .{labels[-1]}, which is no top-level domain")


@lru_cache(maxsize=16_384)
def read_website(text: str) -> str:
    """The address of a page with scheme (https where none is given) and lower-case host, without fragment."""
    found = _URL.match(clean(text).strip("\"'<>"))
    if found is None or found["user"] or "@" in (found["host"] or ""):
        raise ValueProblem("is not the address of a web site")
    scheme = (found["scheme"] or "https").lower()
    if scheme not in {"http", "https"}:
        raise ValueProblem("is not the address of a web site")
    host = _ascii_host(found["host"].rstrip("."))
    if host is None or not _HOST.fullmatch(host):
        raise ValueProblem("is not the address of a web site")
    read_domain(host)
    port = f":{found['port']}" if found["port"] not in {None, "80", "443"} else ""
    rest = (found["rest"] or "").partition("#")[0]
    if len(rest) > 2000:
        raise ValueProblem("is too long for the address of a web site")
    return f"{scheme}://{host}{port}{rest if rest != '/' else ''}"


def _host_of(text: str) -> str:
    bare = clean(text).strip("\"'<>").rstrip(".,;")
    if "@" in bare and "/" not in bare:
        bare = bare.rpartition("@")[2]
    found = _URL.match(bare)
    host = _ascii_host(found["host"].rstrip(".")) if found else None
    if host is None or not _HOST.fullmatch(host) or host.replace(".", "").isdigit():
        raise ValueProblem("is not a domain")
    return host


def _ascii_host(host: str) -> str | None:
    if host.isascii() and "xn--" not in host.lower():
        return host.lower() if len(host) <= 253 else None
    try:
        return idna.encode(host, uts46=True).decode().lower()
    except (idna.IDNAError, UnicodeError):
        return None


# ---- LinkedIn ----

_LINKEDIN = re.compile(
    r"^(?:https?:)?/{0,2}(?:[a-z]{2,3}\.)?(?:www\.|m\.|touch\.)?linkedin\.com/+(?P<path>[^?#\s]+)",
    re.IGNORECASE,
)
_BARE_LINKEDIN = re.compile(r"^/?(?:in|company|school|showcase|pub)/[^?#\s]+", re.IGNORECASE)
_PERSON_PAGES = frozenset({"in", "pub"})
_COMPANY_PAGES = frozenset({"company", "school", "showcase", "organization"})
# Ids that LinkedIn makes itself; unlike the names people choose, they are told apart by capitals.
_MADE_ID = re.compile(r"^A[Cc][a-zA-Z]A[A-Za-z0-9_-]{20,}$")

Page = Literal["person", "company"]


@lru_cache(maxsize=4096)
def read_linkedin_url(text: str, page: Page | None = None) -> str:
    """The one form of a profile's or a company page's address: https://www.linkedin.com/in/anna-mueller.

    With `page` an address of the other sort is refused: a company's page is no person's profile.
    """
    bare = text.strip().strip("\"'<>")
    found = _LINKEDIN.match(bare)
    path = found["path"] if found else bare if _BARE_LINKEDIN.match(bare) else ""
    parts = [unquote(part) for part in path.split("/") if part]
    if len(parts) >= 2 and parts[0].lower() == "sales" and parts[1].lower() in {"people", "lead", "company"}:
        return _sales_url(parts, page)
    kind = parts[0].lower() if parts else ""
    if len(parts) < 2 or kind not in _PERSON_PAGES | _COMPANY_PAGES:
        raise ValueProblem("is not the address of a LinkedIn profile or company page")
    _check_page(page, "person" if kind in _PERSON_PAGES else "company")
    name = clean(parts[1]).strip(" .,")
    if not name or len(name) > 200 or any(c in name for c in ' <>"\\'):
        raise ValueProblem("is not the address of a LinkedIn profile or company page")
    if not _MADE_ID.match(name):
        name = name.lower()
    if kind == "pub" and len(parts) >= 5:  # the old form: /pub/anna-mueller/1/23/456
        name = "/".join([name, *(part.lower() for part in parts[2:5])])
    return f"https://www.linkedin.com/{'company' if kind == 'organization' else kind}/{name}"


def _sales_url(parts: list[str], page: Page | None) -> str:
    kind, name = parts[1].lower(), (parts[2] if len(parts) > 2 else "").partition(",")[0]
    if not name:
        raise ValueProblem("is not the address of a LinkedIn profile or company page")
    if kind == "company":
        _check_page(page, "company")
        return f"https://www.linkedin.com/company/{name.lower()}"
    _check_page(page, "person")
    return f"https://www.linkedin.com/in/{name}"


def _check_page(wanted: Page | None, is_page: Page) -> None:
    if wanted == "person" and is_page == "company":
        raise ValueProblem("is a company's page on LinkedIn, not a person's")
    if wanted == "company" and is_page == "person":
        raise ValueProblem("is a person's profile on LinkedIn, not a company's page")


# ---- phone numbers ----

_EXTENSION = re.compile(
    r"(?:[,;]|\s)*(?:\bext(?:ension)?\b|\bdurchwahl\b|\bdw\b|\bposte\b|\bx|#|;ext=)\.?:?\s*\d{1,8}\s*$|"
    r",,?\d{1,8}#?$",
    re.IGNORECASE,
)
_LABEL_BEFORE = re.compile(
    r"^(?:(?:tel(?:efon|éfono|ephone)?|phone|mobile?|handy|cell|fax|t|m|p|ph|office|work|direct)\.?\s*:\s*|tel:)",
    re.IGNORECASE,
)
_SEVERAL_PHONES = re.compile(r"[;,|]|\s/\s|\s(?:or|oder|ou|o)\s")
_PHONE_MARKS = str.maketrans("", "", " -.()/\u00a0\u2010\u2011\u2012\u2013\u202f")
_INTERNATIONAL = re.compile(r"\+[1-9]\d{6,14}")
_ZERO_KEEPERS = frozenset({39, 378, 379, 225, 241, 242})  # Italy and others dial the leading zero from abroad


@lru_cache(maxsize=1024)
def read_phone(text: str, country: str | None = None) -> str:
    """A number in E.164, without its extension. `country` is where one without a country code rings.

    The lengths of the country's plan are checked, not what is in use: 555-01xx, which stands for nobody,
    is kept.
    """
    digits = text.strip().translate(_PHONE_MARKS)
    if digits[:1] == "+":
        quick = _quick_phone(digits) if "(0)" not in text and _INTERNATIONAL.fullmatch(digits) else None
    else:
        quick = _north_american(digits) if country in {"US", "CA"} else None
    return _unusual_phone(text, country) if quick is None else _not_repeated(quick)


def _north_american(digits: str) -> str | None:
    national = digits[1:] if len(digits) == 11 and digits[0] == "1" else digits
    if len(national) == 10 and national.isascii() and national.isdigit() and national[0] not in "01":
        return "+1" + national
    return None


def _quick_phone(digits: str) -> str | None:
    """A number that already is E.164 by the lengths of its country, or None for the thorough way."""
    code = _calling_code(digits)
    if code == 0:
        raise ValueProblem("begins with a country code that does not exist")
    national = digits[1 + len(str(code)) :]
    if national[0] == "0" and code not in _ZERO_KEEPERS:
        return None
    return digits if len(national) in _possible_lengths(code) else None


def _calling_code(digits: str) -> int:
    for length in (1, 2, 3):
        code = int(digits[1 : 1 + length])
        if code in phonenumbers.COUNTRY_CODE_TO_REGION_CODE:
            return code
    return 0


@lru_cache(maxsize=256)
def _possible_lengths(code: int) -> frozenset[int]:
    region = phonenumbers.region_code_for_country_code(code)
    found: Any = (
        PhoneMetadata.metadata_for_nongeo_region(code)
        if region == "001"
        else PhoneMetadata.metadata_for_region(region)
    )
    return frozenset(found.general_desc.possible_length) if found else frozenset()


def _unusual_phone(text: str, country: str | None) -> str:
    """The thorough way, for numbers with a label, an extension, a second number, or none of a plain form."""
    first, *others = _SEVERAL_PHONES.split(text)
    if others and all(sum(map(str.isdigit, part)) >= 7 for part in (first, *others)):
        text = first
    text = _EXTENSION.sub("", _LABEL_BEFORE.sub("", text.strip())).strip(" '\"")
    if text.startswith("00"):
        text = "+" + text[2:]
    if text.startswith("+"):
        text = text.replace("(0)", "")
    digits = [c for c in text if c.isdigit()]
    if len(digits) > 6 and len(set(digits)) == 1:
        raise ValueProblem("is a placeholder, not a phone number")
    if not 6 <= len(digits) <= 17:
        raise ValueProblem("is not a phone number")
    try:
        number = phonenumbers.parse(text, country)
    except phonenumbers.NumberParseException as error:
        if error.error_type == phonenumbers.NumberParseException.INVALID_COUNTRY_CODE and country is None:
            raise ValueProblem("is a phone number without its country; name a default country") from None
        raise ValueProblem("is not a phone number") from None
    if not phonenumbers.is_possible_number(number):
        raise ValueProblem("has too few or too many digits for a phone number")
    return _not_repeated(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


def _not_repeated(number: str) -> str:
    if len(set(number[-7:])) == 1 and number[-7:] in {"0000000", "1111111", "9999999"}:
        raise ValueProblem("is a placeholder, not a phone number")
    return number
