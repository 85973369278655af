"""Keys by which programs call the API in a user's name. A key is shown once; what is kept is its hash.

A key has 256 random bits, so a plain SHA-256 of it is as good as a slow hash and costs a request nothing.
"""

import hashlib
import re
import secrets
import string
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from core import clock
from core.errors import Invalid, LeadFuelError, NotFound
from core.ids import UserId
from domain import audit

# `read` asks, `write` changes what is the user's, `spend` costs credits, `admin` is an administrator's.
Scope = Literal["read", "write", "spend", "admin"]

MAX_KEYS: Final = 20
MARK: Final = "lf_"
_KEY: Final = re.compile(r"lf_[a-z0-9]{8}_[A-Za-z0-9_-]{43}")
# When a key was last used is told to that accuracy, so that its use is seldom a write.
USED_WITHIN: Final = timedelta(minutes=10)
_COLUMNS: Final = "id, user_id, name, prefix, scopes, created_at, expires_at, last_used_at"


class TooManyKeys(LeadFuelError):
    """A user has so many API keys at the most. Revoke one that is not used."""

    status = 409
    slug = "too-many-api-keys"
    title = "No more API keys"


class BadApiKey(LeadFuelError):
    """The API key is not one of this installation, was revoked, or has expired."""

    status = 401
    slug = "bad-api-key"
    title = "The API key is no good"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as its owner sees it again: `prefix` is how its value begins."""

    id: UUID
    user_id: UserId
    name: str
    prefix: str
    scopes: list[Scope]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None


def is_key(text_of_token: str) -> bool:
    """Whether a bearer's value claims to be an API key."""
    return text_of_token.startswith(MARK)


async def create(
    session: AsyncSession,
    *,
    user_id: UserId,
    name: str,
    scopes: Sequence[Scope],
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """A new key and its value, which is told here and never again; raises `TooManyKeys`."""
    if expires_at is not None and expires_at <= clock.now():
        reason = "This moment has passed."
        raise Invalid(reason, errors=[{"path": "expires_at", "message": reason}])
    # Who makes two at once waits here.
    await session.execute(text("SELECT 1 FROM app.users WHERE id = :id FOR NO KEY UPDATE"), {"id": user_id})
    if len(await keys_of(session, user_id=user_id)) >= MAX_KEYS:
        raise TooManyKeys(f"You have {MAX_KEYS} API keys; revoke one that is not used.", limit=MAX_KEYS)
    prefix = MARK + "".join(secrets.choice(string.ascii_lowercase + string.digits) for _ in range(8))
    value = f"{prefix}_{secrets.token_urlsafe(32)}"
    found = await session.execute(
        text(
            f"""
            INSERT INTO app.api_keys (user_id, name, prefix, key_hash, scopes, expires_at)
            VALUES (:user_id, :name, :prefix, :hash, :scopes, :expires_at) RETURNING {_COLUMNS}
            """  # noqa: S608 - constants
        ),
        {
            "user_id": user_id,
            "name": name,
            "prefix": prefix,
            "hash": _hash(value),
            "scopes": list(dict.fromkeys(scopes)),
            "expires_at": expires_at,
        },
    )
    made = _key(found.one())
    await audit.record(
        session,
        actor_id=user_id,
        action="api_key.made",
        subject=f"api_key:{made.id}",
        detail={"scopes": made.scopes, "prefix": prefix},
    )
    return made, value


async def keys_of(session: AsyncSession, *, user_id: UserId) -> list[ApiKey]:
    """A user's keys, the newest first, expired ones among them."""
    found = await session.execute(
        text(
            f"SELECT {_COLUMNS} FROM app.api_keys WHERE user_id = :user_id"  # noqa: S608 - constants
            " ORDER BY created_at DESC, id"
        ),
        {"user_id": user_id},
    )
    return [_key(row) for row in found]


async def revoke(session: AsyncSession, *, user_id: UserId, key_id: UUID) -> None:
    """End a key of the user's: the next call with it is refused."""
    gone = await session.execute(
        text("DELETE FROM app.api_keys WHERE id = :id AND user_id = :user_id RETURNING prefix"),
        {"id": key_id, "user_id": user_id},
    )
    prefix = gone.scalar_one_or_none()
    if prefix is None:
        raise NotFound("There is no such API key.")
    await audit.record(
        session,
        actor_id=user_id,
        action="api_key.revoked",
        subject=f"api_key:{key_id}",
        detail={"prefix": prefix},
    )


async def holder(session: AsyncSession, *, value: str) -> ApiKey:
    """The key of this value; raises `BadApiKey`. Needs a session of the service."""
    if not _KEY.fullmatch(value):
        raise BadApiKey("The API key is not one of this installation.")
    found = await session.execute(
        text(
            f"SELECT {_COLUMNS} FROM app.api_keys WHERE key_hash = :hash"  # noqa: S608 - constants
            " AND (expires_at IS NULL OR expires_at > app.now())"
        ),
        {"hash": _hash(value)},
    )
    row = found.one_or_none()
    if row is None:
        raise BadApiKey("The API key is not one of this installation, was revoked, or has expired.")
    return _key(row)


def is_used_again(key: ApiKey) -> bool:
    """Whether it is time to write down that the key is used."""
    return key.last_used_at is None or key.last_used_at + USED_WITHIN < clock.now()


async def note_use(session: AsyncSession, *, key_id: UUID) -> None:
    """Write down that a key has been used."""
    await session.execute(
        text("UPDATE app.api_keys SET last_used_at = app.now() WHERE id = :id"), {"id": key_id}
    )


def _hash(value: str) -> bytes:
    return hashlib.sha256(value.encode()).digest()


def _key(row: Row[Any]) -> ApiKey:
    return ApiKey(**row._mapping)  # noqa: SLF001 - SQLAlchemy's own API
