"""A person's jobs, past and present, as sources list them."""

from sqlalchemy import (
    Boolean,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from db.models.base import (
    contact_reference,
    created_at,
    identity,
    metadata,
    organization_reference,
    pii,
    words,
)

_PERSON = "the contact"

employment_history = Table(
    "employment_history",
    metadata,
    identity(Integer),
    contact_reference(),
    organization_reference(ondelete="SET NULL", nullable=True),
    Column("company", Text, info=pii(_PERSON)),
    Column("company_key", Text, info=pii(_PERSON)),
    Column("title", Text, info=pii(_PERSON)),
    Column("title_normalized", Text, info=pii(_PERSON)),
    words("title_terms", info=pii(_PERSON)),
    Column("start_date", Date, info=pii(_PERSON)),
    Column("end_date", Date, info=pii(_PERSON)),
    # A job that ends in the future becomes past on its day, not when it is written.
    Column("is_past", Boolean, nullable=False, server_default=text("false")),
    Column("source_id", SmallInteger, ForeignKey("app.sources.id")),
    Column("source_key", Text),
    created_at(),
    UniqueConstraint(
        "contact_id",
        "company_key",
        "title",
        "start_date",
        name="employment_history_position_key",
        postgresql_nulls_not_distinct=True,
    ),
)

Index(
    "employment_history_organization_id_idx",
    employment_history.c.organization_id,
    postgresql_where=text("organization_id IS NOT NULL"),
)
Index(
    "employment_history_title_terms_idx",
    employment_history.c.title_terms,
    postgresql_using="gin",
    postgresql_where=text("is_past"),
)
Index(
    "employment_history_company_key_idx", employment_history.c.company_key, postgresql_where=text("is_past")
)
