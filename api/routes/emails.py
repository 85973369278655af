"""Work addresses: checking one, finding somebody's, and looking again at what was answered."""

from datetime import datetime
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from api.operations import Call, Operation, operation
from api.routes.records import RecordId
from core.errors import Invalid, NotFound
from core.ids import ContactId
from domain.credits.errors import OutOfCredits, SpendingFrozen
from domain.finder import requests as searches
from domain.finder.evidence import Query, Suppressed
from domain.validator import requests as checks
from domain.validator.requests import NotToBeProcessed
from domain.validator.verdict import Exchange, Kind, Reachable, Smtp, SmtpReply, Status, Syntax
from search.request import Form
from search.response import Answer

_Name = Annotated[str, Meta(max_length=120)]


class CheckRequest(Form, frozen=True):
    email: Annotated[str, Meta(min_length=1, max_length=400, examples=["anna@example.com"])]


class FindRequest(Form, frozen=True):
    """A contact of the catalogue, or a name with the company's domain or its name."""

    contact_id: RecordId | None = None
    first_name: _Name = ""
    middle_name: _Name = ""
    last_name: _Name = ""
    domain: Annotated[str, Meta(max_length=253)] = ""
    company: Annotated[str, Meta(max_length=200)] = ""


class EmailPath(Form, frozen=True):
    id: Annotated[int, Meta(ge=1, le=2**63 - 1, description="`id` of the answer")]


class VerdictAnswer(Answer):
    """Null in `mx` and `smtp` is what was not learned; only `invalid` was proved to be dead."""

    id: int
    credits: Annotated[int, Meta(description="What this call has cost")]
    input: str
    is_reachable: Reachable
    status: Status
    sub_status: str | None
    score: int
    retry: bool
    retry_after: datetime | None
    checked_at: datetime
    attempts: int
    cached: bool
    syntax: Syntax
    mx: Exchange
    smtp: Smtp
    smtp_reply: SmtpReply | None
    misc: Kind


class FoundAnswer(Answer):
    """`confidence` is the share of answers as sure as this one that are right."""

    id: int
    credits: Annotated[int, Meta(description="What this call has cost")]
    status: Literal["known", "found", "not_found"]
    email: str | None
    score: int
    confidence: float
    email_status: str
    domain: str
    pattern: str | None
    samples: int
    agreeing: int
    accept_all: bool | None
    verification: dict[str, Any] | None
    reasons: list[str]


@operation(
    "POST",
    "/v1/emails/validate",
    tag="E-mails",
    summary="Check an address",
    scope="spend",
    errors=(Invalid, OutOfCredits, SpendingFrozen, NotToBeProcessed),
    example={"email": "anna@example.com"},
    idempotent=True,
)
async def validate_email(call: Call, body: CheckRequest) -> VerdictAnswer:
    """Tell whether mail would arrive, without sending any. A verdict costs one credit; `unknown` is free, and
    so is asking again while the verdict holds. With an `Idempotency-Key` header a repeated call is answered
    as the first was.
    """
    services = call.services
    checked = await checks.check(
        services.database,
        services.settings,
        services.validator,
        user_id=call.user_id,
        email=body.email,
        reference=call.reference,
    )
    return _verdict(checked)


@operation(
    "POST",
    "/v1/emails/find",
    tag="E-mails",
    summary="Find somebody's address",
    scope="spend",
    errors=(Invalid, NotFound, OutOfCredits, SpendingFrozen, Suppressed),
    example={"first_name": "Anna", "last_name": "Keller", "domain": "acme.example"},
    idempotent=True,
)
async def find_email(call: Call, body: FindRequest) -> FoundAnswer:
    """Predict a person's work address from those known at the company, prove it at the mail server where
    that is possible, and say how sure it is. An address costs two credits and unlocks the contact's e-mail;
    nothing found is free. With an `Idempotency-Key` header a repeated call is answered as the first was.
    """
    services = call.services
    query = Query(
        contact_id=ContactId(body.contact_id) if body.contact_id is not None else None,
        first_name=body.first_name,
        middle_name=body.middle_name,
        last_name=body.last_name,
        domain=body.domain,
        company=body.company,
    )
    found = await searches.look(
        services.database,
        services.settings,
        services.validator,
        user_id=call.user_id,
        query=query,
        reference=call.reference,
    )
    return _found(found)


@operation(
    "GET", "/v1/emails/validate/{id}", tag="E-mails", summary="An earlier check", session="service_read"
)
async def show_check(call: Call, path: EmailPath) -> VerdictAnswer:
    """What a check of yours was answered, for as long as it is kept."""
    return _verdict(await checks.get(call.session, user_id=call.user_id, check_id=path.id))


@operation("GET", "/v1/emails/find/{id}", tag="E-mails", summary="An earlier search", session="service_read")
async def show_search(call: Call, path: EmailPath) -> FoundAnswer:
    """What a search of yours was answered, for as long as it is kept."""
    return _found(await searches.get(call.session, user_id=call.user_id, search_id=path.id))


def _verdict(checked: checks.Checked) -> VerdictAnswer:
    plain = checked.verdict.as_json() | {"id": checked.id, "credits": checked.credits}
    return msgspec.convert(plain, VerdictAnswer)


def _found(found: searches.Found) -> FoundAnswer:
    return msgspec.convert(found.answer | {"id": found.id, "credits": found.credits}, FoundAnswer)


OPERATIONS: Final[list[Operation]] = [validate_email, find_email, show_check, show_search]
