"""Records that a person writes: the same reading as a file's rows, the source `manual`, errors by field.

What a person has set wins over every file from then on, an erased value included.
"""

from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Any, Final
from uuid import uuid4

import asyncpg
import orjson
from rapidfuzz import process
from sqlalchemy.ext.asyncio import AsyncSession

from core.errors import Invalid, LeadFuelError
from core.text import is_storable
from domain import suppressions
from domain.imports import merge
from domain.imports.reading import Reading
from domain.imports.shapes import Shape
from domain.marks import Mark

PLACE_FIELDS: Final = ("location", "city", "region", "country", "latitude", "longitude")
LIST_FIELDS: Final = frozenset({"aliases", "industry", "technologies", "keywords"})
_FIELD_OF: Final = {"organization_id": "organization", "founded": "founded_year"}
RANGE_FIELDS: Final = frozenset({"employees", "revenue"})


class Suppressed(LeadFuelError):
    """The person or company has asked not to be kept; the record cannot be written."""

    status = 409
    slug = "suppressed"
    title = "This record may not be kept"


class Duplicate(LeadFuelError):
    """The record is there already; `id` says which it is."""

    status = 409
    slug = "duplicate"
    title = "There is such a record already"


def check_fields(changes: Mapping[str, Any], allowed: Iterable[str]) -> None:
    """Refuse fields that records do not have, with the nearest ones that they do."""
    allowed = tuple(allowed)
    errors = [
        {
            "path": name,
            "message": "There is no such field.",
            "allowed": [near for near, *_ in process.extract(name, allowed, limit=3, score_cutoff=50)],
        }
        for name in changes
        if name not in allowed
    ]
    if errors:
        raise Invalid("The record has fields that are not known.", errors=errors)


def cells_of(changes: Mapping[str, Any]) -> dict[str, str]:
    """JSON values as the cells of a row; a null is no cell. Raises `Invalid` for values of a wrong type."""
    cells: dict[str, str] = {}
    errors: list[dict[str, Any]] = []
    for name, value in changes.items():
        if value is None:
            continue
        text, problem = _cell(name, value)
        if problem:
            errors.append({"path": name, "message": problem})
        elif not text.strip():
            errors.append({"path": name, "message": "It is empty; null erases a value."})
        elif not is_storable(text):
            errors.append({"path": name, "message": "It has characters that cannot be stored."})
        else:
            cells[name] = text
    if errors:
        raise Invalid("Some values cannot be read.", errors=errors)
    return cells


def _cell(name: str, value: Any) -> tuple[str, str | None]:
    """The text of a value, or what is wrong with it."""
    if isinstance(value, str):
        return value, None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value), None
    if name in LIST_FIELDS and isinstance(value, list | tuple):
        are_texts = all(isinstance(item, str) for item in value)
        return (
            (orjson.dumps(list(value)).decode(), None) if are_texts else ("", "It must be a list of texts.")
        )
    if name in RANGE_FIELDS and isinstance(value, Mapping):
        return _range(value)
    return "", "It has a type that this field does not take."


def _range(value: Mapping[str, Any]) -> tuple[str, str | None]:
    """{"min": 50, "max": 200, "currency": "EUR"} as a person would write it."""
    least, most, currency = value.get("min"), value.get("max"), value.get("currency") or ""
    if not all(bound is None or (isinstance(bound, int) and bound >= 0) for bound in (least, most)):
        return "", "min and max must be whole numbers."
    if least is None and most is None:
        return "", "It needs min or max."
    if least is not None and most is not None and least > most:
        return "", "min is greater than max."
    if most is None:
        return f"{currency} {least}+".strip(), None
    return f"{currency} {least or 0}-{most}".strip(), None


def refuse_problems(reading: Reading) -> None:
    """What a file's row would lose with a remark, a person is told."""
    errors = [
        {"path": problem.cell, "message": f"{problem.value!r} {problem.reason}."}
        for problem in reading.problems
        if not problem.is_kept
    ]
    if errors:
        raise Invalid("Some values cannot be read.", errors=errors)


def with_place(changes: Mapping[str, Any], current: Mapping[str, Any]) -> dict[str, Any]:
    """The changes with the parts of the place that they leave alone; a new city may be in another region."""
    told = {name for name in PLACE_FIELDS if name in changes}
    if not told or "location" in told:
        return dict(changes)
    kept = {"country": current["country"], "region": current["region"], "city": current["city_name"]}
    if "country" in changes or changes.get("city"):
        kept.pop("region")
    if "country" in changes or "region" in changes:
        kept.pop("city")
    return {name: value for name, value in kept.items() if value is not None} | dict(changes)


def erased_fields(changes: Mapping[str, Any], reading: Reading) -> frozenset[str]:
    """The fields of the record that the nulls erase."""
    named = {name for name, value in changes.items() if value is None}
    erased = {_FIELD_OF.get(name, name) for name in named - set(PLACE_FIELDS)}
    if named & set(PLACE_FIELDS) and "location" not in reading.values:
        erased.add("location")
    if "website" in named and "domain" not in reading.values and "domain" not in changes:
        erased.add("domain")
    return frozenset(erased)


async def refuse_suppressed(session: AsyncSession, marks: Iterable[Mark]) -> None:
    found = await suppressions.suppressed(session, marks)
    if found:
        kinds = ", ".join(sorted({kind for kind, _ in found}))
        raise Suppressed(f"The {kinds} is on the suppression list.", kinds=kinds)


def new_key() -> str:
    return f"manual:{uuid4()}"


def digest_of(statement: bytes) -> bytes:
    return blake2b(statement, digest_size=16).digest()


async def change_of(
    connection: asyncpg.Connection,
    shape: Shape,
    *,
    record_id: int,
    manual: int,
    reading: Reading,
    erased: frozenset[str],
    employer_id: int | None = None,
) -> merge.Change:
    """The change that a person's edit is, under the key by which earlier edits of the record are kept."""
    key = await connection.fetchval(
        f"SELECT source_key FROM {shape.sources}"  # noqa: S608 - from the shape
        f" WHERE source_id = $1 AND {shape.record_column} = $2 ORDER BY source_key LIMIT 1",
        manual,
        record_id,
    )
    statement = orjson.dumps(reading.values, option=orjson.OPT_SORT_KEYS)
    return merge.Change(
        record_id=record_id,
        key=key or new_key(),
        statement=statement,
        digest=digest_of(statement),
        raw=reading.raw,
        known=key is not None,
        employer_id=employer_id,
        erased=erased,
    )
