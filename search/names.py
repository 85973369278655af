"""Names of people: the terms a record is found by, and the other ways in which a searcher may write them.

A record stores its folded name with the variants that follow from the spelling itself (Müller: muller,
mueller; Jean-Pierre: jean, pierre, jeanpierre). Nicknames are a matter of the query (bill asks for william
too), so that the table may grow without a re-index.
"""

import re
import tomllib
from collections.abc import Iterable, Iterator
from functools import cache, lru_cache
from importlib.resources import files
from typing import Final

from core.text import fold, tokens

_MAX_TERMS: Final = 24
_MAX_ALTERNATIVES: Final = 16
_MAX_LENGTH: Final = 300
_MAX_TOKEN: Final = 64

# How German, Danish, Norwegian and Swedish write these letters when the keyboard lacks them.
_EXPANSIONS: Final = str.maketrans(
    {"ä": "ae", "ö": "oe", "ü": "ue", "ø": "oe", "å": "aa", "æ": "ae", "œ": "oe"}
)
# The way back, not where the two vowels are heard (Joel, Michael, Bauer, Joe) or another vowel precedes.
_DIGRAPH: Final = re.compile(r"(?<![aeiouyq])([aou])e(?!l?$)(?![aiouy])")
_HYPHENS: Final = re.compile(r"[-‐‑‒–_]")
_PARTICLE_WORDS: Final = (
    "al ap bin d da dal de del della den der des di dos du el fitz la le lo mac mc o san st ten ter van"
    " vom von zu zur"
)
_PARTICLES: Final = frozenset(_PARTICLE_WORDS.split())
# Forms of address and degrees, without those that are also names (Ing, Md, Mag).
_HONORIFIC_WORDS: Final = (
    "dr drs prof professor mr mrs ms miss mx sir herr frau mme mlle sr sra srta dott dottssa dipl phd mba"
    " esq jr jnr snr ii iii iv cpa cfa pmp"
)
_HONORIFICS: Final = frozenset(_HONORIFIC_WORDS.split())


def name_terms(first: str | None, middle: str | None, last: str | None) -> tuple[str, ...]:
    """The sorted folded words of a name with their spelling variants; initials stay single letters."""
    terms: dict[str, None] = {}
    for part in (last, first, middle):
        if part:
            terms.update(dict.fromkeys(_part_terms(part[:_MAX_LENGTH])))
    meaning = [term for term in terms if term not in _HONORIFICS] or list(terms)
    return tuple(sorted(meaning[:_MAX_TERMS]))


def name_sort(first: str | None, last: str | None) -> str | None:
    """What names are ordered by, "last first" folded, or None when there is no name."""
    words = [*tokens((last or "")[:_MAX_LENGTH]), *tokens((first or "")[:_MAX_LENGTH])]
    return " ".join(words) or fold(f"{last or ''} {first or ''}"[:_MAX_LENGTH]) or None


@lru_cache(maxsize=16_384)
def query_alternatives(token: str) -> tuple[str, ...]:
    """What a searched word may be in a record: itself folded, then its spellings, then its nicknames."""
    words = tokens(token[:_MAX_TOKEN])
    if not words:
        return ()
    folded = "".join(words)
    found = dict.fromkeys([folded, *_spellings(token, folded)])
    for word in list(found):
        found.update(dict.fromkeys(_nicknames().get(word, ())))
    return tuple(found)[:_MAX_ALTERNATIVES]


def spelling_variants(token: str) -> tuple[str, ...]:
    """A word folded, then its umlauts the other way round; for names of companies and places as well."""
    folded = "".join(tokens(token[:_MAX_TOKEN]))
    return tuple(dict.fromkeys([folded, *_spellings(token, folded)])) if folded else ()


def looks_like_initial(token: str) -> bool:
    """Whether the word is a single letter, with or without its dot."""
    bare = token.strip().rstrip(".")
    return len(bare) == 1 and bare.isalpha()


def is_honorific(token: str) -> bool:
    """Whether a folded word is a form of address or a degree (dr, phd, jr), which name terms leave out."""
    return token in _HONORIFICS


def _part_terms(part: str) -> Iterator[str]:
    """The terms of one part of a name, its own words first, then what follows from them."""
    words = [word[:_MAX_TOKEN] for word in tokens(part)]
    yield from words
    for piece in part.split():
        folded = tokens(piece)
        if len(folded) > 1 and _HYPHENS.search(piece):
            yield "".join(folded)[:_MAX_TOKEN]
        for sub in _HYPHENS.split(piece):
            yield from _spellings(sub, "".join(tokens(sub)))
    # "De Luca" is also DeLuca, "Mc Donald" McDonald, "van der Berg" Vanderberg.
    prefix = ""
    for word in words:
        if word in _PARTICLES:
            prefix += word
        elif prefix:
            yield (prefix + word)[:_MAX_TOKEN]
            prefix = ""


def _spellings(raw: str, folded: str) -> Iterator[str]:
    """The other writings of a word's umlauts: mueller for Müller, muller for Mueller."""
    if not folded:
        return
    if not raw.isascii():
        expanded = "".join(tokens(raw.lower().translate(_EXPANSIONS)))
        if expanded != folded:
            yield expanded[:_MAX_TOKEN]
            return
    contracted = _DIGRAPH.sub(r"\1", folded)
    if contracted != folded:
        yield contracted


@cache
def _nicknames() -> dict[str, tuple[str, ...]]:
    """Every given name of the table with the names that may stand for it, nearest first."""
    table = tomllib.loads(files("search").joinpath("data/nicknames.toml").read_text("utf-8"))
    related: dict[str, dict[str, None]] = {}
    for full, short_forms in table["nicknames"].items():
        for short in short_forms.split():
            _relate(related, full, [short])
            _relate(related, short, [full])
    for group in table["spellings"]["groups"]:
        names = group.split()
        for name in names:
            _relate(related, name, (other for other in names if other != name))
    return {name: tuple(others) for name, others in related.items()}


def _relate(related: dict[str, dict[str, None]], name: str, others: Iterable[str]) -> None:
    related.setdefault(name, {}).update(dict.fromkeys(others))
