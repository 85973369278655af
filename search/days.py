"""Filters that ask for something else every day: what they mean on one, in whole days of UTC."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

from search.conditions import Between, Clause, Criteria
from search.fields import CONTACT_FIELDS, FIELDS, Field
from search.request import Filters, IntegerRange


def depends_on_time(criteria: Criteria) -> bool:
    """Whether records come to fit or cease to by the passing of time alone."""
    return any(_filter_of(clause) in _BY_THE_DAY for clause in criteria.clauses)


def as_of(criteria: Criteria, filters: Filters, day: date) -> Criteria:
    """The criteria that were read from these filters, with what is relative to time as it stands on a day."""
    if not depends_on_time(criteria):
        return criteria
    clauses = []
    for clause in criteria.clauses:
        mean = _BY_THE_DAY.get(_filter_of(clause))
        if mean is not None:
            side = "exclude" if clause.excludes else "include"
            asked = getattr(getattr(getattr(filters, clause.scope), side), _filter_of(clause))
            clause = replace(clause, condition=mean(asked, FIELDS[clause.scope], day))  # noqa: PLW2901
        clauses.append(clause)
    return replace(criteria, clauses=tuple(clauses))


def refreshed_since(day: date, fields: Mapping[str, Field]) -> Between:
    """Refreshed on this day or later."""
    return Between(fields["last_refreshed_at"], datetime.combine(day, time(), tzinfo=UTC), None)


def refreshed_within(days: int, fields: Mapping[str, Field], today: date) -> Between:
    """Refreshed today or in so many days before."""
    return refreshed_since(today - timedelta(days=days), fields)


def role_began(months: IntegerRange, today: date) -> Between:
    """Months in role as they stand on a day: when such a position began."""
    latest = _months_before(today, months.min) if months.min is not None else None
    # Someone is in month n of a role until the day before n + 1 months are full.
    earliest = None if months.max is None else _months_before(today, months.max + 1)
    after = None if earliest is None else date.fromordinal(earliest.toordinal() + 1)
    return Between(CONTACT_FIELDS["position_started_on"], after, latest)


def _months_before(day: date, months: int) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    last = (date(year + (month == 11), (month + 1) % 12 + 1, 1).toordinal()) - 1
    return date.fromordinal(min(date(year, month + 1, 1).toordinal() + day.day - 1, last))


# By the name of the filter.
_BY_THE_DAY: Final[Mapping[str, Callable[[Any, Mapping[str, Field], date], Between]]] = {
    "months_in_role": lambda months, _, day: role_began(months, day),
    "last_refreshed_within_days": refreshed_within,
}


def _filter_of(clause: Clause) -> str:
    return clause.path.rpartition(".")[2]
