"""Conditions as OpenSearch clauses: terms, ranges and fuzzy terms on fixed fields.

Nothing that a person types is ever parsed as a query.
"""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

from search import scoring
from search.conditions import (
    AllOf,
    And,
    AnyOf,
    Between,
    Condition,
    Criteria,
    LooseWord,
    Or,
    Overlap,
    TermSets,
    TextPart,
    Within,
)
from search.documents import POSITION_GAP
from search.fields import CONTACT_FIELDS, ORGANIZATION_FIELDS
from search.request import Entity

Clauses = list[dict[str, Any]]
MATCH_ALL: dict[str, Any] = {"match_all": {}}
_EPOCH_DAY = date(1970, 1, 1).toordinal()


def query(criteria: Criteria, filters: Iterable[dict[str, Any]], *, scored: bool) -> dict[str, Any]:
    """The whole query; `filters` are the clauses of visibility and of other scopes.

    Without any restriction it is a true `match_all`: facets are then read from term statistics.
    """
    entity = criteria.entity
    include = [condition(c.condition, entity) for c in criteria.clauses if not c.excludes]
    exclude = [condition(c.condition, entity) for c in criteria.clauses if c.excludes]
    texts = [text_clause(part, entity) for part in criteria.text if part.required]
    filter_clauses = [*filters, *include]
    parts: dict[str, Any] = {}
    if texts and scored:
        parts["must"] = texts
        optional = [text_clause(part, entity) for part in criteria.text if not part.required]
        if further := [*optional, *_whole_name(criteria)]:
            parts["should"] = further
    elif texts:
        filter_clauses += texts
    if filter_clauses:
        parts["filter"] = filter_clauses
    if exclude:
        parts["must_not"] = exclude
    return {"bool": parts} if parts else MATCH_ALL


def condition(of: Condition, entity: Entity) -> dict[str, Any]:  # noqa: C901, PLR0911 - one case per kind
    match of:
        case AnyOf(field, values):
            return {"terms": {field.path(entity): list(values)}}
        case AllOf(field, values):
            return _all({"term": {field.path(entity): value}} for value in values)
        case TermSets():
            return _term_sets(of, entity)
        case Overlap(low, high, minimum, maximum):
            ends: Clauses = [{"exists": {"field": low.path(entity)}}]
            if maximum is not None:
                ends = [{"range": {low.path(entity): {"lte": maximum}}}]
            if minimum is not None:
                ends.append({"range": {high.path(entity): {"gte": minimum}}})
            return _all(ends)
        case Between(field, minimum, maximum):
            bounds = {"gte": number(minimum), "lte": number(maximum)}
            return {"range": {field.path(entity): {k: v for k, v in bounds.items() if v is not None}}}
        case Within(field, latitude, longitude, km):
            point = {"lat": latitude, "lon": longitude}
            return {"geo_distance": {"distance": f"{km}km", field.path(entity): point}}
        case And(parts):
            return _all(condition(part, entity) for part in parts)
        case Or(parts):
            return _any(condition(part, entity) for part in parts)


def number(value: int | date | datetime | None) -> int | None:
    """A bound as documents hold it: days since 1970 for a date, microseconds for an instant."""
    if isinstance(value, datetime):
        return int(value.timestamp()) * 1_000_000 + value.microsecond
    if isinstance(value, date):
        return value.toordinal() - _EPOCH_DAY
    return value


def _all(clauses: Iterable[dict[str, Any]]) -> dict[str, Any]:
    found = list(clauses)
    return found[0] if len(found) == 1 else {"bool": {"filter": found}}


def _any(clauses: Iterable[dict[str, Any]]) -> dict[str, Any]:
    found = list(clauses)
    return found[0] if len(found) == 1 else {"bool": {"should": found, "minimum_should_match": 1}}


def _term_sets(sets: TermSets, entity: Entity) -> dict[str, Any]:
    path = sets.field.path(entity)
    single = sorted(next(iter(terms)) for terms in sets.alternatives if len(terms) == 1)
    clauses: Clauses = [{"terms": {path: single}}] if single else []
    several = [sorted(terms) for terms in sets.alternatives if len(terms) > 1]
    if sets.field.name == "past_title_terms":
        clauses += [_within_one_position(path, terms) for terms in several]
    else:
        clauses += [_all({"term": {path: term}} for term in terms) for terms in several]
    return _any(clauses)


