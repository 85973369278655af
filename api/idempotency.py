"""`Idempotency-Key`: a call that is sent again is answered as the first time, and not carried out again.

After draft-ietf-httpapi-idempotency-key-header-07. A key belongs to one user and one operation and is kept
for a day. It is claimed before the work and the answer is stored with the work, in one transaction: there
are both or neither, whatever dies in between, and a call that failed has kept nothing.

An operation that talks to others between transactions of its own claims its key in a transaction before
and keeps its answer in one after. The claim names the process that made it: if that is killed on the way,
the key is free at once, and in any case when its lease is over. Whoever comes then goes on under the same
`reference`, by which the domain knows what it has done already.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from core import clock
from core.errors import LeadFuelError
from core.ids import UserId
from db import presence

HEADER: Final = "Idempotency-Key"
REPLAYED: Final = "Idempotency-Replayed"
KEPT_FOR: Final = timedelta(hours=24)
# Longer than a caller is let wait for an answer.
LEASE: Final = timedelta(minutes=2)
# The draft has a quoted string; most clients send the bare words.
_KEY: Final = re.compile(r'"(?P<quoted>[\x20\x21\x23-\x7e]{1,255})"|(?P<bare>[\x21\x23-\x7e]{1,255})')


class BadKey(LeadFuelError):
    """An idempotency key is 1 to 255 printable ASCII characters."""

    status = 400
    slug = "bad-idempotency-key"
    title = "Not an idempotency key"


class KeyInUse(LeadFuelError):
    """The first call with this key is still running. Ask again in a moment for its answer."""

    status = 409
    slug = "idempotency-key-in-use"
    title = "The first call with this key is still running"


class KeyReused(LeadFuelError):
    """The key was used for another request. Every request needs a key of its own."""

    status = 422
    slug = "idempotency-key-reused"
    title = "The key belongs to another request"


ERRORS: Final[tuple[type[LeadFuelError], ...]] = (BadKey, KeyInUse, KeyReused)


@dataclass(frozen=True, slots=True)
class Asked:
    """A call that has a key: whose, of which operation, and the mark of all that makes it this request."""

    user_id: UserId
    route: str
    key: str
    request_hash: bytes


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer as it was given."""

    status: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to carry a call out, or what it was answered before; `reference` is the same for both."""

    reference: UUID
    kept: Kept | None


def read_key(given: str) -> str:
    """The key in the header, quoted or bare."""
    match = _KEY.fullmatch(given.strip())
    if match is None:
        raise BadKey("An idempotency key is 1 to 255 printable ASCII characters.")
    return match["quoted"] or match["bare"]


def fingerprint(arguments: Any) -> bytes:
    """The mark of a request: equal for equal arguments, however they were spelled."""
    return hashlib.sha256(msgspec.json.encode(arguments, order="sorted")).digest()


async def claim(session: AsyncSession, asked: Asked, *, holder: int | None = None) -> Claim:
    """Take the key, or find the answer it was given.

    In the transaction that does the work, nobody else sees the claim before its answer. Committed alone, it
    holds for its lease, and no longer than its `holder` lives (a process by its number of `db.presence`).
    Raises `KeyInUse` and `KeyReused`. Needs a session of the service.
    """
    if not await session.scalar(
        text("SELECT pg_try_advisory_xact_lock(hashtextextended(CAST(:what AS text), 0))"),
        {"what": f"idempotency {asked.user_id} {asked.route} {asked.key}"},
    ):
        raise _in_use()
    found = await session.execute(
        text(
            """
            SELECT request_hash, reference, status, response, holder,
                   claimed_until > clock_timestamp() AS is_running
            FROM app.idempotency_keys
            WHERE user_id = :user_id AND route = :route AND key = :key AND created_at > :since
            """
        ),
        {**_whose(asked), "since": clock.now() - KEPT_FOR},
    )
    row = found.one_or_none()
    if row is not None:
        if bytes(row.request_hash) != asked.request_hash:
            raise KeyReused("This key was used for another request in the last 24 hours.")
        if row.response is not None:
            return Claim(_plain(row.reference), Kept(row.status, bytes(row.response)))
        if row.is_running and (row.holder is None or await presence.is_alive(session, row.holder)):
            raise _in_use()
    made = await session.execute(
        text(
            """
            INSERT INTO app.idempotency_keys AS k (user_id, route, key, request_hash, holder, claimed_until)
            VALUES (:user_id, :route, :key, :request_hash, CAST(:holder AS integer),
                    clock_timestamp() + make_interval(secs => :lease_s))
            ON CONFLICT (user_id, route, key) DO UPDATE
            SET request_hash = excluded.request_hash, claimed_until = excluded.claimed_until,
                holder = excluded.holder,
                reference = CASE WHEN :goes_on THEN k.reference ELSE excluded.reference END,
                status = NULL, response = NULL, contact_ids = '{}', created_at = excluded.created_at
            RETURNING reference
            """
        ),
        {
            **_whose(asked),
            "request_hash": asked.request_hash,
            "holder": holder,
            "lease_s": LEASE.total_seconds(),
            "goes_on": row is not None,
        },
    )
    return Claim(_plain(made.scalar_one()), None)


async def keep(
    session: AsyncSession, asked: Asked, claimed: Claim, kept: Kept, *, people: Sequence[int]
) -> None:
    """Store the answer; `people` are those whose addresses it may hold, and it is forgotten with them."""
    await session.execute(
        text(
            """
            UPDATE app.idempotency_keys
            SET status = :status, response = :body, contact_ids = :people, claimed_until = NULL
            WHERE user_id = :user_id AND route = :route AND key = :key AND reference = :reference
            """
        ),
        {
            **_whose(asked),
            "reference": claimed.reference,
            "status": kept.status,
            "body": kept.body,
            "people": list(people),
        },
    )


async def let_go(session: AsyncSession, asked: Asked, claimed: Claim, *, refused: bool) -> None:
    """End a claim without an answer. After a refusal nothing was done and the key is free; after anything
    else something may have been, and whoever sends the call again goes on from there.
    """
    statement = (
        "DELETE FROM app.idempotency_keys"
        if refused
        else "UPDATE app.idempotency_keys SET claimed_until = clock_timestamp()"
    )
    where = " WHERE user_id = :user_id AND route = :route AND key = :key AND reference = :reference"
    await session.execute(text(statement + where), {**_whose(asked), "reference": claimed.reference})


def header() -> dict[str, Any]:
    """The header in the description of an operation that heeds it."""
    return {
        "name": HEADER,
        "in": "header",
        "required": False,
        "description": "A word of your own for this request; sent again within 24 hours it is answered the "
        "same and not carried out again",
        "schema": {
            "type": "string",
            "pattern": "^[\\x21\\x23-\\x7e]+$",
            "minLength": 1,
            "maxLength": 255,
        },
    }


def _whose(asked: Asked) -> dict[str, Any]:
    return {"user_id": asked.user_id, "route": asked.route, "key": asked.key}


def _plain(found: UUID) -> UUID:
    """The driver's own kind of UUID is not everybody's."""
    return UUID(str(found))


def _in_use() -> KeyInUse:
    return KeyInUse("The first call with this key is still running.", retry_after_s=1)
