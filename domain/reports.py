"""What became of an address that somebody has unlocked: it bounced, or somebody replied.

A bounce soon after it was paid gives the credits back, once, and counts against the source of the address. It
is one person's word: so it is believed for so many of their addresses, and changes the address for others
only when somebody else says the same.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from core.errors import LeadFuelError, NotFound
from core.ids import ContactId, UserId
from core.settings import PrivacySettings
from domain import suppressions
from domain.credits import movements
from domain.credits.months import open_account
from domain.marks import keyed_hash

Outcome = Literal["bounced", "replied", "delivered"]

REFUNDED_WITHIN: Final = timedelta(days=30)
# Of the addresses unlocked in that time, so many may bounce and be refunded without anybody looking.
BELIEVED_SHARE: Final = 0.2
BELIEVED_AT_LEAST: Final = 5
# So many people must say so before an address is dead for everybody.
WITNESSES: Final = 2


class NotUnlocked(LeadFuelError):
    """Only who has unlocked an address can say what became of it."""

    status = 409
    slug = "not-unlocked"
    title = "The address is not unlocked"


@dataclass(frozen=True, slots=True)
class Told:
    """What a report came to."""

    outcome: Outcome
    refunded: int
    because: str


@dataclass(frozen=True, slots=True)
class SourceRecord:
    """How the addresses of a source have done."""

    source: str
    addresses: int
    bounced: int
    replied: int
    refunded: int


async def report(
    session: AsyncSession,
    *,
    privacy: PrivacySettings,
    user_id: UserId,
    contact_id: ContactId,
    email: str | None,
    outcome: Outcome,
) -> Told:
    """Note what became of an address; the first word of a person about it counts.

    Raises `NotFound` and `NotUnlocked`. Needs a session of the service.
    """
    await open_account(session, user_id=user_id)
    found = await session.execute(
        text(
            """
            SELECT c.email_hash, CAST(c.provenance ->> 'email' AS smallint) AS source_id,
                   u.created_at AS unlocked_at,
                   u.created_at > app.now() - CAST(:within AS interval) AS is_recent
            FROM app.contacts AS c
            LEFT JOIN app.unlocks AS u
                ON u.contact_id = c.id AND u.user_id = :user_id AND u.field = 'email'
            WHERE c.id = :id FOR KEY SHARE OF c
            """
        ),
        {"id": contact_id, "user_id": user_id, "within": REFUNDED_WITHIN},
    )
    row = found.one_or_none()
    if row is None:
        raise NotFound(f"There is no person {contact_id}.")
    if row.unlocked_at is None:
        raise NotUnlocked("You have not unlocked this address.")
    present = bytes(row.email_hash) if row.email_hash is not None else None
    mark = present
    if email is not None:
        key = suppressions.require_key(privacy)
        mark = keyed_hash(key, kind="email", value=email.strip().lower())
    if mark is None:
        raise NotFound("There is no address of this person to report; name it.")
    is_new = await session.scalar(
        text(
            """
            INSERT INTO app.contact_reports (user_id, contact_id, email_hash, outcome, source_id)
            VALUES (:user_id, :contact_id, :mark, :outcome, :source_id)
            ON CONFLICT (user_id, contact_id, email_hash) DO NOTHING RETURNING true
            """
        ),
        {
            "user_id": user_id,
            "contact_id": contact_id,
            "mark": mark,
            "outcome": outcome,
            "source_id": row.source_id if mark == present else None,
        },
    )
    if not is_new:
        return Told(outcome, 0, "you have reported this address before")
    if outcome != "bounced":
        return Told(outcome, 0, "noted")
    if mark != present:
        return Told(outcome, 0, "the address has been replaced meanwhile")
    await _bury(session, contact_id=contact_id, mark=mark)
    if not row.is_recent:
        return Told(outcome, 0, f"it was unlocked more than {REFUNDED_WITHIN.days} days ago")
    return await _give_back(session, user_id=user_id, contact_id=contact_id, mark=mark)


async def by_source(session: AsyncSession) -> list[SourceRecord]:
    """How the addresses of each source have done, the worst first."""
    found = await session.execute(
        text(
            """
            SELECT s.name, count(DISTINCT r.contact_id) AS addresses,
                   count(*) FILTER (WHERE r.outcome = 'bounced') AS bounced,
                   count(*) FILTER (WHERE r.outcome = 'replied') AS replied,
                   sum(r.credits) AS refunded
            FROM app.contact_reports AS r JOIN app.sources AS s ON s.id = r.source_id
            GROUP BY s.name ORDER BY bounced DESC, s.name
            """
        )
    )
    return [SourceRecord(row[0], row[1], row[2], row[3], int(row[4])) for row in found]


async def _give_back(session: AsyncSession, *, user_id: UserId, contact_id: ContactId, mark: bytes) -> Told:
    """Give back what a bounced address has cost, as long as its reporter is believed."""
    if not await _is_believed(session, user_id=user_id):
        return Told("bounced", 0, "so many were refunded that somebody has to look at it first")
    refunded = await _refund(session, user_id=user_id, contact_id=contact_id)
    if not refunded:
        return Told("bounced", 0, "it has cost nothing, or was refunded before")
    await session.execute(
        text(
            "UPDATE app.contact_reports SET credits = :credits"
            " WHERE user_id = :user_id AND contact_id = :contact_id AND email_hash = :mark"
        ),
        {"credits": refunded, "user_id": user_id, "contact_id": contact_id, "mark": mark},
    )
    return Told("bounced", refunded, "refunded")


async def _is_believed(session: AsyncSession, *, user_id: UserId) -> bool:
    found = await session.execute(
        text(
            """
            SELECT (SELECT count(*) FROM app.contact_reports
                    WHERE user_id = :user_id AND credits > 0
                      AND created_at > app.now() - CAST(:within AS interval)),
                   (SELECT count(*) FROM app.unlocks
                    WHERE user_id = :user_id AND field = 'email'
                      AND created_at > app.now() - CAST(:within AS interval))
            """
        ),
        {"user_id": user_id, "within": REFUNDED_WITHIN},
    )
    refunded, unlocked = found.one()
    return bool(refunded < max(BELIEVED_AT_LEAST, unlocked * BELIEVED_SHARE))


async def _refund(session: AsyncSession, *, user_id: UserId, contact_id: ContactId) -> int:
    """Give back what the address has cost: by unlocking it, or by finding it."""
    references = await session.scalars(
        text(
            """
            SELECT reference FROM app.credit_ledger
            WHERE user_id = :user_id AND contact_id = :contact_id
              AND ((kind = 'spent' AND action = 'unlock_email')
                OR (kind = 'captured' AND action = 'email_finder'))
            ORDER BY id DESC LIMIT 1
            """
        ),
        {"user_id": user_id, "contact_id": contact_id},
    )
    reference = references.one_or_none()
    if reference is None:
        return 0
    before = await session.scalar(
        text(
            "SELECT EXISTS (SELECT FROM app.credit_ledger"
            " WHERE user_id = :user_id AND kind = 'refunded' AND reference = :reference)"
        ),
        {"user_id": user_id, "reference": reference},
    )
    if before:
        return 0
    entry = await movements.refund(session, user_id=user_id, reference=reference, reason="The mail bounced")
    return entry.delta if entry else 0


async def _bury(session: AsyncSession, *, contact_id: ContactId, mark: bytes) -> None:
    """Call an address dead once enough people have written to it in vain."""
    await session.execute(
        text(
            """
            UPDATE app.contacts SET email_status = 'invalid', email_verified_at = app.now(),
                                    updated_at = app.now()
            WHERE id = :id AND email_hash = :mark AND email_status IS DISTINCT FROM 'invalid'
              AND (SELECT count(DISTINCT user_id) FROM app.contact_reports
                   WHERE contact_id = :id AND email_hash = :mark AND outcome = 'bounced') >= :witnesses
            """
        ),
        {"id": contact_id, "mark": mark, "witnesses": WITNESSES},
    )
