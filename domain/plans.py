"""What a plan allows. The database itself holds to it; here its refusal is put into words."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import msgspec
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from core.errors import PlanLimit
from core.ids import UserId

# What the trigger `keep_to_plan` raises.
_SQLSTATE: Final = "PT402"


@contextmanager
def limits() -> Iterator[None]:
    """Turn the database's refusal inside the block into `PlanLimit`."""
    try:
        yield
    except DBAPIError as error:
        refusal = getattr(error.orig, "__cause__", None)
        if getattr(refusal, "sqlstate", None) != _SQLSTATE:
            raise
        facts = msgspec.json.decode(getattr(refusal, "detail", None) or "{}")
        raise PlanLimit(getattr(refusal, "message", "The plan allows no more."), **facts) from None


async def limit(session: AsyncSession, *, user_id: UserId, of: str) -> int | None:
    """How many of something a user's plan allows; None is without limit."""
    allowed: int | None = await session.scalar(
        text(
            "SELECT CAST(p.features -> 'limits' ->> :of AS integer)"
            " FROM app.users u JOIN app.plans p ON p.id = u.plan_id WHERE u.id = :user_id"
        ),
        {"of": of, "user_id": user_id},
    )
    return allowed
