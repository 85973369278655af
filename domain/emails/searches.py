"""Finding a person's address for a user: two credits when there is one, nothing otherwise.

What was proved flows to the contact; a guess never does. The answer unlocks the contact's address.
"""

from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from core import clock
from core.ids import ContactId, UserId
from core.prices import Action
from core.settings import PrivacySettings, Settings
from core.text import fold
from db.sessions import SERVICE, Database, driver_connection
from domain import suppressions
from domain.emails import asking
from domain.emails.asking import Outcome
from domain.emails.requests import Kind, Request
from domain.finder import evidence, find, store
from domain.finder.evidence import Query
from domain.finder.find import Answer
from domain.imports import merge
from domain.marks import keyed_hash
from domain.validator.validate import Validator
from domain.validator.verdict import Verdict
from domain.webhooks import announcing

SOURCE: Final = "finder"
# The same answer about the same person is not paid for twice within this time.
PAID_FOR: Final = timedelta(days=30)
# A server that says these of itself is worth waiting for; a block of ours is not.
_WORTH_WAITING: Final = frozenset({"greylisted", "temporary_error", "soft_unknown_user"})


@dataclass(frozen=True, slots=True)
class Found:
    """A search and its answer as plain values; None as long as there is none."""

    request: Request
    answer: dict[str, Any] | None
    contact_id: int | None


async def look(
    db: Database,
    settings: Settings,
    validator: Validator,
    *,
    user_id: UserId,
    query: Query,
    reference: UUID | None = None,
) -> Found:
    """Find an address while the caller waits; the same `reference` is the same search."""
    request = await asking.at_once(
        db,
        Searches(settings, validator, db),
        user_id=user_id,
        given=asdict(query),
        subject=subject_of(query),
        reference=reference,
        within_s=settings.validator.caller_timeout_s,
    )
    async with db.transaction(SERVICE, read_only=True) as session:
        return await found_by(session, request)


async def found_by(session: AsyncSession, request: Request) -> Found:
    """A search with its answer as it is logged."""
    kept = await session.execute(
        text("SELECT input_data -> 'answer' AS answer, contact_id FROM email_finder_logs WHERE id = :id"),
        {"id": request.log_id},
    )
    row = kept.one_or_none()
    return Found(request, None, None) if row is None else Found(request, row.answer, row.contact_id)


def subject_of(query: Query) -> str:
    """What all ways to ask for the same person at the same place have in common."""
    place = f"{query.domain.strip().lower()}|{fold(query.company)}"
    if query.contact_id is not None:
        return f"{query.contact_id}|{place}"
    return "|".join((fold(query.first_name), fold(query.middle_name), fold(query.last_name), place))


