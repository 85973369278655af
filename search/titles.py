"""Job titles: from what people write to canonical terms, a seniority and departments.

Both engines, the importer and the query builder read titles with the one function `read_title`, so that a
title and a search for it agree by construction. The words are data (`data/titles.toml`), how they change each
other is in `title_parts`; here is what follows from them:

* Seniority is the highest rank that the person holds ("Founder & CEO" is a founder). An intern, or somebody's
  assistant, holds none of the ranks that the title goes on to name. `entry` is every ordinary professional
  without a rank (Accountant, Nurse, Sales Representative), `senior` the same with a word like senior, lead,
  principal. Chief … Officer is `c_suite`, any other chief (Chief Architect, Chief of Staff) is `head`.
* Departments follow the function, not the industry: "Healthcare Sales Manager" is sales. Functions joined by
  "and" or "/" all count. Owners, founders and partners without a function are `executive`.
* A title with no known word has neither, and is still found by its words.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from search.title_parts import Segment, segments
from search.title_words import MAX_LENGTH, STOPWORDS, Item, lexicon, looks_like_occupation, read_words
from search.vocabulary import DEPARTMENTS, SENIORITIES

MAX_TERMS: Final = 16
_MAX_DEPARTMENTS: Final = 4

_RANK: Final = {seniority: place for place, seniority in enumerate(SENIORITIES)}
_DEPARTMENT_ORDER: Final = {department: place for place, department in enumerate(DEPARTMENTS)}

# A department of this weight or less says little: an analyst or assistant works for some function.
_WEAK: Final = 2
# What an owner's or founder's title says of operations is the trade: a restaurant owner owns a restaurant.
_TRADE: Final = 3
_ENTERPRISING: Final = frozenset({"owner", "founder"})

_ALSO_NAMES: Final = frozenset(
    [
        *(
            "dean",
            "cook",
            "chef",
            "baker",
            "mode",
            "art",
            "arts",
            "mason",
            "carpenter",
            "page",
            "bishop",
            "major",
        ),
        *(
            "marshall",
            "porter",
            "taylor",
            "fisher",
            "gardener",
            "judge",
            "painter",
            "farmer",
            "koch",
            "richter",
        ),
        *("pastor", "priest", "west", "north", "south", "east", "ruby", "stock", "bank", "general", "first"),
        *(
            "central",
            "field",
            "land",
            "si",
            "ti",
            "ia",
            "ki",
            "net",
            "sale",
            "react",
            "node",
            "angular",
            "rust",
        ),
    ]
)


@dataclass(frozen=True, slots=True)
class Title:
    """What a title says: readable English, the terms it is found by, rank and functions."""

    normalized: str
    terms: tuple[str, ...]
    seniority: str | None
    departments: tuple[str, ...]


_EMPTY: Final = Title("", (), None, ())
_Named = tuple[Item, bool]  # an item, and whether it is void


def read_title(text: str) -> Title:
    """The canonical reading of a title; an empty one for a text without words."""
    return _read(text if len(text) <= MAX_LENGTH else text[:MAX_LENGTH])


@lru_cache(maxsize=65_536)
def _read(text: str) -> Title:
    found = segments(read_words(text))
    items = _items(found)
    if not items:
        return _EMPTY
    return Title(_normalized(found), _record_terms(items), _seniority(found), _departments(found))


@lru_cache(maxsize=4096)
def title_query(text: str) -> tuple[frozenset[str], ...]:
    """The alternatives of a title filter: a record fits if its terms hold all terms of one of them.

    Synonyms and translations share their terms already. As similar count, besides longer titles that hold the
    terms ("Sales Director" finds "Regional Sales Director"), only titles that translations mix up: head and
    director of the same thing (Leiter, directeur, jefe), and chief executive and managing director.
    """
    items = _items(segments(read_words(text[:MAX_LENGTH])))
    if not items:
        return ()
    terms = _required_terms(items)
    return tuple(dict.fromkeys([terms, *_similar(terms)]))


def is_title_word(token: str) -> bool:
    """Whether a folded word by itself belongs to a title, and is not as often a name."""
    return title_phrase_terms((token,)) is not None


def title_phrase_terms(tokens: Sequence[str]) -> frozenset[str] | None:
    """The terms that these words of a free text ask for, or None if they are not wholly words of a title."""
    if not tokens or tokens[0] in STOPWORDS or tokens[-1] in STOPWORDS:
        return None
    items = _items(segments(read_words(" ".join(tokens))))
    if not items or any(item.concept is None for item, _ in items):
        return None
    if all(word in _ALSO_NAMES for item, _ in items for word in item.words):
        return None
    return _required_terms(items)


def _items(found: list[Segment]) -> list[_Named]:
    return [
        (item, place in part.void)
        for segment in found
        for part in segment.parts
        for place, item in enumerate(part.items)
    ]


def _record_terms(items: Sequence[_Named]) -> tuple[str, ...]:
    """All terms; a rank that is named and not held ("Assistant to the CEO") is found as such only."""
    terms = (_unheld(term) if void else term for item, void in items for term in _terms(item))
    return tuple(sorted(list(dict.fromkeys(terms))[:MAX_TERMS]))


def _required_terms(items: Sequence[_Named]) -> frozenset[str]:
    terms = (_unheld(term) if void else term for item, void in items for term in _query_terms(item))
    return frozenset(list(dict.fromkeys(terms))[:MAX_TERMS])


def _unheld(term: str) -> str:
    return term if term.startswith("~") else "~" + term


def _terms(item: Item) -> tuple[str, ...]:
    return item.concept.terms if item.concept else item.words


def _query_terms(item: Item) -> tuple[str, ...]:
    """A code alone is enough to ask for ("cto"), unless several titles share it."""
    concept = item.concept
    if concept is None:
        return item.words
    if concept.code is None:
        return concept.terms
    if concept.code in lexicon().shared_codes:
        return concept.terms[:-1]
    return (concept.code,)


def _similar(terms: frozenset[str]) -> Iterator[frozenset[str]]:
    if terms == {"ceo"}:
        yield frozenset({"managing", "director"})
    elif terms == {"managing", "director"}:
        yield frozenset({"ceo"})
    elif len(terms) > 1 and not terms & {"assistant", "managing"}:
        if "head" in terms:
            yield terms - {"head"} | {"director"}
        elif "director" in terms:
            yield terms - {"director"} | {"head"}


def _seniority(found: list[Segment]) -> str | None:
    """The highest rank held; None only when no word of the title is known."""
    ranks: set[str] = set()
    junior = known = False
    for segment in found:
        for part in segment.parts:
            known = known or any(_says_something(item) for item in part.items)
            for concept in part.held():
                if concept.seniority:
                    ranks.add(concept.seniority)
                    junior = junior or concept.phrase == "junior"
    if not known:
        return None
    if "intern" in ranks:
        return "intern"
    if junior:
        ranks -= {"manager", "senior"}
    return min(ranks, key=_RANK.__getitem__, default="entry")


def _says_something(item: Item) -> bool:
    if item.concept is None:
        return looks_like_occupation(item.words[0])
    return item.concept.kind != "region"


@dataclass(slots=True)
class _Functions:
    """The departments of one segment with their weights, and what they rest on."""

    departments: dict[str, int] = field(default_factory=dict)
    has_role: bool = False  # somebody's role, not only what it is about
    listed: bool = False  # the end of an enumeration: "…, marketing and product"

    @property
    def weight(self) -> int:
        return max(self.departments.values(), default=0)


def _departments(found: list[Segment]) -> tuple[str, ...]:
    """Of the first segment that has any, and of the others as far as they name a role or go on listing."""
    functions = [_functions(segment) for segment in found]
    enumerated = any(later.listed for later in functions[1:]) and all(
        later.after_comma for later in found[1:]
    )
    chosen: dict[str, int] = {}
    for each in functions:
        if not each.departments:
            continue
        only_executive = list(chosen) == ["executive"]
        weak = max(chosen.values(), default=0) <= _WEAK < each.weight
        if not chosen or (only_executive and not each.has_role) or (weak and not only_executive):
            chosen = dict(each.departments)
        elif (each.has_role or enumerated) and (each.weight > _WEAK or "executive" in each.departments):
            chosen |= each.departments
    if not chosen and any(
        concept.department == "executive"
        for segment in found
        for part in segment.parts
        for concept in part.held()
    ):
        return ("executive",)
    return tuple(sorted(chosen, key=_DEPARTMENT_ORDER.__getitem__)[:_MAX_DEPARTMENTS])


def _functions(segment: Segment) -> _Functions:
    """Of each part the heaviest departments; parts that say little count only if nothing says more."""
    functions = _Functions(listed=len(segment.parts) > 1 and segment.after_comma)
    for part in segment.parts:
        weights: dict[str, int] = {}
        enterprising = False
        for concept in part.held():
            functions.has_role = functions.has_role or concept.kind in {"role", "prefix"}
            enterprising = enterprising or concept.seniority in _ENTERPRISING
            if concept.department and concept.weight:
                weights[concept.department] = max(concept.weight, weights.get(concept.department, 0))
        if enterprising and weights.get("operations", _TRADE + 1) <= _TRADE:
            del weights["operations"]
        heaviest = max(weights.values(), default=0)
        for department, weight in weights.items():
            if weight == heaviest:
                functions.departments[department] = max(weight, functions.departments.get(department, 0))
    if functions.weight > _WEAK or "executive" in functions.departments:
        functions.departments = {
            department: weight
            for department, weight in functions.departments.items()
            if weight > _WEAK or department == "executive"
        }
    return functions


def _normalized(found: list[Segment]) -> str:
    """One English phrase: what sort of, which rank, of what, as what; topics on equal footing are sorted."""
    phrases: dict[str, list[str]] = {"modifier": [], "prefix": [], "role": [], "region": []}
    topics: list[list[str]] = []
    for segment in found:
        for part in segment.parts:
            topic: list[str] = []
            for item in part.items:
                concept = item.concept
                if concept is None:
                    topic.append(" ".join(item.words))
                else:
                    (topic if concept.kind == "topic" else phrases[concept.kind]).append(concept.phrase)
            if topic:
                topics.append(topic)
    about = [phrase for topic in sorted(topics) for phrase in topic]
    return " ".join(dict.fromkeys([*phrases["modifier"], *phrases["prefix"], *about, *phrases["role"]]))
