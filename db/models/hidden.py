"""The records a user does not want to see. A trigger moves the user's version with every change."""

from sqlalchemy import BigInteger, Column, Index, Table

from db.models.base import contact_reference, metadata, organization_reference, timestamp, user_reference

hidden_contacts = Table(
    "hidden_contacts",
    metadata,
    user_reference(key=True, writer=True),
    contact_reference(key=True),
    timestamp("hidden_at"),
)
Index("hidden_contacts_contact_id_idx", hidden_contacts.c.contact_id)

hidden_companies = Table(
    "hidden_companies",
    metadata,
    user_reference(key=True, writer=True),
    organization_reference(key=True),
    timestamp("hidden_at"),
)
Index("hidden_companies_organization_id_idx", hidden_companies.c.organization_id)

visibility_versions = Table(
    "visibility_versions",
    metadata,
    user_reference(key=True),
    Column("version", BigInteger, nullable=False),
)
