"""A row of a file as the merge wants it: its statement, its keys, and its columns ready for COPY.

Pure functions over one row, without a database, so that they run in processes of their own. A value that
cannot be read is dropped and reported while its row stays; a row that identifies nobody is rejected.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Final, NamedTuple

import orjson

from core.text import clean
from domain.imports import copytext, hosts, record
from domain.imports.identity import Location
from domain.imports.reading import NO_EXTRAS, Habits, Problem, Reading, read_contact, read_organization
from domain.imports.shapes import CONTACTS, DERIVED, ORGANIZATIONS, Shape
from domain.imports.values import ValueProblem, email_key, read_domain
from domain.marks import Mark, keyed_hash
from search.companies import company_key

_MAX_KEY: Final = 500
_MAX_NAME_KEY: Final = 1000


class RowRejected(Exception):
    """The whole row is of no use; the text says why."""


@dataclass(frozen=True, slots=True)
class Context:
    """What is the same for every row of a run."""

    source_id: int
    hash_key: bytes
    habits: Habits = field(default_factory=Habits)


class Employer(NamedTuple):
    """The company that a contact's row names."""

    key: str | None
    name: str | None
    name_key: str | None
    domain: str | None
    # The host of the person's own address: a hint, for it may be another company's.
    email_domain: str | None
    website: str | None
    linkedin_url: str | None


class ContactRow(NamedTuple):
    keys: tuple[str, ...]
    has_own_key: bool
    digest: bytes
    statement: bytes
    raw: dict[str, str]
    cells: str
    marks: tuple[Mark, ...]
    problems: tuple[Problem, ...]
    name: str
    email: str | None
    linkedin_url: str | None
    employer: Employer | None
    country: str | None


class OrganizationRow(NamedTuple):
    keys: tuple[str, ...]
    has_own_key: bool
    digest: bytes
    statement: bytes
    raw: dict[str, str]
    cells: str
    marks: tuple[Mark, ...]
    problems: tuple[Problem, ...]
    name_key: str
    alias_keys: tuple[str, ...]
    domain: str | None
    linkedin_url: str | None
    location: Location
    terms: tuple[tuple[str, str, str], ...]


def contact_row(
    cells: Mapping[str, str], context: Context, extras: Mapping[str, str] = NO_EXTRAS
) -> ContactRow:
    """Read a person; raises `RowRejected` when the row identifies nobody."""
    reading = read_contact(cells, context.habits, extras)
    return contact_row_of(reading, own_key=_own_key(cells), context=context)


def contact_row_of(reading: Reading, *, own_key: str | None, context: Context) -> ContactRow:
    values = reading.values
    columns = record.contact_columns(values, hash_key=context.hash_key)
    name = columns["name_search"] or ""
    email = email_key(values["email"]) if "email" in values else None
    linkedin_url = values.get("linkedin_url")
    employer = employer_of(values.get("organization", {}), email=email)
    keys = [own_key] if own_key else _contact_keys(name, email, linkedin_url, values.get("phone"), employer)
    if not keys:
        raise RowRejected("the row has no name, no address and no key: it identifies nobody")
    statement, digest = _statement(values, reading.raw)
    marks = [
        (kind, columns[column])
        for kind, column in (("email", "email_hash"), ("phone", "phone_hash"), ("linkedin", "linkedin_hash"))
        if columns[column]
    ]
    hosts_named = {employer.domain, employer.email_domain} - {None} if employer else set()
    marks += [
        ("domain", keyed_hash(context.hash_key, kind="domain", value=host)) for host in hosts_named if host
    ]
    return ContactRow(
        keys=tuple(keys) if own_key else (*keys, _last_key(digest)),
        has_own_key=own_key is not None,
        digest=digest,
        statement=statement,
        raw=reading.raw,
        cells=cells_of(
            CONTACTS,
            columns,
            values=values,
            raw=reading.raw,
            statement=statement,
            digest=digest,
            source_id=context.source_id,
        ),
        marks=tuple(marks),
        problems=tuple(reading.problems),
        name=name,
        email=email,
        linkedin_url=linkedin_url,
        employer=employer,
        country=columns["country"],
    )


def organization_row(
    cells: Mapping[str, str], context: Context, extras: Mapping[str, str] = NO_EXTRAS
) -> OrganizationRow:
    """Read a company; raises `RowRejected` when the row identifies none."""
    reading = read_organization(cells, context.habits, extras)
    return organization_row_of(reading, own_key=_own_key(cells), context=context)


