"""Tables as people send them, read as a stream: CSV, TSV and their kin, plain or gzip, from a file or a pipe.

Every record carries the physical line at which it begins (the file's first is 1). A record that is broken
becomes a `Reject` and costs nothing but itself: an open quote never swallows the rest of the file.
"""

import csv
import gzip
import io
import re
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import IO, Any, NamedTuple

from core.errors import LeadFuelError
from domain.imports.table_lines import BrokenFile, CountedStream, LineReader, read_fully
from domain.imports.table_shape import SAMPLE_BYTES, NotATable, TableShape, detect

__all__ = [
    "BrokenFile",
    "NoSuchFile",
    "NotATable",
    "Reject",
    "Row",
    "Table",
    "TableShape",
    "join_cells",
    "open_table",
]

# No honest record is longer. A quote that is still open then was never meant to be one.
MAX_RECORD_CHARS = 1_000_000
MAX_RECORD_LINES = 1_000
ORIGINAL_CHARS = 10_000


class NoSuchFile(LeadFuelError):
    """There is no such file, or it cannot be opened."""

    status = 404
    slug = "no-such-file"
    title = "The file cannot be opened"


class Row(NamedTuple):
    line: int
    cells: list[str]


class Reject(NamedTuple):
    """A record that is no row: where it begins, why, and what stands there (shortened when it is long)."""

    line: int
    reason: str
    original: str


class Table:
    """One open table. Iterating yields rows and rejects in the order of the file, once."""

    def __init__(self, shape: TableShape, lines: LineReader, size: int | None) -> None:
        self.shape = shape
        self.header = shape.header
        self.size = size
        self._lines = lines
        self._rows = 0
        self._dialect: dict[str, Any] = {
            "delimiter": shape.delimiter,
            "quotechar": shape.quote or None,
            "quoting": csv.QUOTE_MINIMAL if shape.quote else csv.QUOTE_NONE,
            "escapechar": shape.escape,
            "doublequote": shape.escape is None,
            "skipinitialspace": shape.initial_spaces,
            "strict": True,
        }
        mark, end = re.escape(shape.quote or '"'), re.escape(shape.delimiter)
        self._cell = re.compile(
            rf"(?: *{mark}(?P<quoted>(?:[^{mark}]|{mark}(?! *(?:{end}|$)))*){mark} *|(?P<plain>[^{end}]*))"
            rf"(?P<end>{end}|$)"
        )

    @property
    def bytes_read(self) -> int:
        """Bytes taken from the file so far (packed ones, of a gzip file)."""
        return self._lines.bytes_read

    @property
    def encoding(self) -> str:
        """The encoding in use: a file that began in ASCII may turn out to be Windows-1252."""
        return self._lines.encoding

    def rows_estimate(self) -> int | None:
        """How many rows the whole file has, judged by what has been read; None where its size is unknown."""
        if self.size is None or not self.bytes_read or not self._rows:
            return None
        if self.bytes_read >= self.size:
            return self._rows
        return max(self._rows, round(self._rows * self.size / self.bytes_read))

    def join(self, cells: list[str]) -> str:
        """The cells as one line of this table, for a list of rejects."""
        return join_cells(cells, delimiter=self.shape.delimiter)

    def __iter__(self) -> Iterator[Row | Reject]:
        header_line, width, first_name = self.shape.header_line, len(self.header), self.header[0]
        for record in self._records():
            if record.line <= header_line:
                continue
            checked: Row | Reject | None = record
            if isinstance(record, Row):
                cells = record.cells
                if len(cells) != width or not cells[0] or cells[0] == first_name:
                    checked = self._checked(record)
            if checked is not None:
                self._rows += 1
                yield checked

    def _checked(self, row: Row) -> Row | Reject | None:
        """A row that is not plainly one: blank (None), too long, too short, or the header once more."""
        if not any(cell.strip() for cell in row.cells):
            return None
        width = len(self.header)
        cells = _fitted(row.cells, width, pads=self.shape.pads_short_rows)
        if cells is None:
            return Reject(row.line, _width_reason(len(row.cells), width), _shortened(self.join(row.cells)))
        if tuple(cell.strip() for cell in cells) == self.header:
            return Reject(row.line, "repeats the header", _shortened(self.join(cells)))
        return Row(row.line, cells)

    def _records(self) -> Iterator[Row | Reject]:
        """Everything between the line ends that count, as it stands: blank and ill-sized records, too."""
        pending: list[str] = []
        first = 1
        for fresh, bad, last in self._lines:
            lines, shift = (pending + fresh, len(pending)) if pending else (fresh, 0)
            position = 0
            for stop in [*(shift + index for index in sorted(bad)), len(lines)]:
                final = last or stop < len(lines)
                position = yield from self._stretch(lines, position, stop, first, final=final)
                if stop < len(lines):
                    yield Reject(first + stop, bad[stop - shift], _shortened(lines[stop]))
                    position = stop + 1
            pending = lines[position:]
            first += position

    def _stretch(
        self, lines: list[str], position: int, stop: int, first: int, *, final: bool
    ) -> Generator[Row | Reject, None, int]:
        """The records of lines that are good by themselves; returns where one begins that is not all here."""
        width = len(self.header)
        while position < stop:
            start = position
            reader = csv.reader(islice(lines, position, stop), **self._dialect)
            try:
                for cells in reader:
                    following = position + reader.line_num
                    swallowing = following - start > 1 and len(cells) != width
                    if swallowing and self._stands_alone(lines, start + 1):
                        broken = _OPEN_QUOTE
                        break
                    yield Row(first + start, cells)
                    start = following
                else:
                    return stop
            except csv.Error as error:
                broken = _reason(str(error))
                unfinished = broken == _OPEN_QUOTE and position + reader.line_num >= stop
                if unfinished and not final and _is_short(lines, start, stop):
                    return start
            found, position = self._recover(lines, start, stop, broken)
            yield Row(first + start, found) if isinstance(found, list) else Reject(first + start, *found)
        return position

    def _stands_alone(self, lines: list[str], index: int) -> bool:
        """Whether the line is a whole row by itself: then the quote before it was not meant to hold it."""
        try:
            rows = list(csv.reader([lines[index]], **self._dialect))
        except csv.Error:
            return False
        return len(rows) == 1 and len(rows[0]) == len(self.header)

    def _recover(
        self, lines: list[str], start: int, stop: int, reason: str
    ) -> tuple[list[str] | tuple[str, str], int]:
        """What to make of a record that csv refuses, and the line to go on with."""
        lenient = self._lenient(lines[start])
        if lenient is not None:
            return lenient, start + 1
        end = self._closing_line(lines, start, stop)
        if end is None or (end > start and self._stands_alone(lines, start + 1)):
            return (
                _OPEN_QUOTE if end is None or end > start else reason,
                _shortened(lines[start]),
            ), start + 1
        whole = "".join(lines[start : end + 1])
        return self._lenient(whole) or (reason, _shortened(whole)), end + 1

    def _closing_line(self, lines: list[str], start: int, stop: int) -> int | None:
        """The line on which as many quotes have closed as opened, within what a record may measure."""
        quotes = size = 0
        for index in range(start, min(stop, start + MAX_RECORD_LINES)):
            quotes += lines[index].count(self.shape.quote) if self.shape.quote else 0
            size += len(lines[index])
            if quotes % 2 == 0:
                return index
            if size > MAX_RECORD_CHARS:
                return None
        return None

    def _lenient(self, text: str) -> list[str] | None:
        """The cells if a quote ends a cell only before a delimiter (`"Joe "Bomber" Smith",x`), or None."""
        quote = self.shape.quote or '"'
        text = text.rstrip("\r\n")
        cells: list[str] = []
        at = 0
        while len(cells) < len(self.header):
            found = self._cell.match(text, at)
            if found is None:
                return None
            value = found["plain"] if found["quoted"] is None else found["quoted"].replace(quote * 2, quote)
            if len(value) > csv.field_size_limit() or (
                found["quoted"] is None and value.lstrip().startswith(quote)
            ):
                return None
            cells.append(value)
            if not found["end"]:
                return cells if len(cells) == len(self.header) else None
            at = found.end()
        return None


