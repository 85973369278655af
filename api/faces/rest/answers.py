"""What came of a request, as status, headers and body."""

import csv
import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

import msgspec

from api.faces.rest.asking import Asking
from api.faces.rest.errors import Refused
from api.faces.rest.ranges import Extent

# Longer ones would not pass every proxy, and nobody reads them.
MAX_LOCATION_BYTES = 4_096
JSON = "application/json; charset=utf-8"


@dataclass(slots=True)
class Answer:
    """An answer before it is sent. No body is no body, and then nothing is said of its type."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


def refusal(refused: Refused) -> Answer:
    """An error as the clients read it. Without a body, as after HEAD, the code stands in `Proxy-Status`."""
    headers = {"content-type": JSON, "proxy-status": f"PostgREST; error={refused.code}"}
    if refused.status == 401:
        headers["www-authenticate"] = "Bearer"
    return Answer(refused.status, headers, msgspec.json.encode(refused.body()))


def rows(asking: Asking, extent: Extent, body: str, *, location: str, head_only: bool) -> Answer:
    """Rows that were read."""
    answer = Answer(extent.status, {"content-range": extent.header})
    if len(location) <= MAX_LOCATION_BYTES:
        answer.headers["content-location"] = location
    _apply(answer, asking, "count", "tx", "handling")
    _put(answer, asking, "" if head_only else body)
    return answer


def inserted(
    asking: Asking,
    *,
    rows: int,
    existed: int | None,
    body: str | None,
    location: Sequence[tuple[str, str]],
    relation: str,
    merges: bool,
) -> Answer:
    """Rows that were inserted or, where they existed, overwritten."""
    preferences = asking.preferences
    all_existed = preferences.resolution == "merge-duplicates" and existed is not None and existed >= rows
    answer = Answer(200 if all_existed else 201)
    if location:
        where = "&".join(f"{name}=eq.{quote(value, safe='')}" for name, value in location)
        answer.headers["location"] = f"/{relation}?{where}"
    answer.headers["content-range"] = f"*/{rows if preferences.count else '*'}"
    resolution = ("resolution",) if merges else ()
    _apply(answer, asking, *resolution, "missing", "return", "count", "tx", "handling")
    if body is not None:
        _put(answer, asking, body)
    return answer


def put(asking: Asking, *, existed: bool, body: str | None) -> Answer:
    """The one row of a PUT."""
    answer = Answer(204 if body is None else 200 if existed else 201)
    _apply(answer, asking, "return", "count", "tx", "handling")
    if body is not None:
        _put(answer, asking, body)
    return answer


def updated(asking: Asking, *, rows: int, body: str | None) -> Answer:
    """Rows that were changed."""
    answer = Answer(204 if body is None else 200)
    total = str(rows) if asking.preferences.count else "*"
    answer.headers["content-range"] = f"0-{rows - 1}/{total}" if rows else f"*/{total}"
    _apply(answer, asking, "missing", "return", "count", "tx", "handling", "max-affected")
    if body is not None:
        _put(answer, asking, body)
    return answer


def deleted(asking: Asking, *, rows: int, body: str | None) -> Answer:
    """Rows that are gone."""
    answer = Answer(204 if body is None else 200)
    answer.headers["content-range"] = f"*/{rows if asking.preferences.count else '*'}"
    _apply(answer, asking, "return", "count", "tx", "handling", "max-affected")
    if body is not None:
        _put(answer, asking, body)
    return answer


def called(asking: Asking, extent: Extent, body: str | None, *, head_only: bool) -> Answer:
    """What a function returned; None when it returns nothing."""
    answer = Answer(204 if body is None else extent.status, {"content-range": extent.header})
    _apply(answer, asking, "count", "tx", "handling", "max-affected")
    if body is not None:
        _put(answer, asking, "" if head_only else body)
    return answer


def with_tag(answer: Answer, known: str | None) -> Answer:
    """What is the same for everybody may be kept for a while, and asked for by its tag afterwards."""
    if answer.status not in (200, 206) or not answer.body:
        return answer
    tag = f'W/"{hashlib.blake2b(answer.body, digest_size=12).hexdigest()}"'
    answer.headers |= {
        "etag": tag,
        "cache-control": "private, max-age=60",
        "vary": "Authorization, Accept, Prefer, Range",
    }
    if known is not None and tag in {one.strip() for one in known.split(",")}:
        kept = {name: value for name, value in answer.headers.items() if name != "content-type"}
        return Answer(304, kept)
    return answer


def csv_head(names: Sequence[str]) -> str:
    """The first line of CSV."""
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(names)
    return line.getvalue()


def _apply(answer: Answer, asking: Asking, *names: str) -> None:
    if (applied := asking.preferences.applied(*names)) is not None:
        answer.headers["preference-applied"] = applied


def _put(answer: Answer, asking: Asking, body: str) -> None:
    answer.headers["content-type"] = asking.content_type
    answer.body = body.encode()
