"""People, one at a time: read, matched, and kept by hand."""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType
from sqlalchemy.ext.asyncio import AsyncSession

from api.operations import Call, Operation, operation
from api.routes.records import (
    ContactAnswer,
    ContactPath,
    Position,
    RecordId,
    Text,
    WaitQuery,
    card_of,
    columns_for,
    origins_of,
    place_of,
    wait_if_asked,
)
from core.ids import ContactId
from core.prices import UNLOCK_CREDITS
from db.sessions import SERVICE
from domain import contacts, details, matching
from domain.edits import Duplicate, Suppressed
from search.request import Form
from search.response import Answer, Reveal

EmailStatus = Literal["valid", "invalid", "accept_all", "webmail", "disposable", "unknown"]


class ContactFields(Form, frozen=True):
    """What can be said of a person; every value is read as one of a file would be."""

    first_name: Text | UnsetType | None = UNSET
    middle_name: Text | UnsetType | None = UNSET
    last_name: Text | UnsetType | None = UNSET
    title: Text | UnsetType | None = UNSET
    organization_id: RecordId | UnsetType | None = UNSET
    email: Annotated[str, Meta(min_length=3, max_length=320)] | UnsetType | None = UNSET
    email_status: EmailStatus | UnsetType | None = UNSET
    email_verified_at: Text | UnsetType | None = UNSET
    phone: Text | UnsetType | None = UNSET
    linkedin_url: Text | UnsetType | None = UNSET
    location: Text | UnsetType | None = UNSET
    city: Text | UnsetType | None = UNSET
    region: Text | UnsetType | None = UNSET
    country: Text | UnsetType | None = UNSET
    latitude: Annotated[float, Meta(ge=-90, le=90)] | UnsetType | None = UNSET
    longitude: Annotated[float, Meta(ge=-180, le=180)] | UnsetType | None = UNSET
    position_started_on: Text | UnsetType | None = UNSET


class MatchQuery(Form, frozen=True):
    """What is known of somebody: an address, or a name with a company's name or domain."""

    email: Text | None = None
    linkedin_url: Text | None = None
    first_name: Text | None = None
    last_name: Text | None = None
    name: Text | None = None
    company: Text | None = None
    domain: Text | None = None


class MatchRequest(Form, frozen=True):
    queries: Annotated[list[MatchQuery], Meta(min_length=1, max_length=matching.MAX_QUERIES)]


class Match(Answer):
    """Somebody we have: how sure that is (0 to 1), and on what grounds."""

    contact_id: int
    confidence: float
    reasons: list[str]


class MatchResult(Answer):
    """The candidates of one query, the surest first."""

    matches: list[Match]


class MatchAnswer(Answer):
    """One result per query, in their order."""

    results: list[MatchResult]


@operation("GET", "/v1/contacts/{contact_id}", tag="Contacts", summary="One person", session="read")
async def show_contact(call: Call, path: ContactPath) -> ContactAnswer:
    """A person with employment history and the source of every field. An e-mail address or phone number
    shows once you have unlocked it; `can_reveal` says what that costs (0 for what is yours already).
    """
    contact_id = ContactId(path.contact_id)
    detail = await details.contact(call.session, contact_id=contact_id)
    async with call.services.database.transaction(SERVICE, read_only=True) as service:
        origins = await details.contact_origins(service, contact_id=contact_id)
    return _answer(detail, origins)


@operation(
    "POST",
    "/v1/contacts/match",
    tag="Contacts",
    summary="Whom do we have already?",
    scope="read",
    session="service_read",
    example={
        "queries": [
            {"email": "ada@example.com"},
            {"first_name": "Ada", "last_name": "Lovelace", "domain": "example.com"},
        ]
    },
)
async def match_contacts(call: Call, body: MatchRequest) -> MatchAnswer:
    """Up to 100 people at once, by e-mail address, LinkedIn URL, or name and company: who of ours they
    may be, how sure that is, and why. No address is given out.
    """
    queries = [matching.Query(**msgspec.structs.asdict(query)) for query in body.queries]
    found = await matching.match(call.session, queries)
    results = [
        MatchResult(
            matches=[
                Match(contact_id=each.contact_id, confidence=each.confidence, reasons=list(each.reasons))
                for each in candidates
            ]
        )
        for candidates in found
    ]
    return MatchAnswer(results=results)


