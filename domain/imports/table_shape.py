"""What a file is by its first bytes: a table of which encoding, delimiter and header, or none at all."""

import codecs
import csv
import json
import re
from collections import Counter
from dataclasses import dataclass
from itertools import islice
from typing import Literal

import charset_normalizer

from core.errors import LeadFuelError

SAMPLE_BYTES = 256 * 1024
DELIMITERS = (",", ";", "\t", "|")
# A header stands within so many lines: a title or the day of the export may come before it.
_MAX_PREAMBLE = 15
_SAMPLE_LINES = 1200
_ENOUGH_ROWS = 20
_MAX_REFUSED = 50


class NotATable(LeadFuelError):
    """The file is something else than a table of text, or an empty one."""

    status = 422
    slug = "not-a-table"
    title = "The file is not a table"


@dataclass(frozen=True, slots=True)
class TableShape:
    """How a table is written. `describe` tells it to a person."""

    encoding: str
    delimiter: str
    quote: str
    escape: str | None
    header: tuple[str, ...]
    header_line: int
    compressed: bool = False
    byte_order_mark: bool = False
    initial_spaces: bool = False
    pads_short_rows: bool = False

    def describe(self) -> str:
        encoding = {
            "utf-8": "UTF-8",
            "ascii": "UTF-8",
            "cp1252": "Windows-1252",
            "utf-16-le": "UTF-16 LE",
        }.get(self.encoding, self.encoding.upper())
        words = [
            f"{encoding}{' with BOM' if self.byte_order_mark else ''}",
            f"delimiter {_DELIMITER_NAMES[self.delimiter]}",
            f"quotes {self.quote}" if self.quote else "no quotes",
            f"{len(self.header)} column{'s' if len(self.header) > 1 else ''}",
        ]
        if self.compressed:
            words.insert(0, "gzip")
        if self.header_line > 1:
            words.append(f"header in line {self.header_line}")
        return ", ".join(words)


_DELIMITER_NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}

