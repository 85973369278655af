"""What people change about how they sign in."""

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from core.settings import Settings
from db.sessions import SIGN_IN, Database
from domain.auth import asking, factors, onetime, passwords, people, sessions
from domain.auth.asking import Challenge, Request
from domain.auth.errors import ReauthenticationNotValid, SamePassword, SessionNotFound
from domain.auth.passwords import Hasher
from domain.auth.people import Origin, Person
from domain.auth.sessions import Session


async def change(
    db: Database,
    settings: Settings,
    hasher: Hasher,
    *,
    person: Person,
    at: Session | None,
    user_metadata: Mapping[str, Any] | None,
    password: str | None,
    email: str | None,
    nonce: str | None,
    redirect_to: str,
    challenge: Challenge | None,
    origin: Origin,
) -> Person:
    """Change some of one's own account: all of it or, with an error, nothing.

    Metadata are merged, a new password ends all other sessions, and a new address has to be confirmed from
    both ends. Raises `InsufficientAal`, `WeakPassword`, `SamePassword`, `ReauthenticationNotValid`,
    `EmailAddressInvalid`.
    """
    address = people.read_address(email) if email is not None else None
    if password is not None or address is not None:
        factors.require_second(person, at)
    hashed = None
    if password is not None:
        hashed = await _new_password(db, settings, hasher, person=person, password=password, nonce=nonce)
    async with db.transaction(SIGN_IN) as session:
        if user_metadata:
            merged = people.read_metadata({**person.user_metadata, **user_metadata})
            await session.execute(
                text(
                    "UPDATE auth.users SET user_metadata = CAST(:merged AS jsonb), updated_at = app.now()"
                    " WHERE id = :id"
                ),
                {"id": person.id, "merged": json.dumps(merged)},
            )
        if hashed is not None:
            await set_password(
                session, person=person, hashed=hashed, keep=at.id if at else None, origin=origin
            )
        if address is not None and address != person.email:
            await _ask_for_new_address(
                session,
                person=person,
                address=address,
                redirect_to=redirect_to,
                challenge=challenge,
                origin=origin,
            )
        changed = await people.get(session, user_id=person.id)
    if changed is None:
        raise SessionNotFound("The user is gone.")
    return changed


async def set_password(
    session: AsyncSession, *, person: Person, hashed: str, keep: UUID | None, origin: Origin
) -> None:
    """Store a new password; whoever signed in by the old one has to sign in again, `keep` excepted."""
    await session.execute(
        text("UPDATE auth.users SET password_hash = :hashed, updated_at = app.now() WHERE id = :id"),
        {"id": person.id, "hashed": hashed},
    )
    await people.note(session, user_id=person.id, action="password_changed", origin=origin)
    scope: sessions.Scope = "global" if keep is None else "others"
    await sessions.end(session, user_id=person.id, session_id=keep, scope=scope, origin=origin)


async def _new_password(
    db: Database, settings: Settings, hasher: Hasher, *, person: Person, password: str, nonce: str | None
) -> str:
    passwords.judge(settings.sign_in, password)
    if nonce is not None and not await onetime.redeem_nonce(db, settings, email=person.email, nonce=nonce):
        raise ReauthenticationNotValid("Nonce has expired or is invalid")
    async with db.transaction(SIGN_IN, read_only=True) as session:
        old = await session.scalar(
            text("SELECT password_hash FROM auth.users WHERE id = :id"), {"id": person.id}
        )
    if old is not None and await hasher.check(old, password):
        raise SamePassword("New password should be different from the old password.")
    return await hasher.hash(password)


async def _ask_for_new_address(
    session: AsyncSession,
    *,
    person: Person,
    address: str,
    redirect_to: str,
    challenge: Challenge | None,
    origin: Origin,
) -> None:
    await session.execute(
        text(
            "UPDATE auth.users SET new_email = :email, change_confirmed_by = NULL, updated_at = app.now()"
            " WHERE id = :id"
        ),
        {"id": person.id, "email": address},
    )
    await session.execute(
        text(
            "DELETE FROM auth.one_time_tokens WHERE user_id = :id"
            " AND kind IN ('email_change_current', 'email_change_new')"
        ),
        {"id": person.id},
    )
    request = Request(
        "email_change",
        address,
        redirect_to,
        challenge=challenge,
        origin=origin,
        user_id=person.id,
    )
    await asking.ask(session, request)
