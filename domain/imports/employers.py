"""The company that a contact's row names: found by its key, its domain or its name, else made.

A company made here is known by the same keys that a file of companies would use, so that such a file
fills it in later instead of making it twice.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import asyncpg

from core import clock
from domain.imports import merge
from domain.imports.companies import Companies, Company, fetch
from domain.imports.identity import domains_differ, fits_domain
from domain.imports.outcome import Outcome
from domain.imports.reading import Reading
from domain.imports.rows import ContactRow, Employer, OrganizationRow, cells_without_site, organization_row_of
from domain.imports.shapes import ORGANIZATIONS
from domain.imports.state import Run

# A source that knows fewer of the first keys than this does not own them.
_KNOWN_SHARE: Final = 0.5


async def resolve(
    connection: asyncpg.Connection, rows: Sequence[ContactRow], *, run: Run, outcome: Outcome
) -> dict[Employer, int | None]:
    """The organization of every employer that the rows name; the caller holds both merge locks."""
    countries: dict[Employer, str | None] = {}
    for row in rows:
        if row.employer and not countries.get(row.employer):
            countries[row.employer] = row.country
    if not countries:
        return {}
    keyed, companies = await _look_up(connection, list(countries), run)
    found: dict[Employer, Company | None] = {
        employer: _find(employer, country, keyed, companies, run) for employer, country in countries.items()
    }
    makings = {e: _making(e, run) for e, company in found.items() if company is None and e.name}
    taken = await merge.known_keys(
        connection,
        ORGANIZATIONS,
        source=run.source_id,
        keys=[key for row in makings.values() for key in row.keys],
    )
    news: list[merge.New] = []
    for employer, making in makings.items():
        # A company made for an earlier row may be this row's as well.
        company = _find(employer, countries[employer], keyed, companies, run)
        if company is None:
            company = _make(making, companies, taken, run)
            if company is not None and company.new is not None:
                news.append(company.new)
        found[employer] = company
    if run.dry_run:
        news = [new for new in news if run.imagined.add(new.key)]
    else:
        await merge.insert(connection, ORGANIZATIONS, news, source=run.source_id, today=clock.today())
    outcome.counts["organizations_created"] += len(news)
    return {employer: (company.id or None) if company else None for employer, company in found.items()}


async def find(connection: asyncpg.Connection, named: Sequence[Employer], *, run: Run) -> dict[Employer, int]:
    """Those of the companies that the catalogue has; none is made."""
    distinct = list(dict.fromkeys(named))
    keyed, companies = await _look_up(connection, distinct, run)
    found = {employer: _find(employer, None, keyed, companies, run) for employer in distinct}
    return {employer: company.id for employer, company in found.items() if company}


async def source_of_keys(
    connection: asyncpg.Connection, table: str, *, own: int, keys: Sequence[str]
) -> int | None:
    """The source whose keys these are: the rows' own if it knows any, else the only one that knows most."""
    found = await connection.fetch(
        f"SELECT source_id, count(*) FROM {table} WHERE source_key = ANY($1::text[])"  # noqa: S608 - two literals
        " AND source_id IN (SELECT id FROM sources) GROUP BY source_id",
        keys,
    )
    counts: dict[int, int] = {source: count for source, count in found}  # noqa: C416 - records are no pairs to a checker
    if own in counts:
        return own
    if len(counts) == 1 and next(iter(counts.values())) >= _KNOWN_SHARE * len(set(keys)):
        return next(iter(counts))
    return None


async def _look_up(
    connection: asyncpg.Connection, named: Sequence[Employer], run: Run
) -> tuple[dict[str, int], Companies]:
    """Everything in the catalogue that the employers may be."""
    keyed = await _by_key(connection, [e.key for e in named if e.key], run)
    # A key of the rows' own source is trusted, so nothing else need be looked up for it.
    trusted = run.companies_source in {None, run.source_id}
    others = [e for e in named if not (trusted and e.key and e.key in keyed)]
    companies = await fetch(
        connection,
        source=run.source_id,
        domains=[domain for e in others for domain in (e.domain, e.email_domain) if domain],
        names=[e.name_key for e in others if e.name_key],
        ids=keyed.values(),
    )
    return keyed, companies


