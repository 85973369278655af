"""The words of job titles: the tables of `data/title_*.toml`, and how a written word finds its line there.

A text becomes a stream of known words and marks (`read_words`), German compounds taken apart and feminine and
plural endings taken off; `match` then finds the longest phrases of the table in it. Nothing here knows what a
title means as a whole: that is `search.titles`.
"""

import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any, Final, Literal

from rapidfuzz.distance import OSA

from core.text import fold

Kind = Literal["modifier", "prefix", "role", "topic", "region", "noise"]

# Marks in the stream of words. A comma may part or enumerate, a break parts ("VP - Sales"), AND joins equals.
COMMA: Final = ","
BREAK: Final = "|"
AND: Final = "&"
TO: Final = ">"
MARKS: Final = frozenset({COMMA, BREAK, AND, TO})

MAX_LENGTH: Final = 300


@dataclass(frozen=True, slots=True)
class Concept:
    """One line of the table: what a phrase means in English, and what follows from it."""

    phrase: str
    terms: tuple[str, ...]
    code: str | None
    kind: Kind
    seniority: str | None
    department: str | None
    weight: int


@dataclass(frozen=True, slots=True)
class Item:
    """A phrase found in a title: the words as written (folded) and their concept, or an unknown word."""

    words: tuple[str, ...]
    concept: Concept | None


@dataclass(frozen=True, slots=True)
class Lexicon:
    """The table, ready for look-ups."""

    phrases: dict[tuple[str, ...], Concept]
    longest: dict[str, int]  # first word -> the longest phrase that begins with it
    words: frozenset[str]  # every word that occurs in a phrase
    singles: frozenset[str]  # words that are a phrase by themselves
    shared_codes: frozenset[str]  # codes of several concepts: a CSO sells, plans or secures


_STOPWORD_TEXT: Final = (
    "a al an as at au aux aus auf con da das de del della dem den der des di die do du el en fur het i il "
    "im in l la las le les los mit of on para por pour s sur the van vom von voor with zu zum zur d n m "
    "bzw our his her dans"
)
STOPWORDS: Final = frozenset(_STOPWORD_TEXT.split())
_ANDS: Final = frozenset({"and", "und", "et", "y", "e", "sowie", "or", "oder", "ou"})
_NUMERALS: Final = frozenset({"ii", "iii", "iv", "vi", "vii", "viii", "ix"})

# (m/w/d), h/f, all genders: what an advertisement adds to a title.
_GENDERS: Final = re.compile(
    r"[(\[]?\b(?:all genders?|(?:[mwfhdxi]|gn|divers)(?:\s?[/|*]\s?(?:[mwfhdxi]|gn|divers))+)(?!\w)[)\]]?"
)
# Leiter:in, Leiter*in, Leiter/-in, Leiter(in), chargé·e, ingénieur(e), directeur/trice, director/a.
_ENDINGS: Final = re.compile(
    r"(?<=[a-z])(?:"
    r"[:*_]in(?:nen)?\b"
    r"|/-?(?:innen|in|r|e|ne|le|trice|rice|euse|ere|ice|a|ora|o)\b"
    r"|\((?:innen|in|r|e|ne|le|trice|rice|euse|se|a|o|s|es)\)"
    r"|[*.](?:e|ne|le|trice|rice|euse|se|es)\b"
    r"|-(?:ne|trice|rice|euse)\b"
    r")"
)
_EMPLOYER: Final = re.compile(
    r"(?<=\S)\s+(?:@|(?:at|chez|bei)\s)\s*(?!law\b|large\b)"
    # To the next separator; an "&" ends the employer only when another one follows ("CEO @ A & Founder @ B").
    r"[^|,;/()]*?(?=[|,;/()]|$|&[^|,;/()]*(?:@|\bat\s))"
)
_LETTER_PAIR: Final = re.compile(r"\b([a-z]{1,2})[&+]([a-z])\b|\b([a-z])\s[&+]\s([a-z])\b|\bs&op\b")
_INITIALS: Final = re.compile(r"\b(?:[a-z]\.){2,}")
_ELISION: Final = re.compile(r"\b(?:[dlsn]|qu)['’`](?=[a-z])|['’`]s?\b")
_PIECE: Final = re.compile(r"[a-z0-9]+|[,;|()\[\]:]|\s-+\s|[&+/]")
_E_WORD: Final = re.compile(r"\be[- ]?(?=(?:commerce|business|learning|mail|mobility|marketing)\b)")

