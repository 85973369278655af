"""How far a list or a feed has been read, as every query says it."""

from typing import Annotated

from msgspec import Meta

from domain.paging import MAX_CURSOR_LENGTH
from search.request import Form

Cursor = Annotated[
    str, Meta(min_length=1, max_length=MAX_CURSOR_LENGTH, description="`cursor` of the page before")
]


class AfterEvent(Form, frozen=True):
    """How far the feed has been read."""

    limit: Annotated[int, Meta(ge=1, le=500, description="Events on a page")] = 100
    after: Cursor | None = None
