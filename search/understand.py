"""Reads the free text: which words are a person, a title, a company, a place, a topic.

A reading cuts the words into spans and takes the cut with the most points. Titles and places are known
by our own tables; companies, people and topics by what the database holds, asked in one statement. Words
that nothing knows stay loose: they are looked for in names of people and companies, through typos.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from core.text import tokens
from search import companies, places, scoring, titles
from search.conditions import AllOf, AnyOf, Condition, LooseWord, Or, Scored, TermSets, TextPart
from search.criteria import OpenTerms, place_codes
from search.fields import CONTACT_FIELDS, ORGANIZATION_FIELDS
from search.request import Entity

MAX_WORDS: Final = 12
_LONGEST_SPAN: Final = 5
_LINKING: Final = frozenset(
    {"in", "at", "from", "near", "of", "the", "bei", "chez", "en", "a", "for", "based"}
)
_PLACE_LINKS: Final = frozenset({"in", "from", "near", "en", "based"})
_COMPANY_LINKS: Final = frozenset({"at", "bei", "chez", "from"})

# Points per word of a span. A company known by its whole name says more than a word that is some
# person's name; a linking word ("in Berlin", "at Acme") settles most doubts.
_TITLE: Final = 2.0
_COMPANY: Final = 1.9
_PERSON: Final = 2.2
_PERSON_WORD: Final = 1.2
_PLACE: Final = 1.5
_TOPIC: Final = 1.6
_LOOSE: Final = 0.4
_LINKED: Final = 1.0
_LONGER: Final = 0.3


@dataclass(frozen=True, slots=True)
class _Span:
    start: int
    end: int
    part: str
    points: float


@dataclass(frozen=True, slots=True)
class _Known:
    """What the database knows of the words."""

    company_keys: frozenset[str]
    people: frozenset[tuple[str, ...]]
    places: frozenset[tuple[str, str]]


_KNOWN = text("""
    SELECT 'company' AS kind, k.key AS found
      FROM unnest(CAST(:keys AS text[])) AS k(key)
     WHERE EXISTS (SELECT 1 FROM app.organizations o WHERE o.name_key = k.key)
        OR EXISTS (SELECT 1 FROM app.organizations o WHERE o.alias_keys @> ARRAY[k.key])
    UNION ALL
    SELECT 'person', p.words
      FROM unnest(CAST(:people AS text[])) AS p(words)
     WHERE EXISTS (SELECT 1 FROM app.contacts c WHERE c.name_terms @> string_to_array(p.words, ' '))
    UNION ALL
    SELECT 'country', k.code FROM unnest(CAST(:countries AS text[])) AS k(code)
     WHERE EXISTS (SELECT 1 FROM app.contacts c WHERE c.country = k.code)
        OR EXISTS (SELECT 1 FROM app.organizations o WHERE o.country = k.code)
    UNION ALL
    SELECT 'region', k.code FROM unnest(CAST(:regions AS text[])) AS k(code)
     WHERE EXISTS (SELECT 1 FROM app.contacts c WHERE c.region = k.code)
        OR EXISTS (SELECT 1 FROM app.organizations o WHERE o.region = k.code)
    UNION ALL
    SELECT 'city', k.code FROM unnest(CAST(:cities AS text[])) AS k(code)
     WHERE EXISTS (SELECT 1 FROM app.contacts c WHERE c.city = k.code)
        OR EXISTS (SELECT 1 FROM app.organizations o WHERE o.city = k.code)
