"""Whom we already have: by e-mail address, LinkedIn URL, or name and company, with how sure that is and why.

The function exists to say that a person is known, so it says so for a locked address, too: whoever asks has
the address already. It never returns one, and it tells no address from another: an e-mail address finds the
records that carry exactly it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from rapidfuzz import fuzz
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from core.errors import Invalid
from core.ids import ContactId
from core.text import clean, tokens
from domain.imports.identity import is_shared_mailbox, people_agree
from domain.imports.problems import ValueProblem
from domain.imports.values import email_key, read_domain, read_email, read_linkedin_url
from search.companies import company_key
from search.names import query_alternatives

MAX_QUERIES: Final = 100
MAX_CANDIDATES: Final = 10
_MAX_TEXT: Final = 300
# Below this nobody would call it the same person.
_LEAST: Final = 0.3


@dataclass(frozen=True, slots=True)
class Query:
    """What is known of somebody; an address, or a name with a company's name or domain."""

    email: str | None = None
    linkedin_url: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    name: str | None = None
    company: str | None = None
    domain: str | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """Somebody we have, who may be the one."""

    contact_id: ContactId
    confidence: float
    reasons: tuple[str, ...]


@dataclass(slots=True)
class _Wanted:
    """A query, normalised."""

    name: str
    email: str | None
    linkedin_url: str | None
    domain: str | None
    company: str | None


@dataclass(slots=True)
class _Found:
    """The grounds on which a record is a candidate."""

    grounds: list[tuple[float, str]] = field(default_factory=list)

    def confidence(self) -> float:
        doubt = 1.0
        for sureness, _ in self.grounds:
            doubt *= 1.0 - sureness
        return round(min(1.0 - doubt, 0.99), 2)


async def match(session: AsyncSession, queries: Sequence[Query]) -> list[list[Candidate]]:
    """The candidates of each query, the surest first; the session must be a service's. Raises `Invalid`."""
    wanted = _read(queries)
    found: list[dict[int, _Found]] = [{} for _ in wanted]
    await _by_address(session, wanted, found)
    await _by_company(session, wanted, found)
    return [_ranked(candidates) for candidates in found]


def _ranked(candidates: Mapping[int, _Found]) -> list[Candidate]:
    ranked = [
        Candidate(ContactId(number), found.confidence(), tuple(reason for _, reason in found.grounds))
        for number, found in candidates.items()
    ]
    ranked.sort(key=lambda candidate: (-candidate.confidence, candidate.contact_id))
    return [candidate for candidate in ranked if candidate.confidence >= _LEAST][:MAX_CANDIDATES]


def _read(queries: Sequence[Query]) -> list[_Wanted]:
    if len(queries) > MAX_QUERIES:
        raise Invalid(
            f"At most {MAX_QUERIES} people can be matched at once.",
            errors=[{"path": "queries", "message": f"There are {len(queries)}."}],
        )
    errors: list[dict[str, Any]] = []
    wanted = [_read_one(query, f"queries[{number}]", errors) for number, query in enumerate(queries)]
    if errors:
        raise Invalid("Some queries cannot be read.", errors=errors)
    return wanted


def _read_one(query: Query, path: str, errors: list[dict[str, Any]]) -> _Wanted:
    def read(name: str, reader: Any) -> str | None:
        given: str | None = getattr(query, name)
        if not given or not given.strip():
            return None
        try:
            return str(reader(given[:2000]))
        except ValueProblem as problem:
            errors.append({"path": f"{path}.{name}", "message": f"{given[:100]!r} {problem.reason}."})
            return None

    before = len(errors)
    parts = [query.name] if query.name else [query.first_name, query.last_name]
    wanted = _Wanted(
        name=" ".join(tokens(" ".join(part for part in parts if part)[:_MAX_TEXT])),
        email=read("email", lambda value: email_key(read_email(value))),
        linkedin_url=read("linkedin_url", lambda value: read_linkedin_url(value, "person")),
        domain=read("domain", read_domain),
        company=read("company", lambda value: company_key(clean(value[:_MAX_TEXT]))),
    )
    placed = wanted.name and (wanted.domain or wanted.company)
    if len(errors) == before and not (wanted.email or wanted.linkedin_url or placed):
        message = "An e-mail address, a LinkedIn URL, or a name with a company or domain is needed."
        errors.append({"path": path, "message": message})
    return wanted


