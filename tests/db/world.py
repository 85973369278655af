"""The smallest records the tests need, each from one line."""

from uuid import uuid4

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from core.ids import ContactId, ListId, OrganizationId, UserId


async def make_user(session: AsyncSession, **columns: object) -> UserId:
    return UserId(await _insert(session, "users", {"email": f"{uuid4()}@example.com"} | columns))


async def make_organization(session: AsyncSession, name: str = "Acme", **columns: object) -> OrganizationId:
    folded = name.lower()
    row = {"name": name, "name_key": folded, "name_sort": folded} | columns
    return OrganizationId(await _insert(session, "organizations", row))


async def make_contact(session: AsyncSession, **columns: object) -> ContactId:
    return ContactId(await _insert(session, "contacts", {"first_name": "Ann"} | columns))


async def make_list(session: AsyncSession, owner: UserId, name: str = "Prospects") -> ListId:
    return ListId(await _insert(session, "lists", {"owner_id": owner, "name": name}))


async def share_list(session: AsyncSession, list_id: ListId, user: UserId, role: str = "viewer") -> None:
    await session.execute(
        text("INSERT INTO list_members (list_id, user_id, role) VALUES (:list_id, :user_id, :role)"),
        {"list_id": list_id, "user_id": user, "role": role},
    )


async def unlock(session: AsyncSession, user: UserId, contact: ContactId, field: str = "email") -> None:
    await session.execute(
        text("INSERT INTO unlocks (user_id, contact_id, field) VALUES (:user, :contact, :field)"),
        {"user": user, "contact": contact, "field": field},
    )


async def _insert(session: AsyncSession, table: str, row: dict[str, object]):
    names, values = ", ".join(row), ", ".join(f":{name}" for name in row)
    return await session.scalar(text(f"INSERT INTO {table} ({names}) VALUES ({values}) RETURNING id"), row)