@dataclass(frozen=True, slots=True)
class Searches:
    """The finding of addresses, as a kind of request."""

    settings: Settings
    validator: Validator
    db: Database
    kind: Kind = "find"
    action: Action = "email_finder"

    async def at_hand(self, session: AsyncSession, request: Request) -> Outcome | None:
        """The contact's address, if the user has paid for it before; raises what forbids to look."""
        case = await self._case(session, request)
        if case.known is None or not await _is_unlocked(session, request, case.contact_id):
            return None
        return _outcome(await find.find(case, await store.newest(session)), case)

    async def ask(self, request: Request) -> Outcome:
        async with self.db.transaction(SERVICE, read_only=True) as session:
            case = await self._case(session, request)
            model = await store.newest(session)
        if case.known is None:
            await self.validator.askers.admit(str(request.user_id), case.domain, f"find:{request.subject}")
        is_again = request.state == "retrying"
        attempts = request.attempts + 1 if is_again else 1

        async def validate(email: str) -> Verdict:
            return await self.validator.ask(
                email, attempts=attempts, newer_than=request.due_at if is_again else None
            )

        answer = await find.find(case, model, validate)
        return _outcome(answer, case, attempts)

    async def was_paid(self, session: AsyncSession, request: Request, outcome: Outcome) -> bool:
        if await _is_unlocked(session, request, outcome.contact_id):
            return True
        return bool(
            await session.scalar(
                text(
                    "SELECT EXISTS (SELECT FROM email_requests r JOIN email_finder_logs l ON l.id = r.log_id"
                    " WHERE r.user_id = :user_id AND r.subject = :subject AND r.kind = 'find'"
                    "   AND r.credits > 0 AND r.finished_at > :since AND l.output_email = :email)"
                ),
                {
                    "user_id": request.user_id,
                    "subject": request.subject,
                    "since": clock.now() - PAID_FOR,
                    "email": outcome.answer.email,
                },
            )
        )

    async def log(self, session: AsyncSession, request: Request, outcome: Outcome) -> int:
        answer: Answer = outcome.answer
        is_settled = outcome.again_at is None
        values = {
            "id": request.log_id,
            "user_id": request.user_id,
            "contact_id": outcome.contact_id,
            "kept": orjson.dumps({"query": request.input, "answer": _shown(answer, is_settled)}).decode(),
            "email": answer.email if is_settled else None,
            "status": answer.status if is_settled else "searching",
        }
        statement = (
            "INSERT INTO email_finder_logs (user_id, contact_id, input_data, output_email, status)"
            " VALUES (:user_id, :contact_id, CAST(:kept AS jsonb), :email, :status) RETURNING id"
            if request.log_id is None
            else "UPDATE email_finder_logs SET input_data = CAST(:kept AS jsonb), output_email = :email,"
            " status = :status WHERE id = :id RETURNING id"
        )
        return int((await session.execute(text(statement), values)).scalar_one())

    async def tell(self, session: AsyncSession, request: Request, outcome: Outcome) -> None:
        if outcome.contact_id is None or not outcome.is_worth_paying or outcome.again_at is not None:
            return
        await session.execute(
            text(
                "INSERT INTO unlocks (user_id, contact_id, field) VALUES (:user_id, :contact_id, 'email')"
                " ON CONFLICT DO NOTHING"
            ),
            {"user_id": request.user_id, "contact_id": outcome.contact_id},
        )
        await _tell_contact(session, self.settings.privacy, outcome.contact_id, outcome.answer)

    async def announce(self, session: AsyncSession, request: Request, outcome: Outcome) -> None:
        answer: Answer = outcome.answer
        await announcing.announce(
            session,
            user_id=request.user_id,
            kind="email.found",
            event_id=f"email.found:{request.id}",
            payload={
                "id": str(request.id),
                "contact_id": outcome.contact_id,
                "status": answer.status,
                "email": answer.email,
                "confidence": round(answer.confidence, 4),
                "email_status": answer.email_status,
                "credits": request.credits,
            },
        )

    async def _case(self, session: AsyncSession, request: Request) -> evidence.Case:
        return await evidence.gather(
            session,
            Query(**request.input),
            user_id=request.user_id,
            privacy=self.settings.privacy,
            settings=self.settings.validator,
        )


def _outcome(answer: Answer, case: evidence.Case, attempts: int = 1) -> Outcome:
    verdict = answer.verification
    waits = verdict is not None and verdict.retry and verdict.sub_status in _WORTH_WAITING
    return Outcome(
        answer=answer,
        attempts=max(attempts, verdict.attempts) if verdict is not None else attempts,
        is_worth_paying=answer.email is not None,
        again_at=verdict.retry_after if verdict is not None and waits else None,
        contact_id=case.contact_id,
    )


def _shown(answer: Answer, is_settled: bool) -> dict[str, Any]:  # noqa: FBT001
    """The answer as it is told; a guess that is still being proved is nobody's yet."""
    if is_settled:
        return answer.as_json()
    return Answer(status="searching", domain=answer.domain, samples=answer.samples).as_json()


def unfinished(request: Request) -> dict[str, Any]:
    """The answer of a search that has none yet."""
    return Answer(status="searching", domain=request.input["domain"]).as_json()


async def _is_unlocked(session: AsyncSession, request: Request, contact_id: ContactId | None) -> bool:
    if contact_id is None:
        return False
    found = await session.scalar(
        text(
            "SELECT EXISTS (SELECT FROM unlocks WHERE user_id = :user_id AND contact_id = :contact_id"
            " AND field = 'email')"
        ),
        {"user_id": request.user_id, "contact_id": contact_id},
    )
    return bool(found)


async def _tell_contact(
    session: AsyncSession, privacy: PrivacySettings, contact_id: ContactId, answer: Answer
) -> None:
    """Write a proved address to a contact that has none; a guess is no fact and stays in the log."""
    if answer.status != "found" or answer.email_status != "valid":
        return
    verdict = answer.verification
    source = await merge.source_id(await driver_connection(session), SOURCE)
    mark = keyed_hash(suppressions.require_key(privacy), kind="email", value=str(answer.email))
    await session.execute(
        text(
            """
            UPDATE contacts SET
                email = :email, email_hash = :mark, email_status = 'valid', email_verified_at = :at,
                provenance = provenance || jsonb_build_object(
                    'email', CAST(:source AS int), 'email_status', CAST(:source AS int)),
                enrichment = enrichment || jsonb_build_object(
                    'email_confidence', CAST(:confidence AS float8)),
                updated_at = app.now()
            WHERE id = :id AND (email IS NULL OR email_status = 'invalid')
            """
        ),
        {
            "id": contact_id,
            "email": answer.email,
            "mark": mark,
            "at": verdict.checked_at if verdict else clock.now(),
            "source": source,
            "confidence": round(answer.confidence, 4),
        },
    )
