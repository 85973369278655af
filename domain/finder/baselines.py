"""What a simple rule would guess: the finder is worth as much as it is right more often."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from domain.finder.model import Name, Sample
from domain.finder.names import BadName, ascii_word, words_of
from domain.finder.templates import TEMPLATES

# The ten patterns that are tried, the more usual first: of equally frequent ones it is taken.
PATTERNS: Final = (
    "first.last", "flast", "first", "f.last", "firstlast", "first_last", "last.first", "last", "lastf",
    "first-last",
)  # fmt: skip


def first_last(name: Name) -> str | None:
    """`first.last`, whatever the company does."""
    return _written(name).get("first.last")


def majority(name: Name, samples: Sequence[Sample]) -> str | None:
    """The pattern that most known addresses follow, marks left away."""
    written = [(_written(sample.name), sample.local) for sample in samples]
    # Of equals the first is taken.
    best = max(PATTERNS, key=lambda pattern: sum(forms.get(pattern) == local for forms, local in written))
    return _written(name).get(best)


@lru_cache(maxsize=65_536)
def _written(name: Name) -> dict[str, str]:
    """The name in each pattern; nothing of a name that lacks a part."""
    try:
        first, last = (
            "".join(ascii_word(word, "plain") for word in words_of(part)) for part in (name.first, name.last)
        )
    except BadName:
        return {}
    if not first or not last:
        return {}
    return {
        pattern: TEMPLATES[pattern].format(first=first, last=last, f=first[0], l=last[0])
        for pattern in PATTERNS
    }
