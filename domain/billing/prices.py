"""Plans and packs as data, and their prices at Stripe.

What a plan or a pack costs is in our tables. A price at Stripe is found by a lookup key that names the plan
or pack, and never changed: another amount is another price, and the old one stays known for those who
subscribed under it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from core.errors import LeadFuelError, NotFound
from core.settings import BillingSettings
from db.sessions import SERVICE, Database
from domain.billing.cloud import Cloud
from domain.billing.objects import Json

Noun = Literal["plan", "pack"]


class NotForSale(LeadFuelError):
    """The plan or pack has no price at the payment service yet: `leadfuel billing sync` makes it."""

    status = 409
    slug = "not-for-sale"
    title = "This is not for sale"


@dataclass(frozen=True, slots=True)
class Price:
    """What is bought by a price of Stripe's: the credits of a pack, or those of a plan's month."""

    id: str
    plan_id: str | None
    pack_id: str | None
    credits: int
    amount_cents: int
    currency: str


@dataclass(frozen=True, slots=True)
class Offer:
    """A plan or pack as it can be bought."""

    noun: Noun
    id: str
    name: str
    credits: int
    price_cents: int
    features: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Synced:
    """What a comparison with Stripe came to, for one plan or pack."""

    noun: Noun
    id: str
    price_id: str | None
    outcome: Literal["same", "made", "missing", "other amount"]


_PRICE: Final = """
    SELECT b.price_id, b.plan_id, b.pack_id, coalesce(k.credits, p.monthly_credits) AS credits,
           b.amount_cents, b.currency
    FROM app.billing_prices AS b
    LEFT JOIN app.plans AS p ON p.id = b.plan_id
    LEFT JOIN app.credit_packs AS k ON k.id = b.pack_id
"""


async def offers(session: AsyncSession) -> list[Offer]:
    """All that is offered, plans first, each by its price."""
    found = await session.execute(
        text(
            """
            SELECT 'plan' AS noun, id, name, monthly_credits AS credits, price_cents, features
            FROM app.plans
            UNION ALL
            SELECT 'pack', id, name, credits, price_cents, '{}' FROM app.credit_packs WHERE is_active
            ORDER BY noun DESC, price_cents, id
            """
        )
    )
    return [Offer(*row) for row in found]


async def get(session: AsyncSession, *, price_id: str | None) -> Price | None:
    """What is sold under a price, also one of the past."""
    found = await session.execute(text(f"{_PRICE} WHERE b.price_id = :id"), {"id": price_id})
    row = found.one_or_none()
    return None if row is None else _price(row)


async def current(session: AsyncSession, *, noun: Noun, id_: str) -> Price:
    """The price under which something is sold now; raises `NotFound` and `NotForSale`."""
    table, condition = ("plans", "price_cents > 0") if noun == "plan" else ("credit_packs", "is_active")
    if not await session.scalar(
        text(f"SELECT EXISTS (SELECT FROM app.{table} WHERE id = :id AND {condition})"),  # noqa: S608
        {"id": id_},
    ):
        raise NotFound(f"There is no such {noun} to buy.")
    found = await session.execute(text(f"{_PRICE} WHERE b.{noun}_id = :id AND b.is_active"), {"id": id_})
    row = found.one_or_none()
    if row is None:
        raise NotForSale(f"The {noun} {id_!r} has no price at the payment service yet.")
    return _price(row)


async def sync(db: Database, cloud: Cloud, settings: BillingSettings, *, check: bool = False) -> list[Synced]:
    """Make the products and prices at Stripe that are not there; with `check`, only tell."""
    async with db.transaction(SERVICE, read_only=True) as session:
        wanted = [offer for offer in await offers(session) if offer.price_cents]
    there = {
        price["lookup_key"]: price
        for price in await cloud.prices([_key(settings, offer) for offer in wanted])
    }
    done: list[Synced] = []
    for offer in wanted:
        price = there.get(_key(settings, offer))
        if price is not None and _is_right(settings, offer, price):
            outcome: Literal["same", "made", "missing", "other amount"] = "same"
        elif check:
            done.append(Synced(offer.noun, offer.id, None, "missing" if price is None else "other amount"))
            continue
        else:
            price, outcome = await _make(cloud, settings, offer), "made"
        async with db.transaction(SERVICE) as session:
            await _remember(session, settings, offer, price_id=price["id"])
        done.append(Synced(offer.noun, offer.id, price["id"], outcome))
    return done


def _key(settings: BillingSettings, offer: Offer) -> str:
    return f"{settings.mark}:{offer.noun}:{offer.id}"


def _is_right(settings: BillingSettings, offer: Offer, price: Json) -> bool:
    recurring = price.get("recurring") or {}
    return (
        price.get("unit_amount") == offer.price_cents
        and price.get("currency") == settings.currency
        and recurring.get("interval") == ("month" if offer.noun == "plan" else None)
    )


async def _make(cloud: Cloud, settings: BillingSettings, offer: Offer) -> Json:
    """A product and its price, once for the same amount however often it is asked for."""
    key = f"{_key(settings, offer)}:{offer.price_cents}:{settings.currency}"
    marks = {"leadfuel": settings.mark, offer.noun: offer.id}
    product = await cloud.make_product({"name": offer.name, "metadata": marks}, key=f"product:{key}")
    params: dict[str, Any] = {
        "product": product["id"],
        "unit_amount": offer.price_cents,
        "currency": settings.currency,
        "lookup_key": _key(settings, offer),
        "transfer_lookup_key": True,
        "metadata": marks,
    }
    if offer.noun == "plan":
        params["recurring"] = {"interval": "month"}
    return await cloud.make_price(params, key=f"price:{key}")


async def _remember(session: AsyncSession, settings: BillingSettings, offer: Offer, *, price_id: str) -> None:
    await session.execute(
        text(
            f"UPDATE app.billing_prices SET is_active = false"  # noqa: S608
            f" WHERE {offer.noun}_id = :id AND is_active AND price_id <> :price"
        ),
        {"id": offer.id, "price": price_id},
    )
    await session.execute(
        text(
            f"""
            INSERT INTO app.billing_prices (price_id, {offer.noun}_id, amount_cents, currency)
            VALUES (:price, :id, :amount, :currency)
            ON CONFLICT (price_id) DO UPDATE SET is_active = true
            """  # noqa: S608 - one of two words of ours
        ),
        {
            "price": price_id,
            "id": offer.id,
            "amount": offer.price_cents,
            "currency": settings.currency,
        },
    )


def _price(row: Row[Any]) -> Price:
    return Price(
        id=row.price_id,
        plan_id=row.plan_id,
        pack_id=row.pack_id,
        credits=row.credits,
        amount_cents=row.amount_cents,
        currency=row.currency,
    )


def names(synced: Sequence[Synced]) -> list[str]:
    """Each as a line for people."""
    return [f"{each.noun} {each.id}: {each.outcome}" for each in synced]
