"""How well a word of the free text fits a word of a record, in points: one table for both engines.

Points are whole numbers that depend on the record alone, not on how often a word occurs in the index.
So an order by relevance is stable while other records change, and a page can be continued from it.
"""

from typing import Final

from search import names

EXACT: Final = 12
NICKNAME: Final = 8
PREFIX: Final = 7
TYPO: Final = 6
FAR_TYPO: Final = 3  # two edits apart
QUERY_INITIAL: Final = 4  # "a mueller" for Anna Mueller
RECORD_INITIAL: Final = 2  # "anna mueller" for a record that says A. Mueller
WHOLE_NAME: Final = 3

COMPANY_EXACT: Final = 10
COMPANY_PREFIX: Final = 7
COMPANY_TYPO: Final = 5
COMPANY_FAR_TYPO: Final = 2
WHOLE_COMPANY: Final = 4

TITLE_WORD: Final = 8
TOPIC: Final = 3
PLACE_OF_RECORD: Final = 2
PLACE_OF_COMPANY: Final = 1


def typos_allowed(word: str) -> int:
    """Edits that still count as the same word, by its length: none below 3 letters, one below 6, then two."""
    return 0 if len(word) < 3 else 1 if len(word) < 6 else 2


def swaps(word: str) -> tuple[str, ...]:
    """The word with two neighbouring letters swapped, each way: one slip of the fingers, but two edits."""
    if typos_allowed(word) == 0:
        return ()
    each = (word[:i] + word[i + 1] + word[i] + word[i + 2 :] for i in range(len(word) - 1))
    return tuple(dict.fromkeys(swapped for swapped in each if swapped != word))


def prefix_counts(word: str) -> bool:
    return len(word) >= 2


def spellings(word: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The word's own spellings (mueller, muller) and the nicknames and full names it may stand for."""
    own = names.spelling_variants(word)
    return own, tuple(form for form in names.query_alternatives(word) if form not in own)


def whole_names(words: tuple[str, ...]) -> tuple[str, ...]:
    """The sort keys of a person whose whole name the words are: given and family name in either order."""
    if len(words) < 2:
        return ()
    return (" ".join((words[-1], *words[:-1])), " ".join(words))


def initialled_names(words: tuple[str, ...]) -> tuple[str, ...]:
    """What the sort key of a person begins with whose initial and family name the words are: "peters p"."""
    initials = [word for word in words if len(word) == 1]
    rest = [word for word in words if len(word) > 1]
    return (" ".join((*rest, initials[0])),) if initials and rest else ()