""")


async def understand(
    session: AsyncSession, q: str, *, entity: Entity, terms: OpenTerms
) -> tuple[TextPart, ...]:
    """The parts of a free text; empty when it has no words. Words beyond the twelfth are not looked for."""
    words = tokens(q)[:MAX_WORDS]
    if not words:
        return ()
    known = await _ask(session, words, entity)
    spans = _best_cut(words, list(_candidates(words, entity, terms, known)))
    return tuple(_merge_loose(_parts(words, spans, entity, terms), entity, terms))


def read_loosely(q: str, *, entity: Entity, terms: OpenTerms) -> tuple[TextPart, ...]:
    """Every word for itself, wherever it may be found: for a text whose careful reading finds nothing."""
    words = [word for word in tokens(q)[:MAX_WORDS] if word not in _LINKING]
    parts = [
        TextPart("any", word, words=(LooseWord(word, in_person=True, in_company=True),)) for word in words
    ]
    return tuple(_merge_loose(parts, entity, terms))


async def _ask(session: AsyncSession, words: list[str], entity: Entity) -> _Known:
    keys = {companies.company_key(" ".join(words[i:j])) for i, j in _spans(len(words))}
    people: set[str] = set()
    if entity == "contacts":
        for i, j in _spans(len(words), longest=3):
            if all(len(word) > 1 for word in words[i:j]):
                people.add(" ".join(words[i:j]))
    codes: dict[str, set[str]] = {"country": set(), "region": set(), "city": set()}
    for i, j in _spans(len(words), longest=3):
        if place := _place_named(words[i:j]):
            codes[place[0]].add(place[1])
    rows = await session.execute(
        _KNOWN,
        {
            "keys": sorted(keys - {""}),
            "people": sorted(people),
            "countries": sorted(codes["country"]),
            "regions": sorted(codes["region"]),
            "cities": sorted(codes["city"]),
        },
    )
    found = [(row[0], row[1]) for row in rows]
    return _Known(
        frozenset(value for kind, value in found if kind == "company"),
        frozenset(tuple(value.split()) for kind, value in found if kind == "person"),
        frozenset((kind, value) for kind, value in found if kind in codes),
    )


def _place_named(words: Sequence[str]) -> tuple[places.Kind, str] | None:
    """The place that a span names; two letters may stand for a country or state, one for nothing."""
    name = " ".join(words)
    return place_codes(name) if len(words) <= 3 and len(name) > 1 else None


def _spans(count: int, longest: int = _LONGEST_SPAN) -> Iterable[tuple[int, int]]:
    return ((i, j) for i in range(count) for j in range(i + 1, min(i + longest, count) + 1))


def _candidates(words: list[str], entity: Entity, terms: OpenTerms, known: _Known) -> Iterable[_Span]:
    for i, j in _spans(len(words)):
        span, length = words[i:j], j - i
        before = words[i - 1] if i else ""
        longer = _LONGER * (length - 1)
        if entity == "contacts":
            if not _COMPANY_LINKS & set(span) and titles.title_phrase_terms(span) is not None:
                yield _Span(i, j, "title", _TITLE * length + longer)
            if tuple(span) in known.people:
                points = _PERSON * length if length > 1 else _PERSON_WORD
                yield _Span(i, j, "person", points + longer)
        if companies.company_key(" ".join(span)) in known.company_keys:
            linked = _LINKED if before in _COMPANY_LINKS else 0.0
            yield _Span(i, j, "company", _COMPANY * length + longer + linked)
        if _place_named(span) in known.places:
            linked = _LINKED if before in _PLACE_LINKS else 0.0
            yield _Span(i, j, "place", _PLACE * length + longer + linked)
        if _topic_codes(span, terms):
            yield _Span(i, j, "topic", _TOPIC * length + longer)
    for i, word in enumerate(words):
        linking = word in _LINKING and 0 < i < len(words) - 1
        yield _Span(i, i + 1, "link" if linking else "any", 0.5 if linking else _LOOSE)


def _best_cut(words: Sequence[str], candidates: list[_Span]) -> list[_Span]:
    """The cut into spans with the most points: a shortest-path over word positions."""
    best: list[tuple[float, list[_Span]]] = [(0.0, []), *((-1.0, []) for _ in words)]
    for end in range(1, len(words) + 1):
        for span in (c for c in candidates if c.end == end):
            points = best[span.start][0] + span.points
            if points > best[end][0]:
                best[end] = (points, [*best[span.start][1], span])
    return best[-1][1]


def _topic_codes(span: Sequence[str], terms: OpenTerms) -> list[tuple[str, str]]:
    code = "-".join(span)
    return [
        (kind, code) for kind in ("industry", "technology", "keyword") if code in terms.terms.get(kind, {})
    ]


def _parts(words: list[str], spans: list[_Span], entity: Entity, terms: OpenTerms) -> Iterable[TextPart]:
    for span in spans:
        chosen = words[span.start : span.end]
        written = " ".join(chosen)
        if span.part == "title":
            found = titles.title_phrase_terms(chosen) or frozenset(chosen)
            condition: Condition = TermSets(CONTACT_FIELDS["title_terms"], (frozenset(found),))
            points = scoring.TITLE_WORD * len(chosen)
            yield TextPart(
                "title", written, alternatives=(Scored(condition, points),), means=tuple(sorted(found))
            )
        elif span.part == "company":
            yield _company(chosen, written)
        elif span.part == "place":
            yield _place(written, entity)
        elif span.part == "topic":
            codes = _topic_codes(chosen, terms)
            means = tuple(terms.display(kind, code) for kind, code in codes)
            yield TextPart(
                "topic", written, alternatives=(Scored(_topics(codes), scoring.TOPIC),), means=means
            )
        elif span.part in {"person", "any"}:
            part: Literal["person", "any"] = "person" if span.part == "person" else "any"
            yield TextPart(
                part, written, words=tuple(LooseWord(w, in_person=True, in_company=False) for w in chosen)
            )


def _company(words: list[str], written: str) -> TextPart:
    key = companies.company_key(written)
    points = scoring.COMPANY_EXACT * len(words)
    every = AllOf(ORGANIZATION_FIELDS["name_terms"], tuple(key.split()))
    whole = AnyOf(ORGANIZATION_FIELDS["name_keys"], (key,))
    alternatives = (Scored(whole, points + scoring.WHOLE_COMPANY), Scored(every, points))
    return TextPart("company", written, alternatives=alternatives, means=(key,))


def _place(written: str, entity: Entity) -> TextPart:
    found = place_codes(written)
    if found is None:
        raise LookupError(written)
    kind, code = found
    of_company = Scored(AnyOf(ORGANIZATION_FIELDS[kind], (code,)), scoring.PLACE_OF_COMPANY)
    of_person = Scored(AnyOf(CONTACT_FIELDS[kind], (code,)), scoring.PLACE_OF_RECORD)
    alternatives = (of_person, of_company) if entity == "contacts" else (of_company,)
    return TextPart("place", written, alternatives=alternatives, means=(places.place_display(kind, code),))


def _merge_loose(parts: Iterable[TextPart], entity: Entity, terms: OpenTerms) -> Iterable[TextPart]:
    """Loose and person words of the whole text become one part, so that a name may stand in any order."""
    kept: list[TextPart] = []
    loose: list[str] = []
    people_only = True
    for part in parts:
        if part.words:
            loose += [w.word for w in part.words]
            people_only = people_only and part.part == "person"
        else:
            kept.append(part)
    if loose:
        people_only = people_only and entity == "contacts"
        words = tuple(
            LooseWord(
                word,
                in_person=entity == "contacts",
                in_company=not people_only,
                also=() if people_only else tuple(_meanings(word, entity, terms)),
            )
            for word in loose
        )
        yield TextPart("person" if people_only else "any", " ".join(loose), words=words)
    yield from kept


def _meanings(word: str, entity: Entity, terms: OpenTerms) -> Iterable[Scored]:
    """What a loose word may mean beside a name: a word of a title, a topic that has it in its name."""
    if entity == "contacts":
        found = titles.title_phrase_terms([word]) or frozenset({word})
        yield Scored(TermSets(CONTACT_FIELDS["title_terms"], (frozenset(found),)), scoring.TITLE_WORD)
    codes = [
        (kind, code)
        for kind in ("industry", "technology", "keyword")
        for code in terms.terms.get(kind, {})
        if len(word) > 2 and word in code.split("-")
    ]
    if codes:
        yield Scored(_topics(codes), scoring.TOPIC)


def _topics(codes: list[tuple[str, str]]) -> Condition:
    fields = {"industry": "industries", "technology": "technologies", "keyword": "keywords"}
    each = tuple(
        AnyOf(ORGANIZATION_FIELDS[field], chosen)
        for kind, field in fields.items()
        if (chosen := tuple(code for k, code in codes if k == kind))
    )
    return each[0] if len(each) == 1 else Or(each)
