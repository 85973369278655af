"""A name as addresses have it: cleaned of what is no name, then every form it may take, each with a word
for how it was formed.

The same person always has the same forms, whatever the Unicode form, capitals, titles or quotation marks.
"""

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from anyascii import anyascii

from core.text import clean
from search.names import query_alternatives, spelling_variants

MAX_LENGTH: Final = 120
_FORBIDDEN: Final = re.compile(r"[\r\n<>@\x00]")
_ASIDE: Final = re.compile(r"\([^)]*\)|\[[^\]]*\]|\"[^\"]*\"|“[^”]*”|„[^“”]*[“”]|«[^»]*»")
_APOSTROPHES: Final = re.compile(r"['’‘`´ʼ]")
_WORD: Final = re.compile(r"[^\W\d_]+(?:\.(?=$|\s))?", re.UNICODE)
_TITLE_WORDS: Final = (
    "dr drs prof professor mr mrs ms miss mx sir dame herr frau mme mlle sr sra srta dott dottssa ing dipl"
    " med phd mba md msc bsc ba ma esq jr jnr snr ii iii iv cpa cfa pmp he she they him them his hers"
)
_TITLES: Final = frozenset(_TITLE_WORDS.split())
_PARTICLE_WORDS: Final = (
    "abu af al ap av ben bin bint d da dal das de del della den der des di do dos du el ibn la las le los lo"
    " ten ter van vom von zu zum zur"
)
_PARTICLES: Final = frozenset(_PARTICLE_WORDS.split())
# Written out where the keyboard lacks the letter; the other way is to leave the mark away.
_WRITTEN_OUT: Final = str.maketrans(
    {"ä": "ae", "ö": "oe", "ü": "ue", "ø": "oe", "å": "aa", "æ": "ae", "œ": "oe", "đ": "dj"}
)
_BARE: Final = str.maketrans(
    {"ø": "o", "å": "a", "æ": "ae", "œ": "oe", "đ": "d", "ł": "l", "ı": "i", "ß": "ss"}
)
_KEEPS_MARK: Final = re.compile(r"[äöüøåæœđ]")


class BadName(ValueError):
    """The text is no person's name; the message says why."""


@dataclass(frozen=True, slots=True)
class Form:
    """A spelling of a part of a name, how its marks are written, and in which way it was formed.

    A nickname is formed in no way; of several given names it stands for the first.
    """

    text: str
    spelling: str
    way: str
    is_nickname: bool = False


@dataclass(frozen=True, slots=True)
class Forms:
    """Everything that the parts of one name may look like in an address."""

    first: tuple[Form, ...]
    last: tuple[Form, ...]
    middle: str
    # Whether the letters tell "ü as ue" from "ü as u": otherwise the spelling teaches nothing.
    spellings: tuple[str, ...]
    name_class: str


@lru_cache(maxsize=65_536)
def forms(first: str, middle: str, last: str) -> Forms:
    """The forms of a name; raises `BadName` when nothing of it is one."""
    given, surname = words_of(first), words_of(last)
    if not given and not surname:
        raise BadName("holds no name")
    middle_words = words_of(middle)
    written = " ".join([*given, *surname])
    spellings = ("plain", "written out") if _KEEPS_MARK.search(written) else ("plain",)
    firsts: list[Form] = []
    lasts: list[Form] = []
    for spelling in spellings:
        firsts += _given(given, spelling)
        lasts += [Form(text, spelling, way) for text, way in _surname(surname, spelling)]
    return Forms(
        tuple(firsts),
        tuple(lasts),
        ascii_word(middle_words[0], "plain")[:1] if middle_words else "",
        spellings,
        _name_class(given, surname, written),
    )


def words_of(text: str) -> list[str]:
    """The words of a part of a name in lower case, hyphens and blanks alike; raises `BadName`."""
    if _FORBIDDEN.search(text):
        raise BadName("holds characters that no name has")
    if len(text) > MAX_LENGTH:
        raise BadName("is too long for a name")
    bare = _ASIDE.sub(" ", clean(unicodedata.normalize("NFKC", text)))
    bare = _APOSTROPHES.sub("", bare.partition(",")[0]).casefold().replace("ß", "ss")
    words = [word for word in _WORD.findall(bare) if word]
    kept = [word.rstrip(".") for word in words if word.rstrip(".") not in _TITLES]
    return kept or [word.rstrip(".") for word in words]


@lru_cache(maxsize=65_536)
def ascii_word(word: str, spelling: str) -> str:
    """The letters a-z of a word, marks written out or left away."""
    if word.isascii():
        return word
    mapped = word.translate(_WRITTEN_OUT if spelling == "written out" else _BARE)
    plain = "".join(c for c in unicodedata.normalize("NFKD", mapped) if not unicodedata.combining(c))
    return "".join(c for c in anyascii(plain).lower() if "a" <= c <= "z")


def _spelled(words: list[str], spelling: str) -> list[str]:
    return [spelled for word in words if (spelled := ascii_word(word, spelling))]


def _given(words: list[str], spelling: str) -> list[Form]:
    """What the given names may look like, each with every way that leads to it."""
    spelled = _spelled(words, spelling)
    if not spelled:
        return []
    ways = [(spelled[0], "first")]
    if len(spelled) > 1:
        ways += [
            ("".join(spelled), "joined"),
            ("-".join(spelled), "hyphen"),
            (spelled[-1], "last"),
            ("".join(word[0] for word in spelled), "initials"),
        ]
    found = [Form(text, spelling, way) for text, way in ways]
    if spelling == "plain":
        known = {text for text, _ in ways} | set(spelling_variants(spelled[0]))
        found += [
            Form(other, spelling, "", is_nickname=True)
            for other in query_alternatives(spelled[0])[:8]
            if other not in known and len(other) > 1
        ]
    return found


def _surname(words: list[str], spelling: str) -> list[tuple[str, str]]:
    """What the surname may look like: of "van Dam", "dam" is what is left without the particle, and is also
    the last word; an address with it speaks for both.
    """
    spelled = _spelled(words, spelling)
    if not spelled:
        return []
    if len(spelled) == 1:
        return [(spelled[0], "joined")]
    bare = [word for word in spelled if word not in _PARTICLES] or spelled
    return [
        ("".join(spelled), "joined"),
        ("".join(bare), "bare"),
        (bare[0], "first"),
        (bare[-1], "last"),
        (spelled[0], "first word"),
        ("-".join(spelled), "hyphen"),
        (".".join(spelled), "dot"),
    ]


def _name_class(given: list[str], surname: list[str], written: str) -> str:
    if not given or not surname:
        return "single"
    if any(word in _PARTICLES for word in surname):
        return "particle"
    if len(surname) > 1:
        return "double"
    if len(given) > 1:
        return "several given"
    return "plain" if written.isascii() else "marked"