async def _by_key(connection: asyncpg.Connection, keys: list[str], run: Run) -> dict[str, int]:
    """Organizations by the source's own keys."""
    if not keys:
        return {}
    if run.companies_source is None:
        run.companies_source = await source_of_keys(
            connection, "organization_sources", own=run.source_id, keys=keys
        )
    sources = {run.companies_source or run.source_id, run.source_id}
    found: dict[str, int] = {}
    # The rows' own source last, so that its word counts.
    for source in sorted(sources, key=lambda source: source == run.source_id):
        known = await merge.known_keys(connection, ORGANIZATIONS, source=source, keys=keys)
        found |= {key: hit.record_id for key, hit in known.items()}
    return found


def _find(
    employer: Employer, country: str | None, keyed: dict[str, int], companies: Companies, run: Run
) -> Company | None:
    if employer.key:
        if employer.key in companies.by_key:
            return companies.by_key[employer.key]
        company = companies.by_id.get(keyed.get(employer.key, 0))
        if company is not None and _may_be(employer, company, run):
            return company
    for domain in (employer.domain, employer.email_domain):
        company = _by_domain(employer.name_key, companies.domains.get(domain, ()) if domain else ())
        if company is not None:
            return company
    return _by_name(employer, country, companies)


def _may_be(employer: Employer, company: Company, run: Run) -> bool:
    """A key of the same source is trusted; another source's must not contradict what the row says."""
    if run.companies_source in {None, run.source_id} or company.is_ours or employer.name_key is None:
        return True
    return company.is_related(employer.name_key) or (
        employer.domain is not None and employer.domain == company.domain
    )


def _by_domain(name_key: str | None, sharing: Iterable[Company]) -> Company | None:
    """The company of a domain whose name fits best; none if every name contradicts."""
    sharing = list(sharing)
    if name_key is None:
        return sharing[0] if sharing else None
    for company in sharing:
        if company.is_named(name_key):
            return company
    return next((company for company in sharing if company.is_related(name_key)), None)


def _by_name(employer: Employer, country: str | None, companies: Companies) -> Company | None:
    """The company of that name: in the person's country if several have it, else the first."""
    if employer.name_key is None:
        return None
    named = [
        company
        for company in companies.names.get(employer.name_key, ())
        if not domains_differ(company.domain, employer.domain)
    ]
    near = [company for company in named if country and company.location.country == country]
    return next(iter(near or named), None)


def _making(employer: Employer, run: Run) -> OrganizationRow:
    """The row of a company that nobody has spoken of but this contact."""
    values = {
        "name": employer.name,
        "domain": employer.domain,
        "website": employer.website,
        "linkedin_url": employer.linkedin_url,
    }
    hint = employer.email_domain
    if employer.domain is None and employer.name_key and hint and fits_domain(employer.name_key, hint):
        # A person's address is taken only where the company's name is in it.
        values["domain"] = hint
    stated = {name: value for name, value in values.items() if value}
    return organization_row_of(Reading({}, values=stated), own_key=employer.key, context=run.context)


def _make(
    row: OrganizationRow, companies: Companies, taken: Mapping[str, merge.Known], run: Run
) -> Company | None:
    """A new company; without its domain where a company of another name has that.

    None when every key it could be known by is another's already.
    """
    key = next((key for key in row.keys if key not in taken and key not in companies.by_key), None)
    if key is None:
        return None
    contested = row.domain is not None and bool(companies.domains.get(row.domain))
    new = merge.New(row, key, cells=cells_without_site(row, run.context) if contested else None)
    company = Company(name_key=row.name_key, domain=None if contested else row.domain, is_stub=True, new=new)
    companies.add(company)
    companies.by_key[key] = company
    return company
