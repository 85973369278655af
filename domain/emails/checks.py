"""Checking an address for a user: a verdict costs a credit, `unknown` and what was told before nothing."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from core import clock
from core.errors import Invalid, LeadFuelError
from core.ids import UserId
from core.prices import Action
from core.settings import PrivacySettings, Settings
from db.sessions import SERVICE, Database, driver_connection
from domain import suppressions
from domain.emails import asking
from domain.emails.asking import Outcome
from domain.emails.requests import Kind, Request
from domain.imports import merge
from domain.marks import keyed_hash
from domain.validator.caches import lifetime_s
from domain.validator.syntax import Address, BadAddress, cache_key, read_address
from domain.validator.validate import Validator
from domain.validator.verdict import Verdict, as_cached, from_json, unfinished
from domain.webhooks import announcing

SOURCE: Final = "validator"
# What a caller is told of a request that the worker goes on with.
LOOK_AGAIN_AFTER: Final = timedelta(seconds=5)


class NotToBeProcessed(LeadFuelError):
    """The person behind the address has asked not to be processed."""

    status = 451
    slug = "address-not-to-be-processed"
    title = "This address may not be processed"


@dataclass(frozen=True, slots=True)
class Checked:
    """A check and its verdict, which is provisional as long as the request is not over."""

    request: Request
    verdict: Verdict


async def check(
    db: Database,
    settings: Settings,
    validator: Validator,
    *,
    user_id: UserId,
    email: str,
    reference: UUID | None = None,
) -> Checked:
    """Check an address while the caller waits; the same `reference` is the same check."""
    address = read(email)
    request = await asking.at_once(
        db,
        Checks(settings, validator),
        user_id=user_id,
        given={"email": email.strip()},
        subject=cache_key(address),
        reference=reference,
        within_s=settings.validator.caller_timeout_s,
    )
    async with db.transaction(SERVICE, read_only=True) as session:
        return Checked(request, await verdict_of(session, request))


async def verdict_of(session: AsyncSession, request: Request) -> Verdict:
    """The verdict of a check as it is logged, or one that says that there is none yet."""
    kept = await session.scalar(
        text("SELECT smtp_result FROM email_validation_logs WHERE id = :id"), {"id": request.log_id}
    )
    if kept is not None:
        return from_json(kept)
    return unfinished(request.input["email"], at=clock.now(), again_at=clock.now() + LOOK_AGAIN_AFTER)


def read(email: str) -> Address:
    """The address asked for; raises `Invalid`, before anything is asked or paid."""
    try:
        return read_address(email)
    except BadAddress as problem:
        message = f"The address {problem}."
        raise Invalid(message, errors=[{"path": "email", "message": message}]) from None


@dataclass(frozen=True, slots=True)
class Checks:
    """The checking of addresses, as a kind of request."""

    settings: Settings
    validator: Validator
    kind: Kind = "validate"
    action: Action = "validate_email"

    async def at_hand(self, session: AsyncSession, request: Request) -> Outcome | None:
        """What this user was told of the mailbox, if its time has not passed; raises `NotToBeProcessed`."""
        address = read(request.input["email"])
        await refuse_suppressed(session, self.settings.privacy, address)
        told = await _still_holding(session, request)
        if told is None:
            return None
        return _outcome(as_cached(told, given=request.input["email"]))

    async def ask(self, request: Request) -> Outcome:
        is_again = request.state == "retrying"
        address = read(request.input["email"])
        await self.validator.askers.admit(str(request.user_id), address.domain, cache_key(address))
        verdict = await self.validator.ask(
            request.input["email"],
            attempts=request.attempts + 1 if is_again else 1,
            newer_than=request.due_at if is_again else None,
        )
        return _outcome(verdict)

    async def was_paid(self, session: AsyncSession, request: Request, outcome: Outcome) -> bool:  # noqa: ARG002
        return await _still_holding(session, request) is not None

    async def log(self, session: AsyncSession, request: Request, outcome: Outcome) -> int:
        verdict: Verdict = outcome.answer
        values = {
            "id": request.log_id,
            "user_id": request.user_id,
            "email": verdict.syntax.normalized_email or verdict.input,
            "result": orjson.dumps(verdict.as_json()).decode(),
        }
        statement = (
            "INSERT INTO email_validation_logs (user_id, email, smtp_result)"
            " VALUES (:user_id, :email, CAST(:result AS jsonb)) RETURNING id"
            if request.log_id is None
            else "UPDATE email_validation_logs SET smtp_result = CAST(:result AS jsonb)"
            " WHERE id = :id RETURNING id"
        )
        return int((await session.execute(text(statement), values)).scalar_one())

    async def tell(self, session: AsyncSession, request: Request, outcome: Outcome) -> None:
        address = read(request.input["email"])
        await tell_contacts(session, self.settings.privacy, address, outcome.answer)

    async def announce(self, session: AsyncSession, request: Request, outcome: Outcome) -> None:
        verdict: Verdict = outcome.answer
        await announcing.announce(
            session,
            user_id=request.user_id,
            kind="email.validated",
            event_id=f"email.validated:{request.id}",
            payload={
                "id": str(request.id),
                "email": verdict.input,
                "is_reachable": verdict.is_reachable,
                "status": verdict.status,
                "sub_status": verdict.sub_status,
                "score": verdict.score,
                "checked_at": verdict.checked_at.isoformat(),
                "credits": request.credits,
            },
        )


def _outcome(verdict: Verdict) -> Outcome:
    return Outcome(
        answer=verdict,
        attempts=verdict.attempts,
        is_worth_paying=verdict.is_reachable != "unknown",
        again_at=verdict.retry_after if verdict.retry else None,
    )


async def _still_holding(session: AsyncSession, request: Request) -> Verdict | None:
    """The verdict this user was last given of the mailbox, if it still holds."""
    kept: dict[str, Any] | None = await session.scalar(
        text(
            "SELECT l.smtp_result FROM email_requests r JOIN email_validation_logs l ON l.id = r.log_id"
            " WHERE r.user_id = :user_id AND r.subject = :subject AND r.kind = 'validate'"
            "   AND r.state = 'done' AND r.id <> :id AND l.smtp_result ->> 'is_reachable' <> 'unknown'"
            " ORDER BY r.finished_at DESC LIMIT 1"
        ),
        {"user_id": request.user_id, "subject": request.subject, "id": request.id},
    )
    if kept is None:
        return None
    verdict = from_json(kept)
    age_s = (clock.now() - verdict.checked_at).total_seconds()
    return verdict if age_s < lifetime_s(verdict) else None


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
    if verdict.is_reachable == "unknown" or not privacy.hash_key:
        return
    mark = keyed_hash(suppressions.require_key(privacy), kind="email", value=address.text.lower())
    await session.execute(
        text(
            """
            UPDATE contacts SET email_status = :status, email_verified_at = :at, updated_at = app.now(),
                provenance = provenance || jsonb_build_object('email_status', CAST(:source AS int)),
                enrichment = enrichment || jsonb_build_object('email_confidence', CAST(:sure AS float8))
            WHERE email_hash = :mark AND lower(email) = :email
              AND (email_verified_at IS NULL OR email_verified_at < :at)
            """
        ),
        {
            "status": verdict.status,
            "at": verdict.checked_at,
            "source": await merge.source_id(await driver_connection(session), SOURCE),
            "sure": verdict.score / 100,
            "mark": mark,
            "email": address.text.lower(),
        },
    )
