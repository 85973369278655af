"""Rows about companies into the catalogue: one organization per company, however often it is listed.

A shared domain makes two rows one company when their names allow it. Public data has one wrong website at
many companies; there the domain is doubtful: it is left out and reported, and the companies stay apart.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession

from core import clock
from db.sessions import driver_connection
from domain import locks, suppressions
from domain.imports import keys, merge
from domain.imports.identity import (
    Location,
    domains_differ,
    fits_domain,
    is_telling,
    locations_agree,
    may_share,
    related_company_names,
    same_company_name,
)
from domain.imports.outcome import Outcome
from domain.imports.rows import OrganizationRow, cells_without_site
from domain.imports.shapes import ORGANIZATIONS
from domain.imports.state import Run

_SITE: Final = frozenset({"domain", "website"})
# So many companies of different names with one website: it is nobody's.
_CLAIMS_AGAINST: Final = 2


@dataclass(slots=True, eq=False)
class Company:
    """A company that a row may be about: a record, or a row of this batch that will be one."""

    name_key: str
    alias_keys: tuple[str, ...] = ()
    domain: str | None = None
    location: Location = field(default_factory=Location)
    # Whether this source speaks of it, and whether nobody does but rows about its people.
    is_ours: bool = True
    is_stub: bool = False
    record_id: int = 0
    new: merge.New | None = None

    @property
    def id(self) -> int:
        return self.new.record_id if self.new else self.record_id

    def is_named(self, name_key: str) -> bool:
        return same_company_name(self.name_key, name_key) or name_key in self.alias_keys

    def is_related(self, name_key: str) -> bool:
        return related_company_names(self.name_key, name_key) or any(
            related_company_names(alias, name_key) for alias in self.alias_keys
        )

    def may_share(self, name_key: str, domain: str) -> bool:
        return any(may_share(own, name_key, domain) for own in (self.name_key, *self.alias_keys))


@dataclass(slots=True)
class Companies:
    """The companies of the catalogue that a batch may be about, by domain and by name."""

    domains: dict[str, list[Company]] = field(default_factory=dict)
    names: dict[str, list[Company]] = field(default_factory=dict)
    by_id: dict[int, Company] = field(default_factory=dict)
    by_key: dict[str, Company] = field(default_factory=dict)

    def add(self, company: Company) -> None:
        if company.record_id:
            if company.record_id in self.by_id:
                return
            self.by_id[company.record_id] = company
        if company.domain:
            self.domains.setdefault(company.domain, []).append(company)
        for name in {company.name_key, *company.alias_keys}:
            self.names.setdefault(name, []).append(company)

    def withdraw_domain(self, company: Company) -> None:
        """The domain turned out not to be the company's."""
        if company.domain:
            self.domains[company.domain].remove(company)
            company.domain = None


async def fetch(
    connection: asyncpg.Connection,
    *,
    source: int,
    domains: Iterable[str],
    names: Iterable[str],
    ids: Iterable[int] = (),
) -> Companies:
    """The companies that have one of the domains, names or ids."""
    companies = Companies()
    found = await connection.fetch(
        """
        WITH found AS (
            SELECT id FROM organizations WHERE domain = ANY($2::text[])
            UNION SELECT id FROM organizations WHERE name_key = ANY($3::text[])
            -- One look into the index for each name: an overlap of long arrays would read the whole table.
            UNION SELECT o.id FROM unnest($3::text[]) AS n (name)
                    JOIN organizations o ON o.alias_keys @> ARRAY[n.name]
            UNION SELECT unnest($4::int[])
        )
        SELECT o.id, o.name_key, o.alias_keys, o.domain, o.country, o.region, o.city, o.latitude, o.longitude,
               s.is_ours, s.is_stub
          FROM found JOIN organizations o USING (id)
          CROSS JOIN LATERAL (
              SELECT coalesce(bool_or(source_id = $1), false) AS is_ours,
                     coalesce(bool_and(source_key ~ '^(domain|name):'), false) AS is_stub
                FROM organization_sources WHERE organization_id = o.id
          ) s
         ORDER BY o.id
        """,
        source,
        list(set(domains)),
        list(set(names)),
        list(set(ids)),
    )
    for row in found:
        companies.add(
            Company(
                name_key=row["name_key"],
                alias_keys=tuple(row["alias_keys"]),
                domain=row["domain"],
                location=Location(
                    row["country"], row["region"], row["city"], row["latitude"], row["longitude"]
                ),
                is_ours=row["is_ours"],
                is_stub=row["is_stub"],
                record_id=row["id"],
            )
        )
    return companies


