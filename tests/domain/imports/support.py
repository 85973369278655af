"""Rows made by hand, merged as the importer merges a batch."""

from sqlalchemy import text

from db.sessions import SERVICE, driver_connection
from domain.imports import companies, merge, people, positions, rows
from domain.imports.position_rows import position_row
from domain.imports.state import Run


async def start(db, settings, source="crm"):
    async with db.transaction(SERVICE) as session:
        connection = await driver_connection(session)
        number = await merge.source_id(connection, source)
        manual = await merge.source_id(connection, "manual")
    key = settings.privacy.hash_key.encode()
    return Run(rows.Context(source_id=number, hash_key=key), manual_id=manual)


async def import_contacts(db, settings, *cells, source="crm", run=None):
    run = run or await start(db, settings, source)
    read = [(place, rows.contact_row(row, run.context)) for place, row in enumerate(cells)]
    async with db.transaction(SERVICE) as session:
        return await people.merge_contacts(session, read, run=run)


async def import_organizations(db, settings, *cells, source="crm", run=None):
    run = run or await start(db, settings, source)
    read = [(place, rows.organization_row(row, run.context)) for place, row in enumerate(cells)]
    async with db.transaction(SERVICE) as session:
        return await companies.merge_organizations(session, read, run=run)


async def fetch(db, sql, **parameters):
    async with db.transaction(SERVICE) as session:
        return [dict(row._mapping) for row in await session.execute(text(sql), parameters)]


async def import_positions(db, settings, *cells, source="crm", run=None):
    run = run or await start(db, settings, source)
    read = [(place, position_row(row, run.context)) for place, row in enumerate(cells)]
    async with db.transaction(SERVICE) as session:
        return await positions.merge_positions(session, read, run=run)
