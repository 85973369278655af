"""Single companies, as an administrator writes them. Whoever calls has checked that this person may."""

from collections.abc import Mapping
from typing import Any, Final

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession

from core import clock
from core.errors import Invalid, NotFound
from core.ids import OrganizationId
from core.settings import PrivacySettings
from db.sessions import driver_connection
from domain import edits, locks, suppressions
from domain.imports import merge, record, rows
from domain.imports.reading import Habits, Reading, read_organization
from domain.imports.shapes import ORGANIZATIONS
from domain.marks import keyed_hash

FIELDS: Final = (
    "name",
    "aliases",
    "website",
    "domain",
    "linkedin_url",
    "phone",
    "industry",
    "naics",
    "employees",
    "revenue",
    "technologies",
    "keywords",
    "funding_stage",
    "funding_amount",
    "funding_date",
    "founded",
    "location",
    "city",
    "region",
    "country",
    "latitude",
    "longitude",
    "description",
)


async def create(
    session: AsyncSession, *, privacy: PrivacySettings, values: Mapping[str, Any]
) -> OrganizationId:
    """Make an organization; raises `Invalid`, `Duplicate` (another has the domain) or `Suppressed`."""
    edits.check_fields(values, FIELDS)
    await locks.hold(session, "organizations")
    connection = await driver_connection(session)
    manual = await merge.source_id(connection, merge.MANUAL)
    reading = _read(values)
    if not reading.values.get("name"):
        raise Invalid(
            "The organization has no name.", errors=[{"path": "name", "message": "A name is needed."}]
        )
    key = edits.new_key()
    context = rows.Context(source_id=manual, hash_key=suppressions.require_key(privacy))
    row = rows.organization_row_of(reading, own_key=key, context=context)
    await edits.refuse_suppressed(session, row.marks)
    await _refuse_taken_domain(connection, row.domain, but=0)
    new = merge.New(row, key)
    await merge.insert(connection, ORGANIZATIONS, [new], source=manual, today=clock.today())
    await merge.add_terms(connection, row.terms)
    return OrganizationId(new.record_id)


async def update(
    session: AsyncSession,
    *,
    privacy: PrivacySettings,
    organization_id: OrganizationId,
    changes: Mapping[str, Any],
) -> None:
    """Set the given fields; null erases one. Raises `NotFound`, `Invalid`, `Duplicate` or `Suppressed`."""
    edits.check_fields(changes, FIELDS)
    if "name" in changes and changes["name"] is None:
        raise Invalid(
            "An organization has a name.", errors=[{"path": "name", "message": "It cannot be erased."}]
        )
    await locks.hold(session, "organizations")
    connection = await driver_connection(session)
    current = await connection.fetchrow(
        "SELECT name, country, region, city_name FROM organizations WHERE id = $1 FOR NO KEY UPDATE",
        organization_id,
    )
    if current is None:
        raise NotFound("There is no such organization.")
    manual = await merge.source_id(connection, merge.MANUAL)
    reading = _read(
        edits.with_place(changes, dict(current)), country=current["country"], name=current["name"]
    )
    erased = edits.erased_fields(changes, reading)
    hash_key = suppressions.require_key(privacy)
    domain = reading.values.get("domain")
    if domain:
        mark = keyed_hash(hash_key, kind="domain", value=domain)
        await edits.refuse_suppressed(session, [("domain", mark)])
        await _refuse_taken_domain(connection, domain, but=organization_id)
    change = await edits.change_of(
        connection,
        ORGANIZATIONS,
        record_id=organization_id,
        manual=manual,
        reading=reading,
        erased=erased,
    )
    await merge.apply(
        connection,
        ORGANIZATIONS,
        [change],
        source=manual,
        manual=manual,
        hash_key=hash_key,
        today=clock.today(),
    )
    await merge.add_terms(connection, record.vocabulary_terms(reading.values))


async def delete(session: AsyncSession, *, organization_id: OrganizationId) -> None:
    """Remove an organization; its people stay, without a company."""
    await locks.hold(session, "contacts")
    await locks.hold(session, "organizations")
    connection = await driver_connection(session)
    gone = await connection.fetchval("DELETE FROM organizations WHERE id = $1 RETURNING id", organization_id)
    if gone is None:
        raise NotFound("There is no such organization.")


def _read(values: Mapping[str, Any], *, country: str | None = None, name: str | None = None) -> Reading:
    """Read what is given. Whether a shared host is the company's own depends on its name, hence `name`."""
    cells = edits.cells_of(values)
    borrowed = {"name": name} if name and "name" not in cells else {}
    reading = read_organization(cells | borrowed, Habits(phone_country=country))
    for field in borrowed:
        reading.values.pop(field, None)
        reading.raw.pop(field, None)
    edits.refuse_problems(reading)
    return reading


async def _refuse_taken_domain(connection: asyncpg.Connection, domain: str | None, *, but: int) -> None:
    """A domain is one organization's when a person gives it."""
    taken = domain and await connection.fetchval(
        "SELECT id FROM organizations WHERE domain = $1 AND id <> $2 ORDER BY id LIMIT 1", domain, but
    )
    if taken:
        raise edits.Duplicate(f"Organization {taken} has the domain {domain}.", id=taken)
