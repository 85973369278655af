"""Which column of a file is which field: matched by name, corrected by a mapping file, the rest kept aside.

A column that is no field of ours goes to the record's `enrichment` under its own header, so that nothing
that somebody paid for is lost.
"""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from rapidfuzz import process

from core.errors import LeadFuelError
from core.text import clean
from domain.imports.column_names import ADDRESSES, LANGUAGES, LISTS, SINGLE, WORDS, Entity, header_key
from domain.imports.values import DateHabit, NumberHabit, date_habit, is_blank, number_habit, read_currency
from search import places

__all__ = [
    "BadMapping",
    "Column",
    "ColumnPlan",
    "Entity",
    "Habits",
    "MappingOptions",
    "Overrides",
    "UnknownField",
    "field_names",
    "find_habits",
    "map_columns",
    "parse_mapping",
    "read_mapping",
]


How = Literal["name", "mapping", "enrichment", "ignored"]


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


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its header made unique, its field if it has one, and what the header says of the unit."""

    index: int
    header: str
    field: str | None
    how: How
    currency: str | None = None
    scale: int = 1


@dataclass(frozen=True, slots=True)
class ColumnPlan:
    """How the rows of one table become fields. `fields` has the columns of each field, the best first."""

    entity: Entity
    columns: tuple[Column, ...]
    fields: Mapping[str, tuple[int, ...]]
    enrichment: tuple[tuple[str, int], ...]
    language: str | None
    options: MappingOptions
    _single: tuple[tuple[str, int], ...]
    _several: tuple[tuple[str, tuple[int, ...]], ...]

    def cells(self, row: Sequence[str]) -> dict[str, str]:
        """field -> text, of the fields for which this row says something."""
        found = {}
        for name, index in self._single:
            text = row[index]
            if text and not (len(text) < 16 and is_blank(text, name=name in PERSON_NAMES)):
                found[name] = text
        for name, indexes in self._several:
            texts = [text for index in indexes if not is_blank(text := row[index], name=name in PERSON_NAMES)]
            if texts:
                found[name] = "; ".join(texts) if name in LISTS else texts[0]
        return found

    def extras(self, row: Sequence[str]) -> dict[str, str]:
        """header -> text, of the columns that are kept beside the fields."""
        return {header: text for header, index in self.enrichment if (text := row[index].strip())}

    def unit(self, name: str) -> tuple[str | None, int]:
        """(currency, scale) that the header of a field's first column names: "Revenue (in 000s USD)"."""
        indexes = self.fields.get(name, ())
        column = self.columns[indexes[0]] if indexes else None
        return (column.currency or self.options.currency, column.scale) if column else (self.options.currency, 1)


@dataclass(frozen=True, slots=True)
class Habits:
    """How this table writes numbers, and the dates of each of its date columns."""

    numbers: NumberHabit
    dates: Mapping[str, DateHabit]

    def date(self, name: str) -> DateHabit:
        return self.dates.get(name, DateHabit())


def field_names(entity: Entity) -> tuple[str, ...]:
    """The fields a column of such a table may be mapped to."""
    return tuple(WORDS[entity])


def map_columns(entity: Entity, header: Sequence[str], overrides: Overrides | None = None) -> ColumnPlan:
    """Match a table's columns to fields; raises `BadMapping` when there is none to match at all."""
    overrides = overrides or Overrides()
    labels = _unique(header)
    mapped = _mapped(entity, header, labels, overrides.columns)
    keys = [header_key(name) for name in header]
    language = _language(keys)
    chosen: dict[str, list[tuple[int, int]]] = {}
    for index, name in mapped.items():
        if name in WORDS[entity]:
            chosen.setdefault(name, []).append((0, index))
    explicit = set(chosen)
    for index, name in enumerate(header):
        if index in mapped:
            continue
        for rank, wanted in _matches(entity, name):
            if wanted not in explicit:
                chosen.setdefault(wanted, []).append((rank, index))
                break
    _settle(entity, keys, chosen, mapped)
    fields: dict[str, tuple[int, ...]] = {}
    kept: list[tuple[str, int]] = []
    for name, ranked in chosen.items():
        indexes = [index for _, index in sorted(ranked)]
        stand_ins = () if name in SINGLE else (i for i in indexes[1:] if _unit(header[i]) == _unit(header[indexes[0]]))
        fields[name] = (indexes[0], *stand_ins)
        if name not in LISTS:
            kept += [(labels[index], index) for index in indexes[1:]]
    if not fields:
        raise BadMapping(
            f"None of the columns is known for {entity}: {', '.join(labels[:8])}. A mapping file can name them."
        )
    taken = {index for ranked in chosen.values() for _, index in ranked}
    dropped = {index for index, name in mapped.items() if not name}
    kept += [(labels[i], i) for i in range(len(header)) if i not in taken and i not in dropped]
    of_index = {index: name for name, indexes in fields.items() for index in indexes}
    columns = []
    for index, name in enumerate(header):
        currency, scale = _unit(name)
        how: How = "mapping" if index in mapped else "name" if index in of_index else "enrichment"
        columns.append(
            Column(index, labels[index], of_index.get(index), "ignored" if index in dropped else how, currency, scale)
        )
    return ColumnPlan(
        entity=entity,
        columns=tuple(columns),
        fields=fields,
        enrichment=tuple(sorted(kept, key=lambda item: item[1])),
        language=language,
        options=overrides.options,
        _single=tuple((name, indexes[0]) for name, indexes in fields.items() if len(indexes) == 1),
        _several=tuple((name, indexes) for name, indexes in fields.items() if len(indexes) > 1),
    )


