"""Our books against Stripe's own lists of what was paid and returned, day by day.

Events can be lost, and code can be wrong: so each charge of a day is looked for in our payments, and each
grant that somebody paid for is looked for at Stripe. Nothing is repaired. A difference is parked in the inbox
under the event that would have brought it, where a retry reads its object again; whoever has more here than
there may not spend until somebody has looked.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

from sqlalchemy import Row, text

from core import clock
from core.ids import UserId
from core.settings import BillingSettings
from db.sessions import SERVICE, Database
from domain import alarms
from domain.billing import inbox, objects
from domain.billing.cloud import Cloud, Listed, Missing
from domain.billing.objects import Charge, Json
from domain.credits import reconcile

DAY: Final = timedelta(days=1)
# What is younger may still be on its way to us.
SETTLED: Final = timedelta(hours=6)
# How far back the first comparison goes.
FIRST: Final = timedelta(days=30)
# A charge by direct debit can succeed so long after it was made, and its day is compared again then.
DEBITED: Final = timedelta(days=14)
# A refund can fail, and a dispute be decided, so long after it was made.
DECIDED: Final[Mapping[Listed, timedelta]] = {"refunds": timedelta(days=30), "disputes": timedelta(days=90)}
AT_ONCE: Final = 100

Check = Literal["not-granted", "not-paid", "amount", "returned"]
_WORDS: Final[Mapping[Check, str]] = {
    "not-granted": "paid there, not granted here",
    "not-paid": "granted here, not paid there",
    "amount": "the amounts differ",
    "returned": "what is left after refunds and disputes differs",
}


@dataclass(frozen=True, slots=True)
class Difference:
    """A payment about which Stripe and we do not agree; amounts in cents, after what was returned."""

    check: Check
    payment: str
    user_id: UserId | None
    there: int
    here: int
    currency: str
    # The event that would tell of it, and what that would be about.
    event: str
    about: Mapping[str, str]

    @property
    def id(self) -> str:
        return f"{self.check}:{self.payment}:{self.there}:{self.here}"

    @property
    def is_too_much(self) -> bool:
        """Whether somebody has what they have not paid for."""
        return self.check == "not-paid" or self.here > self.there

    def __str__(self) -> str:
        whose = f" of {self.user_id}" if self.user_id else ""
        amounts = f"{self.there} {self.currency} there, {self.here} here".replace("  ", " ")
        return f"{self.payment}{whose}: {_WORDS[self.check]}: {amounts}"


async def compare_due(db: Database, cloud: Cloud, settings: BillingSettings) -> list[Difference]:
    """Compare each day that has ended since the last time, and once more the day two weeks before it.

    A day is done when it is written down, so whoever stops in the middle goes on with that day.
    """
    async with db.transaction(SERVICE, read_only=True) as session:
        last = await session.scalar(text("SELECT at FROM app.billing_cursors WHERE name = 'compared'"))
    end = _midnight(clock.now() - SETTLED)
    day = _midnight(last) if last else end - FIRST
    found: list[Difference] = []
    while day < end:
        found += await _day(db, cloud, settings, day)
        found += await _day(db, cloud, settings, day - DEBITED)
        day += DAY
        async with db.transaction(SERVICE) as session:
            await session.execute(
                text(
                    """
                    INSERT INTO app.billing_cursors (name, at) VALUES ('compared', :at)
                    ON CONFLICT (name) DO UPDATE SET at = greatest(billing_cursors.at, excluded.at)
                    """
                ),
                {"at": day},
            )
    return found


async def compare_last(
    db: Database, cloud: Cloud, settings: BillingSettings, *, days: int
) -> list[Difference]:
    """Compare so many days up to a few hours ago, whether or not that was done before."""
    until = clock.now() - SETTLED
    found: list[Difference] = []
    for number in range(days, 0, -1):
        found += await _day(db, cloud, settings, until - number * DAY)
    return found


async def _day(db: Database, cloud: Cloud, settings: BillingSettings, start: datetime) -> list[Difference]:
    """What differs of the charges, refunds, disputes and grants of the day that begins at `start`."""
    end = start + DAY
    found: list[Difference] = []
    seen: set[str] = set()
    async for charges in _in_parts(cloud.made("charges", since=start, until=end)):
        found += await _charges(db, cloud, settings, charges, seen)
    for kind, later in DECIDED.items():
        for before in (timedelta(), later):
            returned = cloud.made(kind, since=start - before, until=end - before)
            async for some in _in_parts(returned):
                ids = {each["charge"] for each in some if isinstance(each.get("charge"), str)}
                charges = [await cloud.charge(each) for each in sorted(ids)]
                found += await _charges(db, cloud, settings, charges, seen)
    found += await _grants(db, cloud, start, end, seen)
    # What is heard of as charge and as refund is one difference.
    unlike = list({each.id: each for each in found}.values())
    await _report(db, settings, unlike)
    return unlike


async def _charges(
    db: Database, cloud: Cloud, settings: BillingSettings, given: Sequence[Json], seen: set[str]
) -> list[Difference]:
    """What differs between charges and our payments; those that are paid are added to `seen`."""
    charges = [
        charge
        for charge in map(objects.charge, given)
        if charge.status == "succeeded" and charge.livemode == settings.livemode
    ]
    async with db.transaction(SERVICE, read_only=True) as session:
        rows = await session.execute(
            text(
                """
                SELECT id, user_id, credits, amount_cents, currency,
                       amount_cents - least(amount_cents, refunded_cents + disputed_cents) AS kept
                FROM app.billing_payments WHERE id = ANY(:ids)
                """
            ),
            {"ids": [charge.payment for charge in charges]},
        )
        known = {row.id: row for row in rows}
        owners = await session.execute(
            text("SELECT customer_id, user_id FROM app.billing_customers WHERE customer_id = ANY(:ids)"),
            {"ids": [charge.customer for charge in charges if charge.customer]},
        )
        users: dict[str, UserId] = {row.customer_id: UserId(row.user_id) for row in owners}
    found: list[Difference] = []
    for charge in charges:
        row, user_id = known.get(charge.payment), users.get(charge.customer or "")
        if row is None and charge.metadata.get("leadfuel", settings.mark if user_id else "") != settings.mark:
            continue
        seen.add(charge.payment)
        difference = await _charge(db, cloud, charge, row, user_id)
        if difference is not None:
            found.append(difference)
    return found


async def _charge(
    db: Database, cloud: Cloud, charge: Charge, row: Row[Any] | None, user_id: UserId | None
) -> Difference | None:
    kept = charge.amount - min(charge.amount, charge.amount_refunded + await _disputed(cloud, charge))
    if row is None or row.credits is None:
        if not kept:
            return None
        event, about = await _source(db, cloud, charge)
        check: Check = "not-granted"
        there, here = kept, 0
    elif (charge.amount, charge.currency) != (row.amount_cents, row.currency):
        event, about = await _source(db, cloud, charge)
        check, there, here = "amount", charge.amount, row.amount_cents
    elif kept != row.kept and not await _moves(cloud, charge):
        event, about = "charge.refunded", {"id": charge.id, "object": "charge"}
        check, there, here = "returned", kept, row.kept
    else:
        return None
    whose = UserId(row.user_id) if row is not None else user_id
    return Difference(check, charge.payment, whose, there, here, charge.currency, event, about)


async def _grants(
    db: Database, cloud: Cloud, start: datetime, end: datetime, seen: set[str]
) -> list[Difference]:
    """What was granted within a day as paid for at Stripe, and is not. A payment in `seen` needs no look."""
    found: list[Difference] = []
    after = 0
    while True:
        async with db.transaction(SERVICE, read_only=True) as session:
            rows = await session.execute(
                text(
                    """
                    SELECT g.id, g.user_id, g.reference, p.id AS payment, c.invoice_id,
                           coalesce(p.amount_cents, CAST(l.details ->> 'amount_cents' AS integer), 0)
                               AS cents,
                           coalesce(p.currency, '') AS currency
                    FROM app.credit_grants AS g
                    LEFT JOIN app.billing_payments AS p
                        ON p.user_id = g.user_id AND p.reference = g.reference
                    LEFT JOIN app.plan_changes AS c
                        ON c.user_id = g.user_id AND g.reference = 'upgrade:' || c.id
                    LEFT JOIN app.credit_ledger AS l
                        ON l.user_id = g.user_id AND l.kind = 'purchased' AND l.reference = g.reference
                    WHERE g.created_at >= :start AND g.created_at < :end AND g.id > :after
                      AND (g.source = 'purchase' AND g.reference NOT LIKE 'restored:%'
                           OR g.reference LIKE 'invoice:%' OR g.reference LIKE 'upgrade:%')
                    ORDER BY g.id LIMIT :limit
                    """
                ),
                {"start": start, "end": end, "after": after, "limit": AT_ONCE},
            )
            grants = list(rows)
        for grant in grants:
            if grant.payment in seen:
                continue
            event, about, is_paid = await _proof(cloud, grant)
            if not is_paid:
                payment, user_id = grant.payment or grant.reference, UserId(grant.user_id)
                found.append(
                    Difference("not-paid", payment, user_id, 0, grant.cents, grant.currency, event, about)
                )
        if len(grants) < AT_ONCE:
            return found
        after = grants[-1].id


async def _proof(cloud: Cloud, grant: Row[Any]) -> tuple[str, dict[str, str], bool]:
    """What a grant says that it was paid by, and whether it was."""
    kind, _, id_ = grant.reference.partition(":")
    if kind == "upgrade":
        kind, id_ = "invoice", grant.invoice_id or ""
    is_paid = False
    try:
        if kind == "session":
            session = objects.session(await cloud.session(id_))
            is_paid = session.payment_status in {"paid", "no_payment_required"}
        elif kind == "invoice" and id_:
            is_paid = objects.invoice(await cloud.invoice(id_)).status == "paid"
    except Missing:
        pass
    if kind == "invoice":
        return "invoice.paid", {"id": id_ or grant.reference, "object": "invoice"}, is_paid
    return "checkout.session.completed", {"id": id_ or kind, "object": "checkout.session"}, is_paid


async def _source(db: Database, cloud: Cloud, charge: Charge) -> tuple[str, dict[str, str]]:
    """The event that should have told of a charge: its order's, its invoice's, or at least its own."""
    async with db.transaction(SERVICE, read_only=True) as session:
        order = await session.scalar(
            text(
                "SELECT session_id FROM app.billing_checkouts"
                " WHERE CAST(id AS text) = :id AND pack_id IS NOT NULL"
            ),
            {"id": charge.metadata.get("checkout_id")},
        )
    if order is not None:
        return "checkout.session.completed", {"id": order, "object": "checkout.session"}
    invoice = await cloud.invoice_of(charge.payment_intent) if charge.payment_intent else None
    if invoice is not None:
        return "invoice.paid", {"id": invoice, "object": "invoice"}
    return "charge.succeeded", {"id": charge.id, "object": "charge"}


async def _disputed(cloud: Cloud, charge: Charge) -> int:
    """The cents that a bank holds of a charge."""
    if not charge.is_disputed:
        return 0
    disputes = [objects.dispute(each) for each in await cloud.disputes(charge.id)]
    return sum(dispute.amount for dispute in disputes if dispute.is_held)


async def _moves(cloud: Cloud, charge: Charge) -> bool:
    """Whether something of a charge was returned so lately that we may not have heard of it."""
    now = clock.now()
    for kind in DECIDED:
        async for each in cloud.made(kind, since=now - SETTLED, until=now + DAY):
            if objects.id_of(each.get("charge")) == charge.id:
                return True
    return False


async def _report(db: Database, settings: BillingSettings, found: Sequence[Difference]) -> None:
    """Park what is news, stop the spending of whoever has too much, and tell somebody, in one transaction."""
    if not found:
        return
    async with db.transaction(SERVICE) as session:
        news = [
            each
            for each in found
            if await inbox.park(
                session,
                event_id=each.id,
                kind=each.event,
                about=each.about,
                livemode=settings.livemode,
                reason=str(each),
            )
        ]
        for each in news:
            if each.is_too_much and each.user_id is not None:
                await reconcile.stop(
                    session, user_id=each.user_id, because=f"Stripe does not agree: {_WORDS[each.check]}"
                )
        if news:
            await alarms.ring(
                session,
                key=f"billing.comparison:{news[0].id}",
                subject="our payments and Stripe's do not agree",
                paragraphs=[
                    *(str(each) for each in news[:50]),
                    f"{len(news)} in all: see `leadfuel billing inbox list`, then retry or dismiss each.",
                    "Whoever has more here than there cannot spend before `leadfuel credits release`.",
                ],
            )


async def _in_parts(listed: AsyncIterator[Json]) -> AsyncIterator[list[Json]]:
    part: list[Json] = []
    async for each in listed:
        part.append(each)
        if len(part) == AT_ONCE:
            yield part
            part = []
    if part:
        yield part


def _midnight(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
