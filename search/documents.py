"""The search documents: read from the tables as JSON, mapped without any analyzer, versioned by a hash.

PostgreSQL writes the JSON itself: a rebuild is as fast as the engine can take documents, and a page
answered by PostgreSQL shows exactly what the index would show. E-mail addresses and phone numbers are
not selected, so they cannot reach an index. Days are counted from 1970-01-01, instants in microseconds.
"""

import hashlib
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import orjson
from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncSession

from search.fields import FIELDS, Field
from search.request import Entity

# What a facet field holds when the record has no value: countable like any other, never a valid code.
MISSING: Final = ""
# The organization of a contact without one: always inside the bitmap of visible organizations.
NO_ORGANIZATION: Final = 0
# Stands for "no upper end" where a record's interval is open.
OPEN_END: Final = 2**31 - 1
OPEN_END_MONEY: Final = 2**62
# What a hit shows and nothing searches, and so nothing is explained by.
UNSEARCHED: Final = ("shown", "organization_shown")
# How many companies' shares of their people's documents are kept from page to page: some 100 MB.
KEPT_EMPLOYERS: Final = 100_000
# The field that carries a document's own hash, by which index and database are compared.
HASH_FIELD: Final = "doc_hash"
# Kept apart in the arrays of terms of past positions, so that a match never spans two positions.
POSITION_GAP: Final = 1_000

_SPECIAL: Final = {
    "contacts": {
        "point": "CASE WHEN c.latitude IS NOT NULL AND c.longitude IS NOT NULL"
        " THEN json_build_object('lat', c.latitude, 'lon', c.longitude) END",
        "past_title_terms": "past.title_terms",
        "past_company_keys": "past.company_keys",
    },
    "organizations": {
        "key": "o.id::text",
        "name_keys": "CASE WHEN o.id IS NOT NULL THEN array_prepend(o.name_key, o.alias_keys) END",
        "name_terms": "string_to_array("
        "nullif(concat_ws(' ', o.name_key, array_to_string(o.alias_keys, ' ')), ''), ' ')",
        "point": "CASE WHEN o.latitude IS NOT NULL AND o.longitude IS NOT NULL"
        " THEN json_build_object('lat', o.latitude, 'lon', o.longitude) END",
        "headcount": "coalesce(o.employees_max, o.employees_min)",
        "employees_min": "CASE WHEN o.employees_max IS NOT NULL THEN coalesce(o.employees_min, 0)"
        " ELSE o.employees_min END",
        "employees_max": f"CASE WHEN o.employees_min IS NOT NULL THEN coalesce(o.employees_max, {OPEN_END})"
        " ELSE o.employees_max END",
        "revenue_min": "CASE WHEN o.revenue_max IS NOT NULL THEN coalesce(o.revenue_min, 0)"
        " ELSE o.revenue_min END",
        "revenue_max": f"CASE WHEN o.revenue_min IS NOT NULL THEN coalesce(o.revenue_max, {OPEN_END_MONEY})"
        " ELSE o.revenue_max END",
    },
}

_EMPLOYER: Final = f"coalesce(c.organization_id, {NO_ORGANIZATION})"
_PAST: Final = """
    LEFT JOIN (
        SELECT e.contact_id,
               array_agg(array_to_string(e.title_terms, ' ') ORDER BY e.id)
                 FILTER (WHERE cardinality(e.title_terms) > 0) AS title_terms,
               array_agg(e.company_key ORDER BY e.id) FILTER (WHERE e.company_key <> '') AS company_keys
          FROM app.employment_history e
         WHERE e.contact_id = ANY(:ids) AND e.is_past
         GROUP BY e.contact_id
    ) past ON past.contact_id = c.id"""

# What a hit shows and nothing searches: columns of the table.
_SHOWN: Final = {
    "contacts": ("first_name", "last_name", "full_name", "title", "linkedin_url", "city_name"),
    "organizations": (
        "name",
        "aliases",
        "website",
        "linkedin_url",
        "city_name",
        "employees_min",
        "employees_max",
        "revenue_min",
        "revenue_max",
    ),
}
# And what of its company a contact's hit shows.
_COMPANY_SHOWN: Final = ("name", "city_name", "employees_min", "employees_max")


