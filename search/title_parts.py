"""The parts of a title, and who holds what in them.

Between breaks lie segments ("VP, Sales" has two), between equals the parts of a segment ("sales and
marketing"). In its surroundings a word may mean something else than alone: the rules below replace such an
item, or make it void: named, and not held ("Assistant to the CEO" is no CEO, a product owner owns nothing).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from search.title_words import AND, COMMA, TO, Concept, Item, lexicon, match

_LEADERS: Final = frozenset({"owner", "founder", "c_suite", "partner", "vp", "head", "director"})
_ABOVE_SENIOR: Final = _LEADERS | {"manager"}


@dataclass(slots=True)
class Part:
    """The items between two equals, and the places of those that are void."""

    items: list[Item] = field(default_factory=list)
    void: set[int] = field(default_factory=set)

    def held(self) -> Iterator[Concept]:
        """The concepts of this part that apply to the person."""
        for place, item in enumerate(self.items):
            if item.concept and place not in self.void:
                yield item.concept


@dataclass(slots=True)
class Segment:
    """What stands between two breaks, and whether a comma opened it."""

    parts: list[Part] = field(default_factory=lambda: [Part()])
    after_comma: bool = False


def segments(words: Sequence[str]) -> list[Segment]:
    """The title cut at its separators, every item judged in its surroundings."""
    found = _cut(words)
    for segment in found:
        for part in segment.parts:
            _judge(part)
        _raise_chiefs(segment)
        _void_served(segment)
    if "md" in words:
        _void_doctors(found)
    return found


def _cut(words: Sequence[str]) -> list[Segment]:
    found = [Segment()]
    referring = False
    for item in match(words):
        segment = found[-1]
        part = segment.parts[-1]
        if isinstance(item, Item):
            # "Chief of Staff to the CEO": a rank after "to" is somebody else's.
            if referring and item.concept and item.concept.seniority in _LEADERS:
                part.void.add(len(part.items))
            elif referring:
                referring = item.concept is None or item.concept.kind == "modifier"
            part.items.append(item)
        elif item == TO:
            referring = bool(part.items)
        elif item == AND:
            if part.items:
                segment.parts.append(Part())
        else:
            referring = False
            if part.items or len(segment.parts) > 1:
                found.append(Segment(after_comma=item == COMMA))
    return found


@dataclass(frozen=True, slots=True)
class _Place:
    """An item in its part, as the rules see it."""

    items: list[Item]
    index: int

    @property
    def before(self) -> Item | None:
        return self.items[self.index - 1] if self.index else None

    @property
    def after(self) -> Item | None:
        return self.items[self.index + 1] if self.index + 1 < len(self.items) else None

    @property
    def later(self) -> list[Item]:
        return self.items[self.index + 1 :]


# A rule says what the item is in its place: another concept, nothing held (_VOID), or what it was (None).
_VOID: Final = Concept("", (), None, "modifier", None, None, 0)
_PARTNERSHIPS: Final = Concept(
    "partnerships", ("partnerships",), None, "topic", None, "business_development", 5
)
_CHIEF_OFFICER: Final = Concept("chief", ("chief",), None, "prefix", "c_suite", "executive", 0)
_STAFF_SENIOR: Final = Concept("staff", ("staff",), None, "modifier", "senior", None, 0)


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# "Partner Manager", "Partner Marketing": the partner is another company.
_PARTNER_WORK: Final = _words(
    "manager marketing success sales development enablement operations program account solution solutions"
    " engineer director lead specialist relations growth support coordinator executive technical consultant"
    " recruiter experience engagement customer onboarding integration network head"
)
# "Business Partner", "Client Partner": a colleague of another department.
_PARTNER_CRAFT: Final = _words(
    "business client talent people channel brand delivery culture success alliance strategic customer care hr"
    " learning design product technology relationship recruitment measurement engagement"
)
_OWNER_CRAFT: Final = _words(
    "data process processes system systems service application risk control platform backlog feature solution"
    " domain api test content program project problem asset policy value release product budget"
)
_STAFF_CRAFT: Final = frozenset({"engineering", "data", "design", "product", "information_technology"})
_TRAINING_STAFF: Final = _words(
    "program coordinator recruiter success affairs services service advisor counselor recruiting"
)
_CHEF: Final = _words("chef cheffe chefs")
_SERVING: Final = frozenset({"officer", "advisor", "driver", "office", "office manager", "employee"})
_KITCHENS: Final = frozenset({"kitchen", "restaurant", "hotel", "hospitality", "food and beverage", "store"})


def _partner(place: _Place) -> Concept | None:
    if _first_term(place.after) in _PARTNER_WORK:
        return _PARTNERSHIPS
    return _VOID if _last_word(place.before) in _PARTNER_CRAFT else None


def _owner(place: _Place) -> Concept | None:
    return _VOID if _last_word(place.before) in _OWNER_CRAFT else None


def _cook(place: _Place) -> Concept | None:
    """A chef de service leads a service and a Finanzchef the finances, a chef cooks."""
    if place.items[place.index].words[0] not in _CHEF:
        return None
    after, before = place.after, place.before
    if after and (after.concept is None or _is_function(after.concept)):
        return lexicon().phrases["head",]
    if before and before.concept and _is_function(before.concept):
        return lexicon().phrases["head",]
    return None


def _is_function(concept: Concept) -> bool:
    """A topic or plain profession, other than those of a kitchen: chef des ventes, chef comptable."""
    if concept.kind == "role":
        return concept.seniority is None and concept.department not in {None, "operations", "education"}
    return concept.kind == "topic" and concept.department is not None and concept.phrase not in _KITCHENS


def _staff(place: _Place) -> Concept | None:
    """A staff engineer is a senior one, a staff accountant is not."""
    for item in place.later:
        concept = item.concept
        if concept and concept.kind == "role" and concept.department in _STAFF_CRAFT:
            return _STAFF_SENIOR
    return None


def _board_room(place: _Place) -> Concept | None:
    """Vorstandsreferent, CEO Office, Referent der Geschäftsführung: near the top, not at it."""
    if _phrase(place.after) in _SERVING:
        return _VOID
    named_last = _phrase(place.items[place.index]) != "director"
    return _VOID if named_last and _phrase(place.before) in _SERVING else None


_RULES: Final[dict[str, Callable[[_Place], Concept | None]]] = {
    "partner": _partner,
    "owner": _owner,
    "cook": _cook,
    "staff": _staff,
    "managing director": _board_room,
    "board member": _board_room,
    "executive board member": _board_room,
    "chief executive officer": _board_room,
    "chief financial officer": _board_room,
    "director": _board_room,
}


def _judge(part: Part) -> None:
    for index, item in enumerate(part.items):
        concept = item.concept
        if concept is None:
            continue
        rule = _RULES.get(concept.phrase)
        if rule is None:
            if (
                concept.seniority == "intern"
                and _first_term(_Place(part.items, index).after) in _TRAINING_STAFF
            ):
                part.void.add(index)
            continue
        meant = rule(_Place(part.items, index))
        if meant is _VOID:
            part.void.add(index)
        elif meant is not None:
            part.items[index] = Item(item.words, meant)


def _raise_chiefs(segment: Segment) -> None:
    """Chief of something is its head; Chief … Officer, with an "and" in between or not, is at the top."""
    officers = False
    for part in reversed(segment.parts):
        for index in range(len(part.items) - 1, -1, -1):
            item = part.items[index]
            officers = officers or _phrase(item) == "officer"
            if officers and _phrase(item) == "chief":
                part.items[index] = Item(item.words, _CHIEF_OFFICER)


def _void_doctors(found: list[Segment]) -> None:
    """An MD among physicians is a degree, not a managing director."""
    parts = [part for segment in found for part in segment.parts]
    if any(concept.department == "healthcare" for part in parts for concept in part.held()):
        for part in parts:
            part.void.update(index for index, item in enumerate(part.items) if item.words == ("md",))


_ASSISTANTS: Final = frozenset({"assistant", "executive assistant", "administrative assistant", "secretary"})
_DEPUTISING: Final = frozenset({"assistant", "asst", "assist"})


def _void_served(segment: Segment) -> None:
    """An assistant has no rank of those served; an assistant manager is a manager."""
    first_part = True
    for number, part in enumerate(segment.parts):
        for index, item in enumerate(part.items):
            phrase = _phrase(item)
            if phrase not in _ASSISTANTS:
                continue
            if phrase == "assistant" and item.words[0] in _DEPUTISING and _leads_to_rank(part, index):
                part.void.add(index)
                continue
            _void_ranks(part, index, _ABOVE_SENIOR)
            if first_part and index == 0:
                for other in segment.parts[number + 1 :]:
                    _void_ranks(other, None, _LEADERS)
        first_part = False


def _leads_to_rank(part: Part, index: int) -> bool:
    """Whether the assistant of "assistant store manager" is a rank's modifier; a French chef de … is none."""
    return any(
        place not in part.void
        and item.concept is not None
        and item.concept.seniority in _ABOVE_SENIOR
        and item.words[0] not in _CHEF
        for place, item in enumerate(part.items)
        if place > index
    )


def _void_ranks(part: Part, keep: int | None, ranks: frozenset[str]) -> None:
    for place, item in enumerate(part.items):
        if place != keep and item.concept and item.concept.seniority in ranks:
            part.void.add(place)


def _phrase(item: Item | None) -> str | None:
    return item.concept.phrase if item and item.concept else None


def _first_term(item: Item | None) -> str | None:
    if item is None:
        return None
    return item.concept.terms[0] if item.concept else item.words[0]


def _last_word(item: Item | None) -> str | None:
    return item.words[-1] if item else None
