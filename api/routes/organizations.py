"""Companies, one at a time: read, and kept by hand."""

from typing import Final

from api.operations import Call, Operation, operation
from api.routes.records import OrganizationAnswer, OrganizationPath, columns_for, origins_of, place_of
from core.ids import OrganizationId
from db.sessions import SERVICE
from domain import details
from search.response import Amount, FundingSummary


@operation(
    "GET",
    "/v1/organizations/{organization_id}",
    tag="Organizations",
    summary="One company",
    session="read",
)
async def show_organization(call: Call, path: OrganizationPath) -> OrganizationAnswer:
    """A company with the source of every field, and how many people of it you can find."""
    organization_id = OrganizationId(path.organization_id)
    detail = await details.organization(call.session, organization_id=organization_id)
    async with call.services.database.transaction(SERVICE, read_only=True) as service:
        origins = await details.organization_origins(service, organization_id=organization_id)
    return _answer(detail, origins)


def _answer(detail: details.OrganizationDetail, origins: dict[str, details.Origin]) -> OrganizationAnswer:
    columns = detail.columns
    revenue = Amount(
        min=columns["revenue_min"], max=columns["revenue_max"], currency=columns["revenue_currency"]
    )
    funded_on = columns["funding_date"]
    funding = FundingSummary(
        stage=columns["funding_stage"],
        amount=columns["funding_amount"],
        currency=columns["funding_currency"],
        date=funded_on.isoformat() if funded_on else None,
    )
    return OrganizationAnswer(
        **columns_for(OrganizationAnswer, columns),
        revenue=revenue if revenue != Amount() else None,
        funding=funding if funding != FundingSummary() else None,
        location=place_of(columns),
        contacts=detail.contacts,
        provenance=origins_of(origins),
    )


OPERATIONS: Final[list[Operation]] = [show_organization]