def find_habits(plan: ColumnPlan, rows: Sequence[Sequence[str]], *, delimiter: str = ",") -> Habits:
    """Decide from the first rows (a few hundred will do) how the table writes numbers and dates."""
    options = plan.options
    if options.decimal in {".", ","}:
        numbers = NumberHabit("," if options.decimal == "," else ".", sure=True)
    else:
        indexes = [index for name in NUMBERS for index in plan.fields.get(name, ())]
        samples = (row[index] for row in rows for index in indexes)
        numbers = number_habit(samples, language=plan.language, delimiter=delimiter)
    dates = {}
    for name in DATES & plan.fields.keys():
        if options.dayfirst is not None:
            dates[name] = DateHabit(options.dayfirst, sure=True)
        else:
            indexes = list(plan.fields[name])
            dates[name] = date_habit((row[i] for row in rows for i in indexes), language=plan.language)
    proven = {habit.day_first for habit in dates.values() if habit.sure}
    if len(proven) == 1:  # one column's proof holds for the others of the same table
        day_first = proven.pop()
        dates = {name: habit if habit.sure else DateHabit(day_first, sure=True) for name, habit in dates.items()}
    return Habits(numbers, dates)


def read_mapping(path: Path | str) -> Overrides:
    """Read a mapping file: `[columns]` header = field, "" or "ignore" drops; `[options]` as in MappingOptions."""
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


PERSON_NAMES: Final = frozenset({"first_name", "middle_name", "last_name", "full_name", "name", "company"})
NUMBERS: Final = ("revenue", "employees", "funding_amount")
DATES: Final = frozenset({
    "position_started_on", "last_refreshed", "email_verified_at", "funding_date", "start_date", "end_date", "founded",
})  # fmt: skip

_OPTION_TYPES: Final[dict[str, type]] = {
    "dayfirst": bool, "decimal": str, "country": str, "currency": str, "list_separator": str, "delimiter": str,
    "encoding": str,
}  # fmt: skip


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


# Names by which the records' own columns, or an older file, call a field.
_OTHER_NAMES: Final = {
    "founded_year": "founded", "last_refreshed_at": "last_refreshed", "key": "id", "source_key": "id",
    "organization": "company", "organization_id": "company_id", "organization_domain": "company_domain",
    "company_name": "company", "linkedin": "linkedin_url", "hq": "location",
}  # fmt: skip


def _mapped(
    entity: Entity, header: Sequence[str], labels: Sequence[str], wanted: Mapping[str, str]
) -> dict[int, str]:
    """index -> field, "" to drop or "enrichment" to keep aside, for the columns that a mapping names."""
    allowed = (*WORDS[entity], "enrichment", "ignore")
    found: dict[int, str] = {}
    for name, target in wanted.items():
        index = _find(name, header, labels)
        if index is None:
            near = _nearest(name, labels)
            raise BadMapping(f"The table has no column {name!r}{near}.", header=name)
        target_field = target.strip()
        if target_field not in allowed and target_field:
            target_field = _OTHER_NAMES.get(target_field.lower(), target_field.lower().replace(" ", "_"))
        if target_field not in allowed and target_field:
            near = _nearest(target, allowed)
            raise UnknownField(f"{entity.capitalize()} have no field {target!r}{near}.", field=target)
        found[index] = "" if target_field == "ignore" else target_field
    return found


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


def _unique(header: Sequence[str]) -> list[str]:
    """The headers as labels of their own: cleaned, the second "Phone" as "Phone (2)", a missing one by its place."""
    labels: list[str] = []
    for index, name in enumerate(header):
        label = base = clean(name)[:200] or f"Column {index + 1}"
        number = 2
        while label in labels:
            label = f"{base} ({number})"
            number += 1
        labels.append(label)
    return labels


_BRACKETS = re.compile(r"[(\[][^)\]]*[)\]]")
_UNIT = re.compile(
    r"\b(?:in|usd|eur|gbp|chf|us|dollars?|euros?|\d*k|0{3}s?|thousands?|millions?|mio|mn|mm|tsd|teur|keur|meur|k€|t€)\b|"
    r"[$€£¥]|k€|t€|m€",
    re.IGNORECASE,
)


