"""What the own catalogue knows of a person's company: its known addresses, whose they are, and which bounced.

Read in one short transaction; the talk with mail servers comes after it.
"""

from collections import Counter
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from core import clock
from core.errors import Invalid, LeadFuelError, NotFound
from core.ids import ContactId, UserId
from core.settings import PrivacySettings, ValidatorSettings
from core.text import fold
from domain import reports, suppressions
from domain.finder.learning import PER_COMPANY, Company, size_of
from domain.finder.model import PLAIN, Name, Sample, explanation
from domain.finder.names import BadName
from domain.finder.templates import renderings
from domain.marks import keyed_hash
from domain.validator import lists
from domain.validator.syntax import BadAddress, read_host
from search.companies import company_key

MAX_COLLEAGUES: Final = 200
_HALF_LIFE_DAYS: Final = 3 * 365
_SUPPRESSED_GUESSES: Final = 200
# The local parts that a name may have, all but for names of very many words; and numbers behind a taken one.
_GUESSES: Final = 2_000
_NUMBERS: Final = range(2, 10)


class Suppressed(LeadFuelError):
    """The person or the company has asked not to be processed."""

    status = 451
    slug = "not-to-be-processed"
    title = "This person has asked not to be processed"


@dataclass(frozen=True, slots=True)
class Query:
    """Whom to find: a contact of the catalogue, or a name at a domain or company."""

    contact_id: ContactId | None = None
    first_name: str = ""
    middle_name: str = ""
    last_name: str = ""
    domain: str = ""
    company: str = ""


@dataclass(frozen=True, slots=True)
class Known:
    """The address we have of the person already."""

    address: str
    status: str | None
    verified_at: datetime | None


@dataclass(frozen=True, slots=True)
class Case:
    """A person to find, and all that speaks for one address or against another."""

    name: Name
    domain: str
    country: str | None = None
    size: str | None = None
    contact_id: ContactId | None = None
    known: Known | None = None
    samples: tuple[Sample, ...] = ()
    # Local parts that are somebody else's, and those that are known to bounce.
    taken: frozenset[str] = frozenset()
    bounced: frozenset[str] = frozenset()


async def gather(
    session: AsyncSession,
    query: Query,
    *,
    user_id: UserId | None,
    privacy: PrivacySettings,
    settings: ValidatorSettings,
) -> Case:
    """The case of a query; raises `Invalid`, `NotFound` or `Suppressed`.

    What `user_id` has reported of addresses is believed at once; of others', only what several say.
    """
    person = await _contact(session, query.contact_id) if query.contact_id is not None else None
    name = _name(query, person)
    company = await _company(session, query, person)
    colleagues = await _colleagues(session, company.id if company else None)
    domain = _mail_domain(query, company, colleagues, settings)
    case = _case(name, domain, company, colleagues, person, settings)
    await _refuse_suppressed(session, case, person, privacy)
    return await _without_claimed(session, case, person, user_id, privacy)


def readable(query: Query) -> None:
    """Raises `Invalid` for a query that no catalogue could answer."""
    if query.contact_id is None:
        _name(query, None)
        if not query.domain and not query.company:
            raise _invalid("domain", "A domain or a company is needed.")
    if query.domain:
        _host(query.domain)


async def companies(
    session: AsyncSession, settings: ValidatorSettings, *, limit: int, since: datetime | None = None
) -> list[Company]:
    """Companies with their known addresses, to learn from; a few addresses of each.

    With `since`, those that have gained or changed one after it.
    """
    rows = await session.stream(
        text(
            """
            SELECT c.organization_id, o.country, coalesce(o.employees_max, o.employees_min) AS employees,
                   c.first_name, c.middle_name, c.last_name, c.email,
                   c.email_status, c.email_verified_at, c.last_refreshed_at, c.id
            FROM (SELECT organization_id FROM (
                      SELECT DISTINCT organization_id FROM contacts
                      WHERE organization_id IS NOT NULL AND email IS NOT NULL
                        AND (CAST(:since AS timestamptz) IS NULL OR updated_at > :since)) AS known
                  -- Any of them, and the same ones again.
                  ORDER BY hashint4(organization_id), organization_id LIMIT :limit) AS chosen
            JOIN organizations o ON o.id = chosen.organization_id
            CROSS JOIN LATERAL (
                SELECT * FROM contacts
                WHERE contacts.organization_id = chosen.organization_id AND email IS NOT NULL
                ORDER BY id LIMIT :per_company
            ) AS c
            ORDER BY c.organization_id, c.id
            """
        ),
        {"limit": limit, "per_company": PER_COMPANY * 2, "since": since},
    )
    return [company async for company in _grouped(rows, settings)]