def value_sql(field: Field) -> str:
    """The SQL of a field's value as a document holds it (aliases: c for contacts, o for organizations)."""
    alias = "c" if field.scope == "contacts" else "o"
    sql = _SPECIAL[field.scope].get(field.name, f"{alias}.{field.name}")
    if field.kind == "instant":
        sql = f"(extract(epoch FROM {sql}) * 1000000)::bigint"
    elif field.kind == "day":
        sql = f"({sql} - DATE '1970-01-01')"
    elif field.facet and field.kind == "keyword":
        empty = f"ARRAY['{MISSING}']" if field.array else f"'{MISSING}'"
        sql = f"coalesce(nullif({sql}, '{{}}'), {empty})" if field.array else f"coalesce({sql}, {empty})"
    return sql


def _object(values: Mapping[str, str], *, returning: str = "text") -> str:
    """A JSON object of SQL expressions, without those that are NULL."""
    members = ", ".join(f"'{name}' VALUE {sql}" for name, sql in values.items())
    return f"JSON_OBJECT({members} ABSENT ON NULL RETURNING {returning})"


def _fields(scope: Entity, *, within: Entity) -> dict[str, str]:
    return {field.path(within): value_sql(field) for field in FIELDS[scope].values()}


def _shown(alias: str, columns: Sequence[str]) -> str:
    return _object({column: f"{alias}.{column}" for column in columns}, returning="json")


def _organizations() -> str:
    document = (
        {"id": "o.id"}
        | _fields("organizations", within="organizations")
        | {"shown": _shown("o", _SHOWN["organizations"])}
    )
    return f"SELECT o.id, o.id, {_object(document)} FROM app.organizations o WHERE o.id = ANY(:ids)"


def _contacts() -> str:
    person = (
        {"id": "c.id", "organization_id": _EMPLOYER}
        | _fields("contacts", within="contacts")
        | {"shown": _shown("c", _SHOWN["contacts"])}
    )
    return f"SELECT c.id, {_EMPLOYER}, {_object(person)} FROM app.contacts c{_PAST} WHERE c.id = ANY(:ids)"


def _employers() -> str:
    """What all people of a company share: three fifths of a document. There is one for no company, too."""
    shared = _fields("organizations", within="contacts") | {"organization_shown": _shown("o", _COMPANY_SHOWN)}
    return f"""
        SELECT employer, employer, {_object(shared)}
        FROM unnest(CAST(:ids AS integer[])) AS employer
        LEFT JOIN app.organizations o ON o.id = employer
    """


def _at_once(select: str) -> TextClause:
    """All rows of id, company and document as one.

    PostgreSQL sends rows in pieces of 8 KB, and each would wake the reader. A document has no line break of
    its own, for JSON escapes them.
    """
    return text(
        "SELECT array_agg(made.id), array_agg(made.company),"
        f" convert_to(string_agg(made.body, E'\\n'), 'UTF8') FROM ({select}) AS made (id, company, body)"
    )


_CONTACTS: Final = _at_once(_contacts())
_EMPLOYERS: Final = _at_once(_employers())
_ORGANIZATIONS: Final = _at_once(_organizations())
_READ: Final[Mapping[Entity, Sequence[TextClause]]] = {
    "contacts": (_CONTACTS, _EMPLOYERS),
    "organizations": (_ORGANIZATIONS,),
}


class Employer(NamedTuple):
    """What all people of a company share in their documents: the JSON without its braces, and its hash."""

    json: bytes
    hash: int


async def read_json(
    session: AsyncSession, entity: Entity, ids: Sequence[int], *, employers: dict[int, Employer] | None = None
) -> dict[int, bytes]:
    """The documents of the records that exist among `ids`, as JSON ready to be sent, with their hashes.

    Who reads many pages hands the same `employers` to each: what the people of a company share is kept there
    by company, up to `KEPT_EMPLOYERS` of them, and is not read again. Such documents may be as old as the
    first page, and are never to be taken for newer.
    """
    if entity == "organizations":
        found, _, opened = await _opened(session, _ORGANIZATIONS, ids)
        made = zip(found, opened, strict=True)
        return {ident: own + _stamp(_hash(own)) for ident, own in made}
    found, companies, opened = await _opened(session, _CONTACTS, ids)
    kept = {} if employers is None else employers
    shared = await _shared(session, set(companies), kept)
    documents = {}
    for ident, company, own in zip(found, companies, opened, strict=True):
        theirs, their_hash = shared[company]
        documents[ident] = b"".join((own, b", ", theirs, _stamp(_hash(own) ^ their_hash)))
    return documents


def content_hash(document: bytes) -> int:
    """The hash that the document bears as its last field, by which it is compared with the index."""
    return int(document[document.rindex(b":") + 1 : -1])


def _hash(part: bytes) -> int:
    """31 bits: what an integer field holds, and small enough for exact sums over millions."""
    return zlib.crc32(part) & 0x7FFF_FFFF