async def merge_organizations(
    session: AsyncSession, rows: Sequence[tuple[int, OrganizationRow]], *, run: Run
) -> Outcome:
    """Merge one batch of (place, row); deterministic in the order of the rows."""
    await locks.hold(session, "organizations")
    connection = await driver_connection(session)
    outcome = Outcome()
    today = clock.today()
    wanted = list(dict.fromkeys(key for _, row in rows for key in row.keys))
    known = await merge.known_keys(connection, ORGANIZATIONS, source=run.source_id, keys=wanted)
    speaking = [row for _, row in rows if not _says_the_same(row, known)]
    companies = await fetch(
        connection,
        source=run.source_id,
        domains=[row.domain for row in speaking if row.domain],
        names=[row.name_key for row in speaking],
        ids=[known[key].record_id for row in speaking for key in row.keys if key in known],
    )

    def agrees(row: OrganizationRow, record_id: int) -> bool:
        company = companies.by_id.get(record_id)
        return company is not None and _is_about(row, company)

    chosen, same = keys.choose(rows, known, run=run, agrees=agrees, outcome=outcome)
    await merge.touch(connection, ORGANIZATIONS, source=run.source_id, keys=same, today=today)
    if not chosen:
        return outcome
    banned = await suppressions.suppressed(session, (mark for _, row, _ in chosen for mark in row.marks))
    sorter = _Sorter(connection, companies, run, outcome)
    for place, row, key in chosen:
        if banned and not banned.isdisjoint(row.marks):
            outcome.counts["suppressed"] += 1
        else:
            await sorter.sort(place, row, key, known.get(key))
    if not run.dry_run:
        await merge.insert(connection, ORGANIZATIONS, sorter.news, source=run.source_id, today=today)
    changes = [replace(change, record_id=company.id) for change, company in sorter.changes if company.id]
    updated = await merge.apply(
        connection,
        ORGANIZATIONS,
        changes,
        source=run.source_id,
        manual=run.manual_id,
        hash_key=run.hash_key,
        today=today,
    )
    outcome.counts["created"] += len(sorter.news)
    outcome.counts["updated"] += sum(change.record_id in updated for change in changes)
    outcome.counts["unchanged"] += len(sorter.changes) - sum(c.record_id in updated for c in changes)
    await store_terms(connection, (term for _, row, _ in chosen for term in row.terms), run=run)
    return outcome


async def store_terms(
    connection: asyncpg.Connection, terms: Iterable[tuple[str, str, str]], *, run: Run
) -> None:
    """Store the words of the open vocabularies that this run has not stored yet."""
    fresh = [term for term in dict.fromkeys(terms) if (term[0], term[1]) not in run.terms]
    await merge.add_terms(connection, fresh)
    run.terms.update((kind, code) for kind, code, _ in fresh)


