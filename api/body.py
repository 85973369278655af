"""What comes in, read strictly: the right content type, a bounded size, real JSON, the exact shape.

A body is measured before it is read and checked before it is decoded, so that nothing nested, huge
or misencoded reaches the parser. A shape's faults are reported all together, each with its path and
the nearest thing that would have been allowed.
"""

import re
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, TypeVar

import msgspec
from litestar import Request
from litestar.types import Receive
from msgspec import inspect

from core.errors import Invalid, LeadFuelError
from core.text import is_storable
from search.vocabulary import nearest

T = TypeVar("T")

JSON: Final = ("application/json",)
# A string as the body goes out as text from the clients of functions, JSON or not.
JSON_OR_TEXT: Final = (*JSON, "text/plain")
MAX_DEPTH: Final = 64
MAX_ERRORS: Final = 20
_BRACKETS: Final = re.compile(rb'"(?:[^"\\]|\\.)*"?|[\[\]{}]', re.DOTALL)
_AT: Final = re.compile(r"^(?P<message>.*?)(?: - at `(?P<path>[^`]*)`)?$", re.DOTALL)


class WrongContentType(LeadFuelError):
    """The body is not of the content type that this path takes."""

    status = 415
    slug = "wrong-content-type"
    title = "The body has the wrong content type"


class TooLarge(LeadFuelError):
    """The body is larger than this path takes."""

    status = 413
    slug = "too-large"
    title = "The body is too large"


class BadJson(LeadFuelError):
    """The body is not JSON as RFC 8259 has it: UTF-8, finite numbers, moderate nesting."""

    status = 400
    slug = "bad-json"
    title = "The body is not proper JSON"


class WrongShape(Invalid):
    """The body or a parameter does not have the documented shape."""

    slug = "wrong-shape"
    title = "The request does not have the documented shape"


class ClientGone(LeadFuelError):
    """The client hung up while it was still sending; nobody reads this."""

    status = 400
    slug = "client-gone"
    title = "The connection ended early"


def content_type(request: Request[Any, Any, Any]) -> tuple[str, dict[str, str]]:
    """The media type in lower case and its parameters."""
    media_type, parameters = request.content_type
    return media_type.strip().lower(), parameters


async def read_json(
    request: Request[Any, Any, Any], kind: type[T], *, limit_bytes: int, media_types: Sequence[str] = JSON
) -> T:
    """The request's JSON body as a `kind`; raises one of this module's errors."""
    media_type, parameters = content_type(request)
    charset = parameters.get("charset", "utf-8").lower()
    if media_type not in media_types or charset not in ("utf-8", "utf8"):
        raise WrongContentType("This path takes application/json in UTF-8.", accepted="application/json")
    return decode(await read(request, limit_bytes=limit_bytes), kind)


async def read(request: Request[Any, Any, Any], *, limit_bytes: int) -> bytes:
    """The whole body, of `limit_bytes` at the most."""
    parts = [part async for part in stream(request, limit_bytes=limit_bytes)]
    return parts[0] if len(parts) == 1 else b"".join(parts)


async def stream(request: Request[Any, Any, Any], *, limit_bytes: int) -> AsyncIterator[bytes]:
    """The body as it arrives; `TooLarge` before a byte is read when its length is announced."""
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > limit_bytes:
        raise _too_large(limit_bytes)
    received = 0
    async for part in _parts(request.receive):
        received += len(part)
        if received > limit_bytes:
            raise _too_large(limit_bytes)
        yield part


async def _parts(receive: Receive) -> AsyncIterator[bytes]:
    while True:
        event: Mapping[str, Any] = await receive()
        if event["type"] == "http.disconnect":
            raise ClientGone("The client hung up while it was still sending.")
        if part := event.get("body", b""):
            yield part
        if not event.get("more_body", False):
            return


def _too_large(limit_bytes: int) -> TooLarge:
    return TooLarge(f"This path takes a body of {limit_bytes:,} bytes at the most.", limit_bytes=limit_bytes)