_LINKS: Final = ("", "s", "es", "n", "en", "e", "ions")
_SHORTEST_PREFIX: Final = 4
_SHORT_PREFIXES: Final = frozenset({"bau"})
_SHORTEST_STEM: Final = 3
_LONG_ENDING: Final = 5
_SHORTEST_HEAD: Final = 4
_SHORTEST_COMPOUND: Final = 7
# Heads that make a title of a compound even when what stands before them is unknown.
_HEAD_TEXT: Final = (
    "leiter leiterin leitung manager managerin entwickler entwicklerin ingenieur berater beraterin "
    "referent referentin assistent assistentin assistenz mitarbeiter mitarbeiterin techniker "
    "koordinator beauftragter beauftragte direktor spezialist verkaufer lehrer arzt sachbearbeiter "
    "administrator therapeut vorstand inhaber inhaberin grunder kaufmann kauffrau helfer fahrer pfleger "
    "trainer redakteur architekt designer analyst planer prufer chef geschaftsfuhrer direktion "
    "verwalter assistant angestellter angestellte mechaniker elektroniker"
)
_HEADS: Final = frozenset(_HEAD_TEXT.split())
_SHORTEST_MISSPELT: Final = 6
_OFTEN_MISSPELT_TEXT: Final = (
    "manager director president founder engineer engineering software developer development marketing "
    "commercial partner consultant assistant accountant executive officer specialist coordinator "
    "analyst operations technology financial finance product project business customer service designer "
    "resources supervisor representative administrator technician strategy architect recruiter "
    "controller principal associate teacher researcher geschaftsfuhrer vertrieb entwickler direktor "
    "mitarbeiter directeur responsable ingenieur commerciale gerente ingeniero desarrollador ventas "
    "operaciones comptable developpeur"
)
_OFTEN_MISSPELT: Final = tuple(_OFTEN_MISSPELT_TEXT.split())
_SHORTEST_OCCUPATION: Final = 5
_OCCUPATION_ENDINGS: Final = (
    *("ist", "er", "or", "ian", "eer", "man", "woman", "smith", "wright", "ant"),
    *("eur", "euse", "iere", "ier", "iste", "ien", "ienne", "trice", "ologue", "aire"),
    *("ero", "era", "dor", "dora", "tor", "tora", "ista", "ologo", "ologa", "ente"),
    *("erin", "orin", "istin", "wirt", "frau", "mann", "hilfe", "kraft", "loge", "login", "iker", "ikerin"),
)
_WRITTEN_RANKS: Final = {
    "manager": "manager",
    "gerente": "manager",
    "director": "director",
    "directeur": "director",
    "directrice": "director",
    "directora": "director",
    "direktor": "director",
}
# Written ending -> dictionary ending, tried in this order.
_STEMS: Final = (
    ("innen", ""),
    ("in", ""),
    ("ologin", "ologist"),
    ("ologinnen", "ologist"),
    ("ologe", "ologist"),
    ("ologue", "ologist"),
    ("ologo", "ologist"),
    ("ologa", "ologist"),
    ("trices", "teur"),
    ("trice", "teur"),
    ("euses", "eur"),
    ("euse", "eur"),
    ("iere", "ier"),
    ("ienne", "ien"),
    ("elle", "el"),
    ("ieres", "ier"),
    ("ora", "or"),
    ("oras", "or"),
    ("ores", "or"),
    ("as", "o"),
    ("os", "o"),
    ("a", "o"),
    ("ies", "y"),
    ("es", ""),
    ("en", ""),
    ("er", "e"),
    ("s", ""),
    ("e", ""),
    ("n", ""),
)


def read_words(text: str) -> list[str]:
    """The folded words and marks of a title, without articles, gender marks, numerals and the employer."""
    return [part for piece in _pieces(text) for part in _parts(piece)]


