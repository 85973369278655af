"""The mail of an alert: the people and the reasons, and the way out with one click (RFC 8058)."""

import base64
import binascii
import hmac
from collections import Counter
from collections.abc import Sequence
from html import escape
from typing import Final
from uuid import UUID

from core.errors import NotFound
from core.ids import UserId
from core.settings import Settings
from domain.alerts.feed import Event
from domain.alerts.watching import Kind
from domain.mail import Letter

LISTED: Final = 50
_MARK_BYTES: Final = 16
_PURPOSE: Final = b"leadfuel alerts: unsubscribe"
_KINDS: Final[dict[Kind, str]] = {"entered": "fits now", "left": "fits no more", "changed": "has changed"}
_COUNTED: Final[dict[Kind, str]] = {"entered": "fit now", "left": "left", "changed": "changed"}


def compose(
    settings: Settings, *, to: str, user_id: UserId, icp_id: UUID, events: Sequence[Event], upto: int
) -> Letter:
    """The letter about these events; those beyond the first are counted only."""
    name = events[0].icp_name
    counts = Counter(event.kind for event in events)
    summary = ", ".join(f"{counts[kind]} {words}" for kind, words in _COUNTED.items() if counts[kind])
    listed, rest = events[:LISTED], len(events) - LISTED
    way_out = unsubscribe_url(settings, icp_id=icp_id, user_id=user_id)
    head = f"News of “{name}”: {summary}."
    more = f"And {rest} more, in the feed." if rest > 0 else None
    foot = f"No more mail about this ICP: {way_out}"
    lines = [_line(event) for event in listed]
    html = "".join(
        [
            f"<p>{escape(head)}</p><ul>",
            *(_item(event) for event in listed),
            "</ul>",
            f"<p>{escape(more)}</p>" if more else "",
            f'<p><small><a href="{escape(way_out)}">No more mail about this ICP</a></small></p>',
        ]
    )
    return Letter(
        key=f"alert-{icp_id}-{user_id}-{upto}",
        to=to,
        subject=f"{name}: {summary}",
        paragraphs=[head, *lines, *([more] if more else []), foot],
        html=html,
        headers={
            "List-Unsubscribe": f"<{way_out}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        },
    )


def _who(event: Event) -> str:
    shown = [part for part in (event.name, event.title, event.company) if part]
    return ", ".join(shown) or f"{event.entity.removesuffix('s')} {event.record_id}"


def _line(event: Event) -> str:
    told = f": {'; '.join(event.reasons)}" if event.reasons else ""
    return f"{_who(event)} – {_KINDS[event.kind]}{told}"


def _item(event: Event) -> str:
    told = f"<br>{escape('; '.join(event.reasons))}" if event.reasons else ""
    return f"<li><b>{escape(_who(event))}</b> {_KINDS[event.kind]}{told}</li>"


def unsubscribe_url(settings: Settings, *, icp_id: UUID, user_id: UserId) -> str:
    """The address whose POST ends the mail of one ICP to one person."""
    base = settings.api.public_url.rstrip("/") or f"http://{settings.api.host}:{settings.api.port}"
    return f"{base}/v1/alerts/unsubscribe/{token(settings, icp_id=icp_id, user_id=user_id)}"


def token(settings: Settings, *, icp_id: UUID, user_id: UserId) -> str:
    """Good for ever, for this one thing: nobody is kept from leaving."""
    said = icp_id.bytes + user_id.bytes
    return base64.urlsafe_b64encode(said + _mark(settings, said)).rstrip(b"=").decode("ascii")


def read_token(settings: Settings, written: str) -> tuple[UUID, UserId]:
    """Of which ICP and to whom; raises `NotFound` for anything we have not written."""
    try:
        raw = base64.b64decode(written + "=" * (-len(written) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    said, mark = raw[:32], raw[32:]
    if len(said) < 32 or not hmac.compare_digest(mark, _mark(settings, said)):
        raise NotFound("There is no such subscription.")
    return UUID(bytes=said[:16]), UserId(UUID(bytes=said[16:]))


def _mark(settings: Settings, said: bytes) -> bytes:
    key = hmac.digest(settings.auth.jwt_secret.encode(), _PURPOSE, "sha256")
    return hmac.digest(key, said, "sha256")[:_MARK_BYTES]
