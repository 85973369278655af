"""How lists mistreat names: letters without their marks, typing errors, the form in an address."""

import unicodedata
from functools import lru_cache

from domain.demo.draws import Uniform

_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue"})
_LETTERS = str.maketrans(
    {"ß": "ss", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "æ": "ae", "Æ": "Ae", "ı": "i", "đ": "d", "Đ": "D"}
)
_NEIGHBOURS = {
    "a": "s", "b": "v", "c": "v", "d": "s", "e": "r", "f": "g", "g": "h", "h": "j", "i": "o", "j": "k",
    "k": "l", "l": "k", "m": "n", "n": "m", "o": "i", "p": "o", "q": "w", "r": "t", "s": "a", "t": "r",
    "u": "i", "v": "b", "w": "e", "x": "c", "y": "u", "z": "x",
}  # fmt: skip


@lru_cache(maxsize=65_536)
def unmarked(text: str, *, umlauts: bool = False) -> str:
    """Drop the marks of "Müller": "Muller", or "Mueller" where umlauts are written out."""
    if text.isascii():
        return text
    if umlauts:
        text = text.translate(_UMLAUTS)
    decomposed = unicodedata.normalize("NFD", text.translate(_LETTERS))
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter))


@lru_cache(maxsize=65_536)
def ascii_name(text: str, *, umlauts: bool = False) -> str:
    """The lower-case letters and digits of a name, as an address has them."""
    plain = unmarked(text, umlauts=umlauts).lower()
    return "".join(letter for letter in plain if letter.isascii() and letter.isalnum())


def words(text: str) -> tuple[str, ...]:
    """The words of a list that is written down as a block."""
    return tuple(text.split())


def has_marks(text: str) -> bool:
    """Whether a name carries diacritics (or another letter beyond ASCII)."""
    return not text.isascii()


def mistyped(word: str, uniform: Uniform) -> str:
    """One slip of the finger behind the first letter: swapped, dropped, doubled or neighbouring letters."""
    if len(word) < 4:
        return word + word[-1]
    place = 1 + int(uniform() * (len(word) - 2))
    kind = uniform()
    if kind < 0.3 and word[place] != word[place + 1]:
        return word[:place] + word[place + 1] + word[place] + word[place + 2 :]
    if kind < 0.6:
        return word[:place] + word[place + 1 :]
    if kind < 0.8:
        return word[:place] + word[place] + word[place:]
    return word[:place] + _NEIGHBOURS.get(word[place].lower(), "e") + word[place + 1 :]