def _within_one_position(path: str, terms: list[str]) -> dict[str, Any]:
    """All terms in one past position: positions are a gap apart that no match may span."""
    intervals = [{"match": {"query": term}} for term in terms]
    return {
        "intervals": {
            path: {"all_of": {"intervals": intervals, "ordered": False, "max_gaps": POSITION_GAP // 2}}
        }
    }


def text_clause(part: TextPart, entity: Entity) -> dict[str, Any]:
    """A part of the free text as a scoring clause; every score in it is a constant."""
    if part.words:
        return {"bool": {"must": [_best(_word(word, entity)) for word in part.words]}}
    held = [_points(condition(a.condition, entity), a.points) for a in part.alternatives]
    return _best(held) if part.required else {"bool": {"should": held}}


def _points(clause: dict[str, Any], points: int) -> dict[str, Any]:
    return {"constant_score": {"filter": clause, "boost": points}}


def _best(clauses: Clauses) -> dict[str, Any]:
    return clauses[0] if len(clauses) == 1 else {"dis_max": {"queries": clauses}}


def _word(loose: LooseWord, entity: Entity) -> Clauses:
    """One loose word: its spellings, nicknames, typos and prefixes, and what else it may mean."""
    tiers: Clauses = []
    if loose.in_person:
        tiers += _person_tiers(loose.word, CONTACT_FIELDS["name_terms"].path(entity))
    if loose.in_company:
        tiers += _company_tiers(loose.word, ORGANIZATION_FIELDS["name_terms"].path(entity))
    return tiers + [_points(condition(a.condition, entity), a.points) for a in loose.also]


def _person_tiers(word: str, path: str) -> Clauses:
    own, nicknames = scoring.spellings(word)
    tiers = [_points({"terms": {path: list(own)}}, scoring.EXACT)]
    if len(word) == 1:
        return [*tiers, _points({"prefix": {path: {"value": word}}}, scoring.QUERY_INITIAL)]
    if nicknames:
        tiers.append(_points({"terms": {path: list(nicknames)}}, scoring.NICKNAME))
    tiers += _loose_tiers(word, path, (scoring.TYPO, scoring.FAR_TYPO), scoring.PREFIX)
    tiers.append(_points({"term": {path: word[0]}}, scoring.RECORD_INITIAL))
    return tiers


def _company_tiers(word: str, path: str) -> Clauses:
    exact = _points({"term": {path: word}}, scoring.COMPANY_EXACT)
    typo = (scoring.COMPANY_TYPO, scoring.COMPANY_FAR_TYPO)
    return [exact, *_loose_tiers(word, path, typo, scoring.COMPANY_PREFIX)]


def _loose_tiers(word: str, path: str, typo: tuple[int, int], prefix: int) -> Clauses:
    tiers: Clauses = []
    for edits, points in enumerate(typo[: scoring.typos_allowed(word)], start=1):
        fuzzy = {"value": word, "fuzziness": edits, "max_expansions": 50}
        tiers.append(_points({"fuzzy": {path: fuzzy}}, points))
    if scoring.prefix_counts(word):
        tiers.append(_points({"prefix": {path: {"value": word}}}, prefix))
    return tiers


def _whole_name(criteria: Criteria) -> Clauses:
    """A record whose whole name (or company name) the words are goes before one that has more to it."""
    clauses: Clauses = []
    for part in criteria.text:
        words = tuple(loose.word for loose in part.words)
        if words and part.words[0].in_person:
            path = CONTACT_FIELDS["name_sort"].path(criteria.entity)
            if whole := scoring.whole_names(words):
                clauses.append(_points({"terms": {path: list(whole)}}, scoring.WHOLE_NAME))
            for begin in scoring.initialled_names(words):
                clauses.append(_points({"prefix": {path: {"value": begin}}}, scoring.WHOLE_NAME))
        if words and part.words[0].in_company:
            path = ORGANIZATION_FIELDS["name_keys"].path(criteria.entity)
            clauses.append(_points({"term": {path: " ".join(words)}}, scoring.WHOLE_COMPANY))
    return clauses