@dataclass(slots=True)
class _Sorter:
    """Decides row by row which company each is about; every decision is there for the rows after it."""

    connection: asyncpg.Connection
    companies: Companies
    run: Run
    outcome: Outcome
    news: list[merge.New] = field(default_factory=list)
    changes: list[tuple[merge.Change, Company]] = field(default_factory=list)

    async def sort(self, place: int, row: OrganizationRow, key: str, known: merge.Known | None) -> None:
        company = self.companies.by_id[known.record_id] if known else self._find(row)
        has_site = await self._settle_domain(place, row, company)
        if company is None:
            new = merge.New(row, key, cells=None if has_site else cells_without_site(row, self.run.context))
            self.news.append(new)
            self.companies.add(
                Company(
                    name_key=row.name_key,
                    alias_keys=row.alias_keys,
                    domain=row.domain if has_site else None,
                    location=row.location,
                    new=new,
                )
            )
            return
        change = merge.Change(
            record_id=0,
            key=key,
            statement=row.statement,
            digest=row.digest,
            raw=row.raw,
            known=known is not None,
            withheld=frozenset() if has_site else _SITE,
        )
        self.changes.append((change, company))
        company.is_ours = True
        if has_site and row.domain and company.domain is None:
            company.domain = row.domain
            self.companies.domains.setdefault(row.domain, []).append(company)

    def _find(self, row: OrganizationRow) -> Company | None:
        """The company that a row without a known key is about."""
        sharing = self.companies.domains.get(row.domain, []) if row.domain else []
        for company in sharing:
            if company.is_named(row.name_key):
                return company
        for company in sharing:
            # One source that lists two related names means two companies of a group; two sources with one
            # domain and related names mean the same one.
            if not company.is_ours and company.is_related(row.name_key):
                return company
        for company in self.companies.names.get(row.name_key, ()):
            if (company.is_ours or company.is_stub) and _is_about(row, company):
                return company
        return None

    async def _settle_domain(self, place: int, row: OrganizationRow, company: Company | None) -> bool:
        """Whether the row's domain may be its company's; a doubtful one is reported."""
        domain = row.domain
        if domain is None:
            return True
        others = [
            other
            for other in self.companies.domains.get(domain, ())
            if other is not company and not other.may_share(row.name_key, domain)
        ]
        if not others:
            if domain not in self.run.doubtful:
                return True
            self._doubt(place, row, "several companies of different names have it")
            return False
        if fits_domain(row.name_key, domain) and not any(fits_domain(o.name_key, domain) for o in others):
            for other in others:
                await self._take_away(other)
            return True
        self._doubt(place, row, f"it is given for another company as well ({others[0].name_key})")
        self.run.claims[domain] += 1
        if self.run.claims[domain] >= _CLAIMS_AGAINST:
            for other in others:
                if not fits_domain(other.name_key, domain):
                    await self._take_away(other)
                    self.run.doubtful.add(domain)
        return False

    def _doubt(self, place: int, row: OrganizationRow, reason: str) -> None:
        self.outcome.drop(place, cell="website", value=str(row.domain), reason=f"is doubtful: {reason}")

    async def _take_away(self, company: Company) -> None:
        """A company of another name than its domain loses it; the statement of its source stays."""
        domain = company.domain
        self.companies.withdraw_domain(company)
        if company.new:
            row = company.new.row
            if isinstance(row, OrganizationRow):
                company.new.cells = cells_without_site(row, self.run.context)
            return
        await self.connection.execute(
            "UPDATE organizations SET domain = NULL, website = NULL, provenance = provenance - $2::text[],"
            " updated_at = app.now() WHERE id = $1 AND domain = $3",
            company.record_id,
            sorted(_SITE),
            domain,
        )


def _is_about(row: OrganizationRow, company: Company) -> bool:
    """Whether a row can be about a company of its name: no other domain, no other place."""
    if not company.is_named(row.name_key) or domains_differ(company.domain, row.domain):
        return False
    if row.domain and company.domain == row.domain:
        return True
    return locations_agree(row.location, company.location, telling_name=is_telling(row.name_key))


def _says_the_same(row: OrganizationRow, known: dict[str, merge.Known]) -> bool:
    found = known.get(row.keys[0])
    return found is not None and found.digest == row.digest
