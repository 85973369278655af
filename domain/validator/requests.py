"""A user asks whether an address is good: checked, paid where there is a verdict, and logged once.

A credit is set aside before the talk with the mail server and captured with the verdict and the log row,
in one transaction; `unknown` is free, and so is what the same user was told within its time.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID, uuid4

import orjson
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from core import clock
from core.errors import Invalid, LeadFuelError, NotFound
from core.ids import UserId
from core.prices import CREDITS
from core.settings import PrivacySettings, Settings
from db.sessions import SERVICE, Database
from domain import suppressions
from domain.credits import holds
from domain.marks import keyed_hash
from domain.validator.caches import lifetime_s
from domain.validator.syntax import Address, BadAddress, cache_key, read_address
from domain.validator.validate import Validator
from domain.validator.verdict import Verdict, as_cached, from_json

# Long enough for any talk; a process that dies in between leaves the credit to come back by itself.
_HOLD_LASTS: Final = timedelta(minutes=15)


class NotToBeProcessed(LeadFuelError):
    """The person behind the address has asked not to be processed."""

    status = 451
    slug = "address-not-to-be-processed"
    title = "This address may not be processed"


@dataclass(frozen=True, slots=True)
class Checked:
    """A verdict, the log row that keeps it, and what it cost."""

    id: int
    verdict: Verdict
    credits: int


async def check(
    db: Database,
    settings: Settings,
    validator: Validator,
    *,
    user_id: UserId,
    email: str,
    reference: UUID | None = None,
) -> Checked:
    """Check an address for a user; under the same `reference` it is the same answer at no further cost."""
    address = read(email)
    mailbox = cache_key(address)
    async with db.transaction(SERVICE) as session:
        await refuse_suppressed(session, settings.privacy, address)
        done = await _done(session, user_id=user_id, reference=reference)
        if done is not None:
            return done
        told = await _still_holding(session, user_id=user_id, mailbox=mailbox)
        if told is not None:
            verdict = as_cached(told, given=email.strip())
            return await _log(session, user_id=user_id, mailbox=mailbox, verdict=verdict, reference=reference)
        hold = await holds.reserve(
            session,
            user_id=user_id,
            amount=CREDITS["validate_email"],
            action="validate_email",
            reference=f"validate:{uuid4()}",
            lasts=_HOLD_LASTS,
        )
    try:
        verdict = await validator.validate(email)
    except BaseException:
        async with db.transaction(SERVICE) as session:
            await holds.void(session, hold_id=hold.id, why="the check did not end")
        raise
    async with db.transaction(SERVICE) as session:
        # Calls for one mailbox settle one after the other, so that only the first of them is charged.
        await session.execute(
            text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"), {"name": f"{user_id}:{mailbox}"}
        )
        done = await _done(session, user_id=user_id, reference=reference)
        if done is not None:
            await holds.void(session, hold_id=hold.id, why="done before")
            return done
        paid = 0
        told = await _still_holding(session, user_id=user_id, mailbox=mailbox)
        if verdict.is_reachable == "unknown" or told is not None:
            await holds.void(session, hold_id=hold.id, why="no verdict" if told is None else "told before")
        else:
            await holds.capture(session, hold_id=hold.id)
            paid = hold.credits
        await tell_contacts(session, settings.privacy, address, verdict)
        return await _log(
            session, user_id=user_id, mailbox=mailbox, verdict=verdict, reference=reference, paid=paid
        )


async def get(session: AsyncSession, *, user_id: UserId, check_id: int) -> Checked:
    """A check of this user by the id of its log row; raises `NotFound`."""
    found = await session.execute(
        text("SELECT id, smtp_result FROM email_validation_logs WHERE id = :id AND user_id = :user_id"),
        {"id": check_id, "user_id": user_id},
    )
    row = found.one_or_none()
    if row is None:
        raise NotFound("There is no such check.")
    return _checked(row)


def read(email: str) -> Address:
    """The address asked for; raises `Invalid`, before anything is asked or paid."""
    try:
        return read_address(email)
    except BadAddress as problem:
        message = f"The address {problem}."
        raise Invalid(message, errors=[{"path": "email", "message": message}]) from None


async def refuse_suppressed(session: AsyncSession, privacy: PrivacySettings, address: Address) -> None:
    """Raises `NotToBeProcessed` for an address or a domain on the suppression list."""
    if not privacy.hash_key:
        return
    key = suppressions.require_key(privacy)
    marks = [
        ("email", keyed_hash(key, kind="email", value=address.text.lower())),
        ("domain", keyed_hash(key, kind="domain", value=address.domain)),
    ]
    if await suppressions.suppressed(session, marks):
        raise NotToBeProcessed("The person behind this address has asked not to be processed.")


async def tell_contacts(
    session: AsyncSession, privacy: PrivacySettings, address: Address, verdict: Verdict
) -> None:
    """Give people with this address its new status; what was not learned changes nothing."""
    if verdict.is_reachable == "unknown" or verdict.cached or not privacy.hash_key:
        return
    mark = keyed_hash(suppressions.require_key(privacy), kind="email", value=address.text.lower())
    await session.execute(
        text(
            "UPDATE contacts SET email_status = :status, email_verified_at = :at, updated_at = app.now()"
            " WHERE email_hash = :mark AND lower(email) = :email"
            " AND (email_verified_at IS NULL OR email_verified_at < :at)"
        ),
        {
            "status": verdict.status,
            "at": verdict.checked_at,
            "mark": mark,
            "email": address.text.lower(),
        },
    )


async def _done(session: AsyncSession, *, user_id: UserId, reference: UUID | None) -> Checked | None:
    """What the call of this reference was answered, if it came so far."""
    if reference is None:
        return None
    found = await session.execute(
        text(
            "SELECT id, smtp_result FROM email_validation_logs"
            " WHERE user_id = :user_id AND smtp_result -> 'request' ->> 'reference' = :reference"
        ),
        {"user_id": user_id, "reference": str(reference)},
    )
    row = found.one_or_none()
    return None if row is None else _checked(row)


async def _still_holding(session: AsyncSession, *, user_id: UserId, mailbox: str) -> Verdict | None:
    """The verdict this user was given of the mailbox, if its time has not passed."""
    found = await session.execute(
        text(
            "SELECT id, smtp_result FROM email_validation_logs WHERE user_id = :user_id"
            " AND smtp_result -> 'request' ->> 'mailbox' = :mailbox"
            " AND smtp_result ->> 'is_reachable' <> 'unknown' ORDER BY id DESC LIMIT 1"
        ),
        {"user_id": user_id, "mailbox": mailbox},
    )
    row = found.one_or_none()
    if row is None:
        return None
    verdict = _checked(row).verdict
    age_s = (clock.now() - verdict.checked_at).total_seconds()
    return verdict if age_s < lifetime_s(verdict) else None


async def _log(
    session: AsyncSession,
    *,
    user_id: UserId,
    mailbox: str,
    verdict: Verdict,
    reference: UUID | None,
    paid: int = 0,
) -> Checked:
    """The one row of a call: the verdict as it was given, and what was asked."""
    request = {"mailbox": mailbox, "reference": reference, "credits": paid}
    row_id = await session.scalar(
        text(
            "INSERT INTO email_validation_logs (user_id, email, smtp_result)"
            " VALUES (:user_id, :email, CAST(:result AS jsonb)) RETURNING id"
        ),
        {
            "user_id": user_id,
            "email": verdict.syntax.normalized_email or verdict.input,
            "result": orjson.dumps(verdict.as_json() | {"request": request}).decode(),
        },
    )
    return Checked(int(row_id or 0), verdict, paid)


def _checked(row: Row[Any]) -> Checked:
    plain = dict(row.smtp_result)
    request = plain.pop("request")
    return Checked(row.id, from_json(plain), request["credits"])
