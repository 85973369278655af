"""Rows about people into the catalogue: who is already there, who is new, who must not come back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession

from core import clock
from db.sessions import driver_connection
from domain import locks, suppressions
from domain.imports import employers, keys, merge
from domain.imports.identity import is_shared_mailbox, people_agree
from domain.imports.outcome import Outcome
from domain.imports.rows import ContactRow
from domain.imports.shapes import CONTACTS
from domain.imports.state import Run


@dataclass(slots=True)
class _Person:
    """Somebody whom an address may belong to: a record, or a row of this batch that will be one."""

    name: str
    record_id: int = 0
    new: merge.New | None = None

    @property
    def id(self) -> int:
        return self.new.record_id if self.new else self.record_id


@dataclass(slots=True)
class _Addresses:
    emails: dict[str, list[_Person]] = field(default_factory=dict)
    linkedin_urls: dict[str, list[_Person]] = field(default_factory=dict)

    def note(self, person: _Person, email: str | None, linkedin_url: str | None) -> None:
        if email:
            self.emails.setdefault(email, []).append(person)
        if linkedin_url:
            self.linkedin_urls.setdefault(linkedin_url, []).append(person)

    def find(self, row: ContactRow) -> _Person | None:
        """Who has one of the row's addresses, and a name that does not contradict the row's."""
        if row.linkedin_url:
            for person in self.linkedin_urls.get(row.linkedin_url, ()):
                if people_agree(person.name, row.name):
                    return person
        if row.email:
            shared = is_shared_mailbox(row.email)
            for person in self.emails.get(row.email, ()):
                if people_agree(person.name, row.name, shared_mailbox=shared):
                    return person
        return None


async def merge_contacts(
    session: AsyncSession, rows: Sequence[tuple[int, ContactRow]], *, run: Run
) -> Outcome:
    """Merge one batch of (place, row); deterministic in the order of the rows."""
    await locks.hold(session, "contacts")
    connection = await driver_connection(session)
    outcome = Outcome()
    today = clock.today()
    wanted = list(dict.fromkeys(key for _, row in rows for key in row.keys))
    known = await merge.known_keys(connection, CONTACTS, source=run.source_id, keys=wanted)
    names = await _names_behind(connection, rows, known)

    def agrees(row: ContactRow, record_id: int) -> bool:
        shared = row.email is not None and is_shared_mailbox(row.email)
        return people_agree(names.get(record_id, ""), row.name, shared_mailbox=shared)

    chosen, same = keys.choose(rows, known, run=run, agrees=agrees, outcome=outcome)
    await merge.touch(connection, CONTACTS, source=run.source_id, keys=same, today=today)
    if not chosen:
        return outcome
    banned = await suppressions.suppressed(session, (mark for _, row, _ in chosen for mark in row.marks))
    kept = []
    for place, row, key in chosen:
        if banned and not banned.isdisjoint(row.marks):
            outcome.counts["suppressed"] += 1
        else:
            kept.append((place, row, key))
    await locks.hold(session, "organizations")
    employer_ids = await employers.resolve(connection, [row for _, row, _ in kept], run=run, outcome=outcome)
    addresses = await _addresses(connection, [row for _, row, key in kept if key not in known])
    news: list[merge.New] = []
    about: list[tuple[ContactRow, str, _Person]] = []
    for _, row, key in kept:
        found = known.get(key)
        person = _Person(row.name, found.record_id) if found else addresses.find(row)
        if person is None:
            new = merge.New(row, key, employer_ids.get(row.employer) if row.employer else None)
            news.append(new)
            addresses.note(_Person(row.name, new=new), row.email, row.linkedin_url)
        else:
            about.append((row, key, person))
    if not run.dry_run:
        await merge.insert(connection, CONTACTS, news, source=run.source_id, today=today)
    changes = [
        merge.Change(
            record_id=person.id,
            key=key,
            statement=row.statement,
            digest=row.digest,
            raw=row.raw,
            known=key in known,
            employer_id=employer_ids.get(row.employer) if row.employer else None,
        )
        for row, key, person in about
        if person.id
    ]
    updated = await merge.apply(
        connection,
        CONTACTS,
        changes,
        source=run.source_id,
        manual=run.manual_id,
        hash_key=run.hash_key,
        today=today,
    )
    outcome.counts["created"] += len(news)
    outcome.counts["updated"] += sum(change.record_id in updated for change in changes)
    outcome.counts["unchanged"] += len(about) - sum(change.record_id in updated for change in changes)
    return outcome


async def find_by_address(connection: asyncpg.Connection, row: ContactRow) -> int | None:
    """The contact that has one of the row's addresses and a name that agrees."""
    found = (await _addresses(connection, [row])).find(row)
    return found.record_id if found else None


async def _names_behind(
    connection: asyncpg.Connection, rows: Sequence[tuple[int, ContactRow]], known: Mapping[str, merge.Known]
) -> dict[int, str]:
    """The names of the records behind keys that were made from addresses and names."""
    ids = {
        known[key].record_id
        for _, row in rows
        if not row.has_own_key
        for key in row.keys
        if key in known and known[key].digest != row.digest
    }
    if not ids:
        return {}
    found = await connection.fetch(
        "SELECT id, coalesce(name_search, '') FROM contacts WHERE id = ANY($1::int[])", list(ids)
    )
    return dict(map(tuple, found))


async def _addresses(connection: asyncpg.Connection, rows: Sequence[ContactRow]) -> _Addresses:
    """Who in the catalogue has one of the rows' addresses."""
    addresses = _Addresses()
    emails = [row.email for row in rows if row.email]
    urls = [row.linkedin_url for row in rows if row.linkedin_url]
    if not emails and not urls:
        return addresses
    found = await connection.fetch(
        """
        SELECT id, coalesce(name_search, '') AS name, lower(email) AS email, linkedin_url FROM contacts
         WHERE id IN (SELECT id FROM contacts WHERE lower(email) = ANY($1::text[])
                      UNION SELECT id FROM contacts WHERE linkedin_url = ANY($2::text[]))
         ORDER BY id
        """,
        emails,
        urls,
    )
    for row in found:
        addresses.note(_Person(row["name"], row["id"]), row["email"], row["linkedin_url"])
    return addresses
