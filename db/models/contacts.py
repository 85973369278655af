"""People. A member never reads `email`, `phone` or a hash here; the view `public.contacts` unmasks them."""

from sqlalchemy import Boolean, Column, Computed, Date, Index, Integer, LargeBinary, Table, Text, func

from db.models.base import (
    created_at,
    identity,
    jsonb,
    metadata,
    organization_reference,
    pii,
    place_columns,
    timestamp,
    words,
)

_PERSON = "the contact"

contacts = Table(
    "contacts",
    metadata,
    identity(Integer),
    organization_reference(ondelete="SET NULL", nullable=True),
    Column("first_name", Text, info=pii(_PERSON)),
    Column("middle_name", Text, info=pii(_PERSON)),
    Column("last_name", Text, info=pii(_PERSON)),
    Column("full_name", Text, info=pii(_PERSON)),
    words("name_terms", info=pii(_PERSON)),
    Column("name_sort", Text(collation="C"), info=pii(_PERSON)),
    Column("name_search", Text, info=pii(_PERSON)),
    Column("email", Text, info=pii(_PERSON)),
    Column("phone", Text, info=pii(_PERSON)),
    Column("linkedin_url", Text, info=pii(_PERSON)),
    Column("email_hash", LargeBinary, info=pii(_PERSON)),
    Column("phone_hash", LargeBinary, info=pii(_PERSON)),
    Column("linkedin_hash", LargeBinary, info=pii(_PERSON)),
    Column("title", Text, info=pii(_PERSON)),
    Column("title_normalized", Text(collation="C"), info=pii(_PERSON)),
    words("title_terms", info=pii(_PERSON)),
    Column("seniority", Text, info=pii(_PERSON)),
    words("departments", info=pii(_PERSON)),
    *place_columns(_PERSON),
    Column("email_status", Text),
    timestamp("email_verified_at", default=False),
    Column("has_email", Boolean, Computed("email IS NOT NULL", persisted=True)),
    Column("has_phone", Boolean, Computed("phone IS NOT NULL", persisted=True)),
    Column("position_started_on", Date, info=pii(_PERSON)),
    jsonb("enrichment", info=pii(_PERSON)),
    jsonb("provenance"),
    timestamp("last_refreshed_at"),
    created_at(),
    timestamp("updated_at"),
)

for _name in ("region", "city", "title_normalized", "email_hash", "linkedin_url"):
    Index(f"contacts_{_name}_idx", contacts.c[_name])
for _name in ("departments", "title_terms", "name_terms"):
    Index(f"contacts_{_name}_idx", contacts.c[_name], postgresql_using="gin")
Index(
    "contacts_name_search_trgm_idx",
    contacts.c.name_search,
    postgresql_using="gin",
    postgresql_ops={"name_search": "gin_trgm_ops"},
)
# A search that starts from companies judges their people by this index alone.
Index(
    "contacts_of_organization_idx",
    contacts.c.organization_id,
    postgresql_include=["id", "seniority", "departments", "country", "last_refreshed_at"],
)
Index("contacts_country_seniority_idx", contacts.c.country, contacts.c.seniority)
Index("contacts_name_sort_idx", contacts.c.name_sort, contacts.c.id)
Index("contacts_last_refreshed_at_idx", contacts.c.last_refreshed_at.desc(), contacts.c.id)
Index("contacts_email_idx", func.lower(contacts.c.email))