def match(words: Sequence[str]) -> Iterator[Item | str]:
    """The longest known phrases in a stream of words, in order; marks come through as they are."""
    table = lexicon()
    phrases, longest = table.phrases, table.longest
    position, end = 0, len(words)
    while position < end:
        word = words[position]
        if word in MARKS:
            yield word
            position += 1
            continue
        base = _other_form(word)
        for length in range(min(max(longest.get(word, 0), longest.get(base, 0)), end - position), 0, -1):
            rest = words[position + 1 : position + length]
            found = phrases.get((word, *rest)) or phrases.get((base, *rest))
            if found:
                if found.kind != "noise":
                    yield Item((word, *rest), found)
                position += length
                break
        else:
            yield Item((word,), None)
            position += 1


@cache
def lexicon() -> Lexicon:
    """The tables of words, read once."""
    phrases: dict[tuple[str, ...], Concept] = {}
    owners: dict[str, set[str]] = {}
    for section in _sections():
        for line in filter(None, map(str.strip, section["words"].splitlines())):
            for concept, written in _concepts(line, section):
                if concept.code:
                    owners.setdefault(concept.code, set()).add(concept.phrase)
                for phrase in (concept.phrase, *written):
                    if key := tuple(_pieces(phrase)):
                        phrases.setdefault(key, _ranked(concept, key))
    longest: dict[str, int] = {}
    for key in phrases:
        longest[key[0]] = max(longest.get(key[0], 0), len(key))
    return Lexicon(
        phrases=phrases,
        longest=longest,
        words=frozenset(word for key in phrases for word in key),
        singles=frozenset(key[0] for key in phrases if len(key) == 1),
        shared_codes=frozenset(code for code, concepts in owners.items() if len(concepts) > 1),
    )


def _ranked(concept: Concept, key: tuple[str, ...]) -> Concept:
    """An office manager is a manager and an art director a director, whatever else their line says."""
    if concept.seniority is None and concept.kind == "role":
        for word in key:
            if rank := _WRITTEN_RANKS.get(word):
                return replace(concept, seniority=rank)
    return concept


def _sections() -> Iterator[dict[str, Any]]:
    for name in ("title_ranks.toml", "title_functions.toml"):
        yield from tomllib.loads(files("search").joinpath("data", name).read_text("utf-8"))["concepts"]


def _concepts(line: str, section: dict[str, Any]) -> Iterator[tuple[Concept, list[str]]]:
    """The concepts of a line: "english [< terms] [+ code]: what means the same", or "* several, alike"."""
    if line.startswith("*"):
        for phrase in line[1:].split(","):
            yield _concept(phrase, section), []
        return
    head, _, rest = line.partition(":")
    yield _concept(head, section), [written.strip() for written in rest.split(",") if written.strip()]


def _concept(head: str, section: dict[str, Any]) -> Concept:
    head, _, code = head.partition("+")
    phrase, _, terms = head.partition("<")
    return Concept(
        phrase=" ".join(phrase.split()),
        terms=tuple(terms.split() or (word for word in _pieces(phrase) if word not in MARKS))
        + tuple(code.split()),
        code=code.strip() or None,
        kind=section["kind"],
        seniority=section.get("seniority"),
        department=section.get("department"),
        weight=section.get("weight", 0),
    )


def _pieces(text: str) -> list[str]:
    """The written words and marks of a text, before the dictionary is asked."""
    if not text.isascii():
        text = (
            text.replace("·", "*").replace("•", "|").replace("∙", "|").replace("—", " - ").replace("–", " - ")
        )
    text = fold(text[:MAX_LENGTH])
    if not text.isalpha():
        text = _plain(text)
    found: list[str] = []
    for match_ in _PIECE.finditer(text):
        piece = match_.group().strip()
        if piece[0].isalnum():
            if piece in STOPWORDS or piece in _NUMERALS or piece.isdigit():
                continue
            found.append(AND if piece in _ANDS else TO if piece == "to" else piece)
        else:
            found.append(AND if piece in {"&", "+", "/"} else COMMA if piece == "," else BREAK)
    return found


