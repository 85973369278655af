"""Who somebody is at Stripe. We make the customer, so an e-mail address never decides whose money it is."""

from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from core.ids import UserId
from core.settings import BillingSettings
from db.sessions import SERVICE, Database
from domain.accounts import User
from domain.billing.cloud import Cloud
from domain.billing.handled import Ignore, Park


class Erased(Park):
    """It is about somebody who has been erased."""


async def ensure(db: Database, cloud: Cloud, settings: BillingSettings, *, user: User) -> str:
    """The customer of a user, made when there is none."""
    async with db.transaction(SERVICE, read_only=True) as session:
        known = await of_user(session, user_id=user.id)
        if known is not None:
            return known
        before = await session.scalar(
            text("SELECT count(*) FROM app.billing_customers WHERE user_id = :id"), {"id": user.id}
        )
    made = await cloud.make_customer(
        {"email": user.email, "metadata": {"leadfuel": settings.mark, "user_id": str(user.id)}},
        key=f"{settings.mark}:customer:{user.id}:{before}",
    )
    async with db.transaction(SERVICE) as session:
        await link(session, customer_id=made["id"], user_id=user.id)
        return await of_user(session, user_id=user.id) or made["id"]


async def of_user(session: AsyncSession, *, user_id: UserId) -> str | None:
    """The customer that a user is."""
    found: str | None = await session.scalar(
        text("SELECT customer_id FROM app.billing_customers WHERE user_id = :id AND deleted_at IS NULL"),
        {"id": user_id},
    )
    return found


async def link(session: AsyncSession, *, customer_id: str, user_id: UserId) -> None:
    """Remember that a customer is a user, unless the user is another already."""
    await session.execute(
        text(
            "INSERT INTO app.billing_customers (customer_id, user_id) VALUES (:customer, :user)"
            " ON CONFLICT DO NOTHING"
        ),
        {"customer": customer_id, "user": user_id},
    )


async def unlink(session: AsyncSession, *, customer_id: str) -> None:
    """The customer was deleted at Stripe; the next checkout makes another."""
    await session.execute(
        text(
            "UPDATE app.billing_customers SET deleted_at = app.now()"
            " WHERE customer_id = :customer AND deleted_at IS NULL"
        ),
        {"customer": customer_id},
    )


async def owner(
    session: AsyncSession, settings: BillingSettings, *, customer_id: str | None, marks: dict[str, str]
) -> UserId:
    """Whose an object is, by its customer and by the marks we gave it, which must not contradict.

    Raises `Ignore` for what has nothing to do with us, and `Park` for what says it does and is not ours.
    """
    known: UUID | None = None
    if customer_id is not None:
        known = await session.scalar(
            text("SELECT user_id FROM app.billing_customers WHERE customer_id = :id"), {"id": customer_id}
        )
    mark, said = marks.get("leadfuel"), marks.get("user_id")
    if mark is not None and mark != settings.mark:
        raise Park(f"it belongs to the installation {mark!r}")
    if known is None and mark is None:
        raise Ignore("nobody here is this customer")
    if known is not None:
        await _refuse_erased(session, known)
        if said is not None and said != str(known):
            raise Park("its marks name another user than its customer does")
        return UserId(known)
    marked = await session.scalar(
        text("SELECT id FROM app.users WHERE CAST(id AS text) = :said"), {"said": said}
    )
    if marked is None:
        raise Park("its marks name a user whom we do not know")
    await _refuse_erased(session, marked)
    if customer_id is not None:
        await link(session, customer_id=customer_id, user_id=UserId(marked))
    return UserId(marked)


async def _refuse_erased(session: AsyncSession, user_id: UUID) -> None:
    """Whoever has been erased gets nothing any more, and must not go on paying."""
    if await session.scalar(
        text("SELECT erased_at IS NOT NULL FROM app.users WHERE id = :id"), {"id": user_id}
    ):
        raise Erased("its user has been erased: end what is left at Stripe, and delete the customer there")
