"""Disposable domains, free providers and role accounts: our own lists, and what an operator adds.

A folder named in the settings may hold disposable.txt, free.txt and role.txt: one entry a line, `-entry`
takes one of ours out, `#` begins a remark.
"""

from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from math import log2
from pathlib import Path
from typing import Final, Literal, get_args

from disposable_email_domains import blocklist

from core.errors import Invalid
from domain.validator.syntax import Address
from domain.validator.verdict import Kind

Name = Literal["disposable", "free", "role"]
NAMES: Final[tuple[Name, ...]] = get_args(Name)

_FREE: Final = """
    gmail.com googlemail.com yahoo.com yahoo.de yahoo.fr yahoo.co.uk yahoo.es yahoo.it yahoo.co.jp yahoo.co.in
    yahoo.com.br yahoo.ca yahoo.com.au ymail.com rocketmail.com aol.com aim.com hotmail.com hotmail.de
    hotmail.fr hotmail.co.uk hotmail.es hotmail.it outlook.com outlook.de outlook.fr outlook.es live.com
    live.fr live.de live.co.uk live.nl msn.com icloud.com me.com mac.com gmx.de gmx.net gmx.com gmx.at gmx.ch
    web.de t-online.de freenet.de arcor.de 1und1.de posteo.de mailbox.org proton.me protonmail.com pm.me
    tutanota.com tuta.io fastmail.com hushmail.com zoho.com zohomail.com mail.com email.com usa.com
    orange.fr wanadoo.fr free.fr sfr.fr laposte.net neuf.fr bbox.fr libero.it virgilio.it tiscali.it alice.it
    tin.it terra.es telefonica.net uol.com.br bol.com.br terra.com.br ig.com.br mail.ru bk.ru inbox.ru list.ru
    yandex.ru yandex.com ya.ru rambler.ru wp.pl o2.pl onet.pl interia.pl seznam.cz email.cz centrum.cz
    qq.com 163.com 126.com sina.com foxmail.com naver.com daum.net hanmail.net rediffmail.com
    bluewin.ch ziggo.nl kpnmail.nl planet.nl skynet.be telenet.be btinternet.com sky.com virginmedia.com
    talktalk.net ntlworld.com comcast.net verizon.net att.net sbcglobal.net bellsouth.net cox.net charter.net
    shaw.ca rogers.com sympatico.ca bigpond.com optusnet.com.au
"""
_ROLES: Final = """
    abuse accounting accounts admin administration administrator ads advertising all anfrage billing board
    booking bookings buchhaltung career careers cert compliance contact contacto contactus contato contatti
    customercare customerservice cv data dataprotection datenschutz desk direccion direction dpo empfang
    empleo enquiries enquiry events everyone facturacion facturation fax feedback finance frontdesk ftp gdpr
    hallo hello help helpdesk hi hola hostmaster hr human.resources info information inquiries inquiry
    investor.relations investors invoice invoices it jobs karriere kontakt kundenservice legal list
    listserv mail mailer-daemon mailbox mailing marketing media news newsletter no-reply nobody noc noreply
    office orders personal post postmaster poststelle presse press privacy procurement public purchasing
    rechnung rechnungen recruiting recruitment reception rechtsabteilung request root rrhh sales scrum
    secretariat secretary security service services shop spam staff subscribe support sysadmin team tech
    technik undisclosed-recipients unsubscribe usenet uucp ventas vertrieb verkauf verwaltung vorstand web
    webadmin webmaster welcome work www zentrale
"""


@dataclass(frozen=True, slots=True)
class Lists:
    disposable: frozenset[str]
    free: frozenset[str]
    role: frozenset[str]


def load(folder: str) -> Lists:
    """Our lists with the changes of a folder; without one, ours alone."""
    stamps = tuple(_stamp(Path(folder) / f"{name}.txt") for name in NAMES) if folder else ()
    return _load(folder, stamps)


def kind_of(address: Address, lists: Lists) -> Kind:
    """What the lists say of an address; a domain is disposable if one above it is."""
    local = address.local.lower().partition("+")[0]
    return Kind(
        is_disposable=any(parent in lists.disposable for parent in _parents(address.domain)),
        is_role_account=local in lists.role or local.rstrip("0123456789") in lists.role,
        is_b2c=address.domain in lists.free,
        is_gibberish=_is_gibberish(local),
    )


def read_entries(text: str, name: Name) -> tuple[set[str], set[str]]:
    """What a file adds and what it takes out; raises `Invalid` with the line that is neither."""
    added: set[str] = set()
    removed: set[str] = set()
    for number, line in enumerate(text.splitlines(), start=1):
        entry = line.partition("#")[0].strip().lower()
        if not entry:
            continue
        bare = entry.removeprefix("-")
        if " " in bare or "@" in bare or (name != "role" and "." not in bare):
            raise Invalid(f"Line {number} of the list `{name}` is no entry: {entry[:60]!r}.")
        (removed if entry.startswith("-") else added).add(bare)
    return added, removed


def extend(folder: Path, name: Name, text: str) -> int:
    """Write a file's entries into the folder, beside those that are there; how many are new."""
    added, removed = read_entries(text, name)
    path = folder / f"{name}.txt"
    present = {line.strip() for line in path.read_text("utf-8").splitlines()} if path.exists() else set()
    wanted = present | added | {f"-{entry}" for entry in removed}
    folder.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    fresh.write_text("\n".join(sorted(wanted - {""})) + "\n", "utf-8")
    fresh.replace(path)
    return len(wanted - present)


def _stamp(path: Path) -> int:
    return path.stat().st_mtime_ns if path.exists() else 0


@lru_cache(maxsize=4)
def _load(folder: str, stamps: tuple[int, ...]) -> Lists:  # noqa: ARG001 - a changed file is another key
    ours: dict[Name, frozenset[str]] = {
        "disposable": frozenset(blocklist),
        "free": frozenset(_FREE.split()),
        "role": frozenset(_ROLES.split()),
    }
    for name in NAMES:
        path = Path(folder) / f"{name}.txt"
        if folder and path.exists():
            added, removed = read_entries(path.read_text("utf-8"), name)
            ours[name] = (ours[name] | added) - removed
    return Lists(**ours)


def _parents(domain: str) -> list[str]:
    labels = domain.split(".")
    return [".".join(labels[start:]) for start in range(len(labels) - 1)]


_VOWELS: Final = frozenset("aeiouy")


def _is_gibberish(local: str) -> bool:
    """Whether it looks like keys hit at random: long, nearly without vowels, or of digits among letters."""
    letters = [c for c in local if c.isalpha()]
    if len(local) < 10 or not local.isascii() or "." in local or "-" in local or "_" in local:
        return False
    switches = sum(a.isdigit() != b.isdigit() for a, b in pairwise(local))
    counts = Counter(local)
    entropy = -sum(n / len(local) * log2(n / len(local)) for n in counts.values())
    vowels = sum(c in _VOWELS for c in letters)
    return (switches >= 4 and entropy > 2.8) or (len(letters) >= 10 and vowels / len(letters) < 0.15)
