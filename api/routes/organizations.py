"""Companies, one at a time: read, and kept by hand."""

from typing import Annotated, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType
from sqlalchemy.ext.asyncio import AsyncSession

from api.operations import Call, Operation, operation
from api.routes.records import (
    OrganizationAnswer,
    OrganizationPath,
    Text,
    WaitQuery,
    columns_for,
    origins_of,
    place_of,
    wait_if_asked,
)
from core.ids import OrganizationId
from db.sessions import SERVICE
from domain import details, organizations
from domain.edits import Duplicate, Suppressed
from search.request import Form
from search.response import Amount, FundingSummary

Texts = Annotated[list[Text], Meta(max_length=200)]
_MOST = 10**15


class Between(Form, frozen=True):
    """A number or its bounds; a currency where it is money."""

    min: Annotated[int, Meta(ge=0, le=_MOST)] | None = None
    max: Annotated[int, Meta(ge=0, le=_MOST)] | None = None
    currency: Annotated[str, Meta(pattern="^[A-Z]{3}$")] | None = None


class OrganizationFields(Form, frozen=True):
    """What can be said of a company; every value is read as one of a file would be."""

    name: Text | UnsetType | None = UNSET
    aliases: Texts | UnsetType | None = UNSET
    website: Text | UnsetType | None = UNSET
    domain: Text | UnsetType | None = UNSET
    linkedin_url: Text | UnsetType | None = UNSET
    phone: Text | UnsetType | None = UNSET
    industry: Texts | Text | UnsetType | None = UNSET
    naics: Text | UnsetType | None = UNSET
    employees: Between | Annotated[int, Meta(ge=0, le=10**9)] | Text | UnsetType | None = UNSET
    revenue: Between | Text | UnsetType | None = UNSET
    technologies: Texts | UnsetType | None = UNSET
    keywords: Texts | UnsetType | None = UNSET
    funding_stage: Text | UnsetType | None = UNSET
    funding_amount: Text | UnsetType | None = UNSET
    funding_date: Text | UnsetType | None = UNSET
    founded: Annotated[int, Meta(ge=1, le=9999)] | UnsetType | None = UNSET
    location: Text | UnsetType | None = UNSET
    city: Text | UnsetType | None = UNSET
    region: Text | UnsetType | None = UNSET
    country: Text | UnsetType | None = UNSET
    latitude: Annotated[float, Meta(ge=-90, le=90)] | UnsetType | None = UNSET
    longitude: Annotated[float, Meta(ge=-180, le=180)] | UnsetType | None = UNSET
    description: Annotated[str, Meta(min_length=1, max_length=20_000)] | UnsetType | None = UNSET


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


@operation(
    "POST",
    "/v1/organizations",
    tag="Organizations",
    summary="Add a company by hand",
    access="admin",
    session="service",
    status=201,
    other_statuses=(202,),
    errors=(Duplicate, Suppressed),
    example={"name": "Example Ltd", "domain": "example.com", "employees": {"min": 50, "max": 200}},
    links={"organization_id": "$response.body#/id"},
)
async def create_organization(call: Call, query: WaitQuery, body: OrganizationFields) -> OrganizationAnswer:
    """What a person has set is of the source `manual`, which no file overrules."""
    organization_id = await organizations.create(
        call.session, privacy=call.services.settings.privacy, values=msgspec.to_builtins(body)
    )
    await call.record("organization.created", f"organization:{organization_id}")
    call.response_headers["Location"] = f"/v1/organizations/{organization_id}"
    wait_if_asked(call, query, "organizations", organization_id)
    return await _written(call.session, organization_id)


@operation(
    "PATCH",
    "/v1/organizations/{organization_id}",
    tag="Organizations",
    summary="Change a company by hand",
    access="admin",
    session="service",
    other_statuses=(202,),
    errors=(Duplicate, Suppressed),
    example={"employees": "201-500", "technologies": ["PostgreSQL"]},
)
async def change_organization(
    call: Call, path: OrganizationPath, query: WaitQuery, body: OrganizationFields
) -> OrganizationAnswer:
    """Sets the fields that are given; null erases one. Files do not overrule what was set here."""
    organization_id = OrganizationId(path.organization_id)
    changes = msgspec.to_builtins(body)
    await organizations.update(
        call.session,
        privacy=call.services.settings.privacy,
        organization_id=organization_id,
        changes=changes,
    )
    await call.record("organization.changed", f"organization:{organization_id}", fields=sorted(changes))
    wait_if_asked(call, query, "organizations", organization_id)
    return await _written(call.session, organization_id)


@operation(
    "DELETE",
    "/v1/organizations/{organization_id}",
    tag="Organizations",
    summary="Remove a company",
    access="admin",
    session="service",
    other_statuses=(202,),
)
async def delete_organization(call: Call, path: OrganizationPath, query: WaitQuery) -> None:
    """Removes the company; its people stay, without one. A later import may bring it back."""
    await organizations.delete(call.session, organization_id=OrganizationId(path.organization_id))
    await call.record("organization.removed", f"organization:{path.organization_id}")
    wait_if_asked(call, query, "organizations", path.organization_id)


async def _written(session: AsyncSession, organization_id: OrganizationId) -> OrganizationAnswer:
    detail = await details.organization(session, organization_id=organization_id)
    origins = await details.organization_origins(session, organization_id=organization_id)
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


OPERATIONS: Final[list[Operation]] = [
    create_organization,
    show_organization,
    change_organization,
    delete_organization,
]
