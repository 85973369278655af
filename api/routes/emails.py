"""Work addresses: checking one, finding somebody's, and looking at what became of it."""

from datetime import datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from api.faces.functions import function
from api.operations import Call, Operation, WithStatus, operation
from api.paging import AfterEvent
from api.routes.records import RecordId
from core.errors import Invalid, NotFound
from core.ids import ContactId
from domain.credits.errors import OutOfCredits, SpendingFrozen
from domain.emails import checks, outcomes, requests, searches
from domain.emails.checks import NotToBeProcessed
from domain.emails.outcomes import NothingToReport
from domain.emails.requests import Kind as RequestKind
from domain.emails.requests import Request, State
from domain.finder.evidence import Query, Suppressed
from domain.paging import WrongCursor
from domain.reports import Outcome
from domain.validator.askers import TooManyOfDomain
from domain.validator.verdict import Exchange, Kind, Reachable, Smtp, SmtpReply, Status, Syntax, Verdict
from search.request import Form
from search.response import Answer

_Name = Annotated[str, Meta(max_length=120)]
Cost = Annotated[int, Meta(description="Credits that this request has cost")]
Progress = Annotated[
    State,
    Meta(description="`waiting` has no answer yet, `retrying` one for now; the others are the end"),
]


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

    def query(self) -> Query:
        return Query(
            contact_id=ContactId(self.contact_id) if self.contact_id is not None else None,
            first_name=self.first_name,
            middle_name=self.middle_name,
            last_name=self.last_name,
            domain=self.domain,
            company=self.company,
        )


class EmailPath(Form, frozen=True):
    id: Annotated[UUID, Meta(description="`id` of the answer")]


class VerdictAnswer(Answer):
    """Null in `mx` and `smtp` is what was not learned; only `invalid` was proved to be dead. While `state`
    is not the end, `retry_after` says when to look at `/v1/emails/{id}` again.
    """

    id: UUID
    state: Progress
    credits: Cost
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
    """`confidence` is the share of answers as sure as this one that are right. While `status` is `searching`,
    `retry_after` says when to look at `/v1/emails/{id}` again.
    """

    id: UUID
    state: Progress
    credits: Cost
    retry_after: datetime | None
    status: Literal["known", "found", "not_found", "searching"]
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


class RequestAnswer(Answer):
    """A request and, by its kind, its answer so far; `error` says why it has failed."""

    id: UUID
    kind: RequestKind
    state: Progress
    credits: Cost
    error: str | None
    retry_after: datetime | None
    created_at: datetime
    finished_at: datetime | None
    validation: VerdictAnswer | None
    finding: FoundAnswer | None


class EmailEventAnswer(Answer):
    """The end of a request; `GET /v1/emails/{id}` has its answer. `error` says why it has failed."""

    id: UUID
    kind: Literal["email.validated", "email.found", "email.failed"]
    credits: Cost
    error: str | None
    created_at: datetime
    finished_at: datetime


class EmailEventsAnswer(Answer):
    """`cursor` is how far this goes; ask again behind it for what comes."""

    events: list[EmailEventAnswer]
    cursor: str | None


class EmailReport(Form, frozen=True):
    """Of a request by its `id`, or of the latest one that was answered with this `email`."""

    outcome: Outcome
    id: UUID | None = None
    email: Annotated[str, Meta(min_length=3, max_length=320)] | None = None


class EmailOutcome(Answer):
    """`because` says why credits were given back or not."""

    id: UUID
    outcome: Outcome
    refunded: int
    because: str


_ASKING: Final = (Invalid, OutOfCredits, SpendingFrozen)
_CHECKING: Final = (*_ASKING, NotToBeProcessed, TooManyOfDomain)
_FINDING: Final = (*_ASKING, NotFound, Suppressed, TooManyOfDomain)
_ADDRESS: Final = {"email": "anna@example.com"}
_PERSON: Final = {"first_name": "Anna", "last_name": "Keller", "domain": "acme.example"}
_ENDED: Final[dict[RequestKind, Literal["email.validated", "email.found"]]] = {
    "validate": "email.validated",
    "find": "email.found",
}
_LINKS: Final = {"id": "$response.body#/id"}


@operation(
    "POST",
    "/v1/emails/validate",
    tag="E-mails",
    summary="Check an address",
    scope="spend",
    errors=_CHECKING,
    example=_ADDRESS,
    other_statuses=(202,),
    links=_LINKS,
    idempotent=True,
)
async def validate_email(call: Call, body: CheckRequest) -> VerdictAnswer:
    """Tell whether mail would arrive, without sending any. A verdict costs one credit; `unknown` is free, and
    so is asking again while the verdict holds. What is refused for now is tried again by itself, up to four
    times in five hours. After 15 seconds the answer is 202 and the work goes on.
    """
    return await check(call, body)


@operation(
    "POST",
    "/v1/emails/find",
    tag="E-mails",
    summary="Find somebody's address",
    scope="spend",
    errors=_FINDING,
    example=_PERSON,
    other_statuses=(202,),
    links=_LINKS,
    idempotent=True,
)
async def find_email(call: Call, body: FindRequest) -> FoundAnswer:
    """Predict a person's work address from those known at the company, prove it at the mail server where
    that is possible, and say how sure it is. An address costs two credits and unlocks the contact's e-mail;
    nothing found is free. After 15 seconds, or while the mail server asks to come back later, the answer is
    202 and the work goes on.
    """
    return await find(call, body)