async def _by_address(
    session: AsyncSession, wanted: Sequence[_Wanted], found: Sequence[dict[int, _Found]]
) -> None:
    rows = await session.execute(
        text(
            """
            SELECT id, coalesce(name_search, ''), lower(email), linkedin_url FROM contacts
             WHERE id IN (SELECT id FROM contacts WHERE lower(email) = ANY(:emails)
                          UNION SELECT id FROM contacts WHERE linkedin_url = ANY(:urls))
            """
        ),
        {
            "emails": [one.email for one in wanted if one.email],
            "urls": [one.linkedin_url for one in wanted if one.linkedin_url],
        },
    )
    for number, name, email, linkedin_url in rows:
        for one, candidates in zip(wanted, found, strict=True):
            if one.linkedin_url and one.linkedin_url == linkedin_url:
                agrees = people_agree(one.name, name)
                ground = (
                    (0.98, "same LinkedIn profile") if agrees else (0.6, "same LinkedIn profile, other name")
                )
                candidates.setdefault(number, _Found()).grounds.append(ground)
            if one.email and one.email == email:
                candidates.setdefault(number, _Found()).grounds.append(_email_ground(one, name))


def _email_ground(one: _Wanted, name: str) -> tuple[float, str]:
    shared = is_shared_mailbox(one.email or "")
    if one.name and not people_agree(one.name, name, shared_mailbox=shared):
        return 0.35, "same e-mail address, other name"
    if shared and not one.name:
        return 0.5, "same e-mail address, which several people may share"
    return 0.97, "same e-mail address"


async def _by_company(
    session: AsyncSession, wanted: Sequence[_Wanted], found: Sequence[dict[int, _Found]]
) -> None:
    """People of the company whose names can be the wanted one."""
    for one, candidates in zip(wanted, found, strict=True):
        if not one.name or not (one.domain or one.company):
            continue
        words = one.name.split()
        rows = await session.execute(
            text(
                """
                SELECT c.id, c.name_search, o.domain = :domain AS same_domain
                  FROM contacts c JOIN organizations o ON o.id = c.organization_id
                 WHERE o.id IN (SELECT id FROM organizations WHERE domain = :domain
                                UNION SELECT id FROM organizations WHERE name_key = :company
                                UNION SELECT id FROM organizations WHERE alias_keys @> ARRAY[:company])
                   AND c.name_search IS NOT NULL
                   AND (c.name_terms && :terms OR similarity(c.name_search, :name) > 0.35)
                 ORDER BY similarity(c.name_search, :name) DESC, c.id LIMIT 50
                """
            ),
            {
                "domain": one.domain,
                "company": one.company,
                "terms": list({term for word in words for term in query_alternatives(word)}),
                "name": one.name,
            },
        )
        for number, name, same_domain in rows:
            sureness, how = _name_ground(one.name, name)
            if sureness:
                where = "at the same domain" if same_domain else "at a company of the same name"
                sureness -= 0.0 if same_domain else 0.05
                candidates.setdefault(number, _Found()).grounds.append((sureness, f"{how} {where}"))


def _name_ground(wanted: str, name: str) -> tuple[float, str]:
    first, other = wanted.split(), tokens(name)
    if sorted(first) == sorted(other):
        return 0.9, "same name"
    if not people_agree(wanted, name, shared_mailbox=True):
        return (0.4, "similar name") if fuzz.token_sort_ratio(wanted, name) >= 85 else (0.0, "")
    if {first[0], first[-1]} == {other[0], other[-1]}:
        return 0.85, "same first and last name"
    return 0.7, "nickname, initial or other spelling of the name"
