"""From a request to `Criteria`: every filter gets its meaning here, once, or is refused with a reason.

Values are resolved by our own tables (titles, places, vocabularies), so both engines compare what our
code computed. All mistakes of a request are reported together, each with its path, the first with the
nearest allowed values.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import msgspec

from core import clock
from core.errors import Invalid
from core.text import fold, is_storable, slug, tokens
from search import companies, names, places, titles, vocabulary
from search.conditions import AllOf, And, AnyOf, Between, Clause, Condition, Or, Overlap, TermSets, Within
from search.days import refreshed_since, refreshed_within, role_began
from search.fields import CONTACT_FIELDS, ORGANIZATION_FIELDS, Field
from search.request import (
    AnyAll,
    AnyAllNot,
    CompanyFilters,
    ContactFilters,
    CountRequest,
    DateRange,
    Entity,
    IntegerRange,
    MoneyRange,
    Near,
    OrganizationExcludes,
    OrganizationIncludes,
    PlaceFilters,
)

C = CONTACT_FIELDS
O = ORGANIZATION_FIELDS  # noqa: E741 - C and O are the two records everywhere in this module

# So many mistakes of a request are told with what may have been meant.
MAX_HINTS: Final = 10

_CLOSED: Final = {
    "seniorities": vocabulary.SENIORITIES,
    "departments": vocabulary.DEPARTMENTS,
    "email_status": vocabulary.EMAIL_STATUSES,
    "headcount_bands": vocabulary.HEADCOUNT_BANDS,
    "funding_stages": vocabulary.FUNDING_STAGES,
}
_PLACE_KINDS: Final[dict[str, places.Kind]] = {
    "countries": "country",
    "regions": "region",
    "cities": "city",
}


@dataclass(frozen=True, slots=True)
class OpenTerms:
    """The open vocabularies as they stand in the database: kind -> code -> the spelling to show."""

    terms: Mapping[str, Mapping[str, str]]

    def display(self, kind: str, code: str) -> str:
        return self.terms.get(kind, {}).get(code, code)

    def resolve(self, kind: str, text: str) -> str | None:
        """The code that a text names: itself a code, or a spelling whose slug is one."""
        known = self.terms.get(kind, {})
        if text in known:
            return text
        code = slug(text)
        return code if code in known else None


@dataclass(slots=True)
class _Reading:
    """The state of reading one request: what was understood and what was wrong."""

    terms: OpenTerms
    clauses: list[Clause] = field(default_factory=list)
    errors: list[dict[str, Any]] = field(default_factory=list)
    resolved: list[dict[str, Any]] = field(default_factory=list)

    def refuse(self, path: str, message: str, allowed: Iterable[str] = ()) -> None:
        error: dict[str, Any] = {"path": path, "message": message}
        if near := list(allowed):
            error["allowed"] = near
        self.errors.append(error)

    def hint(self, find: Callable[[], Sequence[str]]) -> Sequence[str]:
        """The nearest allowed values for the next mistake, while there are few: to look through the cities of
        the world takes some hundredths of a second, and a request can hold hundreds of names of none.
        """
        return find() if len(self.errors) < MAX_HINTS else ()


def read_filters(request: CountRequest, *, terms: OpenTerms) -> tuple[list[Clause], dict[str, Any]]:
    """The clauses of a request's filters and their echo for the answer.

    Raises `Invalid` with every mistake.
    """
    reading = _Reading(terms)
    _check_text("q", request.q, reading)
    filters = request.filters
    _read_contacts(filters.contacts.include, "contacts.include", reading)
    _read_contacts(filters.contacts.exclude, "contacts.exclude", reading)
    _read_organizations(filters.organizations.include, "organizations.include", reading)
    _read_organizations(filters.organizations.exclude, "organizations.exclude", reading)
    if reading.errors:
        count = len(reading.errors)
        raise Invalid(
            f"{count} filter value{'s' if count > 1 else ''} cannot be used.",
            errors=[
                {**e, "path": e["path"] if e["path"] == "q" else f"filters.{e['path']}"}
                for e in reading.errors
            ],
        )
    echo: dict[str, Any] = msgspec.to_builtins(filters)
    if reading.resolved:
        echo["resolved"] = reading.resolved
    return reading.clauses, echo


def _check_text(path: str, text: str, reading: _Reading) -> bool:
    if is_storable(text):
        return True
    reading.refuse(path, "contains characters that no record can hold (NUL or lone surrogates)")
    return False


def _add(reading: _Reading, path: str, condition: Condition, *, negate: bool = False) -> None:
    """Add a clause; `negate` turns an include into an exclude (`technologies.not`)."""
    scope: Entity = "contacts" if path.startswith("contacts") else "organizations"
    reading.clauses.append(Clause(path, scope, condition, ".exclude." in path or negate))


def _read_contacts(filters: ContactFilters, at: str, reading: _Reading) -> None:
    similar = filters.include_similar_titles
    _read_values(filters.titles, f"{at}.titles", reading, lambda v: _title(v, similar=similar))
    _read_closed(filters.seniorities, f"{at}.seniorities", C["seniority"], reading)
    _read_closed(filters.departments, f"{at}.departments", C["departments"], reading)
    _read_values(filters.names, f"{at}.names", reading, _person_name)
    _read_closed(filters.email_status, f"{at}.email_status", C["email_status"], reading)
    for name in ("has_email", "has_phone"):
        wanted = getattr(filters, name)
        if wanted is not None:
            _add(reading, f"{at}.{name}", AnyOf(C[name], (wanted,)))
    _read_values(filters.past_titles, f"{at}.past_titles", reading, _past_title)
    _read_values(filters.past_employers, f"{at}.past_employers", reading, _past_employer)
    if filters.months_in_role is not None:
        _read_months(filters.months_in_role, f"{at}.months_in_role", reading)
    _read_places(filters, at, C, reading)
    _read_refreshed(filters, at, C, reading)


def _read_organizations(
    filters: OrganizationIncludes | OrganizationExcludes, at: str, reading: _Reading
) -> None:
    _read_values(filters.names, f"{at}.names", reading, _company_name)
    if filters.ids:
        _add(reading, f"{at}.ids", AnyOf(O["key"], tuple(str(i) for i in dict.fromkeys(filters.ids))))
    _read_values(filters.domains, f"{at}.domains", reading, _domain)
    _read_size(filters, at, reading)
    _read_open(filters.industries, f"{at}.industries", O["industries"], "industry", reading)
    _read_any_all(filters.technologies, f"{at}.technologies", O["technologies"], "technology", reading)
    _read_any_all(filters.keywords, f"{at}.keywords", O["keywords"], "keyword", reading)
    if _ordered(filters.founded_year, f"{at}.founded_year", reading):
        years = filters.founded_year
        _add(reading, f"{at}.founded_year", Between(O["founded_year"], years.min, years.max))  # type: ignore[union-attr]
    _read_funding(filters, at, reading)
    _read_places(filters, at, O, reading)
    _read_refreshed(filters, at, O, reading)


def _read_values(
    values: list[str], path: str, reading: _Reading, mean: Callable[[str], Condition | str]
) -> None:
    """Any of the values, each turned into a condition by `mean` (which answers a string to refuse)."""
    conditions = []
    for position, value in enumerate(values):
        at = f"{path}[{position}]"
        if not _check_text(at, value, reading):
            continue
        meant = mean(value)
        if isinstance(meant, str):
            reading.refuse(at, meant)
        else:
            conditions.append(meant)
    if conditions:
        _add(reading, path, _any(conditions))


def _any(conditions: list[Condition]) -> Condition:
    """An `Or` in its smallest form: conditions of one kind on one field fold into one."""
    unique = list(dict.fromkeys(conditions))
    first = unique[0]
    if isinstance(first, AnyOf) and all(isinstance(c, AnyOf) and c.field == first.field for c in unique):
        values = [v for c in unique if isinstance(c, AnyOf) for v in c.values]
        return AnyOf(first.field, tuple(dict.fromkeys(values)))
    if isinstance(first, TermSets) and all(
        isinstance(c, TermSets) and c.field == first.field for c in unique
    ):
        sets = [s for c in unique if isinstance(c, TermSets) for s in c.alternatives]
        return TermSets(first.field, tuple(dict.fromkeys(sets)))
    return first if len(unique) == 1 else Or(tuple(unique))


def _title(value: str, *, similar: bool) -> Condition | str:
    if similar:
        alternatives = titles.title_query(value)
        return TermSets(C["title_terms"], alternatives) if alternatives else "is not a title"
    normalized = titles.read_title(value).normalized
    return AnyOf(C["title_normalized"], (normalized,)) if normalized else "is not a title"


def _past_title(value: str) -> Condition | str:
    alternatives = titles.title_query(value)
    return TermSets(C["past_title_terms"], alternatives) if alternatives else "is not a title"


def _past_employer(value: str) -> Condition | str:
    key = companies.company_key(value)
    return AnyOf(C["past_company_keys"], (key,)) if key else "is not a company's name"


def _person_name(value: str) -> Condition | str:
    words = tokens(value)[:12]
    if not words:
        return "is not a name"
    each = [
        TermSets(C["name_terms"], tuple(frozenset({form}) for form in names.query_alternatives(word)))
        for word in words
    ]
    return each[0] if len(each) == 1 else And(tuple(each))


def _company_name(value: str) -> Condition | str:
    key = companies.company_key(value)
    return AnyOf(O["name_keys"], (key,)) if key else "is not a company's name"


def _domain(value: str) -> Condition | str:
    domain = fold(value).removeprefix("https://").removeprefix("http://").removeprefix("www.")
    domain = domain.split("/", 1)[0].split(":", 1)[0].rstrip(".")
    if "." not in domain or " " in domain:
        return "is not a domain such as example.com"
    return AnyOf(O["domain"], (domain,))


def _read_closed(values: list[str], path: str, on: Field, reading: _Reading) -> None:
    words = _CLOSED[path.rsplit(".", 1)[1] if not path.endswith("funding.stages") else "funding_stages"]
    found = []
    for position, value in enumerate(values):
        code = words.code_of(value)
        if code is None:
            near = vocabulary.nearest(value, words) or tuple(words)
            reading.refuse(f"{path}[{position}]", f"{value[:80]!r} is not one of the allowed values", near)
        else:
            found.append(code)
    if found:
        _add(reading, path, AnyOf(on, tuple(dict.fromkeys(found))))


def _codes(values: list[str], path: str, kind: str, reading: _Reading) -> tuple[str, ...]:
    found = []
    for position, value in enumerate(values):
        code = reading.terms.resolve(kind, value)
        if code is None:
            near = reading.hint(partial(vocabulary.nearest, value, reading.terms.terms.get(kind, {})))
            reading.refuse(f"{path}[{position}]", f"no record has the {kind} {value[:80]!r}", near)
        else:
            found.append(code)
    return tuple(dict.fromkeys(found))


def _read_open(values: list[str], path: str, on: Field, kind: str, reading: _Reading) -> None:
    if codes := _codes(values, path, kind, reading):
        _add(reading, path, AnyOf(on, codes))


def _read_any_all(
    wanted: AnyAll | AnyAllNot | list[str], path: str, on: Field, kind: str, reading: _Reading
) -> None:
    if isinstance(wanted, list):
        _read_open(wanted, path, on, kind, reading)
        return
    if some := _codes(wanted.any, f"{path}.any", kind, reading):
        _add(reading, path, AnyOf(on, some))
    if every := _codes(wanted.all, f"{path}.all", kind, reading):
        _add(reading, path, AllOf(on, every))
    if isinstance(wanted, AnyAllNot) and (none := _codes(wanted.not_, f"{path}.not", kind, reading)):
        _add(reading, f"{path}.not", AnyOf(on, none), negate=True)


def _ordered(wanted: IntegerRange | MoneyRange | None, path: str, reading: _Reading) -> bool:
    """Whether there is a range to apply; a range whose ends are swapped is refused."""
    if wanted is None or (wanted.min is None and wanted.max is None):
        return False
    if wanted.min is not None and wanted.max is not None and wanted.min > wanted.max:
        reading.refuse(path, f"min ({wanted.min}) is greater than max ({wanted.max})")
        return False
    return True


def _read_size(filters: CompanyFilters, at: str, reading: _Reading) -> None:
    size, revenue = filters.num_employees, filters.revenue
    if _ordered(size, f"{at}.num_employees", reading) and size is not None:
        _add(
            reading,
            f"{at}.num_employees",
            Overlap(O["employees_min"], O["employees_max"], size.min, size.max),
        )
    _read_closed(filters.headcount_bands, f"{at}.headcount_bands", O["headcount_bands"], reading)
    if _money(revenue, f"{at}.revenue", reading) and revenue is not None:
        overlap = Overlap(O["revenue_min"], O["revenue_max"], revenue.min, revenue.max)
        _add(reading, f"{at}.revenue", And((AnyOf(O["revenue_currency"], (revenue.currency,)), overlap)))


def _money(wanted: MoneyRange | None, path: str, reading: _Reading) -> bool:
    if wanted is not None and wanted.currency not in vocabulary.CURRENCIES:
        near = vocabulary.nearest(wanted.currency, sorted(vocabulary.CURRENCIES))
        reading.refuse(f"{path}.currency", f"{wanted.currency!r} is not a currency", near)
        return False
    return _ordered(wanted, path, reading)


def _read_funding(filters: CompanyFilters, at: str, reading: _Reading) -> None:
    funding = filters.funding
    if funding is None:
        return
    _read_closed(funding.stages, f"{at}.funding.stages", O["funding_stage"], reading)
    amount = funding.amount
    if _money(amount, f"{at}.funding.amount", reading) and amount is not None:
        between = Between(O["funding_amount"], amount.min, amount.max)
        currency = AnyOf(O["funding_currency"], (amount.currency,))
        _add(reading, f"{at}.funding.amount", And((currency, between)))
    days = funding.date
    if _days_ordered(days, f"{at}.funding.date", reading) and days is not None:
        _add(reading, f"{at}.funding.date", Between(O["funding_date"], days.after, days.before))


def _days_ordered(days: DateRange | None, path: str, reading: _Reading) -> bool:
    if days is None or (days.after is None and days.before is None):
        return False
    if days.after is not None and days.before is not None and days.after > days.before:
        reading.refuse(path, f"after ({days.after}) is later than before ({days.before})")
        return False
    return True


def _read_months(months: IntegerRange, path: str, reading: _Reading) -> None:
    """Months in role as the days on which such a position began, counted back from today."""
    if not _ordered(months, path, reading):
        return
    if (months.max or months.min or 0) > 1_200:
        reading.refuse(path, "a position of more than 1,200 months is not to be found")
        return
    _add(reading, path, role_began(months, clock.today()))


def _read_refreshed(
    filters: ContactFilters | CompanyFilters, at: str, fields: Mapping[str, Field], reading: _Reading
) -> None:
    if filters.last_refreshed_after is not None:
        since = refreshed_since(filters.last_refreshed_after, fields)
        _add(reading, f"{at}.last_refreshed_after", since)
    if filters.last_refreshed_within_days is not None:
        within = refreshed_within(filters.last_refreshed_within_days, fields, clock.today())
        _add(reading, f"{at}.last_refreshed_within_days", within)


def _read_places(filters: PlaceFilters, at: str, fields: Mapping[str, Field], reading: _Reading) -> None:
    located: list[Condition] = []
    for position, name in enumerate(filters.locations):
        path = f"{at}.locations[{position}]"
        if not _check_text(path, name, reading):
            continue
        found = place_codes(name)
        if found is None:
            near = [display for _, _, display in places.suggest_places(name[:3], None, 3)]
            reading.refuse(path, f"no place is known by the name {name[:80]!r}", near)
            continue
        kind, code = found
        located.append(AnyOf(fields[kind], (code,)))
        display = places.place_display(kind, code)
        reading.resolved.append({"path": path, "field": kind, "value": code, "display_name": display})
    if located:
        _add(reading, f"{at}.locations", _any(located))
    for plural, kind in _PLACE_KINDS.items():
        _read_place_codes(getattr(filters, plural), f"{at}.{plural}", kind, fields[kind], reading)
    if filters.near is not None:
        _add(reading, f"{at}.near", _near(filters.near, fields["point"]))


def place_codes(name: str) -> tuple[places.Kind, str] | None:
    """The most exact place a name means, as its kind (country, region, city) and code."""
    place = places.parse_place(name)
    if place is None:
        return None
    most_exact_first: tuple[tuple[places.Kind, str | None], ...] = (
        ("city", place.city),
        ("region", place.region),
        ("country", place.country),
    )
    return next(((kind, code) for kind, code in most_exact_first if code), None)


def _read_place_codes(values: list[str], path: str, kind: places.Kind, on: Field, reading: _Reading) -> None:
    found = []
    for position, value in enumerate(values):
        code = value.upper() if kind != "city" else value
        if not places.known(kind, code):
            message = f"{value[:80]!r} is not the code of a {kind}; names go into `locations`"
            near = reading.hint(partial(places.nearest, kind, value))
            reading.refuse(f"{path}[{position}]", message, near)
        else:
            found.append(code)
    if found:
        _add(reading, path, AnyOf(on, tuple(dict.fromkeys(found))))


def _near(near: Near, on: Field) -> Within:
    return Within(on, near.point.latitude, near.point.longitude, near.km)
