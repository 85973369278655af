"""The shapes that people and companies share when one of them is read."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Any, Literal

from msgspec import Meta

from api.operations import Call
from core.ids import MAX_RECORD_ID
from domain.details import Origin
from indexer.waiting import until_searchable
from search.places import Kind, place_display
from search.request import Entity, Form
from search.response import Amount, Answer, FundingSummary, Place, Reveal

RecordId = Annotated[int, Meta(ge=1, le=MAX_RECORD_ID, description="The record's id", examples=[1])]

Text = Annotated[str, Meta(min_length=1, max_length=500)]


class ContactPath(Form, frozen=True):
    contact_id: RecordId


class OrganizationPath(Form, frozen=True):
    organization_id: RecordId


class WaitQuery(Form, frozen=True):
    """Whether the answer is to come when a search finds the edit, at the latest after five seconds."""

    wait: (
        Annotated[
            Literal["searchable"],
            Meta(description="Answer when searches find it; 202 when that takes longer than five seconds"),
        ]
        | None
    ) = None


class FieldOrigin(Answer):
    """Where the present value of a field comes from, and since when."""

    source: str
    since: date
    last_seen: date


class OrganizationCard(Answer):
    """The company of a person, in short."""

    id: int
    name: str
    domain: str | None
    website: str | None
    linkedin_url: str | None
    industries: list[str]
    employees_min: int | None
    employees_max: int | None
    location: Place | None


class Position(Answer):
    """A position held now or before."""

    company: str | None
    organization_id: int | None
    title: str | None
    start_date: date | None
    end_date: date | None
    is_past: bool


class ContactAnswer(Answer):
    """A person; `email` and `phone` are null until you have unlocked them."""

    id: int
    full_name: str | None
    first_name: str | None
    middle_name: str | None
    last_name: str | None
    title: str | None
    title_normalized: str | None
    seniority: str | None
    departments: list[str]
    linkedin_url: str | None
    location: Place | None
    organization: OrganizationCard | None
    employment_history: list[Position]
    position_started_on: date | None
    has_email: bool
    has_phone: bool
    email: str | None
    phone: str | None
    email_status: str | None
    email_verified_at: datetime | None
    can_reveal: list[Reveal]
    hidden: bool
    saved: bool
    provenance: dict[str, FieldOrigin]
    last_refreshed_at: datetime
    created_at: datetime
    updated_at: datetime


class OrganizationAnswer(Answer):
    """A company; `contacts` counts its people without those you have hidden."""

    id: int
    name: str
    aliases: list[str]
    domain: str | None
    website: str | None
    linkedin_url: str | None
    phone: str | None
    industry: str | None
    industries: list[str]
    naics: str | None
    employees_min: int | None
    employees_max: int | None
    headcount_bands: list[str]
    revenue: Amount | None
    technologies: list[str]
    keywords: list[str]
    funding: FundingSummary | None
    founded_year: int | None
    location: Place | None
    description: str | None
    contacts: int
    hidden: bool
    saved: bool
    provenance: dict[str, FieldOrigin]
    last_refreshed_at: datetime
    created_at: datetime
    updated_at: datetime


def wait_if_asked(call: Call, query: WaitQuery, entity: Entity, record: int) -> None:
    """Answer only when searches find the edit; without OpenSearch they do so at once."""
    feed = call.services.feed_or_none
    if query.wait is not None and feed is not None:
        call.afterwards = lambda: until_searchable(feed, entity, [record])


def place_of(columns: Mapping[str, Any]) -> Place | None:
    """The place in a record's columns, with the name to show."""
    codes: list[tuple[Kind, str | None]] = [
        ("city", columns["city"]),
        ("region", columns["region"]),
        ("country", columns["country"]),
    ]
    finest = next(((kind, code) for kind, code in codes if code), None)
    if finest is None and columns["location_raw"] is None:
        return None
    return Place(
        country=columns["country"],
        region=columns["region"],
        city=columns["city"],
        display_name=place_display(*finest) if finest else columns["location_raw"],
        latitude=columns["latitude"],
        longitude=columns["longitude"],
    )


def columns_for(answer: type[Answer], columns: Mapping[str, Any]) -> dict[str, Any]:
    """The columns that an answer shows under their own names."""
    return {name: columns[name] for name in answer.__struct_fields__ if name in columns}


def card_of(columns: Mapping[str, Any]) -> OrganizationCard:
    """A company's columns in short."""
    return OrganizationCard(**columns_for(OrganizationCard, columns), location=place_of(columns))


def origins_of(origins: Mapping[str, Origin]) -> dict[str, FieldOrigin]:
    return {
        name: FieldOrigin(source=origin.source, since=origin.since, last_seen=origin.last_seen)
        for name, origin in origins.items()
    }
