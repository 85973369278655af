"""One record as one user may see it: with its history, its sources, and what the user has made of it.

Read through the masked views of the `public` schema, as the user: an address that is not unlocked is
NULL there, whatever is asked. Only where the words come from is read by the service, and no values.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from core.errors import NotFound
from core.ids import ContactId, OrganizationId


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the present value of a field comes from."""

    source: str
    since: date
    last_seen: date


@dataclass(frozen=True, slots=True)
class Employment:
    """A position somebody holds or held."""

    company: str | None
    organization_id: int | None
    title: str | None
    start_date: date | None
    end_date: date | None
    is_past: bool


@dataclass(frozen=True, slots=True)
class ContactDetail:
    """A person; `columns` are the masked view's own, with `hidden` and `saved`."""

    columns: Mapping[str, Any]
    organization: Mapping[str, Any] | None
    employment: list[Employment]
    unlocked: frozenset[str]


@dataclass(frozen=True, slots=True)
class OrganizationDetail:
    """A company; `columns` are the view's own, with `hidden` and `saved`."""

    columns: Mapping[str, Any]
    contacts: int


_ORGANIZATION = """
    id, name, aliases, website, domain, linkedin_url, phone, industry, industries, naics, employees_min,
    employees_max, headcount_bands, revenue_min, revenue_max, revenue_currency, technologies, keywords,
    funding_stage, funding_amount, funding_currency, funding_date, founded_year, country, region, city,
    city_name, location_raw, latitude, longitude, description, last_refreshed_at, created_at, updated_at
"""
_CONTACT = """
    c.id, c.organization_id, c.first_name, c.middle_name, c.last_name, c.full_name, c.linkedin_url, c.title,
    c.title_normalized, c.seniority, c.departments, c.country, c.region, c.city, c.city_name, c.location_raw,
    c.latitude, c.longitude, c.email_status, c.email_verified_at, c.has_email, c.has_phone, c.email, c.phone,
    c.position_started_on, c.last_refreshed_at, c.created_at, c.updated_at
"""
# Whose marks they are is said here too, for a session of the service that acts for a user sees everybody's.
_FIND_CONTACT = text(f"""
    SELECT {_CONTACT},
           ARRAY(SELECT u.field FROM app.unlocks u
                 WHERE u.user_id = auth.uid() AND u.contact_id = c.id) AS unlocked,
           EXISTS (SELECT FROM app.hidden_contacts h
                   WHERE h.user_id = auth.uid() AND h.contact_id = c.id)
           OR EXISTS (SELECT FROM app.hidden_companies h
                      WHERE h.user_id = auth.uid() AND h.organization_id = c.organization_id) AS hidden,
           EXISTS (SELECT FROM app.list_contacts l
                   WHERE l.contact_id = c.id AND l.list_id IN (SELECT app.my_list_ids())) AS saved
    FROM public.contacts c WHERE c.id = :id
""")  # noqa: S608 - a constant list of columns
_FIND_ORGANIZATION = text(f"""
    SELECT {_ORGANIZATION},
           EXISTS (SELECT FROM app.hidden_companies h
                   WHERE h.user_id = auth.uid() AND h.organization_id = o.id) AS hidden,
           EXISTS (SELECT FROM app.list_organizations l
                   WHERE l.organization_id = o.id AND l.list_id IN (SELECT app.my_list_ids())) AS saved
    FROM public.organizations o WHERE o.id = :id
""")  # noqa: S608
_COMPANY_OF = text(f"SELECT {_ORGANIZATION} FROM public.organizations WHERE id = :id")  # noqa: S608
_EMPLOYMENT = text("""
    SELECT company, organization_id, title, start_date, end_date, is_past
    FROM public.employment_history WHERE contact_id = :id
    ORDER BY start_date DESC NULLS LAST, id
""")
# As in a search, the people a user has hidden are not there, not even as a number.
_PEOPLE_OF = text("""
    SELECT count(*) FROM public.contacts c
    WHERE c.organization_id = :id
      AND NOT EXISTS (SELECT FROM app.hidden_contacts h
                      WHERE h.user_id = auth.uid() AND h.contact_id = c.id)
""")


async def contact(session: AsyncSession, *, contact_id: ContactId) -> ContactDetail:
    """A person as the session's user may see them; `NotFound` when there is no such person."""
    row = (await session.execute(_FIND_CONTACT, {"id": contact_id})).mappings().one_or_none()
    if row is None:
        raise NotFound(f"There is no person {contact_id}.")
    organization: dict[str, Any] | None = None
    if row["organization_id"] is not None:
        found = await session.execute(_COMPANY_OF, {"id": row["organization_id"]})
        company = found.mappings().one_or_none()
        organization = None if company is None else dict(company)
    employment = (await session.execute(_EMPLOYMENT, {"id": contact_id})).mappings()
    return ContactDetail(
        columns=dict(row),
        organization=organization,
        employment=[Employment(**position) for position in employment],
        unlocked=frozenset(row["unlocked"]),
    )


async def organization(session: AsyncSession, *, organization_id: OrganizationId) -> OrganizationDetail:
    """A company as the session's user may see it; `NotFound` when there is none of this id."""
    row = (await session.execute(_FIND_ORGANIZATION, {"id": organization_id})).mappings().one_or_none()
    if row is None:
        raise NotFound(f"There is no company {organization_id}.")
    people = (await session.execute(_PEOPLE_OF, {"id": organization_id})).scalar_one()
    return OrganizationDetail(columns=dict(row), contacts=people)


async def contact_origins(session: AsyncSession, *, contact_id: ContactId) -> dict[str, Origin]:
    """Where each field of a person comes from. Needs a session of the service role."""
    return await _origins(session, "contact", contact_id)


async def organization_origins(
    session: AsyncSession, *, organization_id: OrganizationId
) -> dict[str, Origin]:
    """Where each field of a company comes from. Needs a session of the service role."""
    return await _origins(session, "organization", organization_id)


async def _origins(session: AsyncSession, noun: str, record_id: int) -> dict[str, Origin]:
    statement = text(f"""
        SELECT p.field, s.name AS source, r.since ->> p.field AS since, r.first_seen, r.last_seen
        FROM app.{noun}s n
        CROSS JOIN LATERAL jsonb_each_text(n.provenance) AS p (field, source_id)
        JOIN app.sources s ON s.id = p.source_id::int
        JOIN app.{noun}_sources r
          ON r.{noun}_id = n.id AND r.source_id = s.id AND r."values" ? p.field
        WHERE n.id = :id
        ORDER BY p.field, r.last_seen
    """)  # noqa: S608 - `noun` is one of two words of this module
    rows = (await session.execute(statement, {"id": record_id})).all()
    # Of several keys of one source the one seen last has spoken.
    return {
        row.field: Origin(
            source=row.source,
            since=date.fromisoformat(row.since) if row.since else row.first_seen,
            last_seen=row.last_seen,
        )
        for row in rows
    }