def organization_row_of(reading: Reading, *, own_key: str | None, context: Context) -> OrganizationRow:
    values = reading.values
    domain = values.get("domain")
    if "name" not in values:
        if domain is None:
            raise RowRejected("the row has no name and no domain: it identifies nobody")
        values["name"] = domain
    columns = record.organization_columns(values, hash_key=context.hash_key)
    place = Location(*(columns[part] for part in ("country", "region", "city", "latitude", "longitude")))
    statement, digest = _statement(values, reading.raw)
    keys = [own_key] if own_key else organization_keys(columns["name_key"], domain, place)
    return OrganizationRow(
        keys=tuple(keys) if own_key else (*keys, _last_key(digest)),
        has_own_key=own_key is not None,
        digest=digest,
        statement=statement,
        raw=reading.raw,
        cells=cells_of(
            ORGANIZATIONS,
            columns,
            values=values,
            raw=reading.raw,
            statement=statement,
            digest=digest,
            source_id=context.source_id,
        ),
        marks=(("domain", keyed_hash(context.hash_key, kind="domain", value=domain)),) if domain else (),
        problems=tuple(reading.problems),
        name_key=columns["name_key"],
        alias_keys=tuple(columns["alias_keys"]),
        domain=domain,
        linkedin_url=values.get("linkedin_url"),
        location=place,
        terms=tuple(record.vocabulary_terms(values)),
    )


def cells_of(
    shape: Shape,
    columns: record.Columns,
    *,
    values: Mapping[str, Any],
    raw: Mapping[str, str],
    statement: bytes,
    digest: bytes,
    source_id: int,
) -> str:
    """The row's cells of the staging table, without its ordinal, its employer and its key."""
    return "\t".join(
        (
            encode(shape, columns),
            copytext.text(statement.decode()),
            copytext.json(raw) if raw else "{}",
            copytext.binary(digest),
            _provenance(tuple(values), source_id),
        )
    )


def encode(shape: Shape, columns: record.Columns) -> str:
    """The columns of a record in the order of its shape; a contact's organization is put before them."""
    skipped = 1 if shape is CONTACTS else 0
    return copytext.line([columns[column] for column in shape.columns[skipped:]], shape.encoders[skipped:])


@lru_cache(maxsize=4096)
def _provenance(fields: tuple[str, ...], source_id: int) -> str:
    return copytext.json({field: source_id for field in fields if field not in DERIVED})


def _statement(values: Mapping[str, Any], raw: Mapping[str, str]) -> tuple[bytes, bytes]:
    """What the row says as JSON, and its digest: equal digests mean that nothing changed."""
    statement = orjson.dumps(values, option=orjson.OPT_SORT_KEYS)
    raw_text = orjson.dumps(raw, option=orjson.OPT_SORT_KEYS) if raw else b"{}"
    return statement, blake2b(statement + b"\n" + raw_text, digest_size=16).digest()


def _own_key(cells: Mapping[str, str]) -> str | None:
    key = cells.get("id")
    return (clean(key)[:_MAX_KEY] or None) if key else None


def employer_of(named: Mapping[str, str], *, email: str | None) -> Employer | None:
    """The company that a row names, with what the person's address hints at."""
    host = _company_host(email.partition("@")[2]) if email else None
    if not named and not host:
        return None
    name = named.get("name")
    return Employer(
        key=named.get("key"),
        name=name,
        name_key=company_key(name)[:_MAX_NAME_KEY] if name else None,
        domain=named.get("domain"),
        email_domain=host,
        website=named.get("website"),
        linkedin_url=named.get("linkedin_url"),
    )


@lru_cache(maxsize=4096)
def _company_host(host: str) -> str | None:
    """The domain behind an address's host, unless it is a mail provider's."""
    try:
        domain = read_domain(host)
    except ValueProblem:
        return None
    return None if hosts.is_another(domain, "") else domain


def _last_key(digest: bytes) -> str:
    """The key of a row that has none of its own and whose every other key an earlier row has taken."""
    return f"row:{digest.hex()}"


def _contact_keys(
    name: str, email: str | None, linkedin_url: str | None, phone: str | None, employer: Employer | None
) -> list[str]:
    """The keys by which a row without an id of its own may be known, the surest first."""
    keys = []
    if linkedin_url:
        keys.append(f"linkedin:{linkedin_url}")
    if email:
        keys.append(f"email:{email}")
    if name:
        company = (employer.key or employer.name_key or employer.domain or "") if employer else ""
        keys.append(f"name:{name[:_MAX_KEY]}|{company[:_MAX_KEY]}")
    elif phone:
        keys.append(f"phone:{phone}")
    return keys


def organization_keys(name_key: str, domain: str | None, place: Location) -> list[str]:
    """The keys by which a company without an id of its own may be known, the surest first."""
    keys = [f"domain:{domain}"] if domain else []
    keys.append(f"name:{name_key[:_MAX_KEY]}")
    where = "|".join(part for part in (place.country, place.region, place.city) if part)
    if where:
        keys.append(f"name:{name_key[:_MAX_KEY]}|{where}")
    return keys


def cells_without_site(row: OrganizationRow, context: Context) -> str:
    """The cells of a row whose domain and website are not its company's; the statement keeps them."""
    values = {
        name: value
        for name, value in orjson.loads(row.statement).items()
        if name not in {"domain", "website"}
    }
    return cells_of(
        ORGANIZATIONS,
        record.organization_columns(values, hash_key=context.hash_key),
        values=values,
        raw=row.raw,
        statement=row.statement,
        digest=row.digest,
        source_id=context.source_id,
    )