def decode(raw: bytes, kind: type[T]) -> T:
    """JSON text as a `kind`, strictly: "5" is no number, and an unknown key is an error."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadJson(f"The body is not UTF-8 (byte {error.start}).") from None
    if not text.strip(" \t\r\n"):
        raise BadJson("The body is empty; this path takes a JSON object.")
    if _too_deep(raw):
        raise BadJson(f"The body is nested deeper than {MAX_DEPTH} levels.", max_depth=MAX_DEPTH)
    try:
        value = _read_as(kind, raw)
    except msgspec.ValidationError as error:
        raise _wrong_shape(error, kind, raw) from None
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise BadJson(f"The body is not JSON: {_lower_first(str(error))}.") from None
    if "\\u0000" in text and (path := _unstorable(msgspec.json.decode(raw), "")) is not None:
        raise WrongShape(
            "A text has a character that no field can hold.",
            errors=[{"path": path, "message": "A text cannot have the character NUL."}],
        )
    return value


def _read_as(kind: type[T], raw: bytes) -> T:
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError as error:
        # To JSON Schema, and to JavaScript, 25.0 is an integer.
        if "got `float`" not in str(error):
            raise
        return msgspec.convert(_with_whole_numbers(msgspec.json.decode(raw)), type=kind)


def _with_whole_numbers(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {key: _with_whole_numbers(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_with_whole_numbers(inner) for inner in value]
    return value


def convert(values: Mapping[str, Any], kind: type[T]) -> T:
    """Parameters of a path or a query, which are texts, as a `kind`."""
    for name, value in values.items():
        if isinstance(value, str) and not is_storable(value):
            message = "A parameter cannot have the character NUL."
            raise WrongShape(message, errors=[{"path": name, "message": message}])
    try:
        converted = msgspec.convert(values, kind, strict=False)
    except msgspec.ValidationError as error:
        errors = list(_faults(inspect.type_info(kind), values, "")) or [_first(error)]
        raise WrongShape("A parameter is not what this path takes.", errors=errors) from None
    for name, value in values.items():
        # Lax reading takes the text "null" for nothing, and a number for seconds since 1970.
        found = getattr(converted, name, value)
        if found is None or (isinstance(found, datetime) and _is_number(value)):
            message = f"{str(value)[:40]!r} is not a value of this parameter; leave it out to say nothing."
            raise WrongShape(message, errors=[{"path": name, "message": message}])
    return converted


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _too_deep(raw: bytes) -> bool:
    if raw.count(b"[") + raw.count(b"{") <= MAX_DEPTH:
        return False
    depth = 0
    for match in _BRACKETS.finditer(raw):
        token = match[0]
        if token in (b"[", b"{"):
            depth += 1
            if depth > MAX_DEPTH:
                return True
        elif token in (b"]", b"}"):
            depth -= 1
    return False


def _unstorable(value: Any, path: str) -> str | None:
    """Where the first text (or key) stands that PostgreSQL cannot hold."""
    if isinstance(value, str):
        return None if is_storable(value) else path
    if isinstance(value, dict):
        for key, inner in value.items():
            here = f"{path}.{key}" if path else key
            if not is_storable(key):
                return here.replace("\x00", "\\u0000")
            if (found := _unstorable(inner, here)) is not None:
                return found
    if isinstance(value, list):
        for index, inner in enumerate(value):
            if (found := _unstorable(inner, f"{path}[{index}]")) is not None:
                return found
    return None


def _wrong_shape(error: msgspec.ValidationError, kind: type[Any], raw: bytes) -> WrongShape:
    """All faults of names and vocabularies at once; else the first one the decoder stumbled over."""
    try:
        errors = list(_faults(inspect.type_info(kind), msgspec.json.decode(raw), ""))[:MAX_ERRORS]
    except msgspec.DecodeError:
        errors = []  # what follows the first fault is no better
    first = _first(error)
    if all(first["path"] != known["path"] for known in errors) and "unknown field" not in first["message"]:
        errors.append(first)
    return WrongShape("The body does not have the documented shape.", errors=errors)


def _first(error: msgspec.ValidationError) -> dict[str, Any]:
    match = _AT.match(str(error))
    message, path = (match["message"], match["path"] or "") if match else (str(error), "")
    return {"path": path.removeprefix("$").removeprefix("."), "message": message.replace("`", "")}


def _faults(kind: inspect.Type, value: Any, path: str) -> Iterator[dict[str, Any]]:
    """Unknown fields and values outside a vocabulary, wherever they stand in `value`."""
    if isinstance(kind, inspect.Metadata):
        yield from _faults(kind.type, value, path)
    elif isinstance(kind, inspect.UnionType):
        yield from _faults_of_union(kind, value, path)
    elif isinstance(kind, inspect.StructType) and isinstance(value, Mapping):
        fields = {f.encode_name: f.type for f in kind.fields}
        for name, inner in value.items():
            here = f"{path}.{name}" if path else name
            if name in fields:
                yield from _faults(fields[name], inner, here)
            elif kind.forbid_unknown_fields:
                yield {
                    "path": here,
                    "message": f"There is no field {name[:80]!r} here.",
                    "allowed": _near(name, list(fields)),
                }
    elif isinstance(kind, inspect.ListType) and isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _faults(kind.item_type, inner, f"{path}[{index}]")
    elif isinstance(kind, inspect.LiteralType) and isinstance(value, str) and value not in kind.values:
        yield {
            "path": path,
            "message": f"{value[:80]!r} is not one of the allowed values.",
            "allowed": _near(value, [str(allowed) for allowed in kind.values]),
        }


def _faults_of_union(kind: inspect.UnionType, value: Any, path: str) -> Iterator[dict[str, Any]]:
    """Of several alternatives the one that could hold this sort of value speaks."""
    sorts: list[type[Any] | tuple[type[Any], ...]] = []
    for inner in kind.types:
        bare = inner.type if isinstance(inner, inspect.Metadata) else inner
        if isinstance(bare, inspect.StructType):
            sorts.append(dict)
        elif isinstance(bare, inspect.ListType):
            sorts.append(list)
        elif isinstance(bare, inspect.LiteralType | inspect.StrType):
            sorts.append(str)
        else:
            sorts.append(())
    fitting = [inner for inner, sort in zip(kind.types, sorts, strict=True) if isinstance(value, sort)]
    if len(fitting) == 1:
        yield from _faults(fitting[0], value, path)


def _near(value: str, allowed: Sequence[str]) -> list[str]:
    """The nearest allowed values; all of a short list when none is near."""
    return list(nearest(value[:80], allowed)) or list(allowed[:MAX_ERRORS])


def _lower_first(text: str) -> str:
    return text[:1].lower() + text[1:]