_MAGIC = (
    (b"PK\x03\x04", "a zip archive or an Excel workbook (.xlsx); save the sheet as CSV"),
    (b"PK\x05\x06", "an empty zip archive"),
    (b"\xd0\xcf\x11\xe0", "an old Excel or Word document (.xls); save the sheet as CSV"),
    (b"%PDF", "a PDF document"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"RIFF", "an image, sound or film"),
    (b"BZh", "a bzip2 archive; unpack it first"),
    (b"\xfd7zXZ", "an xz archive; unpack it first"),
    (b"7z\xbc\xaf", "a 7-Zip archive; unpack it first"),
    (b"Rar!", "a RAR archive; unpack it first"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive; unpack it first"),
    (b"\x1f\x8b", "a gzip archive within a gzip archive; unpack it once"),
    (b"PAR1", "a Parquet file"),
    (b"SQLite format 3", "an SQLite database"),
    (b"\x7fELF", "a program"),
    (b"MZ\x90", "a program"),
    (b"{\\rtf", "an RTF document"),
    (b"BEGIN:VCARD", "a list of vCards"),
    (b"BEGIN:VCALENDAR", "a calendar"),
)
_MARKUP = re.compile(
    r"^\s*<(?:!doctype\s+html|html|head|body|table|\?xml|svg|!--|[a-z][\w:-]*[\s>/])", re.IGNORECASE
)


def detect(
    sample: bytes,
    *,
    whole: bool,
    compressed: bool = False,
    encoding: str | None = None,
    delimiter: str | None = None,
) -> TableShape:
    """How a table is written, by its beginning (`whole`: that is all of it); raises `NotATable`."""
    if not sample.strip(b"\x00 \t\r\n\xef\xbb\xbf"):
        raise NotATable("The file is empty.")
    for magic, what in _MAGIC:
        if sample.startswith(magic):
            raise NotATable(f"The file looks like {what}.")
    found, mark = _encoding(sample) if encoding is None else (_named(encoding), b"")
    text = _decode(sample[len(mark) :], found, whole=whole)
    _refuse_other_text(text, whole=whole)
    lines = text.split("\n")
    if not whole and len(lines) > 1:
        lines.pop()  # the sample ends somewhere within this one
    if "\r" in text and "\n" not in text:
        lines = text.split("\r")
    return _layout(lines, encoding=found, compressed=compressed, mark=mark, delimiter=delimiter)


def _named(encoding: str) -> str:
    try:
        return codecs.lookup(encoding).name.replace("iso8859-1", "cp1252")
    except LookupError:
        raise NotATable(f"There is no encoding {encoding!r}.") from None


def _encoding(sample: bytes) -> tuple[str, bytes]:
    """(Python's name of the encoding, the byte order mark that the file begins with)."""
    for mark, name in (
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
        (codecs.BOM_UTF32_BE, "utf-32-be"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
    ):
        if sample.startswith(mark):
            return name, mark
    nul_even, nul_odd = sample[0:4000:2].count(0), sample[1:4000:2].count(0)
    half = max(min(len(sample), 4000) // 2, 1)
    if nul_odd > half * 0.6 and nul_even < half * 0.1:
        return "utf-16-le", b""
    if nul_even > half * 0.6 and nul_odd < half * 0.1:
        return "utf-16-be", b""
    controls = sum(sample.count(byte) for byte in (*range(1, 9), *range(14, 27), *range(28, 32), 127))
    if max(sample.count(0), controls) > max(len(sample) // 100, 4):
        raise NotATable("The file looks like binary data, not like a table of text.")
    return _single_byte_or_utf8(sample), b""


def _single_byte_or_utf8(sample: bytes) -> str:
    if sample.isascii():
        return "ascii"  # read as UTF-8, until a byte says otherwise
    try:
        codecs.getincrementaldecoder("utf-8")("strict").decode(sample)
    except UnicodeDecodeError:
        # One broken byte in a file of good UTF-8 breaks its line, not the file.
        others, good = _UTF8_SEQUENCE.subn(b"", sample)
        broken = sum(byte >= 0x80 for byte in others)
        if good and good >= 2 * broken:
            return "utf-8"
        return _legacy(sample)
    return "utf-8"


_UTF8_SEQUENCE = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")


_OTHER_SCRIPTS = ("cp1251", "koi8_r", "cp1253", "cp1255", "cp1256", "cp932", "gb18030", "big5", "cp949")


def _legacy(sample: bytes) -> str:
    """Windows-1252, unless the bytes are plainly of another script."""
    telling = b"\n".join(line for line in sample.split(b"\n") if not line.isascii())[:20_000]
    high = sum(byte >= 0x80 for byte in telling)
    if high > max(len(telling) // 4, 40):  # Western text has a few accents, other scripts little else
        best = charset_normalizer.from_bytes(telling, cp_isolation=list(_OTHER_SCRIPTS)).best()
        if best is not None:
            return codecs.lookup(best.encoding).name
    return "cp1252"


def _decode(sample: bytes, encoding: str, *, whole: bool) -> str:
    name = "utf-8" if encoding == "ascii" else encoding
    decoder = codecs.getincrementaldecoder(name)("replace")
    return decoder.decode(sample, final=whole)


def _refuse_other_text(text: str, *, whole: bool) -> None:
    start = text.lstrip()[:200]
    if _MARKUP.match(start):
        what = "an XML document" if start.startswith("<?xml") else "an HTML or XML document"
        raise NotATable(f"The file looks like {what}.")
    if start[:1] in {"{", "["}:
        lines = text.strip().split("\n", 1)
        for candidate in (lines[0], text if whole else ""):
            try:
                json.loads(candidate)
            except ValueError:
                continue
            raise NotATable("The file looks like JSON, not like a table.")
        if re.match(r'[\[{]\s*(?:[\[{]\s*)?["}\]]', start) and '":' in start:
            raise NotATable("The file looks like JSON, not like a table.")
    if start.startswith(("From ", "Received: ", "Return-Path:", "MIME-Version:")):
        raise NotATable("The file looks like an e-mail message.")
    if re.match(
        r"(?:--[^\n]*\n|/\*.*?\*/|\s)*(?:CREATE|INSERT|DROP|SET|BEGIN)\s+(?:TABLE|INTO|DATABASE|\w+\s*=)",
        start,
        re.IGNORECASE,
    ):
        raise NotATable("The file looks like a script of SQL.")


def _layout(
    lines: list[str], *, encoding: str, compressed: bool, mark: bytes, delimiter: str | None
) -> TableShape:
    skipped = 0
    announced = re.fullmatch(r'"?sep=(.)"?\r?', lines[0], re.IGNORECASE)  # what Excel writes for Excel
    if announced:
        delimiter, skipped = delimiter or announced[1], 1
    head = lines[skipped : skipped + _SAMPLE_LINES]
    quote, escape = _quoting(head)
    spaced = _has_initial_spaces(head)
    grid = _best_grid(head, delimiter, quote, escape, initial_spaces=spaced)
    if grid.width == 1 or grid.share < 0.8:
        _check_lines_are_rows(grid)
    first = _header_row(grid)
    header = _without_empty_end(grid.rows[first], grid.rows[first + 1 :])
    body = grid.rows[first + 1 :]
    short = sum(len(row) < len(header) for row in body)
    return TableShape(
        encoding=encoding,
        delimiter=grid.delimiter,
        quote=quote,
        escape=escape,
        header=tuple(cell.strip().strip("\ufeff") for cell in header),
        header_line=grid.lines[first] + skipped,
        compressed=compressed,
        byte_order_mark=bool(mark),
        initial_spaces=spaced,
        # A writer that leaves out the empty cells at a row's end does so often; a torn line is alone.
        pads_short_rows=short >= 3 and short * 10 >= len(body),
    )


@dataclass(frozen=True, slots=True)
class _Grid:
    """The sample as one delimiter cuts it: rows that are not blank and the line at which each begins."""

    delimiter: str
    rows: list[list[str]]
    lines: list[int]
    width: int  # of most rows
    share: float  # of the rows that have it


def _best_grid(
    lines: list[str], delimiter: str | None, quote: str, escape: str | None, *, initial_spaces: bool
) -> _Grid:
    best: _Grid | None = None
    for candidate in (delimiter,) if delimiter else DELIMITERS:
        rows, numbers = _parse(lines, candidate, quote, escape, initial_spaces=initial_spaces)
        if not rows:
            continue
        widths = Counter(len(row) for row in rows)
        width, count = max(widths.items(), key=lambda item: (item[1] * min(item[0], 2), item[0]))
        grid = _Grid(candidate, rows, numbers, width, count / len(rows) if width > 1 else 0.0)
        if best is None or (grid.share, grid.width) > (best.share, best.width):
            best = grid
    if best is None:
        raise NotATable("The file is empty.")
    return best


def _header_row(grid: _Grid) -> int:
    """The first row that can be a header: as wide as most, its cells short and mostly there."""
    head = grid.rows[:_MAX_PREAMBLE]
    for index, row in enumerate(head):
        filled = [cell for cell in row if cell.strip()]
        if len(row) == grid.width and len(filled) * 2 >= len(row) and all(len(c) <= 200 for c in filled):
            return index
    return next((index for index, row in enumerate(head) if len(row) >= min(grid.width, 2)), 0)


def _without_empty_end(header: list[str], body: list[list[str]]) -> list[str]:
    """The header without the nameless columns at its end, which a delimiter too many makes."""
    width = len(header)
    while width > 1 and not header[width - 1].strip():
        if any(cell.strip() for row in body for cell in row[width - 1 : width]):
            break
        width -= 1
    return header[:width]


def _quoting(lines: list[str]) -> tuple[Literal['"', "'", ""], str | None]:
    text = "\n".join(lines)
    double = len(re.findall(r'(?:^|[,;\t|])[ ]?"', text, re.MULTILINE))
    single = len(re.findall(r"(?:^|[,;\t|])'[^'\n]*'(?=$|[,;\t|\r])", text, re.MULTILINE))
    escaped = len(re.findall(r'\\"(?![,;\t|\r\n])', text))
    if single > 3 and not double:
        return "'", None
    return '"', ("\\" if escaped and not re.search(r'[^,;\t|\n]""', text) else None)


def _has_initial_spaces(lines: list[str]) -> bool:
    """Whether quotes stand behind a space: `1, "Acme, Inc."`."""
    text = "\n".join(lines)
    behind = len(re.findall(r'[,;\t|] +"', text))
    return behind > 0 and behind * 2 >= len(re.findall(r'[,;\t|] *"', text))


def _parse(
    lines: list[str], delimiter: str, quote: str, escape: str | None, *, initial_spaces: bool
) -> tuple[list[list[str]], list[int]]:
    """The rows of the sample that are not blank, and the line at which each begins.

    A line that csv refuses is cut at its delimiters, quotes or not: here only its width counts.
    """
    rows: list[list[str]] = []
    numbers: list[int] = []
    position = refused = 0
    while position < len(lines) and refused < _MAX_REFUSED:
        reader = csv.reader(
            (line + "\n" for line in islice(lines, position, None)),
            delimiter=delimiter,
            quotechar=quote or None,
            quoting=csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE,
            escapechar=escape,
            doublequote=escape is None,
            skipinitialspace=initial_spaces,
            strict=True,
        )
        start = position
        try:
            for row in reader:
                cells = [cell.rstrip("\r") for cell in row]
                if any(cell.strip() for cell in cells):
                    rows.append(cells)
                    numbers.append(start + 1)
                start = position + reader.line_num
        except csv.Error as error:
            if "unexpected end" in str(error) and len(rows) >= _ENOUGH_ROWS:
                break  # most likely a long text in quotes that the sample cuts off
            rows.append(lines[start].rstrip("\r").split(delimiter))
            numbers.append(start + 1)
            position = start + 1
            refused += 1
        else:
            break
    return rows, numbers


def _check_lines_are_rows(grid: _Grid) -> None:
    """A list of addresses is a table of one column; a text is none, though it has commas, too."""
    if grid.share >= 0.5 and all(len(cell) <= 40 and len(cell.split()) <= 5 for cell in grid.rows[0]):
        return
    lines = [" ".join(row) for row in grid.rows]
    wordy = sum(len(line.split()) > 6 or len(line) > 120 for line in lines)
    named = len(lines[0]) <= 64 and len(lines[0].split()) <= 5
    if grid.width == 1 and named and wordy * 5 <= len(lines):
        return
    if wordy * 2 >= len(lines) or grid.width == 1:
        raise NotATable("The file looks like plain text: its lines have no columns.")
    if grid.share < 0.3:
        raise NotATable("The file is no table: its lines do not have the same number of columns.")