@operation(
    "POST",
    "/v1/contacts",
    tag="Contacts",
    summary="Add a person by hand",
    access="admin",
    session="service",
    status=201,
    other_statuses=(202,),
    errors=(Duplicate, Suppressed),
    example={"first_name": "Ada", "last_name": "Lovelace", "title": "CTO", "email": "ada@example.com"},
    links={"contact_id": "$response.body#/id"},
)
async def create_contact(call: Call, query: WaitQuery, body: ContactFields) -> ContactAnswer:
    """What a person has set is of the source `manual`, which no file overrules."""
    contact_id = await contacts.create(
        call.session, privacy=call.services.settings.privacy, values=msgspec.to_builtins(body)
    )
    await call.record("contact.created", f"contact:{contact_id}")
    call.response_headers["Location"] = f"/v1/contacts/{contact_id}"
    wait_if_asked(call, query, "contacts", contact_id)
    return await _written(call.session, contact_id)


@operation(
    "PATCH",
    "/v1/contacts/{contact_id}",
    tag="Contacts",
    summary="Change a person by hand",
    access="admin",
    session="service",
    other_statuses=(202,),
    errors=(Suppressed,),
    example={"title": "Chief Technology Officer", "phone": None},
)
async def change_contact(
    call: Call, path: ContactPath, query: WaitQuery, body: ContactFields
) -> ContactAnswer:
    """Sets the fields that are given; null erases one. Files do not overrule what was set here."""
    contact_id = ContactId(path.contact_id)
    changes = msgspec.to_builtins(body)
    await contacts.update(
        call.session,
        privacy=call.services.settings.privacy,
        contact_id=contact_id,
        changes=changes,
    )
    await call.record("contact.changed", f"contact:{contact_id}", fields=sorted(changes))
    wait_if_asked(call, query, "contacts", contact_id)
    return await _written(call.session, contact_id)


@operation(
    "DELETE",
    "/v1/contacts/{contact_id}",
    tag="Contacts",
    summary="Remove a person",
    access="admin",
    session="service",
    other_statuses=(202,),
)
async def delete_contact(call: Call, path: ContactPath, query: WaitQuery) -> None:
    """Removes the person with everything that hangs on them. A later import may bring them back."""
    await contacts.delete(call.session, contact_id=ContactId(path.contact_id))
    await call.record("contact.removed", f"contact:{path.contact_id}")
    wait_if_asked(call, query, "contacts", path.contact_id)


async def _written(session: AsyncSession, contact_id: ContactId) -> ContactAnswer:
    """A record just written, masked for its writer as for everybody."""
    detail = await details.contact(session, contact_id=contact_id)
    return _answer(detail, await details.contact_origins(session, contact_id=contact_id))


def _answer(detail: details.ContactDetail, origins: dict[str, details.Origin]) -> ContactAnswer:
    columns = detail.columns
    return ContactAnswer(
        **columns_for(ContactAnswer, columns),
        location=place_of(columns),
        organization=card_of(detail.organization) if detail.organization else None,
        employment_history=[
            Position(
                company=position.company,
                organization_id=position.organization_id,
                title=position.title,
                start_date=position.start_date,
                end_date=position.end_date,
                is_past=position.is_past,
            )
            for position in detail.employment
        ],
        can_reveal=[
            Reveal(field=field, credits=0 if field in detail.unlocked else credits_)
            for field, credits_ in UNLOCK_CREDITS.items()
            if columns[f"has_{field}"]
        ],
        provenance=origins_of(origins),
    )


OPERATIONS: Final[list[Operation]] = [
    match_contacts,
    create_contact,
    show_contact,
    change_contact,
    delete_contact,
]