@function(
    "validate-email",
    scope="spend",
    summary="Check an address",
    errors=_CHECKING,
    example=_ADDRESS,
    other_statuses=(202,),
    idempotent=True,
)
async def validate_email_function(call: Call, body: CheckRequest) -> VerdictAnswer:
    """The same as `POST /v1/emails/validate`, for clients of edge functions."""
    return await check(call, body)


@function(
    "email-finder",
    scope="spend",
    summary="Find somebody's address",
    errors=_FINDING,
    example=_PERSON,
    other_statuses=(202,),
    idempotent=True,
)
async def email_finder_function(call: Call, body: FindRequest) -> FoundAnswer:
    """The same as `POST /v1/emails/find`, for clients of edge functions."""
    return await find(call, body)


@operation(
    "GET",
    "/v1/emails/events",
    tag="E-mails",
    summary="Which of your requests have ended",
    session="service_read",
    errors=(WrongCursor,),
)
async def list_email_events(call: Call, query: AfterEvent) -> EmailEventsAnswer:
    """Checks and searches in the order in which they ended, those that took hours among them, a few seconds
    later and for as long as they are kept. The rows of jobs are not among them.
    """
    ended, cursor = await requests.answered(
        call.session, user_id=call.user_id, limit=query.limit, after=query.after
    )
    return EmailEventsAnswer(events=[_event(request) for request in ended], cursor=cursor)


@operation(
    "GET",
    "/v1/emails/{id}",
    tag="E-mails",
    summary="A request for an address",
    session="service_read",
    errors=(NotFound,),
)
async def show_email_request(call: Call, path: EmailPath) -> RequestAnswer:
    """How far a check or a search of yours is, and what was answered, for as long as it is kept."""
    request = await requests.get(call.session, user_id=call.user_id, request_id=path.id)
    is_check = request.kind == "validate"
    answered = request.state not in {"failed", "cancelled"}
    return RequestAnswer(
        id=request.id,
        kind=request.kind,
        state=request.state,
        credits=request.credits,
        error=request.error,
        retry_after=request.due_at,
        created_at=request.created_at,
        finished_at=request.finished_at,
        validation=(
            _verdict(request, await checks.verdict_of(call.session, request))
            if is_check and answered
            else None
        ),
        finding=(
            _found(request, (await searches.found_by(call.session, request)).answer)
            if not is_check and answered
            else None
        ),
    )


@operation(
    "POST",
    "/v1/emails/report",
    tag="E-mails",
    summary="Report what became of an address",
    session="service",
    errors=(Invalid, NotFound, NothingToReport),
    example={"email": "anna@example.com", "outcome": "bounced"},
)
async def report_email(call: Call, body: EmailReport) -> EmailOutcome:
    """Whether mail to an address that you have found or checked here arrived, bounced or was replied to. The
    first word about a request counts: it measures how sure answers may be. A bounce soon after the address of
    a contact was found gives its credits back.
    """
    if (body.id is None) == (body.email is None):
        message = "Give either id or email."
        raise Invalid(message, errors=[{"path": "id", "message": message}])
    noted = await outcomes.report(
        call.session,
        privacy=call.services.settings.privacy,
        user_id=call.user_id,
        request_id=body.id,
        email=body.email,
        outcome=body.outcome,
    )
    return EmailOutcome(
        id=noted.request_id, outcome=noted.outcome, refunded=noted.refunded, because=noted.because
    )


async def check(call: Call, body: CheckRequest) -> VerdictAnswer:
    """The check of every face."""
    services = call.services
    checked = await checks.check(
        services.database,
        services.settings,
        services.validator,
        user_id=call.user_id,
        email=body.email,
        reference=call.reference,
    )
    answer = _verdict(checked.request, checked.verdict)
    if checked.request.state == "waiting":
        return WithStatus(content=answer, status=202)  # type: ignore[return-value]
    return answer


async def find(call: Call, body: FindRequest) -> FoundAnswer:
    """The search of every face."""
    services = call.services
    found = await searches.look(
        services.database,
        services.settings,
        services.validator,
        user_id=call.user_id,
        query=body.query(),
        reference=call.reference,
    )
    call.people = [found.contact_id] if found.contact_id is not None else []
    answer = _found(found.request, found.answer)
    if not found.request.is_over:
        return WithStatus(content=answer, status=202)  # type: ignore[return-value]
    return answer


def _event(request: Request) -> EmailEventAnswer:
    return EmailEventAnswer(
        id=request.id,
        kind=_ENDED[request.kind] if request.state == "done" else "email.failed",
        credits=request.credits,
        error=request.error,
        created_at=request.created_at,
        finished_at=request.finished_at or request.created_at,
    )


def _verdict(request: Request, verdict: Verdict) -> VerdictAnswer:
    plain = verdict.as_json() | {"id": request.id, "state": request.state, "credits": request.credits}
    return msgspec.convert(plain, VerdictAnswer)


def _found(request: Request, answer: dict[str, Any] | None) -> FoundAnswer:
    plain = answer or searches.unfinished(request)
    about = {"state": request.state, "credits": request.credits, "retry_after": request.due_at}
    return msgspec.convert(plain | about | {"id": request.id}, FoundAnswer)


OPERATIONS: Final[list[Operation]] = [
    validate_email,
    find_email,
    list_email_events,
    show_email_request,
    validate_email_function,
    email_finder_function,
    report_email,
]
