"""`Idempotency-Key`: a call that is sent again is answered as the first time, and not carried out again.

After draft-ietf-httpapi-idempotency-key-header-07. A key belongs to one user and one route and is kept for
a day. The answer is stored in the transaction that did the work, so there is either both or neither,
whatever dies in between; a call that failed has stored nothing and may be sent again under its key.
"""

import hashlib
import re
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any, Final, TypeVar

import msgspec
from sqlalchemy import text

from api.operations import Call
from core import clock
from core.errors import LeadFuelError
from domain.keys import KeyReused

A = TypeVar("A")

HEADER: Final = "Idempotency-Key"
KEPT_FOR: Final = timedelta(hours=24)
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


async def once(
    call: Call,
    route: str,
    request: Sequence[Any],
    work: Callable[[], Awaitable[A]],
    *,
    contacts: Sequence[int],
) -> A:
    """Do the work, or answer as it was answered before under the key of this call.

    `request` is all that makes one request another; `contacts` are the people whose addresses the answer may
    hold: it is forgotten with them.
    """
    given = call.request.headers.get(HEADER)
    if given is None:
        return await work()
    who = {"user_id": call.user_id, "route": route, "key": read_key(given)}
    session = call.session
    if not await session.scalar(
        text("SELECT pg_try_advisory_xact_lock(hashtextextended(CAST(:what AS text), 0))"),
        {"what": f"idempotency {call.user_id} {route} {who['key']}"},
    ):
        raise KeyInUse("The first call with this key is still running.", retry_after_s=1)
    request_hash = hashlib.sha256(msgspec.json.encode(request, order="sorted")).digest()
    found = await session.execute(
        text(
            """
            SELECT request_hash, response FROM app.idempotency_keys
            WHERE user_id = :user_id AND route = :route AND key = :key AND created_at > :since
            """
        ),
        {**who, "since": clock.now() - KEPT_FOR},
    )
    row = found.one_or_none()
    if row is not None:
        if bytes(row.request_hash) != request_hash:
            raise KeyReused("This key was used for another request in the last 24 hours.")
        call.response_headers["Idempotency-Replayed"] = "true"
        return msgspec.Raw(row.response)  # type: ignore[return-value]
    answer = await work()
    await session.execute(
        text(
            """
            INSERT INTO app.idempotency_keys (user_id, route, key, request_hash, response, contact_ids)
            VALUES (:user_id, :route, :key, :request_hash, :response, :contacts)
            ON CONFLICT (user_id, route, key) DO UPDATE
            SET request_hash = excluded.request_hash, response = excluded.response,
                contact_ids = excluded.contact_ids, created_at = excluded.created_at
            """
        ),
        {
            **who,
            "request_hash": request_hash,
            "response": msgspec.json.encode(answer),
            "contacts": list(contacts),
        },
    )
    return answer


def read_key(given: str) -> str:
    """The key in the header, quoted or bare."""
    match = _KEY.fullmatch(given.strip())
    if match is None:
        raise BadKey("An idempotency key is 1 to 255 printable ASCII characters.")
    return match["quoted"] or match["bare"]


def describe(document: dict[str, Any], operations: Sequence[str]) -> None:
    """Name the header in the description of the operations that heed it."""
    for verbs in document["paths"].values():
        for described in verbs.values():
            if isinstance(described, dict) and described.get("operationId") in operations:
                described["parameters"].append(
                    {
                        "name": HEADER,
                        "in": "header",
                        "required": False,
                        "description": "A word of your own for this request; sent again within 24 hours it "
                        "is answered the same and not carried out again",
                        "schema": {
                            "type": "string",
                            "pattern": "^[\\x21\\x23-\\x7e]+$",
                            "minLength": 1,
                            "maxLength": 255,
                        },
                    }
                )
