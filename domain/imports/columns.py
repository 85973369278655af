"""Which column of a file is which field: matched by name, corrected by a mapping file, the rest kept aside.

A column that is no field of ours goes to the record's `enrichment` under its own header, so that nothing
that somebody paid for is lost.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from domain.imports.column_headers import forms_of, labels_of, language_of, unit_of
from domain.imports.column_names import ADDRESSES, LISTS, SINGLE, WORDS, Entity, header_key
from domain.imports.mapping_file import (
    BadMapping,
    MappingOptions,
    Overrides,
    UnknownField,
    mapped_columns,
    parse_mapping,
    read_mapping,
)
from domain.imports.values import DateHabit, NumberHabit, date_habit, is_blank, number_habit

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

# field -> (rank of the word that matched, index of the column)
_Chosen = dict[str, list[tuple[int, int]]]

_PERSON_NAMES: Final = frozenset({"first_name", "middle_name", "last_name", "full_name", "name", "company"})
_NUMBERS: Final = ("revenue", "employees", "funding_amount")
_DATES: Final = frozenset(
    {"position_started_on", "last_refreshed", "email_verified_at", "funding_date", "start_date", "end_date"}
)


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
        """The text of each field, of the fields for which this row says something."""
        found = {}
        for name, index in self._single:
            text = row[index]
            if text and not (len(text) < 16 and is_blank(text, name=name in _PERSON_NAMES)):
                found[name] = text
        for name, indexes in self._several:
            texts = [
                text for index in indexes if not is_blank(text := row[index], name=name in _PERSON_NAMES)
            ]
            if texts:
                found[name] = "; ".join(texts) if name in LISTS else texts[0]
        return found

    def extras(self, row: Sequence[str]) -> dict[str, str]:
        """The text by header, of the columns that are kept beside the fields."""
        return {header: text for header, index in self.enrichment if (text := row[index].strip())}

    def unit(self, name: str) -> tuple[str | None, int]:
        """(currency, scale) that the header of a field's first column names: "Revenue (in 000s USD)"."""
        indexes = self.fields.get(name, ())
        column = self.columns[indexes[0]] if indexes else None
        if column is None:
            return self.options.currency, 1
        return column.currency or self.options.currency, column.scale


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
    labels = labels_of(header)
    mapped = mapped_columns(entity, header, labels, overrides.columns)
    keys = [header_key(name) for name in header]
    chosen = _choose(entity, header, mapped)
    _settle(entity, keys, chosen, mapped)
    if not chosen:
        known = ", ".join(labels[:8])
        raise BadMapping(f"No column is known for {entity}: {known}. A mapping file can say what they are.")
    fields = {name: _columns_of(name, ranked, header) for name, ranked in chosen.items()}
    of_index = {index: name for name, indexes in fields.items() for index in indexes}
    # A stand-in is also kept under its own header: where the first column is filled, it would be lost.
    main = {
        index for name, indexes in fields.items() for index in (indexes if name in LISTS else indexes[:1])
    }
    dropped = {index for index, name in mapped.items() if not name}
    kept = tuple((labels[i], i) for i in range(len(header)) if i not in main and i not in dropped)

    def column(index: int) -> Column:
        how: How = "ignored" if index in dropped else "mapping" if index in mapped else "name"
        if how == "name" and index not in of_index:
            how = "enrichment"
        return Column(index, labels[index], of_index.get(index), how, *unit_of(header[index]))

    return ColumnPlan(
        entity=entity,
        columns=tuple(map(column, range(len(header)))),
        fields=fields,
        enrichment=kept,
        language=language_of(keys),
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
        indexes = [index for name in _NUMBERS for index in plan.fields.get(name, ())]
        samples = (row[index] for row in rows for index in indexes)
        numbers = number_habit(samples, language=plan.language, delimiter=delimiter)
    dates = {}
    for name in _DATES & plan.fields.keys():
        if options.dayfirst is not None:
            dates[name] = DateHabit(options.dayfirst, sure=True)
        else:
            indexes = list(plan.fields[name])
            dates[name] = date_habit((row[i] for row in rows for i in indexes), language=plan.language)
    proven = {habit.day_first for habit in dates.values() if habit.sure}
    if len(proven) == 1:  # one column's proof holds for the others of the same table
        day_first = proven.pop()
        dates = {
            name: habit if habit.sure else DateHabit(day_first, sure=True) for name, habit in dates.items()
        }
    return Habits(numbers, dates)


def _choose(entity: Entity, header: Sequence[str], mapped: Mapping[int, str]) -> _Chosen:
    """The columns of each field by mapping, else by name; a field that the mapping names has no others."""
    chosen: _Chosen = {}
    for index, name in mapped.items():
        if name in WORDS[entity]:
            chosen.setdefault(name, []).append((0, index))
    explicit = set(chosen)
    for index, name in enumerate(header):
        if index not in mapped:
            match = next((m for m in _matches(entity, name) if m[1] not in explicit), None)
            if match:
                chosen.setdefault(match[1], []).append((match[0], index))
    return chosen


def _columns_of(name: str, ranked: list[tuple[int, int]], header: Sequence[str]) -> tuple[int, ...]:
    """The best column of a field, and those of the same unit that may stand in where it is empty."""
    first, *others = [index for _, index in sorted(ranked)]
    if name in SINGLE:
        return (first,)
    return (first, *(index for index in others if unit_of(header[index]) == unit_of(header[first])))


def _matches(entity: Entity, name: str) -> list[tuple[int, str]]:
    """(rank of the word, field), the best first, for the first form of the header that is a known word."""
    found = (_BY_KEY[entity].get(header_key(form)) for form in forms_of(name))
    return next((matches for matches in found if matches), [])


def _by_key(entity: Entity) -> dict[str, list[tuple[int, str]]]:
    table: dict[str, list[tuple[int, str]]] = {}
    for name, words in WORDS[entity].items():
        for rank, word in enumerate(words):
            table.setdefault(word, []).append((rank, name))
    return {word: sorted(matches) for word, matches in table.items() if word}


_BY_KEY: Final = {entity: _by_key(entity) for entity in WORDS}


def _settle(entity: Entity, keys: Sequence[str], chosen: _Chosen, mapped: Mapping[int, str]) -> None:
    """What only the company of the other columns tells."""
    taken = {index for ranked in chosen.values() for _, index in ranked} | mapped.keys()
    free = [index for index in range(len(keys)) if index not in taken]
    key_field = "contact_id" if entity == "employment" else "id"
    ids = [index for index in free if keys[index].endswith(("id", "key"))]
    if key_field not in chosen and ids == [0]:
        chosen[key_field] = [(0, 0)]  # "Bioguide ID" in front of everything
    if entity == "contacts":
        _settle_names(keys, chosen, mapped)
    if entity != "employment" and not chosen.keys() & {"city", "region", "country", "location"}:
        addresses = [i for i in free if keys[i] in ADDRESSES]
        if addresses:
            chosen["location"] = [(0, addresses[0])]


def _settle_names(keys: Sequence[str], chosen: _Chosen, mapped: Mapping[int, str]) -> None:
    """Headers "Name, Vorname" give a last name; "Nombre" or "Nom" alone the full one."""

    def only(name: str) -> int | None:
        ranked = chosen.get(name, [])
        return ranked[0][1] if len(ranked) == 1 and ranked[0][1] not in mapped else None

    full, first, last = only("full_name"), only("first_name"), only("last_name")
    if (
        full is not None
        and keys[full] in {"name", "kontakt"}
        and "first_name" in chosen
        and "last_name" not in chosen
    ):
        chosen["last_name"] = chosen.pop("full_name")
    elif (
        first is not None
        and keys[first] in {"nombre", "nome"}
        and not chosen.keys() & {"last_name", "full_name"}
    ):
        chosen["full_name"] = chosen.pop("first_name")
    elif last is not None and keys[last] == "nom" and not chosen.keys() & {"first_name", "full_name"}:
        chosen["full_name"] = chosen.pop("last_name")
    title = only("title")
    if title is not None and keys[title] == "titel" and "anrede" in keys:
        del chosen["title"]  # beside a salutation it is "Dr."
