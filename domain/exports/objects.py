"""Files of exports as clients of storage see them: a folder for each export, named by its id, with one file.

Only what is there: made, and not expired yet.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from core.ids import UserId
from domain.exports.keeping import Kind

Column = Literal["name", "updated_at", "created_at", "last_accessed_at"]
Order = Literal["asc", "desc"]

_THERE: Final = """
    SELECT e.id, e.filename, e.format, e.byte_count, e.created_at, e.finished_at
    FROM app.exports AS e JOIN app.jobs AS j ON j.id = e.job_id
    WHERE e.user_id = :user_id AND j.status = 'done' AND e.expires_at > app.now()
"""
# A file is written once; nobody notes when it is read.
_TIMES: Final[dict[Column, str]] = {
    "updated_at": "e.finished_at",
    "created_at": "e.created_at",
    "last_accessed_at": "e.finished_at",
}


@dataclass(frozen=True, slots=True)
class Object:
    """The file of an export."""

    id: UUID
    filename: str
    format: Kind
    byte_count: int
    created_at: datetime
    finished_at: datetime

    @property
    def path(self) -> str:
        """Its path in the bucket."""
        return f"{self.id}/{self.filename}"


@dataclass(frozen=True, slots=True)
class Listing:
    """Which names: those that begin with `search`, in an order, `limit` of them after `offset`."""

    search: str
    sort: Column
    order: Order
    limit: int
    offset: int


async def find(session: AsyncSession, *, user_id: UserId, paths: Sequence[str]) -> dict[str, Object]:
    """Those of the paths that name a file of this user."""
    ids = {export_id for path in paths if (export_id := _id(path.partition("/")[0])) is not None}
    found = await session.execute(
        text(f"{_THERE} AND e.id = ANY(:ids)"), {"user_id": user_id, "ids": list(ids)}
    )
    by_path = {each.path: each for each in map(_object, found)}
    return {path: by_path[path] for path in paths if path in by_path}


async def folders(session: AsyncSession, *, user_id: UserId, listing: Listing) -> list[str]:
    """The names of a user's folders."""
    return [str(each.id) for each in await _list(session, user_id, listing, name="e.id::text")]


async def files(session: AsyncSession, *, user_id: UserId, folder: str, listing: Listing) -> list[Object]:
    """What is in a folder; nothing when there is no such folder of this user."""
    export_id = _id(folder)
    if export_id is None:
        return []
    return await _list(session, user_id, listing, name="e.filename", folder=export_id)


async def _list(
    session: AsyncSession, user_id: UserId, listing: Listing, *, name: str, folder: UUID | None = None
) -> list[Object]:
    by = _TIMES.get(listing.sort, name)
    found = await session.execute(
        text(
            f"{_THERE} AND (CAST(:folder AS uuid) IS NULL OR e.id = :folder)"
            f" AND starts_with(lower({name}), lower(:search))"
            f" ORDER BY {by} {listing.order}, e.id LIMIT :limit OFFSET :offset"
        ),
        {
            "user_id": user_id,
            "folder": folder,
            "search": listing.search,
            "limit": listing.limit,
            "offset": listing.offset,
        },
    )
    return [_object(row) for row in found]


def _id(name: str) -> UUID | None:
    """The export that a folder is of; ids have one spelling here."""
    try:
        found = UUID(name)
    except ValueError:
        return None
    return found if str(found) == name else None


def _object(row: Row[Any]) -> Object:
    return Object(**row._mapping)  # noqa: SLF001 - SQLAlchemy's own API
