"""Cursors of plain lists: the last row's key, opaque to the caller and checked when it comes back."""

import base64
import binascii
from typing import Any, Final

import msgspec

from core.errors import Invalid

MAX_CURSOR_LENGTH: Final = 400


class BadCursor(Invalid):
    """The cursor is not one that this list has given out. Begin again without one."""

    slug = "wrong-cursor"
    title = "Not a cursor of this list"


def encode(name: str, position: Any) -> str:
    """A cursor of the list `name` behind the row with this key."""
    return base64.urlsafe_b64encode(msgspec.json.encode([name, position])).rstrip(b"=").decode("ascii")


def decode(name: str, cursor: str, kind: Any) -> Any:
    """The key in a cursor of the list `name`; `BadCursor` for anything else."""
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        given, position = msgspec.json.decode(raw, type=tuple[str, kind])
    except (binascii.Error, ValueError, UnicodeError):
        given, position = "", None
    if given != name:
        reason = "This is not a cursor of this list; begin again without one."
        raise BadCursor(reason, errors=[{"path": "cursor", "message": reason}])
    return position
