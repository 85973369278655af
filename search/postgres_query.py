"""Conditions as SQL predicates over the aliases c (contacts) and o (organizations).

Every value is a parameter.
The predicates say what `search.opensearch_query` says of documents: a missing value makes a condition
false, so an exclude is written `IS NOT TRUE`.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from search import scoring
from search.conditions import (
    AllOf,
    And,
    AnyOf,
    Between,
    Clause,
    Condition,
    Criteria,
    LooseWord,
    Or,
    Overlap,
    Scored,
    TermSets,
    TextPart,
    Within,
)
from search.documents import value_sql
from search.fields import Field
from search.request import Entity
from search.visibility import Visibility

EARTH_RADIUS_M: Final = 6_371_008.77
_METRES_PER_DEGREE: Final = EARTH_RADIUS_M * math.pi / 180

_FROM: Final[dict[Entity, str]] = {
    "contacts": "app.contacts c LEFT JOIN app.organizations o ON o.id = c.organization_id",
    "organizations": "app.organizations o",
}
ID: Final[dict[Entity, str]] = {"contacts": "c.id", "organizations": "o.id"}


@dataclass(slots=True)
class Where:
    """Predicates and their parameters, numbered as they come."""

    predicates: list[str] = field(default_factory=list)
    parameters: dict[str, Any] = field(default_factory=dict)
    names_companies: bool = False

    def bind(self, value: Any) -> str:
        name = f"p{len(self.parameters)}"
        self.parameters[name] = value
        return f":{name}"

    def add(self, predicates: Iterable[str], parameters: dict[str, Any]) -> None:
        self.predicates += predicates
        self.parameters |= parameters

    def __str__(self) -> str:
        return " AND ".join(self.predicates) or "true"


def source(entity: Entity, where: Where) -> str:
    """The tables of a query: the company is joined only where a predicate or a column names it."""
    if entity == "contacts" and not where.names_companies:
        return "app.contacts c"
    return _FROM[entity]


def where(criteria: Criteria, visibility: Visibility, *, counting: bool = False) -> Where:
    """Everything that a record must meet, visibility included: no query leaves without it."""
    found = Where()
    found.add(*visibility.sql(counting=counting))
    people = [c for c in criteria.clauses if c.scope == "contacts"]
    for clause in criteria.clauses:
        if criteria.entity == "contacts" or clause.scope == "organizations":
            found.predicates.append(_clause(clause, found))
    if criteria.entity == "organizations" and people:
        found.predicates.append(_employs(people, visibility, found))
    found.predicates += [_part_holds(part, criteria.entity, found) for part in criteria.text if part.required]
    return found


def _employs(people: list[Clause], visibility: Visibility, found: Where) -> str:
    """At least one visible person meets all that is asked of people."""
    hidden, parameters = visibility.sql("contacts")
    found.parameters |= parameters
    each = " AND ".join(["c.organization_id = o.id", *hidden, *(_clause(c, found) for c in people)])
    return f"EXISTS (SELECT 1 FROM app.contacts c WHERE {each})"


def _clause(clause: Clause, found: Where) -> str:
    if clause.scope == "organizations":
        found.names_companies = True
    predicate = condition(clause.condition, found)
    return f"({predicate}) IS NOT TRUE" if clause.excludes else f"({predicate})"


def column(of: Field) -> str:
    return f"{'c' if of.scope == 'contacts' else 'o'}.{of.name}"


def condition(of: Condition, found: Where) -> str:  # noqa: PLR0911 - one return per kind
    match of:
        case AnyOf():
            return _any_of(of, found)
        case AllOf(field, values):
            return f"{_array(field)} @> {_texts(found, values)}"
        case TermSets():
            return _term_sets(of, found)
        case Overlap(low, high, minimum, maximum):
            return _overlap(value_sql(low), value_sql(high), minimum, maximum, found)
        case Between(field, minimum, maximum):
            bounds = [(">=", minimum), ("<=", maximum)]
            name = column(field)
            return " AND ".join(f"{name} {sign} {found.bind(b)}" for sign, b in bounds if b is not None)
        case Within():
            return _within(of, found)
        case And(parts):
            return " AND ".join(f"({condition(part, found)})" for part in parts)
        case Or(parts):
            return " OR ".join(f"({condition(part, found)})" for part in parts)


def _texts(found: Where, values: Iterable[str]) -> str:
    return f"CAST({found.bind(list(values))} AS text[])"


def _array(of: Field) -> str:
    """A field's array as SQL; names of companies are arrays only in documents."""
    return (
        value_sql(of)
        if of.name in {"name_terms", "name_keys"} and of.scope == "organizations"
        else column(of)
    )


