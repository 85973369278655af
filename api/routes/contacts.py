"""People, one at a time: read, matched, and kept by hand."""

from typing import Final

from api.operations import Call, Operation, operation
from api.routes.records import (
    ContactAnswer,
    ContactPath,
    Position,
    card_of,
    columns_for,
    origins_of,
    place_of,
)
from core.ids import ContactId
from core.prices import UNLOCK_CREDITS
from db.sessions import SERVICE
from domain import details
from search.response import Reveal


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


OPERATIONS: Final[list[Operation]] = [show_contact]
