"""Reads the free text: which words are a person, a title, a company, a place, a topic.

A reading cuts the words into spans and takes the cut with the most points. Titles are known by our own
tables; companies, people and places only where some record bears them out. Words that nothing knows stay
loose: they are looked for in names of people and companies, through typos.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from sqlalchemy.ext.asyncio import AsyncSession

from core.text import tokens
from search import companies, places, scoring, titles
from search.conditions import AllOf, AnyOf, Condition, LooseWord, Or, Scored, TermSets, TextPart
from search.criteria import OpenTerms
from search.fields import CONTACT_FIELDS, ORGANIZATION_FIELDS, Field
from search.known import (
    COMPANY_LINKS,
    LINKING,
    LONGEST_PLACE,
    NOISE,
    PLACE_LINKS,
    Known,
    PlaceCode,
    ask,
    spans,
)
from search.request import Entity

MAX_WORDS: Final = 12
_LONGEST_SPAN: Final = 8

# Points per word of a span. Several words that are a company's whole name, or somebody's, say most; a word
# alone says less. A linking word before it ("in Berlin", "at Acme") settles most doubts.
_PERSON: Final = 2.2
_TITLE: Final = 2.0
_COMPANY: Final = 1.9
_COMPANY_NAME: Final = 2.4
_TOPIC: Final = 1.6
_PLACE: Final = 1.5
_PERSON_WORD: Final = 1.2
_LINK: Final = 0.5
_LOOSE: Final = 0.4
_LINKED: Final = 1.0
_LONGER: Final = 0.3

_TOPIC_FIELDS: Final = {"industry": "industries", "technology": "technologies", "keyword": "keywords"}

_Part = Literal["person", "title", "company", "place", "topic", "any", "link"]


@dataclass(frozen=True, slots=True)
class _Span:
    start: int
    end: int
    part: _Part
    points: float


async def understand(
    session: AsyncSession, q: str, *, entity: Entity, terms: OpenTerms
) -> tuple[TextPart, ...]:
    """The parts of a free text; empty when it has no words. Words beyond the twelfth are not looked for."""
    words = _words(q)
    if not words:
        return ()
    known = await ask(session, words, entity)
    cut = _best_cut(words, list(_candidates(words, entity, terms, known)))
    return tuple(_merge_loose(_parts(words, cut, entity, terms, known), entity, terms))


def relax(parts: Sequence[TextPart]) -> tuple[TextPart, ...]:
    """A reading for when nothing fits all of it: what was nearly right is worth more than nothing.

    Beside a person, a company or a topic, title and place only add points, each word of a title for
    itself. A title and a place alone stay required, the title by any of its words.
    """
    firm = any(part.part not in {"title", "place"} for part in parts)
    return tuple(_relaxed(part, required=not firm) for part in parts)


def _relaxed(part: TextPart, *, required: bool) -> TextPart:
    if part.part == "place":
        return replace(part, required=required)
    if part.part != "title":
        return part
    each = [
        Scored(TermSets(CONTACT_FIELDS["title_terms"], (frozenset({term}),)), scoring.TITLE_WORD // 2)
        for term in part.means
    ]
    if required:
        # Any word will do; the more of them a title has, the more points it gets beside that.
        anything = TermSets(CONTACT_FIELDS["title_terms"], tuple(frozenset({term}) for term in part.means))
        return replace(part, alternatives=(*part.alternatives, Scored(anything, 1)))
    return replace(part, alternatives=(*part.alternatives, *each), required=False)


def read_loosely(q: str, *, entity: Entity, terms: OpenTerms) -> tuple[TextPart, ...]:
    """Every word for itself, wherever it may be found: for a text whose careful reading finds nothing."""
    words = [word for word in _words(q) if word not in LINKING | NOISE]
    return tuple(_merge_loose((_loose("any", [word]) for word in words), entity, terms))


def _words(q: str) -> list[str]:
    """The words of the text; "&" is the word that names of companies have for it."""
    return tokens(q.replace("&", " and "))[:MAX_WORDS]


def _candidates(words: list[str], entity: Entity, terms: OpenTerms, known: Known) -> Iterable[_Span]:
    """Every span that may be something, with its points."""
    for i, j in spans(len(words), _LONGEST_SPAN):
        span, length = words[i:j], j - i
        before = words[i - 1] if i else ""
        longer = _LONGER * (length - 1)
        if (
            entity == "contacts"
            and _is_title(span)
            and not any(known.places_of(words, k, k + 1) for k in range(i, j))
        ):
            yield _Span(i, j, "title", _TITLE * length + longer)
        if tuple(span) in known.people:
            yield _Span(i, j, "person", _PERSON * length + longer if length > 1 else _PERSON_WORD)
        if companies.company_key(" ".join(span)) in known.company_keys:
            linked = _LINKED if before in COMPANY_LINKS else 0.0
            each = _COMPANY if length == 1 else _COMPANY_NAME
            yield _Span(i, j, "company", each * length + longer + linked)
        if length <= LONGEST_PLACE and known.places_of(words, i, j):
            linked = _LINKED if before in PLACE_LINKS else 0.0
            yield _Span(i, j, "place", _PLACE * length + longer + linked)
        if _topic_codes(span, terms):
            yield _Span(i, j, "topic", _TOPIC * length + longer)
    for i, word in enumerate(words):
        inside = 0 < i < len(words) - 1
        if (word in LINKING and inside) or (word in NOISE and len(words) > 1):
            yield _Span(i, i + 1, "link", _LINK)
        else:
            yield _Span(i, i + 1, "any", _LOOSE)


def _is_title(span: Sequence[str]) -> bool:
    """Words of a title and nothing else: no "at Acme" behind it, no lone letter that may be an initial."""
    if COMPANY_LINKS & set(span) or span[0] in LINKING or span[-1] in LINKING or len("".join(span)) == 1:
        return False
    return titles.title_phrase_terms(span) is not None


def _best_cut(words: Sequence[str], candidates: list[_Span]) -> list[_Span]:
    """The cut into spans with the most points: a longest path over the positions between words."""
    best: list[tuple[float, list[_Span]]] = [(0.0, []), *((-1.0, []) for _ in words)]
    for end in range(1, len(words) + 1):
        for span in (c for c in candidates if c.end == end):
            points = best[span.start][0] + span.points
            if points > best[end][0]:
                best[end] = (points, [*best[span.start][1], span])
    return best[-1][1]


def _topic_codes(span: Sequence[str], terms: OpenTerms) -> list[tuple[str, str]]:
    code = "-".join(span)
    return [(kind, code) for kind in _TOPIC_FIELDS if code in terms.terms.get(kind, {})]


def _parts(
    words: list[str], cut: list[_Span], entity: Entity, terms: OpenTerms, known: Known
) -> Iterable[TextPart]:
    for span in cut:
        chosen = words[span.start : span.end]
        match span.part:
            case "title":
                yield _title(chosen)
            case "company":
                yield _company(chosen)
            case "place":
                yield _place(chosen, known.places_of(words, span.start, span.end), entity)
            case "topic":
                codes = _topic_codes(chosen, terms)
                means = tuple(terms.display(kind, code) for kind, code in codes)
                topics = (Scored(_topics(codes), scoring.TOPIC),)
                yield TextPart("topic", " ".join(chosen), alternatives=topics, means=means)
            case "person" | "any":
                yield _loose(span.part, chosen)
            case "link":
                pass


def _loose(part: Literal["person", "any"], words: Sequence[str]) -> TextPart:
    each = tuple(LooseWord(word, in_person=True, in_company=True) for word in words)
    return TextPart(part, " ".join(words), words=each)


def _title(words: Sequence[str]) -> TextPart:
    found = titles.title_phrase_terms(words) or frozenset(words)
    written = " ".join(words)
    points = scoring.TITLE_WORD * len(words)
    alternatives = [Scored(TermSets(CONTACT_FIELDS["title_terms"], (found,)), points)]
    if similar := tuple(terms for terms in titles.title_query(written) if terms != found):
        alternatives.append(Scored(TermSets(CONTACT_FIELDS["title_terms"], similar), points - 1))
    return TextPart("title", written, alternatives=tuple(alternatives), means=tuple(sorted(found)))


def _company(words: Sequence[str]) -> TextPart:
    key = companies.company_key(" ".join(words))
    points = scoring.COMPANY_EXACT * len(words)
    every = AllOf(ORGANIZATION_FIELDS["name_terms"], tuple(key.split()))
    whole = AnyOf(ORGANIZATION_FIELDS["name_keys"], (key,))
    alternatives = (Scored(whole, points + scoring.WHOLE_COMPANY), Scored(every, points))
    return TextPart("company", " ".join(words), alternatives=alternatives, means=(key,))


def _place(words: Sequence[str], found: Sequence[PlaceCode], entity: Entity) -> TextPart:
    def anywhere(fields: Mapping[str, Field]) -> Condition:
        each = tuple(AnyOf(fields[kind], (code,)) for kind, code in found)
        return each[0] if len(each) == 1 else Or(each)

    of_company = Scored(anywhere(ORGANIZATION_FIELDS), scoring.PLACE_OF_COMPANY)
    of_person = Scored(anywhere(CONTACT_FIELDS), scoring.PLACE_OF_RECORD)
    alternatives = (of_person, of_company) if entity == "contacts" else (of_company,)
    means = tuple(places.place_display(kind, code) for kind, code in found)
    return TextPart("place", " ".join(words), alternatives=alternatives, means=means)


def _merge_loose(parts: Iterable[TextPart], entity: Entity, terms: OpenTerms) -> Iterable[TextPart]:
    """Loose and person words of the whole text become one part, so that a name may stand in any order.

    It is a person when every word of it is some person's name, or an initial beside one.
    """
    kept: list[TextPart] = []
    loose: list[TextPart] = []
    for part in parts:
        (loose if part.words else kept).append(part)
    words = [w.word for part in loose for w in part.words]
    person = (
        entity == "contacts"
        and any(part.part == "person" for part in loose)
        and all(part.part == "person" or len(part.text) == 1 for part in loose)
    )
    if words:
        each = tuple(
            LooseWord(
                word,
                in_person=entity == "contacts",
                in_company=not person,
                also=() if person else tuple(_meanings(word, entity, terms)),
            )
            for word in words
        )
        yield TextPart("person" if person else "any", " ".join(words), words=each)
    yield from kept


def _meanings(word: str, entity: Entity, terms: OpenTerms) -> Iterable[Scored]:
    """What a loose word may mean beside a name: a word of a title, a topic that has it in its name."""
    if entity == "contacts" and len(word) > 1:
        found = titles.title_phrase_terms([word]) or frozenset({word})
        yield Scored(TermSets(CONTACT_FIELDS["title_terms"], (found,)), scoring.TITLE_WORD)
    codes = [
        (kind, code)
        for kind in _TOPIC_FIELDS
        for code in terms.terms.get(kind, {})
        if len(word) > 2 and word in code.split("-")
    ]
    if codes:
        yield Scored(_topics(codes), scoring.TOPIC)


def _topics(codes: list[tuple[str, str]]) -> Condition:
    each = tuple(
        AnyOf(ORGANIZATION_FIELDS[field], chosen)
        for kind, field in _TOPIC_FIELDS.items()
        if (chosen := tuple(code for k, code in codes if k == kind))
    )
    return each[0] if len(each) == 1 else Or(each)