def _any_of(of: AnyOf, found: Where) -> str:
    if of.field.name == "key":
        return f"o.id = ANY(CAST({found.bind([int(v) for v in of.values])} AS int[]))"
    if of.field.kind == "boolean":
        return " OR ".join(f"{column(of.field)} = {found.bind(value)}" for value in of.values)
    values = _texts(found, (str(v) for v in of.values))
    if of.field.name == "name_keys":
        return f"o.name_key = ANY({values}) OR o.alias_keys && {values}"
    if of.field.name == "past_company_keys":
        return (
            "EXISTS (SELECT 1 FROM app.employment_history e WHERE e.contact_id = c.id"
            f" AND e.is_past AND e.company_key = ANY({values}))"
        )
    if of.field.array:
        return f"{column(of.field)} && {values}"
    return f"{column(of.field)} = ANY({values})"


def _term_sets(of: TermSets, found: Where) -> str:
    single = sorted(next(iter(terms)) for terms in of.alternatives if len(terms) == 1)
    past = of.field.name == "past_title_terms"
    name = "e.title_terms" if past else _array(of.field)
    each = [f"{name} && {_texts(found, single)}"] if single else []
    each += [f"{name} @> {_texts(found, sorted(terms))}" for terms in of.alternatives if len(terms) > 1]
    if past:
        return (
            "EXISTS (SELECT 1 FROM app.employment_history e WHERE e.contact_id = c.id"
            f" AND e.is_past AND ({' OR '.join(each)}))"
        )
    return " OR ".join(each)


def _overlap(low: str, high: str, minimum: int | None, maximum: int | None, found: Where) -> str:
    parts = []
    if maximum is not None:
        parts.append(f"{low} <= {found.bind(maximum)}")
    if minimum is not None:
        parts.append(f"{high} >= {found.bind(minimum)}")
    return " AND ".join(parts or [f"{low} IS NOT NULL"])


def _within(of: Within, found: Where) -> str:
    """The haversine distance, after a band of latitudes that an index or a cheap comparison can use."""
    alias = "c" if of.field.scope == "contacts" else "o"
    metres = of.km * 1_000
    margin = metres / _METRES_PER_DEGREE * 1.000_001
    south, north = found.bind(of.latitude - margin), found.bind(of.latitude + margin)
    latitude, longitude = found.bind(of.latitude), found.bind(of.longitude)
    return (
        f"{alias}.latitude BETWEEN {south} AND {north} AND"
        f" 2 * {EARTH_RADIUS_M} * asin(sqrt(least(1.0,"
        f" power(sin(radians({alias}.latitude - CAST({latitude} AS float8)) / 2), 2)"
        f" + cos(radians(CAST({latitude} AS float8))) * cos(radians({alias}.latitude))"
        f" * power(sin(radians({alias}.longitude - CAST({longitude} AS float8)) / 2), 2))))"
        f" <= {found.bind(metres)}"
    )


def score(criteria: Criteria, found: Where) -> str:
    """The points of a record for the free text, as one SQL expression."""
    terms = [_part_points(part, found) for part in criteria.text]
    return " + ".join(terms) or "0"


def _part_holds(part: TextPart, entity: Entity, found: Where) -> str:
    if part.words:
        return " AND ".join(f"({_word_holds(word, entity, found)})" for word in part.words)
    return f"({' OR '.join(_scored_holds(a, found) for a in part.alternatives)})"


def _part_points(part: TextPart, found: Where) -> str:
    if not part.words and part.required:
        return _best(_scored_points(a, found) for a in part.alternatives)
    if not part.words:
        return " + ".join(_scored_points(a, found) for a in part.alternatives)
    points = [_best(_word_points(word, found)) for word in part.words]
    words = tuple(loose.word for loose in part.words)
    for begin in scoring.initialled_names(words) if part.words[0].in_person else ():
        begins = f"c.name_sort LIKE {found.bind(begin + '%')}"
        points.append(f"CASE WHEN {begins} THEN {scoring.WHOLE_NAME} ELSE 0 END")
    if part.words[0].in_person and (whole := scoring.whole_names(words)):
        points.append(
            f"CASE WHEN c.name_sort = ANY({_texts(found, whole)}) THEN {scoring.WHOLE_NAME} ELSE 0 END"
        )
    if part.words[0].in_company:
        key = found.bind(" ".join(words))
        named = f"o.name_key = {key} OR {key} = ANY(o.alias_keys)"
        points.append(f"CASE WHEN {named} THEN {scoring.WHOLE_COMPANY} ELSE 0 END")
    return " + ".join(points)


def _best(cases: Iterable[str]) -> str:
    return f"greatest(0, {', '.join(cases)})"


def _scored_holds(scored: Scored, found: Where) -> str:
    found.names_companies = True
    return f"({condition(scored.condition, found)})"


