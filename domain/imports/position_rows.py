"""A row of employment history as the merge wants it. Pure functions, as those of `rows`."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from core.text import clean
from domain.imports import copytext
from domain.imports.reading import Problem, read_position
from domain.imports.rows import Context, Employer, RowRejected, employer_of
from domain.imports.values import email_key
from search.companies import company_key
from search.titles import read_title

_ENCODERS: Final = [
    copytext.ENCODERS[kind] for kind in ("text", "text", "text", "text", "text[]", "date", "date")
]
_MAX_KEY_LENGTH: Final = 400


class PositionRow(NamedTuple):
    contact_key: str | None
    email: str | None
    linkedin_url: str | None
    employer: Employer | None
    # Company, its key, title, its normalized form and terms, start and end, as COPY reads them.
    cells: str
    problems: tuple[Problem, ...]


def position_row(cells: Mapping[str, str], context: Context) -> PositionRow:
    """Read a position; raises `RowRejected` when it names no person, or neither company nor title."""
    reading = read_position(cells, context.habits)
    values = reading.values
    key = clean(cells["contact_id"])[:500] if cells.get("contact_id") else None
    email = email_key(values["email"]) if "email" in values else None
    if not (key or email or values.get("linkedin_url")):
        raise RowRejected("the row names no person: it has no contact id, e-mail address or LinkedIn URL")
    employer = employer_of(values.get("organization", {}), email=None)
    title = values.get("title")
    company = employer.name or employer.domain if employer else None
    if not company and not title:
        raise RowRejected("the row names neither a company nor a title")
    read = read_title(title) if title else None
    line = [
        company,
        company_key(company)[:_MAX_KEY_LENGTH] if company else None,
        title,
        read.normalized if read else None,
        read.terms if read else (),
        values.get("start_date"),
        values.get("end_date"),
    ]
    return PositionRow(
        contact_key=key,
        email=email,
        linkedin_url=values.get("linkedin_url"),
        employer=employer,
        cells=copytext.line(line, _ENCODERS),
        problems=tuple(reading.problems),
    )