def _plain(text: str) -> str:
    """Takes out what only looks like separators: gender marks, elisions, R&D, C.E.O., C++, the employer."""
    if "c#" in text or "c++" in text:
        text = text.replace("c#", "csharp").replace("c++", "cpp")
    if "/" in text or "*" in text or "|" in text or "gender" in text:
        text = _GENDERS.sub(" ", text)
    text = _ENDINGS.sub("", text)
    if " @" in text or " at " in text or " chez " in text or " bei " in text:
        text = _EMPLOYER.sub(" ", text)
    if "&" in text or "+" in text:
        text = _LETTER_PAIR.sub(_pair, text)
    if "." in text:
        text = _INITIALS.sub(lambda initials: initials.group().replace(".", ""), text)
    if "'" in text or "’" in text or "`" in text:
        text = _ELISION.sub("", text)
    return _E_WORD.sub("e", text)


def _pair(pair: re.Match[str]) -> str:
    """R&D -> rnd, I+D -> ind, FP&A -> fpna: one word, which the table knows."""
    letters = [letter for letter in pair.groups() if letter]
    return "n".join(letters) if letters else "snop"


@lru_cache(maxsize=65_536)
def _parts(word: str) -> tuple[str, ...]:
    """The dictionary's words for a written one: itself, its base form, or the parts of a compound."""
    table = lexicon()
    if len(word) < _SHORTEST_PREFIX or word in table.words:
        return (word,)
    return _base(word, table.words) or _compound(word) or _respelt(word) or (word,)


@lru_cache(maxsize=16_384)
def _other_form(word: str) -> str:
    """The base form of a known word, for phrases that have only that one: consultora -> consultor."""
    if len(word) < _SHORTEST_COMPOUND:
        return word
    return next(iter(_base(word, lexicon().words)), word)


def _base(word: str, known: frozenset[str]) -> tuple[str, ...]:
    for ending, base in _STEMS:
        if word.endswith(ending) and (
            len(ending) >= _LONG_ENDING or len(word) - len(ending) >= _SHORTEST_STEM
        ):
            candidate = word[: len(word) - len(ending)] + base
            if candidate in known:
                return (candidate,)
    return ()


def _compound(word: str, depth: int = 3) -> tuple[str, ...]:
    """Vertriebsleiter -> vertrieb, leiter; the longest known head wins, what stands before may be another."""
    if len(word) < _SHORTEST_COMPOUND or depth == 0:
        return ()
    singles = lexicon().singles
    for start in range(_SHORTEST_STEM, len(word) - _SHORTEST_HEAD + 1):
        written = word[start:]
        heads = (written,) if written in _HEADS else _base(written, _HEADS)
        if not heads and written not in singles:
            continue
        head = heads[0] if heads else written
        if before := _first_parts(word[:start], singles, depth):
            return (*before, head)
        if heads:
            return (word[:start], head)
    return ()


def _respelt(word: str) -> tuple[str, ...]:
    """The everyday title word that this is one slip away from: "maanger", "enginer", "comercial"."""
    if len(word) < _SHORTEST_MISSPELT:
        return ()
    for known in _OFTEN_MISSPELT:
        if known[0] == word[0] and OSA.distance(known, word, score_cutoff=1) <= 1:
            return (known,)
    return ()


def looks_like_occupation(word: str) -> bool:
    """Whether an unknown word ends as names of occupations do, in one of the languages read here."""
    return len(word) >= _SHORTEST_OCCUPATION and word.endswith(_OCCUPATION_ENDINGS)


def _first_parts(text: str, singles: frozenset[str], depth: int) -> tuple[str, ...]:
    """What stands before the head of a compound, the linking letters of German taken off."""
    for link in _LINKS:
        if not text.endswith(link):
            continue
        before = text.removesuffix(link)
        if len(before) < _SHORTEST_PREFIX and before not in _SHORT_PREFIXES:
            continue
        if before in singles:
            return (before,)
        if parts := _base(before, singles) or _compound(before, depth - 1):
            return parts
    return ()
