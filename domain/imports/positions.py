"""Rows of employment history into the catalogue, each linked to its person.

The person is known by the key that the contacts' file used (under whatever source that was imported), else
by an address. A row about nobody we know is rejected; a position that is there already is not made again.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession

from db.sessions import driver_connection
from domain import locks
from domain.imports import copytext, employers, load, merge
from domain.imports.outcome import Outcome
from domain.imports.position_rows import PositionRow
from domain.imports.shapes import CONTACTS
from domain.imports.state import Run


async def merge_positions(
    session: AsyncSession, rows: Sequence[tuple[int, PositionRow]], *, run: Run
) -> Outcome:
    """Merge one batch of (place, row); deterministic in the order of the rows."""
    await locks.hold(session, "contacts")
    connection = await driver_connection(session)
    outcome = Outcome()
    people = await _people(connection, [row for _, row in rows], run)
    linked = []
    for place, row in rows:
        contact = people.find(row)
        if contact is None:
            outcome.reject(place, "no contact is known by this id, e-mail address or LinkedIn URL")
        else:
            linked.append((contact, row))
    companies = await employers.find(connection, [row.employer for _, row in linked if row.employer], run=run)
    lines = []
    for ordinal, (contact, row) in enumerate(linked):
        company = companies.get(row.employer) if row.employer else None
        organization = copytext.NULL if company is None else str(company)
        key = copytext.NULL if row.contact_key is None else copytext.text(row.contact_key)
        lines.append(f"{ordinal}\t{contact}\t{organization}\t{row.cells}\t{key}\n")
    await load.stage_positions(connection, lines)
    created = await (
        connection.fetchval(_COUNT_NEW) if run.dry_run else connection.fetchval(_INSERT, run.source_id)
    )
    updated = await connection.fetchval(_UPDATE)
    outcome.counts["created"] += created
    outcome.counts["updated"] += updated
    outcome.counts["unchanged"] += len(linked) - created - updated
    await connection.execute(_STARTED, run.source_id, [contact for contact, _ in linked])
    return outcome


class _People(NamedTuple):
    keys: dict[str, int]
    emails: dict[str, int]
    linkedin_urls: dict[str, int]

    def find(self, row: PositionRow) -> int | None:
        if row.contact_key and row.contact_key in self.keys:
            return self.keys[row.contact_key]
        if row.linkedin_url and row.linkedin_url in self.linkedin_urls:
            return self.linkedin_urls[row.linkedin_url]
        return self.emails.get(row.email) if row.email else None


async def _people(connection: asyncpg.Connection, rows: Sequence[PositionRow], run: Run) -> _People:
    """The contacts that the rows may speak of, by key and address; an address of two people is nobody's."""
    keys = list({row.contact_key for row in rows if row.contact_key})
    if keys and run.contacts_source is None:
        run.contacts_source = await employers.source_of_keys(
            connection, "contact_sources", own=run.source_id, keys=keys
        )
    source = run.source_id if run.contacts_source is None else run.contacts_source
    known = await merge.known_keys(connection, CONTACTS, source=source, keys=keys) if keys else {}
    emails = await connection.fetch(
        "SELECT lower(email), min(id) FROM contacts WHERE lower(email) = ANY($1::text[])"
        " GROUP BY 1 HAVING count(*) = 1",
        list({row.email for row in rows if row.email}),
    )
    urls = await connection.fetch(
        "SELECT linkedin_url, min(id) FROM contacts WHERE linkedin_url = ANY($1::text[])"
        " GROUP BY 1 HAVING count(*) = 1",
        list({row.linkedin_url for row in rows if row.linkedin_url}),
    )
    return _People(
        {key: hit.record_id for key, hit in known.items()}, dict(map(tuple, emails)), dict(map(tuple, urls))
    )


# What makes two rows one position; a missing part equals a missing part.
_SAME: Final = """
    e.contact_id = s.contact_id AND e.company_key IS NOT DISTINCT FROM s.company_key
    AND e.title IS NOT DISTINCT FROM s.title AND e.start_date IS NOT DISTINCT FROM s.start_date
"""

_STAGED: Final = """
    SELECT DISTINCT ON (contact_id, company_key, title, start_date) *
      FROM pg_temp.staged_positions ORDER BY contact_id, company_key, title, start_date, ordinal
"""

_INSERT: Final = f"""
    WITH made AS (
        INSERT INTO employment_history (contact_id, organization_id, company, company_key, title,
               title_normalized, title_terms, start_date, end_date, is_past, source_id, source_key)
        SELECT contact_id, organization_id, company, company_key, title, title_normalized, title_terms,
               start_date, end_date, coalesce(end_date <= app.today(), false), $1, source_key
          FROM ({_STAGED}) s
         WHERE NOT EXISTS (SELECT FROM employment_history e WHERE {_SAME})
         ORDER BY ordinal
        RETURNING 1
    )
    SELECT count(*)::int FROM made
"""  # noqa: S608 - of constants

_COUNT_NEW: Final = f"""
    SELECT count(*)::int FROM ({_STAGED}) s WHERE NOT EXISTS (SELECT FROM employment_history e WHERE {_SAME})
"""  # noqa: S608 - of constants

# A position that has ended meanwhile, or whose company has become known.
_UPDATE: Final = f"""
    WITH changed AS (
        UPDATE employment_history e
           SET end_date = coalesce(s.end_date, e.end_date),
               organization_id = coalesce(s.organization_id, e.organization_id),
               is_past = coalesce(coalesce(s.end_date, e.end_date) <= app.today(), false)
          FROM ({_STAGED}) s
         WHERE {_SAME}
           AND (coalesce(s.end_date, e.end_date) IS DISTINCT FROM e.end_date
                OR coalesce(s.organization_id, e.organization_id) IS DISTINCT FROM e.organization_id)
        RETURNING 1
    )
    SELECT count(*)::int FROM changed
"""  # noqa: S608 - of constants

# Since when somebody is in the present position, where no file of contacts has said it.
_STARTED: Final = """
    UPDATE contacts c
       SET position_started_on = p.started, updated_at = app.now(),
           provenance = c.provenance || jsonb_build_object('position_started_on', $1::smallint)
      FROM (SELECT contact_id, max(start_date) AS started FROM employment_history
             WHERE contact_id = ANY($2::int[]) AND NOT is_past AND start_date <= app.today()
             GROUP BY contact_id) p
     WHERE c.id = p.contact_id AND c.position_started_on IS NULL AND p.started IS NOT NULL
"""
