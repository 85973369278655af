"""Pages of plain lists, and their cursors: the last row's key, opaque to the caller and checked on return."""

import base64
import binascii
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

import msgspec
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from core.errors import Invalid

MAX_CURSOR_LENGTH: Final = 400


class WrongCursor(Invalid):
    """The cursor is not one that this list has given out. Begin again without one."""

    slug = "wrong-cursor"
    title = "Not a cursor of this list"


def encode(name: str, position: Any) -> str:
    """A cursor of the list `name` behind the row with this key."""
    return base64.urlsafe_b64encode(msgspec.json.encode([name, position])).rstrip(b"=").decode("ascii")


def decode(name: str, cursor: str, kind: Any) -> Any:
    """The key in a cursor of the list `name`; `WrongCursor` for anything else."""
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        given, position = msgspec.json.decode(raw, type=tuple[str, kind])
    except (binascii.Error, ValueError, UnicodeError):
        given, position = "", None
    if given != name:
        reason = "This is not a cursor of this list; begin again without one."
        raise WrongCursor(reason, errors=[{"path": "cursor", "message": reason}])
    return position


async def latest_first(
    session: AsyncSession,
    query: str,
    parameters: Mapping[str, Any],
    *,
    name: str,
    limit: int,
    cursor: str | None,
    id_type: Literal["uuid", "text"] = "uuid",
) -> tuple[list[Row[Any]], str | None]:
    """A page of the rows of a query with `created_at` and `id`, and the cursor of the next if there is one.

    Raises `WrongCursor` for one that is not of the list `name`.
    """
    kind: Any = UUID if id_type == "uuid" else str
    before, before_id = decode(name, cursor, tuple[datetime, kind]) if cursor else (None, None)
    found = await session.execute(
        text(
            f"SELECT * FROM ({query}) listed"  # noqa: S608 - a query of ours, which binds its values
            " WHERE CAST(:before AS timestamptz) IS NULL"
            f" OR (created_at, id) < (:before, CAST(:before_id AS {id_type}))"
            " ORDER BY created_at DESC, id DESC LIMIT :limit"
        ),
        {**parameters, "before": before, "before_id": before_id, "limit": limit + 1},
    )
    rows = list(found.all())
    if len(rows) <= limit:
        return rows, None
    return rows[:limit], encode(name, (rows[limit - 1].created_at, rows[limit - 1].id))