def join_cells(cells: list[str], *, delimiter: str = ",") -> str:
    """One line of a table, quoted where it must be, without its end."""
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, lineterminator="").writerow(cells)
    return out.getvalue()


@contextmanager
def open_table(
    source: str | Path | IO[bytes], *, delimiter: str | None = None, encoding: str | None = None
) -> Iterator[Table]:
    """Open a file, standard input ("-") or a stream of bytes; what is no table at all is refused here."""
    if isinstance(source, str | Path):
        if str(source) == "-":
            yield _table(sys.stdin.buffer, None, delimiter, encoding)
            return
        path = Path(source)
        try:
            stream = path.open("rb")
            size = path.stat().st_size
        except OSError as error:
            raise NoSuchFile(f"{path} cannot be opened: {error.strerror or error}.") from None
        with stream:
            yield _table(stream, size or None, delimiter, encoding)
        return
    yield _table(source, None, delimiter, encoding)


def _table(source: IO[bytes], size: int | None, delimiter: str | None, encoding: str | None) -> Table:
    counted = CountedStream(source)
    packed = counted.peek(2).startswith(b"\x1f\x8b")
    stream: Any = gzip.GzipFile(fileobj=counted, mode="rb") if packed else counted
    try:
        sample = read_fully(stream, SAMPLE_BYTES)
    except OSError as error:
        raise NoSuchFile(f"The file cannot be read: {error.strerror or error}.") from None
    whole = len(sample) < SAMPLE_BYTES
    shape = detect(sample, whole=whole, compressed=packed, encoding=encoding, delimiter=delimiter)
    lines = LineReader(stream, counted, sample, shape)
    return Table(shape, lines, size)


_OPEN_QUOTE = "opens a quote that is never closed"


def _reason(error: str) -> str:
    if "field larger" in error:
        return f"holds a cell of more than {csv.field_size_limit():,} characters"
    if "expected after" in error:
        return "has a quote in the middle of a cell"
    if "unexpected end" in error or error == _OPEN_QUOTE:
        return _OPEN_QUOTE
    return f"is not well-formed: {error}"


def _is_short(lines: list[str], start: int, stop: int) -> bool:
    return stop - start < MAX_RECORD_LINES and sum(map(len, lines[start:stop])) < MAX_RECORD_CHARS


def _fitted(cells: list[str], width: int, *, pads: bool) -> list[str] | None:
    """The cells at the header's width, if only empty ones are too many or left out."""
    if len(cells) >= width:
        return None if any(cell.strip() for cell in cells[width:]) else cells[:width]
    return cells + [""] * (width - len(cells)) if pads else None


def _width_reason(found: int, width: int) -> str:
    cells = "1 cell" if found == 1 else f"{found} cells"
    return f"has {cells} where the header has {width}"


def _shortened(text: str) -> str:
    text = text.rstrip("\r\n")
    return text if len(text) <= ORIGINAL_CHARS else text[:ORIGINAL_CHARS] + "…"
