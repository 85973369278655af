"""Hidden records: what one user does not want to see again, in any search, count or facet.

Hiding is a fact per user and record, so doing it twice is doing it once. A hidden company hides its
people; that rule is `search.visibility`'s, here only what was said is kept. Triggers raise the user's
visibility version in the same transaction, so the very next search knows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final, Literal

from msgspec import Meta
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from core.errors import NotFound
from core.ids import MAX_RECORD_ID, ContactId, OrganizationId, UserId
from domain import paging

Entity = Literal["contacts", "organizations"]
Change = Literal["hide", "unhide"]

MAX_BULK: Final = 10_000
_Position = Annotated[int, Meta(ge=1, le=MAX_RECORD_ID + 1)]


@dataclass(frozen=True, slots=True)
class _Names:
    """How the two kinds of hidden records are called in the database."""

    table: str
    column: str
    noun: str


_NAMES: Final[dict[Entity, _Names]] = {
    "contacts": _Names("hidden_contacts", "contact_id", "person"),
    "organizations": _Names("hidden_companies", "organization_id", "company"),
}


@dataclass(frozen=True, slots=True)
class BulkResult:
    """What a change of many has done; unknown ids are named and stop nothing."""

    changed: int
    unchanged: int
    unknown: list[int]


@dataclass(frozen=True, slots=True)
class HiddenRecord:
    """A hidden record with enough of it to be recognised."""

    id: int
    name: str | None
    title: str | None
    organization_id: int | None
    organization_name: str | None
    hidden_at: datetime


@dataclass(frozen=True, slots=True)
class HiddenPage:
    """Hidden records in the order of their ids, newest record first."""

    records: list[HiddenRecord]
    cursor: str | None


async def hide_contact(session: AsyncSession, *, user_id: UserId, contact_id: ContactId) -> None:
    await _change_one(session, "hide", "contacts", user_id=user_id, record_id=contact_id)


async def unhide_contact(session: AsyncSession, *, user_id: UserId, contact_id: ContactId) -> None:
    await _change_one(session, "unhide", "contacts", user_id=user_id, record_id=contact_id)


async def hide_organization(
    session: AsyncSession, *, user_id: UserId, organization_id: OrganizationId
) -> None:
    await _change_one(session, "hide", "organizations", user_id=user_id, record_id=organization_id)


async def unhide_organization(
    session: AsyncSession, *, user_id: UserId, organization_id: OrganizationId
) -> None:
    await _change_one(session, "unhide", "organizations", user_id=user_id, record_id=organization_id)


async def change_many(
    session: AsyncSession, change: Change, entity: Entity, *, user_id: UserId, ids: Sequence[int]
) -> BulkResult:
    """Hide or unhide many at once; an id that is named twice or unknown does no harm."""
    wanted = sorted(set(ids))
    known = set(
        (
            await session.execute(
                text(f"SELECT id FROM app.{entity} WHERE id = ANY(CAST(:ids AS integer[]))"),  # noqa: S608
                {"ids": wanted},
            )
        ).scalars()
    )
    existing = [record_id for record_id in wanted if record_id in known]
    changed = await _change(session, change, entity, user_id=user_id, ids=existing)
    return BulkResult(
        changed=changed,
        unchanged=len(existing) - changed,
        unknown=[record_id for record_id in wanted if record_id not in known],
    )


async def list_contacts(
    session: AsyncSession, *, user_id: UserId, limit: int, cursor: str | None
) -> HiddenPage:
    """The people a user has hidden themselves (those of hidden companies are not listed)."""
    return await _page(
        session,
        """SELECT h.contact_id AS id, c.full_name AS name, c.title, c.organization_id,
                  o.name AS organization_name, h.hidden_at
           FROM app.hidden_contacts h
           JOIN app.contacts c ON c.id = h.contact_id
           LEFT JOIN app.organizations o ON o.id = c.organization_id
           WHERE h.user_id = :user_id AND h.contact_id < CAST(:before AS bigint)
           ORDER BY h.contact_id DESC LIMIT :limit""",
        name="hidden_contacts",
        user_id=user_id,
        limit=limit,
        cursor=cursor,
    )


async def list_organizations(
    session: AsyncSession, *, user_id: UserId, limit: int, cursor: str | None
) -> HiddenPage:
    """The companies a user has hidden."""
    return await _page(
        session,
        """SELECT h.organization_id AS id, o.name, NULL AS title, NULL::int AS organization_id,
                  NULL AS organization_name, h.hidden_at
           FROM app.hidden_companies h
           JOIN app.organizations o ON o.id = h.organization_id
           WHERE h.user_id = :user_id AND h.organization_id < CAST(:before AS bigint)
           ORDER BY h.organization_id DESC LIMIT :limit""",
        name="hidden_companies",
        user_id=user_id,
        limit=limit,
        cursor=cursor,
    )


async def _change_one(
    session: AsyncSession, change: Change, entity: Entity, *, user_id: UserId, record_id: int
) -> None:
    result = await change_many(session, change, entity, user_id=user_id, ids=[record_id])
    if result.unknown:
        raise NotFound(f"There is no {_NAMES[entity].noun} {record_id}.")


async def _change(
    session: AsyncSession, change: Change, entity: Entity, *, user_id: UserId, ids: list[int]
) -> int:
    """Returns how many rows there are more or fewer. Ids come sorted, so that two bulks never deadlock."""
    names = _NAMES[entity]
    if change == "hide":
        # The join lets go of a record that was deleted a moment ago, where the bare id would be an error.
        statement = f"""
            INSERT INTO app.{names.table} (user_id, {names.column})
            SELECT :user_id, r.id FROM app.{entity} r WHERE r.id = ANY(CAST(:ids AS integer[])) ORDER BY r.id
            ON CONFLICT DO NOTHING"""  # noqa: S608 - names from the table above
    else:
        statement = f"""
            DELETE FROM app.{names.table}
            WHERE user_id = :user_id AND {names.column} = ANY(CAST(:ids AS integer[]))"""  # noqa: S608
    result = await session.execute(text(statement), {"user_id": user_id, "ids": ids})
    return result.rowcount  # type: ignore[attr-defined,no-any-return]


async def _page(
    session: AsyncSession, statement: str, *, name: str, user_id: UserId, limit: int, cursor: str | None
) -> HiddenPage:
    before = paging.decode(name, cursor, _Position) if cursor else MAX_RECORD_ID + 1
    parameters = {"user_id": user_id, "before": before, "limit": limit + 1}
    rows = (await session.execute(text(statement), parameters)).all()
    records = [HiddenRecord(**row._mapping) for row in rows[:limit]]  # noqa: SLF001 - SQLAlchemy's own API
    return HiddenPage(records, paging.encode(name, records[-1].id) if len(rows) > limit else None)
