"""Multipart forms as they arrive: small fields whole, a file in pieces, nothing ever held at once."""

from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, Final

from litestar import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from api import body as intake
from core.errors import LeadFuelError

MAX_FIELD_BYTES: Final = 65_536
MAX_PARTS: Final = 50


class BadForm(LeadFuelError):
    """The body is not a multipart form, or one of its fields is too long or not UTF-8."""

    status = 400
    slug = "bad-form"
    title = "The body is not a proper form"


@dataclass(frozen=True, slots=True)
class FormField:
    """A field, whole."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class FileStart:
    """A file begins; its pieces follow."""

    name: str
    filename: str


@dataclass(frozen=True, slots=True)
class FilePiece:
    """A piece of the file that has begun."""

    data: bytes


Event = FormField | FileStart | FilePiece


async def read_form(request: Request[Any, Any, Any], *, limit_bytes: int) -> AsyncIterator[Event]:
    """The form's fields and files in the order in which they were sent."""
    media_type, parameters = intake.content_type(request)
    if media_type != "multipart/form-data":
        raise intake.WrongContentType("This path takes multipart/form-data.", accepted="multipart/form-data")
    boundary = parameters.get("boundary", "")
    if not boundary:
        raise BadForm("The Content-Type names no boundary.")
    form = _Form()
    try:
        parser = MultipartParser(boundary.encode("latin-1", "replace"), form.callbacks())
        async for piece in intake.stream(request, limit_bytes=limit_bytes):
            parser.write(piece)
            while form.events:
                yield form.events.popleft()
        parser.finalize()
    except FormParserError as error:
        raise BadForm(f"The body is not a multipart form: {error}.") from None
    if not form.is_complete:
        raise BadForm("The form ends before its last boundary.")


@dataclass(slots=True)
class _Form:
    """What the parser tells, piece by piece, made into events."""

    events: deque[Event] = field(default_factory=deque)
    is_complete: bool = False
    _parts: int = 0
    _header_name: bytes = b""
    _header_value: bytes = b""
    _disposition: bytes = b""
    _name: str = ""
    _is_file: bool = False
    _value: bytearray = field(default_factory=bytearray)

    def callbacks(self) -> Any:
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._add_to_name,
            "on_header_value": self._add_to_value,
            "on_header_end": self._end_header,
            "on_headers_finished": self._start,
            "on_part_data": self._add,
            "on_part_end": self._end,
            "on_end": self._finish,
        }

    def _begin(self) -> None:
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise BadForm(f"A form of this path has {MAX_PARTS} parts at the most.")
        self._disposition = self._header_name = self._header_value = b""
        self._value.clear()

    def _add_to_name(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _add_to_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _end_header(self) -> None:
        if self._header_name.lower() == b"content-disposition":
            self._disposition = self._header_value
        self._header_name = self._header_value = b""

    def _start(self) -> None:
        kind, options = parse_options_header(self._disposition)
        if kind != b"form-data" or b"name" not in options:
            raise BadForm("A part of the form has no name.")
        self._name = _text(options[b"name"], "name")
        self._is_file = b"filename" in options
        if self._is_file:
            self.events.append(FileStart(self._name, _text(options[b"filename"], "filename")))

    def _add(self, data: bytes, start: int, end: int) -> None:
        if self._is_file:
            self.events.append(FilePiece(data[start:end]))
            return
        self._value += data[start:end]
        if len(self._value) > MAX_FIELD_BYTES:
            raise BadForm(f"The field {self._name[:80]!r} is longer than {MAX_FIELD_BYTES:,} bytes.")

    def _end(self) -> None:
        if not self._is_file:
            self.events.append(FormField(self._name, _text(bytes(self._value), self._name)))

    def _finish(self) -> None:
        self.is_complete = True


def _text(raw: bytes, name: str) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise BadForm(f"The field {name[:80]!r} is not UTF-8.") from None
