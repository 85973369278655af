"""A user asks for a person's address: looked for, paid when there is one, and logged once.

Two credits are set aside before anybody is asked, captured with the address and voided without one. The
slow talk has no transaction open. What was proved flows to the contact; a guess never does.
"""

import asyncio
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID, uuid4

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from core import clock
from core.errors import NotFound
from core.ids import UserId
from core.prices import CREDITS
from core.settings import PrivacySettings, Settings
from db.sessions import SERVICE, Database, driver_connection
from domain import suppressions
from domain.credits import holds
from domain.finder import evidence, find, store
from domain.finder.evidence import Case, Query
from domain.finder.find import Answer
from domain.finder.model import Model
from domain.imports import merge
from domain.marks import keyed_hash
from domain.validator.validate import Validator

_HOLD_LASTS: Final = timedelta(minutes=15)
SOURCE: Final = "finder"


@dataclass(frozen=True, slots=True)
class Found:
    """An answer as plain values, the log row that keeps it, and what it cost."""

    id: int
    answer: dict[str, Any]
    credits: int


async def look(
    db: Database,
    settings: Settings,
    validator: Validator,
    *,
    user_id: UserId,
    query: Query,
    reference: UUID | None = None,
) -> Found:
    """Find an address for a user; under the same `reference` it is the same answer at no further cost."""
    async with db.transaction(SERVICE) as session:
        case = await evidence.gather(session, query, privacy=settings.privacy, settings=settings.validator)
        model = await store.newest(session)
        done = await _done(session, user_id=user_id, reference=reference)
        if done is not None:
            return done
        is_owned = await _is_unlocked(session, user_id=user_id, case=case)
        if is_owned and case.known is not None:
            answer = await find.find(case, model)
            return await _log(
                session, user_id=user_id, query=query, case=case, answer=answer, reference=reference
            )
        hold = await holds.reserve(
            session,
            user_id=user_id,
            amount=CREDITS["email_finder"],
            action="email_finder",
            reference=f"find:{uuid4()}",
            lasts=_HOLD_LASTS,
            contact_id=case.contact_id,
        )
    try:
        answer = await _within(case, model, validator, settings.validator.caller_timeout_s)
    except BaseException:
        async with db.transaction(SERVICE) as session:
            await holds.void(session, hold_id=hold.id, why="the search did not end")
        raise
    async with db.transaction(SERVICE) as session:
        await session.execute(
            text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"),
            {"name": f"{user_id}:{reference or hold.id}"},
        )
        done = await _done(session, user_id=user_id, reference=reference)
        if done is not None:
            await holds.void(session, hold_id=hold.id, why="done before")
            return done
        paid = 0
        if answer.email is None:
            await holds.void(session, hold_id=hold.id, why="nothing found")
        else:
            await holds.capture(session, hold_id=hold.id)
            paid = hold.credits
            await _unlock(session, user_id=user_id, case=case)
            await _tell_contact(session, settings.privacy, case, answer)
        return await _log(
            session, user_id=user_id, query=query, case=case, answer=answer, reference=reference, paid=paid
        )


async def get(session: AsyncSession, *, user_id: UserId, search_id: int) -> Found:
    """A search of this user by the id of its log row; raises `NotFound`."""
    found = await session.execute(
        text("SELECT id, input_data FROM email_finder_logs WHERE id = :id AND user_id = :user_id"),
        {"id": search_id, "user_id": user_id},
    )
    row = found.one_or_none()
    if row is None:
        raise NotFound("There is no such search.")
    return Found(row.id, row.input_data["answer"], row.input_data["credits"])


async def _within(case: Case, model: Model, validator: Validator, seconds: float) -> Answer:
    """The answer with what mail servers say in time, else the one that evidence alone gives."""
    try:
        async with asyncio.timeout(seconds):
            return await find.find(case, model, validator.validate)
    except TimeoutError:
        return await find.find(case, model)


async def _is_unlocked(session: AsyncSession, *, user_id: UserId, case: Case) -> bool:
    if case.contact_id is None:
        return False
    found = await session.scalar(
        text(
            "SELECT EXISTS (SELECT FROM unlocks WHERE user_id = :user_id AND contact_id = :contact_id"
            " AND field = 'email')"
        ),
        {"user_id": user_id, "contact_id": case.contact_id},
    )
    return bool(found)


async def _unlock(session: AsyncSession, *, user_id: UserId, case: Case) -> None:
    """An address that was found and paid is this user's to see."""
    if case.contact_id is not None:
        await session.execute(
            text(
                "INSERT INTO unlocks (user_id, contact_id, field) VALUES (:user_id, :contact_id, 'email')"
                " ON CONFLICT DO NOTHING"
            ),
            {"user_id": user_id, "contact_id": case.contact_id},
        )


async def _tell_contact(session: AsyncSession, privacy: PrivacySettings, case: Case, answer: Answer) -> None:
    """Write a proved address to a contact that has none; a guess is no fact and stays in the log."""
    if case.contact_id is None or answer.status != "found" or answer.email_status != "valid":
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
            "id": case.contact_id,
            "email": answer.email,
            "mark": mark,
            "at": verdict.checked_at if verdict else clock.now(),
            "source": source,
            "confidence": round(answer.confidence, 4),
        },
    )


async def _done(session: AsyncSession, *, user_id: UserId, reference: UUID | None) -> Found | None:
    """What the call of this reference was answered, if it came so far."""
    if reference is None:
        return None
    found = await session.execute(
        text(
            "SELECT id, input_data FROM email_finder_logs"
            " WHERE user_id = :user_id AND input_data ->> 'reference' = :reference"
        ),
        {"user_id": user_id, "reference": str(reference)},
    )
    row = found.one_or_none()
    return None if row is None else Found(row.id, row.input_data["answer"], row.input_data["credits"])


async def _log(
    session: AsyncSession,
    *,
    user_id: UserId,
    query: Query,
    case: Case,
    answer: Answer,
    reference: UUID | None,
    paid: int = 0,
) -> Found:
    """The one row of a call: what was asked, what was answered and why."""
    plain = answer.as_json()
    kept = {"query": asdict(query), "answer": plain, "reference": reference, "credits": paid}
    row_id = await session.scalar(
        text(
            "INSERT INTO email_finder_logs (user_id, contact_id, input_data, output_email, status)"
            " VALUES (:user_id, :contact_id, CAST(:kept AS jsonb), :email, :status) RETURNING id"
        ),
        {
            "user_id": user_id,
            "contact_id": case.contact_id,
            "kept": orjson.dumps(kept).decode(),
            "email": answer.email,
            "status": answer.status,
        },
    )
    return Found(int(row_id or 0), plain, paid)