async def _grouped(rows: Any, settings: ValidatorSettings) -> AsyncIterator[Company]:
    group: list[Row[Any]] = []
    async for row in rows:
        if group and group[0].organization_id != row.organization_id:
            yield _company_of(group, settings)
            group = []
        group.append(row)
    if group:
        yield _company_of(group, settings)


def _company_of(rows: list[Row[Any]], settings: ValidatorSettings) -> Company:
    domain = _most_frequent(rows, settings)
    samples = tuple(_samples(rows, domain, settings))[:PER_COMPANY]
    return Company(rows[0].country, samples, size_of(rows[0].employees))


def _samples(rows: Iterable[Row[Any]], domain: str | None, settings: ValidatorSettings) -> list[Sample]:
    """Addresses at the domain that teach its pattern: no bounced ones, no roles."""
    known = lists.load(settings.lists_folder)
    found = []
    for row in rows:
        local, _, host = row.email.lower().partition("@")
        if host != domain or row.email_status == "invalid" or local in known.role:
            continue
        if row.first_name and row.last_name:
            name = Name(row.first_name, row.middle_name or "", row.last_name)
            found.append(Sample(name, local.partition("+")[0], _weight(row)))
    return found


def _weight(row: Row[Any]) -> float:
    """Newer addresses count more, and proved ones a little more than those that are merely listed."""
    age_days = max((clock.now() - (row.email_verified_at or row.last_refreshed_at)).days, 0)
    fresh = float(0.5 ** (age_days / _HALF_LIFE_DAYS))
    return max(fresh, 0.1) * (1.0 if row.email_status == "valid" else 0.8)


def _most_frequent(rows: Iterable[Row[Any]], settings: ValidatorSettings) -> str | None:
    free = lists.load(settings.lists_folder).free
    hosts = Counter(
        host
        for row in rows
        if (host := row.email.rpartition("@")[2].lower()) not in free and row.email_status != "webmail"
    )
    return max(hosts, key=lambda host: (hosts[host], host)) if hosts else None


async def _contact(session: AsyncSession, contact_id: ContactId) -> Row[Any]:
    found = await session.execute(
        text(
            "SELECT id, organization_id, first_name, middle_name, last_name, email, email_status,"
            " email_verified_at FROM contacts WHERE id = :id"
        ),
        {"id": contact_id},
    )
    row = found.one_or_none()
    if row is None:
        raise NotFound("There is no such contact.")
    return row


def _name(query: Query, person: Row[Any] | None) -> Name:
    if person is not None:
        name = Name(person.first_name or "", person.middle_name or "", person.last_name or "")
    else:
        name = Name(query.first_name.strip(), query.middle_name.strip(), query.last_name.strip())
    try:
        made = renderings(name.first, name.middle, name.last)
    except BadName as problem:
        raise _invalid("last_name", f"The name {problem}.") from None
    if not made.locals(1):
        raise _invalid("last_name", "The name has no letters that an address could have.")
    return name


async def _company(session: AsyncSession, query: Query, person: Row[Any] | None) -> Row[Any] | None:
    columns = (
        "SELECT id, name, domain, country, coalesce(employees_max, employees_min) AS employees"
        " FROM organizations"
    )
    if person is not None and not query.domain and not query.company:
        if person.organization_id is None:
            raise _invalid("contact_id", "The contact has no company; name a domain.")
        where, values = "WHERE id = :id", {"id": person.organization_id}
    elif query.domain:
        where, values = "WHERE domain = :domain ORDER BY id LIMIT 2", {"domain": _host(query.domain)}
    elif query.company:
        key = company_key(query.company)
        where = "WHERE name_key = :key OR alias_keys @> ARRAY[:key] ORDER BY id LIMIT 2"
        values = {"key": key}
    else:
        raise _invalid("domain", "A domain or a company is needed.")
    rows = (await session.execute(text(f"{columns} {where}"), values)).all()
    if query.company and not query.domain and len(rows) != 1:
        many = "Several companies are called so; name the domain." if rows else "There is no such company."
        raise _invalid("company", many)
    return rows[0] if rows else None


