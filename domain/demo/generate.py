"""The demo market of a seed as three files, streamed: the same bytes on every machine.

    market = generate.market(seed=1, organizations=2_000)
    for company in generate.companies(market): ...       # Company: its CSV row and its truth
    for person in generate.people(market, 20_000): ...   # Person: likewise
    generate.write(Path("demo"), market, contacts=20_000)

Nothing here looks at a database. What the generator knows of a record (who it is, what the title means)
stays on the objects, so that searches can be judged without asking the search itself.
"""

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from core.errors import LeadFuelError
from domain.demo import companies as company_module
from domain.demo.companies import ORGANIZATION_COLUMNS, Company, seats
from domain.demo.people import (
    CONTACT_COLUMNS,
    EMPLOYMENT_COLUMNS,
    Market,
    Person,
    contact_row,
    employment_rows,
)

SOURCE = "demo"
_CHUNK_ROWS = 1_000
_MOST_ORGANIZATIONS = 1_000_000


class BadDemo(LeadFuelError):
    """A market of such a size cannot be invented."""

    status = 422
    slug = "bad-demo"
    title = "The demo data cannot be made so"


def market(*, seed: int, organizations: int) -> Market:
    """Found the companies of a seed; the first n are the same for every larger number of them."""
    if not 1 <= organizations <= _MOST_ORGANIZATIONS:
        raise BadDemo(f"The number of organizations must lie between 1 and {_MOST_ORGANIZATIONS:,}.")
    if not 0 <= seed < 1_000_000:
        raise BadDemo("The seed must lie between 0 and 999,999.")
    outside = max(200, organizations // 10)
    everyone = list(seats(seed, organizations + outside))
    return Market(seed, everyone[:organizations], everyone[organizations:])


def companies(of: Market) -> Iterator[Company]:
    """The organizations of a market, in the order of the file."""
    return (company_module.company(of.seed, seat) for seat in of.seats)


def people(of: Market, contacts: int) -> Iterator[Person]:
    """The contacts of a market, in the order of the file."""
    if contacts < 0:
        raise BadDemo("The number of contacts cannot be negative.")
    return of.people(contacts)


def organizations_csv(of: Market) -> Iterator[bytes]:
    """organizations.csv in pieces of about a thousand rows."""
    return _csv(ORGANIZATION_COLUMNS, (company.row for company in companies(of)))


def contacts_csv(of: Market, contacts: int) -> Iterator[bytes]:
    """contacts.csv in pieces of about a thousand rows."""
    return _csv(CONTACT_COLUMNS, map(contact_row, people(of, contacts)))


def employment_csv(of: Market, contacts: int) -> Iterator[bytes]:
    """employment.csv in pieces of about a thousand rows."""
    return _csv(
        EMPLOYMENT_COLUMNS, (row for person in people(of, contacts) for row in employment_rows(person))
    )


def write(
    folder: Path,
    of: Market,
    *,
    contacts: int,
    progress: Callable[[str, int], Any] = lambda _name, _rows: None,
) -> dict[str, int]:
    """Write the three files into a folder; returns how many rows each has."""
    folder.mkdir(parents=True, exist_ok=True)
    written = {"organizations": 0, "contacts": 0, "employment": 0}
    with ExitStack() as files:
        writers = {}
        for name, columns in _COLUMNS.items():
            path = folder / f"{name}.csv"
            file = files.enter_context(path.open("w", encoding="utf-8", newline=""))
            writers[name] = csv.writer(file, lineterminator="\n")
            writers[name].writerow(columns)
        for company in companies(of):
            writers["organizations"].writerow(company.row)
            written["organizations"] += 1
        progress("organizations", written["organizations"])
        for person in people(of, contacts):
            writers["contacts"].writerow(contact_row(person))
            rows = employment_rows(person)
            writers["employment"].writerows(rows)
            written["contacts"] += 1
            written["employment"] += len(rows)
            if written["contacts"] % _CHUNK_ROWS == 0:
                progress("contacts", written["contacts"])
    return written


_COLUMNS = {
    "organizations": ORGANIZATION_COLUMNS,
    "contacts": CONTACT_COLUMNS,
    "employment": EMPLOYMENT_COLUMNS,
}


def _csv(columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[bytes]:
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    for number, row in enumerate(rows, start=1):
        writer.writerow(row)
        if number % _CHUNK_ROWS == 0:
            yield buffer.getvalue().encode()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue().encode()
