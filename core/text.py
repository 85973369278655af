"""Text as every layer compares it: `clean` for what is stored and shown, `fold` for what is matched."""

import re
import unicodedata
from functools import lru_cache

from anyascii import anyascii

_SPACES = re.compile(r"\s+")
_TOKEN = re.compile(r"[a-z0-9]+(?:['’][a-z0-9]+)*")
_UNSAFE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")


def clean(text: str) -> str:
    """NFC, without control and zero-width characters, white space folded to single spaces."""
    if text.isascii() and text.isalnum():
        return text
    return _SPACES.sub(" ", _UNSAFE.sub("", unicodedata.normalize("NFC", text))).strip()


@lru_cache(maxsize=65_536)
def fold(text: str) -> str:
    """Lower case ASCII for comparison: "Müller-Lüdenscheidt" and "MULLER-LUDENSCHEIDT" fold alike.

    Diacritics fall away (ü -> u), other scripts are transliterated (Ж -> zh), ß becomes ss.
    """
    if not text.isascii():
        decomposed = unicodedata.normalize("NFKD", text.casefold())
        text = "".join(c for c in decomposed if not unicodedata.combining(c))
        if not text.isascii():
            text = anyascii(text)
    return _SPACES.sub(" ", text.lower()).strip()


def tokens(text: str) -> list[str]:
    """The folded words of a text, without punctuation; "O'Brien" is the one word "obrien"."""
    return [word.replace("'", "").replace("’", "") for word in _TOKEN.findall(fold(text))]


def slug(text: str) -> str:
    """The code of a term of an open vocabulary: "Software & Services" becomes "software-services"."""
    spelled = text.replace("+", "plus").replace("#", "sharp") if ("+" in text or "#" in text) else text
    return "-".join(tokens(spelled))[:100]


def is_storable(text: str) -> bool:
    """Whether PostgreSQL can hold the text: no NUL and no lone surrogate."""
    return "\x00" not in text and not any("\ud800" <= c <= "\udfff" for c in text)