def _scored_points(scored: Scored, found: Where) -> str:
    return f"CASE WHEN {_scored_holds(scored, found)} THEN {scored.points} ELSE 0 END"


def _word_holds(loose: LooseWord, entity: Entity, found: Where) -> str:
    """Whether a word is found: by what an index can answer first, then by the exact rule."""
    either = [_scored_holds(a, found) for a in loose.also]
    word = loose.word
    if loose.in_person:
        own, nicknames = scoring.spellings(word)
        forms = [*own, *nicknames, *scoring.swaps(word), *([word[0]] if len(word) > 1 else [])]
        either.append(f"c.name_terms && {_texts(found, forms)}")
        if len(word) == 1:
            either.append(
                f"EXISTS (SELECT 1 FROM unnest(c.name_terms) t WHERE t LIKE {found.bind(word + '%')})"
            )
        else:
            similar = f"c.name_search %> {found.bind(word)}"
            either.append(f"({similar} AND ({_loose('c.name_terms', word, found)}))")
    if loose.in_company:
        either.append(_company_holds(word, entity, found))
    return " OR ".join(either)


def _loose(array: str, word: str, found: Where) -> str:
    """A typo or a prefix of a word in an array of words."""
    tests = [f"t LIKE {found.bind(word + '%')}"] if scoring.prefix_counts(word) else []
    if edits := scoring.typos_allowed(word):
        tests.append(_near_word(word, edits, found))
    return f"EXISTS (SELECT 1 FROM unnest({array}) t WHERE {' OR '.join(tests or ['false'])})"


_COMPANY_WORDS: Final = (
    "string_to_array(concat_ws(' ', {0}.name_key, array_to_string({0}.alias_keys, ' ')), ' ')"
)


def _company_holds(word: str, entity: Entity, found: Where) -> str:
    alias = "o" if entity == "organizations" else "x"
    words = _COMPANY_WORDS.format(alias)
    alike = (
        f"({alias}.name_key %> {found.bind(word)} OR {alias}.alias_keys <> '{{}}')"
        f" AND (({found.bind(word)} = ANY({words})) OR {_loose(words, word, found)})"
    )
    if entity == "organizations":
        return alike
    return f"c.organization_id IN (SELECT x.id FROM app.organizations x WHERE {alike})"


def _word_points(loose: LooseWord, found: Where) -> Iterable[str]:
    word = loose.word
    if loose.in_person:
        own, nicknames = scoring.spellings(word)
        yield f"CASE WHEN c.name_terms && {_texts(found, own)} THEN {scoring.EXACT} ELSE 0 END"
        if nicknames:
            yield f"CASE WHEN c.name_terms && {_texts(found, nicknames)} THEN {scoring.NICKNAME} ELSE 0 END"
        if len(word) > 1:
            typo = (scoring.TYPO, scoring.FAR_TYPO)
            yield from _loose_points("c.name_terms", word, found, typo, scoring.PREFIX)
            first = _texts(found, [word[0]])
            yield f"CASE WHEN c.name_terms && {first} THEN {scoring.RECORD_INITIAL} ELSE 0 END"
        else:
            yield f"{scoring.QUERY_INITIAL}"
    if loose.in_company:
        found.names_companies = True
        words = _COMPANY_WORDS.format("o")
        yield f"CASE WHEN {found.bind(word)} = ANY({words}) THEN {scoring.COMPANY_EXACT} ELSE 0 END"
        typo = (scoring.COMPANY_TYPO, scoring.COMPANY_FAR_TYPO)
        yield from _loose_points(words, word, found, typo, scoring.COMPANY_PREFIX)
    for also in loose.also:
        yield _scored_points(also, found)


def _loose_points(array: str, word: str, found: Where, typo: tuple[int, int], prefix: int) -> Iterable[str]:
    for edits, points in enumerate(typo[: scoring.typos_allowed(word)], start=1):
        near = _near_word(word, edits, found)
        yield f"CASE WHEN EXISTS (SELECT 1 FROM unnest({array}) t WHERE {near}) THEN {points} ELSE 0 END"
    if swapped := scoring.swaps(word):
        yield f"CASE WHEN {array} && {_texts(found, swapped)} THEN {typo[0]} ELSE 0 END"
    if scoring.prefix_counts(word):
        begins = f"t LIKE {found.bind(word + '%')}"
        yield f"CASE WHEN EXISTS (SELECT 1 FROM unnest({array}) t WHERE {begins}) THEN {prefix} ELSE 0 END"


def _near_word(word: str, edits: int, found: Where) -> str:
    """A word t is at most so many edits away; the function takes 255 bytes at the most."""
    return f"extensions.levenshtein_less_equal(left(t, 100), {found.bind(word[:100])}, {edits}) <= {edits}"
