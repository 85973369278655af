"""Unlocking: an address is paid for once and is the user's for ever, later values of the field included.

The account is locked first and the people in the order of their ids, so overlapping calls wait for each
other and never in a circle. What is charged is decided behind the lock; what is not there costs nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from core.errors import LeadFuelError
from core.ids import ContactId, UserId
from core.prices import UNLOCK_ACTIONS, UNLOCK_CREDITS, RevealField
from domain.credits import books
from domain.credits.months import open_account

MAX_CONTACTS: Final = 1_000

# `unlocked` was (or, in a dry run, would be) paid now; the others cost nothing.
Status = Literal["unlocked", "owned", "empty", "hidden", "suppressed", "unknown"]


class CostsMore(LeadFuelError):
    """The call would cost more than its own `max_credits` allows. Nothing was charged."""

    status = 409
    slug = "costs-more-than-allowed"
    title = "It costs more than the call allows"


@dataclass(frozen=True, slots=True)
class Item:
    """One field of one person: what became of it, what it has cost, and its value if it is the user's."""

    contact_id: int
    field: RevealField
    status: Status
    credits: int = 0
    value: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """All items in the order in which they were asked for, and the balance afterwards."""

    items: list[Item]
    credits: int
    balance: int


async def unlock(
    session: AsyncSession,
    *,
    user_id: UserId,
    contact_ids: Sequence[int],
    fields: Sequence[RevealField],
    dry_run: bool = False,
    max_credits: int | None = None,
) -> Outcome:
    """Unlock these fields of these people, all or none of them. Needs a session of the service."""
    account = await open_account(session, user_id=user_id)
    ids, wanted = list(dict.fromkeys(contact_ids)), list(dict.fromkeys(fields))
    people = await _people(session, user_id=user_id, ids=ids)
    items = [_item(ident, field, people.get(ident)) for ident in ids for field in wanted]
    total = sum(item.credits for item in items)
    if dry_run:
        shown = [item if item.status == "owned" else _without_value(item) for item in items]
        return Outcome(shown, total, account.balance)
    if max_credits is not None and total > max_credits:
        raise CostsMore(
            f"This costs {total} credits, and the call allows {max_credits}.",
            needed=total,
            max_credits=max_credits,
        )
    bought = [item for item in items if item.status == "unlocked"]
    if total:
        account.require(total)
    for item in bought:
        if item.credits:
            account.take(
                "spent",
                _reference(item.contact_id, item.field),
                item.credits,
                action=UNLOCK_ACTIONS[item.field],
                contact_id=ContactId(item.contact_id),
            )
    await books.write(session, account, unlocks=[(item.contact_id, item.field) for item in bought])
    return Outcome(items, total, account.balance)


def _item(ident: int, field: RevealField, person: Mapping[str, Any] | None) -> Item:
    if person is None:
        return Item(ident, field, "unknown")
    value: str | None = person[field]
    if field in person["owned"]:
        return Item(ident, field, "owned", value=value)
    if person["is_suppressed"]:
        return Item(ident, field, "suppressed")
    if person["is_hidden"]:
        return Item(ident, field, "hidden")
    if value is None:
        return Item(ident, field, "empty")
    price = 0 if _reference(ident, field) in person["paid"] else UNLOCK_CREDITS[field]
    return Item(ident, field, "unlocked", price, value)


def _without_value(item: Item) -> Item:
    return Item(item.contact_id, item.field, item.status, item.credits)


def _reference(contact_id: int, field: RevealField) -> str:
    return f"unlock:{contact_id}:{field}"


_PEOPLE: Final = text(
    """
    SELECT c.id, c.email, c.phone,
           ARRAY(SELECT u.field FROM app.unlocks AS u
                 WHERE u.user_id = :user_id AND u.contact_id = c.id) AS owned,
           ARRAY(SELECT l.reference FROM app.credit_ledger AS l
                 WHERE l.user_id = :user_id AND l.kind = 'spent'
                   AND l.reference IN ('unlock:' || c.id || '\\:email', 'unlock:' || c.id || '\\:phone'))
               AS paid,
           EXISTS (SELECT FROM app.suppressions AS s
                   WHERE s.keyed_hash IN (c.email_hash, c.phone_hash, c.linkedin_hash))
               AS is_suppressed,
           EXISTS (SELECT FROM app.hidden_contacts AS h
                   WHERE h.user_id = :user_id AND h.contact_id = c.id)
               OR EXISTS (SELECT FROM app.hidden_companies AS h
                          WHERE h.user_id = :user_id AND h.organization_id = c.organization_id)
               AS is_hidden
    FROM app.contacts AS c WHERE c.id = ANY(:ids)
    ORDER BY c.id FOR KEY SHARE OF c
    """
)


async def _people(
    session: AsyncSession, *, user_id: UserId, ids: Sequence[int]
) -> dict[int, Mapping[str, Any]]:
    """The people of these ids, kept from disappearing until the transaction ends."""
    found = await session.execute(_PEOPLE, {"user_id": user_id, "ids": list(ids)})
    return {row["id"]: dict(row) for row in found.mappings()}
