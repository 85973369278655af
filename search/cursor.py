"""Cursors: where the next page begins, signed, and bound to the request that they came from."""

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from core import clock
from core.errors import LeadFuelError
from search.plan import After
from search.request import EngineName, Entity, SearchRequest

# A cursor by relevance is good for this long: by then the records have changed enough to begin again.
RELEVANCE_LIFETIME_S: Final = 3_600
_SIGNATURE_BYTES: Final = 16
# What may change from page to page: how much of the answer is wanted, and by whom it is computed.
_FREE: Final = frozenset({"limit", "cursor", "facets", "total", "explain", "engine"})


class BadCursor(LeadFuelError):
    """A cursor that cannot be continued from; `reason` is forged, other_request, other_engine or expired."""

    status = 422
    slug = "bad-cursor"
    title = "The cursor cannot be used"


class _Payload(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    request: str
    key: int | float | str | None
    id: int
    refreshed: int | None
    engine: EngineName | None
    issued_s: int
    # Cursors of earlier releases do not count.
    given: int = 0


@dataclass(frozen=True, slots=True)
class Place:
    """Where to go on, after how many records, and the engine that has to (None: any)."""

    after: After
    given: int
    engine: EngineName | None


def encode(place: Place, *, entity: Entity, request: SearchRequest, secret: str) -> str:
    """A cursor that goes on at a place."""
    after = place.after
    payload = _Payload(
        request=_fingerprint(entity, request),
        key=after.key,
        id=after.id,
        refreshed=after.refreshed,
        engine=place.engine,
        issued_s=int(clock.now().timestamp()),
        given=place.given,
    )
    body = msgspec.msgpack.encode(payload)
    return base64.urlsafe_b64encode(_sign(body, secret) + body).decode().rstrip("=")


def decode(cursor: str, *, entity: Entity, request: SearchRequest, secret: str) -> Place:
    """Where to go on; raises `BadCursor` with its reason."""
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        signature, body = raw[:_SIGNATURE_BYTES], raw[_SIGNATURE_BYTES:]
        if not hmac.compare_digest(signature, _sign(body, secret)):
            raise _refused("forged")
        payload = msgspec.msgpack.decode(body, type=_Payload)
    except (binascii.Error, ValueError, msgspec.MsgspecError) as error:
        raise _refused("forged") from error
    if payload.request != _fingerprint(entity, request):
        raise _refused("other_request")
    if payload.engine is not None and clock.now().timestamp() - payload.issued_s > RELEVANCE_LIFETIME_S:
        raise _refused("expired")
    return Place(After(payload.key, payload.id, payload.refreshed), payload.given, payload.engine)


def other_engine() -> BadCursor:
    """The engine that gave the cursor does not answer, and an order by relevance is its own."""
    return _refused("other_engine")


_SENTENCES: Final = {
    "forged": "This is not a cursor that a search has given out.",
    "other_request": "The cursor belongs to a search with other filters, another order or other records.",
    "other_engine": "The engine that ranked the earlier pages does not answer; begin again without a cursor.",
    "expired": "A cursor by relevance is good for an hour; begin again without a cursor.",
}


def _refused(reason: str) -> BadCursor:
    return BadCursor(_SENTENCES[reason], reason=reason)


def _sign(body: bytes, secret: str) -> bytes:
    return hmac.digest(hashlib.sha256(b"cursor" + secret.encode()).digest(), body, "sha256")[
        :_SIGNATURE_BYTES
    ]


def _fingerprint(entity: Entity, request: SearchRequest) -> str:
    """What must not change from page to page."""
    said: dict[str, Any] = msgspec.to_builtins(request)
    kept = {k: v for k, v in said.items() if k not in _FREE}
    shape = msgspec.json.encode([entity, kept], order="deterministic")
    return hashlib.sha256(shape).hexdigest()[:16]
