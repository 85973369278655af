"""What a header says beside the field it names: a label of its own, a unit, the language of its words."""

import re
from collections.abc import Sequence
from typing import Final

from core.text import clean
from domain.imports.column_names import ENGLISH, LANGUAGES
from domain.imports.numbers import read_currency


def labels_of(header: Sequence[str]) -> list[str]:
    """The headers as labels of their own: the second "Phone" as "Phone (2)", a missing one by its place."""
    labels: list[str] = []
    for index, name in enumerate(header):
        label = base = clean(name)[:200] or f"Column {index + 1}"
        number = 2
        while label in labels:
            label = f"{base} ({number})"
            number += 1
        labels.append(label)
    return labels


def language_of(keys: Sequence[str]) -> str | None:
    """The language of the headers: the one most of whose own words they use."""
    votes = {language: sum(key in words for key in keys) for language, words in LANGUAGES.items()}
    best = max(votes, key=lambda language: votes[language])
    english = sum(key in ENGLISH for key in keys)
    if votes[best] > english:
        return best
    return "en" if english else None


def unit_of(name: str) -> tuple[str | None, int]:
    """(currency, scale) in a header: "Umsatz in TEUR", "Revenue (in 000s USD)", "Annual Revenue ($M)"."""
    words = re.findall(r"[A-Za-z]?[$€£¥][A-Za-z]?|[^\W\d_]+€?|0{3}s?", name.replace("_", " "))
    currency, scale = None, 1
    for word in words[1:]:
        low = word.lower()
        joined = re.fullmatch(r"(t|k|m|mio|bn)(eur|usd|gbp|chf|€|\$|£)|([$€£])(k|m|bn|mm)", low)
        if joined:
            currency = read_currency(joined[2] or joined[3])
            scale = _SCALES.get(joined[1] or joined[4], 1)
        elif low in _SCALES:
            scale = _SCALES[low]
        elif word.isupper() or word in "$€£¥" or low in {"usd", "eur", "gbp", "chf"}:
            currency = read_currency(word) or currency
    return currency, scale


_SCALES: Final = {
    "k": 1000, "t": 1000, "000s": 1000, "000": 1000, "thousand": 1000, "thousands": 1000, "tsd": 1000,
    "m": 10**6, "mm": 10**6, "mn": 10**6, "mio": 10**6, "million": 10**6, "millions": 10**6, "bn": 10**9,
    "billions": 10**9, "mrd": 10**9,
}  # fmt: skip


_BRACKETS = re.compile(r"[(\[][^)\]]*[)\]]")
_UNIT = re.compile(
    r"\b(?:in|usd|eur|gbp|chf|us|dollars?|euros?|\d*k|0{3}s?|thousands?|millions?|mio|mn|mm|tsd|teur|keur|meur)\b"
    r"|[ktm]?[$€£¥]",
    re.IGNORECASE,
)


def forms_of(name: str) -> list[str]:
    """A header as it is, without its unit, and without what a report puts before it ("Account: Industry")."""
    plain = _BRACKETS.sub(" ", name)
    forms = [name, plain, _UNIT.sub(" ", plain.replace("_", " "))]
    return [*forms, plain.rpartition(":")[2]] if ":" in plain else forms
