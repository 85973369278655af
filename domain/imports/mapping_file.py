"""What a person says of a table's columns and habits, where the table's own words do not tell."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from rapidfuzz import process

from core.errors import LeadFuelError
from domain.imports.column_names import WORDS, Entity, header_key
from domain.imports.numbers import read_currency
from search import places


class BadMapping(LeadFuelError):
    """The mapping file cannot be read, or names what the table has not."""

    status = 422
    slug = "bad-mapping"
    title = "The mapping of columns cannot be used"


class UnknownField(BadMapping):
    """The mapping names a field that records do not have."""

    slug = "unknown-field"
    title = "There is no such field"


@dataclass(frozen=True, slots=True)
class MappingOptions:
    """What a mapping file says of the whole table; None is left to the table's own signs."""

    dayfirst: bool | None = None
    decimal: str | None = None
    country: str | None = None
    currency: str | None = None
    list_separator: str | None = None
    delimiter: str | None = None
    encoding: str | None = None


@dataclass(frozen=True, slots=True)
class Overrides:
    """Header -> field ("" drops the column), and the options."""

    columns: Mapping[str, str] = field(default_factory=dict)
    options: MappingOptions = MappingOptions()


def read_mapping(path: Path | str) -> Overrides:
    """Read a mapping file: [columns] has header = field ("" or "ignore" drops), [options] the options."""
    try:
        text = Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadMapping(f"The mapping file {path} cannot be read: {error}") from None
    return parse_mapping(text)


def parse_mapping(text: str) -> Overrides:
    """The same from the text of such a file."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadMapping(f"The mapping is not TOML: {error}") from None
    for table in data:
        if table not in {"columns", "options"}:
            raise BadMapping(f"A mapping has the tables [columns] and [options], not [{table}].")
    columns = data.get("columns", {})
    if not isinstance(columns, dict) or not all(isinstance(value, str) for value in columns.values()):
        raise BadMapping('[columns] has lines of the form "Header" = "field".')
    return Overrides(columns, _options(data.get("options", {})))


def mapped_columns(
    entity: Entity, header: Sequence[str], labels: Sequence[str], wanted: Mapping[str, str]
) -> dict[int, str]:
    """By index: the field, "" to drop or "enrichment" to keep aside, for the columns that a mapping names."""
    allowed = (*WORDS[entity], "enrichment", "ignore", "")
    found: dict[int, str] = {}
    for name, target in wanted.items():
        index = _find(name, header, labels)
        if index is None:
            raise BadMapping(f"The table has no column {name!r}{_nearest(name, labels)}.", header=name)
        field_name = target.strip()
        if field_name not in allowed:
            field_name = field_name.lower().replace(" ", "_")
            field_name = _OTHER_NAMES.get(field_name, field_name)
        if field_name not in allowed:
            near = _nearest(target, allowed[:-1])
            raise UnknownField(f"{entity.capitalize()} have no field {target!r}{near}.", field=target)
        found[index] = "" if field_name == "ignore" else field_name
    return found


def _options(given: Any) -> MappingOptions:
    if not isinstance(given, dict):
        raise BadMapping("[options] must be a table.")
    values: dict[str, Any] = {}
    for name, value in given.items():
        if name not in _OPTION_TYPES:
            raise BadMapping(f"There is no option {name!r}; there are {', '.join(_OPTION_TYPES)}.")
        if not isinstance(value, _OPTION_TYPES[name]):
            raise BadMapping(f"The option {name} cannot be {value!r}.")
        values[name] = value
    if values.get("decimal", ".") not in {".", ","}:
        raise BadMapping('The option decimal is "." or ",".')
    if "country" in values:
        code = places.resolve_country(values["country"])
        if code is None:
            raise BadMapping(f"{values['country']!r} is not a known country.")
        values["country"] = code
    if "currency" in values:
        currency = read_currency(values["currency"])
        if currency is None:
            raise BadMapping(f"{values['currency']!r} is not a known currency.")
        values["currency"] = currency
    return MappingOptions(**values)


_OPTION_TYPES: Final[dict[str, type]] = {
    "dayfirst": bool,
    "decimal": str,
    "country": str,
    "currency": str,
    "list_separator": str,
    "delimiter": str,
    "encoding": str,
}

# Names by which the records' own columns, or an older file, call a field.
_OTHER_NAMES: Final = {
    "founded_year": "founded", "last_refreshed_at": "last_refreshed", "key": "id", "source_key": "id",
    "organization": "company", "organization_id": "company_id", "organization_domain": "company_domain",
    "company_name": "company", "linkedin": "linkedin_url", "hq": "location",
}  # fmt: skip


def _find(name: str, header: Sequence[str], labels: Sequence[str]) -> int | None:
    for names in (labels, header):
        if name in names:
            return names.index(name)
    keys = [header_key(label) for label in labels]
    key = header_key(name)
    return keys.index(key) if key and keys.count(key) == 1 else None


def _nearest(word: str, allowed: Sequence[str]) -> str:
    near = [name for name, _, _ in process.extract(word, allowed, limit=3, score_cutoff=50)]
    return f"; the nearest are {', '.join(near)}" if near else ""