async def _colleagues(session: AsyncSession, organization_id: int | None) -> list[Row[Any]]:
    if organization_id is None:
        return []
    found = await session.execute(
        text(
            "SELECT id, first_name, middle_name, last_name, email, email_status, email_verified_at,"
            " last_refreshed_at FROM contacts WHERE organization_id = :id AND email IS NOT NULL"
            " ORDER BY email_verified_at DESC NULLS LAST, id LIMIT :limit"
        ),
        {"id": organization_id, "limit": MAX_COLLEAGUES},
    )
    return list(found.all())


def _mail_domain(
    query: Query, company: Row[Any] | None, colleagues: list[Row[Any]], settings: ValidatorSettings
) -> str:
    """The domain that colleagues' addresses have, which may be another than the web site's."""
    told = _host(query.domain) if query.domain else None
    used = _most_frequent(colleagues, settings)
    domain = used or told or (company.domain if company else None)
    if domain is None:
        raise _invalid("company", "The company has no domain that we know; name one.")
    if domain in lists.load(settings.lists_folder).free:
        raise _invalid("domain", "A free mail provider's domain is nobody's company.")
    return str(domain)


def _case(
    name: Name,
    domain: str,
    company: Row[Any] | None,
    colleagues: list[Row[Any]],
    person: Row[Any] | None,
    settings: ValidatorSettings,
) -> Case:
    same = [row for row in colleagues if _is_same(row, name) and (person is None or row.id == person.id)]
    others = [row for row in colleagues if row not in same]
    known = next((row for row in same if row.email_status != "invalid"), None)
    if person is not None:
        known = person if person.email and person.email_status != "invalid" else None
    at_domain = [row for row in colleagues if row.email.lower().endswith(f"@{domain}")]
    # Whoever is found by name in the catalogue is that contact, paid for once.
    who = person or known
    return Case(
        name=name,
        domain=domain,
        country=company.country if company else None,
        size=size_of(company.employees) if company else None,
        contact_id=ContactId(who.id) if who is not None else None,
        known=Known(known.email, known.email_status, known.email_verified_at) if known else None,
        samples=tuple(_samples(others, domain, settings)),
        taken=frozenset(_local(row) for row in at_domain if row in others),
        bounced=frozenset(_local(row) for row in at_domain if row.email_status == "invalid"),
    )


async def _refuse_suppressed(
    session: AsyncSession, case: Case, person: Row[Any] | None, privacy: PrivacySettings
) -> None:
    """Whether any address that the person might have is on the list, or the whole domain."""
    if not privacy.hash_key:
        return
    key = suppressions.require_key(privacy)
    made = _guesses(case, _SUPPRESSED_GUESSES)
    addresses = [f"{local}@{case.domain}" for local in made if local not in case.taken]
    if person is not None and person.email:
        addresses.append(person.email.lower())
    marks = [("email", keyed_hash(key, kind="email", value=address)) for address in addresses]
    marks.append(("domain", keyed_hash(key, kind="domain", value=case.domain)))
    if await suppressions.suppressed(session, marks):
        raise Suppressed("This person, or the company, has asked not to be processed.")


