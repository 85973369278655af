"""From the bytes of a table to its physical lines, a bounded piece at a time."""

import codecs
import gzip
import io
import zlib
from collections.abc import Iterator
from typing import IO

from core.errors import LeadFuelError
from domain.imports.table_shape import TableShape

_CHUNK = 256 * 1024
MAX_LINE_CHARS = 1_000_000

# (lines with their ends, {index of a bad one: what is wrong with it}, whether these are the last)
Lines = tuple[list[str], dict[int, str], bool]


class BrokenFile(LeadFuelError):
    """The file stops in the middle or is damaged; what came before was read."""

    status = 422
    slug = "broken-file"
    title = "The file is damaged"


class CountedStream(io.RawIOBase):
    """A stream that knows how much of it was read, and can look at its beginning first."""

    def __init__(self, source: IO[bytes]) -> None:
        super().__init__()
        self._source = source
        self._ahead = b""
        self.count = 0

    def peek(self, size: int) -> bytes:
        self._ahead = read_fully(self._source, size)
        return self._ahead

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        if self._ahead:
            data, self._ahead = self._ahead, b""
        else:
            data = self._source.read(size) or b""
        self.count += len(data)
        return data


def read_fully(source: IO[bytes], size: int) -> bytes:
    """`size` bytes, fewer only at the end of the stream: a pipe gives what it has at the moment."""
    pieces = []
    while size > 0:
        piece = _read(source, size)
        if not piece:
            break
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)


def _read(source: IO[bytes], size: int) -> bytes:
    try:
        return source.read(size) or b""
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise BrokenFile(f"The gzip file is damaged or stops in the middle: {error}") from None


class LineReader:
    """Iterates over a table's lines, once, from its first byte."""

    def __init__(self, stream: IO[bytes], counted: CountedStream, sample: bytes, shape: TableShape) -> None:
        self._stream = stream
        self._counted = counted
        self._ahead = sample
        self._encoding = shape.encoding
        self._mark = (
            {"utf-8": 3, "utf-16-le": 2, "utf-16-be": 2}.get(shape.encoding, 4)
            if shape.byte_order_mark
            else 0
        )

    @property
    def encoding(self) -> str:
        return "utf-8" if self._encoding == "ascii" else self._encoding

    @property
    def bytes_read(self) -> int:
        return self._counted.count

    def __iter__(self) -> Iterator[Lines]:
        self._next_block = self._blocks().__next__
        if self._encoding.startswith(("utf-16", "utf-32")):
            yield from self._wide_lines()
        else:
            yield from self._byte_lines()

    def _blocks(self) -> Iterator[bytes]:
        """The bytes of the file, then empty ones for ever; lone carriage returns of old Macs as newlines."""
        first = self._ahead[self._mark :]
        self._ahead = b""
        old = b"\r" in first and b"\n" not in first
        block = first
        while True:
            yield block.replace(b"\r", b"\n") if old else block
            block = _read(self._stream, _CHUNK)
            while not block:
                yield b""

    def _byte_lines(self) -> Iterator[Lines]:
        """Lines of an encoding in which the byte of a newline is nothing else."""
        rest = b""
        while True:
            block = self._next_block()
            data = rest + block
            cut = data.rfind(b"\n") + 1 if block else len(data)
            lines, bad = self._decoded(data[:cut])
            rest = data[cut:]
            if len(rest) > MAX_LINE_CHARS:
                bad[len(lines)] = _TOO_LONG
                lines.append(rest[:20_000].decode(self.encoding, "replace"))
                rest = self._after_newline(b"\n")
            yield lines, bad, not block
            if not block:
                return

    def _wide_lines(self) -> Iterator[Lines]:
        """Lines of UTF-16 and UTF-32."""
        decoder = codecs.getincrementaldecoder(self._encoding)("replace")
        rest = ""
        while True:
            block = self._next_block()
            text = rest + decoder.decode(block, final=not block)
            cut = text.rfind("\n") + 1 if block else len(text)
            lines, rest = _split(text[:cut]), text[cut:]
            bad = (
                {}
                if "\ufffd" not in text[:cut]
                else {i: _UNDECODED for i, line in enumerate(lines) if "\ufffd" in line}
            )
            bad |= _with_nul(lines) if "\x00" in text[:cut] else {}
            if len(rest) > MAX_LINE_CHARS:
                bad[len(lines)] = _TOO_LONG
                lines.append(rest[:20_000])
                rest = ""
                while block and "\n" not in rest:
                    block = self._next_block()
                    rest = decoder.decode(block, final=not block)
                rest = rest[rest.find("\n") + 1 :]
            yield lines, bad, not block
            if not block:
                return

    def _after_newline(self, newline: bytes) -> bytes:
        while True:
            block = self._next_block()
            if not block:
                return b""
            cut = block.find(newline)
            if cut >= 0:
                return block[cut + 1 :]

    def _decoded(self, data: bytes) -> tuple[list[str], dict[int, str]]:
        if self._encoding == "ascii" and not data.isascii():
            # The sample gave no proof of either; the first byte that is not ASCII does.
            self._encoding = "utf-8" if _is_utf8(data) else "cp1252"
        try:
            text = data.decode(self.encoding)
        except UnicodeDecodeError:
            return self._decoded_one_by_one(data)
        lines = _split(text)
        return lines, _with_nul(lines) if b"\x00" in data else {}

    def _decoded_one_by_one(self, data: bytes) -> tuple[list[str], dict[int, str]]:
        lines: list[str] = []
        bad: dict[int, str] = {}
        for line in io.BytesIO(data):
            try:
                lines.append(line.decode(self.encoding))
            except UnicodeDecodeError as error:
                if self._encoding == "cp1252":  # five bytes have no meaning there
                    lines.append(line.decode("latin-1"))
                    continue
                bad[len(lines)] = (
                    f"holds the byte 0x{line[error.start]:02X}, which is not {self.encoding.upper()}"
                )
                lines.append(line.decode(self.encoding, "replace"))
        return lines, bad | (_with_nul(lines) if b"\x00" in data else {})


_TOO_LONG = f"is longer than {MAX_LINE_CHARS:,} characters"
_UNDECODED = "holds bytes that are no text"
_NUL = "holds a NUL character"


def _split(text: str) -> list[str]:
    """Lines with their ends, cut at newlines alone: str.splitlines would cut at a dozen other characters."""
    return io.StringIO(text, newline="\n").readlines()


def _with_nul(lines: list[str]) -> dict[int, str]:
    return {index: _NUL for index, line in enumerate(lines) if "\x00" in line}


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
