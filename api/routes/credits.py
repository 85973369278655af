"""Credits: what things cost, what there is, what became of it; and unlocking addresses."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

from msgspec import Meta
from sqlalchemy.ext.asyncio import AsyncSession

from api import csvfile
from api.operations import Call, Download, Operation, operation
from api.paging import Cursor
from api.routes.records import ContactPath, RecordId
from core.errors import LeadFuelError, NotFound
from core.ids import ContactId, UserId
from core.prices import CREDITS, Action, RevealField
from db.sessions import SERVICE, Database
from domain import reports, unlocks
from domain.credits import months, operators, statement
from domain.credits.books import Kind
from domain.credits.errors import OutOfCredits, SpendingFrozen
from domain.credits.operators import DailyLimit
from domain.paging import WrongCursor
from domain.reports import NotUnlocked
from search.request import Form
from search.response import Answer

Fields = Annotated[list[RevealField], Meta(min_length=1, max_length=2)]


class HiddenRecord(LeadFuelError):
    """You have hidden this person or their company. Show them again before you pay for them."""

    status = 409
    slug = "hidden-record"
    title = "The person is hidden"


class UnlockRequest(Form, frozen=True):
    fields: Fields


class BulkUnlockRequest(Form, frozen=True):
    """`dry_run` tells what it would cost; `max_credits` is what the call may cost at most."""

    contact_ids: Annotated[list[RecordId], Meta(min_length=1, max_length=unlocks.MAX_CONTACTS)]
    fields: Fields
    dry_run: bool = False
    max_credits: Annotated[int, Meta(ge=0, le=1_000_000)] | None = None


class UnlockedField(Answer):
    """`unlocked` is paid now (in a dry run: would be); `owned` was yours; the others cost nothing: nothing
    is there (`empty`), you have hidden the person (`hidden`), the person is not to be sold (`suppressed`)
    or not there at all (`unknown`).
    """

    contact_id: int
    field: RevealField
    status: unlocks.Status
    credits: int
    value: str | None


class UnlockAnswer(Answer):
    """What the call has cost, and the balance after it."""

    results: list[UnlockedField]
    credits: int
    balance: int
    dry_run: bool


class Price(Answer):
    action: Action
    credits: int
    description: str


class Prices(Answer):
    prices: list[Price]


class Expiring(Answer):
    at: datetime
    credits: int


class Account(Answer):
    """`available` can be spent; `held` is set aside for work that runs; `owed` is paid from what comes."""

    available: int
    held: int
    owed: int
    next_expiry: Expiring | None
    frozen: bool
    plan: str
    monthly_credits: int


class LedgerFilter(Form, frozen=True):
    """Which movements."""

    kind: Kind | None = None
    action: Action | None = None
    contact_id: RecordId | None = None
    since: Annotated[datetime, Meta(tz=True)] | None = None
    until: Annotated[datetime, Meta(tz=True)] | None = None


class LedgerQuery(LedgerFilter, frozen=True):
    """Which movements, page by page."""

    limit: Annotated[int, Meta(ge=1, le=500, description="Lines on a page")] = 100
    cursor: Cursor | None = None


class Movement(Answer):
    """A line of the ledger; `what` says it in words."""

    id: int
    at: datetime
    kind: Kind
    action: str | None
    what: str
    credits: int
    balance_after: int
    contact_id: int | None
    contact_name: str | None
    reason: str | None


class AdminCredits(Form, frozen=True):
    user_id: UUID
    credits: Annotated[int, Meta(ge=-1_000_000, le=1_000_000)]
    reason: Annotated[str, Meta(min_length=3, max_length=500, pattern=r"\S")]


class AdminCreditsAnswer(Answer):
    user_id: UUID
    credits: int
    balance: int


class Report(Form, frozen=True):
    """`email` is the address that was written to; without it the one that is shown now."""

    outcome: reports.Outcome
    email: Annotated[str, Meta(min_length=3, max_length=320)] | None = None


class ReportAnswer(Answer):
    """`because` says why credits were given back or not."""

    outcome: reports.Outcome
    refunded: int
    because: str


class Ledger(Answer):
    results: list[Movement]
    cursor: str | None


_DESCRIPTIONS: Final[dict[Action, str]] = {
    "unlock_email": "Unlock the e-mail address of a person, once and for ever",
    "unlock_phone": "Unlock the phone number of a person, once and for ever",
    "email_finder": "Find the e-mail address of somebody; nothing found, nothing charged",
    "validate_email": "Check an e-mail address",
}
_SPENDING: Final = (OutOfCredits, SpendingFrozen)


@operation(
    "POST",
    "/v1/contacts/{contact_id}/unlock",
    tag="Credits",
    summary="Unlock a person's addresses",
    scope="spend",
    session="service",
    errors=(*_SPENDING, HiddenRecord, NotFound),
    example={"fields": ["email"]},
    idempotent=True,
)
async def unlock_contact(call: Call, path: ContactPath, body: UnlockRequest) -> UnlockAnswer:
    """Pays for the fields that are there and not yours yet, once; afterwards they are yours, later values
    included. What is not there costs nothing. All of the fields or, with too little credit, none.
    """
    call.people = [path.contact_id]
    outcome = await unlocks.unlock(
        call.session, user_id=call.user_id, contact_ids=[path.contact_id], fields=body.fields
    )
    for item in outcome.items:
        if item.status in {"unknown", "suppressed"}:
            raise NotFound(f"There is no person {path.contact_id}.")
        if item.status == "hidden":
            raise HiddenRecord("You have hidden this person or their company; nothing was charged.")
    return _answer(outcome, dry_run=False)


@operation(
    "POST",
    "/v1/unlocks",
    tag="Credits",
    summary="Unlock the addresses of many people",
    scope="spend",
    session="service",
    errors=(*_SPENDING, unlocks.CostsMore),
    example={"contact_ids": [17, 42, 4711], "fields": ["email"], "dry_run": True},
    idempotent=True,
)
async def unlock_contacts(call: Call, body: BulkUnlockRequest) -> UnlockAnswer:
    """Up to 1,000 people in one transaction: all that can be unlocked, or nothing when the credits do not
    suffice or `max_credits` would be exceeded. With `dry_run` the same rows with what each would cost.
    """
    call.people = body.contact_ids
    outcome = await unlocks.unlock(
        call.session,
        user_id=call.user_id,
        contact_ids=body.contact_ids,
        fields=body.fields,
        dry_run=body.dry_run,
        max_credits=body.max_credits,
    )
    return _answer(outcome, dry_run=body.dry_run)


@operation("GET", "/v1/credits", tag="Credits", summary="What you have", session="service")
async def show_credits(call: Call) -> Account:
    """What can be spent, what is set aside, and what will be written off next if it is not spent before."""
    await months.refresh(call.session, user_id=call.user_id)
    account = await statement.summary(call.session, user_id=call.user_id)
    expiry = account.next_expiry
    return Account(
        available=account.available,
        held=account.held,
        owed=account.owed,
        next_expiry=Expiring(at=expiry.at, credits=expiry.credits) if expiry else None,
        frozen=account.is_frozen,
        plan=account.plan_id,
        monthly_credits=account.monthly_credits,
    )


@operation("GET", "/v1/credits/prices", tag="Credits", summary="What things cost")
async def list_prices(call: Call) -> Prices:  # noqa: ARG001
    """The table that every charge is made from."""
    return Prices(
        prices=[
            Price(action=action, credits=credits_, description=_DESCRIPTIONS[action])
            for action, credits_ in CREDITS.items()
        ]
    )


@operation(
    "POST",
    "/v1/admin/credits",
    tag="Administration",
    summary="Give or take credits",
    access="admin",
    session="service",
    status=201,
    errors=(NotFound, DailyLimit, OutOfCredits),
    example={"user_id": "6f9619ff-8b86-4011-b42d-00c04fc964ff", "credits": 100, "reason": "An apology"},
    idempotent=True,
)
async def change_credits(call: Call, body: AdminCredits) -> AdminCreditsAnswer:
    """Gives when `credits` is positive and takes when it is negative, as many as there are. The reason
    stands in the ledger for the user to read, and the deed in the audit log. There is a limit for a day.
    """
    entry = await operators.change(
        call.session,
        limit=call.services.settings.billing.admin_credits_per_day,
        actor_id=call.user_id,
        user_id=UserId(body.user_id),
        credits_=body.credits,
        reason=body.reason,
        reference=call.reference,
    )
    return AdminCreditsAnswer(user_id=body.user_id, credits=entry.delta, balance=entry.balance_after)


@operation(
    "POST",
    "/v1/contacts/{contact_id}/report",
    tag="Credits",
    summary="Report what became of an address",
    session="service",
    errors=(NotFound, NotUnlocked),
    example={"outcome": "bounced"},
)
async def report_contact(call: Call, path: ContactPath, body: Report) -> ReportAnswer:
    """A bounce within 30 days of unlocking gives the credits back, once, and counts against the source of the
    address; a reply counts for it. Beyond a fifth of what you have unlocked in 30 days, credits are not given
    back by themselves.
    """
    told = await reports.report(
        call.session,
        privacy=call.services.settings.privacy,
        user_id=call.user_id,
        contact_id=ContactId(path.contact_id),
        email=body.email,
        outcome=body.outcome,
    )
    return ReportAnswer(outcome=told.outcome, refunded=told.refunded, because=told.because)


@operation(
    "GET",
    "/v1/credits/ledger",
    tag="Credits",
    summary="Every movement of your credits",
    session="service_read",
    errors=(WrongCursor,),
)
async def show_ledger(call: Call, query: LedgerQuery) -> Ledger:
    """In pages, the newest first; each with the balance after it."""
    page = await _page(call.session, call.user_id, query, limit=query.limit, cursor=query.cursor)
    return Ledger(results=[_movement(line) for line in page.lines], cursor=page.cursor)


@operation(
    "GET",
    "/v1/credits/ledger.csv",
    tag="Credits",
    summary="Every movement, for a spreadsheet",
    media_type="text/csv",
)
async def download_ledger(call: Call, query: LedgerFilter) -> str:
    """The ledger as CSV, all of it or what the parameters ask for, the newest first."""
    return Download(  # type: ignore[return-value]
        rows=_csv(call.services.database, call.user_id, query),
        media_type="text/csv; charset=utf-8",
        filename="credits.csv",
    )


async def _page(
    session: AsyncSession, user_id: UserId, query: LedgerFilter, *, limit: int, cursor: str | None
) -> statement.Page:
    return await statement.ledger(
        session,
        user_id=user_id,
        limit=limit,
        cursor=cursor,
        kinds=[query.kind] if query.kind else [],
        action=query.action,
        contact_id=query.contact_id,
        since=query.since,
        until=query.until,
    )


async def _csv(database: Database, user_id: UserId, query: LedgerFilter) -> AsyncIterator[bytes]:
    columns = (
        "id",
        "at",
        "kind",
        "action",
        "what",
        "credits",
        "balance_after",
        "contact_id",
        "contact_name",
        "reason",
    )
    yield csvfile.rows([columns])
    cursor: str | None = None
    while True:
        async with database.transaction(SERVICE, read_only=True) as session:
            page = await _page(session, user_id, query, limit=1_000, cursor=cursor)
        yield csvfile.rows([_cell(getattr(line, name)) for name in columns] for line in page.lines)
        cursor = page.cursor
        if cursor is None:
            return


def _cell(value: str | int | datetime | None) -> str | int:
    if isinstance(value, str | int):
        return value
    return "" if value is None else str(value)


def _movement(line: statement.Line) -> Movement:
    return Movement(
        id=line.id,
        at=line.at,
        kind=line.kind,
        action=line.action,
        what=line.what,
        credits=line.credits,
        balance_after=line.balance_after,
        contact_id=line.contact_id,
        contact_name=line.contact_name,
        reason=line.reason,
    )


def _answer(outcome: unlocks.Outcome, *, dry_run: bool) -> UnlockAnswer:
    return UnlockAnswer(
        results=[
            UnlockedField(
                contact_id=item.contact_id,
                field=item.field,
                status=item.status,
                credits=item.credits,
                value=item.value,
            )
            for item in outcome.items
        ],
        credits=outcome.credits,
        balance=outcome.balance,
        dry_run=dry_run,
    )


OPERATIONS: Final[list[Operation]] = [
    unlock_contact,
    unlock_contacts,
    show_credits,
    list_prices,
    change_credits,
    report_contact,
    show_ledger,
    download_ledger,
]
