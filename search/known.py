"""What the database knows of the words of a free text, asked in one statement."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from search import companies, names, places
from search.criteria import place_codes
from search.request import Entity

PlaceCode = tuple[places.Kind, str]
Words = tuple[str, ...]

_LONGEST_COMPANY: Final = 8
_LONGEST_PERSON: Final = 3
LONGEST_PLACE: Final = 3
# Words that join the parts of a text and say nothing themselves; those before a place or a company say much.
LINKING: Final = frozenset(
    {"in", "at", "from", "near", "of", "the", "bei", "chez", "en", "a", "for", "based"}
)
# What people call the records themselves: "semiconductor companies", "people at Acme".
NOISE: Final = frozenset({"companies", "firms", "people", "contacts", "persons", "organizations"})
PLACE_LINKS: Final = frozenset({"in", "from", "near", "en", "based"})
COMPANY_LINKS: Final = frozenset({"at", "bei", "chez", "from"})
# Two letters that people write for a country in the middle of a text; others need a linking word before them.
_COUNTRY_WORDS: Final = frozenset({"us", "uk"})
# Of the nicknames and full names of a given name, how many are tried.
_NICKNAMES_TRIED: Final = 4

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


@dataclass(frozen=True, slots=True)
class Known:
    """The spans of a text that some record bears out."""

    company_keys: frozenset[str]
    people: frozenset[Words]
    places: frozenset[PlaceCode]

    def places_of(self, words: Sequence[str], start: int, end: int) -> tuple[PlaceCode, ...]:
        """The places that a span names and some record is at, the most exact first."""
        return tuple(place for place in _places_of(words, start, end) if place in self.places)


async def ask(session: AsyncSession, words: Sequence[str], entity: Entity) -> Known:
    keys = {companies.company_key(" ".join(words[i:j])) for i, j in spans(len(words), _LONGEST_COMPANY)}
    forms = _person_forms(words) if entity == "contacts" else {}
    codes: dict[str, set[str]] = {"country": set(), "region": set(), "city": set()}
    for i, j in spans(len(words), LONGEST_PLACE):
        for kind, code in _places_of(words, i, j):
            codes[kind].add(code)
    rows = await session.execute(
        _KNOWN,
        {
            "keys": sorted(keys - {""}),
            "people": sorted(forms),
            "countries": sorted(codes["country"]),
            "regions": sorted(codes["region"]),
            "cities": sorted(codes["city"]),
        },
    )
    found = [(row[0], row[1]) for row in rows]
    return Known(
        frozenset(value for kind, value in found if kind == "company"),
        frozenset(forms[value] for kind, value in found if kind == "person"),
        frozenset((kind, value) for kind, value in found if kind in codes),
    )


def spans(count: int, longest: int) -> Iterable[tuple[int, int]]:
    return ((i, j) for i in range(count) for j in range(i + 1, min(i + longest, count) + 1))


def _person_forms(words: Sequence[str]) -> dict[str, Words]:
    """What a record may say -> the span that asks for it: the words themselves, and Jake for James."""
    forms: dict[str, Words] = {}
    for i, j in spans(len(words), _LONGEST_PERSON):
        span = tuple(words[i:j])
        if any(len(word) == 1 for word in span):
            continue
        forms.setdefault(" ".join(span), span)
        if len(span) == 2:
            for position, word in enumerate(span):
                for other in names.query_alternatives(word)[1 : _NICKNAMES_TRIED + 1]:
                    form = (other, span[1]) if position == 0 else (span[0], other)
                    forms.setdefault(" ".join(form), span)
    return forms


def _places_of(words: Sequence[str], start: int, end: int) -> tuple[PlaceCode, ...]:
    linked = start > 0 and words[start - 1] in PLACE_LINKS
    return _places_named(" ".join(words[start:end]), linked=linked)


@lru_cache(maxsize=4_096)
def _places_named(name: str, *, linked: bool) -> tuple[PlaceCode, ...]:
    """Every place that a name means: New York is a city and a state, Singapore a city and a country."""
    abbreviated = len(name) <= 2 and not linked and name not in _COUNTRY_WORDS
    if name in LINKING or len(name) < 2 or abbreviated:
        return ()
    city = places.resolve_city(name)
    each: tuple[tuple[places.Kind, str | None], ...] = (
        ("city", city.code if city else None),
        ("region", places.resolve_region(name)),
        ("country", places.resolve_country(name)),
    )
    found = tuple((kind, code) for kind, code in each if code)
    if found:
        return found
    whole = place_codes(name)
    return (whole,) if whole else ()
