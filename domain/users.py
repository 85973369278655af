"""Accounts in the hands of an administrator or operator: found, promoted, disabled, erased, with a trace.

An erased account keeps its id, for the books are kept; everything else that is its own is gone, as the rules
of the tables say. `domain.accounts` is who is asking; this is who is asked about.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from core.errors import LeadFuelError, NotFound
from core.ids import UserId
from domain import audit, paging
from domain.accounts import Role
from domain.billing import leaving

_CURSOR: Final = "users"
_COLUMNS: Final = """
    id, email::text AS email, role, plan_id, credit_balance, credits_owed,
    credits_frozen_at IS NOT NULL AS is_frozen, created_at, disabled_at, disabled_because, erased_at
"""
_LOCK: Final = "leadfuel administrators"
_Position = tuple[datetime, UUID]


class LastAdministrator(LeadFuelError):
    """The installation would be left without an administrator. Promote somebody else first."""

    status = 409
    slug = "last-administrator"
    title = "The last administrator"


class UnknownPlan(LeadFuelError):
    """There is no plan of this name."""

    status = 422
    slug = "unknown-plan"
    title = "There is no such plan"


@dataclass(frozen=True, slots=True)
class Account:
    """An account with what its owner does not need to see."""

    id: UserId
    email: str
    role: Role
    plan_id: str
    credit_balance: int
    credits_owed: int
    is_frozen: bool
    created_at: datetime
    disabled_at: datetime | None
    disabled_because: str | None
    erased_at: datetime | None


@dataclass(frozen=True, slots=True)
class Page:
    accounts: list[Account]
    cursor: str | None


async def search(
    session: AsyncSession,
    *,
    limit: int,
    cursor: str | None = None,
    q: str | None = None,
    role: Role | None = None,
    plan_id: str | None = None,
    disabled: bool | None = None,
) -> Page:
    """Accounts whose address contains `q`, the newest first; erased ones are not among them."""
    values: dict[str, Any] = {"q": q, "role": role, "plan_id": plan_id, "disabled": disabled}
    if cursor:
        values["before"], values["before_id"] = paging.decode(_CURSOR, cursor, _Position)
    asked = {name: value for name, value in values.items() if value is not None}
    conditions = ["erased_at IS NULL", *(_CONDITIONS[name] for name in asked if name in _CONDITIONS)]
    found = await session.execute(
        text(
            f"SELECT {_COLUMNS} FROM app.users WHERE {' AND '.join(conditions)}"  # noqa: S608 - constants
            " ORDER BY created_at DESC, id DESC LIMIT :limit"
        ),
        asked | {"limit": limit + 1},
    )
    accounts = [_account(row) for row in found]
    more = len(accounts) > limit
    accounts = accounts[:limit]
    last = (accounts[-1].created_at, accounts[-1].id) if more else None
    return Page(accounts, paging.encode(_CURSOR, last) if last else None)


async def get(session: AsyncSession, *, user_id: UserId) -> Account:
    """One account, also an erased one."""
    found = await session.execute(
        text(f"SELECT {_COLUMNS} FROM app.users WHERE id = :id"),  # noqa: S608 - constants
        {"id": user_id},
    )
    row = found.one_or_none()
    if row is None:
        raise NotFound("There is no such user.")
    return _account(row)


async def find(session: AsyncSession, *, email: str) -> Account:
    """The account of an address."""
    found = await session.execute(
        text(f"SELECT {_COLUMNS} FROM app.users WHERE email = CAST(:email AS citext)"),  # noqa: S608 - constants
        {"email": email.strip()},
    )
    row = found.one_or_none()
    if row is None:
        raise NotFound(f"There is no user {email}.")
    return _account(row)


async def change(
    session: AsyncSession,
    *,
    actor_id: UserId | None,
    user_id: UserId,
    role: Role | None = None,
    plan_id: str | None = None,
) -> Account:
    """Give an account another role or plan. What is None stays."""
    before = await _open(session, user_id=user_id)
    if role == "member":
        await _keep_one_administrator(session, before)
    if plan_id is not None:
        known = await session.scalar(text("SELECT 1 FROM app.plans WHERE id = :id"), {"id": plan_id})
        if known is None:
            raise UnknownPlan(f"There is no plan {plan_id!r}.")
    for action, column, old, new in (
        ("user.role_changed", "role", before.role, role),
        ("user.plan_changed", "plan_id", before.plan_id, plan_id),
    ):
        if new is not None and new != old:
            await _set(session, user_id, {column: new})
            await _record(session, actor_id, action, user_id, {"from": old, "to": new})
    return await get(session, user_id=user_id)


async def disable(
    session: AsyncSession, *, actor_id: UserId | None, user_id: UserId, because: str
) -> Account:
    """Shut an account: from its next request on its owner is refused, whatever token or key they hold."""
    before = await _open(session, user_id=user_id)
    if before.disabled_at is None:
        await _keep_one_administrator(session, before)
        await session.execute(
            text("UPDATE app.users SET disabled_at = app.now(), disabled_because = :because WHERE id = :id"),
            {"id": user_id, "because": because},
        )
        await _record(session, actor_id, "user.disabled", user_id, {"because": because})
    return await get(session, user_id=user_id)


async def enable(session: AsyncSession, *, actor_id: UserId | None, user_id: UserId) -> Account:
    """Open a disabled account again."""
    before = await _open(session, user_id=user_id)
    if before.disabled_at is not None:
        await _set(session, user_id, {"disabled_at": None, "disabled_because": None})
        await _record(session, actor_id, "user.enabled", user_id, {})
    return await get(session, user_id=user_id)


async def erase(session: AsyncSession, *, actor_id: UserId | None, user_id: UserId) -> Mapping[str, int]:
    """Erase what is a user's: how many rows of which table went or lost their reference.

    What they have at the payment service is ended by a job, once this is committed.
    Files of their exports are not in the database: `domain.exports.keeping.files_of` names them before.
    """
    before = await _open(session, user_id=user_id)
    await _keep_one_administrator(session, before)
    await leaving.ask(session, user_id=user_id)
    told = await session.scalar(text("SELECT CAST(app.erase_user(:id) AS text)"), {"id": user_id})
    rows: dict[str, int] = msgspec.json.decode(told or "{}", type=dict[str, int])
    await _record(session, actor_id, "user.erased", user_id, {"rows": rows})
    return rows


async def _open(session: AsyncSession, *, user_id: UserId) -> Account:
    """An account to be changed, locked; an erased one is no longer there. One change of rights at a time."""
    await session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(CAST(:name AS text), 0))"), {"name": _LOCK}
    )
    account = await get(session, user_id=user_id)
    if account.erased_at is not None:
        raise NotFound("There is no such user.")
    return account


async def _keep_one_administrator(session: AsyncSession, account: Account) -> None:
    if account.role != "admin" or account.disabled_at is not None:
        return
    others = await session.scalar(
        text(
            "SELECT count(*) FROM app.users"
            " WHERE role = 'admin' AND disabled_at IS NULL AND erased_at IS NULL AND id <> :id"
        ),
        {"id": account.id},
    )
    if not others:
        raise LastAdministrator("Nobody else could administer this installation.")


async def _set(session: AsyncSession, user_id: UserId, values: Mapping[str, Any]) -> None:
    columns = ", ".join(f"{name} = :{name}" for name in values)
    await session.execute(
        text(f"UPDATE app.users SET {columns} WHERE id = :id"),  # noqa: S608 - columns of this file
        {"id": user_id, **values},
    )


async def _record(
    session: AsyncSession, actor_id: UserId | None, action: str, user_id: UserId, detail: Mapping[str, object]
) -> None:
    await audit.record(session, actor_id=actor_id, action=action, subject=f"user:{user_id}", detail=detail)


def _account(row: Row[Any]) -> Account:
    return Account(**row._mapping)  # noqa: SLF001 - SQLAlchemy's own API


_CONDITIONS: Final[dict[str, str]] = {
    "before": "(created_at, id) < (:before, :before_id)",
    "q": "position(lower(:q) IN lower(email::text)) > 0",
    "role": "role = :role",
    "plan_id": "plan_id = :plan_id",
    "disabled": "(disabled_at IS NOT NULL) = :disabled",
}
