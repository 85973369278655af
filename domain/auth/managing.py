"""Accounts as the service manages them: listed, made, changed, invited, deleted. Each deed is audited."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Literal
from uuid import UUID, uuid4

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from core.ids import UserId
from core.settings import Settings
from db.sessions import SERVICE, acting
from domain import audit, users
from domain.auth import account, asking, factors, letters, onetime, people, seals
from domain.auth.asking import Request
from domain.auth.errors import EmailExists, UserAlreadyExists, UserNotFound, ValidationFailed
from domain.auth.onetime import Kind
from domain.auth.people import PERSON, Origin, Person
from domain.exports import keeping

MAX_PAGE: Final = 1_000
_UNITS: Final = {"s": 1, "m": 60, "h": 3600}
_DURATION: Final = re.compile(r"(?:\d{1,7}[smh])+")
_PART: Final = re.compile(r"(\d+)([smh])")

LinkType = Literal["signup", "invite", "magiclink", "recovery", "email_change_current", "email_change_new"]


@dataclass(frozen=True, slots=True)
class Link:
    """A link that the service may hand out itself, in place of a mail."""

    person: Person
    url: str
    token: str
    code: str
    redirect_to: str


async def page(session: AsyncSession, *, number: int, size: int) -> tuple[list[Person], int]:
    """A page of the accounts, the latest first, and how many there are in all."""
    found = await session.execute(
        text(f"{PERSON} WHERE a.id IS NOT NULL ORDER BY a.created_at DESC, a.id LIMIT :limit OFFSET :offset"),
        {"limit": size, "offset": (number - 1) * size},
    )
    total = await session.scalar(text("SELECT count(*) FROM auth.users"))
    return [Person(**row._mapping) for row in found], total or 0  # noqa: SLF001 - SQLAlchemy's own API


async def show(session: AsyncSession, *, user_id: UserId) -> Person:
    person = await people.get(session, user_id=user_id)
    if person is None or not person.signs_in:
        raise UserNotFound("User not found")
    return person


async def make(
    session: AsyncSession,
    *,
    email: str,
    password_hash: str | None,
    is_confirmed: bool,
    user_metadata: Mapping[str, Any],
    app_metadata: Mapping[str, Any],
    is_invited: bool = False,
) -> Person:
    """Make an account; raises `EmailExists`."""
    address = people.read_address(email)
    try:
        made = await people.make(
            session,
            user_id=UserId(uuid4()),
            email=address,
            password_hash=password_hash,
            is_confirmed=is_confirmed,
            is_proven=is_confirmed,
            user_metadata=people.read_metadata(user_metadata),
            app_metadata=people.read_metadata(app_metadata),
            is_invited=is_invited,
        )
    except UserAlreadyExists:
        raise EmailExists("A user with this email address has already been registered") from None
    await _record(session, "sign_in.user_made", made)
    return await show(session, user_id=made)


async def change(
    session: AsyncSession,
    *,
    person: Person,
    email: str | None,
    password_hash: str | None,
    is_confirmed: bool | None,
    user_metadata: Mapping[str, Any] | None,
    app_metadata: Mapping[str, Any] | None,
    ban: timedelta | None,
    origin: Origin,
) -> Person:
    """Change an account: metadata are merged, `ban` closes it for a time, a ban of nothing opens it."""
    if email is not None:
        await _move(session, person, people.read_address(email))
    if password_hash is not None:
        await account.set_password(session, person=person, hashed=password_hash, keep=None, origin=origin)
    await session.execute(
        text(
            """
            UPDATE auth.users
            SET user_metadata = CAST(:user_metadata AS jsonb), app_metadata = CAST(:app_metadata AS jsonb),
                email_confirmed_at = CASE WHEN :is_confirmed THEN coalesce(email_confirmed_at, app.now())
                                          ELSE email_confirmed_at END,
                email_is_proven = email_is_proven OR :is_confirmed,
                banned_until = CASE WHEN CAST(:ban AS double precision) IS NULL THEN banned_until
                                    WHEN :ban > 0 THEN app.now() + make_interval(secs => :ban) END,
                updated_at = app.now()
            WHERE id = :id
            """
        ),
        {
            "id": person.id,
            "user_metadata": _merged(person.user_metadata, user_metadata),
            "app_metadata": _merged(person.app_metadata, app_metadata),
            "is_confirmed": bool(is_confirmed),
            "ban": None if ban is None else ban.total_seconds(),
        },
    )
    if ban:
        await session.execute(text("DELETE FROM auth.sessions WHERE user_id = :id"), {"id": person.id})
    await _record(session, "sign_in.user_changed", person.id)
    return await show(session, user_id=person.id)


async def invite(
    session: AsyncSession,
    *,
    email: str,
    user_metadata: Mapping[str, Any],
    redirect_to: str,
    origin: Origin,
) -> Person:
    """Make an account that its owner takes over by a link in a mail; raises `EmailExists`."""
    person = await make(
        session,
        email=email,
        password_hash=None,
        is_confirmed=False,
        user_metadata=user_metadata,
        app_metadata={},
        is_invited=True,
    )
    await asking.ask(session, Request("invite", person.email, redirect_to, origin=origin, user_id=person.id))
    return person


async def link(
    session: AsyncSession,
    settings: Settings,
    *,
    type_: LinkType,
    person: Person,
    address: str,
    redirect_to: str,
) -> Link:
    """A link to hand out; what the service does with it is its own affair, and noted."""
    kind: Kind = type_
    token_id = uuid4()
    await onetime.keep(session, settings, id_=token_id, kind=kind, email=address, user_id=person.id)
    await _record(session, "sign_in.link_made", person.id, type=type_)
    return Link(
        person=person,
        url=letters.link(settings, kind, token_id, redirect_to=redirect_to),
        token=seals.seal(settings.auth, "mail", token_id),
        code=seals.code(settings.auth, token_id),
        redirect_to=redirect_to,
    )


async def want_address(session: AsyncSession, *, person: Person, address: str) -> None:
    """Note the address that an account is to have; the links to both ends make it so."""
    await session.execute(
        text(
            "UPDATE auth.users SET new_email = :email, change_confirmed_by ="
            " CASE WHEN new_email = CAST(:email AS citext) THEN change_confirmed_by END WHERE id = :id"
        ),
        {"id": person.id, "email": address},
    )


async def delete(session: AsyncSession, *, person: Person) -> list[str]:
    """Erase an account: what is its own goes, the books keep its bare id.

    The names of its exports' files, to be removed from the store once that is committed.
    """
    async with acting(session, SERVICE):
        files = await keeping.files_of(session, user_id=person.id)
        await users.erase(session, actor_id=None, user_id=person.id)
    return files


async def drop_factor(session: AsyncSession, *, person: Person, factor_id: UUID, origin: Origin) -> None:
    """Take a second factor from somebody who has lost it."""
    await factors.drop(session, person=person, factor_id=factor_id, origin=origin)
    await _record(session, "sign_in.factor_removed", person.id)


def read_ban(duration: str | None) -> timedelta | None:
    """`24h`, `1h30m`, or `none` for no ban; raises `ValidationFailed`."""
    if duration is None:
        return None
    if duration == "none":
        return timedelta(0)
    if not _DURATION.fullmatch(duration):
        raise ValidationFailed("ban_duration must be a duration such as 24h, or none")
    seconds = sum(int(number) * _UNITS[unit] for number, unit in _PART.findall(duration))
    return timedelta(seconds=min(seconds, 100 * 365 * 86_400))


async def _move(session: AsyncSession, person: Person, address: str) -> None:
    async with acting(session, SERVICE):
        moved = await session.scalar(
            text(
                "UPDATE app.users SET email = :email WHERE id = :id AND NOT EXISTS"
                " (SELECT FROM app.users WHERE email = CAST(:email AS citext) AND id <> :id) RETURNING id"
            ),
            {"id": person.id, "email": address},
        )
    if moved is None:
        raise EmailExists("A user with this email address has already been registered")
    data = {"sub": str(person.id), "email": address, "email_verified": True}
    await people.add_identity(
        session, user_id=person.id, provider="email", provider_id=str(person.id), data=data
    )


def _merged(before: Mapping[str, Any], more: Mapping[str, Any] | None) -> str:
    merged = {name: value for name, value in {**before, **(more or {})}.items() if value is not None}
    return json.dumps(people.read_metadata(merged))


async def _record(session: AsyncSession, action: str, user_id: UUID, **detail: str) -> None:
    async with acting(session, SERVICE):
        await audit.record(session, actor_id=None, action=action, subject=f"user:{user_id}", detail=detail)
