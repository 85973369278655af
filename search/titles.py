"""Job titles: from what people write to canonical terms, a seniority and departments.

Both engines, the importer and the query builder read titles with the one function `read_title`, so that a
title and a search for it agree by construction. The words are data (`data/titles.toml`); here are the rules of
how they work together. What the rules hold to:

* Seniority is the highest rank that the person holds ("Founder & CEO" is a founder); an intern, or somebody's
  assistant, holds none of the ranks the title goes on to name. `entry` is every ordinary professional without
  a rank (Accountant, Nurse, Sales Representative), `senior` the same with a word like senior, lead, principal.
  Chief … Officer is `c_suite`, any other chief (Chief Architect, Chief of Staff) is `head`.
* Departments follow the function, not the industry: "Healthcare Sales Manager" is sales. Functions joined by
  "and" or "/" all count. Owners, founders, partners and general managers without a function are `executive`.
* A title with no known word has neither, and is still found by its words.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from search.title_words import (
    AND,
    BREAK,
    MAX_LENGTH,
    STOPWORDS,
    TO,
    Concept,
    Item,
    lexicon,
    match,
    read_words,
)
from search.vocabulary import DEPARTMENTS, SENIORITIES

MAX_TERMS: Final = 16
_MAX_DEPARTMENTS: Final = 4

_RANK: Final = {seniority: place for place, seniority in enumerate(SENIORITIES)}
_DEPARTMENT_ORDER: Final = {department: place for place, department in enumerate(DEPARTMENTS)}
_ABOVE_SENIOR: Final = frozenset(
    {"owner", "founder", "c_suite", "partner", "vp", "head", "director", "manager"}
)
_LEADERS: Final = frozenset({"owner", "founder", "c_suite", "partner", "vp", "head", "director"})

# A department of this weight or less says little: an analyst, assistant or consultant works for some function.
_WEAK: Final = 2


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_ASSISTANTS: Final = frozenset({"assistant", "executive assistant", "administrative assistant", "secretary"})
_DEPUTISING: Final = frozenset({"assistant", "asst", "assist"})
_TRAINING_STAFF: Final = frozenset(
    {
        "program",
        "coordinator",
        "recruiter",
        "success",
        "affairs",
        "services",
        "service",
        "advisor",
        "counselor",
    }
)
_BOARD_ROOM: Final = frozenset(
    {"managing director", "board member", "chief executive officer", "chief financial officer", "director"}
)
_SERVING: Final = frozenset({"officer", "advisor", "driver", "administration"})
# "Partner Manager", "Partner Marketing": the partner is another company.
_PARTNER_WORK: Final = _words(
    "manager marketing success sales development enablement operations program account solution solutions engineer"
    " director lead specialist relations growth support coordinator executive technical consultant recruiter"
    " experience engagement customer onboarding integration network"
)
# "Business Partner", "Client Partner": a colleague of another department.
_PARTNER_CRAFT: Final = _words(
    "business client talent people channel brand delivery culture success alliance strategic customer care hr"
    " learning design product technology relationship"
)
_OWNER_CRAFT: Final = _words(
    "data process system systems service application risk control platform backlog feature solution domain api test"
    " content program project problem asset policy value release product budget"
)
_STAFF_CRAFT: Final = frozenset(
    {"engineer", "software engineer", "scientist", "designer", "architect", "product manager"}
)
_CHEF: Final = frozenset({"chef", "cheffe", "chefs"})
_ALSO_NAMES: Final = _words(
    "dean cook baker mode art arts marina mason carpenter page bishop major marshall porter taylor fisher gardener"
    " judge painter farmer koch richter meister land si ti da ia ki net sale react node angular rust west north south"
    " east ruby abbott priest pastor stock bank ambassador general first field central"
)


@dataclass(frozen=True, slots=True)
class Title:
    """What a title says: readable English, the terms it is found by, rank and functions."""

    normalized: str
    terms: tuple[str, ...]
    seniority: str | None
    departments: tuple[str, ...]


@dataclass(slots=True)
class _Part:
    """What stands between two "and"s, with the items whose rank and function do not count."""

    items: list[Item] = field(default_factory=list)
    void: set[int] = field(default_factory=set)


_Segment = list[_Part]
_EMPTY: Final = Title("", (), None, ())


def read_title(text: str) -> Title:
    """The canonical reading of a title; an empty one for a text without words."""
    return _read(text[:MAX_LENGTH])


@lru_cache(maxsize=65_536)
def _read(text: str) -> Title:
    words = read_words(text)
    segments = _segments(words)
    items = _items(segments)
    if not items:
        return _EMPTY
    return Title(
        normalized=_normalized(segments),
        terms=_record_terms(items),
        seniority=_seniority(segments),
        departments=_departments(segments),
    )


@lru_cache(maxsize=4096)
def title_query(text: str) -> tuple[frozenset[str], ...]:
    """The alternatives of a title filter: a record fits if its terms hold all terms of one of them.

    Synonyms and translations share their terms already. As similar count, besides longer titles that hold the
    terms ("Sales Director" finds "Regional Sales Director"), only titles that translations mix up: head and
    director of the same thing (Leiter, directeur, jefe), and chief executive and managing director.
    """
    items = _items(_segments(read_words(text[:MAX_LENGTH])))
    if not items:
        return ()
    terms = _required_terms(items)
    return tuple(dict.fromkeys([terms, *_similar(terms)]))


def is_title_word(token: str) -> bool:
    """Whether a folded word by itself belongs to a title, and is not as often a name."""
    return token not in _ALSO_NAMES and title_phrase_terms((token,)) is not None


def title_phrase_terms(tokens: Sequence[str]) -> frozenset[str] | None:
    """The terms that these words of a free text ask for, or None if they are not wholly words of a title."""
    if not tokens or tokens[0] in STOPWORDS or tokens[-1] in STOPWORDS:
        return None
    items = _items(_segments(read_words(" ".join(tokens))))
    if not items or any(item.concept is None for item, _ in items):
        return None
    if all(word in _ALSO_NAMES for item, _ in items for word in item.words):
        return None
    return _required_terms(items)


def _items(segments: list[_Segment]) -> list[tuple[Item, bool]]:
    """All items in order, each with whether it is named without being held."""
    return [
        (item, place in part.void)
        for segment in segments
        for part in segment
        for place, item in enumerate(part.items)
    ]


def _record_terms(items: Sequence[tuple[Item, bool]]) -> tuple[str, ...]:
    """All terms; a rank that is named and not held ("Assistant to the CEO") is found as such only."""
    terms = (_unheld(term) if void else term for item, void in items for term in _terms(item))
    return tuple(sorted(list(dict.fromkeys(terms))[:MAX_TERMS]))


def _required_terms(items: Sequence[tuple[Item, bool]]) -> frozenset[str]:
    terms = (_unheld(term) if void else term for item, void in items for term in _query_terms(item))
    return frozenset(list(dict.fromkeys(terms))[:MAX_TERMS])


def _unheld(term: str) -> str:
    return "~" + term


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


def _segments(words: Sequence[str]) -> list[_Segment]:
    """The title cut at its separators, every item judged in its surroundings."""
    segments: list[_Segment] = [[_Part()]]
    referring = False
    for item in match(words):
        segment = segments[-1]
        part = segment[-1]
        if isinstance(item, Item):
            if referring and item.concept and item.concept.seniority in _LEADERS:
                part.void.add(len(part.items))
            else:
                referring = referring and (item.concept is None or item.concept.kind == "modifier")
            part.items.append(item)
        elif item == BREAK:
            referring = False
            if any(found.items for found in segment):
                segments.append([_Part()])
        elif item == AND:
            if part.items:
                segment.append(_Part())
        elif item == TO:
            referring = bool(part.items)
    for segment in segments:
        for part in segment:
            _judge(part)
        _void_served(segment)
    return segments


def _judge(part: _Part) -> None:
    """Replaces or voids items that mean something else beside their neighbours."""
    items = part.items
    for place, item in enumerate(items):
        concept = item.concept
        if concept is None:
            continue
        before = items[place - 1] if place else None
        after = items[place + 1] if place + 1 < len(items) else None
        if concept.phrase == "partner":
            if _first_word(after) in _PARTNER_WORK:
                items[place] = Item(item.words, lexicon().phrases["partnerships",])
            elif _last_word(before) in _PARTNER_CRAFT:
                part.void.add(place)
        elif concept.phrase == "owner" and _last_word(before) in _OWNER_CRAFT:
            part.void.add(place)
        elif concept.phrase == "cook" and item.words[0] in _CHEF and _is_function(after, before):
            items[place] = Item(item.words, lexicon().phrases["head",])
        elif concept.phrase == "chief" and any(_phrase(later) == "officer" for later in items[place + 1 :]):
            items[place] = Item(item.words, _CHIEF_OFFICER)
        elif concept.phrase == "staff" and _phrase(after) in _STAFF_CRAFT:
            items[place] = Item(item.words, _STAFF_SENIOR)
        elif concept.phrase in _BOARD_ROOM and (
            _phrase(after) in _SERVING or (_phrase(before) in _SERVING and concept.phrase != "director")
        ):
            part.void.add(place)
        elif concept.seniority == "intern" and _first_word(after) in _TRAINING_STAFF:
            part.void.add(place)


_CHIEF_OFFICER: Final = Concept("chief", ("chief",), None, "prefix", "c_suite", None, 0)
_STAFF_SENIOR: Final = Concept("staff", ("staff",), None, "modifier", "senior", None, 0)


def _void_served(segment: _Segment) -> None:
    """An assistant has no rank of those served; an assistant manager is a manager."""
    flat = [(part, place, item) for part in segment for place, item in enumerate(part.items)]
    for position, (part, place, item) in enumerate(flat):
        phrase = _phrase(item)
        if phrase not in _ASSISTANTS:
            continue
        deputy = phrase == "assistant" and item.words[0] in _DEPUTISING
        if deputy and any(_outranks(p, i, other) for p, i, other in flat[position + 1 :]):
            part.void.add(place)
            continue
        for other_part, other_place, other in flat:
            if other is not item and other.concept and other.concept.seniority in _ABOVE_SENIOR:
                other_part.void.add(other_place)


def _outranks(part: _Part, place: int, item: Item) -> bool:
    return (
        place not in part.void
        and item.concept is not None
        and item.concept.seniority in _ABOVE_SENIOR
        and item.words[0] not in _CHEF
    )


def _phrase(item: Item | None) -> str | None:
    return item.concept.phrase if item and item.concept else None


def _first_word(item: Item | None) -> str | None:
    return (item.concept.terms[0] if item.concept else item.words[0]) if item else None


def _last_word(item: Item | None) -> str | None:
    return item.words[-1] if item else None


def _is_function(*items: Item | None) -> bool:
    return any(
        item and item.concept and item.concept.kind == "topic" and item.concept.department for item in items
    )


def _seniority(segments: list[_Segment]) -> str | None:
    """The highest rank held; None only when no word of the title is known."""
    ranks: set[str] = set()
    junior = known = False
    for segment in segments:
        for part in segment:
            for place, item in enumerate(part.items):
                concept = item.concept
                if concept is None or concept.kind == "region":
                    continue
                known = True
                if concept.seniority and place not in part.void:
                    ranks.add(concept.seniority)
                    junior = junior or concept.phrase == "junior"
    if not known:
        return None
    if "intern" in ranks:
        return "intern"
    if junior:
        ranks -= {"manager", "senior"}
    return min(ranks, key=_RANK.__getitem__, default="entry")


@dataclass(slots=True)
class _Functions:
    """The departments of one segment, and what they rest on."""

    departments: dict[str, int] = field(default_factory=dict)
    has_role: bool = False  # somebody's role, not only what it is about
    is_list: bool = False

    @property
    def weight(self) -> int:
        return max(self.departments.values(), default=0)


def _departments(segments: list[_Segment]) -> tuple[str, ...]:
    found = [_functions(segment) for segment in segments]
    enumerated = any(functions.is_list for functions in found[1:])
    chosen: dict[str, int] = {}
    for functions in found:
        weight = max(chosen.values(), default=0)
        if not chosen or (weight <= _WEAK < functions.weight):
            chosen = dict(functions.departments)
        elif list(chosen) == ["executive"] and functions.departments and not functions.has_role:
            chosen = dict(functions.departments)
        elif functions.weight > _WEAK and (functions.has_role or enumerated):
            chosen.update(functions.departments)
    if not chosen and any(_leads(segment) for segment in segments):
        return ("executive",)
    return tuple(sorted(chosen, key=_DEPARTMENT_ORDER.__getitem__)[:_MAX_DEPARTMENTS])


def _functions(segment: _Segment) -> _Functions:
    """Of each part the heaviest departments; parts that say little count only if nothing says more."""
    functions = _Functions(is_list=len(segment) > 1)
    for part in segment:
        weights: dict[str, int] = {}
        for place, item in enumerate(part.items):
            concept = item.concept
            if concept is None or place in part.void:
                continue
            functions.has_role = functions.has_role or concept.kind in {"role", "prefix"}
            if concept.department and concept.weight:
                weights[concept.department] = max(concept.weight, weights.get(concept.department, 0))
        heaviest = max(weights.values(), default=0)
        for department, weight in weights.items():
            if weight == heaviest:
                functions.departments[department] = max(weight, functions.departments.get(department, 0))
    if functions.weight > _WEAK:
        functions.departments = {
            name: weight for name, weight in functions.departments.items() if weight > _WEAK
        }
    return functions


def _leads(segment: _Segment) -> bool:
    return any(
        item.concept and item.concept.department == "executive" and place not in part.void
        for part in segment
        for place, item in enumerate(part.items)
    )


def _normalized(segments: list[_Segment]) -> str:
    """One English phrase: what sort of, which rank, of what, as what; topics on equal footing are sorted."""
    modifiers: list[str] = []
    prefixes: list[str] = []
    roles: list[str] = []
    topics: list[list[str]] = []
    for segment in segments:
        for part in segment:
            topic: list[str] = []
            for item in part.items:
                concept = item.concept
                if concept is None:
                    topic.append(" ".join(item.words))
                elif concept.kind == "modifier":
                    modifiers.append(concept.phrase)
                elif concept.kind == "prefix":
                    prefixes.append(concept.phrase)
                elif concept.kind == "role":
                    roles.append(concept.phrase)
                elif concept.kind == "topic":
                    topic.append(concept.phrase)
            if topic:
                topics.append(topic)
    about = [phrase for topic in sorted(topics) for phrase in topic]
    return " ".join(dict.fromkeys([*modifiers, *prefixes, *about, *roles]))