async def _without_claimed(
    session: AsyncSession,
    case: Case,
    person: Row[Any] | None,
    user_id: UserId | None,
    privacy: PrivacySettings,
) -> Case:
    """The case with what the whole catalogue and all reports know of the addresses the person might have.

    They may be somebody's who is listed under another company, under none, or far down a long list.
    """
    if not privacy.hash_key:
        return case
    key = suppressions.require_key(privacy)

    def marks(locals_: Iterable[str]) -> dict[bytes, str]:
        return {keyed_hash(key, kind="email", value=f"{local}@{case.domain}"): local for local in locals_}

    made = _guesses(case, _GUESSES)
    guesses = marks(made)
    owned = [(guesses[bytes(row.email_hash)], row) for row in await _owners(session, guesses)]
    mine = [row for _, row in owned if _is_mine(row, case, person)]
    bounced = {local for local, row in owned if row.email_status == "invalid"}
    taken = case.taken | {local for local, row in owned if row not in mine}
    numbered = marks(f"{local}{number}" for local in made if local in taken for number in _NUMBERS)
    others = [row for row in await _owners(session, numbered) if row.id != case.contact_id]
    taken |= {numbered[bytes(row.email_hash)] for row in others}
    # Somebody found by the very address is that contact, as somebody found at the company is.
    found = (
        None if case.known or person else next((row for row in mine if row.email_status != "invalid"), None)
    )
    known = Known(found.email, found.email_status, found.email_verified_at) if found else case.known
    ours = keyed_hash(key, kind="email", value=known.address.lower()) if known else None
    reported = await _reported(session, [*guesses, *numbered, *([ours] if ours else [])], user_id)
    at_hand = guesses | numbered
    return replace(
        case,
        contact_id=ContactId(found.id) if found else case.contact_id,
        known=None if ours in reported else known,
        taken=taken,
        bounced=case.bounced | bounced | {at_hand[mark] for mark in reported if mark in at_hand},
    )


def _guesses(case: Case, limit: int) -> list[str]:
    """Local parts that the person might have, with what the company adds to names as well."""
    plain = renderings(case.name.first, case.name.middle, case.name.last).locals(limit)
    added = dict.fromkeys((PLAIN, *(explanation(sample).added for sample in case.samples)))
    return [one.to(local) for one in added for local in plain]


async def _owners(session: AsyncSession, marks: Iterable[bytes]) -> list[Row[Any]]:
    """The contacts that have one of these addresses."""
    found = await session.execute(
        text(
            "SELECT id, first_name, last_name, email, email_status, email_verified_at, email_hash"
            " FROM contacts WHERE email_hash = ANY(:marks) ORDER BY id"
        ),
        {"marks": list(marks)},
    )
    return list(found.all())


async def _reported(session: AsyncSession, marks: Iterable[bytes], user_id: UserId | None) -> set[bytes]:
    """Those of these addresses that bounced, by the word of the user or of enough others."""
    found = await session.scalars(
        text(
            """
            SELECT mark FROM (
                SELECT email_hash AS mark, user_id FROM contact_reports
                WHERE email_hash = ANY(:marks) AND outcome = 'bounced'
                UNION
                SELECT reported_hash, user_id FROM email_requests
                WHERE reported_hash = ANY(:marks) AND reported_hash IS NOT NULL AND outcome = 'bounced'
            ) AS told
            GROUP BY mark
            HAVING bool_or(user_id = CAST(:user_id AS uuid)) OR count(*) >= :witnesses
            """
        ),
        {"marks": list(marks), "user_id": user_id, "witnesses": reports.WITNESSES},
    )
    return {bytes(mark) for mark in found}


def _is_mine(row: Row[Any], case: Case, person: Row[Any] | None) -> bool:
    """Whether the owner of an address is whom we look for."""
    return row.id == case.contact_id or (person is None and _is_same(row, case.name))


def _is_same(row: Row[Any], name: Name) -> bool:
    return fold(row.first_name or "") == fold(name.first) and fold(row.last_name or "") == fold(name.last)


def _local(row: Row[Any]) -> str:
    return str(row.email.lower().partition("@")[0])


def _host(domain: str) -> str:
    bare = domain.strip().lower().removeprefix("https://").removeprefix("http://").removeprefix("www.")
    try:
        return read_host(bare.partition("/")[0])
    except BadAddress as problem:
        raise _invalid("domain", f"It {problem}.") from None


def _invalid(path: str, message: str) -> Invalid:
    return Invalid(message, errors=[{"path": path, "message": message}])
