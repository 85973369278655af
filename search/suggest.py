"""Typeahead: what a person may mean who has typed the first letters.

Closed and open vocabularies and places come from memory; titles, companies and people from the tables
by an ordered index, so that a record hidden a moment ago is not suggested any more.
"""

from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from core.errors import Invalid
from core.text import fold, is_storable
from search import companies, places, present
from search.criteria import OpenTerms
from search.response import Suggestion, SuggestResponse
from search.visibility import Visibility
from search.vocabulary import nearest

MAX_SUGGESTIONS: Final = 50
_VOCABULARIES: Final = (
    "seniorities",
    "departments",
    "email_status",
    "headcount_bands",
    "funding_stages",
    "industries",
    "technologies",
    "keywords",
    "countries",
    "regions",
    "cities",
)
FIELDS: Final = ("titles", "names", "companies", "locations", *_VOCABULARIES)

# Each distinct title is one step through the index, however many people hold it.
_TITLES = text("""
    WITH RECURSIVE found(title) AS (
        (SELECT title_normalized FROM app.contacts
          WHERE title_normalized >= :prefix AND title_normalized < :past
          ORDER BY title_normalized LIMIT 1)
        UNION ALL
        SELECT (SELECT c.title_normalized FROM app.contacts c
                 WHERE c.title_normalized > found.title AND c.title_normalized < :past
                 ORDER BY c.title_normalized LIMIT 1)
          FROM found WHERE found.title IS NOT NULL
    )
    SELECT title FROM found WHERE title IS NOT NULL LIMIT :limit
""")


async def suggest(
    session: AsyncSession, field: str, prefix: str, *, limit: int, seen: Visibility, terms: OpenTerms
) -> SuggestResponse:
    """At most `limit` completions of `prefix`; raises `Invalid` for an unknown field.

    `seen` is the user's visibility over contacts: hidden people and companies are not suggested.
    """
    if field not in FIELDS:
        near = nearest(field, FIELDS) or FIELDS
        error = {"path": "field", "message": f"{field[:80]!r} cannot be completed", "allowed": list(near)}
        raise Invalid(error["message"], errors=[error])  # type: ignore[arg-type]
    if not is_storable(prefix):
        error = {"path": "prefix", "message": "contains characters that no record can hold"}
        raise Invalid(error["message"], errors=[error])  # type: ignore[arg-type]
    if field in _VOCABULARIES:
        codes = present.codes_beginning(field, prefix, terms, limit=limit)
        found = [Suggestion(value=c, display_name=present.display(field, c, terms)) for c in codes]
    elif field == "locations":
        near_places = places.suggest_places(prefix, None, limit)
        found = [Suggestion(value=name, display_name=name) for _, _, name in near_places]
    elif field == "titles":
        found = await _titles(session, fold(prefix), limit)
    elif field == "companies":
        found = await _companies(session, prefix, limit, seen)
    else:
        found = await _people(session, fold(prefix), limit, seen)
    return SuggestResponse(field=field, suggestions=found)


async def _titles(session: AsyncSession, prefix: str, limit: int) -> list[Suggestion]:
    if not prefix:
        return []
    rows = await session.execute(_TITLES, {"prefix": prefix, "past": _past(prefix), "limit": limit})
    return [Suggestion(value=title, display_name=title) for title in rows.scalars()]


def _past(prefix: str) -> str:
    """The first text after everything that begins with `prefix`; folded text is ASCII."""
    return prefix + "\x7f"


async def _companies(session: AsyncSession, prefix: str, limit: int, seen: Visibility) -> list[Suggestion]:
    """Companies whose name begins so, then those that have a later word that does."""
    key = companies.company_key(prefix) or fold(prefix)
    if not key:
        return []
    hidden, parameters = seen.sql("organizations")
    rows = await _begins_or_has(
        session,
        columns="o.id, o.name",
        table="app.organizations o",
        sorted_by="o.name_sort",
        trigrams="o.name_key",
        prefix=fold(prefix),
        word=key,
        where=hidden,
        parameters=parameters,
        limit=limit,
    )
    return [Suggestion(value=row[1], display_name=row[1]) for row in rows]


async def _people(session: AsyncSession, prefix: str, limit: int, seen: Visibility) -> list[Suggestion]:
    """People whose given or family name begins so. Equal names are one suggestion."""
    if not prefix:
        return []
    hidden, parameters = seen.sql("contacts")
    rows = await _begins_or_has(
        session,
        columns="c.id, c.full_name",
        table="app.contacts c",
        sorted_by="c.name_sort",
        trigrams="c.name_search",
        prefix=prefix,
        word=prefix,
        where=hidden,
        parameters=parameters,
        limit=limit * 2,
    )
    names = list(dict.fromkeys(row[1] for row in rows))[:limit]
    return [Suggestion(value=name, display_name=name) for name in names]


async def _begins_or_has(
    session: AsyncSession,
    *,
    columns: str,
    table: str,
    sorted_by: str,
    trigrams: str,
    prefix: str,
    word: str,
    where: list[str],
    parameters: dict[str, Any],
    limit: int,
) -> list[tuple[int, str]]:
    """Records in order of name that begin with `prefix`, then those with a later word that does."""
    visible = " AND ".join(["true", *where])
    key = f'{sorted_by} COLLATE "C"'
    begins = f"{key} >= :prefix AND {key} < :past AND {visible} ORDER BY {key} LIMIT :limit"
    first = await session.execute(
        text(f"SELECT {columns} FROM {table} WHERE {begins}"),
        parameters | {"prefix": prefix, "past": _past(prefix), "limit": limit},
    )
    rows = {row[0]: row[1] for row in first}
    if len(rows) < limit and len(word) > 1:
        escaped = word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        words = f"({trigrams} LIKE :first OR {trigrams} LIKE :later)"
        has = f"{words} AND {visible} ORDER BY {key} LIMIT :limit"
        second = await session.execute(
            text(f"SELECT {columns} FROM {table} WHERE {has}"),
            parameters | {"first": f"{escaped}%", "later": f"% {escaped}%", "limit": limit},
        )
        rows |= {row[0]: row[1] for row in second if row[0] not in rows}
    return list(rows.items())[:limit]