def _stamp(content_hash: int) -> bytes:
    return f', "{HASH_FIELD}": {content_hash}}}'.encode()


async def _shared(
    session: AsyncSession, companies: set[int], kept: dict[int, Employer]
) -> dict[int, Employer]:
    """What the people of each of the companies share."""
    shared = {company: kept[company] for company in companies & kept.keys()}
    if missing := companies - shared.keys():
        found, _, opened = await _opened(session, _EMPLOYERS, list(missing))
        read = {company: Employer(own[1:], _hash(own)) for company, own in zip(found, opened, strict=True)}
        if len(kept) + len(read) > KEPT_EMPLOYERS:
            kept.clear()
        kept |= read
        shared |= read
    return shared


async def _opened(
    session: AsyncSession, sql: TextClause, ids: Sequence[int]
) -> tuple[list[int], list[int], list[bytes]]:
    """Ids, companies and documents, without the closing brace of each."""
    found, companies, bodies = (await session.execute(sql, {"ids": list(ids)})).one()
    if found is None:
        return [], [], []
    opened = bodies.split(b"}\n")
    opened[-1] = opened[-1][:-1]
    return found, companies, opened


async def read(session: AsyncSession, entity: Entity, ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    """The documents of the records that exist among `ids`, without their hashes."""
    found = {i: orjson.loads(body) for i, body in (await read_json(session, entity, ids)).items()}
    for document in found.values():
        del document[HASH_FIELD]
    return found


_TYPES: Final[dict[str, dict[str, Any]]] = {
    "keyword": {"type": "keyword"},
    "integer": {"type": "integer"},
    "long": {"type": "long"},
    "day": {"type": "integer"},
    "instant": {"type": "long"},
    "boolean": {"type": "boolean"},
    "point": {"type": "geo_point"},
}


def _mapping(field: Field) -> dict[str, Any]:
    if field.name == "past_title_terms":
        # Our own terms, one position after the other: only the gap between positions needs a text field.
        return {
            "type": "text",
            "analyzer": "whitespace",
            "position_increment_gap": POSITION_GAP,
            "norms": False,
        }
    mapping = dict(_TYPES[field.kind])
    if field.facet and field.kind == "keyword":
        mapping["eager_global_ordinals"] = True
    return mapping


def mappings(entity: Entity) -> dict[str, Any]:
    """The mapping of an index: strict, so that a field nobody declared is an error and not a surprise."""
    properties = {f.path(entity): _mapping(f) for f in FIELDS[entity].values()}
    # Doc values only: bitmaps of visible ids are fastest, and right, on a field without an index.
    properties["id"] = {"type": "integer", "index": False}
    if entity == "contacts":
        properties |= {f.path(entity): _mapping(f) for f in FIELDS["organizations"].values()}
        properties["organization_id"] = {"type": "integer", "index": False}
        properties["organization_shown"] = {"type": "object", "enabled": False}
    properties["shown"] = {"type": "object", "enabled": False}
    properties[HASH_FIELD] = {"type": "integer", "index": False}
    return {"dynamic": "strict", "properties": properties}


def index_body(
    entity: Entity, *, shards: int = 1, replicas: int = 0, refresh_interval_ms: int = 500
) -> dict[str, Any]:
    """Settings and mappings of a new index.

    Sorted by freshness, the order of a search without free text: its pages come from the front of each
    segment. Deletes keep their version for an hour, so that a delayed bulk cannot bring a record back. A
    refresh does not wait for small segments to be merged first, by default up to ten seconds
    (`merge_on_flush`): they are merged in the background, and changes show at the interval asked for.
    """
    return {
        "settings": {
            "index": {
                "number_of_shards": shards,
                "number_of_replicas": replicas,
                "refresh_interval": f"{refresh_interval_ms}ms",
                "gc_deletes": "1h",
                "merge_on_flush.enabled": False,
                "max_result_window": 10_000,
                "sort.field": ["last_refreshed_at", "id"],
                "sort.order": ["desc", "asc"],
            }
        },
        "mappings": mappings(entity),
    }


def schema_hash(entity: Entity) -> str:
    """Eight hex digits that change when the mapping or the reading of a document changes."""
    shape = orjson.dumps([mappings(entity), [sql.text for sql in _READ[entity]]], option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(shape).hexdigest()[:8]


def search_alias(alias: str, schema_hash: str) -> str:
    """The alias that searches ask, beside the plain one: of a version of the documents.

    Whoever reads another version finds no index, and PostgreSQL answers; no document is ever misread.
    """
    return f"{alias}.{schema_hash}"
