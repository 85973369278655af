"""How a place's name becomes the key under which the gazetteer finds it.

Both sides use it: the script that makes the gazetteer and the look-ups in `search.places`.
"""

import re

from core.text import fold, tokens

_ABBREVIATED = {
    "st": "saint",
    "ste": "sainte",
    "sankt": "saint",
    "ft": "fort",
    "mt": "mount",
    "and": "",
    "und": "",
    "et": "",
}
_UMLAUTS = str.maketrans(
    {"ä": "ae", "ö": "oe", "ü": "ue", "ø": "oe", "å": "aa", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue"}
)
_HAS_UMLAUT = re.compile("[äöüøåÄÖÜØÅ]")
_INITIALS = re.compile(r"\b(?:[a-z]\.\s?){2,}")


def place_key(text: str) -> str:
    """The one folded form of a name: "St. Paul" and "Saint-Paul" are alike, and so are "D.C." and "DC"."""
    joined = _INITIALS.sub(lambda m: m[0].replace(".", "").replace(" ", "") + " ", fold(text) + " ")
    words = [_ABBREVIATED.get(word, word) for word in tokens(joined)]
    return " ".join(word for word in words if word) or " ".join(tokens(joined))


def place_keys(text: str) -> tuple[str, ...]:
    """Every key of a name: with umlauts also the form that writes them out ("Koeln" for "Köln")."""
    key = place_key(text)
    if not _HAS_UMLAUT.search(text):
        return (key,) if key else ()
    return tuple(dict.fromkeys(k for k in (key, place_key(text.translate(_UMLAUTS))) if k))
