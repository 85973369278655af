"""Single people, as an administrator writes them. Whoever calls has checked that this person may."""

from collections.abc import Mapping
from typing import Any, Final

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession

from core import clock
from core.errors import Invalid, NotFound
from core.ids import ContactId
from core.settings import PrivacySettings
from db.sessions import driver_connection
from domain import edits, locks, suppressions
from domain.imports import merge, people, rows
from domain.imports.reading import Habits, Reading, read_contact
from domain.imports.shapes import CONTACTS

FIELDS: Final = (
    "first_name",
    "middle_name",
    "last_name",
    "title",
    "organization_id",
    "email",
    "email_status",
    "email_verified_at",
    "phone",
    "linkedin_url",
    "location",
    "city",
    "region",
    "country",
    "latitude",
    "longitude",
    "position_started_on",
)
_IDENTITY: Final = ("first_name", "last_name", "email", "phone", "linkedin_url")


async def create(session: AsyncSession, *, privacy: PrivacySettings, values: Mapping[str, Any]) -> ContactId:
    """Make a contact; raises `Invalid`, `Duplicate` (address and name are known) or `Suppressed`."""
    edits.check_fields(values, FIELDS)
    await locks.hold(session, "contacts")
    connection = await driver_connection(session)
    manual = await merge.source_id(connection, merge.MANUAL)
    organization_id = await _organization(connection, values)
    reading = _read(values)
    if organization_id is not None:
        reading.values["organization"] = {"id": organization_id}
    if not any(name in reading.values for name in _IDENTITY):
        raise Invalid(
            "The contact would identify nobody.",
            errors=[{"path": "last_name", "message": "A name, an address or a phone number is needed."}],
        )
    key = edits.new_key()
    context = rows.Context(source_id=manual, hash_key=suppressions.require_key(privacy))
    row = rows.contact_row_of(reading, own_key=key, context=context)
    await edits.refuse_suppressed(session, row.marks)
    known = await people.find_by_address(connection, row)
    if known is not None:
        raise edits.Duplicate(f"Contact {known} has this address and name.", id=known)
    new = merge.New(row, key, organization_id)
    await merge.insert(connection, CONTACTS, [new], source=manual, today=clock.today())
    return ContactId(new.record_id)


async def update(
    session: AsyncSession, *, privacy: PrivacySettings, contact_id: ContactId, changes: Mapping[str, Any]
) -> None:
    """Set the given fields; null erases one. Raises `NotFound`, `Invalid` or `Suppressed`."""
    edits.check_fields(changes, FIELDS)
    await locks.hold(session, "contacts")
    connection = await driver_connection(session)
    current = await connection.fetchrow(
        "SELECT first_name, last_name, email, phone, linkedin_url, country, region, city_name FROM contacts"
        " WHERE id = $1 FOR NO KEY UPDATE",
        contact_id,
    )
    if current is None:
        raise NotFound("There is no such contact.")
    manual = await merge.source_id(connection, merge.MANUAL)
    organization_id = await _organization(connection, changes)
    reading = _read(edits.with_place(changes, dict(current)), country=current["country"])
    erased = edits.erased_fields(changes, reading)
    if organization_id is not None:
        reading.values["organization"] = {"id": organization_id}
    kept = {name for name in _IDENTITY if current[name] is not None and name not in erased}
    if not kept | (reading.values.keys() & set(_IDENTITY)):
        raise Invalid(
            "The contact would identify nobody.",
            errors=[
                {"path": name, "message": "It cannot be erased: nothing else is left."} for name in erased
            ],
        )
    hash_key = suppressions.require_key(privacy)
    row = rows.contact_row_of(
        reading, own_key="edit", context=rows.Context(source_id=manual, hash_key=hash_key)
    )
    await edits.refuse_suppressed(session, row.marks)
    change = await edits.change_of(
        connection,
        CONTACTS,
        record_id=contact_id,
        manual=manual,
        reading=reading,
        erased=erased,
        employer_id=organization_id,
    )
    await merge.apply(
        connection, CONTACTS, [change], source=manual, manual=manual, hash_key=hash_key, today=clock.today()
    )


async def delete(session: AsyncSession, *, contact_id: ContactId) -> None:
    """Remove a contact with everything that hangs on it; a later import may bring the person back."""
    await locks.hold(session, "contacts")
    connection = await driver_connection(session)
    gone = await connection.fetchval("DELETE FROM contacts WHERE id = $1 RETURNING id", contact_id)
    if gone is None:
        raise NotFound("There is no such contact.")


def _read(values: Mapping[str, Any], *, country: str | None = None) -> Reading:
    cells = edits.cells_of({name: value for name, value in values.items() if name != "organization_id"})
    reading = read_contact(cells, Habits(phone_country=country))
    edits.refuse_problems(reading)
    return reading


async def _organization(connection: asyncpg.Connection, values: Mapping[str, Any]) -> int | None:
    """The organization that the record is to have; raises `Invalid` when there is no such one."""
    wanted = values.get("organization_id")
    if wanted is None:
        return None
    is_id = isinstance(wanted, int) and not isinstance(wanted, bool) and 0 < wanted < 2**31
    if not is_id or not await connection.fetchval(
        "SELECT EXISTS (SELECT FROM organizations WHERE id = $1)", wanted
    ):
        raise Invalid(
            "The organization is not known.",
            errors=[{"path": "organization_id", "message": "There is no such organization."}],
        )
    return int(wanted)
