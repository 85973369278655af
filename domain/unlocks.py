"""Unlocking: an address is paid for once and is the user's for ever, later values of the field included.

The account is locked first and the people in the order of their ids, so overlapping calls wait for each
other and never in a circle. What is charged is decided behind the lock; what is not there costs nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from sqlalchemy import Row, text
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
    people = await _people(session, user_id=user_id, ids=ids, fields=wanted)
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


def _item(ident: int, field: RevealField, person: Row[Any] | None) -> Item:
    if person is None:
        return Item(ident, field, "unknown")
    value: str | None = person.email if field == "email" else person.phone
    if field in person.owned:
        return Item(ident, field, "owned", value=value)
    if person.is_suppressed:
        return Item(ident, field, "suppressed")
    if person.is_hidden:
        return Item(ident, field, "hidden")
    if value is None:
        return Item(ident, field, "empty")
    is_paid = person.paid_email if field == "email" else person.paid_phone
    return Item(ident, field, "unlocked", 0 if is_paid else UNLOCK_CREDITS[field], value)


def _without_value(item: Item) -> Item:
    return Item(item.contact_id, item.field, item.status, item.credits)


def _reference(contact_id: int, field: RevealField) -> str:
    return f"unlock:{contact_id}:{field}"


# `paid` is what was paid for before, though `unlocks` may have lost it: looked up by the whole unique key and
# for all people at once. As a question about each of them it can come to mean reading the account's entries
# once a person, which is what an account that is busy between two ANALYZEs would pay.
_PEOPLE: Final = """
    WITH paid AS MATERIALIZED (
        SELECT reference FROM app.credit_ledger
        WHERE user_id = :user_id AND kind = 'spent' AND reference {among}
    )
    SELECT c.id, c.email, c.phone,
           ARRAY(SELECT u.field FROM app.unlocks AS u
                 WHERE u.user_id = :user_id AND u.contact_id = c.id) AS owned,
           'unlock\\:' || c.id || '\\:email' IN (SELECT reference FROM paid) AS paid_email,
           'unlock\\:' || c.id || '\\:phone' IN (SELECT reference FROM paid) AS paid_phone,
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
_ONE: Final = text(_PEOPLE.format(among="IN (:email, :phone)"))
_MANY: Final = text(_PEOPLE.format(among="= ANY(:references)"))
# The plan that a connection keeps of a statement suits the calls and the tables it has seen, which may have
# been small. A thousand people are worth a plan of their own; what a foreign key looks up for each of their
# rows afterwards is not.
_PLANS: Final = text("SELECT set_config('plan_cache_mode', :mode, true)")


async def _people(
    session: AsyncSession, *, user_id: UserId, ids: Sequence[int], fields: Sequence[RevealField]
) -> dict[int, Row[Any]]:
    """The people of these ids, kept from disappearing until the transaction ends."""
    values: dict[str, Any] = {"user_id": user_id, "ids": list(ids)}
    if len(ids) == 1:
        values |= {field: _reference(ids[0], field) for field in UNLOCK_ACTIONS}
        found = await session.execute(_ONE, values)
    else:
        values["references"] = [_reference(ident, field) for ident in ids for field in fields]
        await session.execute(_PLANS, {"mode": "force_custom_plan"})
        found = await session.execute(_MANY, values)
        await session.execute(_PLANS, {"mode": "auto"})
    return {row.id: row for row in found}
