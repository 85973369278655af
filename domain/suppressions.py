"""People and companies that must not come (back) into the catalogue, known by keyed hashes alone.

A hash is HMAC-SHA256 of the kind and the normalised value under the installation's own key, so the table
says nothing to whoever reads it, and a value can be recognised without being kept.
"""

from collections.abc import Collection, Iterable
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from core.errors import LeadFuelError
from core.settings import PrivacySettings
from domain import locks
from domain.marks import Kind, Mark, keyed_hash


class NoPrivacyKey(LeadFuelError):
    """Suppressed people cannot be recognised, because the installation has no key for the hashes."""

    slug = "no-privacy-key"
    title = "The key of the suppression list is not set"


def require_key(privacy: PrivacySettings) -> bytes:
    """The key of the hashes; without one nothing may enter the catalogue."""
    if not privacy.hash_key:
        raise NoPrivacyKey("LEADFUEL_PRIVACY_KEY is not set; suppressed people could not be recognised.")
    return privacy.hash_key.encode()


async def add(
    session: AsyncSession, *, privacy: PrivacySettings, kind: Kind, value: str, reason: str
) -> bool:
    """Suppress a value, spelled as records store it; whether it was new. Who carries it leaves the catalogue.

    It waits for a running merge: a batch that has looked at the list before must be committed, or the
    person it brings would be missed by the deletion.
    """
    await locks.hold(session, "contacts")
    await locks.hold(session, "organizations")
    row = await session.execute(
        text(
            "INSERT INTO suppressions (kind, keyed_hash, reason) VALUES (:kind, :hash, :reason)"
            " ON CONFLICT DO NOTHING RETURNING kind"
        ),
        {
            "kind": kind,
            "hash": keyed_hash(require_key(privacy), kind=kind, value=value),
            "reason": reason,
        },
    )
    if kind in _FORGETS:
        # What was asked and answered about them goes, too; that it was asked stays in the ledger.
        for statement in _FORGETS[kind]:
            await session.execute(text(statement), {"value": value.lower()})
    return row.first() is not None


async def suppressed(session: AsyncSession, marks: Iterable[Mark]) -> set[Mark]:
    """Those of the (kind, hash) pairs that are on the list."""
    wanted: Collection[Mark] = set(marks)
    if not wanted or not await session.scalar(text("SELECT EXISTS (SELECT FROM suppressions)")):
        return set()
    rows = await session.execute(
        text("SELECT kind, keyed_hash FROM suppressions WHERE keyed_hash = ANY(:hashes)"),
        {"hashes": [mark for _, mark in wanted]},
    )
    return {(kind, bytes(mark)) for kind, mark in rows} & set(wanted)


def _forgetting(of: str) -> tuple[str, ...]:
    """Statements that delete logs and requests whose address, by the SQL of the part compared, is :value."""
    statements = []
    for kind, table, column in (
        ("validate", "email_validation_logs", "email"),
        ("find", "email_finder_logs", "output_email"),
    ):
        logs = f"FROM {table} WHERE {of.format(column)} = :value"
        logged = f"log_id IN (SELECT id {logs})"
        statements += [
            # One that still waits ends when its turn comes, and gives back what was set aside.
            f"DELETE FROM email_requests WHERE due_at IS NULL AND kind = '{kind}' AND {logged}",  # noqa: S608
            f"DELETE {logs}",
        ]
    return tuple(statements)


_FORGETS: Final[dict[Kind, tuple[str, ...]]] = {
    "email": _forgetting("lower({})"),
    "domain": _forgetting("split_part(lower({}), '@', 2)"),
}
