"""What became of addresses that users were told: how often we were right, and how sure we had said to be.

The reports of users are the only measure of what no server proves. They are counted by the kind of proof an
answer rested on and by its pattern, and set against the confidence that was given.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from core.errors import LeadFuelError, NotFound
from core.ids import ContactId, UserId
from core.settings import PrivacySettings
from domain import reports, suppressions
from domain.finder.learning import Trial, figures
from domain.marks import keyed_hash
from domain.reports import NotUnlocked, Outcome

_BECAME_KNOWN: Final = "nothing was paid for the address of a contact"


class NothingToReport(LeadFuelError):
    """The request has no answer with an address, so nothing can have become of it."""

    status = 409
    slug = "nothing-to-report"
    title = "The request has no address"


@dataclass(frozen=True, slots=True)
class Noted:
    """What a report came to: the request it is about, and credits that come back."""

    request_id: UUID
    outcome: Outcome
    refunded: int
    because: str


async def report(
    session: AsyncSession,
    *,
    privacy: PrivacySettings,
    user_id: UserId,
    request_id: UUID | None,
    email: str | None,
    outcome: Outcome,
) -> Noted:
    """Note what became of the address of a request, or of the latest one that was answered with it.

    The first word counts. Raises `NotFound` and `NothingToReport`. Needs a session of the service.
    """
    found = await session.execute(
        text(
            """
            SELECT r.id, r.outcome, coalesce(f.output_email, v.email) AS email, f.contact_id
            FROM email_requests r
            LEFT JOIN email_finder_logs f ON r.kind = 'find' AND f.id = r.log_id
            LEFT JOIN email_validation_logs v ON r.kind = 'validate' AND v.id = r.log_id
            WHERE r.user_id = :user_id AND r.state = 'done'
              AND (r.id = :id OR (CAST(:id AS uuid) IS NULL
                   AND lower(coalesce(f.output_email, v.email)) = :email))
            -- What was found is asked about before what was only checked.
            ORDER BY r.kind, r.finished_at DESC LIMIT 1 FOR UPDATE OF r
            """
        ),
        {"user_id": user_id, "id": request_id, "email": (email or "").strip().lower()},
    )
    row = found.one_or_none()
    if row is None:
        raise NotFound("There is no such request of yours.")
    if row.email is None:
        raise NothingToReport("The request has found no address.")
    if row.outcome is not None:
        return Noted(row.id, row.outcome, 0, "you have reported this address before")
    mark = None
    if privacy.hash_key:
        mark = keyed_hash(suppressions.require_key(privacy), kind="email", value=row.email.lower())
    await session.execute(
        text(
            "UPDATE email_requests SET outcome = :outcome, reported_at = app.now(), reported_hash = :mark"
            " WHERE id = :id"
        ),
        {"id": row.id, "outcome": outcome, "mark": mark},
    )
    if row.contact_id is None:
        return Noted(row.id, outcome, 0, "noted")
    try:
        told = await reports.report(
            session,
            privacy=privacy,
            user_id=user_id,
            contact_id=ContactId(row.contact_id),
            email=row.email,
            outcome=outcome,
        )
    except (NotFound, NotUnlocked):
        return Noted(row.id, outcome, 0, _BECAME_KNOWN)
    return Noted(row.id, outcome, told.refunded, told.because)


async def live_figures(session: AsyncSession) -> dict[str, Any]:
    """How answers have done in the world: calibration of searches, shares by proof, pattern and verdict."""
    found = await session.execute(
        text(
            """
            SELECT r.kind, r.outcome, f.input_data -> 'answer' AS answer, v.smtp_result AS verdict
            FROM email_requests r
            LEFT JOIN email_finder_logs f ON r.kind = 'find' AND f.id = r.log_id
            LEFT JOIN email_validation_logs v ON r.kind = 'validate' AND v.id = r.log_id
            WHERE r.outcome IS NOT NULL
            """
        )
    )
    rows = found.all()
    searches = [row for row in rows if row.kind == "find" and row.answer]
    checks = [row for row in rows if row.kind == "validate" and row.verdict]
    trials = [
        Trial(row.answer["confidence"], _arrived(row), _arrived(row), row.answer["samples"], "reported")
        for row in searches
    ]
    told = figures(trials)
    return {
        "reports": len(rows),
        "searches": len(trials),
        "arrived": told.accuracy_at_1,
        "brier": told.brier,
        "ece": told.ece,
        "reliability": told.reliability,
        "by_source": _shares((_source(row.answer), row) for row in searches),
        "by_pattern": _shares((row.answer["pattern"] or "known", row) for row in searches),
        "by_verdict": _shares((row.verdict["is_reachable"], row) for row in checks),
    }


def _arrived(row: Row[Any]) -> bool:
    return bool(row.outcome != "bounced")


def _source(answer: Mapping[str, Any]) -> str:
    """What an answer rested on: the catalogue, or a pattern with or without a server's word."""
    if answer["status"] == "known":
        return "catalogue"
    return {"valid": "proved", "accept_all": "pattern, server takes all"}.get(
        answer["email_status"], "pattern, unproved"
    )


def _shares(rows: Iterable[tuple[str, Row[Any]]]) -> dict[str, dict[str, float]]:
    groups: dict[str, list[bool]] = defaultdict(list)
    for name, row in rows:
        groups[name].append(_arrived(row))
    return {
        name: {"reports": float(len(some)), "arrived": sum(some) / len(some)}
        for name, some in sorted(groups.items())
    }