def _matches(entity: Entity, name: str) -> list[tuple[int, str]]:
    """(rank of the word, field): the best first. A header is tried as it is, then without unit and prefix."""
    plain = _BRACKETS.sub(" ", name)
    forms = [name, plain, _UNIT.sub(" ", plain.replace("_", " "))]
    if ":" in plain:  # "Account: Industry" of a report
        forms.append(plain.rpartition(":")[2])
    for form in forms:
        key = header_key(form)
        found = _BY_KEY[entity].get(key) if key else None
        if found:
            return found
    return []


_BY_KEY: Final[dict[Entity, dict[str, list[tuple[int, str]]]]] = {}
for _entity, _fields in WORDS.items():
    _table = _BY_KEY.setdefault(_entity, {})
    for _name, _words in _fields.items():
        for _rank, _word in enumerate(_words):
            _table.setdefault(_word, []).append((_rank, _name))
    for _options_of_word in _table.values():
        _options_of_word.sort()


def _settle(
    entity: Entity, keys: Sequence[str], chosen: dict[str, list[tuple[int, int]]], mapped: Mapping[int, str]
) -> None:
    """What only the company of the other columns tells."""
    free = [i for i in range(len(keys)) if i not in mapped and not any(i == at for r in chosen.values() for _, at in r)]
    key_field = "contact_id" if entity == "employment" else "id"
    ids = [i for i, key in enumerate(keys) if key.endswith(("id", "uid", "nr", "no", "key", "number", "code"))]
    named_ids = [i for i in ids if i in free and keys[i].endswith(("id", "key"))]
    if key_field not in chosen and named_ids == [0]:
        chosen[key_field] = [(0, 0)]  # "Bioguide ID" in front of everything
        free.remove(0)
    if entity == "contacts":
        _settle_names(keys, chosen, mapped)
    if entity != "employment" and not chosen.keys() & {"city", "region", "country", "location"}:
        addresses = [i for i in free if keys[i] in ADDRESSES]
        if addresses:
            chosen["location"] = [(0, addresses[0])]


def _settle_names(
    keys: Sequence[str], chosen: dict[str, list[tuple[int, int]]], mapped: Mapping[int, str]
) -> None:
    """ "Name, Vorname" gives a last name; "Nombre" or "Nom" alone the full one."""

    def only(name: str) -> int | None:
        ranked = chosen.get(name, [])
        return ranked[0][1] if len(ranked) == 1 and ranked[0][1] not in mapped else None

    full, first, last = only("full_name"), only("first_name"), only("last_name")
    if full is not None and keys[full] in {"name", "kontakt"} and "first_name" in chosen and "last_name" not in chosen:
        chosen["last_name"] = chosen.pop("full_name")
    elif first is not None and keys[first] in {"nombre", "nome"} and not chosen.keys() & {"last_name", "full_name"}:
        chosen["full_name"] = chosen.pop("first_name")
    elif last is not None and keys[last] == "nom" and not chosen.keys() & {"first_name", "full_name"}:
        chosen["full_name"] = chosen.pop("last_name")
    title = only("title")
    if title is not None and keys[title] == "titel" and "anrede" in keys:
        del chosen["title"]  # beside a salutation it is "Dr."


def _language(keys: Sequence[str]) -> str | None:
    """The language of the headers: the one most of whose own words they use."""
    votes = {language: sum(key in words for key in keys) for language, words in LANGUAGES.items()}
    best = max(votes, key=lambda language: votes[language])
    english = sum(key in _ENGLISH for key in keys)
    if votes[best] > english:
        return best
    return "en" if english else None


_ENGLISH: Final = frozenset(
    map(
        header_key,
        "first name|last name|company|company name|name|employees|revenue|country|state|city|phone|website|founded|title|"
        "job title|start date|end date|number of employees|industry|address|description|location|annual revenue|"
        "keywords|technologies|headquarters location|security|full name|email address|company size".split("|"),
    )
)


def _unit(name: str) -> tuple[str | None, int]:
    """(currency, scale) in a header: "Umsatz in TEUR", "Revenue (in 000s USD)", "Annual Revenue ($M)"."""
    words = re.findall(r"[A-Za-z]?[$€£¥][A-Za-z]?|[^\W\d_]+€?|0{3}s?", name.replace("_", " "))
    currency, scale = None, 1
    for word in words[1:]:
        low = word.lower()
        joined = re.fullmatch(r"(t|k|m|mio|bn)(eur|usd|gbp|chf|€|\$|£)|([$€£])(k|m|bn|mm)", low)
        if joined:
            currency = read_currency(joined[2] or joined[3])
            scale = _SCALES.get(joined[1] or joined[4], 1)
        elif low in _SCALES:
            scale = _SCALES[low]
        elif word.isupper() or word in "$€£¥" or low in {"usd", "eur", "gbp", "chf"}:
            currency = read_currency(word) or currency
    return currency, scale


_SCALES: Final = {
    "k": 1000, "t": 1000, "000s": 1000, "000": 1000, "thousand": 1000, "thousands": 1000, "tsd": 1000,
    "m": 10**6, "mm": 10**6, "mn": 10**6, "mio": 10**6, "million": 10**6, "millions": 10**6, "bn": 10**9,
    "billions": 10**9, "mrd": 10**9,
}  # fmt: skip
